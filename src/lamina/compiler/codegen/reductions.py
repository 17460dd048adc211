"""Reductions: running totals in vectors, with what is reduced computed as it is needed.

Along the last axis a vector holds several running totals of one result, which are combined at the end; along another
axis, or if only a few elements are reduced along the last, each lane holds the total of its own result. Either order is
fixed by the shapes alone, so a result does not depend on how many threads there are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from itertools import product as combinations
from typing import NamedTuple

from lamina.compiler.codegen.elements import literal, narrow, register_type
from lamina.compiler.codegen.elementwise import cost, emit_elementwise
from lamina.compiler.codegen.expressions import ZERO, Body, Step, nest, pieces
from lamina.compiler.codegen.loops import walk_share
from lamina.compiler.codegen.values import Value, Variable
from lamina.compiler.graph import ir
from lamina.compiler.schedule.accesses import expressions, in_memory
from lamina.compiler.schedule.kernels import Reduction
from lamina.compiler.schedule.order import Share
from lamina.compiler.schedule.views import Affine, Index, combined, contiguous, walk
from lamina.dtypes import DType, bool_, integer_info

UNROLLED = 4
"""How many vectors are totalled at a time: an addition takes four cycles, and one can begin in each."""
NEAR = 2
"""How far apart elements may be to be loaded as a vector."""
SHORT = 4
"""From how many neighbours on a vector is loaded for one result."""
WRITTEN_OUT = 128
"""Up to how many instructions a window is gone through without loops."""


def emit_reduction(body: Body, share: Share, lanes: int, begin: Value, end: Value, places: Sequence[Affine]) -> None:
    """Write a reduction for the units of its results from ``begin`` to ``end``; ``places`` are where it reads."""
    kernel = body.kernel
    assert isinstance(kernel, Reduction)
    across = _across(body, kernel, places)
    writer = _ReductionWriter(body, kernel, lanes, len(kernel.dims) - 1 if across is None else across, places)
    with ExitStack() as stack:
        loops = [ZERO] * len(kernel.dims)
        for loop in kernel.kept:
            if loop == across:
                continue
            if loop == share.loop:
                loops[loop] = stack.enter_context(body.f.loop(begin, end))
            else:
                loops[loop] = stack.enter_context(nest(body.f, [kernel.dims[loop]]))[0]
        if across is None:
            writer.along_last(loops)
        else:
            _columns(writer, loops, share, begin, end)


def _across(body: Body, kernel: Reduction, places: Sequence[Affine]) -> int | None:
    """Return the loop along which each lane holds a result of its own; None where lanes are totals of one."""
    kept, last = list(kernel.kept), len(kernel.dims) - 1
    if not kept or kept[-1] == last:
        return kept[-1] if kept else None
    if not kernel.windowed:
        return None
    # Lanes that lie far apart are loaded one by one, which takes longer than adding up those of a short vector.
    apart = any(abs(place[kept[-1]]) > NEAR for place in places)
    together = kernel.dims[last] >= SHORT and all(place[last] in (0, 1) for place in places)
    return None if apart and together and len(_sweeps(body, kernel)) == 1 else kept[-1]


def _columns(writer: _ReductionWriter, loops: list[Value], share: Share, begin: Value, end: Value) -> None:
    f, lanes = writer.f, writer.lanes
    size = writer.kernel.dims[writer.lane_loop]
    if share.loop == writer.lane_loop:
        walk_share(f, share, size, lanes, begin, end, lambda at, width: writer.column(loops, [at], width))
        return
    block = lanes * UNROLLED
    blocks = size - size % block
    if blocks:
        with f.loop(ZERO, f.integer(blocks), block) as at:
            writer.column(loops, [f.add(at, f.integer(lanes * each)) for each in range(UNROLLED)], lanes)
    if size - blocks >= lanes:
        with f.loop(f.integer(blocks), f.integer(size - size % lanes), lanes) as at:
            writer.column(loops, [at], lanes)
    for number, width in pieces(size, lanes, writer.body.repeatable):
        writer.column(loops, [f.integer(number)], width if width > 1 else 0)


class _Column(NamedTuple):
    """A vector of results: where it begins, the steps of its elements, and the totals that are known."""

    start: Value
    steps: dict[tuple[str, ...], Step]
    known: dict[ir.Value, Value]


class _ReductionWriter:
    """Writes the totals of one kernel, with vectors along one of its loops."""

    def __init__(self, body: Body, kernel: Reduction, lanes: int, lane_loop: int, places: Sequence[Affine]) -> None:
        self.body = body
        self.f = body.f
        self.kernel = kernel
        self.lanes = lanes
        self.lane_loop = lane_loop
        self.lengths = _lengths(kernel, places)
        self.inner = [loop for loop in sorted(self.lengths) if loop != lane_loop]
        self.empty = any(kernel.dims[loop] == 0 for loop in kernel.reduced)
        # Without loops there is nothing to tell the two kinds of value apart, nor any need to.
        self.before = [each for each in kernel.computed if kernel.index_of(each) is None]
        self.after = [each for each in kernel.computed if kernel.index_of(each) is not None]
        self.sweeps = _sweeps(body, kernel)
        self.written_out = kernel.windowed and _instructions(body, kernel) <= WRITTEN_OUT

    # --- a vector along the last axis, which is reduced ---

    def along_last(self, loops: list[Value]) -> None:
        """Write the totals of one result, and what is made of them."""
        f, lanes, values = self.f, self.lanes, self.kernel.values
        last = len(self.kernel.dims) - 1
        size = self.lengths[last] if self.kernel.reduced else 1
        unrolled = UNROLLED if size >= UNROLLED * lanes else 1
        wide = [self._first(lanes, values) for _ in range(unrolled)] if size >= lanes else []
        single = self._first(0, values)
        with nest(f, [self.lengths[loop] for loop in self.inner]) as indices:
            inside = list(loops)
            for loop, index in zip(self.inner, indices, strict=True):
                inside[loop] = index
            self._run_along(inside, size, wide, single)
        totals = {}
        for place, value in enumerate(values):
            parts = [f.get(each[place]) for each in wide]
            while len(parts) > 1:
                parts = [self._combine(value, a, b) for a, b in zip(parts[::2], parts[1::2], strict=True)]
            total = f.get(single[place])
            if parts:
                total = self._combine(value, self._across(value, parts[0]), total)
            totals[value] = total
        self._finish(Step(self.body, loops, None, 0), totals)

    def _run_along(self, loops: list[Value], size: int, wide: list[list[Variable]], single: list[Variable]) -> None:
        f, lanes = self.f, self.lanes
        if not self.kernel.reduced:
            self._add(loops, ZERO, 0, single)
            return
        block = lanes * len(wide)
        blocks = size - size % block if block else 0
        if blocks:
            with f.loop(ZERO, f.integer(blocks), block) as at:
                for place, totals in enumerate(wide):
                    self._add(loops, f.add(at, f.integer(place * lanes)), lanes, totals)
        if size - size % lanes > blocks:
            with f.loop(f.integer(blocks), f.integer(size - size % lanes), lanes) as at:
                self._add(loops, at, lanes, wide[0])
        for number, width in pieces(size, lanes):
            self._add(loops, f.integer(number), width if width > 1 else 0, single)

    def _add(self, loops: Sequence[Value], at: Value, width: int, totals: list[Variable]) -> None:
        """Add the elements of one step to running totals; a narrow vector's are added up first."""
        f = self.f
        last = len(self.kernel.dims) - 1
        step = Step(self.body, [*loops[:-1], at], last, width) if self.kernel.reduced else self._at(loops)
        for value, total, part in zip(self.kernel.values, totals, self._elements(step, self.sweeps[0]), strict=True):
            wanted = total.type.lanes
            part = f.splat(part, width) if wanted == width else self._across(value, f.splat(part, width))
            f.set(total, self._combine(value, f.get(total), part))

    def _at(self, loops: Sequence[Value]) -> Step:
        return Step(self.body, loops, None, 0)

    # --- a lane for each result ---

    def column(self, loops: list[Value], starts: list[Value], width: int) -> None:
        """Write the totals of vectors of neighbouring results, and what is made of them."""
        columns = [_Column(at, {}, {}) for at in starts]
        for values in self.sweeps:
            totals = [self._first(width, values) for _ in starts]
            for indices in self._window():
                with indices as found:
                    for column, running in zip(columns, totals, strict=True):
                        self._into(self._inside(loops, found, column, width), values, running, width)
            for running, column in zip(totals, columns, strict=True):
                column.known.update(zip(values, [self.f.get(each) for each in running], strict=True))
        for column in columns:
            self._finish(self._vector(loops, column.start, width), column.known)

    def _window(self) -> Iterator[AbstractContextManager[list[Value]]]:
        """Yield loops over what is reduced; the elements of a small window one by one, without loops."""
        sizes = [self.lengths[loop] for loop in self.inner]
        if not self.written_out:
            yield nest(self.f, sizes)
            return
        for place in combinations(*(range(size) for size in sizes)):
            yield nullcontext([self.f.integer(index) for index in place])

    def _inside(self, loops: Sequence[Value], indices: list[Value], column: _Column, width: int) -> Step:
        """Return the step for an element of windows; in a later sweep the same, so that it is read once."""
        key = tuple(index.text for index in indices)
        step = column.steps.get(key)
        if step is None:
            inside = list(loops)
            for loop, index in zip(self.inner, indices, strict=True):
                inside[loop] = index
            step = column.steps[key] = self._vector(inside, column.start, width)
        self._bind(step, column.known)
        return step

    def _into(self, step: Step, values: Sequence[ir.Value], running: Sequence[Variable], width: int) -> None:
        """Add the elements of one step to running totals."""
        f = self.f
        for value, total, part in zip(values, running, self._elements(step, values), strict=True):
            f.set(total, self._combine(value, f.get(total), f.splat(part, width)))

    def _vector(self, loops: Sequence[Value], at: Value, width: int) -> Step:
        """Return a step at which the vectors' loop is so far."""
        there = [at if loop == self.lane_loop else index for loop, index in enumerate(loops)]
        return Step(self.body, there, self.lane_loop, width)

    # --- what both have in common ---

    def _first(self, width: int, values: Sequence[ir.Value]) -> list[Variable]:
        return [self.f.variable(self._neutral(value, width)) for value in values]

    def _neutral(self, value: ir.Value, width: int) -> Value:
        dtype = value.operands[0].dtype
        if value.op in ("any", "all"):
            return literal(self.f, bool_, value.op == "all", width)
        # Minus zero is what leaves every float as it is, itself too; nothing at all sums to plain zero.
        number = {
            "sum": -0.0 if dtype.floating and not self.empty else 0,
            "prod": 1,
            "max": _least(dtype),
            "min": _greatest(dtype),
        }[value.op]
        return self.f.number(number, register_type(dtype).of(width))

    def _elements(self, step: Step, values: Sequence[ir.Value]) -> list[Value]:
        """Return what is reduced at a step; in the last sweep, store what else is to be kept of it."""
        kernel, f = self.kernel, self.f
        found = []
        stored = self.before if values is self.sweeps[-1] else []
        step.compute(stored)
        for value in values:
            operand = value.operands[0]
            index = kernel.full_index_of(operand)
            assert index is not None
            element = step.of(operand, index)
            if value.op in ("any", "all") and operand.dtype is not bool_:
                zero = literal(f, operand.dtype, 0, element.type.lanes)
                element = emit_elementwise(f, "not_equal", [operand.dtype] * 2, bool_, {}, [element, zero])
            found.append(element)
        kept = []
        for each in stored:
            index = kernel.full_index_of(each)
            assert index is not None
            kept.append((each, step.of(each, index)))
        for each, element in kept:
            if each in self.body.pointers:
                step.store(each, _stored(kernel, each), element)
        return found

    def _combine(self, value: ir.Value, a: Value, b: Value) -> Value:
        f, dtype = self.f, value.operands[0].dtype
        match value.op:
            case "sum":
                return f.fadd(a, b) if dtype.floating else f.add(a, b)
            case "prod":
                return f.fmul(a, b) if dtype.floating else f.mul(a, b)
            case "any":
                return f.binary("or", a, b)
            case "all":
                return f.binary("and", a, b)
        name = "maximum" if value.op == "max" else "minimum"
        return emit_elementwise(f, name, [dtype, dtype], dtype, {}, [a, b])

    def _across(self, value: ir.Value, vector: Value) -> Value:
        """Return the total of a vector's lanes, halves first."""
        f, lanes = self.f, vector.type.lanes
        if not lanes:
            return vector
        while lanes > 1:
            lanes //= 2
            low = f.shuffle(vector, vector, range(lanes))
            high = f.shuffle(vector, vector, range(lanes, 2 * lanes))
            vector = self._combine(value, low, high)
        return f.extract(vector, 0)

    def _bind(self, step: Step, totals: Mapping[ir.Value, Value]) -> None:
        """Make rounded totals known at a step."""
        for value, total in totals.items():
            index = self.kernel.index_of(value)
            assert index is not None
            step.bind(value, index, narrow(self.f, value.dtype, total))

    def _finish(self, step: Step, totals: Mapping[ir.Value, Value]) -> None:
        """Compute what is made of the totals, and store what is to be kept."""
        kernel = self.kernel
        dims = len(kernel.dims)
        self._bind(step, totals)
        results = []
        step.compute(each for each in self.after if each not in kernel.values)
        for each in self.after:
            index = kernel.index_of(each)
            assert index is not None
            if each in self.body.pointers:
                results.append((each, combined(index, contiguous(each.shape), 0, dims), step.of(each, index)))
        for each, place, found in results:
            step.store(each, place, found)


