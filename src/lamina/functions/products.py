"""Products of vectors, matrices and tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lamina.errors import ShapeError
from lamina.functions.operands import NUMPY_BOOL, common, no_numbers, numeric, one_axis, tensor
from lamina.primitives import shaping
from lamina.primitives.broadcasting import reshape, sum_
from lamina.primitives.contraction import product_of, transposed
from lamina.primitives.operand import Operand

if TYPE_CHECKING:
    from lamina.tensor import Tensor


def matmul(x1: Tensor, x2: Tensor, /) -> Tensor:
    """Return the matrix product over the last two axes; leading axes are batches and broadcast.

    A vector is a row on the left and a column on the right, and its axis is left out of the result.

    Examples
    --------
    >>> import lamina as la
    >>> la.matmul(la.asarray([[1.0, 2.0], [3.0, 4.0]]), la.asarray([1.0, 1.0]))
    Tensor([3., 7.], shape=[2], dtype=float32)
    """
    if not isinstance(x1, Operand) or not isinstance(x2, Operand) or x1._data.dtype is not x2._data.dtype:
        x1, x2 = common("matmul", x1, x2)
    if x1._data.dtype is NUMPY_BOOL:
        raise no_numbers("matmul")
    if len(x1.shape) >= 2 and len(x2.shape) >= 2:
        return product_of(x1)(x1, x2)
    return _with_vectors(x1, x2)


def _with_vectors(x1: Tensor, x2: Tensor) -> Tensor:
    if x1.ndim == 0 or x2.ndim == 0:
        raise ShapeError(
            f"matmul: shapes {list(x1.shape)} and {list(x2.shape)}: a tensor without axes is no matrix; multiply with *"
        )
    if x1.shape[-1] != x2.shape[-2 if x2.ndim > 1 else 0]:
        raise ShapeError(
            f"matmul: shapes {list(x1.shape)} and {list(x2.shape)} do not fit: the last axis of the first must be as "
            "long as the last but one of the second, or as the vector"
        )
    left = reshape(x1, shape=(1, *x1.shape)) if x1.ndim == 1 else x1
    right = reshape(x2, shape=(*x2.shape, 1)) if x2.ndim == 1 else x2
    result = product_of(left)(left, right)
    shape = list(result.shape)
    if x2.ndim == 1:
        del shape[-1]
    if x1.ndim == 1:
        del shape[-1 if x2.ndim == 1 else -2]
    return reshape(result, shape=tuple(shape))


def matrix_transpose(x: Tensor, /) -> Tensor:
    """Return ``x`` with its last two axes exchanged."""
    x = tensor("matrix_transpose", x)
    if x.ndim < 2:
        raise ShapeError(f"matrix_transpose: expected at least two axes, got shape {list(x.shape)}")
    return transposed(x)


def vecdot(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """Return the sum of products along ``axis``, counted from the end; other axes broadcast."""
    x1, x2 = common("vecdot", x1, x2)
    ndim = min(x1.ndim, x2.ndim)
    if not -ndim <= axis < 0:
        raise ShapeError(f"vecdot: axis {axis} must be one of -{ndim} to -1")
    if x1.shape[axis] != x2.shape[axis]:
        raise ShapeError(f"vecdot: shapes {list(x1.shape)} and {list(x2.shape)} differ in length along axis {axis}")
    product = x1 * x2
    return sum_(product, axes=(product.ndim + axis,), keepdims=False)


def tensordot(x1: Tensor, x2: Tensor, /, *, axes: int | tuple[Sequence[int], Sequence[int]] = 2) -> Tensor:
    """Return the sum of products over pairs of axes.

    The last ``axes`` axes of ``x1`` meet the first of ``x2``; two sequences name the axes of each.

    Examples
    --------
    >>> import lamina as la
    >>> la.tensordot(la.ones((2, 3, 4)), la.ones((4, 3, 5)), axes=([1, 2], [1, 0])).shape
    (2, 5)
    """
    x1, x2 = common("tensordot", x1, x2)
    numeric("tensordot", x1)
    if isinstance(axes, int):
        if not 0 <= axes <= min(x1.ndim, x2.ndim):
            raise ShapeError(f"tensordot: {axes} axes of shapes {list(x1.shape)} and {list(x2.shape)}")
        first, second = tuple(range(x1.ndim - axes, x1.ndim)), tuple(range(axes))
    else:
        first = tuple(one_axis("tensordot", axis, x1.ndim) for axis in axes[0])
        second = tuple(one_axis("tensordot", axis, x2.ndim) for axis in axes[1])
    if [x1.shape[axis] for axis in first] != [x2.shape[axis] for axis in second]:
        raise ShapeError(
            f"tensordot: axes {list(first)} of shape {list(x1.shape)} and {list(second)} of {list(x2.shape)} "
            "differ in length"
        )
    kept1 = tuple(axis for axis in range(x1.ndim) if axis not in first)
    kept2 = tuple(axis for axis in range(x2.ndim) if axis not in second)
    rows, columns = tuple(x1.shape[axis] for axis in kept1), tuple(x2.shape[axis] for axis in kept2)
    inner = math.prod(x1.shape[axis] for axis in first)
    left = reshape(shaping.permute_dims(x1, axes=(*kept1, *first)), shape=(math.prod(rows), inner))
    right = reshape(shaping.permute_dims(x2, axes=(*second, *kept2)), shape=(inner, math.prod(columns)))
    return reshape(product_of(left)(left, right), shape=(*rows, *columns))


def outer(x1: Tensor, x2: Tensor, /) -> Tensor:
    """Return the matrix of products of the elements of two vectors."""
    x1, x2 = common("outer", x1, x2)
    if x1.ndim != 1 or x2.ndim != 1:
        raise ShapeError(f"outer: expected two vectors, got shapes {list(x1.shape)} and {list(x2.shape)}")
    return reshape(x1, shape=(x1.size, 1)) * reshape(x2, shape=(1, x2.size))
