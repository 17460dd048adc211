"""Products of bfloat16 in AMX's tile registers, called squares here: each holds 16 rows of 64 bytes.

An instruction multiplies 16 rows of 16 cells of A by 16 rows of 16 cells of B, and adds to a square of 16 by 16 sums.
Panels of B are those of pairs, with zeros up to a whole number of squares along k. A's panel is one square after the
other along k, for 16 rows at a time.

Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, TDPBF16PS, and volume 1, chapter 18.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.matmul.arithmetic import advanced
from lamina.compiler.codegen.matmul.cells import SIDE, Squares
from lamina.compiler.codegen.matmul.packing import squares_transposed
from lamina.compiler.codegen.matmul.tiles import Beside
from lamina.compiler.codegen.values import I8, I32, I64, VOID, Value

_LEFT, _RIGHT = 4, 6
"""The first of the two registers for A, and of those for B; the four before hold sums."""


@contextmanager
def configured(f: Emitter) -> Iterator[None]:
    """Make the registers ready for what is written inside, and release them behind it."""
    # Palette 1; then 16 bytes on: two bytes for the length of the rows of each register, and one for their number.
    rows = bytes(16) + (4 * SIDE).to_bytes(2, "little") * 8 + bytes(16) + bytes([SIDE] * 8) + bytes(8)
    f.call("llvm.x86.ldtilecfg", VOID, f.module.data(b"\x01" + rows[1:]))
    yield
    f.call("llvm.x86.tilerelease", VOID)


def multiply(
    f: Emitter,
    cells: Squares,
    a: Value,
    b: Value,
    rows: int,
    columns: int,
    buffer: Value,
    beside: Beside | None = None,
) -> None:
    """Put the sums of so many squares of rows by so many of columns into a buffer."""
    width = columns * SIDE
    places = [(r, c) for r in range(rows) for c in range(columns)]

    def part(depth: int, state: list[Value]) -> list[Value]:
        with f.repeat(f.integer(0), f.integer(depth), state, SIDE) as round_:
            left, right = round_.values
            for r in range(rows):
                _load(f, _LEFT + r, f.at(left, f.integer(r * SIDE * cells.depth), cells.type), SIDE)
            for c in range(columns):
                _load(f, _RIGHT + c, f.at(right, f.integer(c * SIDE), cells.type), width)
            for r, c in places:
                registers = (r * columns + c, _LEFT + r, _RIGHT + c)
                f.call("llvm.x86.tdpbf16ps", VOID, *map(_register, registers))
            moved = advanced(f, left, SIDE * SIDE, cells.type)
            round_.values = [moved, advanced(f, right, SIDE * width, cells.type)]
        return round_.values

    for r, c in places:
        f.call("llvm.x86.tilezero", VOID, _register(r * columns + c))
    if beside is None:
        part(cells.depth, [a, b])
    else:
        with f.repeat(f.integer(0), f.integer(beside.parts), [a, b]) as round_:
            beside.write(round_.index)
            round_.values = part(cells.depth // beside.parts, round_.values)
    for r, c in places:
        place = f.at(buffer, f.integer(SIDE * (r * width + c)), cells.product.summed)
        f.call("llvm.x86.tilestored64", VOID, _register(r * columns + c), place, _bytes(f, width))


def _register(number: int) -> Value:
    return Value(str(number), I8)


def _bytes(f: Emitter, cells: int) -> Value:
    return f.integer(4 * cells, I64)


def _load(f: Emitter, register: int, pointer: Value, apart: int) -> None:
    f.call("llvm.x86.tileloadd64", VOID, _register(register), pointer, _bytes(f, apart))


# --- the panel of A ---------------------------------------------------------------------------------------


def fill_rows(f: Emitter, cells: Squares, strides: tuple[int, int], source: Value, into: Value, valid: Value) -> None:
    """Write code that fills the squares of 16 rows, of which the first ``valid`` exist; others repeat the last."""
    product = cells.product
    whole = product.k // (2 * SIDE)
    if whole:
        with f.repeat(f.integer(0), f.integer(whole), [source, into]) as round_:
            start, square = round_.values
            _fill(f, cells, strides, start, square, valid)
            ahead = advanced(f, start, 2 * SIDE * strides[1], product.stored)
            round_.values = [ahead, advanced(f, square, SIDE * SIDE, cells.type)]
        source, into = round_.values
    if 2 * SIDE * whole < product.k:
        _fill_partly(f, cells, strides, source, into, valid, product.k - 2 * SIDE * whole)


def _fill(f: Emitter, cells: Squares, strides: tuple[int, int], source: Value, into: Value, valid: Value) -> None:
    """Fill a square of which every column exists."""
    down, along = strides
    if along == 1:
        with f.loop(f.integer(0), f.integer(SIDE)) as row:
            line = cells.joined(f, [_row(f, cells, source, row, valid, down)], SIDE, "along k", 1)
            f.store(line, f.at(into, f.mul(row, f.integer(SIDE)), cells.type))
        return
    if down != 1:
        _fill_by_cells(f, cells, strides, source, into, valid, 2 * SIDE)
        return
    full = f.icmp("sge", valid, f.integer(SIDE))
    with f.when(full), f.loop(f.integer(0), f.integer(SIDE), 4) as row:
        _transpose(f, cells, along, f.at(source, row, cells.product.stored), f.at(into, _times(f, row), cells.type))
    with f.when(f.icmp("slt", valid, f.integer(SIDE))):
        _fill_by_cells(f, cells, strides, source, into, valid, 2 * SIDE)


def _transpose(f: Emitter, cells: Squares, along: int, source: Value, into: Value) -> None:
    """Fill four rows of a square from columns of neighbours."""
    columns = [f.at(source, f.integer(2 * cell * along), cells.product.stored) for cell in range(SIDE)]
    gathered = [cells.joined(f, columns[first::4], 4, "across", along) for first in range(4)]
    for number, line in enumerate(squares_transposed(f, gathered)):
        f.store(line, f.at(into, f.integer(number * SIDE), cells.type))


def _fill_partly(
    f: Emitter, cells: Squares, strides: tuple[int, int], source: Value, into: Value, valid: Value, elements: int
) -> None:
    """Fill a square of which only the first elements along k exist; the others are zero."""
    with f.loop(f.integer(0), f.integer(SIDE)) as row:
        f.store(f.number(0, I32.of(SIDE)), f.at(into, _times(f, row), cells.type))
    _fill_by_cells(f, cells, strides, source, into, valid, elements)


def _fill_by_cells(
    f: Emitter, cells: Squares, strides: tuple[int, int], source: Value, into: Value, valid: Value, elements: int
) -> None:
    down, along = strides
    for first, last, whole in ((0, elements // 2, True), (elements // 2, -(-elements // 2), False)):
        if first == last:
            continue
        with f.loop(f.integer(0), f.integer(SIDE)) as row, f.loop(f.integer(first), f.integer(last)) as cell:
            start = _row(f, cells, source, row, valid, down)
            pointer = f.at(start, f.mul(cell, f.integer(2 * along)), cells.product.stored)
            f.store(
                cells.read(f, pointer, 0, "across", along, whole), f.at(into, f.add(_times(f, row), cell), cells.type)
            )


def _row(f: Emitter, cells: Squares, source: Value, row: Value, valid: Value, down: int) -> Value:
    there = f.intrinsic("smin", row, f.sub(valid, f.integer(1)))
    return f.at(source, f.mul(there, f.integer(down)), cells.product.stored)


def _times(f: Emitter, row: Value) -> Value:
    return f.mul(row, f.integer(SIDE))
