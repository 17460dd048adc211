"""Panels: what a tile reads, copied into the order in which it reads it.

A panel holds ``depth`` rows of ``width`` cells, see `cells`. It is filled from a matrix whose elements are ``across``
apart along the panel's width and ``along`` apart along k.
"""

from __future__ import annotations

from typing import NamedTuple

from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.matmul.arithmetic import advanced
from lamina.compiler.codegen.matmul.cells import Cells
from lamina.compiler.codegen.matmul.plan import pieces
from lamina.compiler.codegen.matmul.product import Product
from lamina.compiler.codegen.values import Value
from lamina.compiler.target import Target


class Panel(NamedTuple):
    """A panel to fill, and where its elements come from."""

    product: Product
    target: Target
    cells: Cells
    width: int
    across: int
    along: int

    @property
    def block(self) -> int:
        """Cells of 16 bytes, or of as many as four take: squares of so many are transposed in registers."""
        return 2 if self.cells.type.bits == 64 else 4

    @property
    def whole(self) -> int:
        """How many of its rows have all their elements."""
        return self.product.k // self.cells.per_cell

    @property
    def last(self) -> int:
        """How many of its rows have any."""
        return -(-self.product.k // self.cells.per_cell)

    @property
    def transposed(self) -> int:
        """How many of its rows are in whole blocks."""
        return self.whole // self.block * self.block

    @property
    def step(self) -> int:
        """How many elements its rows are apart in the matrix."""
        return self.along * self.cells.per_cell


def fill(f: Emitter, panel: Panel, source: Value, into: Value) -> None:
    """Write code that fills a panel of which every column exists."""
    if panel.last < panel.cells.depth:
        _finish(f, panel, into)
    if panel.across == 1:
        _copy(f, panel, source, into, panel.width)
    elif panel.along == 1 and panel.width % panel.block == 0:
        blocks = next(b for b in (4, 2, 1) if panel.width % (b * panel.block) == 0)
        blocks = min(blocks, max(panel.target.lanes(panel.cells.type.bits) // panel.block, 1))
        with f.loop(f.integer(0), f.integer(panel.width), blocks * panel.block) as column:
            offsets = [f.integer(lane * panel.across) for lane in range(blocks * panel.block)]
            start = f.at(source, f.mul(column, f.integer(panel.across)), panel.product.stored)
            _transpose(f, panel, start, offsets, f.at(into, column, panel.cells.type))
        _copy_cells(f, panel, source, into, panel.transposed, f.integer(panel.width))
    else:
        _copy_cells(f, panel, source, into, 0, f.integer(panel.width))


def fill_partly(f: Emitter, panel: Panel, source: Value, into: Value, valid: Value) -> None:
    """Write code that fills a panel of which only the first columns exist; the others repeat the last or are 0."""
    if panel.last < panel.cells.depth:
        _finish(f, panel, into)
    if panel.across == 1 and valid.literal is not None:
        _copy(f, panel, source, into, valid.literal)
    elif panel.along == 1 and panel.width % panel.block == 0:
        last = f.sub(valid, f.integer(1))
        with f.loop(f.integer(0), f.integer(panel.width), panel.block) as column:
            lanes = [f.add(column, f.integer(lane)) for lane in range(panel.block)]
            offsets = [f.mul(f.intrinsic("smin", lane, last), f.integer(panel.across)) for lane in lanes]
            _transpose(f, panel, source, offsets, f.at(into, column, panel.cells.type))
        _copy_cells(f, panel, source, into, panel.transposed, valid)
    else:
        _copy_cells(f, panel, source, into, 0, valid)


def _finish(f: Emitter, panel: Panel, into: Value) -> None:
    """Put zeros into the rows behind the last that has elements."""
    lanes = panel.target.lanes(panel.cells.type.bits)
    with f.loop(f.integer(panel.last), f.integer(panel.cells.depth)) as k:
        row = f.at(into, f.mul(k, f.integer(panel.width)), panel.cells.type)
        for column, width in pieces(0, panel.width, lanes):
            f.store(f.number(0, panel.cells.type.of(width)), _at(f, row, column, panel))


def _copy(f: Emitter, panel: Panel, source: Value, into: Value, valid: int) -> None:
    """Copy rows of neighbours, and zeros behind them."""
    product, cells = panel.product, panel.cells
    lanes = panel.target.lanes(cells.type.bits)

    def line(start: Value, row: Value, whole: bool = True) -> None:
        for column, width in pieces(0, valid, lanes):
            there = f.at(start, f.integer(column), product.stored)
            f.store(cells.read(f, there, width, "across", panel.along, whole), _at(f, row, column, panel))
        for column, width in pieces(valid, panel.width, lanes):
            f.store(f.number(0, cells.type.of(width)), _at(f, row, column, panel))

    if panel.whole:
        with f.repeat(f.integer(0), f.integer(panel.whole), [source, into]) as round_:
            start, row = round_.values
            line(start, row)
            ahead = advanced(f, start, panel.step, product.stored)
            round_.values = [ahead, advanced(f, row, panel.width, cells.type)]
        source, into = round_.values
    if panel.whole < panel.last:
        line(source, into, False)


def _at(f: Emitter, row: Value, column: int, panel: Panel) -> Value:
    return f.at(row, f.integer(column), panel.cells.type)


def _copy_cells(f: Emitter, panel: Panel, source: Value, into: Value, first: int, valid: Value) -> None:
    """Copy one cell after the other, from the panel's row ``first`` on; padding repeats the last column."""
    cells = panel.cells
    last = f.sub(valid, f.integer(1))
    for start, stop in ((first, panel.whole), (panel.whole, panel.last)):
        if start >= stop:
            continue
        with f.loop(f.integer(start), f.integer(stop)) as k, f.loop(f.integer(0), f.integer(panel.width)) as column:
            there = column if valid.literal == panel.width else f.intrinsic("smin", column, last)
            offset = f.add(f.mul(there, f.integer(panel.across)), f.mul(k, f.integer(panel.step)))
            pointer = f.at(source, offset, panel.product.stored)
            cell = cells.read(f, pointer, 0, "across", panel.along, whole=stop == panel.whole)
            f.store(cell, f.at(into, f.add(f.mul(k, f.integer(panel.width)), column), cells.type))


def _transpose(f: Emitter, panel: Panel, source: Value, offsets: list[Value], into: Value) -> None:
    """Copy columns that begin at offsets, each contiguous along k, a few of its cells at a time."""
    product, block, cells = panel.product, panel.block, panel.cells
    if not panel.transposed:
        return
    with f.repeat(f.integer(0), f.integer(panel.transposed), [source, into], block) as round_:
        start, row = round_.values
        columns = [f.at(start, offset, product.stored) for offset in offsets]
        gathered = [cells.joined(f, columns[first::block], block, "along k", 1) for first in range(block)]
        for number, line in enumerate(squares_transposed(f, gathered)):
            f.store(line, f.at(row, f.integer(number * panel.width), cells.type))
        ahead = advanced(f, start, block * panel.step, product.stored)
        round_.values = [ahead, advanced(f, row, block * panel.width, cells.type)]


def squares_transposed(f: Emitter, rows: list[Value]) -> list[Value]:
    """Transpose squares that lie side by side in as many vectors as a square has rows: 2 or 4."""
    size, lanes = len(rows), rows[0].type.lanes
    squares = range(0, lanes, size)

    def interleaved(a: Value, b: Value, group: int, half: int) -> Value:
        """Take groups of neighbours from ``a`` and ``b`` by turns, out of one half of each square."""
        mask = []
        for square in squares:
            for start in range(square + half * size // 2, square + (half + 1) * size // 2, group):
                mask += [*range(start, start + group), *range(start + lanes, start + lanes + group)]
        return f.shuffle(a, b, mask)

    if size == 2:
        return [interleaved(rows[0], rows[1], 1, half) for half in (0, 1)]
    low, high = ([interleaved(rows[first], rows[first + 1], 1, half) for first in (0, 2)] for half in (0, 1))
    return [interleaved(upper, lower, 2, half) for upper, lower in (low, high) for half in (0, 1)]
