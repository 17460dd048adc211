"""Convolutions whose window is large and whose result has few places: vectors along the window.

So is the derivative by the weights: its windows are whole images, its places those of the filter. A tile is some
channels of the result, some images and some places, with a vector of partial sums each, whose lanes are added up at the
end. Every vector of x is read for several channels, and every vector of w for several images and places.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from lamina.compiler.codegen.convolution.problem import Convolution, Epilogue, Part, groups, place_in_image, summed
from lamina.compiler.codegen.elements import load_element, narrow
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.expressions import folded, unravelled
from lamina.compiler.codegen.matmul.arithmetic import advanced, multiply_add, plus
from lamina.compiler.codegen.values import I1, Value
from lamina.compiler.target import Target


def suits(problem: Convolution) -> bool:
    """Tell whether there is more to gain by vectors along the window than along the places."""
    along = problem.x_window[-1] == problem.w_window[-1] == 1
    few = math.prod(problem.places) * 4 <= math.prod(problem.window) or problem.places[-1] < 4 <= problem.window[-1]
    return along and few and problem.window[-1] > 1


@dataclass(frozen=True)
class Dots:
    """Writes the code of one convolution by vectors along the window's last axis."""

    f: Emitter
    target: Target
    problem: Convolution
    x: Value
    w: Value
    part: Part
    epilogue: Epilogue

    # --- how it is cut ---

    @cached_property
    def lanes(self) -> int:
        """Elements of a vector."""
        lanes = self.target.lanes(self.problem.summed.bits)
        while lanes > self.problem.window[-1]:
            lanes //= 2
        return lanes

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """Rows, images and places of a tile."""
        problem = self.problem
        budget = 27 if self.target.registers >= 32 else 9
        places = min(math.prod(problem.places), 9)
        images = min(problem.images, max(math.isqrt(budget // places), 1))
        rows = min(problem.rows, max(budget // (places * images), 1))
        return rows, images, places

    # --- loops over tiles ---

    def write(self) -> None:
        """Write all of it."""
        f, problem, part = self.f, self.problem, self.part
        rows, images, places = self.shape
        buffer = f.slot(problem.summed, rows * images * places)
        with (
            groups(f, problem, part) as (group, first, last),
            f.loop(part.first_image, part.last_image, images) as image,
            f.loop(first, last, rows) as row,
            f.loop(f.integer(0), f.integer(math.prod(problem.places)), places) as place,
        ):
            tile = _Tile(group, image, f.sub(part.last_image, image), row, f.sub(last, row), place)
            self._tile(tile, buffer)

    def _tile(self, tile: _Tile, buffer: Value) -> None:
        f, problem = self.f, self.problem
        rows, images, places = self.shape
        channel = f.add(f.mul(tile.group, f.integer(problem.rows)), tile.row)
        w = f.at(self.w, f.mul(channel, f.integer(problem.w_row)), problem.stored)
        inside = f.mul(tile.group, f.integer(problem.depth * problem.x_channel))
        x = f.at(self.x, f.add(f.mul(tile.image, f.integer(problem.x_image)), inside), problem.stored)
        # What does not exist is computed again from the last that does, and not handed over.
        left = [f.mul(each, f.integer(problem.w_row)) for each in self._clamped(rows, tile.rows_left)]
        right = [
            f.add(f.mul(each, f.integer(problem.x_image)), self._start(f.add(tile.place, f.integer(place))))
            for each in self._clamped(images, tile.images_left)
            for place in range(places)
        ]
        for number, partial in enumerate(self._sums(w, left, x, right)):
            f.store(folded(f, partial, lambda a, b: plus(f, a, b)), f.at(buffer, f.integer(number), problem.summed))
        self._drain(tile, channel, buffer)

    def _clamped(self, most: int, left: Value) -> list[Value]:
        f = self.f
        last = f.sub(left, f.integer(1))
        return [f.integer(0), *(f.intrinsic("smin", f.integer(each), last) for each in range(1, most))]

    def _start(self, place: Value) -> Value:
        """Return how far from an image's first element the window of a place begins."""
        f, problem = self.f, self.problem
        place = f.intrinsic("smin", place, f.integer(math.prod(problem.places) - 1))
        return place_in_image(f, problem, unravelled(f, place, problem.places))

    def _drain(self, tile: _Tile, channel: Value, buffer: Value) -> None:
        f, problem = self.f, self.problem
        rows, images, places = self.shape
        count = f.intrinsic("smin", f.sub(f.integer(math.prod(problem.places)), tile.place), f.integer(places))
        with (
            f.loop(f.integer(0), f.intrinsic("smin", tile.rows_left, f.integer(rows))) as row,
            f.loop(f.integer(0), f.intrinsic("smin", tile.images_left, f.integer(images))) as image,
            f.loop(f.integer(0), count) as place,
        ):
            line = f.add(f.mul(row, f.integer(images)), image)
            at = f.add(f.mul(line, f.integer(places)), place)
            value = f.load(problem.summed, f.at(buffer, at, problem.summed))
            indices = unravelled(f, f.add(tile.place, place), problem.places)
            outer = [f.add(tile.image, image), f.add(channel, row)]
            self.epilogue(f, [*outer, *indices], narrow(f, problem.dtype, value))

    # --- sums ---

    def _sums(self, w: Value, left: list[Value], x: Value, right: list[Value]) -> list[Value]:
        """Return vectors of partial sums, for each row with each of the images' places."""
        problem = self.problem
        sums = [self.f.number(0, problem.summed.of(self.lanes))] * (len(left) * len(right))
        outer = [(problem.depth, problem.w_channel, problem.x_channel)]
        outer += list(zip(problem.window[:-1], problem.w_window[:-1], problem.x_window[:-1], strict=True))
        if not problem.terms:
            return sums
        loops = [each for each in outer if each[0] != 1]
        return summed(
            self.f, problem, loops, w, [x], sums, lambda w, starts, sums: self._line(w, left, starts[0], right, sums)
        )

    def _line(self, w: Value, left: list[Value], x: Value, right: list[Value], sums: list[Value]) -> list[Value]:
        """Add the terms along the window's last axis."""
        f, lanes, stored = self.f, self.lanes, self.problem.stored
        length = self.problem.window[-1]
        whole = length // lanes
        if whole > 1:
            with f.repeat(f.integer(0), f.integer(whole), [w, x, *sums]) as round_:
                first, second, *inner = round_.values
                ahead = [advanced(f, each, lanes, stored) for each in (first, second)]
                round_.values = [*ahead, *self._added(first, left, second, right, inner)]
            sums = round_.values[2:]
        else:
            sums = self._added(w, left, x, right, sums)
        rest = length % lanes
        if not rest:
            return sums
        # The last vector overlaps the one before it; what was counted already is 0 on both sides. Masked loads of
        # longer vectors take more time: they begin at every place, and most cross from one cache line to the next.
        mask = f.vector([lane >= lanes - rest for lane in range(lanes)], I1)
        w, x = (f.at(each, f.integer(length - lanes), stored) for each in (w, x))
        return self._added(w, left, x, right, sums, mask)

    def _added(
        self, w: Value, left: list[Value], x: Value, right: list[Value], sums: list[Value], mask: Value | None = None
    ) -> list[Value]:
        f = self.f

        def vector(start: Value, offset: Value) -> Value:
            place = f.at(start, offset, self.problem.stored)
            found = load_element(f, self.problem.dtype, place, self.lanes)
            return found if mask is None else f.select(mask, found, f.number(0, found.type))

        weights, sums = [vector(w, offset) for offset in left], list(sums)
        for at, offset in enumerate(right):
            found = vector(x, offset)
            for number, weight in enumerate(weights):
                place = number * len(right) + at
                sums[place] = multiply_add(f, self.target, weight, found, sums[place])
        return sums


class _Tile(NamedTuple):
    """Where a tile begins, and how many rows and images there are from there on."""

    group: Value
    image: Value
    images_left: Value
    row: Value
    rows_left: Value
    place: Value
