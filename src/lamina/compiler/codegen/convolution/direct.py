"""Convolutions by register tiles: rows of channels by vectors along the last axis of space.

A tile is a few channels of the result, each with some vectors of neighbouring places. For every term of the sum it
reads one weight a channel and the vectors of x that the term meets, straight from x: the windows are not written to
memory. A row of places whose length is no multiple of a vector's ends with a vector of which some lanes are masked, or
that overlaps the one before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from itertools import product as combinations
from typing import NamedTuple

from lamina.compiler.codegen.convolution.problem import (
    Ask,
    Convolution,
    Epilogue,
    Part,
    groups,
    has_masks,
    place_in_image,
    rows_asked_for,
    strided,
    summed,
)
from lamina.compiler.codegen.elements import load_element, narrow
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.expressions import unravelled
from lamina.compiler.codegen.matmul.arithmetic import multiply_add
from lamina.compiler.codegen.matmul.plan import TAIL, pieces, tile_shape
from lamina.compiler.codegen.values import I1, Value
from lamina.compiler.target import Target

UNROLLED = 12
"""How many places of the window are written one after the other, without a loop."""


@dataclass(frozen=True)
class Direct:
    """Writes the code of one convolution by tiles."""

    f: Emitter
    target: Target
    problem: Convolution
    x: Value
    w: Value
    part: Part
    epilogue: Epilogue
    ask: Ask | None

    # --- how it is cut ---

    @cached_property
    def lanes(self) -> int:
        """Elements of a vector; 0 for scalars."""
        lanes, places = self.target.lanes(self.problem.summed.bits), self.problem.places[-1]
        while lanes > places and (not self.masks or lanes // 2 >= places):
            lanes //= 2
        return lanes if lanes > 1 else 0

    @cached_property
    def masks(self) -> bool:
        """Whether lanes that are not wanted are masked."""
        return has_masks(self.target) and self.problem.x_place[-1] == 1

    @cached_property
    def chunks(self) -> int:
        """Vectors of a row of places."""
        return -(-self.problem.places[-1] // max(self.lanes, 1))

    @cached_property
    def slots(self) -> int:
        """Vectors of a channel of an image."""
        return math.prod(self.problem.places[:-1]) * self.chunks

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Vectors and rows of a tile."""
        return tile_shape(self.problem.rows, self.slots, self.target)

    # --- loops over tiles ---

    def write(self) -> None:
        """Write all of it."""
        f, problem = self.f, self.problem
        vectors, rows = self.shape
        buffer = f.slot(problem.summed, rows * vectors * max(self.lanes, 1))
        with groups(f, problem, self.part) as (group, first, last), f.when(f.icmp("slt", first, last)):
            self._group(group, first, last, buffer)

    def _group(self, group: Value, first: Value, last: Value, buffer: Value) -> None:
        f, problem, part = self.f, self.problem, self.part
        weights = problem.rows * problem.terms * problem.dtype.itemsize
        if weights > self.target.l2 // 2:
            # The weights of a few channels stay in cache for all images.
            with self._tiles(first, last) as (row, height), f.loop(part.first_image, part.last_image) as image:
                self._image(group, image, row, height, buffer)
            return
        with f.loop(part.first_image, part.last_image) as image, self._tiles(first, last) as (row, height):
            self._image(group, image, row, height, buffer)

    @contextmanager
    def _tiles(self, first: Value, last: Value) -> Iterator[tuple[Value, Value]]:
        """Go through the channels, as many at a time as a tile has; of what is left, `TAIL` at a time."""
        f, rows = self.f, self.shape[1]
        low = min(rows, TAIL)
        current = f.variable(first)
        with f.while_() as loop:
            row = f.get(current)
            left = f.sub(last, row)
            loop.leave_unless(f.icmp("sgt", left, f.integer(0)))
            full = f.icmp("sge", left, f.integer(rows))
            height = f.select(full, f.integer(rows), f.intrinsic("smin", left, f.integer(low)))
            yield row, height
            f.set(current, f.add(row, height))

    def _image(self, group: Value, image: Value, row: Value, height: Value, buffer: Value) -> None:
        """Compute some channels of an image."""
        f, problem = self.f, self.problem
        vectors, rows = self.shape
        channels = f.add(f.mul(group, f.integer(problem.rows)), row)
        w = f.at(self.w, f.mul(channels, f.integer(problem.w_row)), problem.stored)
        inside = f.mul(group, f.integer(problem.depth * problem.x_channel))
        x = f.at(self.x, f.add(f.mul(image, f.integer(problem.x_image)), inside), problem.stored)
        with f.loop(f.integer(0), f.integer(self.slots), vectors) as slot:
            ends = [self._windows(x, f.add(slot, f.integer(v))) for v in range(vectors)]
            low = min(rows, TAIL)

            def beside(term: Value) -> None:
                self._ask([image, channels], slot, height, term)

            if rows > low:
                with f.when(f.icmp("eq", height, f.integer(rows))):
                    offsets = [f.integer(r * problem.w_row) for r in range(rows)]
                    self._keep(self._sums(w, offsets, ends, beside), buffer)
            with f.when(f.icmp("ne", height, f.integer(rows))) if rows > low else nullcontext():
                last = f.sub(height, f.integer(1))
                clamped = [f.intrinsic("smin", f.integer(r), last) for r in range(low)]
                offsets = [f.mul(each, f.integer(problem.w_row)) for each in clamped]
                self._keep(self._sums(w, offsets, ends, beside), buffer)
            with f.loop(f.integer(0), height) as r:
                for v in range(vectors):
                    inner = f.add(slot, f.integer(v))
                    with f.when(f.icmp("slt", inner, f.integer(self.slots))) if v else nullcontext():
                        line = f.add(f.mul(r, f.integer(vectors)), f.integer(v))
                        self._drain([image, f.add(channels, r)], inner, line, buffer)

    # --- places ---

    def _windows(self, image: Value, slot: Value) -> _Windows:
        """Return where a vector's windows begin, and which lanes there are; behind the last slot, of the last."""
        f, problem = self.f, self.problem
        slot = f.intrinsic("smin", slot, f.integer(self.slots - 1))
        start = place_in_image(f, problem, self._indices(slot))
        return _Windows(f.at(image, start, problem.stored), self._mask(slot))

    def _mask(self, slot: Value) -> Value | None:
        f, rest = self.f, self.problem.places[-1] % max(self.lanes, 1)
        if not rest or not self.masks:
            return None
        some = f.vector([lane < rest for lane in range(self.lanes)], I1)
        if self.chunks == 1:
            return some
        every = f.vector([True] * self.lanes, I1)
        return f.select(self._is_last(slot), some, every)

    def _is_last(self, slot: Value) -> Value:
        """Tell whether a vector is the last of its row."""
        f = self.f
        return f.icmp("eq", f.binary("urem", slot, f.integer(self.chunks)), f.integer(self.chunks - 1))

    def _indices(self, slot: Value) -> list[Value]:
        """Return the place of a vector's first lane."""
        f, problem = self.f, self.problem
        *outer, chunk = unravelled(f, slot, (*problem.places[:-1], self.chunks))
        place, furthest = f.mul(chunk, f.integer(max(self.lanes, 1))), problem.places[-1] - max(self.lanes, 1)
        return [*outer, place if self.masks else f.intrinsic("smin", place, f.integer(furthest))]

    # --- sums ---

    def _sums(self, w: Value, rows: list[Value], ends: list[_Windows], beside: Callable[[Value], None]) -> list[Value]:
        """Return the sums of a tile, row by row; ``ends`` are where the vectors' windows begin.

        ``beside`` is done for each channel of x.
        """
        f, problem = self.f, self.problem
        sums = [f.number(0, problem.summed.of(self.lanes))] * (len(rows) * len(ends))
        if not problem.terms:
            return sums
        loops = [(problem.depth, problem.w_channel, problem.x_channel)]
        loops += list(zip(problem.window, problem.w_window, problem.x_window, strict=True))
        inner = len(loops)
        while inner > 1 and math.prod(size for size, _, _ in loops[inner - 1 :]) <= UNROLLED:
            inner -= 1

        def terms(w: Value, starts: list[Value], sums: list[Value]) -> list[Value]:
            vectors = [_Windows(start, each.mask) for start, each in zip(starts, ends, strict=True)]
            return self._terms(loops[inner:], w, rows, vectors, sums)

        return summed(f, problem, loops[:inner], w, [each.start for each in ends], sums, terms, beside)

    def _terms(
        self, unrolled: list[tuple[int, int, int]], w: Value, rows: list[Value], ends: list[_Windows], sums: list[Value]
    ) -> list[Value]:
        f, problem = self.f, self.problem
        stride, sums = problem.x_place[-1], list(sums)
        for term in combinations(*(range(size) for size, _, _ in unrolled)):
            w_at = f.integer(sum(at * step for at, (_, step, _) in zip(term, unrolled, strict=True)))
            x_at = f.integer(sum(at * step for at, (_, _, step) in zip(term, unrolled, strict=True)))
            vectors = [
                strided(f, problem.dtype, f.at(each.start, x_at, problem.stored), stride, self.lanes, each.mask)
                for each in ends
            ]
            for number, row in enumerate(rows):
                weight = load_element(f, problem.dtype, f.at(f.at(w, row, problem.stored), w_at, problem.stored))
                wide = f.splat(weight, self.lanes)
                for v, vector in enumerate(vectors):
                    place = number * len(ends) + v
                    sums[place] = multiply_add(f, self.target, wide, f.splat(vector, self.lanes), sums[place])
        return sums

    def _ask(self, outer: list[Value], slot: Value, height: Value, term: Value) -> None:
        """Ask for the memory of some of a tile's channels, a share for each channel of x."""
        if self.ask is None:
            return
        f, (vectors, rows), (image, first) = self.f, self.shape, outer
        with rows_asked_for(f, term, self.problem.depth, rows, height) as row:
            for v in range(vectors):
                self.ask(f, [image, f.add(first, row), *self._indices(f.add(slot, f.integer(v)))], max(self.lanes, 1))

    # --- results ---

    def _keep(self, sums: list[Value], buffer: Value) -> None:
        f = self.f
        for place, value in enumerate(sums):
            f.store(value, f.at(buffer, f.integer(place * max(self.lanes, 1)), self.problem.summed))

    def _drain(self, outer: list[Value], slot: Value, line: Value, buffer: Value) -> None:
        """Hand a vector to the epilogue; of one that overlaps another, what the other does not have."""
        f, lanes = self.f, max(self.lanes, 1)
        indices = self._indices(slot)
        start = f.at(buffer, f.mul(line, f.integer(lanes)), self.problem.summed)
        rest = self.problem.places[-1] % lanes
        if not rest:
            self._hand_over(outer, indices, start, 0, lanes)
            return
        last = self._is_last(slot)
        with f.when(last):
            for at, width in pieces(0, rest, lanes) if self.masks else pieces(lanes - rest, lanes, lanes):
                self._hand_over(outer, indices, start, at, width)
        if self.chunks > 1:
            with f.when(f.binary("xor", last, f.integer(1, I1))):
                self._hand_over(outer, indices, start, 0, lanes)

    def _hand_over(self, outer: list[Value], indices: list[Value], start: Value, at: int, width: int) -> None:
        f, problem = self.f, self.problem
        *before, last = indices
        width = width if width > 1 else 0
        value = f.load(problem.summed.of(width), f.at(start, f.integer(at), problem.summed))
        self.epilogue(f, [*outer, *before, f.add(last, f.integer(at))], narrow(f, problem.dtype, value))


class _Windows(NamedTuple):
    """Where the windows of a vector's places begin, and which lanes there are; all where there is no mask."""

    start: Value
    mask: Value | None
