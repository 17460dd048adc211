"""The inner loops: a tile of sums in registers, and the epilogue of what they have become."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lamina.compiler.codegen.elements import narrow
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.matmul.arithmetic import advanced
from lamina.compiler.codegen.matmul.cells import Cells
from lamina.compiler.codegen.matmul.plan import pieces
from lamina.compiler.codegen.matmul.product import Epilogue, Product, load_operand
from lamina.compiler.codegen.values import Value
from lamina.compiler.target import Target


class Operand(NamedTuple):
    """Where a tile finds an operand: a pointer, how far it moves with each cell along k, and whether it was packed."""

    pointer: Value
    step: int
    packed: bool


class Beside(NamedTuple):
    """What is done beside the sums of a tile: in so many parts, each of which ``write`` writes for its number."""

    parts: int
    write: Callable[[Value], None]


def accumulate(
    f: Emitter,
    target: Target,
    cells: Cells,
    a: Operand,
    offsets: list[Value],
    b: Operand,
    lanes: int,
    vectors: int,
    beside: Beside | None = None,
) -> list[Value]:
    """Return the sums of a tile, row by row: rows of A at offsets, by vectors of B.

    What is to be done beside is spread over the terms of the sums, so that the processor works on both at once. The
    fewer instructions the sums take, the further it sees: so where an element may be an operand in memory of each
    multiplication it is. Each has a pointer of its own then, since LLVM would load once what it knows to be the same.
    """
    zero = f.number(0, cells.product.summed.of(lanes))
    sums = [zero] * (len(offsets) * vectors)
    embeds = beside is not None and target.embeds_elements and not cells.product.converted
    pointers = vectors if embeds else 1

    def part(depth: int, state: list[Value]) -> list[Value]:
        with f.repeat(f.integer(0), f.integer(depth), state) as round_:
            lefts, right, sums = round_.values[:pointers], round_.values[pointers], round_.values[pointers + 1 :]
            columns = [_read(f, cells, b, right, f.integer(lanes * v), lanes) for v in range(vectors)]
            for row, offset in enumerate(offsets):
                elements = [f.splat(_read(f, cells, a, left, offset, 0), lanes) for left in lefts]
                for v, column in enumerate(columns):
                    place = row * vectors + v
                    sums[place] = cells.multiply_add(f, target, elements[v % pointers], column, sums[place])
            round_.values = [*(_moved(f, cells, a, left) for left in lefts), _moved(f, cells, b, right), *sums]
        return round_.values

    others = [f.intrinsic("launder.invariant.group", a.pointer) for _ in range(pointers - 1)]
    state = [a.pointer, *others, b.pointer, *sums]
    if beside is None:
        return part(cells.depth, state)[pointers + 1 :]
    few, rest = divmod(cells.depth, beside.parts)
    with f.repeat(f.integer(0), f.integer(beside.parts), state) as round_:
        beside.write(round_.index)
        round_.values = part(few, round_.values)
    return (part(rest, round_.values) if rest else round_.values)[pointers + 1 :]


def _read(f: Emitter, cells: Cells, operand: Operand, start: Value, offset: Value, lanes: int) -> Value:
    if operand.packed:
        return f.load(cells.type.of(lanes), f.at(start, offset, cells.type))
    return load_operand(f, cells.product, f.at(start, offset, cells.product.stored), lanes)


def _moved(f: Emitter, cells: Cells, operand: Operand, start: Value) -> Value:
    return advanced(f, start, operand.step, cells.type if operand.packed else cells.product.stored)


def keep(f: Emitter, product: Product, sums: list[Value], buffer: Value) -> None:
    """Put sums into a buffer, one after the other."""
    for place, value in enumerate(sums):
        f.store(value, f.at(buffer, f.integer(place * max(value.type.lanes, 1)), product.summed))


class Drain(NamedTuple):
    """Hands what a buffer holds to the epilogue.

    Attributes
    ----------
    buffer : Value
        Finished sums, ``stride`` elements a row.
    lanes : int
        Of the widest vectors to hand over.
    """

    product: Product
    epilogue: Epilogue
    buffer: Value
    stride: int
    lanes: int

    def columns(
        self, f: Emitter, row: Value, rows: Value, column: Value, valid: int, last: tuple[Value, int] | None = None
    ) -> None:
        """Hand over so many first columns of each row; fewer of them if this panel is the last, where that is given."""
        with f.loop(f.integer(0), rows) as r:
            self.row(f, row, r, column, valid, last)

    def row(
        self, f: Emitter, row: Value, r: Value, column: Value, valid: int, last: tuple[Value, int] | None = None
    ) -> None:
        """Hand over columns of one row, which is the buffer's row ``r``; the first is the result's ``row``."""
        zero, whole = f.integer(0), valid // self.lanes * self.lanes
        line = f.at(self.buffer, f.mul(r, f.integer(self.stride)), self.product.summed)
        here = f.add(row, r)
        stop = f.integer(whole)
        if last:
            stop = f.select(last[0], f.integer(last[1] // self.lanes * self.lanes), stop)
        if whole == self.lanes and not last:
            self._piece(f, line, here, column, zero, self.lanes)
        elif whole:
            with f.loop(zero, stop, self.lanes) as c:
                self._piece(f, line, here, column, c, self.lanes)
        for start, lanes in pieces(whole, valid, self.lanes):
            self._piece(f, line, here, column, f.integer(start), lanes)
        if last and last[1] % self.lanes:
            with f.when(last[0]):
                for start, lanes in pieces(last[1] // self.lanes * self.lanes, last[1], self.lanes):
                    self._piece(f, line, here, column, f.integer(start), lanes)

    def _piece(self, f: Emitter, line: Value, row: Value, column: Value, offset: Value, lanes: int) -> None:
        lanes = lanes if lanes > 1 else 0
        value = f.load(self.product.summed.of(lanes), f.at(line, offset, self.product.summed))
        self.epilogue(f, row, f.add(column, offset), narrow(f, self.product.dtype, value))
