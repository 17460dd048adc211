"""Windows of NumPy arrays as views, and reductions over them."""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.lib.stride_tricks import as_strided

from lamina.backends.protocol import NDArray, Shape
from lamina.backends.windows import counts


def windows(x: NDArray, size: Shape, stride: Shape, dilation: Shape) -> NDArray:
    """Return every window over the last axes, without copying any."""
    first = x.ndim - len(size)
    found = counts(x.shape[first:], size, stride, dilation)
    between = tuple(bytes_ * step for bytes_, step in zip(x.strides[first:], stride, strict=True))
    inside = tuple(bytes_ * apart for bytes_, apart in zip(x.strides[first:], dilation, strict=True))
    return as_strided(x, (*x.shape[:first], *found, *size), (*x.strides[:first], *between, *inside), writeable=False)


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
