"""Placing: what is computed once and kept in memory, and what is written into each kernel that reads it.

An elementwise value waits until it is known to be needed in memory. Then it joins the kernel that makes what it is
made of, or gets loops of its own; its expression, back to what other kernels have stored, is written into that kernel.
On the way lie values that are worth computing once: each is computed by this kernel too, or by another before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from lamina.compiler.graph.ir import Value, operation
from lamina.compiler.schedule.fused import COPY, Fused, Rules
from lamina.compiler.schedule.joining import Joining
from lamina.compiler.schedule.kernels import Contraction, Kernel, Loops, MatrixProduct, Reduction
from lamina.compiler.schedule.views import (
    VIEWS,
    Index,
    View,
    contiguous,
    operand_index,
    squeezed,
    viewed,
    walk,
    whole,
)
from lamina.errors import BackendError

RECOMPUTED = 8
"""What costs at most so many instructions is computed again by each kernel that reads it, not stored."""
EXPRESSION = 64
"""How many operations are written into a kernel as one expression before a part is stored."""
BODY = 1500
"""From how many instructions a step of a kernel is not made longer, since LLVM's time grows faster than its length."""
SMALL = 512
"""Up to how many elements a loop of its own costs more than threads that wait for each other."""


class Placing:
    """Where values are computed, and where they lie.

    Parameters
    ----------
    fused : Fused
    joining : Joining
    rules : Rules
    """

    def __init__(self, fused: Fused, joining: Joining, rules: Rules) -> None:
        self.fused = fused
        self.joining = joining
        self.rules = rules
        self.home, self.views = fused.home, fused.views
        self.uses = fused.graph.uses()
        self._pending: set[Value] = set()
        self._cost: dict[Value, int] = {}
        self._size: dict[Value, int] = {}
        self._of_product: set[Value] = set()
        self._read: set[Value] = set()
        self._length: dict[Kernel, int] = {}

    # --- values that wait ---

    def free(self, value: Value) -> None:
        """Note a value that costs nothing where it is read: a number in every element."""
        self._cost[value] = self._size[value] = 0

    def expression(self, value: Value, cost: int = 0) -> None:
        """Note how much it takes to compute a value from what is in memory."""
        inline = self._inline(value)
        self._cost[value] = cost + sum(self._cost.get(each, 0) for each in inline)
        self._size[value] = 1 + sum(self._size.get(each, 0) for each in inline)
        for each in value.operands:
            home = self.home.get(each)
            if each in self._read:
                continue  # It is in memory in any case, so that what is made of it is as if it were made of an input.
            if each in self._of_product or (home and isinstance(home[0], Contraction)):
                self._of_product.add(value)

    def elementwise(self, value: Value) -> None:
        """Note an elementwise operation; parts of an expression that has grown too long are placed."""
        cost = self.rules.cost(value.op)
        if cost is None:
            raise BackendError(
                f"{value.op}: no instructions are known for it; lamina/compiler/codegen/elementwise.py has no such row"
            )
        self.expression(value, cost)
        if self._size[value] > EXPRESSION:
            # A view of an expression lies nowhere itself: what it is of does.
            parts = {_without_views(each) for each in self._inline(value)}
            for operand in sorted(parts, key=lambda each: (-self._size.get(each, 0), each.number))[:2]:
                if self._size.get(operand, 0) > EXPRESSION // 4:
                    self._placed(operand)
            self.expression(value, cost)
        costly = self._cost[value] > RECOMPUTED
        if (costly and self._is_broadcast(value)) or (
            self._read_again(value) and (costly or value in self._of_product)
        ):
            self._pending.add(value)

    def _read_again(self, value: Value) -> bool:
        """Tell whether more than one value is made of this one, or of the view that alone shows it."""
        uses = self.uses.get(value, ())
        while len(uses) == 1 and uses[0].op in VIEWS:
            uses = self.uses.get(uses[0], ())
        return len(uses) > 1

    def _is_broadcast(self, value: Value) -> bool:
        """Tell whether what is made of a value, or of views of it, has more elements than the value."""
        waiting = [value]
        while waiting:
            for use in self.uses.get(waiting.pop(), ()):
                if isinstance(use.spec, tuple):
                    continue  # What has several results reads its operands from memory.
                if use.op in VIEWS and use.size == value.size:
                    waiting.append(use)
                elif use.size > value.size:
                    return True
        return False

    def _inline(self, value: Value) -> list[Value]:
        """Return the operands that are not in memory."""
        return [each for each in dict.fromkeys(value.operands) if each not in self.views and each not in self.home]

    def is_epilogue(self, value: Value) -> bool:
        """Tell whether a value that waits is made of a product's sums, which are not to be stored as they are."""
        waiting, seen = [value], set()
        while waiting:
            each = waiting.pop()
            home = self.home.get(each)
            if home and isinstance(home[0], Contraction) and home[0].value is each:
                return True
            if each not in seen and not home and each not in self.views:
                seen.add(each)
                waiting += each.operands
        return False

    # --- values that must be in memory ---

    def memory(self, value: Value) -> View:
        """Return where a value lies in memory, as a view of whatever it is a part of."""
        found = self.views.get(value)
        if found is None and value.op in VIEWS:
            found = viewed(value, self.memory(value.operands[0]))
            if found is not None:
                self.views[value] = found
        return found or self._placed(value)

    def expected(self, value: Value) -> View | None:
        """Return where a value would lie if `memory` were called; None where elements would have to be moved."""
        found = self.views.get(value)
        if found is None and value.op in VIEWS:
            source = self.expected(value.operands[0])
            return None if source is None else viewed(value, source)
        return found or whole(value)

    def array(self, value: Value) -> Value:
        """Return a value that lies in memory in row-major order and holds the same elements."""
        found = self.fused.arrays.get(value)
        if found is None:
            view = self.memory(value)
            # Row-major order is all that counts: another shape of the same elements will do.
            if view.base.size != value.size or (view.strides, view.offset) != (contiguous(value.shape), 0):
                view = self.copied(value)
            found = self.fused.arrays[value] = view.base
        return found

    def copied(self, value: Value) -> View:
        """Return a copy, in memory of its own."""
        copy = operation(COPY, (value,), value.spec)
        self.uses[copy] = []
        self.elementwise(copy)
        self.place(copy)
        self.views[copy] = whole(copy)
        return self.views[copy]

    def _placed(self, value: Value) -> View:
        if value.op == "full" or value.op in VIEWS:
            return self.copied(value)
        self.place(value)
        self.views[value] = whole(value)
        return self.views[value]

    # --- kernels that compute them ---

    def place(self, value: Value) -> None:
        """See that a value is computed in some kernel."""
        if value not in self.home:
            self._compute(self._permuting(value) or self._joined(value) or self._loops(value), value)

    def _permuting(self, value: Value) -> Kernel | None:
        """Return the kernel of a product that can store a copy with its axes permuted, whose rows stay rows."""
        x = value.operands[0] if value.op == COPY else value
        if x.op != "permute_dims" or 1 in x.shape:
            return None
        source, axes = x.operands[0], x.params["axes"]
        home, last = self.home.get(source), len(axes) - 1
        kernel = home[0] if home else self._joined(source)
        if not isinstance(kernel, MatrixProduct) or kernel.space != source.shape or (axes[0], axes[-1]) != (0, last):
            return None
        kernel.permuted[value] = axes
        return kernel

    def made_here(self, value: Value, kernel: Kernel) -> None:
        """Note that a kernel writes a value."""
        self.home.setdefault(value, []).append(kernel)
        self._pending.discard(value)

    def absorb(
        self, kernel: Kernel, value: Value, index: Index, place_of: Callable[[Value], Index | None] | None = None
    ) -> None:
        """Write the expression of a value into a kernel, up to what other kernels compute."""
        dims = len(kernel.dims)
        strays = self._strays(value, index, dims, place_of or kernel.index_of)

        def written(inner: Value, at: Index) -> bool:
            waits = inner in self._pending or self._spares_memory(kernel, inner)
            if waits and inner not in self.views:
                if not self._adopted(kernel, inner, inner not in strays):
                    self._read.add(inner)
                    return False
                kernel.computed.append(inner)
                self.made_here(inner, kernel)
            elif inner in self.home or inner in self.views:
                self.joining.wait_for(kernel, inner)
                self._read.add(inner)
                return False
            else:
                # It may get a place in memory later, which this kernel does not wait for.
                kernel.inlined.add(inner)
            self._lengthen(kernel, inner)
            return True

        walk([(value, index)], dims, written)

    def _lengthen(self, kernel: Kernel, value: Value) -> None:
        self._length[kernel] = self._length.get(kernel, 0) + (self.rules.cost(value.op) or 0)

    def _joined(self, value: Value) -> Kernel | None:
        """Return the kernel that can compute a value too; none that is long, or would wait for what waits for it."""
        kernel = self.joining.joined(value)
        if kernel is not None and self._length.get(kernel, 0) > BODY:
            return None
        index = None if kernel is None else kernel.index_of(value)
        if kernel is None or index is None or not self.would_wait(kernel, value, index, kernel.index_of):
            return kernel
        return None

    def would_wait(self, kernel: Kernel, value: Value, index: Index, place_of: Callable[[Value], Index | None]) -> bool:
        """Tell whether a kernel with the expression of a value would wait for one that waits for it.

        That other is to compute what the value reads elsewhere than at its own place.
        """
        strays = self._strays(value, index, len(kernel.dims), place_of)
        return any(self._waits_for(stray, kernel) for stray in strays)

    def _waits_for(self, value: Value, kernel: Kernel) -> bool:
        """Tell whether a kernel that computes a value must wait for another."""
        return any(maker is kernel or self.joining.leads(kernel, maker) for maker in self.joining.makers(value))

    def _loops(self, value: Value) -> Loops:
        kernel = Loops(squeezed(value.shape))
        self.joining.add(kernel)
        return kernel

    def _compute(self, kernel: Kernel, value: Value) -> None:
        kernel.computed.append(value)
        self.made_here(value, kernel)
        self._lengthen(kernel, value)
        index = kernel.place_of(value)
        for position, operand in enumerate(value.operands):
            self.absorb(kernel, operand, operand_index(value, position, index, len(kernel.dims)))

    def _strays(self, value: Value, index: Index, dims: int, place_of: Callable[[Value], Index | None]) -> set[Value]:
        """Return the values worth computing once that an expression reads elsewhere than at its own place."""
        strays: set[Value] = set()

        def inside(inner: Value, at: Index) -> bool:
            if inner in self.home or inner in self.views:
                return False
            if inner in self._pending and place_of(inner) != at:
                strays.add(inner)
            return True

        if self._pending:
            walk([(value, index)], dims, inside)
        return strays

    def _spares_memory(self, kernel: Kernel, value: Value) -> bool:
        """Tell whether one value is made of several that only the kernel of a product before this one has.

        Computed there it is stored in their place: the derivative of an activation, not all that it is made of.
        """
        if value not in self._of_product or value in self.home:
            return False
        other = self.joining.joined(value)
        index = None if other is None else other.index_of(value)
        if not isinstance(other, Contraction) or other is kernel or index is None or self._waits_for(value, kernel):
            return False
        parts: set[Value] = set()

        def inside(inner: Value, at: Index) -> bool:
            if inner in self._pending or inner in self.home:
                if inner not in self.views and inner not in self._read and squeezed(inner.shape) == other.space:
                    parts.add(inner)
                return False
            return inner not in self.views

        walk([(value, index)], len(other.dims), inside)
        return len(parts) > 1

    def _adopted(self, kernel: Kernel, value: Value, fits: bool) -> bool:
        """Tell whether a value worth computing once is computed in this kernel; else it is computed in another."""
        other = self._joined(value)
        if other is None or other is kernel or self.joining.leads(kernel, other) or self._waits_for(value, kernel):
            if fits and not (kernel.index_of(value) is None and _divides_otherwise(kernel)):
                return True
            other = self._loops(value)
        # Before anything else joins a kernel: what the other reads cannot be computed in this one any more.
        self.joining.needs[kernel].add(other)
        self._compute(other, value)
        return False


def _divides_otherwise(kernel: Kernel) -> bool:
    """Tell whether a kernel is shared out by another axis than the first of what it reduces.

    What is stored there would be written by other threads than those that go on with its rows.
    """
    return isinstance(kernel, Reduction) and 0 in kernel.reduced and math.prod(kernel.dims) > SMALL


def _without_views(value: Value) -> Value:
    while value.op in VIEWS:
        value = value.operands[0]
    return value
