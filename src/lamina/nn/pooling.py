"""Pooling layers. The functions themselves are in `lamina.functions.pooling` and `adaptive_pooling`."""

from __future__ import annotations

from typing import Any, ClassVar

from lamina.functions.adaptive_pooling import (
    OutputSize,
    adaptive_avg_pool,
    adaptive_max_pool,
    adaptive_max_pool_with_indices,
)
from lamina.functions.pooling import avg_pool, lp_pool, max_pool
from lamina.functions.pooling_places import max_pool_with_indices
from lamina.functions.spatial import Sizes, sizes_of
from lamina.nn.module import Module
from lamina.tensor import Tensor


class Pooling(Module):
    """The base of pooling layers: the size of the window and what lies between two, over any number of axes."""

    _axes: ClassVar[int]
    _shown: ClassVar[tuple[str, ...]] = ("kernel_size", "stride", "padding")

    def _set_up(self, kernel_size: Sizes, stride: Sizes | None, padding: Sizes, ceil_mode: bool) -> None:
        for what, given, least in (("kernel_size", kernel_size, 1), ("stride", stride, 1), ("padding", padding, 0)):
            if given is not None:
                sizes_of(type(self).__name__, what, given, self._axes, least)
        self.kernel_size = kernel_size
        self.stride: Sizes | None = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)}" for name in self._shown)


class _MaxPool(Pooling):
    """The largest element of every window; see `MaxPool2d`."""

    _shown = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        self._set_up(kernel_size, stride, padding, ceil_mode)
        sizes_of(type(self).__name__, "dilation", dilation, self._axes)
        self.dilation = dilation
        self.return_indices = return_indices

    def __call__(self, x: Tensor) -> Any:
        """Return the output, of shape [batch, channels, *places], or without a batch where ``x`` has none.

        With ``return_indices`` a pair of it and the indices.
        """
        settings = (self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)
        if self.return_indices:
            return max_pool_with_indices(type(self).__name__, self._axes, x, *settings)
        return max_pool(type(self).__name__, self._axes, x, *settings)


class MaxPool1d(_MaxPool):
    """The largest element of every window over one axis; see `MaxPool2d`."""

    _axes = 1


class MaxPool2d(_MaxPool):
    """The largest element of every window over two axes; see `max_pool2d`.

    Parameters
    ----------
    kernel_size : int or tuple of int
        Of the window.
    stride : int or tuple of int, default kernel_size
        From one window to the next.
    padding : int or tuple of int, default 0
        How far windows reach beyond each end, at most half their size.
    dilation : int or tuple of int, default 1
        From one element of the window to the next.
    return_indices : bool, default False
        Whether the places of the largest elements are returned too, as `max_pool2d_with_indices` does.
    ceil_mode : bool, default False
        Whether a last window may reach beyond the end.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.MaxPool2d(2)(la.zeros((8, 3, 28, 28))).shape
    (8, 3, 14, 14)
    """

    _axes = 2


class MaxPool3d(_MaxPool):
    """The largest element of every window over three axes; see `MaxPool2d`."""

    _axes = 3


class _AvgPool(Pooling):
    """The mean of every window; see `AvgPool2d`."""

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        self._set_up(kernel_size, stride, padding, ceil_mode)
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def __call__(self, x: Tensor) -> Tensor:
        """Return the output, of shape [batch, channels, *places], or without a batch where ``x`` has none."""
        settings = (self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)
        return avg_pool(type(self).__name__, self._axes, x, *settings, self.divisor_override)


class AvgPool1d(_AvgPool):
    """The mean of every window over one axis; see `AvgPool2d`."""

    _axes = 1

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)


class AvgPool2d(_AvgPool):
    """The mean of every window over two axes; see `avg_pool2d`.

    Parameters
    ----------
    kernel_size, stride, ceil_mode
        As in `MaxPool2d`.
    padding : int or tuple of int, default 0
        How many zeros are added at each end, at most half the window.
    count_include_pad : bool, default True
        Whether the zeros of the padding are counted.
    divisor_override : int, optional
        What sums are divided by in place of the number of elements counted.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.AvgPool2d(3, stride=2, padding=1)(la.zeros((8, 3, 28, 28))).shape
    (8, 3, 14, 14)
    """

    _axes = 2


