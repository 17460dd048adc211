"""Factorisations, linear systems, determinants and functions of matrices, which are in the last two axes.

Integers become float32. Matrices of 16-bit floats are factorised in float32 and the results rounded, because
no library factorises them.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from lamina.dtypes import bool_, promote
from lamina.errors import DataError, ShapeError
from lamina.functions.elementwise import exp
from lamina.functions.manipulation import broadcast_to
from lamina.functions.operands import cast, floating, wide
from lamina.primitives import decompositions as rows, elementwise
from lamina.primitives.broadcasting import reshape
from lamina.primitives.composite import Composite
from lamina.primitives.contraction import matmul, transposed
from lamina.primitives.multiple_results import unpack
from lamina.primitives.reductions import prod

if TYPE_CHECKING:
    from lamina.tensor import Tensor


class EighResult(NamedTuple):
    """What `eigh` returns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class QRResult(NamedTuple):
    """What `qr` returns."""

    Q: Tensor
    R: Tensor


class SlogdetResult(NamedTuple):
    """What `slogdet` returns."""

    sign: Tensor
    logabsdet: Tensor


class SVDResult(NamedTuple):
    """What `svd` returns."""

    U: Tensor
    S: Tensor
    Vh: Tensor


def matrices(name: str, matrix: Any) -> Tensor:
    """Return the operand as floating-point matrices."""
    x = floating(name, matrix)
    if x.ndim < 2:
        raise ShapeError(f"{name}: expected matrices, at least two axes, got shape {list(x.shape)}")
    return x


def _square(name: str, matrix: Any) -> Tensor:
    x = matrices(name, matrix)
    if x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{name}: expected square matrices, got shape {list(x.shape)}")
    return x


# --- linear systems ---------------------------------------------------------------------------------------


def inv(x: Tensor, /) -> Tensor:
    """Return the inverses of square matrices.

    Raises
    ------
    DataError
        When a matrix is singular.

    Examples
    --------
    >>> import lamina as la
    >>> la.linalg.inv(la.asarray([[2.0, 0.0], [0.0, 4.0]]))
    Tensor([[0.5 , 0.  ],
            [0.  , 0.25]], shape=[2, 2], dtype=float32)
    """
    x = _square("inv", x)
    return cast(rows.inv(wide(x)), x.dtype)


def solve(x1: Tensor, x2: Tensor, /) -> Tensor:
    """Return the solutions X of ``x1 @ X = x2``.

    Parameters
    ----------
    x1 : Tensor, shape [..., M, M]
    x2 : Tensor, shape [M] or [..., M, K]
        Right-hand sides, as columns; a vector is one.

    Raises
    ------
    DataError
        When a matrix is singular.

    Examples
    --------
    >>> import lamina as la
    >>> la.linalg.solve(la.asarray([[2.0, 0.0], [0.0, 4.0]]), la.asarray([1.0, 2.0]))
    Tensor([0.5, 0.5], shape=[2], dtype=float32)
    """
    a, b = _square("solve", x1), floating("solve", x2)
    dtype = promote(a.dtype, b.dtype)
    a, b = wide(cast(a, dtype)), wide(cast(b, dtype))
    if b.ndim != 1:
        return cast(rows.solve(a, b), dtype)
    solution = rows.solve(a, reshape(b, shape=(b.size, 1)))
    return cast(reshape(solution, shape=solution.shape[:-1]), dtype)


