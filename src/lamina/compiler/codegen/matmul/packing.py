"""Panels: what a tile reads, copied into the order in which it reads it.

A panel holds ``depth`` rows of ``width`` elements. It is filled from a matrix whose elements are ``across`` apart
along the panel's width and ``along`` apart from one of its rows to the next.
"""

from __future__ import annotations

from dataclasses import dataclass

from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.matmul.arithmetic import advanced
from lamina.compiler.codegen.matmul.plan import pieces
from lamina.compiler.codegen.matmul.product import Product, load_operand
from lamina.compiler.codegen.values import Value
from lamina.compiler.target import Target


@dataclass(frozen=True)
class Panel:
    """A panel to fill, and where its elements come from."""

    product: Product
    target: Target
    width: int
    across: int
    along: int

    @property
    def block(self) -> int:
        """Elements of 16 bytes, or of as many as four take: squares of so many are transposed in registers."""
        return 2 if self.product.summed.bits == 64 else 4


def fill(f: Emitter, panel: Panel, source: Value, into: Value) -> None:
    """Write code that fills a panel of which every column exists."""
    if panel.across == 1:
        _copy(f, panel, source, into, panel.width)
    elif panel.along == 1 and panel.width % panel.block == 0:
        blocks = next(b for b in (4, 2, 1) if panel.width % (b * panel.block) == 0)
        blocks = min(blocks, max(panel.target.lanes(panel.product.summed.bits) // panel.block, 1))
        with f.loop(f.integer(0), f.integer(panel.width), blocks * panel.block) as column:
            offsets = [f.integer(lane * panel.across) for lane in range(blocks * panel.block)]
            start = f.at(source, f.mul(column, f.integer(panel.across)), panel.product.stored)
            _transpose(f, panel, start, offsets, f.at(into, column, panel.product.summed))
        _copy_elements(f, panel, source, into, _whole(panel), f.integer(panel.width))
    else:
        _copy_elements(f, panel, source, into, 0, f.integer(panel.width))


def fill_partly(f: Emitter, panel: Panel, source: Value, into: Value, valid: Value) -> None:
    """Write code that fills a panel of which only the first columns exist; the others repeat the last or are 0."""
    if panel.across == 1 and valid.literal is not None:
        _copy(f, panel, source, into, valid.literal)
    elif panel.along == 1 and panel.width % panel.block == 0:
        last = f.sub(valid, f.integer(1))
        with f.loop(f.integer(0), f.integer(panel.width), panel.block) as column:
            lanes = [f.add(column, f.integer(lane)) for lane in range(panel.block)]
            offsets = [f.mul(f.intrinsic("smin", lane, last), f.integer(panel.across)) for lane in lanes]
            _transpose(f, panel, source, offsets, f.at(into, column, panel.product.summed))
        _copy_elements(f, panel, source, into, _whole(panel), valid)
    else:
        _copy_elements(f, panel, source, into, 0, valid)


def _whole(panel: Panel) -> int:
    return panel.product.k // panel.block * panel.block


def _copy(f: Emitter, panel: Panel, source: Value, into: Value, valid: int) -> None:
    """Copy rows of neighbours, and zeros behind them."""
    product, target, summed = panel.product, panel.target, panel.product.summed
    lanes = target.lanes(summed.bits)
    with f.repeat(f.integer(0), f.integer(product.k), [source, into]) as round_:
        start, row = round_.values
        for column, width in pieces(0, valid, lanes):
            f.store(
                load_operand(f, product, f.at(start, f.integer(column), product.stored), width),
                _at(f, row, column, panel),
            )
        for column, width in pieces(valid, panel.width, lanes):
            f.store(f.number(0, summed.of(width)), _at(f, row, column, panel))
        ahead = advanced(f, start, panel.along, product.stored)
        round_.values = [ahead, advanced(f, row, panel.width, summed)]


def _at(f: Emitter, row: Value, column: int, panel: Panel) -> Value:
    return f.at(row, f.integer(column), panel.product.summed)


def _copy_elements(f: Emitter, panel: Panel, source: Value, into: Value, first: int, valid: Value) -> None:
    """Copy one element after the other, from the panel's row ``first`` on; padding repeats the last column."""
    product, summed = panel.product, panel.product.summed
    if first == product.k:
        return
    last = f.sub(valid, f.integer(1))
    with f.loop(f.integer(first), f.integer(product.k)) as k, f.loop(f.integer(0), f.integer(panel.width)) as column:
        there = column if valid.literal == panel.width else f.intrinsic("smin", column, last)
        offset = f.add(f.mul(there, f.integer(panel.across)), f.mul(k, f.integer(panel.along)))
        element = load_operand(f, product, f.at(source, offset, product.stored))
        f.store(element, f.at(into, f.add(f.mul(k, f.integer(panel.width)), column), summed))


def _transpose(f: Emitter, panel: Panel, source: Value, offsets: list[Value], into: Value) -> None:
    """Copy columns that begin at offsets, each contiguous along k, a few of its elements at a time."""
    product, block = panel.product, panel.block
    if not _whole(panel):
        return
    with f.repeat(f.integer(0), f.integer(_whole(panel)), [source, into], block) as round_:
        start, row = round_.values
        columns = [load_operand(f, product, f.at(start, offset, product.stored), block) for offset in offsets]
        gathered = [_joined(f, columns[first::block]) for first in range(block)]
        for number, line in enumerate(_squares_transposed(f, gathered)):
            f.store(line, f.at(row, f.integer(number * panel.width), product.summed))
        ahead = advanced(f, start, block, product.stored)
        round_.values = [ahead, advanced(f, row, block * panel.width, product.summed)]


def _joined(f: Emitter, parts: list[Value]) -> Value:
    """Return one vector of several, of which there are a power of two."""
    while len(parts) > 1:
        lanes = range(2 * parts[0].type.lanes)
        parts = [f.shuffle(low, high, lanes) for low, high in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


def _squares_transposed(f: Emitter, rows: list[Value]) -> list[Value]:
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
