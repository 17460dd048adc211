"""Windows and weighted sums over them, by the functions that every array API namespace has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import Any

from lamina.backends.protocol import Array, Shape


def counts(sizes: Sequence[int], window: Shape, stride: Shape, dilation: Shape) -> Shape:
    """Return how many windows lie inside axes of ``sizes``."""
    found = tuple(
        (size - apart * (count - 1) - 1) // step + 1
        for size, count, step, apart in zip(sizes, window, stride, dilation, strict=True)
    )
    if min(found, default=1) < 1 or min((*window, *stride, *dilation), default=1) < 1:
        raise ValueError(f"no window {list(window)} lies inside axes of sizes {list(sizes)}")
    return found


def check_channels(x: Shape, w: Shape, groups: int) -> None:
    """Refuse weights that do not fit the channels; without this, some would be taken for another grouping."""
    if groups < 1 or x[1] != w[1] * groups or w[0] % groups:
        raise ValueError(f"weights {list(w)} in {groups} groups do not fit an input {list(x)}")


def gathered(xp: Any, x: Array, size: Shape, stride: Shape, dilation: Shape, device: Any) -> Array:
    """Return every window over the last axes: axes of places, then axes inside a window."""
    first = len(x.shape) - len(size)
    shape = (*x.shape[:first], *counts(x.shape[first:], size, stride, dilation), *size)
    # Axis by axis, so that each place is followed by its elements: count, size, count, size, ...
    for axis, (count, length) in enumerate(zip(shape[first:], size, strict=False)):
        places = xp.arange(count, device=device)[:, None] * stride[axis]
        places = places + xp.arange(length, device=device)[None, :] * dilation[axis]
        at = first + 2 * axis
        taken = xp.take(x, xp.reshape(places, (-1,)), axis=at)
        x = xp.reshape(taken, (*taken.shape[:at], count, length, *taken.shape[at + 1 :]))
    pairs = range(first, len(shape), 2)
    return xp.permute_dims(x, (*range(first), *pairs, *(at + 1 for at in pairs)))


def summed(xp: Any, x: Array, w: Array, stride: Shape, dilation: Shape, groups: int) -> Array:
    """Return the convolution of ``x`` with ``w``, by as few matrix products as there are places to step over.

    Either for each element of the window, with all windows at once, or for each window, as the derivative by
    weights wants it, whose windows are large and few.
    """
    check_channels(x.shape, w.shape, groups)
    batch, _, *sizes = x.shape
    outputs, inner, *window = w.shape
    found = counts(sizes, tuple(window), stride, dilation)
    # Groups, channels, batch, space: a matrix product of each group takes the rest as columns.
    x = xp.reshape(x, (batch, groups, inner, *sizes))
    x = xp.permute_dims(x, (1, 2, 0, *range(3, len(x.shape))))
    w = xp.reshape(w, (groups, outputs // groups, inner, *window))
    few = prod(window) <= prod(found)
    sums = _by_element(xp, x, w, found, stride, dilation) if few else _by_window(xp, x, w, found, stride, dilation)
    sums = xp.reshape(sums, (groups, outputs // groups, batch, *found))
    sums = xp.permute_dims(sums, (2, 0, 1, *range(3, len(sums.shape))))
    return xp.reshape(sums, (batch, outputs, *found))


def _by_element(xp: Any, x: Array, w: Array, found: Shape, stride: Shape, dilation: Shape) -> Array:
    groups, inner, batch = x.shape[:3]
    total = None
    for place in product(*map(range, w.shape[3:])):
        seen = x[(..., *_regular(place, dilation, found, stride))]
        columns = xp.reshape(seen, (groups, inner, batch * prod(found)))
        term = xp.matmul(w[(..., *place)], columns)
        total = term if total is None else total + term
    return total


def _by_window(xp: Any, x: Array, w: Array, found: Shape, stride: Shape, dilation: Shape) -> Array:
    groups, outputs, inner, *window = w.shape
    batch, depth = x.shape[2], inner * prod(window)
    rows = xp.reshape(w, (groups, outputs, depth))
    results = []
    for place in product(*map(range, found)):
        seen = x[(..., *_regular(place, stride, tuple(window), dilation))]
        columns = xp.reshape(xp.permute_dims(seen, (0, 1, *range(3, seen.ndim), 2)), (groups, depth, batch))
        results.append(xp.matmul(rows, columns))
    return xp.stack(results, axis=-1)


def _regular(place: Sequence[int], far: Shape, count: Shape, step: Shape) -> Iterator[slice]:
    """Yield, axis by axis, ``count`` places that are ``step`` apart, the first at ``place`` times ``far``."""
    for at, by, number, apart in zip(place, far, count, step, strict=True):
        yield slice(at * by, at * by + (number - 1) * apart + 1, apart)
