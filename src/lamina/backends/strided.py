"""Windows of NumPy arrays as views, and convolutions as products of matrices gathered from them."""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.lib.stride_tricks import as_strided

from lamina.backends.protocol import NDArray, Shape
from lamina.backends.windows import check_channels, counts

# How many bytes of windows to lay out at a time: what stays in a processor's cache until it is multiplied.
CHUNK = 1 << 22


def windows(x: NDArray, size: Shape, stride: Shape, dilation: Shape) -> NDArray:
    """Return every window over the last axes, without copying any."""
    first = x.ndim - len(size)
    found = counts(x.shape[first:], size, stride, dilation)
    between = tuple(bytes_ * step for bytes_, step in zip(x.strides[first:], stride, strict=True))
    inside = tuple(bytes_ * apart for bytes_, apart in zip(x.strides[first:], dilation, strict=True))
    return as_strided(x, (*x.shape[:first], *found, *size), (*x.strides[:first], *between, *inside), writeable=False)


def convolution(x: NDArray, w: NDArray, stride: Shape, dilation: Shape, groups: int) -> NDArray:
    """Return the convolution of ``x`` with ``w``, a few of the batch at a time."""
    check_channels(x.shape, w.shape, groups)
    batch, outputs, inner, window = x.shape[0], w.shape[0], w.shape[1], w.shape[2:]
    seen = windows(x.reshape(batch, groups, inner, *x.shape[2:]), window, stride, dilation)
    found = seen.shape[3 : 3 + len(window)]
    weights = w.reshape(groups, outputs // groups, inner * prod(window))
    result = np.empty((batch, groups, outputs // groups, *found), x.dtype)
    each = groups * inner * prod(window) * prod(found) * x.itemsize
    step = max(1, CHUNK // max(each, 1))
    for start in range(0, batch, step):
        sums = _products(weights, seen[start : start + step], len(window))
        np.copyto(result[start : start + step], np.moveaxis(sums, 2, 0))
    return result.reshape(batch, outputs, *found)


def _products(weights: NDArray, seen: NDArray, space: int) -> NDArray:
    """Return sums [groups, outputs, batch, *places] of windows [batch, groups, channels, *places, *window]."""
    batch, groups, inner = seen.shape[:3]
    found, window = seen.shape[3 : 3 + space], seen.shape[3 + space :]
    places, elements = tuple(range(3, 3 + space)), tuple(range(3 + space, 3 + 2 * space))
    rows, columns = inner * prod(window), batch * prod(found)
    # What is longer goes last, because long runs are copied fast.
    if prod(found) >= prod(window):
        laid_out = seen.transpose(1, 2, *elements, 0, *places).reshape(groups, rows, columns)
    else:
        laid_out = seen.transpose(1, 0, *places, 2, *elements).reshape(groups, columns, rows).swapaxes(1, 2)
    sums: NDArray = np.matmul(weights, laid_out)
    return sums.reshape(groups, weights.shape[1], batch, *found)


def in_windows(x: NDArray, axes: Shape) -> bool:
    """Tell whether axes are the short last ones of a view, as those inside windows are."""
    first = x.ndim - len(axes)
    return axes == tuple(range(first, x.ndim)) and 1 < prod(x.shape[first:]) <= 64 and not x.flags.c_contiguous


def reduced(operation: np.ufunc, x: NDArray, axes: Shape, keepdims: bool) -> NDArray:
    """Return a reduction over short last axes, one place in the window after another.

    NumPy goes through one window after another, and a loop over so few elements costs more than they do.
    """
    first = x.ndim - len(axes)
    places = np.ndindex(x.shape[first:])
    total = x[(..., *next(places))]
    for place in places:
        total = operation(total, x[(..., *place)], dtype=x.dtype)
    return total.reshape(*total.shape, *(1,) * len(axes)) if keepdims else total