def _lengths(kernel: Reduction, places: Sequence[Affine]) -> dict[int, int]:
    """Return the loops that are reduced over with their lengths.

    Neighbours that all of memory runs through in one go are one, which has the number of the last.
    """
    found: dict[int, int] = {}
    before = [each for each in kernel.computed if kernel.index_of(each) is None]
    stored = [_stored(kernel, each) for each in before]
    for loop in sorted(kernel.reduced):
        length = kernel.dims[loop]
        if loop - 1 in found and all(place[loop - 1] == place[loop] * length for place in (*places, *stored)):
            length *= found.pop(loop - 1)
        found[loop] = length
    return found


def _stored(kernel: Reduction, value: ir.Value) -> Affine:
    """Return where a value is stored that is computed before it is reduced."""
    index = kernel.full_index_of(value)
    assert index is not None
    return combined(index, contiguous(value.shape), 0, len(kernel.dims))


def _sweeps(body: Body, kernel: Reduction) -> list[list[ir.Value]]:
    """Return the reductions that are computed together, each after those that it depends on."""
    number: dict[ir.Value, int] = {}
    for value in kernel.values:
        earlier: list[int] = []

        def inside(inner: ir.Value, at: Index, earlier: list[int] = earlier) -> bool:
            if inner in number:
                earlier.append(number[inner])
                return False
            return in_memory(kernel, body.fused, inner, at) is None

        index = kernel.full_index_of(value.operands[0])
        assert index is not None
        walk([(value.operands[0], index)], len(kernel.dims), inside)
        number[value] = max(earlier, default=-1) + 1
    return [[each for each in kernel.values if number[each] == at] for at in range(max(number.values()) + 1)]


def _instructions(body: Body, kernel: Reduction) -> int:
    """Return roughly how many instructions go through a window, an element at a time."""
    found = expressions(kernel, body.fused)
    each = sum((cost(value.op) or 0) if isinstance(value, ir.Value) else 2 for value in found)
    return each * math.prod(kernel.dims[loop] for loop in kernel.reduced)


def _least(dtype: DType) -> float:
    return -math.inf if dtype.floating else integer_info(dtype).min


def _greatest(dtype: DType) -> float:
    return math.inf if dtype.floating else integer_info(dtype).max
