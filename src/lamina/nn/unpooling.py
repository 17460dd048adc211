"""Unpooling: values put back where `max_pool2d_with_indices` found them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lamina.dtypes import int64
from lamina.errors import ShapeError, SubscriptError
from lamina.functions.operands import cast, floating, tensor
from lamina.functions.pooling_windows import window_sizes
from lamina.functions.spatial import Sizes, spatial
from lamina.nn.label_checks import require_all
from lamina.nn.pooling import Pooling
from lamina.primitives.broadcasting import reshape
from lamina.primitives.elementwise import bitwise_and, less, less_equal, maximum
from lamina.primitives.indexing import scatter_add_along_axis
from lamina.tensor import Tensor


def max_unpool1d(
    x: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Return zeros with the values of ``x`` [batch, channels, length] put at indices; see `max_unpool2d`."""
    return max_unpool("max_unpool1d", 1, x, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    x: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Return zeros with the values of ``x`` [batch, channels, height, width] put back where they were the largest.

    Parameters
    ----------
    x : Tensor of shape [batch, channels, height, width] or [channels, height, width]
    indices : Tensor of the shape of ``x``, of integers
        Of `max_pool2d_with_indices`. Of values that have one index, the mean is put there: overlapping windows that
        have one largest element have its value.
    kernel_size, stride, padding : int or tuple of int
        Those of the pooling.
    output_size : sequence of int, optional
        The sizes of the result, or its whole shape; several sizes give the same number of windows. By default
        ``(length - 1) stride - 2 padding + kernel_size`` along each axis.

    Returns
    -------
    Tensor of shape [batch, channels, *sizes]

    Raises
    ------
    ShapeError
        When the indices have another shape, or pooling an input of the output's sizes does not give those of ``x``.
    SubscriptError
        When an index lies outside.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> values, indices = nn.max_pool2d_with_indices(la.asarray([[[1.0, 2.0], [4.0, 3.0]]]), 2)
    >>> nn.max_unpool2d(values, indices, 2)
    Tensor([[[0., 0.],
             [4., 0.]]], shape=[1, 2, 2], dtype=float32)

    Source: M. D. Zeiler, R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, section 2.1.
    """
    return max_unpool("max_unpool2d", 2, x, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    x: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Return zeros with the values of ``x`` [batch, channels, *sizes] put at indices; see `max_unpool2d`."""
    return max_unpool("max_unpool3d", 3, x, indices, kernel_size, stride, padding, output_size)


def max_unpool(
    name: str,
    axes: int,
    x: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    output_size: Sequence[int] | None,
) -> Tensor:
    """Return zeros with the values of ``x`` put at places within the last axes."""
    x, indices = floating(name, spatial(name, x, axes)), tensor(name, indices)
    if indices.shape != x.shape or not indices.dtype.integral:
        raise ShapeError(
            f"{name}: expected indices, integers, of the shape {list(x.shape)} of the values; "
            f"got {indices.dtype.name}{list(indices.shape)}"
        )
    before, sizes = x.shape[:-axes], _unpooled(name, axes, x, kernel_size, stride, padding, output_size)
    past = math.prod(sizes)
    flat = (*before, math.prod(x.shape[-axes:]))
    values, at = reshape(x, shape=flat), cast(reshape(indices, shape=flat), int64)
    require_all(
        bitwise_and(less_equal(at._scalar(0), at), less(at, at._scalar(past))),
        SubscriptError(f"{name}: an index is out of range: places of {list(sizes)} are 0 to {past - 1}"),
    )
    ones = values._full(flat, 1)
    added = scatter_add_along_axis(values, at, axis=len(before), size=past)
    count = scatter_add_along_axis(ones, at, axis=len(before), size=past)
    return reshape(added / maximum(count, count._scalar(1)), shape=(*before, *sizes))


def _unpooled(
    name: str,
    axes: int,
    x: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    output_size: Sequence[int] | None,
) -> tuple[int, ...]:
    """Return the sizes of the result: those wanted, if windows come out as they went in."""
    size, step, around = window_sizes(name, axes, kernel_size, stride, padding)
    usual = tuple(
        (length - 1) * by - 2 * more + count
        for length, by, more, count in zip(x.shape[-axes:], step, around, size, strict=True)
    )
    if output_size is None:
        return usual
    wanted = tuple(output_size)
    if len(wanted) == x.ndim:
        wanted = wanted[-axes:]
    if len(wanted) != axes or any(
        not length - by < each < length + by for each, length, by in zip(wanted, usual, step, strict=True)
    ):
        raise ShapeError(
            f"{name}: output_size must differ from {list(usual)} by less than the strides {list(step)}, "
            f"got {list(output_size)}"
        )
    return wanted


class _MaxUnpool(Pooling):
    """Values put back where they were the largest; see `MaxUnpool2d`."""

    def __init__(self, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0) -> None:
        self._set_up(kernel_size, stride, padding, ceil_mode=False)

    def __call__(self, x: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """Return the output, of shape [batch, channels, *sizes], or without a batch where ``x`` has none."""
        settings = (self.kernel_size, self.stride, self.padding)
        return max_unpool(type(self).__name__, self._axes, x, indices, *settings, output_size)


class MaxUnpool1d(_MaxUnpool):
    """Values put back where they were the largest over one axis; see `MaxUnpool2d`."""

    _axes = 1


class MaxUnpool2d(_MaxUnpool):
    """Values put back where they were the largest over two axes; see `max_unpool2d`.

    Parameters
    ----------
    kernel_size, stride, padding : int or tuple of int
        Those of the pooling.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> y, indices = nn.MaxPool2d(2, return_indices=True)(la.ones((8, 3, 28, 28)))
    >>> nn.MaxUnpool2d(2)(y, indices).shape
    (8, 3, 28, 28)
    """

    _axes = 2


class MaxUnpool3d(_MaxUnpool):
    """Values put back where they were the largest over three axes; see `MaxUnpool2d`."""

    _axes = 3
