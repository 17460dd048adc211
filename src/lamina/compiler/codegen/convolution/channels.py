"""Convolutions by vectors along the channels of the result.

The places of a result, a box of a few at a time, are the rows of a product, the channels its columns: every element of
x is multiplied with vectors of weights, which are packed for it. So all lanes do wanted work however long a row of
places is. In the end a tile is transposed, since neighbours in memory are places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from itertools import product as combinations

from lamina.compiler.codegen.convolution.boxes import Boxes, offsets
from lamina.compiler.codegen.convolution.problem import Ask, Convolution, Epilogue, Part, groups, rows_asked_for
from lamina.compiler.codegen.elements import load_element
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.matmul import Product
from lamina.compiler.codegen.matmul.arithmetic import advanced, multiply_add
from lamina.compiler.codegen.matmul.cells import Elements
from lamina.compiler.codegen.matmul.packing import Panel, fill, fill_partly
from lamina.compiler.codegen.matmul.plan import pieces
from lamina.compiler.codegen.values import I8, Value
from lamina.compiler.target import Target

SHORT = 4
"""Rows of places shorter than this are handed over element by element."""


@dataclass(frozen=True)
class Channels:
    """Writes the code of one convolution by vectors along channels."""

    f: Emitter
    target: Target
    problem: Convolution
    cut: Boxes
    x: Value
    w: Value
    part: Part
    epilogue: Epilogue
    ask: Ask | None
    scratch: Value

    def write(self) -> None:
        """Write all of it."""
        f, problem, cut = self.f, self.problem, self.cut
        buffer = f.slot(problem.summed, cut.width * cut.column)
        with groups(f, problem, self.part) as (group, first, last), f.loop(first, last, cut.width) as row:
            channel = f.add(f.mul(group, f.integer(problem.rows)), row)
            valid = f.intrinsic("smin", f.sub(last, row), f.integer(cut.width))
            w = f.at(self.w, f.mul(channel, f.integer(problem.w_row)), problem.stored)
            x = f.at(self.x, f.mul(group, f.integer(problem.depth * problem.x_channel)), problem.stored)
            with self._depths() as start:
                self._pack(f.at(w, f.mul(start, f.integer(problem.w_channel)), problem.stored), valid)
                ahead = f.at(x, f.mul(start, f.integer(problem.x_channel)), problem.stored)
                with self._tiles(channel, valid) as tile:
                    self._tile(tile, ahead, start, buffer)

    # --- loops ---

    @contextmanager
    def _depths(self) -> Iterator[Value]:
        """Go through the channels of x, as many at a time as have their weights packed."""
        f, depth = self.f, self.problem.depth
        if self.cut.channels >= depth:
            yield f.integer(0)
            return
        with f.loop(f.integer(0), f.integer(depth), self.cut.channels) as start:
            yield start

    @contextmanager
    def _tiles(self, channel: Value, valid: Value) -> Iterator[_Tile]:
        """Go through the places; a box that would reach over an end begins earlier."""
        f, problem, part = self.f, self.problem, self.part
        number, places, skipped, left = f.integer(0), [], [], []
        sizes = (problem.images, *problem.places)
        with ExitStack() as loops:
            for axis, (size, extent, count) in enumerate(
                zip(sizes, self.cut.box, self.cut.counts(problem), strict=True)
            ):
                begin, end = (f.integer(0), f.integer(size)) if axis else (part.first_image, part.last_image)
                index = begin if count == 1 and axis else loops.enter_context(f.loop(begin, end, extent))
                start = f.intrinsic("smin", index, f.integer(size - extent)) if size % extent else index
                if not axis and extent > 1:
                    start = f.intrinsic("smin", index, f.integer(size - extent))
                step = index if axis else f.sub(index, begin)
                number = f.add(f.mul(number, f.integer(count)), f.binary("udiv", step, f.integer(extent)))
                places.append(start)
                skipped.append(f.sub(index, start))
                left.append(f.intrinsic("smin", f.integer(extent), f.sub(end, start)))
            yield _Tile(channel, valid, number, places, skipped, left)

    # --- weights ---

    @cached_property
    def _window(self) -> list[tuple[int, int, int]]:
        """The axes of the window: sizes, and strides in w and in x, those in w not negative."""
        strides = zip(self.problem.window, self.problem.w_window, self.problem.x_window, strict=True)
        return [(size, abs(w), x if w >= 0 else -x) for size, w, x in strides]

    def _turned(self) -> tuple[int, int]:
        """Return where w and x begin after axes that run backwards in w have been turned."""
        strides = list(zip(self.problem.window, self.problem.w_window, self.problem.x_window, strict=True))
        backwards = [(size - 1, w, x) for size, w, x in strides if w < 0]
        return sum(last * w for last, w, _ in backwards), sum(last * x for last, _, x in backwards)

    def _pack(self, w: Value, valid: Value) -> None:
        """Pack the weights of a tile's channels, in the order in which `_nest` reads them."""
        f, problem, cut = self.f, self.problem, self.cut
        axes = _merged([(cut.channels, problem.w_channel), *((size, step) for size, step, _ in self._window)])
        *outer, (depth, along) = axes
        product = Product(1, cut.width, depth, problem.dtype, (0, 0), (along, problem.w_row))
        panel = Panel(product, self.target, Elements(product), cut.width, problem.w_row, along)
        source, line = f.at(w, f.integer(self._turned()[0]), problem.stored), f.integer(0)
        with ExitStack() as loops:
            for size, step in outer:
                index = loops.enter_context(f.loop(f.integer(0), f.integer(size)))
                source = f.at(source, f.mul(index, f.integer(step)), problem.stored)
                line = f.add(f.mul(line, f.integer(size)), index)
            into = f.at(self.scratch, f.mul(line, f.integer(depth * cut.width)), problem.summed)
            whole = f.icmp("eq", valid, f.integer(cut.width))
            with f.when(whole):
                fill(f, panel, source, into)
            if problem.rows % cut.width or problem.images == 1:
                with f.when(f.icmp("ne", valid, f.integer(cut.width))):
                    fill_partly(f, panel, source, into, valid)

    # --- sums ---

    def _tile(self, tile: _Tile, x: Value, start: Value, buffer: Value) -> None:
        f, problem, cut = self.f, self.problem, self.cut
        strides = (problem.x_image, *problem.x_place)
        x = f.at(x, f.integer(self._turned()[1]), problem.stored)
        for place, stride in zip(tile.places, strides, strict=True):
            x = f.at(x, f.mul(place, f.integer(stride)), problem.stored)
        zeros = [f.number(0, problem.summed.of(cut.lanes))] * (cut.places * cut.vectors)
        loops = [(cut.channels, problem.x_channel), *((size, step) for size, _, step in self._window)]
        if cut.channels >= problem.depth:
            sums = self._nest(loops, self.scratch, x, zeros, lambda term: self._ask(tile, term))[2:]
            self._drain(tile, sums, buffer)
            return
        # Sums of the channels so far wait in memory.
        waiting = f.at(self.scratch, f.integer(cut.panel_bytes(problem)), I8)
        waiting = f.at(waiting, f.mul(tile.number, f.integer(cut.places * cut.width)), problem.summed)
        spots = [f.at(waiting, f.integer(number * cut.lanes), problem.summed) for number in range(len(zeros))]
        none = f.icmp("eq", start, f.integer(0))
        sums = [f.select(none, zero, f.load(zero.type, spot)) for zero, spot in zip(zeros, spots, strict=True)]
        sums = self._nest(loops, self.scratch, x, sums)[2:]
        for value, spot in zip(sums, spots, strict=True):
            f.store(value, spot)
        with f.when(f.icmp("eq", start, f.integer(problem.depth - cut.channels))):
            self._drain(tile, sums, buffer)

    def _nest(
        self,
        loops: list[tuple[int, int]],
        w: Value,
        x: Value,
        sums: list[Value],
        beside: Callable[[Value], None] | None = None,
    ) -> list[Value]:
        """Add the terms of some loops; return where the weights and x have come to, and the sums.

        ``beside`` is done in each round of the first.

        No loop is unrolled: LLVM would keep elements of x that several places and terms read in registers, which all
        of the sums need.
        """
        f = self.f
        if not loops:
            return self._term(w, x, sums)
        size, step = loops[0]
        if size == 1:
            return self._nest(loops[1:], w, x, sums)
        with f.repeat(f.integer(0), f.integer(size), [w, x, *sums]) as round_:
            if beside is not None:
                beside(round_.index)
            weights, elements, *inner = round_.values
            ahead, _, *inner = self._nest(loops[1:], weights, elements, inner)
            round_.values = [ahead, advanced(f, elements, step, self.problem.stored), *inner]
        return round_.values

    def _term(self, w: Value, x: Value, sums: list[Value]) -> list[Value]:
        f, problem, cut = self.f, self.problem, self.cut
        sums, starts = list(sums), [f.integer(v * cut.lanes) for v in range(cut.vectors)]
        weights = [f.load(problem.summed.of(cut.lanes), f.at(w, start, problem.summed)) for start in starts]
        for row, place in enumerate(offsets(problem, cut)):
            element = load_element(f, problem.dtype, f.at(x, f.integer(place), problem.stored))
            wide = f.splat(element, cut.lanes)
            for v, weight in enumerate(weights):
                at = row * cut.vectors + v
                sums[at] = multiply_add(f, self.target, wide, weight, sums[at])
        return [advanced(f, w, cut.width, problem.summed), x, *sums]

    def _ask(self, tile: _Tile, term: Value) -> None:
        """Ask for the memory of some of a tile's channels, a share for each channel of x."""
        if self.ask is None:
            return
        f, cut = self.f, self.cut
        with rows_asked_for(f, term, cut.channels, cut.width, tile.valid) as row:
            for at in combinations(*(range(extent) for extent in cut.box[:-1])):
                image, *before = (f.add(place, f.integer(by)) for place, by in zip(tile.places[:-1], at, strict=True))
                self.ask(f, [image, f.add(tile.channel, row), *before, tile.places[-1]], cut.box[-1])

    # --- results ---

    def _drain(self, tile: _Tile, sums: list[Value], buffer: Value) -> None:
        """Hand over a tile: row by row of its places, or element by element where these rows are short."""
        f, problem, cut = self.f, self.problem, self.cut
        turned = cut.box[-1] >= SHORT
        if turned:
            self._keep_turned(sums, buffer)
            apart, row_stride = 1, cut.column
        else:
            for number, value in enumerate(sums):
                f.store(value, f.at(buffer, f.integer(number * cut.lanes), problem.summed))
            apart, row_stride = cut.width, 1
        with ExitStack() as loops:
            row = loops.enter_context(f.loop(f.integer(0), tile.valid))
            outer, line = [], f.integer(0)
            for skip, stop, extent, start in list(zip(tile.skipped, tile.left, cut.box, tile.places, strict=True))[:-1]:
                index = loops.enter_context(f.loop(skip, stop)) if extent > 1 else f.integer(0)
                outer.append(f.add(start, index))
                line = f.add(f.mul(line, f.integer(extent)), index)
            first = f.add(f.mul(line, f.integer(cut.box[-1] * apart)), f.mul(row, f.integer(row_stride)))
            image, *before = outer
            indices = [image, f.add(tile.channel, row), *before]
            source = f.at(buffer, first, problem.summed)
            if turned:
                self._row(tile, indices, source)
                return
            with f.loop(tile.skipped[-1], tile.left[-1]) as at:
                value = f.load(problem.summed, f.at(source, f.mul(at, f.integer(apart)), problem.summed))
                self.epilogue(f, [*indices, f.add(tile.places[-1], at)], value)

    def _row(self, tile: _Tile, indices: Sequence[Value], source: Value) -> None:
        """Hand over neighbours along the last axis; of a box that begins earlier, what no other has."""
        f, cut = self.f, self.cut
        extent, rest = cut.box[-1], self.problem.places[-1] % cut.box[-1]
        fresh = f.icmp("eq", tile.skipped[-1], f.integer(0))
        with f.when(fresh) if rest else nullcontext():
            self._pieces(tile, indices, source, 0)
        if rest:
            with f.when(f.icmp("ne", tile.skipped[-1], f.integer(0))):
                self._pieces(tile, indices, source, extent - rest)

    def _pieces(self, tile: _Tile, indices: Sequence[Value], source: Value, begin: int) -> None:
        f, problem, cut = self.f, self.problem, self.cut
        for at, lanes in pieces(begin, cut.box[-1], cut.lanes):
            value = f.load(problem.summed.of(lanes), f.at(source, f.integer(at), problem.summed))
            self.epilogue(f, [*indices, f.add(tile.places[-1], f.integer(at))], value)

    def _keep_turned(self, sums: list[Value], buffer: Value) -> None:
        """Put a tile into the buffer, channel by channel."""
        f, problem, cut = self.f, self.problem, self.cut
        for v in range(cut.vectors):
            column = sums[v :: cut.vectors]
            column += [column[-1]] * (cut.column - len(column))
            for block in range(0, cut.column, cut.lanes):
                for lane, line in enumerate(_transposed(f, column[block : block + cut.lanes])):
                    at = (v * cut.lanes + lane) * cut.column + block
                    f.store(line, f.at(buffer, f.integer(at), problem.summed))


@dataclass(frozen=True)
class _Tile:
    """Where a tile's box begins, which part of it is wanted, and how many of its channels."""

    channel: Value
    valid: Value
    number: Value
    places: list[Value]
    skipped: list[Value]
    left: list[Value]


def _merged(axes: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return sizes and strides with axes put together that run through memory as one."""
    found: list[tuple[int, int]] = []
    for size, step in axes:
        if found and (size == 1 or found[-1][0] == 1 or found[-1][1] == size * step):
            before, outer = found.pop()
            found.append((before * size, outer if size == 1 else step))
        else:
            found.append((size, step))
    return found


def _transposed(f: Emitter, rows: list[Value]) -> list[Value]:
    """Transpose a square of as many vectors as each has lanes, by exchanging its quarters, and theirs, and so on."""
    size, rows = len(rows), list(rows)
    half = size // 2
    while half:
        for upper in (at for at in range(size) if not at & half):
            high, low = rows[upper], rows[upper + half]
            left = [lane if not lane & half else size + lane - half for lane in range(size)]
            rows[upper], rows[upper + half] = (
                f.shuffle(high, low, left),
                f.shuffle(high, low, [at + half for at in left]),
            )
        half //= 2
    return rows
