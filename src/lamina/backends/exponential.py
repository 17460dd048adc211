"""The exponential of matrices, by the functions that every array API namespace has.

Source: N. Higham, "The scaling and squaring method for the matrix exponential revisited", SIAM Journal on Matrix
Analysis and Applications, 2005; the degrees and the norms up to which they are exact are those of its section 2.
"""

from __future__ import annotations

from typing import Any

from lamina.backends.protocol import Array

# The degree of the Padé approximant, and the norm up to which it is exact in the type.
_FLOAT32, _FLOAT64 = (7, 3.925724783138660), (13, 5.371920351148152)


def matrix_exp(xp: Any, x: Array, double: bool) -> Array:
    """Return ``(r(x / 2^s))^(2^s)``: ``r`` is a quotient of polynomials, and ``s`` each matrix's own."""
    if 0 in x.shape:
        return x
    degree, bound = _FLOAT64 if double else _FLOAT32
    norm = xp.max(xp.sum(xp.abs(x), axis=-2), axis=-1)
    norm = xp.where(xp.isfinite(norm), norm, xp.zeros_like(norm))  # a matrix that is not gives NaN at once
    squarings = xp.ceil(xp.log2(xp.where(norm > bound, norm / bound, xp.ones_like(norm))))[..., None, None]
    y = _quotient(xp, x / 2.0**squarings, degree)
    for step in range(int(xp.max(squarings))):
        y = xp.where(squarings > step, y @ y, y)
    return y


def _quotient(xp: Any, x: Array, degree: int) -> Array:
    """Return Padé's approximant ``p(x) / p(-x)``, from the odd and the even powers of ``p``."""
    weight, power = 1.0, xp.broadcast_to(xp.eye(x.shape[-1], dtype=x.dtype, device=x.device), x.shape)
    even, odd, square = power, xp.zeros_like(x), x @ x
    for k in range(1, degree + 1):
        weight *= (degree - k + 1) / (k * (2 * degree - k + 1))
        if k % 2:
            odd = odd + weight * power
        else:
            power = power @ square
            even = even + weight * power
    odd = x @ odd
    return xp.linalg.solve(even - odd, even + odd)
