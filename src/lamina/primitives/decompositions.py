"""The rows of linear algebra: factorisations, linear systems and the exponential, for batches of real matrices.

The derivative rules are those of M. Giles, "Collected matrix derivative results for forward and reverse mode
algorithmic differentiation" (2008), of I. Murray, "Differentiation of the Cholesky decomposition" (2016), of
M. Seeger et al., "Auto-differentiating linear algebra" (2017), of J. Townsend, "Differentiating the singular
value decomposition" (2016), and of R. Mathias, "A chain rule for matrix functions and applications" (1996).

A factorisation with vectors has a derivative by them only where eigenvalues, or singular values, differ.
Where two coincide the rule gives infinity or NaN, unless nothing depends on their vectors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lamina.dtypes import bool_
from lamina.primitives import specs
from lamina.primitives.broadcasting import broadcast_to, reshape, unbroadcast
from lamina.primitives.contraction import matmul, transposed
from lamina.primitives.elementwise import equal, multiply_no_nan, negative, where
from lamina.primitives.multiple_results import Bundle, unpack
from lamina.primitives.primitive import Primitive
from lamina.primitives.shaping import concat, part

if TYPE_CHECKING:
    from lamina.tensor import Tensor

# In each rule g is the cotangent of the result (a Bundle of several), y the result, x the matrices.

# --- parts of matrices ------------------------------------------------------------------------------------


def _masked(x: Tensor, keep: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> Tensor:
    """Return matrices with zeros where ``keep``, a single matrix, is false."""
    return where(x._constant(keep, bool_), x, x._scalar(0.0))


def identity(x: Tensor) -> Tensor:
    """Return the identity matrix that ``x`` can be multiplied by on the right."""
    return x._constant(np.eye(x.shape[-1]), x.dtype)


def columns(x: Tensor, start: int, stop: int) -> Tensor:
    """Return a range of the columns of matrices."""
    return part(x, x.ndim - 1, start, stop)


def as_columns(values: Tensor) -> Tensor:
    """Return vectors as rows that scale the columns of matrices."""
    return reshape(values, shape=(*values.shape[:-1], 1, values.shape[-1]))


def as_factors(values: Tensor) -> Tensor:
    """Return numbers, one a matrix, in a shape that broadcasts against the matrices."""
    return reshape(values, shape=(*values.shape, 1, 1))


def diagonal_matrix(values: Tensor) -> Tensor:
    """Return matrices with ``values`` on the diagonal and zeros elsewhere."""
    size = values.shape[-1]
    wide = broadcast_to(as_columns(values), shape=(*values.shape, size))
    return _masked(wide, np.eye(size, dtype=bool))


def _symmetric(x: Tensor) -> Tensor:
    return (x + transposed(x)) * 0.5


def _gaps(values: Tensor) -> Tensor:
    """Return F[i, j] = 1 / (values[j] - values[i]), with zeros on the diagonal."""
    size = values.shape[-1]
    rows = reshape(values, shape=(*values.shape, 1))
    difference = as_columns(values) - rows
    off = ~np.eye(size, dtype=bool)
    safe = where(difference._constant(off, bool_), difference, difference._scalar(1.0))
    return _masked(1.0 / safe, off)


def _rotation(vectors: Tensor, cotangent: Tensor, gaps: Tensor) -> Tensor:
    """Return the symmetric part of F * (V^T V'), the share of the cotangent V' that turns V within its span.

    Where F is infinite, because values coincide, a product that is zero stays zero: nothing depends on
    those vectors.
    """
    return _symmetric(multiply_no_nan(matmul(transposed(vectors), cotangent), gaps))


# --- linear systems ---------------------------------------------------------------------------------------

_SINGULAR = "a matrix is singular, so the result is not unique; linalg.pinv gives the least-squares answer"


def _inv_rule(g: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Giles, section 2.2.3: -Y^T Y' Y^T."""
    return negative(matmul(transposed(y), matmul(g, transposed(y))))


inv: Primitive = Primitive("inv", specs.square_matrix, (_inv_rule,), failure=_SINGULAR)


def _solve_matrix(g: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Giles, section 2.3.1: -B' X^T."""
    return unbroadcast(negative(matmul(solve(transposed(a), g), transposed(y))), a)


def _solve_right(g: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Giles, section 2.3.1: A^-T X'."""
    return unbroadcast(solve(transposed(a), g), b)


solve: Primitive = Primitive("solve", specs.solve, (_solve_matrix, _solve_right), failure=_SINGULAR)


def _solve_triangular_matrix(g: Tensor, y: Tensor, a: Tensor, b: Tensor, *, upper: bool, unitriangular: bool) -> Tensor:
    """That of `solve`, of which a triangle sees its own part."""
    adjoint = solve_triangular(transposed(a), g, upper=not upper, unitriangular=unitriangular)
    below = np.tri(a.shape[-1], k=-1 if unitriangular else 0, dtype=bool)
    return _masked(unbroadcast(negative(matmul(adjoint, transposed(y))), a), below.T if upper else below)


def _solve_triangular_right(g: Tensor, y: Tensor, a: Tensor, b: Tensor, *, upper: bool, unitriangular: bool) -> Tensor:
    return unbroadcast(solve_triangular(transposed(a), g, upper=not upper, unitriangular=unitriangular), b)


solve_triangular: Primitive = Primitive(
    "solve_triangular",
    specs.solve_triangular,
    (_solve_triangular_matrix, _solve_triangular_right),
    failure="a matrix has a zero on its diagonal, so the result is not unique; linalg.pinv gives the least-squares "
    "answer",
)


def _slogdet_rule(g: Bundle, y: Tensor, x: Tensor) -> Tensor:
    """Giles, section 2.2.4: A^-T for the logarithm; the sign is constant.

    A singular matrix has the logarithm -infinity and no derivative: NaN, but zero where nothing depends on it.
    """
    logarithm = g.parts[1]
    if logarithm is None:
        return x._full(x.shape, 0)
    sign = unpack(y, 2)[0]
    singular = as_factors(equal(sign, sign._scalar(0.0)))
    inverse = inv(where(singular, identity(x), x))
    local = where(singular, x._scalar(float("nan")), transposed(inverse))
    return multiply_no_nan(as_factors(logarithm), local)


slogdet: Primitive = Primitive("slogdet", specs.slogdet, (_slogdet_rule,))

# --- the exponential --------------------------------------------------------------------------------------


def _matrix_exp_rule(g: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Mathias, theorem 2.1: exp([[X^T, Y'], [0, X^T]]), whose top right block is this cotangent."""
    size, axis = x.shape[-1], x.ndim - 2
    x = transposed(x)
    above, below = concat(x, g, axis=axis + 1), concat(x._full(x.shape, 0), x, axis=axis + 1)
    return columns(_upper_rows(matrix_exp(concat(above, below, axis=axis)), size), size, 2 * size)


matrix_exp: Primitive = Primitive("matrix_exp", specs.square_matrix, (_matrix_exp_rule,))

# --- factorisations ---------------------------------------------------------------------------------------


def _cholesky_rule(g: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Murray, equation 10: L^-T P L^-1, where P is L^T L' with its upper triangle mirrored from the lower.

    The matrix is symmetric, and so is this cotangent.
    """
    size = x.shape[-1]
    halved = x._constant(np.tri(size) - 0.5 * np.eye(size), x.dtype)
    p = _symmetric(matmul(transposed(y), g) * halved)
    right = solve_triangular(transposed(y), p, upper=True, unitriangular=False)
    return solve_triangular(transposed(y), transposed(right), upper=True, unitriangular=False)


cholesky: Primitive = Primitive(
    "cholesky",
    specs.square_matrix,
    (_cholesky_rule,),
    failure="a matrix is not positive definite, so it has no Cholesky factor; add a small multiple of the identity",
)


def _eigh_rule(g: Bundle, y: Tensor, x: Tensor) -> Tensor:
    """Giles, section 3.1: V (diag(w') + F * V^T V') V^T, of which a symmetric matrix sees the symmetric part."""
    values, vectors = unpack(y, 2)
    of_values, of_vectors = g.parts
    inner = None if of_values is None else diagonal_matrix(of_values)
    if of_vectors is not None:
        turned = _rotation(vectors, of_vectors, _gaps(values))
        inner = turned if inner is None else inner + turned
    assert inner is not None
    return matmul(vectors, matmul(inner, transposed(vectors)))


_CONVERGENCE = "the iteration did not converge; a matrix holds NaN or infinity"

eigh: Primitive = Primitive("eigh", specs.eigh, (_eigh_rule,), failure=_CONVERGENCE)


def _qr_rule(g: Bundle, y: Tensor, x: Tensor, *, mode: str) -> Tensor:
    """Seeger et al., equation 4, extended to wide matrices and to complete bases."""
    q, r = unpack(y, 2)
    rows, width = x.shape[-2:]
    inner = min(rows, width)
    of_q = q._full(q.shape, 0) if g.parts[0] is None else g.parts[0]
    of_r = r._full(r.shape, 0) if g.parts[1] is None else g.parts[1]
    if q.shape[-1] > inner:  # the rest of a complete basis turns only against the columns of x
        rest, of_rest = columns(q, inner, rows), columns(of_q, inner, rows)
        q, of_q = columns(q, 0, inner), columns(of_q, 0, inner)
        of_q = of_q - matmul(rest, matmul(transposed(of_rest), q))
        r, of_r = _upper_rows(r, inner), _upper_rows(of_r, inner)
    if width <= rows:
        return _tall_qr(q, r, of_q, of_r)
    # The columns beyond the square part are Q V, where V is the rest of R.
    of_beyond = columns(of_r, inner, width)
    of_q = of_q + matmul(columns(x, inner, width), transposed(of_beyond))
    square = _tall_qr(q, columns(r, 0, inner), of_q, columns(of_r, 0, inner))
    return concat(square, matmul(q, of_beyond), axis=x.ndim - 1)


def _upper_rows(x: Tensor, count: int) -> Tensor:
    return transposed(columns(transposed(x), 0, count))


def _tall_qr(q: Tensor, r: Tensor, of_q: Tensor, of_r: Tensor) -> Tensor:
    """Return (Q' + Q copyltu(M)) R^-T, where M = R R'^T - Q'^T Q and copyltu mirrors the lower triangle."""
    size = r.shape[-1]
    m = matmul(r, transposed(of_r)) - matmul(transposed(of_q), q)
    mirrored = _masked(m, np.tri(size, dtype=bool)) + transposed(_masked(m, np.tri(size, k=-1, dtype=bool)))
    right = transposed(of_q + matmul(q, mirrored))
    return transposed(solve_triangular(r, right, upper=True, unitriangular=False))


qr: Primitive = Primitive("qr", specs.qr, (_qr_rule,))


def _svd_rule(g: Bundle, y: Tensor, x: Tensor, *, full_matrices: bool) -> Tensor:
    """Townsend, equations 9 and 17: the shares of the singular values, the left and the right vectors."""
    u, s, vh = unpack(y, 3)
    of_u, of_s, of_vh = g.parts
    count = s.shape[-1]
    total = None
    if of_s is not None:
        left, right = columns(u, 0, count), transposed(columns(transposed(vh), 0, count))
        total = matmul(left * as_columns(of_s), right)
    if of_u is not None:
        part = _singular_vectors_rule(u, s, transposed(vh), of_u)
        total = part if total is None else total + part
    if of_vh is not None:
        part = transposed(_singular_vectors_rule(transposed(vh), s, u, transposed(of_vh)))
        total = part if total is None else total + part
    assert total is not None
    return total


def _singular_vectors_rule(u: Tensor, s: Tensor, v: Tensor, of_u: Tensor) -> Tensor:
    """Return the share of the left vectors; that of the right ones is the same of the transposed matrix.

    Within their span it is 2 U sym(F * U^T U') S V^T. Out of their span it is the part of U' that lies there,
    times S^-1 V^T; the rest of a complete basis turns the opposite way.
    """
    count = s.shape[-1]
    rest, of_rest = columns(u, count, u.shape[-1]), columns(of_u, count, u.shape[-1])
    u, of_u, v = columns(u, 0, count), columns(of_u, 0, count), columns(v, 0, count)
    turned = _rotation(u, of_u, _gaps(s * s)) * 2.0
    total = matmul(u, turned) * as_columns(s)
    if u.shape[-2] > count:
        outside = of_u - matmul(u, matmul(transposed(u), of_u))
        if rest.shape[-1]:
            outside = outside - matmul(rest, matmul(transposed(of_rest), u))
        total = total + multiply_no_nan(outside, as_columns(1.0 / s))
    return matmul(total, transposed(v))


svd: Primitive = Primitive("svd", specs.svd, (_svd_rule,), failure=_CONVERGENCE)
