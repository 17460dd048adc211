"""What a matrix product is: its sizes, its type and where its elements lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lamina.compiler.codegen.elements import memory_type, narrow, register_type, unpacked
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.values import Type, Value
from lamina.dtypes import DType, bfloat16

Epilogue = Callable[[Emitter, Value, Value, Value], None]
"""Writes code for ``(emitter, row, first column, value)``: the value is an element of the result, or a vector of
consecutive columns. It may be called for code in a loop, so row and column are values of the running program."""

Prefetch = Callable[[Emitter, Value, Value, int], None]
"""Writes code for ``(emitter, row, first column, columns)`` that asks for what the epilogue will read there."""


class Product(NamedTuple):
    r"""A matrix product of sizes known now.

    .. math:: C_{mn} = \sum_k A_{mk} B_{kn}

    Attributes
    ----------
    m, n, k : int
        Rows and columns of C, and the length of the sums; any may be 0.
    dtype : DType
        Of all three. Half-precision types are summed in float32 and rounded once; integers wrap around.
    a_strides : (int, int)
        How many elements apart neighbours of A are along m and along k: ``(k, 1)`` for rows that follow each other,
        ``(1, m)`` for a transposed A, 0 for an axis along which A is repeated.
    b_strides : (int, int)
        The same for B along k and n.
    rounded : bool
        Whether operands, which are float32, are rounded to bfloat16 on their way.
    """

    m: int
    n: int
    k: int
    dtype: DType
    a_strides: tuple[int, int]
    b_strides: tuple[int, int]
    rounded: bool = False

    @property
    def stored(self) -> Type:
        """The machine type of an element in memory."""
        return memory_type(self.dtype)

    @property
    def summed(self) -> Type:
        """The machine type that sums have, and operands in registers."""
        return register_type(self.dtype)

    @property
    def converted(self) -> bool:
        """Whether an operand's element in a register is not as it lies in memory, so that it is read once at best."""
        return self.rounded or self.dtype.bits < self.summed.bits


def load_operand(f: Emitter, product: Product, pointer: Value, lanes: int = 0) -> Value:
    """Read an element of an operand, or a vector of so many neighbours, as it is multiplied."""
    return as_operand(f, product, f.load(product.stored.of(lanes), pointer))


def as_operand(f: Emitter, product: Product, stored: Value) -> Value:
    """Return elements, as they lie in memory, as they are multiplied."""
    value = unpacked(f, product.dtype, stored)
    return narrow(f, bfloat16, value) if product.rounded else value
