"""Fusion: which operations are computed in which kernel, and which values go through memory at all.

Operations are visited in order. Elementwise ones and views wait: they are written into the kernels that read them.
Reductions, matrix products and primitives with algorithms of their own each make a kernel. A value that must be in
memory, because it is returned or because a product reads it, joins the kernel that makes what it is made of, as its
epilogue, if that has the same shape; else it gets loops of its own. So bias, activation and an optimiser's update end
up in the product whose result they use, and a softmax's exponential in the reduction that sums it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from lamina.compiler.graph.ir import Graph, Update, Value, operation
from lamina.compiler.schedule.fused import COPY, Fused, Rules
from lamina.compiler.schedule.kernels import (
    Kernel,
    Loops,
    MatrixProduct,
    Reduction,
    Special,
    product_kernel,
    reduction_kernel,
)
from lamina.compiler.schedule.views import (
    VIEWS,
    Index,
    View,
    contiguous,
    identity,
    operand_index,
    squeezed,
    viewed,
    whole,
)

REDUCTIONS = frozenset({"sum", "prod", "max", "min", "any", "all"})
RECOMPUTED = 8
"""What costs at most so many instructions is computed again by each kernel that reads it, not stored."""
EXPRESSION = 64
"""How many operations are written into a kernel as one expression before a part is stored."""
SMALL = 512
"""Up to how many elements a loop of its own costs more than threads that wait for each other."""
SIBLINGS = 12
"""How many values one kernel of loops computes; more streams of memory than that get in each other's way."""


def fuse(graph: Graph, rules: Rules) -> Fused:
    """Return the kernels of a graph."""
    fusion = Fusion(_with_roots_of_their_own(graph, rules), rules)
    fusion.run()
    return fusion.fused


def _with_roots_of_their_own(graph: Graph, rules: Rules) -> Graph:
    """Return a graph in which each root is computed, once: an input that is returned is copied."""
    taken: set[Value] = set()

    def own(value: Value) -> Value:
        fresh = rules.cost(value.op) is not None or value.op in REDUCTIONS or value.op == "matmul"
        if not fresh or value in taken:
            value = operation(COPY, (value,), value.spec)
        taken.add(value)
        return value

    updates = tuple(Update(each.input, own(each.value)) for each in graph.updates)
    return Graph(graph.inputs, tuple(own(value) for value in graph.outputs), updates, graph.checks)


