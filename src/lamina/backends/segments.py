"""Operations on rows that belong to the same place, by the functions that every array API namespace has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina.backends.protocol import Array

Combine = Callable[[Array, Array], Array]


def combined(xp: Any, combine: Combine, start: float, rows: Array, places: Array, size: int) -> Array:
    """Return the rows of each place combined, by sorting and a scan that stops at place borders.

    The standard has no scattered operation; a sum has the accuracy of a pairwise one. ``start``, which changes nothing
    that it is combined with, is what a place without rows gets.
    """
    count, columns = rows.shape
    if count == 0:
        return xp.full((size, columns), start, dtype=rows.dtype, device=rows.device)
    nothing = xp.full((), start, dtype=rows.dtype, device=rows.device)
    order = xp.argsort(places, stable=True)
    places, total = xp.take(places, order, axis=0), xp.take(rows, order, axis=0)
    step = 1
    while step < count:
        same = (places[step:] == places[:-step])[:, None]
        moved = xp.where(same, total[:-step, :], nothing)
        total = xp.concat([total[:step, :], combine(total[step:, :], moved)], axis=0)
        step *= 2
    inside, found = last_of_each(xp, places, size)
    return xp.where(found[:, None], xp.take(total, inside, axis=0), nothing)


def last_of_each(xp: Any, places: Array, size: int) -> tuple[Array, Array]:
    """Return where each place up to ``size`` stands last among sorted ones, and whether it does."""
    wanted = xp.arange(size, dtype=places.dtype, device=places.device)
    last = xp.searchsorted(places, wanted, side="right") - 1
    inside = xp.where(last < 0, xp.zeros_like(last), last)
    return inside, (last >= 0) & (xp.take(places, inside, axis=0) == wanted)