class AvgPool3d(_AvgPool):
    """The mean of every window over three axes; see `AvgPool2d`."""

    _axes = 3


class _LPPool(Pooling):
    """The p-norm of every window; see `LPPool2d`."""

    _shown = ("norm_type", "kernel_size", "stride", "ceil_mode")

    def __init__(
        self, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None, ceil_mode: bool = False
    ) -> None:
        self._set_up(kernel_size, stride, 0, ceil_mode)
        self.stride = stride
        self.norm_type = norm_type

    def __call__(self, x: Tensor) -> Tensor:
        """Return the output, of shape [batch, channels, *places], or without a batch where ``x`` has none."""
        settings = (self.norm_type, self.kernel_size, self.stride, self.ceil_mode)
        return lp_pool(type(self).__name__, self._axes, x, *settings)


class LPPool1d(_LPPool):
    """The p-norm of every window over one axis; see `LPPool2d`."""

    _axes = 1


class LPPool2d(_LPPool):
    """``sum(x**p) ** (1/p)`` of every window over two axes; see `lp_pool2d`.

    Parameters
    ----------
    norm_type : float
        The exponent ``p``.
    kernel_size : int or tuple of int
    stride : int or tuple of int, default kernel_size
    ceil_mode : bool, default False

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.LPPool2d(2, 2)(la.ones((1, 1, 2, 2)))
    Tensor([[[[2.]]]], shape=[1, 1, 1, 1], dtype=float32)
    """

    _axes = 2


class LPPool3d(_LPPool):
    """The p-norm of every window over three axes; see `LPPool2d`."""

    _axes = 3


class _Adaptive(Module):
    """Windows that cover the input; see `AdaptiveAvgPool2d`."""

    _axes: ClassVar[int]

    def __init__(self, output_size: OutputSize) -> None:
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class _AdaptiveAvgPool(_Adaptive):
    """Means over windows that cover the input; see `AdaptiveAvgPool2d`."""

    def __call__(self, x: Tensor) -> Tensor:
        """Return the output, of shape [batch, channels, *output_size]."""
        return adaptive_avg_pool(type(self).__name__, self._axes, x, self.output_size)


class _AdaptiveMaxPool(_Adaptive):
    """The largest elements in windows that cover the input; see `AdaptiveMaxPool2d`."""

    def __init__(self, output_size: OutputSize, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def __call__(self, x: Tensor) -> Any:
        """Return the output, of shape [batch, channels, *output_size]; with ``return_indices`` the indices besides."""
        if self.return_indices:
            return adaptive_max_pool_with_indices(type(self).__name__, self._axes, x, self.output_size)
        return adaptive_max_pool(type(self).__name__, self._axes, x, self.output_size)


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Means over windows that cover one axis; see `AdaptiveAvgPool2d`."""

    _axes = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Means over as many windows as wanted, which cover two axes; see `adaptive_avg_pool2d`.

    Parameters
    ----------
    output_size : int, None, or one of them for each axis
        How many windows; None keeps the size of an axis, and 1 is global pooling.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.AdaptiveAvgPool2d(1)(la.zeros((8, 64, 7, 7))).shape
    (8, 64, 1, 1)

    Source: M. Lin et al., "Network in network", ICLR 2014, section 3.2, for global pooling.
    """

    _axes = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Means over windows that cover three axes; see `AdaptiveAvgPool2d`."""

    _axes = 3


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest elements in windows that cover one axis; see `AdaptiveMaxPool2d`."""

    _axes = 1


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest elements in as many windows as wanted, which cover two axes; see `adaptive_max_pool2d`.

    Parameters
    ----------
    output_size
        As in `AdaptiveAvgPool2d`.
    return_indices : bool, default False
        Whether the places of the largest elements are returned too, as `max_pool2d_with_indices` does.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.AdaptiveMaxPool2d((1, None))(la.zeros((8, 64, 7, 7))).shape
    (8, 64, 1, 7)
    """

    _axes = 2


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The largest elements in windows that cover three axes; see `AdaptiveMaxPool2d`."""

    _axes = 3
