"""Norms, ranks and pseudo-inverses. The gradient of a norm where it is zero is zero."""

from __future__ import annotations

import builtins
import math
from typing import TYPE_CHECKING, Literal

from lamina.dtypes import float_info
from lamina.errors import DataError
from lamina.functions.comparisons import where
from lamina.functions.elementwise import abs
from lamina.functions.linalg_systems import matrices, svdvals
from lamina.functions.manipulation import expand_dims
from lamina.functions.operands import all_axes, cast, floating, wide
from lamina.functions.reductions import count_nonzero, max, min, root, sum
from lamina.primitives import decompositions as rows
from lamina.primitives.composite import Composite
from lamina.primitives.contraction import matmul, transposed
from lamina.primitives.multiple_results import unpack
from lamina.primitives.operand import Operand

if TYPE_CHECKING:
    from lamina.tensor import Tensor


def vector_norm(
    x: Tensor, /, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False, ord: int | float = 2
) -> Tensor:
    """Return the ``ord``-norm ``sum(|x|**ord) ** (1/ord)`` over ``axis``.

    Parameters
    ----------
    x : Tensor
    axis : int, tuple of int or None
        The axes that hold a vector; all of them for None.
    keepdims : bool, default False
    ord : number, default 2
        ``inf`` is the largest magnitude, ``-inf`` the smallest, 0 the number of elements that are not zero. Those of
        narrow floats are computed in float32 and rounded.

    Examples
    --------
    >>> import lamina as la
    >>> la.linalg.vector_norm(la.asarray([3.0, 4.0]))
    Tensor(5., shape=[], dtype=float32)
    """
    x = floating("vector_norm", x)
    return cast(_vector_norm(wide(x), all_axes("vector_norm", axis, x.ndim), keepdims, ord), x.dtype)


def _vector_norm(x: Tensor, axes: tuple[int, ...], keepdims: bool, ord: int | float) -> Tensor:
    if ord == 2:
        return root(sum(x * x, axis=axes, keepdims=keepdims))
    if ord == 0:
        return cast(count_nonzero(x, axis=axes, keepdims=keepdims), x.dtype)
    magnitude = abs(x)
    if ord == 1:
        return sum(magnitude, axis=axes, keepdims=keepdims)
    if ord == math.inf:
        return _largest(magnitude, axes, keepdims)
    if ord == -math.inf:
        return min(magnitude, axis=axes, keepdims=keepdims)
    # Of |x|**p at zero, and of the root of a sum of zero, the derivative may be infinite; here it is zero.
    total = sum(_power(magnitude, float(ord)), axis=axes, keepdims=keepdims)
    return _power(total, 1.0 / ord)


