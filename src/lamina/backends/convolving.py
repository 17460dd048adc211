"""Convolutions of NumPy arrays: products of matrices, for which windows are laid out a few at a time.

Here x is [batch, groups, channels, *sizes], w [groups, outputs, channels, *window], and windows are
[batch, groups, channels, *places, *window].
"""

from __future__ import annotations

from math import prod

import numpy as np

from lamina.backends.protocol import NDArray, Shape
from lamina.backends.strided import windows
from lamina.backends.windows import check_channels, counts

# How many bytes of windows to lay out at a time: what stays in a processor's cache until it is multiplied.
CHUNK = 1 << 22
# So many columns make a product of matrices worth its call.
WIDE = 64


def convolution(x: NDArray, w: NDArray, stride: Shape, dilation: Shape, groups: int) -> NDArray:
    """Return the convolution of ``x`` with ``w``: [batch, channels, *sizes] and [outputs, channels, *window]."""
    check_channels(x.shape, w.shape, groups)
    batch, outputs, inner, window = x.shape[0], w.shape[0], w.shape[1], w.shape[2:]
    found = counts(x.shape[2:], window, stride, dilation)
    x = x.reshape(batch, groups, inner, *x.shape[2:])
    grouped = (groups, outputs // groups, inner, *window)
    if prod(found) < prod(window):
        sums = _over_large_windows(windows(x, window, stride, dilation), w.reshape(grouped))
        return sums.reshape(batch, outputs, *found)
    # Weights that are read backwards are a view, which NumPy would multiply without its library.
    w = np.ascontiguousarray(w).reshape(grouped)
    if prod(found) < WIDE:
        sums = _side_by_side(windows(x, window, stride, dilation), w)
    else:
        sums = _image_by_image(x, w, found, stride, dilation)
    return sums.reshape(batch, outputs, *found)


def _image_by_image(x: NDArray, w: NDArray, found: Shape, stride: Shape, dilation: Shape) -> NDArray:
    """Return sums [batch, groups, outputs, places] by products of their own for each of the batch.

    Where laying out whole windows moves more than adding sums does, which reads two arrays for one, only their later
    axes are laid out: an element that is further along the first axis is then a row of places further on, and each has
    a product of its own.
    """
    batch, groups, inner = x.shape[:3]
    outputs, window = w.shape[1], w.shape[3:]
    places, later = prod(found), inner * prod(window[1:])
    steps = window[0] if window and stride[0] == 1 and later > 2 * outputs else 1
    laid_out = window if steps == 1 else (1, *window[1:])
    seen = windows(x, laid_out, stride, dilation)
    rows, columns = inner * prod(laid_out), prod(seen.shape[3 : 3 + len(window)])
    further = dilation[0] * prod(found[1:]) if steps > 1 else 0
    weights = w.reshape(groups, outputs, inner, steps, prod(laid_out)).transpose(3, 0, 1, 2, 4)
    weights = weights.reshape(steps, groups, outputs, rows)
    order = (0, 1, 2, *range(3 + len(window), seen.ndim), *range(3, 3 + len(window)))
    result = np.empty((batch, groups, outputs, places), x.dtype)
    chunks = _chunks(batch, groups * rows * columns * x.itemsize)
    laid = np.empty((chunks[0].stop, groups, *(seen.shape[axis] for axis in order[2:])), x.dtype)
    spare = np.empty((chunks[0].stop, groups, outputs, places), x.dtype)
    for some in chunks:
        sums = result[some]
        count = len(sums)
        np.copyto(laid[:count], seen[some].transpose(order))
        lines = laid[:count].reshape(count, groups, rows, columns)
        np.matmul(weights[0], lines[..., :places], out=sums)
        for step in range(1, steps):
            at = step * further
            sums += np.matmul(weights[step], lines[..., at : at + places], out=spare[:count])
    return result


def _side_by_side(seen: NDArray, w: NDArray) -> NDArray:
    """Return sums [batch, groups, outputs, *places] by products for several of the batch, whose places are few."""
    batch, groups, inner = seen.shape[:3]
    outputs, window = w.shape[1], w.shape[3:]
    found, rows = seen.shape[3 : 3 + len(window)], inner * prod(window)
    weights = w.reshape(groups, outputs, rows)
    order = (1, 2, *range(3 + len(window), seen.ndim), 0, *range(3, 3 + len(window)))
    result = np.empty((batch, groups, outputs, *found), seen.dtype)
    for some in _chunks(batch, groups * rows * prod(found) * seen.itemsize):
        part = result[some]
        sums = np.matmul(weights, seen[some].transpose(order).reshape(groups, rows, len(part) * prod(found)))
        np.copyto(part, np.moveaxis(sums.reshape(groups, outputs, len(part), *found), 2, 0))
    return result


def _over_large_windows(seen: NDArray, w: NDArray) -> NDArray:
    """Return sums [batch, groups, outputs, *places], channel by channel of what is summed over.

    So is the derivative by weights, whose channels are the batch and whose windows are images. Where a window has more
    elements than there are windows, each channel has a product of its own, for which the weights need not be moved.
    """
    batch, groups, inner = seen.shape[:3]
    outputs, window = w.shape[1], w.shape[3:]
    found, elements = seen.shape[3 : 3 + len(window)], prod(window)
    rows = batch * prod(found)
    order = (1, 0, *range(3, 3 + len(window)), 2, *range(3 + len(window), seen.ndim))
    total = np.zeros((groups, outputs, rows), seen.dtype)
    for some in _chunks(inner, groups * rows * elements * seen.itemsize):
        laid, weights = seen[:, :, some].transpose(order), w[:, :, some]
        count = weights.shape[2]
        if elements >= rows:
            lines = np.moveaxis(laid, 2 + len(window), 0).reshape(count, groups, rows, elements)
            each = np.moveaxis(weights, 2, 0).reshape(count, groups, outputs, elements)
            total += np.matmul(each, lines.swapaxes(2, 3)).sum(axis=0, dtype=seen.dtype)
        else:
            columns = laid.reshape(groups, rows, count * elements)
            total += np.matmul(weights.reshape(groups, outputs, count * elements), columns.swapaxes(1, 2))
    return np.moveaxis(total.reshape(groups, outputs, batch, *found), 2, 0)


def _chunks(count: int, each: int) -> list[slice]:
    """Return slices of ``count`` things of so many bytes."""
    step = max(1, CHUNK // max(each, 1))
    return [slice(start, min(start + step, count)) for start in range(0, max(count, 1), step)]
