"""Pooling to a size that is wanted: windows as equal as they can be that together cover the input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lamina.dtypes import bool_, int64
from lamina.errors import ShapeError
from lamina.functions.operands import floating, numeric
from lamina.functions.pooling_places import first_largest
from lamina.functions.pooling_windows import largest
from lamina.functions.spatial import sizes_of, spatial
from lamina.primitives import convolutions, indexing, shaping
from lamina.primitives.broadcasting import sum_
from lamina.primitives.elementwise import where

if TYPE_CHECKING:
    from lamina.tensor import Tensor

Shape = tuple[int, ...]
OutputSize = int | None | Sequence[int | None]


def adaptive_avg_pool1d(x: Tensor, output_size: OutputSize) -> Tensor:
    """Return means of ``x`` [batch, channels, length] over windows that cover it; see `adaptive_avg_pool2d`."""
    return adaptive_avg_pool("adaptive_avg_pool1d", 1, x, output_size)


def adaptive_avg_pool2d(x: Tensor, output_size: OutputSize) -> Tensor:
    """Return means of ``x`` [batch, channels, height, width] over windows that cover it.

    Along an axis of ``size``, window ``i`` of ``count`` reaches from ``floor(i * size / count)`` up to
    ``ceil((i + 1) * size / count)``.

    Parameters
    ----------
    x : Tensor of shape [batch, channels, height, width] or [channels, height, width]
    output_size : int, None, or one of them for each axis
        How many windows; None keeps the size of an axis, and 1 is global pooling.

    Returns
    -------
    Tensor of shape [batch, channels, *output_size]

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.adaptive_avg_pool2d(la.asarray([[[1.0, 2.0, 3.0]]]), (1, 2))
    Tensor([[[1.5, 2.5]]], shape=[1, 1, 2], dtype=float32)
    """
    return adaptive_avg_pool("adaptive_avg_pool2d", 2, x, output_size)


def adaptive_avg_pool3d(x: Tensor, output_size: OutputSize) -> Tensor:
    """Return means of ``x`` [batch, channels, depth, height, width]; see `adaptive_avg_pool2d`."""
    return adaptive_avg_pool("adaptive_avg_pool3d", 3, x, output_size)


def adaptive_max_pool1d(x: Tensor, output_size: OutputSize) -> Tensor:
    """Return the largest elements of ``x`` [batch, channels, length]; see `adaptive_max_pool2d`."""
    return adaptive_max_pool("adaptive_max_pool1d", 1, x, output_size)


def adaptive_max_pool2d(x: Tensor, output_size: OutputSize) -> Tensor:
    """Return the largest elements of ``x`` [batch, channels, height, width] in windows that cover it.

    The windows are those of `adaptive_avg_pool2d`, and gradients go where those of `max_pool2d` go.

    Parameters
    ----------
    x : Tensor of shape [batch, channels, height, width] or [channels, height, width]
    output_size : int, None, or one of them for each axis
        How many windows; None keeps the size of an axis, and 1 is global pooling.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.adaptive_max_pool2d(la.asarray([[[1.0, 2.0, 3.0]]]), (1, 2))
    Tensor([[[2., 3.]]], shape=[1, 1, 2], dtype=float32)
    """
    return adaptive_max_pool("adaptive_max_pool2d", 2, x, output_size)


def adaptive_max_pool3d(x: Tensor, output_size: OutputSize) -> Tensor:
    """Return the largest elements of ``x`` [batch, channels, depth, height, width]; see `adaptive_max_pool2d`."""
    return adaptive_max_pool("adaptive_max_pool3d", 3, x, output_size)


def adaptive_max_pool1d_with_indices(x: Tensor, output_size: OutputSize) -> tuple[Tensor, Tensor]:
    """Return what `adaptive_max_pool1d` does, and the place of each; see `max_pool2d_with_indices`."""
    return adaptive_max_pool_with_indices("adaptive_max_pool1d", 1, x, output_size)


def adaptive_max_pool2d_with_indices(x: Tensor, output_size: OutputSize) -> tuple[Tensor, Tensor]:
    """Return what `adaptive_max_pool2d` does, and the place of each; see `max_pool2d_with_indices`."""
    return adaptive_max_pool_with_indices("adaptive_max_pool2d", 2, x, output_size)


def adaptive_max_pool3d_with_indices(x: Tensor, output_size: OutputSize) -> tuple[Tensor, Tensor]:
    """Return what `adaptive_max_pool3d` does, and the place of each; see `max_pool2d_with_indices`."""
    return adaptive_max_pool_with_indices("adaptive_max_pool3d", 3, x, output_size)


def adaptive_avg_pool(name: str, axes: int, x: Tensor, output_size: OutputSize) -> Tensor:
    """Return means over the last axes of ``x``."""
    x = floating(name, spatial(name, x, axes))
    seen, lengths = _covering(x, _counts(name, axes, x, output_size), axes)
    inside = tuple(range(seen.ndim - axes, seen.ndim))
    if not any(np.ptp(each) for each in lengths):
        return sum_(seen, axes=inside, keepdims=False) / float(math.prod(int(each[0]) for each in lengths))
    for axis, each in enumerate(lengths):
        # Windows shorter than the longest show their last element again, which must not count.
        real = np.arange(seen.shape[inside[axis]]) < each[:, None]
        at = [1] * seen.ndim
        at[seen.ndim - 2 * axes + axis], at[inside[axis]] = real.shape
        seen = where(seen._constant(real.reshape(at), bool_), seen, seen._scalar(0))
    total = sum_(seen, axes=inside, keepdims=False)
    divisor = lengths[0]
    for each in lengths[1:]:
        divisor = np.multiply.outer(divisor, each)
    return total / total._constant(divisor, total.dtype)


def adaptive_max_pool(name: str, axes: int, x: Tensor, output_size: OutputSize) -> Tensor:
    """Return the largest elements over the last axes of ``x``."""
    x = numeric(name, spatial(name, x, axes))
    seen, _ = _covering(x, _counts(name, axes, x, output_size), axes)
    return largest(seen, axes=axes)


def adaptive_max_pool_with_indices(name: str, axes: int, x: Tensor, output_size: OutputSize) -> tuple[Tensor, Tensor]:
    """Return the largest elements over the last axes of ``x``, and the place of each within them."""
    x = numeric(name, spatial(name, x, axes))
    counts, past = _counts(name, axes, x, output_size), math.prod(x.shape[-axes:])
    numbers = x._constant(np.arange(past).reshape(*[1] * (x.ndim - axes), *x.shape[-axes:]), int64)
    (seen, _), (places, _) = _covering(x, counts, axes), _covering(numbers, counts, axes)
    values = largest(seen, axes=axes)
    return values, first_largest(seen, values, places, axes, past)


def _counts(name: str, axes: int, x: Tensor, output_size: OutputSize) -> Shape:
    """Return how many windows there are along each of the last axes."""
    sizes = x.shape[-axes:]
    wanted = tuple(output_size) if isinstance(output_size, Sequence) else (output_size,) * axes
    if len(wanted) == axes:
        wanted = tuple(size if count is None else count for size, count in zip(sizes, wanted, strict=True))
    if 0 in sizes:
        raise ShapeError(f"{name}: shape {list(x.shape)} has no elements along an axis that windows must cover")
    return sizes_of(name, "output_size", wanted, axes)


def _covering(x: Tensor, counts: Shape, axes: int) -> tuple[Tensor, list[npt.NDArray[np.int64]]]:
    """Return windows [..., *counts, *window] that cover the last axes, and how long each is along every axis.

    Those shorter than the longest show their last element more than once.
    """
    sizes, before = x.shape[-axes:], x.ndim - axes
    if not any(size % count for size, count in zip(sizes, counts, strict=True)):
        window = tuple(size // count for size, count in zip(sizes, counts, strict=True))
        seen = convolutions.windows(x, size=window, stride=window, dilation=(1,) * axes)
        return seen, [np.full(count, length) for count, length in zip(counts, window, strict=True)]
    lengths = []
    for axis, (size, count) in enumerate(zip(sizes, counts, strict=True)):
        start = np.arange(count) * size // count
        stop = -(np.arange(1, count + 1) * -size // count)
        lengths.append(stop - start)
        places = np.minimum(start[:, None] + np.arange(lengths[-1].max()), stop[:, None] - 1)
        x = indexing.take(x, x._constant(places, int64), axis=before + 2 * axis)
    pairs = range(before, x.ndim, 2)
    return shaping.permute_dims(x, axes=(*range(before), *pairs, *(at + 1 for at in pairs))), lengths