def solve_triangular(
    x1: Tensor, x2: Tensor, /, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """Return the solutions X of ``x1 @ X = x2``, or of ``X @ x1 = x2``, where ``x1`` is triangular.

    Parameters
    ----------
    x1 : Tensor, shape [..., M, M]
        Only one triangle is read; the gradient of the other is zero.
    x2 : Tensor, shape [M], or [..., M, K], or [..., K, M] where ``x1`` stands on the right
        Right-hand sides, as columns, or as rows where ``x1`` stands on the right; a vector is one.
    upper : bool
        Whether the triangle is the upper one.
    left : bool, default True
        Whether ``x1`` stands on the left of X.
    unitriangular : bool, default False
        Whether the diagonal is taken to be ones, and not read either.

    Raises
    ------
    DataError
        When there is a zero on the diagonal.

    Examples
    --------
    >>> import lamina as la
    >>> factor = la.linalg.cholesky(la.asarray([[4.0, 2.0], [2.0, 5.0]]))
    >>> la.linalg.solve_triangular(factor, la.asarray([2.0, 5.0]), upper=False)
    Tensor([1., 2.], shape=[2], dtype=float32)

    Source: G. Golub and C. Van Loan, "Matrix computations", 4th edition, 2013, section 3.1. The array API standard has
    no such function; names and meaning are PyTorch's.
    """
    a, b = _square("solve_triangular", x1), floating("solve_triangular", x2)
    dtype = promote(a.dtype, b.dtype)
    a, b = wide(cast(a, dtype)), wide(cast(b, dtype))
    if b.ndim == 1:
        columns = reshape(b, shape=(b.size, 1))
    else:
        columns = b if left else transposed(b)
    if not left:
        a, upper = transposed(a), not upper
    solution = rows.solve_triangular(a, columns, upper=bool(upper), unitriangular=bool(unitriangular))
    if b.ndim == 1:
        return cast(reshape(solution, shape=solution.shape[:-1]), dtype)
    return cast(solution if left else transposed(solution), dtype)


# --- determinants -----------------------------------------------------------------------------------------


def slogdet(x: Tensor, /) -> SlogdetResult:
    """Return the sign of the determinant and the logarithm of its magnitude, which do not overflow.

    A singular matrix gives 0 and -infinity.

    Examples
    --------
    >>> import lamina as la
    >>> sign, logarithm = la.linalg.slogdet(la.asarray([[0.0, 1.0], [1.0, 0.0]]))
    >>> sign.item(), logarithm.item()
    (-1.0, 0.0)
    """
    x = _square("slogdet", x)
    sign, logarithm = unpack(rows.slogdet(wide(x)), 2)
    return SlogdetResult(cast(sign, x.dtype), cast(logarithm, x.dtype))


def det(x: Tensor, /) -> Tensor:
    """Return the determinants of square matrices; the gradient, the cofactors, is right for singular ones too.

    Examples
    --------
    >>> import lamina as la
    >>> la.linalg.det(la.asarray([[1.0, 2.0], [3.0, 5.0]]))
    Tensor(-1., shape=[], dtype=float32)
    """
    x = _square("det", x)
    return cast(_det(wide(x)), x.dtype)


def _det_value(x: Tensor) -> Tensor:
    sign, logarithm = unpack(rows.slogdet(x), 2)
    return sign * exp(logarithm)


def _det_rule(g: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """The derivative by an element is its cofactor: det(A) A^-T, which a singular matrix does not have.

    With A = U S V^T the cofactors are det(U) det(V) U C V^T, where C[i, i] is the product of the other
    singular values.
    """
    singular = rows.as_factors(elementwise.equal(unpack(rows.slogdet(x._untracked), 2)[0], x._scalar(0.0)))
    regular = elementwise.where(singular, rows.identity(x), x)
    # Of distinct singular values, so that what is not chosen has a derivative.
    spread = x._constant(np.diag(np.arange(1.0, x.shape[-1] + 1.0)), x.dtype)
    degenerate = elementwise.where(singular, x, spread)
    cofactors = rows.as_factors(_det(regular)) * transposed(rows.inv(regular))
    return rows.as_factors(g) * elementwise.where(singular, _degenerate_cofactors(degenerate), cofactors)


def _degenerate_cofactors(x: Tensor) -> Tensor:
    u, s, vh = unpack(rows.svd(x, full_matrices=False), 3)
    orientation = _det_value(u._untracked) * _det_value(vh._untracked)
    count = s.shape[-1]
    # Row i holds all singular values but the i-th, whose place a one takes.
    table = broadcast_to(rows.as_columns(s), (*s.shape, count))
    others = elementwise.where(s._constant(np.eye(count, dtype=bool), bool_), s._scalar(1.0), table)
    products = prod(others, axes=(others.ndim - 1,), keepdims=False)
    return rows.as_factors(orientation) * matmul(u * rows.as_columns(products), vh)


_det = Composite("det", _det_value, _det_rule)

# --- factorisations ---------------------------------------------------------------------------------------


def cholesky(x: Tensor, /, *, upper: bool = False) -> Tensor:
    """Return the lower triangular L with ``L @ L.mT = x``, or ``L.mT`` if ``upper``.

    Parameters
    ----------
    x : Tensor, shape [..., M, M]
        Symmetric and positive definite; only the lower triangle is read.
    upper : bool, default False

    Raises
    ------
    DataError
        When a matrix is not positive definite.

    Examples
    --------
    >>> import lamina as la
    >>> la.linalg.cholesky(la.asarray([[4.0, 2.0], [2.0, 5.0]]))
    Tensor([[2., 0.],
            [1., 2.]], shape=[2, 2], dtype=float32)
    """
    x = _square("cholesky", x)
    factor = rows.cholesky(wide(x))
    return cast(transposed(factor) if upper else factor, x.dtype)


def eigh(x: Tensor, /) -> EighResult:
    """Return the eigenvalues, ascending, and the eigenvectors, as columns, of symmetric matrices.

    The gradient by the vectors exists only where the eigenvalues differ.

    Examples
    --------
    >>> import lamina as la
    >>> la.linalg.eigh(la.asarray([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
    Tensor([1., 2.], shape=[2], dtype=float32)
    """
    x = _square("eigh", x)
    values, vectors = unpack(rows.eigh(wide(x)), 2)
    return EighResult(cast(values, x.dtype), cast(vectors, x.dtype))


def eigvalsh(x: Tensor, /) -> Tensor:
    """Return the eigenvalues of symmetric matrices, ascending."""
    return eigh(x).eigenvalues


def qr(x: Tensor, /, *, mode: Literal["reduced", "complete"] = "reduced") -> QRResult:
    """Return Q with orthonormal columns and R upper triangular, ``Q @ R = x``.

    Parameters
    ----------
    x : Tensor, shape [..., M, N]
    mode : {"reduced", "complete"}
        Whether Q has min(M, N) columns or M.

    Examples
    --------
    >>> import lamina as la
    >>> q, r = la.linalg.qr(la.asarray([[3.0], [4.0]]))
    >>> q.shape, la.abs(r).tolist()
    ((2, 1), [[5.0]])
    """
    if mode not in ("reduced", "complete"):
        raise DataError(f'qr: mode must be "reduced" or "complete", got {mode!r}')
    x = matrices("qr", x)
    q, r = unpack(rows.qr(wide(x), mode=mode), 2)
    return QRResult(cast(q, x.dtype), cast(r, x.dtype))


def svd(x: Tensor, /, *, full_matrices: bool = True) -> SVDResult:
    """Return U, S and Vh with ``U @ diag(S) @ Vh = x``, the singular values S descending.

    The gradient by the vectors exists only where the singular values differ.

    Parameters
    ----------
    x : Tensor, shape [..., M, N]
    full_matrices : bool, default True
        Whether U and Vh are square, or have min(M, N) columns and rows.

    Examples
    --------
    >>> import lamina as la
    >>> u, s, vh = la.linalg.svd(la.asarray([[0.0, 2.0], [1.0, 0.0]]))
    >>> s
    Tensor([2., 1.], shape=[2], dtype=float32)
    """
    x = matrices("svd", x)
    u, s, vh = unpack(rows.svd(wide(x), full_matrices=full_matrices), 3)
    return SVDResult(cast(u, x.dtype), cast(s, x.dtype), cast(vh, x.dtype))


def svdvals(x: Tensor, /) -> Tensor:
    """Return the singular values of matrices, descending."""
    return svd(x, full_matrices=False).S


def matrix_exp(x: Tensor, /) -> Tensor:
    """Return the exponentials of square matrices, the sums of ``x^k / k!``.

    Examples
    --------
    >>> import lamina as la
    >>> la.linalg.matrix_exp(la.asarray([[0.0, 1.0], [0.0, 0.0]]))
    Tensor([[1., 1.],
            [0., 1.]], shape=[2, 2], dtype=float32)

    Source: N. Higham, "The scaling and squaring method for the matrix exponential revisited", 2005. The array API
    standard has no such function; the name is PyTorch's.
    """
    x = _square("matrix_exp", x)
    return cast(rows.matrix_exp(wide(x)), x.dtype)


def matrix_power(x: Tensor, n: int, /) -> Tensor:
    """Return square matrices multiplied ``n`` times, their inverses for negative ``n``.

    Examples
    --------
    >>> import lamina as la
    >>> la.linalg.matrix_power(la.asarray([[1.0, 1.0], [0.0, 1.0]]), 3)
    Tensor([[1., 3.],
            [0., 1.]], shape=[2, 2], dtype=float32)
    """
    x, times = _square("matrix_power", x), operator.index(n)
    power = wide(x) if times >= 0 else rows.inv(wide(x))
    times = abs(times)
    result = None
    while times:
        if times % 2:
            result = power if result is None else matmul(result, power)
        times //= 2
        if times:
            power = matmul(power, power)
    if result is None:
        result = broadcast_to(rows.identity(power), x.shape)
    return cast(result, x.dtype)
