"""Reductions: running totals in vectors, with what is reduced computed as it is needed.

Along the last axis a vector holds several running totals of one result, which are combined at the end; along another
axis, or if only a few elements are reduced along the last, each lane holds the total of its own result. Either order is
fixed by the shapes alone, so a result does not depend on how many threads there are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import cached_property, partial
from itertools import product as combinations
from typing import NamedTuple

from lamina.compiler.codegen.elementwise import cost
from lamina.compiler.codegen.expressions import ZERO, Body, Step, nest, pieces
from lamina.compiler.codegen.loops import walk_share
from lamina.compiler.codegen.running_totals import RunningTotals, sweeps_of
from lamina.compiler.codegen.values import Value, Variable
from lamina.compiler.graph import ir
from lamina.compiler.schedule.accesses import expressions
from lamina.compiler.schedule.kernels import Reduction
from lamina.compiler.schedule.order import Share
from lamina.compiler.schedule.views import Affine

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
            _AlongLast(body, kernel, lanes, len(kernel.dims) - 1, places).write(loops)
        else:
            _LaneForEach(body, kernel, lanes, across, places).write(loops, share, begin, end)


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
    return None if apart and together and len(sweeps_of(body, kernel)) == 1 else kept[-1]


class _AlongLast(RunningTotals):
    """Vectors along the last axis, which is reduced: several totals of one result."""

    def write(self, loops: list[Value]) -> None:
        """Write the totals of one result, and what is made of them."""
        f, lanes, values = self.f, self.lanes, self.kernel.values
        last = len(self.kernel.dims) - 1
        size = self.lengths[last] if self.kernel.reduced else 1
        unrolled = UNROLLED if size >= UNROLLED * lanes else 1
        wide = [self.first(lanes, values) for _ in range(unrolled)] if size >= lanes else []
        single = self.first(0, values)
        with nest(f, [self.lengths[loop] for loop in self.inner]) as indices:
            inside = list(loops)
            for loop, index in zip(self.inner, indices, strict=True):
                inside[loop] = index
            self._run_along(inside, size, wide, single)
        totals = {}
        for place, value in enumerate(values):
            parts = [f.get(each[place]) for each in wide]
            while len(parts) > 1:
                parts = [self.combine(value, a, b) for a, b in zip(parts[::2], parts[1::2], strict=True)]
            total = f.get(single[place])
            if parts:
                total = self.combine(value, self.across(value, parts[0]), total)
            totals[value] = total
        self.finish(Step(self.body, loops, None, 0), totals)

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
        along = ([*loops[:-1], at], last, width) if self.kernel.reduced else (loops, None, 0)
        step = Step(self.body, *along)
        for value, total, part in zip(self.kernel.values, totals, self.elements(step, self.sweeps[0]), strict=True):
            wanted = total.type.lanes
            part = f.splat(part, width) if wanted == width else self.across(value, f.splat(part, width))
            f.set(total, self.combine(value, f.get(total), part))


class _Column(NamedTuple):
    """A vector of results: where it begins, the steps of its elements, and the totals that are known."""

    start: Value
    steps: dict[tuple[str, ...], Step]
    known: dict[ir.Value, Value]


class _LaneForEach(RunningTotals):
    """Vectors along another axis: a lane for each result."""

    @cached_property
    def written_out(self) -> bool:
        """Whether a window is gone through without loops."""
        return self.kernel.windowed and _instructions(self.body, self.kernel) <= WRITTEN_OUT

    def write(self, loops: list[Value], share: Share, begin: Value, end: Value) -> None:
        """Write the totals of all results along the vectors' loop, and what is made of them."""
        f, lanes = self.f, self.lanes
        size = self.kernel.dims[self.lane_loop]
        block = lanes * UNROLLED
        if share.loop == self.lane_loop:
            together = partial(self.columns, loops) if size >= block and self._keeps_totals else None
            walk_share(f, share, size, lanes, begin, end, lambda at, width: self.column(loops, [at], width), together)
            return
        blocks = size - size % block
        if blocks:
            with f.loop(ZERO, f.integer(blocks), block) as at:
                self.column(loops, [f.add(at, f.integer(lanes * each)) for each in range(UNROLLED)], lanes)
        if size - blocks >= lanes:
            with f.loop(f.integer(blocks), f.integer(size - size % lanes), lanes) as at:
                self.column(loops, [at], lanes)
        for number, width in pieces(size, lanes, self.body.repeatable):
            self.column(loops, [f.integer(number)], width if width > 1 else 0)

    @property
    def _keeps_totals(self) -> bool:
        """Whether totals can be kept in memory until something is made of them: single bits cannot."""
        return not any(value.op in ("any", "all") for value in self.kernel.values)

    def columns(self, loops: list[Value], start: Value, stop: Value) -> None:
        """Write whole vectors of results, a few at a time; of what is behind the last the last is totalled again."""
        f, lanes = self.f, self.lanes
        last = f.sub(stop, f.integer(lanes))
        with f.loop(start, stop, lanes * UNROLLED) as at:
            others = [f.intrinsic("smin", f.add(at, f.integer(lanes * each)), last) for each in range(1, UNROLLED)]
            left = f.binary("udiv", f.sub(stop, at), f.integer(lanes))
            self.column(loops, [at, *others], lanes, f.intrinsic("smin", left, f.integer(UNROLLED)))

    def column(self, loops: list[Value], starts: list[Value], width: int, count: Value | None = None) -> None:
        """Write the totals of vectors of neighbouring results, and what is made of them, or of the first of them."""
        columns = [_Column(at, {}, {}) for at in starts]
        for values in self.sweeps:
            totals = [self.first(width, values) for _ in starts]
            for indices in self._window():
                with indices as found:
                    for column, running in zip(columns, totals, strict=True):
                        self._into(self._inside(loops, found, column, width), values, running, width)
            for running, column in zip(totals, columns, strict=True):
                column.known.update(zip(values, [self.f.get(each) for each in running], strict=True))
        if count is not None:
            self._finish_each(loops, columns, width, count)
            return
        for column in columns:
            self.finish(self._vector(loops, column.start, width), column.known)

    def _finish_each(self, loops: list[Value], columns: list[_Column], width: int, count: Value) -> None:
        """Finish so many neighbouring vectors in a loop, whose code is there once."""
        f = self.f
        kept = {}
        for value, first in columns[0].known.items():
            lane = first.type.of(0)
            kept[value] = lane, f.slot(lane, len(columns) * width)
            for number, column in enumerate(columns):
                f.store(column.known[value], f.at(kept[value][1], f.integer(number * width), lane))
        with f.loop(ZERO, count) as done:
            skipped = f.mul(done, f.integer(width))
            totals = {value: f.load(lane.of(width), f.at(slot, skipped, lane)) for value, (lane, slot) in kept.items()}
            self.finish(self._vector(loops, f.add(columns[0].start, skipped), width), totals)

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
        self.bind(step, column.known)
        return step

    def _into(self, step: Step, values: Sequence[ir.Value], running: Sequence[Variable], width: int) -> None:
        """Add the elements of one step to running totals."""
        f = self.f
        for value, total, part in zip(values, running, self.elements(step, values), strict=True):
            f.set(total, self.combine(value, f.get(total), f.splat(part, width)))

    def _vector(self, loops: Sequence[Value], at: Value, width: int) -> Step:
        """Return a step at which the vectors' loop is so far."""
        there = [at if loop == self.lane_loop else index for loop, index in enumerate(loops)]
        return Step(self.body, there, self.lane_loop, width)


def _instructions(body: Body, kernel: Reduction) -> int:
    """Return roughly how many instructions go through a window, an element at a time."""
    found = expressions(kernel, body.fused)
    each = sum((cost(value.op) or 0) if isinstance(value, ir.Value) else 2 for value in found)
    return each * math.prod(kernel.dims[loop] for loop in kernel.reduced)
