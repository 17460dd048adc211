"""Panels: what a tile reads, copied into the order in which it reads it.

A panel holds ``depth`` rows of ``width`` cells, see `cells`. It is filled from a matrix whose elements are ``across``
apart along the panel's width and ``along`` apart along k.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

from lamina.compiler.codegen.emitter import Emitter, Repeat
from lamina.compiler.codegen.matmul.arithmetic import advanced
from lamina.compiler.codegen.matmul.cells import Cells
from lamina.compiler.codegen.matmul.plan import pieces
from lamina.compiler.codegen.matmul.product import Product
from lamina.compiler.codegen.values import VOID, Value
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
    def unit(self) -> int:
        """How many of its rows are filled at a time."""
        return 1 if self.across == 1 else self.block

    @property
    def regular(self) -> int:
        """How many of its rows are filled many cells at a time; those behind them cell by cell."""
        fits = self.across == 1 or (self.along == 1 and self.width % self.block == 0)
        return self.whole // self.unit * self.unit if fits else 0

    @property
    def step(self) -> int:
        """How many elements its rows are apart in the matrix."""
        return self.along * self.cells.per_cell


def fill(f: Emitter, panel: Panel, source: Value, into: Value, first: Value | None = None) -> None:
    """Write code that fills a panel of which every column exists; `fill_rows` has filled the rows before ``first``."""
    if panel.last < panel.cells.depth:
        _finish(f, panel, into)
    fill_rows(f, panel, source, into, first or f.integer(0), f.integer(panel.regular))
    if panel.across == 1:
        _copy_half(f, panel, source, into, panel.width)
    else:
        _copy_cells(f, panel, source, into, panel.regular, f.integer(panel.width))


def fill_rows(f: Emitter, panel: Panel, source: Value, into: Value, first: Value, stop: Value) -> None:
    """Write code that fills some of a panel's regular rows, from and to multiples of its `unit`."""
    if panel.across == 1:
        _copy(f, panel, source, into, panel.width, first, stop)
    elif panel.regular:
        blocks = next(b for b in (4, 2, 1) if panel.width % (b * panel.block) == 0)
        blocks = min(blocks, max(panel.target.lanes(panel.cells.type.bits) // panel.block, 1))
        with f.loop(f.integer(0), f.integer(panel.width), blocks * panel.block) as column:
            offsets = [f.integer(lane * panel.across) for lane in range(blocks * panel.block)]
            start = f.at(source, f.mul(column, f.integer(panel.across)), panel.product.stored)
            _transpose(f, panel, start, offsets, f.at(into, column, panel.cells.type), first, stop)


def ask_for_rows(f: Emitter, panel: Panel, source: Value, first: Value, stop: Value) -> None:
    """Write code that asks for the memory that some regular rows are filled from."""
    product, per_cell = panel.product, panel.cells.per_cell
    line = _LINE // (product.stored.bits // 8)
    if panel.across == 1:
        with f.loop(f.mul(first, f.integer(per_cell)), f.mul(stop, f.integer(per_cell))) as k:
            start = f.at(source, f.mul(k, f.integer(panel.along)), product.stored)
            for place in range(0, panel.width, line):
                _ask(f, f.at(start, f.integer(place), product.stored))
    elif panel.regular:
        with f.loop(f.integer(0), f.integer(panel.width)) as column:
            start = f.at(source, f.mul(column, f.integer(panel.across)), product.stored)
            with f.loop(f.mul(first, f.integer(per_cell)), f.mul(stop, f.integer(per_cell)), line) as k:
                _ask(f, f.at(start, k, product.stored))


_LINE = 64  # bytes of a cache line


def _ask(f: Emitter, pointer: Value) -> None:
    """Ask for memory that is needed soon, but not at once: for the second cache."""
    f.call("llvm.prefetch.p0", VOID, pointer, extra="i32 0, i32 2, i32 1")


def fill_partly(f: Emitter, panel: Panel, source: Value, into: Value, valid: Value) -> None:
    """Write code that fills a panel of which only the first columns exist; the others repeat the last or are 0."""
    if panel.last < panel.cells.depth:
        _finish(f, panel, into)
    zero, regular = f.integer(0), f.integer(panel.regular)
    if panel.across == 1 and valid.literal is not None:
        _copy(f, panel, source, into, valid.literal, zero, regular)
        _copy_half(f, panel, source, into, valid.literal)
    elif panel.across != 1 and panel.regular:
        last = f.sub(valid, f.integer(1))
        with f.loop(zero, f.integer(panel.width), panel.block) as column:
            lanes = [f.add(column, f.integer(lane)) for lane in range(panel.block)]
            offsets = [f.mul(f.intrinsic("smin", lane, last), f.integer(panel.across)) for lane in lanes]
            _transpose(f, panel, source, offsets, f.at(into, column, panel.cells.type), zero, regular)
        _copy_cells(f, panel, source, into, panel.regular, valid)
    else:
        _copy_cells(f, panel, source, into, 0, valid)


def _finish(f: Emitter, panel: Panel, into: Value) -> None:
    """Put zeros into the rows behind the last that has elements."""
    lanes = panel.target.lanes(panel.cells.type.bits)
    with f.loop(f.integer(panel.last), f.integer(panel.cells.depth)) as k:
        row = f.at(into, f.mul(k, f.integer(panel.width)), panel.cells.type)
        for column, width in pieces(0, panel.width, lanes):
            f.store(f.number(0, panel.cells.type.of(width)), _at(f, row, column, panel))


def _copy(f: Emitter, panel: Panel, source: Value, into: Value, valid: int, first: Value, stop: Value) -> None:
    """Copy rows of neighbours, and zeros behind them."""
    if stop.literal == 0:
        return
    with _repeat(f, panel, source, into, first, stop, 1) as round_:
        start, row = round_.values
        _copy_line(f, panel, start, row, valid)
        ahead = advanced(f, start, panel.step, panel.product.stored)
        round_.values = [ahead, advanced(f, row, panel.width, panel.cells.type)]


def _copy_half(f: Emitter, panel: Panel, source: Value, into: Value, valid: int) -> None:
    """Copy the last row of neighbours where there is nothing for the other half of its cells."""
    if panel.whole < panel.last:
        start = f.at(source, f.integer(panel.whole * panel.step), panel.product.stored)
        row = f.at(into, f.integer(panel.whole * panel.width), panel.cells.type)
        _copy_line(f, panel, start, row, valid, False)


def _copy_line(f: Emitter, panel: Panel, start: Value, row: Value, valid: int, whole: bool = True) -> None:
    cells = panel.cells
    lanes = panel.target.lanes(cells.type.bits)
    for column, width in pieces(0, valid, lanes):
        there = f.at(start, f.integer(column), panel.product.stored)
        f.store(cells.read(f, there, width, "across", panel.along, whole), _at(f, row, column, panel))
    for column, width in pieces(valid, panel.width, lanes):
        f.store(f.number(0, cells.type.of(width)), _at(f, row, column, panel))


@contextmanager
def _repeat(
    f: Emitter, panel: Panel, source: Value, into: Value, first: Value, stop: Value, step: int
) -> Iterator[Repeat]:
    """Repeat what is written inside for rows, with pointers to the matrix and the panel.

    There may be none, unless first and last are known now.
    """
    start = f.at(source, f.mul(first, f.integer(panel.step)), panel.product.stored)
    row = f.at(into, f.mul(first, f.integer(panel.width)), panel.cells.type)
    known = first.literal is not None and stop.literal is not None
    with nullcontext() if known else f.when(f.icmp("slt", first, stop)), f.repeat(first, stop, [start, row], step) as r:
        yield r


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


def _transpose(
    f: Emitter, panel: Panel, source: Value, offsets: list[Value], into: Value, first: Value, stop: Value
) -> None:
    """Copy columns that begin at offsets, each contiguous along k, a few of its cells at a time."""
    product, block, cells = panel.product, panel.block, panel.cells
    with _repeat(f, panel, source, into, first, stop, block) as round_:
        start, row = round_.values
        columns = [f.at(start, offset, product.stored) for offset in offsets]
        gathered = [cells.joined(f, columns[each::block], block, "along k", 1) for each in range(block)]
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
