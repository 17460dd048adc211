"""Linear systems of triangular matrices, by the functions that every array API namespace has."""

from __future__ import annotations

from typing import Any

from lamina.backends.protocol import Array

_BLOCK = 64
"""Rows from which a system is divided: smaller ones cost little beside the call."""


def solve_triangular(xp: Any, a: Array, b: Array, upper: bool, unitriangular: bool) -> Array:
    """Return the solutions of ``a x = b``, half of the rows after the other; the products are all of the work."""
    size = a.shape[-1]
    if size <= _BLOCK:
        return _solved_block(xp, a, b, upper, unitriangular)
    half = size // 2
    first, last = a[..., :half, :half], a[..., half:, half:]
    above, below = b[..., :half, :], b[..., half:, :]
    if upper:
        below = solve_triangular(xp, last, below, upper, unitriangular)
        above = solve_triangular(xp, first, above - a[..., :half, half:] @ below, upper, unitriangular)
    else:
        above = solve_triangular(xp, first, above, upper, unitriangular)
        below = solve_triangular(xp, last, below - a[..., half:, :half] @ above, upper, unitriangular)
    return xp.concat([above, below], axis=-2)


def _solved_block(xp: Any, a: Array, b: Array, upper: bool, unitriangular: bool) -> Array:
    """Solve by elimination, which finds nothing to eliminate in an upper triangular matrix and rounds nothing."""
    if not upper:
        turned = _solved_block(xp, xp.flip(a, axis=(-2, -1)), xp.flip(b, axis=-2), True, unitriangular)
        return xp.flip(turned, axis=-2)
    triangle = xp.triu(a)
    if unitriangular:
        one = xp.eye(a.shape[-1], dtype=a.dtype, device=a.device)
        triangle = xp.where(one == 1, one, triangle)
    return xp.linalg.solve(triangle, b)
