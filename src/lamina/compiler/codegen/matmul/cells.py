"""Cells: what packed panels consist of. A cell is an element as it is multiplied, or a pair of bfloat16.

A processor that multiplies bfloat16 takes two of them at a time, neighbours along k in 32 bits, and adds both products
to a sum in float32. So a panel of pairs has half as many rows, and its tiles are those of float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lamina.compiler.codegen.elements import packed
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.matmul.arithmetic import multiply_add
from lamina.compiler.codegen.matmul.product import Product, as_operand, load_operand
from lamina.compiler.codegen.values import I1, I32, Type, Value
from lamina.compiler.target import Target
from lamina.dtypes import bfloat16

Direction = Literal["along k", "across"]


@dataclass(frozen=True)
class Elements:
    """Cells of one element."""

    product: Product
    per_cell = 1

    @property
    def type(self) -> Type:
        """The machine type of a cell."""
        return self.product.summed

    @property
    def depth(self) -> int:
        """How many cells the sums are long."""
        return self.product.k

    def read(self, f: Emitter, pointer: Value, lanes: int, direction: Direction, gap: int, whole: bool = True) -> Value:
        """Return cells side by side in memory, in a direction; elements of a cell are so far apart.

        Where the cells are not ``whole``, there is no element behind their first.
        """
        return load_operand(f, self.product, pointer, lanes)

    def joined(self, f: Emitter, pointers: list[Value], count: int, direction: Direction, gap: int) -> Value:
        """Return so many cells from each of some places, all in one vector."""
        return joined(f, [self.read(f, each, count, direction, gap) for each in pointers])

    def last(self, f: Emitter, cells: Value, count: int) -> Value:
        """Return a vector with so many elements at its end kept, and zeros before them."""
        lanes = cells.type.lanes
        mask = f.vector([lane >= lanes - count for lane in range(lanes)], I1)
        return f.select(mask, cells, f.number(0, cells.type))

    def multiply_add(self, f: Emitter, target: Target, a: Value, b: Value, total: Value) -> Value:
        """Return ``total`` and what cells multiplied with each other add to it."""
        return multiply_add(f, target, a, b, total)


@dataclass(frozen=True)
class Pairs:
    """Cells of two neighbours along k, rounded to bfloat16; the lower half is the first."""

    product: Product
    per_cell = 2

    @property
    def type(self) -> Type:
        """The machine type of a cell."""
        return I32

    @property
    def depth(self) -> int:
        """How many cells the sums are long."""
        return -(-self.product.k // 2)

    def read(self, f: Emitter, pointer: Value, lanes: int, direction: Direction, gap: int, whole: bool = True) -> Value:
        """As `Elements.read`."""
        if not lanes:
            return self._one(f, pointer, gap, whole)
        if direction == "along k":
            return self.joined(f, [pointer], lanes, direction, gap)
        stored = self.product.stored.of(lanes)
        first = f.load(stored, pointer)
        second = f.load(stored, f.at(pointer, f.integer(gap), stored)) if whole else f.number(0, stored)
        if not self.product.rounded:
            return _as_cells(f, f.shuffle(first, second, _interleaved(lanes)))
        both = _rounded(f, [first, second])
        return _as_cells(f, f.shuffle(both, both, _interleaved(lanes)))

    def joined(self, f: Emitter, pointers: list[Value], count: int, direction: Direction, gap: int) -> Value:
        """As `Elements.joined`."""
        if direction == "across":
            return joined(f, [self.read(f, each, count, direction, gap) for each in pointers])
        runs = [f.load(self.product.stored.of(2 * count), each) for each in pointers]
        if not self.product.rounded:
            return _as_cells(f, joined(f, runs))
        return _as_cells(f, _rounded(f, runs))

    def last(self, f: Emitter, cells: Value, count: int) -> Value:
        """As `Elements.last`."""
        gone = 2 * cells.type.lanes - count
        halves = [[half >= gone for half in (2 * lane, 2 * lane + 1)] for lane in range(cells.type.lanes)]
        mask = f.vector([_HALVES[first, second] for first, second in halves], I32)
        return f.binary("and", cells, mask)

    def _one(self, f: Emitter, pointer: Value, gap: int, whole: bool) -> Value:
        cell = self._bits(f, pointer)
        if not whole:
            return cell
        second = self._bits(f, f.at(pointer, f.integer(gap), self.product.stored))
        return f.binary("or", cell, f.binary("shl", second, f.integer(16, I32)))

    def _bits(self, f: Emitter, pointer: Value) -> Value:
        element = as_operand(f, self.product, f.load(self.product.stored, pointer))
        return f.convert("zext", packed(f, bfloat16, element), "i32")

    def multiply_add(self, f: Emitter, target: Target, a: Value, b: Value, total: Value) -> Value:
        """As `Elements.multiply_add`: two products each, the second added first."""
        bits = total.type.lanes * 32
        left, right = (f.result(f"bitcast {x.type} {x.text} to {_bf16(x)}", _bf16(x)) for x in (a, b))
        return f.call(f"llvm.x86.avx512bf16.dpbf16ps.{bits}", total.type, total, left, right)


SIDE = 16
"""Rows of a square, and its cells or sums in a row."""


@dataclass(frozen=True)
class Squares(Pairs):
    """Pairs in whole squares along k, for tile registers."""

    @property
    def depth(self) -> int:
        """How many cells the sums are long, zeros at the end included."""
        return -(-self.product.k // (2 * SIDE)) * SIDE


Cells = Elements | Pairs


def multiplies_pairs(product: Product, target: Target) -> bool:
    """Tell whether the machine multiplies what a product's operands are rounded to, two at a time."""
    return "avx512bf16" in target.known and target.vector_bytes == 64 and (product.rounded or product.dtype is bfloat16)


def multiplies_squares(product: Product, target: Target) -> bool:
    """Tell whether the machine has tile registers for it, and the product is large enough to fill them."""
    large = product.m >= SIDE // 2 and product.n >= SIDE and product.k >= SIDE
    return large and {"amx-tile", "amx-bf16"} <= target.known and multiplies_pairs(product, target)


_HALVES = {(False, False): 0, (False, True): -1 << 16, (True, True): -1}
"""The bits of a cell of which each half is kept or not."""


def joined(f: Emitter, parts: list[Value]) -> Value:
    """Return one vector of several, of which there are a power of two."""
    while len(parts) > 1:
        lanes = range(2 * parts[0].type.lanes)
        parts = [f.shuffle(low, high, lanes) for low, high in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


def _rounded(f: Emitter, parts: list[Value]) -> Value:
    """Return vectors of float32, of which there are a power of two, in one of bfloat16."""
    if len(parts) == 1:
        return f.convert("fptrunc", parts[0], "bfloat")
    half = len(parts) // 2
    low, high = joined(f, parts[:half]), joined(f, parts[half:])
    lanes = 2 * low.type.lanes
    if lanes * 16 not in (128, 256, 512):
        return f.convert("fptrunc", joined(f, [low, high]), "bfloat")
    return f.call(f"llvm.x86.avx512bf16.cvtne2ps2bf16.{lanes * 16}", Type("bfloat", lanes), high, low)


def _as_cells(f: Emitter, halves: Value) -> Value:
    cells = I32.of(halves.type.lanes // 2)
    return f.result(f"bitcast {halves.type} {halves.text} to {cells}", cells)


def _bf16(cells: Value) -> Type:
    return Type("bfloat", 2 * cells.type.lanes)


def _interleaved(lanes: int) -> list[int]:
    return [half * lanes + lane for lane in range(lanes) for half in (0, 1)]