class Fusion:
    """The state of `fuse`."""

    def __init__(self, graph: Graph, rules: Rules) -> None:
        self.rules = rules
        self.fused = Fused(graph)
        self.home = self.fused.home
        self.views = self.fused.views
        self.uses = graph.uses()
        self.pending: set[Value] = set()
        self.cost: dict[Value, int] = {}
        self.size: dict[Value, int] = {}
        self.of_product: set[Value] = set()
        self.needs: dict[Kernel, set[Kernel]] = {}
        self.numbers: dict[Kernel, int] = {}

    def run(self) -> None:
        """Visit everything, then see that what is asked for is computed."""
        for value in self.fused.graph.values():
            self._visit(value)
        for root in self.fused.graph.roots():
            self.place(root)

    # --- one operation ---

    def _visit(self, value: Value) -> None:
        if value.op in ("input", "constant"):
            self.views[value] = whole(value)
        elif value.op == "full":
            self.cost[value] = self.size[value] = 0
        elif value.op in VIEWS:
            self._visit_view(value)
        elif value.op in REDUCTIONS:
            self._reduce(value)
        elif value.op == "matmul":
            a, b = (self._memory(each) for each in value.operands)
            kernel = self._new(product_kernel(value, a, b))
            self._made_here(value, kernel)
            self._depend_on_bases(kernel, (a, b))
        elif value.op == "item":
            pass  # Placed with the primitive whose result it is.
        elif value.op in ("pad", "concat"):
            self._assemble(value)
        elif self.rules.special(value.op):
            self._special(value)
        else:
            self._visit_elementwise(value)

    def _visit_view(self, value: Value) -> None:
        operand = value.operands[0]
        source = self.views.get(operand)
        if source is None and value.op == "reshape" and squeezed(operand.shape) != squeezed(value.shape):
            source = self._memory(operand)
        if source is not None:
            found = viewed(value, source)
            if found is None:
                found = viewed(value, self._copied(operand))
            if found is not None:
                self.views[value] = found
                return
        self._expression(value, 0)

    def _visit_elementwise(self, value: Value) -> None:
        cost = 1 if value.op == COPY else self.rules.cost(value.op)
        assert cost is not None, value.op
        self._expression(value, cost)
        if self.size[value] > EXPRESSION:
            # A view of an expression lies nowhere itself: what it is of does.
            inline = (each for each in value.operands if each not in self.views and each not in self.home)
            whole_operands = {_without_views(each) for each in inline}
            for operand in sorted(whole_operands, key=lambda each: (-self.size.get(each, 0), each.number))[:2]:
                if self.size.get(operand, 0) > EXPRESSION // 4:
                    self._placed(operand)
            self._expression(value, cost)
        if len(self.uses.get(value, ())) > 1 and (self.cost[value] > RECOMPUTED or value in self.of_product):
            self.pending.add(value)

    def _expression(self, value: Value, cost: int) -> None:
        """Note how much it takes to compute a value from what is in memory."""
        inline = [each for each in dict.fromkeys(value.operands) if each not in self.views and each not in self.home]
        self.cost[value] = cost + sum(self.cost.get(each, 0) for each in inline)
        self.size[value] = 1 + sum(self.size.get(each, 0) for each in inline)
        for each in value.operands:
            home = self.home.get(each)
            if each in self.of_product or (home and isinstance(home[0], MatrixProduct)):
                self.of_product.add(value)

    # --- kernels ---

    def _new(self, kernel: Kernel) -> Kernel:
        self.fused.kernels.append(kernel)
        self.needs[kernel] = set()
        self.numbers[kernel] = len(self.numbers)
        return kernel

    def _made_here(self, value: Value, kernel: Kernel) -> None:
        self.home.setdefault(value, []).append(kernel)
        self.pending.discard(value)

    def _reduce(self, value: Value) -> None:
        operand = value.operands[0]
        wanted = reduction_kernel(value)
        leaves = list(self._leaves(operand, range(len(wanted.dims))))
        for kernel in reversed(self.fused.kernels[-8:]):
            if (
                isinstance(kernel, Reduction)
                and (kernel.dims, kernel.reduced) == (wanted.dims, wanted.reduced)
                and len(kernel.values) < 4
                and all(fits if leaf is kernel else leaf in self.needs[kernel] for leaf, fits in leaves)
            ):
                kernel.values.append(value)
                kernel.computed.append(value)
                break
        else:
            kernel = wanted
            self._new(kernel)
        self._made_here(value, kernel)
        index = kernel.full_index_of(operand)
        assert index is not None
        self._absorb(kernel, operand, index, kernel.full_index_of)

    def _special(self, value: Value) -> None:
        for operand in value.operands:
            self._array(operand)  # before the kernel: what must be copied is copied by another
        several = isinstance(value.spec, tuple)
        results = self._items(value) if several else (value,)
        kernel = Special((), [value], value=value, results=results)
        self._new(kernel)
        self._made_here(value, kernel)
        for result in results:
            self.home[result] = [kernel]
            self.views[result] = whole(result)
        self._depend_on_bases(kernel, [whole(self._array(operand)) for operand in value.operands])

    def _items(self, value: Value) -> tuple[Value, ...]:
        """Return the results of a primitive that has several, those that nobody reads too."""
        found = {each.params["index"]: each for each in self.uses.get(value, ()) if each.op == "item"}
        return tuple(
            found.get(index) or operation("item", (value,), spec, {"index": index})
            for index, spec in enumerate(value.spec)
        )

    def _assemble(self, value: Value) -> None:
        """Write the parts of a padded or concatenated value to where they go in its memory."""
        target = whole(value)
        if value.op == "pad":
            background = operation(COPY, (_full_like(value),), value.spec)
            first = self._new(Loops(squeezed(value.shape), [background], into=target))
            self._made_here(value, first)
            low, interior = value.params["low"], value.params["interior"]
            offset = sum(before * stride for before, stride in zip(low, target.strides, strict=True))
            step = tuple((gap + 1) * stride for gap, stride in zip(interior, target.strides, strict=True))
            self._part(value, value.operands[0], View(value, step, offset), after=first)
        else:
            axis, start = value.params["axis"], 0
            for operand in value.operands:
                self._part(value, operand, View(value, target.strides, start * target.strides[axis]))
                start += operand.shape[axis]
        self.views[value] = target

    def _part(self, value: Value, operand: Value, into: View, after: Kernel | None = None) -> None:
        part = operation(COPY, (operand,), operand.spec)
        kernel = self._new(Loops(squeezed(operand.shape), [part], into=into))
        self._made_here(value, kernel)
        if after is not None:
            self.needs[kernel].add(after)
        index = kernel.index_of(operand)
        assert index is not None
        self._absorb(kernel, operand, index)

    # --- values that must be in memory ---

    def _memory(self, value: Value) -> View:
        """Return where a value lies in memory, as a view of whatever it is a part of."""
        found = self.views.get(value)
        if found is None and value.op in VIEWS:
            found = viewed(value, self._memory(value.operands[0]))
            if found is not None:
                self.views[value] = found
        return found or self._placed(value)

    def _array(self, value: Value) -> Value:
        """Return a value that lies in memory in row-major order and holds the same elements."""
        found = self.fused.arrays.get(value)
        if found is None:
            view = self._memory(value)
            # Row-major order is all that counts: another shape of the same elements will do.
            if (view.strides, view.offset) != (contiguous(value.shape), 0) or _size(view.base) != _size(value):
                view = self._copied(value)
            found = self.fused.arrays[value] = view.base
        return found

    def _placed(self, value: Value) -> View:
        if value.op == "full" or value.op in VIEWS:
            return self._copied(value)
        self.place(value)
        self.views[value] = whole(value)
        return self.views[value]

    def _copied(self, value: Value) -> View:
        copy = operation(COPY, (value,), value.spec)
        self.uses[copy] = []
        self._visit_elementwise(copy)
        self.place(copy)
        self.views[copy] = whole(copy)
        return self.views[copy]

    def place(self, value: Value) -> None:
        """See that a value is computed in some kernel."""
        if value in self.home:
            return
        kernel = self._joined(value) or self._new(Loops(squeezed(value.shape)))
        self._compute(kernel, value)

    def _compute(self, kernel: Kernel, value: Value) -> None:
        kernel.computed.append(value)
        self._made_here(value, kernel)
        index = kernel.index_of(value)
        assert index is not None
        for place, operand in enumerate(value.operands):
            self._absorb(kernel, operand, operand_index(value, place, index, len(kernel.dims)))

    def _absorb(
        self, kernel: Kernel, value: Value, index: Index, place_of: Callable[[Value], Index | None] | None = None
    ) -> None:
        """Write the expression of a value into a kernel, up to what other kernels compute."""
        place_of = place_of or kernel.index_of
        dims = len(kernel.dims)
        strays = self._strays(value, index, dims, place_of)
        waiting = [(value, index)]
        seen: set[tuple[Value, Index]] = set()
        while waiting:
            each = waiting.pop()
            if each in seen:
                continue
            seen.add(each)
            inner, at = each
            if inner in self.pending and inner not in self.views:
                if self._adopted(kernel, inner, inner not in strays):
                    kernel.computed.append(inner)
                    self._made_here(inner, kernel)
                else:
                    continue
            elif inner in self.home or inner in self.views:
                base = self.views[inner].base if inner in self.views else inner
                self.needs[kernel].update(home for home in self.home.get(base, ()) if home is not kernel)
                continue
            else:
                # It may get a place in memory later, which this kernel does not wait for.
                kernel.inlined.add(inner)
            for position, operand in enumerate(inner.operands):
                waiting.append((operand, operand_index(inner, position, at, dims)))

    def _strays(self, value: Value, index: Index, dims: int, place_of: Callable[[Value], Index | None]) -> set[Value]:
        """Return the values worth computing once that an expression reads elsewhere than at its own place."""
        if not self.pending:
            return set()
        strays = set()
        waiting = [(value, index)]
        seen = set()
        while waiting:
            each = waiting.pop()
            if each in seen:
                continue
            seen.add(each)
            inner, at = each
            if inner in self.home or inner in self.views:
                continue
            if inner in self.pending and place_of(inner) != at:
                strays.add(inner)
            for position, operand in enumerate(inner.operands):
                waiting.append((operand, operand_index(inner, position, at, dims)))
        return strays

    def _adopted(self, kernel: Kernel, value: Value, fits: bool) -> bool:
        """Tell whether a value worth computing once is computed in this kernel; else it is computed in another."""
        other = self._joined(value)
        if other is None or other is kernel or self._leads(kernel, other):
            if fits and not (kernel.index_of(value) is None and _divides_otherwise(kernel)):
                return True
            other = self._new(Loops(squeezed(value.shape)))
        # Before anything else joins a kernel: what the other reads cannot be computed in this one any more.
        self.needs[kernel].add(other)
        self._compute(other, value)
        return False

    # --- joining kernels ---

    def _joined(self, value: Value) -> Kernel | None:
        """Return the kernel that can compute a value too: it makes an operand, in the same loops."""
        space = squeezed(value.shape)
        leaves = list(self._leaves(value, range(len(space))))
        kernels = {kernel for kernel, _ in leaves}
        ill = {kernel for kernel, fits in leaves if not fits}
        able = [kernel for kernel in kernels - ill if self._takes(kernel, space)]
        depth = self._depths(able) if len(able) > 1 else {}
        # The one that waits longest anyway: another would be held up.
        for kernel in sorted(able, key=lambda each: (depth.get(each, 0), self.numbers[each]), reverse=True):
            if not any(other is not kernel and self._leads(kernel, other) for other in kernels):
                return kernel
        return self._sibling(space, kernels)

    def _takes(self, kernel: Kernel, space: tuple[int, ...]) -> bool:
        """Tell whether further values can be computed in a kernel's loops."""
        return kernel.space == space and not isinstance(kernel, Special) and getattr(kernel, "into", None) is None

    def _depths(self, kernels: list[Kernel]) -> dict[Kernel, int]:
        """Return how many kernels in a row come before each of these, and before those that they wait for."""
        depth: dict[Kernel, int] = {}
        waiting = list(kernels)
        while waiting:
            kernel = waiting[-1]
            unknown = [needed for needed in self.needs[kernel] if needed not in depth]
            if unknown and kernel not in depth:
                waiting += unknown
                continue
            waiting.pop()
            depth[kernel] = max((depth[needed] + 1 for needed in self.needs[kernel]), default=0)
        return depth

    def _sibling(self, space: tuple[int, ...], leaves: set[Kernel]) -> Kernel | None:
        """Return loops of the same lengths that already wait for what a value waits for."""
        for kernel in reversed(self.fused.kernels[-16:]):
            if (
                type(kernel) is Loops
                and kernel.into is None
                and kernel.dims == space
                and len(kernel.computed) < SIBLINGS
                and leaves <= self.needs[kernel]
            ):
                return kernel
        return None

    def _leaves(self, value: Value, places: range) -> Iterator[tuple[Kernel, bool]]:
        """Yield the kernels whose results an expression reads, and whether at the place where it stands itself."""
        dims = len(places)
        waiting = [(value, identity(value.shape, dims, places))]
        seen = set()
        while waiting:
            each = waiting.pop()
            if each in seen:
                continue
            seen.add(each)
            inner, at = each
            if inner is not value or inner in self.home or inner in self.views:
                base = self.views[inner].base if inner in self.views else inner
                if base in self.home:
                    fits = inner is base and len(squeezed(base.shape)) == dims
                    fits = fits and identity(base.shape, dims, places) == at
                    for kernel in self.home[base]:
                        yield kernel, fits
                    continue
                if inner in self.views:
                    continue
            for position, operand in enumerate(inner.operands):
                waiting.append((operand, operand_index(inner, position, at, dims)))

    def _leads(self, first: Kernel, second: Kernel) -> bool:
        """Tell whether ``second`` waits for ``first``, directly or not."""
        seen = {second}
        waiting = [second]
        while waiting:
            for needed in self.needs[waiting.pop()]:
                if needed is first:
                    return True
                if needed not in seen:
                    seen.add(needed)
                    waiting.append(needed)
        return False

    def _depend_on_bases(self, kernel: Kernel, views: tuple[View, ...] | list[View]) -> None:
        for view in views:
            self.needs[kernel].update(home for home in self.home.get(view.base, ()) if home is not kernel)


def _size(value: Value) -> int:
    return math.prod(value.shape)


def _divides_otherwise(kernel: Kernel) -> bool:
    """Tell whether a kernel is shared out by another axis than the first of what it reduces.

    What is stored there would be written by other threads than those that go on with its rows.
    """
    return isinstance(kernel, Reduction) and 0 in kernel.reduced and math.prod(kernel.dims) > SMALL


def _without_views(value: Value) -> Value:
    while value.op in VIEWS:
        value = value.operands[0]
    return value


def _full_like(value: Value) -> Value:
    return operation("full", (), value.spec, {"value": value.params["value"]})
