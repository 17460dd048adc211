"""Pooling: the largest element, the mean or the p-norm of every window. Names and arguments are PyTorch's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lamina.dtypes import int8, int32, integer_info
from lamina.errors import ShapeError
from lamina.functions.operands import floating, numeric
from lamina.functions.spatial import Sizes, sizes_of, spatial
from lamina.primitives import convolutions, reductions, shaping
from lamina.primitives.broadcasting import reshape, sum_
from lamina.primitives.composite import Composite
from lamina.primitives.elementwise import bitwise_or, equal, not_equal, where

if TYPE_CHECKING:
    from lamina.tensor import Tensor

Shape = tuple[int, ...]


# --- the largest ------------------------------------------------------------------------------------------


def _largest(x: Tensor, *, axes: int) -> Tensor:
    return reductions.max_(x, axes=tuple(range(x.ndim - axes, x.ndim)), keepdims=False)


def _largest_rule(g: Tensor, y: Tensor, x: Tensor, *, axes: int) -> Tensor:
    """The first of the largest elements receives the whole cotangent, as in PyTorch."""
    before = x.ndim - axes
    window, alone = x.shape[before:], (*x.shape[:before], *[1] * axes)
    same = is_largest(x, y, axes)
    # The earlier an element is in its window, the larger its number: the largest among those that are equal to the
    # maximum is the first one's, and no other's.
    count = math.prod(window)
    kind = int8 if count <= integer_info(int8).max else int32
    number = x._constant(np.arange(count, 0, -1).reshape(window), kind)
    candidates = where(same, number, x._constant(np.zeros(()), kind))
    first = reductions.max_(candidates, axes=tuple(range(before, x.ndim)), keepdims=True)
    return where(equal(number, first), reshape(g, shape=alone), x._scalar(0))


largest: Composite = Composite("max_pool", _largest, _largest_rule)
"""The largest element over the last ``axes`` axes; of several, the first counts."""


def is_largest(x: Tensor, y: Tensor, axes: int) -> Tensor:
    """Tell which elements are the largest, ``y``, over the last ``axes`` axes; where there is a NaN, it is."""
    same = equal(x, reshape(y, shape=(*y.shape, *[1] * axes)))
    return bitwise_or(same, not_equal(x, x)) if x.dtype.floating else same


def max_pool1d(
    x: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Return the largest element of every window of ``x`` [batch, channels, length]; see `max_pool2d`."""
    return max_pool("max_pool1d", 1, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(
    x: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Return the largest element of every window of ``x`` [batch, channels, height, width]; NaN where there is one.

    The gradient goes to the first of the largest elements.

    Parameters
    ----------
    x : Tensor of shape [batch, channels, height, width] or [channels, height, width]
    kernel_size : int or tuple of int
        Of the window.
    stride : int or tuple of int, default kernel_size
        From one window to the next.
    padding : int or tuple of int, default 0
        How far windows reach beyond each end, at most half their size; what is there never is the largest.
    dilation : int or tuple of int, default 1
        From one element of the window to the next.
    ceil_mode : bool, default False
        Whether a last window may reach beyond the end if it begins inside or in the padding before.

    Returns
    -------
    Tensor of shape [batch, channels, *places]

    Raises
    ------
    ShapeError
        When the settings do not fit, or a window is longer than the padded input.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.max_pool2d(la.asarray([[[1.0, 2.0], [3.0, 4.0]]]), 2)
    Tensor([[[4.]]], shape=[1, 1, 1], dtype=float32)
    """
    return max_pool("max_pool2d", 2, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d(
    x: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Return the largest element of every window of ``x`` [batch, channels, depth, height, width]; see `max_pool2d`."""
    return max_pool("max_pool3d", 3, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool(
    name: str,
    axes: int,
    x: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
) -> Tensor:
    """Return the largest element of every window over the last axes of ``x``."""
    x = numeric(name, spatial(name, x, axes))
    return largest(pooled_windows(name, axes, x, kernel_size, stride, padding, dilation, ceil_mode), axes=axes)


def pooled_windows(
    name: str,
    axes: int,
    x: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
    outside: float | None = None,
) -> Tensor:
    """Return the windows over the last axes of ``x``, which see ``outside`` beyond its ends, by default the lowest."""
    if outside is None:
        outside = -math.inf if x.dtype.floating else integer_info(x.dtype).min
    size, step, low, apart = _settings(name, axes, kernel_size, stride, padding, dilation)
    high = _high(name, x.shape[-axes:], size, step, low, apart, ceil_mode)
    return convolutions.windows(_padded(x, low, high, outside), size=size, stride=step, dilation=apart)


# --- the mean ---------------------------------------------------------------------------------------------


def avg_pool1d(
    x: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Return the mean of every window of ``x`` [batch, channels, length]; see `avg_pool2d`."""
    return avg_pool("avg_pool1d", 1, x, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    x: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Return the mean of every window of ``x`` [batch, channels, height, width].

    Parameters
    ----------
    x : Tensor of shape [batch, channels, height, width] or [channels, height, width]
    kernel_size : int or tuple of int
        Of the window.
    stride : int or tuple of int, default kernel_size
        From one window to the next.
    padding : int or tuple of int, default 0
        How many zeros are added at each end, at most half the window.
    ceil_mode : bool, default False
        Whether a last window may reach beyond the end if it begins inside or in the padding before; what is beyond
        the padding is not counted.
    count_include_pad : bool, default True
        Whether the zeros of the padding are counted.
    divisor_override : int, optional
        What sums are divided by in place of the number of elements counted.

    Returns
    -------
    Tensor of shape [batch, channels, *places]

    Raises
    ------
    ShapeError
        When the settings do not fit, or a window is longer than the padded input.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.avg_pool2d(la.asarray([[[1.0, 2.0], [3.0, 4.0]]]), 2)
    Tensor([[[2.5]]], shape=[1, 1, 1], dtype=float32)
    """
    return avg_pool("avg_pool2d", 2, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    x: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Return the mean of every window of ``x`` [batch, channels, depth, height, width]; see `avg_pool2d`."""
    return avg_pool("avg_pool3d", 3, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool(
    name: str,
    axes: int,
    x: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    """Return the mean of every window over the last axes of ``x``."""
    x = floating(name, spatial(name, x, axes))
    size, step, low, apart = _settings(name, axes, kernel_size, stride, padding, 1)
    sizes = x.shape[-axes:]
    high = _high(name, sizes, size, step, low, apart, ceil_mode)
    total = _window_sums(_padded(x, low, high, 0), size, step)
    if divisor_override is not None:
        if divisor_override == 0:
            raise ShapeError(f"{name}: divisor_override must not be zero")
        return total / divisor_override
    counted = low if count_include_pad else (0,) * axes
    divisor = np.ones(())
    for length, count, window, by, before, more in zip(
        sizes, total.shape[-axes:], size, step, low, counted, strict=True
    ):
        start = np.arange(count) * by - before
        divisor = np.multiply.outer(divisor, np.minimum(start + window, length + more) - np.maximum(start, -more))
    return _divided(total, divisor)


def _window_sums(x: Tensor, size: Shape, stride: Shape) -> Tensor:
    seen = convolutions.windows(x, size=size, stride=stride, dilation=(1,) * len(size))
    return sum_(seen, axes=tuple(range(seen.ndim - len(size), seen.ndim)), keepdims=False)


def _divided(total: Tensor, divisor: npt.NDArray[np.float64]) -> Tensor:
    if divisor.size and divisor.min() == divisor.max():
        return total / float(divisor.flat[0])
    return total / total._constant(divisor, total.dtype)


# --- the p-norm -------------------------------------------------------------------------------------------


def lp_pool(
    name: str, axes: int, x: Tensor, norm_type: float, kernel_size: Sizes, stride: Sizes | None, ceil_mode: bool
) -> Tensor:
    """Return ``sum(x**p) ** (1/p)`` of every window over the last axes of ``x``."""
    size = sizes_of(name, "kernel_size", kernel_size, axes)
    powers = floating(name, x) ** float(norm_type)
    mean = avg_pool(name, axes, powers, size, stride, 0, ceil_mode, True, None)
    return (mean * float(math.prod(size))) ** (1.0 / norm_type)


def lp_pool1d(
    x: Tensor, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None, ceil_mode: bool = False
) -> Tensor:
    """Return the p-norm of every window of ``x`` [batch, channels, length]; see `lp_pool2d`."""
    return lp_pool("lp_pool1d", 1, x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    x: Tensor, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None, ceil_mode: bool = False
) -> Tensor:
    """Return ``sum(x**p) ** (1/p)`` of every window of ``x`` [batch, channels, height, width].

    Parameters
    ----------
    x : Tensor of shape [batch, channels, height, width] or [channels, height, width]
    norm_type : float
        The exponent ``p``: 1 sums, and the larger it is, the more the largest element counts.
    kernel_size : int or tuple of int
    stride : int or tuple of int, default kernel_size
    ceil_mode : bool, default False
        Whether a last window may reach beyond the end.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.lp_pool2d(la.asarray([[[3.0, 4.0]]]), 2, (1, 2))
    Tensor([[[5.]]], shape=[1, 1, 1], dtype=float32)
    """
    return lp_pool("lp_pool2d", 2, x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    x: Tensor, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None, ceil_mode: bool = False
) -> Tensor:
    """Return the p-norm of every window of ``x`` [batch, channels, depth, height, width]; see `lp_pool2d`."""
    return lp_pool("lp_pool3d", 3, x, norm_type, kernel_size, stride, ceil_mode)


# --- settings ---------------------------------------------------------------------------------------------


def window_sizes(
    name: str, axes: int, kernel_size: Sizes, stride: Sizes | None, padding: Sizes
) -> tuple[Shape, Shape, Shape]:
    """Return by axis how long windows are, how far one lies from the next, and how far they reach beyond the ends."""
    size = sizes_of(name, "kernel_size", kernel_size, axes)
    step = size if stride is None else sizes_of(name, "stride", stride, axes)
    return size, step, sizes_of(name, "padding", padding, axes, 0)


def _settings(
    name: str, axes: int, kernel_size: Sizes, stride: Sizes | None, padding: Sizes, dilation: Sizes
) -> tuple[Shape, Shape, Shape, Shape]:
    size, step, low = window_sizes(name, axes, kernel_size, stride, padding)
    apart = sizes_of(name, "dilation", dilation, axes)
    if any(before > (by * (count - 1) + 1) // 2 for before, count, by in zip(low, size, apart, strict=True)):
        raise ShapeError(
            f"{name}: padding {list(low)} must be at most half the window {list(size)}, "
            "so that every window sees an element"
        )
    return size, step, low, apart


def _high(name: str, sizes: Shape, size: Shape, stride: Shape, low: Shape, dilation: Shape, ceil_mode: bool) -> Shape:
    """Return how far windows reach beyond the end of each axis."""
    high = []
    for length, count, step, before, apart in zip(sizes, size, stride, low, dilation, strict=True):
        reach, more = apart * (count - 1) + 1, before
        if ceil_mode:
            places = -((length + 2 * before - reach) // -step) + 1
            # The last window begins before the end.
            places -= (places - 1) * step >= length + before
            more = max(before, (places - 1) * step + reach - length - before)
        if reach > length + before + more:
            raise ShapeError(
                f"{name}: windows {list(size)} {list(dilation)} apart are longer than an input of sizes {list(sizes)} "
                f"with padding {list(low)}"
            )
        high.append(more)
    return tuple(high)


def _padded(x: Tensor, low: Shape, high: Shape, value: float) -> Tensor:
    if not any((*low, *high)):
        return x
    rest = (0,) * (x.ndim - len(low))
    return shaping.pad(x, low=(*rest, *low), high=(*rest, *high), interior=(0,) * x.ndim, value=value)
