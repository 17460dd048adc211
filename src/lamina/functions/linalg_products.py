"""Linear algebra without factorisations: diagonals, traces, cross products."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from lamina.dtypes import DTypeLike
from lamina.errors import ShapeError
from lamina.functions.manipulation import roll
from lamina.functions.operands import common, tensor
from lamina.functions.reductions import sum
from lamina.primitives import shaping
from lamina.primitives.broadcasting import reshape

if TYPE_CHECKING:
    from lamina.tensor import Tensor


def diagonal(x: Tensor, /, *, offset: int = 0) -> Tensor:
    """Return the diagonals of matrices in the last two axes.

    Parameters
    ----------
    x : Tensor, shape [..., M, N]
    offset : int, default 0
        How far above (or, negative, below) the main diagonal.

    Returns
    -------
    Tensor, shape [..., length of the diagonal]

    Examples
    --------
    >>> import lamina as la
    >>> la.linalg.diagonal(la.asarray([[1, 2, 3], [4, 5, 6]]), offset=1)
    Tensor([2, 6], shape=[2], dtype=int64)
    """
    x = tensor("diagonal", x)
    if x.ndim < 2:
        raise ShapeError(f"diagonal: expected at least two axes, got shape {list(x.shape)}")
    rows, columns = x.shape[-2:]
    by = operator.index(offset)
    start = by if by >= 0 else -by * columns
    length = max(0, min(rows, columns - by) if by >= 0 else min(rows + by, columns))
    # In row-major order the elements of a diagonal are one row and one column apart.
    flat = reshape(x, shape=(*x.shape[:-2], rows * columns))
    stop = start + (length - 1) * (columns + 1) + 1 if length else 0
    none = (0,) * (x.ndim - 2)
    return shaping.slice_(
        flat, start=(*none, start if length else 0), stop=(*x.shape[:-2], stop), step=(*(1 for _ in none), columns + 1)
    )


def trace(x: Tensor, /, *, offset: int = 0, dtype: DTypeLike | None = None) -> Tensor:
    """Return the sums of the diagonals of matrices; integers add up in 64 bits unless ``dtype`` says otherwise."""
    return sum(diagonal(tensor("trace", x), offset=offset), axis=-1, dtype=dtype)


def cross(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """Return the cross products of vectors of three elements along ``axis``; other axes broadcast.

    Examples
    --------
    >>> import lamina as la
    >>> la.linalg.cross(la.asarray([1, 0, 0]), la.asarray([0, 1, 0]))
    Tensor([0, 0, 1], shape=[3], dtype=int64)
    """
    x1, x2 = common("cross", x1, x2)
    ndim = min(x1.ndim, x2.ndim)
    if not (-ndim <= axis < ndim and x1.shape[axis] == x2.shape[axis] == 3):
        raise ShapeError(
            f"cross: shapes {list(x1.shape)} and {list(x2.shape)} must both have 3 elements along axis {axis}"
        )
    # Element i is a[i+1] b[i+2] - a[i+2] b[i+1], counted round.
    return roll(x1, -1, axis=axis) * roll(x2, -2, axis=axis) - roll(x1, -2, axis=axis) * roll(x2, -1, axis=axis)
