"""Max pooling that tells where the largest elements were. Names and arguments are PyTorch's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lamina.dtypes import int64
from lamina.functions.operands import numeric
from lamina.functions.pooling_windows import is_largest, lowest, windows_over
from lamina.functions.spatial import Sizes, spatial
from lamina.primitives import reductions
from lamina.primitives.elementwise import where

if TYPE_CHECKING:
    from lamina.tensor import Tensor


def max_pool1d_with_indices(
    x: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return the largest elements of windows of ``x`` and where they were; see `max_pool2d_with_indices`."""
    return max_pool_with_indices("max_pool1d", 1, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d_with_indices(
    x: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return the largest element of every window of ``x`` [batch, channels, height, width], and where it was.

    Parameters and errors are those of `max_pool2d`.

    Returns
    -------
    values : Tensor of shape [batch, channels, *places]
    indices : Tensor of the same shape, int64
        The place ``row * width + column`` of each in its channel, of several the first: what `max_unpool2d` takes.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> values, indices = nn.max_pool2d_with_indices(la.asarray([[[1.0, 2.0], [4.0, 3.0]]]), 2)
    >>> indices
    Tensor([[[2]]], shape=[1, 1, 1], dtype=int64)
    """
    return max_pool_with_indices("max_pool2d", 2, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d_with_indices(
    x: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return the largest elements of windows of ``x`` and where they were; see `max_pool2d_with_indices`."""
    return max_pool_with_indices("max_pool3d", 3, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool_with_indices(
    name: str,
    axes: int,
    x: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
) -> tuple[Tensor, Tensor]:
    """Return the largest element of every window over the last axes of ``x``, and its place within them."""
    x = numeric(name, spatial(name, x, axes))
    sizes, past = x.shape[-axes:], math.prod(x.shape[-axes:])
    windows = windows_over(name, axes, sizes, kernel_size, stride, padding, dilation, ceil_mode)
    values = windows.largest(x)
    # The places are seen by the same windows. Those of the padding lie behind all others, and the first one counts.
    numbers = x._constant(np.arange(past).reshape(*[1] * (x.ndim - axes), *sizes), int64)
    places, seen = windows.seen(numbers, past), windows.seen(x._untracked, lowest(x))
    return values, first_largest(seen, values, places, axes, past)


def first_largest(seen: Tensor, values: Tensor, places: Tensor, axes: int, past: int) -> Tensor:
    """Return the places of the largest elements over the last axes, of several the lowest; all are below ``past``."""
    candidates = where(is_largest(seen._untracked, values._untracked, axes), places, places._scalar(past))
    return reductions.min_(candidates, axes=tuple(range(seen.ndim - axes, seen.ndim)), keepdims=False)
