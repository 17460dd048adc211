"""The matrix product, in full and with operands rounded to bfloat16."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lamina.autodiff.node import DerivativeRule
from lamina.backends.precision import BFLOAT16, get_matmul_precision
from lamina.dtypes import float32
from lamina.primitives import specs
from lamina.primitives.broadcasting import unbroadcast
from lamina.primitives.primitive import NUMBERS, BinaryPrimitive, Domain, Primitive
from lamina.primitives.shaping import permute_dims

if TYPE_CHECKING:
    from lamina.tensor import Tensor


def transposed(x: Tensor) -> Tensor:
    """Return ``x`` with its last two axes exchanged."""
    ndim = len(x.shape)
    return permute_dims(x, axes=(*range(ndim - 2), ndim - 1, ndim - 2))


def _rules(row: Callable[[], Primitive]) -> tuple[DerivativeRule, DerivativeRule]:
    """Return the derivative rules of a product: products again, by the same row."""
    return (
        lambda g, y, a, b: unbroadcast(row()(g, transposed(b)), a),
        lambda g, y, a, b: unbroadcast(row()(transposed(a), g), b),
    )


matmul: Primitive = BinaryPrimitive("matmul", specs.matmul, _rules(lambda: matmul), Domain(NUMBERS))
matmul_bfloat16: Primitive = BinaryPrimitive(
    "matmul_bfloat16",
    specs.matmul_bfloat16,
    _rules(lambda: matmul_bfloat16),
    Domain(dtypes=("float32",), in_steps=True),
)


def product_of(x: Tensor) -> Primitive:
    """Return the row by which a product with ``x`` is computed, as `lamina.matmul_precision` says."""
    return matmul_bfloat16 if get_matmul_precision() is BFLOAT16 and x.dtype is float32 else matmul
