"""The matrix product."""

from __future__ import annotations

from typing import TYPE_CHECKING

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


matmul: Primitive = BinaryPrimitive(
    "matmul",
    specs.matmul,
    (
        lambda g, y, a, b: unbroadcast(matmul(g, transposed(b)), a),
        lambda g, y, a, b: unbroadcast(matmul(transposed(a), g), b),
    ),
    Domain(NUMBERS),
)
