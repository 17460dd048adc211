"""Fusion: which operations are computed in which kernel, and which values go through memory at all.

Operations are visited in order. Elementwise ones and views wait: they are written into the kernels that read them.
Reductions, matrix products and primitives with algorithms of their own each make a kernel. A value that must be in
memory, because it is returned or because a product reads it, joins the kernel that makes what it is made of, as its
epilogue, if that has the same shape; else it gets loops of its own. So bias, activation and an optimiser's update end
up in the product whose result they use, and a softmax's exponential in the reduction that sums it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lamina.compiler.graph.ir import AFTER, Graph, Update, Value, operation
from lamina.compiler.schedule.fused import COPY, Fused, Rules
from lamina.compiler.schedule.joining import Joining
from lamina.compiler.schedule.kernels import (
    Kernel,
    Loops,
    Special,
    convolution_kernel,
    product_kernel,
    reduction_kernel,
)
from lamina.compiler.schedule.order import replaces_rows_of
from lamina.compiler.schedule.placing import Placing
from lamina.compiler.schedule.views import VIEWS, View, renamed, splits, squeezed, viewed, whole

REDUCTIONS = frozenset({"sum", "prod", "max", "min", "any", "all"})
CONTRACTIONS: dict[str, Callable[[Value, View, View], Kernel]] = {
    "matmul": product_kernel,
    "matmul_bfloat16": product_kernel,
    "convolution": convolution_kernel,
}


def fuse(graph: Graph, rules: Rules) -> Fused:
    """Return the kernels of a graph."""
    fusion = Fusion(_with_roots_of_their_own(graph, rules), rules)
    fusion.run()
    return fusion.fused


def _with_roots_of_their_own(graph: Graph, rules: Rules) -> Graph:
    """Return a graph in which each root is computed, once: an input that is returned is copied."""
    taken: set[Value] = set()

    def own(value: Value, target: Value | None = None) -> Value:
        fresh = rules.cost(value.op) is not None or value.op in REDUCTIONS or value.op in CONTRACTIONS
        if not (fresh or replaces_rows_of(value, target)) or value in taken:
            value = operation(COPY, (value,), value.spec)
        taken.add(value)
        return value

    updates = tuple(Update(each.input, own(each.value, graph.inputs[each.input])) for each in graph.updates)
    return Graph(graph.inputs, tuple(own(value) for value in graph.outputs), updates, graph.checks)


class Fusion:
    """The state of `fuse`."""

    def __init__(self, graph: Graph, rules: Rules) -> None:
        self.rules = rules
        self.fused = Fused(graph)
        self.views = self.fused.views
        self.joining = Joining(self.fused)
        self.placing = Placing(self.fused, self.joining, rules)

    def run(self) -> None:
        """Visit everything, then see that what is asked for is computed."""
        for value in self.fused.graph.values():
            self._visit(value)
        for root in self.fused.graph.roots():
            self.placing.place(root)

    def _visit(self, value: Value) -> None:
        if value.op in ("input", "constant"):
            self.views[value] = whole(value)
        elif value.op == "full":
            self.placing.free(value)
        elif value.op in VIEWS:
            self._view(value)
        elif value.op in REDUCTIONS:
            self._reduce(value)
        elif value.op in CONTRACTIONS:
            self._contract(value)
        elif value.op == AFTER:
            self._after(value)
        elif value.op == "item":
            pass  # Placed with the primitive whose result it is.
        elif value.op == "pad":
            self._pad(value)
        elif value.op == "concat":
            self._concatenate(value)
        elif self.rules.special(value.op):
            self._special(value)
        else:
            self.placing.elementwise(value)

    def _view(self, value: Value) -> None:
        operand = value.operands[0]
        source = self.views.get(operand)
        follows = renamed(value) or (splits(value) and not self.placing.is_epilogue(operand))
        if source is None and value.op == "reshape" and not follows:
            # What would have to be copied after it has been placed is placed as it will be read.
            expected = self.placing.expected(operand)
            fits = expected is not None and viewed(value, expected) is not None
            source = self.placing.memory(operand) if fits else self.placing.copied(operand)
        if source is not None:
            found = viewed(value, source) or viewed(value, self.placing.copied(operand))
            if found is not None:
                self.views[value] = found
                return
        self.placing.expression(value)

    def _after(self, value: Value) -> None:
        """See the first operand in memory, from when the kernels that compute the others have run."""
        view = self.placing.memory(value.operands[0])
        makers = (kernel for other in value.operands[1:] for kernel in self.joining.makers(other))
        self.views[value] = replace(view, after=tuple(dict.fromkeys((*view.after, *makers))))

    # --- kernels ---

    def _new(self, value: Value, kernel: Kernel) -> None:
        self.joining.add(kernel)
        self.placing.made_here(value, kernel)

    def _contract(self, value: Value) -> None:
        a, b = (self.placing.memory(each) for each in value.operands)
        kernel = CONTRACTIONS[value.op](value, a, b)
        self._new(value, kernel)
        for view in (a, b):
            self.joining.wait_to_read(kernel, view)

    def _reduce(self, value: Value) -> None:
        operand = value.operands[0]
        wanted = reduction_kernel(value)
        index = wanted.place_of(operand)
        kernel = self.joining.reducing(operand, wanted)
        if kernel is None or self.placing.would_wait(kernel, operand, index, kernel.full_index_of):
            kernel = wanted
            self._new(value, kernel)
        else:
            kernel.values.append(value)
            kernel.computed.append(value)
            self.placing.made_here(value, kernel)
        self.placing.absorb(kernel, operand, index, kernel.full_index_of)

    def _special(self, value: Value) -> None:
        # Before the kernel: what must be copied is copied by another.
        arrays = [self.placing.array(operand) for operand in value.operands]
        results = self._items(value) if isinstance(value.spec, tuple) else (value,)
        kernel = Special((), [value], value=value, results=results)
        self._new(value, kernel)
        for result in results:
            self.fused.home[result] = [kernel]
            self.views[result] = whole(result)
        for each in (*value.operands, *arrays):
            self.joining.wait_for(kernel, each)

    def _items(self, value: Value) -> tuple[Value, ...]:
        """Return the results of a primitive that has several, those that nobody reads too."""
        found = {each.params["index"]: each for each in self.placing.uses.get(value, ()) if each.op == "item"}
        return tuple(
            found.get(index) or operation("item", (value,), spec, {"index": index})
            for index, spec in enumerate(value.spec)
        )

    # --- values put together from parts, each of which a kernel writes to where it goes ---

    def _pad(self, value: Value) -> None:
        target = whole(value)
        full = operation("full", (), value.spec, {"value": value.params["value"]})
        background = Loops(squeezed(value.shape), [operation(COPY, (full,), value.spec)], into=target)
        self._new(value, background)
        low, interior = value.params["low"], value.params["interior"]
        offset = sum(before * stride for before, stride in zip(low, target.strides, strict=True))
        step = tuple((gap + 1) * stride for gap, stride in zip(interior, target.strides, strict=True))
        part = self._part(value, value.operands[0], View(value, step, offset))
        self.joining.needs[part].add(background)
        self.views[value] = target

    def _concatenate(self, value: Value) -> None:
        target = whole(value)
        axis, start = value.params["axis"], 0
        for operand in value.operands:
            self._part(value, operand, View(value, target.strides, start * target.strides[axis]))
            start += operand.shape[axis]
        self.views[value] = target

    def _part(self, value: Value, operand: Value, into: View) -> Loops:
        kernel = Loops(squeezed(operand.shape), [operation(COPY, (operand,), operand.spec)], into=into)
        self._new(value, kernel)
        self.placing.absorb(kernel, operand, kernel.place_of(operand))
        return kernel