def _largest(magnitude: Tensor, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    """Return the largest magnitudes, of none zero, as are the other norms of no elements."""
    over = max if all(magnitude.shape[axis] for axis in axes) else sum
    return over(magnitude, axis=axes, keepdims=keepdims)


def _power(x: Tensor, exponent: float) -> Tensor:
    """Return ``x**exponent`` for x that is not negative, with a derivative of zero at zero."""
    zero = x == 0
    return where(zero, 0.0 if exponent > 0 else math.inf, where(zero, 1.0, x) ** exponent)


def matrix_norm(
    x: Tensor, /, *, keepdims: bool = False, ord: int | float | Literal["fro", "nuc"] | None = "fro"
) -> Tensor:
    """Return a norm of the matrices in the last two axes.

    Parameters
    ----------
    x : Tensor, shape [..., M, N]
    keepdims : bool, default False
    ord : {"fro", "nuc", 1, -1, 2, -2, inf, -inf}, default "fro"
        Frobenius; nuclear, the sum of the singular values; the largest (or, negative, smallest) sum of
        magnitudes in a column for 1, singular value for 2, sum in a row for infinity.

    Examples
    --------
    >>> import lamina as la
    >>> la.linalg.matrix_norm(la.asarray([[1.0, -2.0], [3.0, 4.0]]), ord=1)
    Tensor(6., shape=[], dtype=float32)
    """
    x = matrices("matrix_norm", x)
    if ord is None or ord == "fro":
        return vector_norm(x, axis=(-2, -1), keepdims=keepdims)
    if ord in ("nuc", 2, -2):
        # Taken as a vector norm, so that the gradient at a matrix of zeros is zero.
        found = vector_norm(svdvals(x), axis=-1, ord={"nuc": 1.0, 2: math.inf, -2: -math.inf}[ord])
    elif ord in (1, -1):
        found = _largest_or_smallest(sum(abs(x), axis=-2), ord)
    elif ord in (math.inf, -math.inf):
        found = _largest_or_smallest(sum(abs(x), axis=-1), ord)
    else:
        raise DataError(f'matrix_norm: ord must be "fro", "nuc", 1, -1, 2, -2, inf or -inf, got {ord!r}')
    return expand_dims(found, (-2, -1)) if keepdims else found


def _largest_or_smallest(values: Tensor, ord: int | float | str) -> Tensor:
    largest = isinstance(ord, int | float) and ord > 0
    return _largest(values, (values.ndim - 1,), keepdims=False) if largest else min(values, axis=-1)


def _threshold(x: Tensor, largest: Tensor, rtol: float | Tensor | None) -> Tensor:
    """Return, for each matrix, the singular value below which others count as zero."""
    if rtol is None:
        rtol = float(builtins.max(x.shape[-2:])) * float_info(x.dtype).eps
    if isinstance(rtol, Operand):
        rtol = expand_dims(cast(rtol, largest.dtype), -1)
    return largest * rtol


def matrix_rank(x: Tensor, /, *, rtol: float | Tensor | None = None) -> Tensor:
    """Return the ranks of matrices: how many singular values are above ``rtol`` times the largest, as int64.

    ``rtol`` is by default the larger side of the matrix times the type's epsilon.
    """
    x = matrices("matrix_rank", x)
    values = svdvals(wide(x._untracked))
    if values.shape[-1] == 0:
        return count_nonzero(values, axis=-1)
    return count_nonzero(values > _threshold(x, max(values, axis=-1, keepdims=True), rtol), axis=-1)


def pinv(x: Tensor, /, *, rtol: float | Tensor | None = None) -> Tensor:
    """Return the Moore-Penrose pseudo-inverses of matrices.

    Parameters
    ----------
    x : Tensor, shape [..., M, N]
    rtol : float or Tensor, optional
        Singular values below ``rtol`` times the largest count as zero; by default the larger side of the
        matrix times the type's epsilon.

    Returns
    -------
    Tensor, shape [..., N, M]
        Its gradient (G. H. Golub, V. Pereyra, 1973, equation 4.12) is that at a constant rank.

    Examples
    --------
    >>> import lamina as la
    >>> la.linalg.pinv(la.asarray([[2.0], [0.0]]))
    Tensor([[0.5, 0. ]], shape=[1, 2], dtype=float32)
    """
    x = matrices("pinv", x)
    if x.size == 0:
        return x._full((*x.shape[:-2], x.shape[-1], x.shape[-2]), 0)
    if rtol is None:
        rtol = float(builtins.max(x.shape[-2:])) * float_info(x.dtype).eps
    return cast(_pinv(wide(x), rtol=rtol), x.dtype)


def _pinv_value(x: Tensor, *, rtol: float | Tensor) -> Tensor:
    u, s, vh = unpack(rows.svd(x, full_matrices=False), 3)
    kept = s > _threshold(x, max(s, axis=-1, keepdims=True), rtol)
    inverse = where(kept, 1.0 / where(kept, s, 1.0), 0.0)
    return matmul(transposed(vh) * rows.as_columns(inverse), transposed(u))


def _pinv_rule(g: Tensor, y: Tensor, x: Tensor, *, rtol: float | Tensor) -> Tensor:
    """With P the result, dP = -P dA P + P P^T dA^T (1 - A P) + (1 - P A) dA^T P^T P."""
    p, pt, gt = y, transposed(y), transposed(g)
    within = matmul(pt, matmul(g, pt))
    # (1 - A P) G^T P P^T and P^T P G^T (1 - P A), each multiplied out from the narrow side.
    left = matmul(matmul(gt, p), pt)
    left = left - matmul(x, matmul(p, left))
    right = matmul(pt, matmul(p, gt))
    right = right - matmul(matmul(right, p), x)
    return left + right - within


_pinv = Composite("pinv", _pinv_value, _pinv_rule)
