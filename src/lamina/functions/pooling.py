"""Pooling: the largest element, the mean or the p-norm of every window. Names and arguments are PyTorch's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lamina.errors import ShapeError
from lamina.functions.operands import floating, numeric
from lamina.functions.pooling_windows import windows_over
from lamina.functions.spatial import Sizes, sizes_of, spatial
from lamina.primitives.broadcasting import sum_

if TYPE_CHECKING:
    from lamina.tensor import Tensor


# --- the largest ------------------------------------------------------------------------------------------


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
    settings = (kernel_size, stride, padding, dilation, ceil_mode)
    return windows_over(name, axes, x.shape[-axes:], *settings).largest(x)


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
    sizes = x.shape[-axes:]
    windows = windows_over(name, axes, sizes, kernel_size, stride, padding, 1, ceil_mode)
    seen = windows.seen(x, 0)
    total = sum_(seen, axes=tuple(range(seen.ndim - axes, seen.ndim)), keepdims=False)
    if divisor_override is not None:
        if divisor_override == 0:
            raise ShapeError(f"{name}: divisor_override must not be zero")
        return total / divisor_override
    counted = windows.low if count_include_pad else (0,) * axes
    divisor = np.ones(())
    for length, count, window, by, before, more in zip(
        sizes, total.shape[-axes:], windows.size, windows.stride, windows.low, counted, strict=True
    ):
        start = np.arange(count) * by - before
        divisor = np.multiply.outer(divisor, np.minimum(start + window, length + more) - np.maximum(start, -more))
    return _divided(total, divisor)


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
