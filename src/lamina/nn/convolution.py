"""Convolution layers. The functions themselves are in `lamina.functions.convolutions`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from lamina.dtypes import DTypeLike
from lamina.errors import DataError, ShapeError
from lamina.functions.convolutions import Padding, convolve, convolve_back, paddings
from lamina.functions.spatial import Sizes, sizes_of, spatial
from lamina.nn.init import Initializer, as_initializer, fans, kaiming_uniform, made_by, uniform
from lamina.nn.module import Module
from lamina.nn.settings import parameter_dtype, positive_count
from lamina.tensor import Tensor
from lamina.variable import Variable

# What PyTorch calls the ways to pad, and the names that `pad` has for them.
PADDING_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}


class Convolution(Module):
    """A convolution over any number of axes; see `Conv2d`."""

    _axes: ClassVar[int]
    _transposed: ClassVar[bool] = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Padding = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        init: Initializer | str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        name, axes = type(self).__name__, self._axes
        self.in_channels = positive_count(name, "in_channels", in_channels)
        self.out_channels = positive_count(name, "out_channels", out_channels)
        self.groups = positive_count(name, "groups", groups)
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ShapeError(
                f"{name}: groups={self.groups} must divide in_channels={in_channels} and out_channels={out_channels}"
            )
        self.kernel_size = sizes_of(name, "kernel_size", kernel_size, axes)
        self.stride = sizes_of(name, "stride", stride, axes)
        self.dilation = sizes_of(name, "dilation", dilation, axes)
        low, _ = paddings(name, padding, self.kernel_size, self.stride, self.dilation)
        self.padding: Padding = padding if isinstance(padding, str) else low
        possible = ("zeros",) if self._transposed else tuple(PADDING_MODES)
        if padding_mode not in possible:
            raise DataError(f"{name}: padding_mode must be one of {', '.join(possible)}, got {padding_mode!r}")
        self.padding_mode = padding_mode
        wanted = parameter_dtype(name, dtype)
        ends = (self.in_channels, self.out_channels) if self._transposed else (self.out_channels, self.in_channels)
        shape = (ends[0], ends[1] // self.groups, *self.kernel_size)
        initializer = kaiming_uniform(a=math.sqrt(5.0)) if init is None else as_initializer(init)
        self.weight = Variable(made_by(name, initializer, shape, wanted), "weight")
        self.bias: Variable | None = None
        if bias:
            bound = 1.0 / math.sqrt(fans(shape)[0])
            self.bias = Variable(uniform(-bound, bound)((self.out_channels,), dtype=wanted), "bias")

    def __call__(self, x: Tensor) -> Tensor:
        """Return the output, of shape [batch, out_channels, *places], or without a batch where ``x`` has none."""
        mode, x = PADDING_MODES[self.padding_mode], self._checked(x)
        settings = (self.stride, self.padding, self.dilation, self.groups, mode)
        return convolve(type(self).__name__, self._axes, x, self.weight, self.bias, *settings)

    def _checked(self, x: Tensor) -> Tensor:
        name = type(self).__name__
        x = spatial(name, x, self._axes)
        channels = x.shape[-self._axes - 1]
        if channels != self.in_channels:
            raise ShapeError(
                f"{name}: expected in_channels={self.in_channels} along axis {x.ndim - self._axes - 1}, "
                f"got shape {list(x.shape)}"
            )
        return x

    def extra_repr(self) -> str:
        none, one = (0,) * self._axes, (1,) * self._axes
        said = [
            ("padding", self.padding, none),
            ("dilation", self.dilation, one),
            ("output_padding", getattr(self, "output_padding", none), none),
            ("groups", self.groups, 1),
            ("bias", self.bias is not None, True),
            ("padding_mode", self.padding_mode, "zeros"),
        ]
        return ", ".join(
            (
                f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}",
                *(f"{name}={value}" for name, value, default in said if value != default),
            )
        )


class _Transposed(Convolution):
    """A transposed convolution; see `ConvTranspose2d`."""

    _transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
        *,
        init: Initializer | str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        name = type(self).__name__
        self.output_padding = sizes_of(name, "output_padding", output_padding, self._axes, 0)
        gone = sizes_of(name, "padding", padding, self._axes, 0)
        settings = stride, gone, dilation, groups, bias, padding_mode
        super().__init__(in_channels, out_channels, kernel_size, *settings, init=init, dtype=dtype)

    def __call__(self, x: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """Return the output, of shape [batch, out_channels, *sizes].

        Parameters
        ----------
        x : Tensor of shape [batch, in_channels, *sizes] or [in_channels, *sizes]
        output_size : sequence of int, optional
            The sizes wanted in place of those that follow from ``output_padding``.
        """
        x = self._checked(x)
        more = self.output_padding if output_size is None else self._padding_for(x, output_size)
        settings = (self.stride, self.padding, more, self.groups, self.dilation)
        return convolve_back(type(self).__name__, self._axes, x, self.weight, self.bias, *settings)  # type: ignore[arg-type]

    def _padding_for(self, x: Tensor, output_size: Sequence[int]) -> tuple[int, ...]:
        name = type(self).__name__
        wanted = sizes_of(name, "output_size", tuple(output_size)[-self._axes :], self._axes)
        gone = sizes_of(name, "padding", self.padding, self._axes, 0)
        settings = zip(x.shape[-self._axes :], self.stride, gone, self.kernel_size, self.dilation, strict=True)
        least = tuple(
            (size - 1) * step - 2 * before + apart * (length - 1) + 1 for size, step, before, length, apart in settings
        )
        most = tuple(low + step - 1 for low, step in zip(least, self.stride, strict=True))
        if any(not low <= size <= high for low, size, high in zip(least, wanted, most, strict=True)):
            raise ShapeError(
                f"{name}: output_size {list(wanted)} must be between {list(least)} and {list(most)} "
                f"for an input of shape {list(x.shape)}"
            )
        return tuple(size - low for size, low in zip(wanted, least, strict=True))


class Conv1d(Convolution):
    """A convolution over one axis, of inputs [batch, channels, length]; see `Conv2d`."""

    _axes = 1


class Conv2d(Convolution):
    """A convolution over two axes, of inputs [batch, channels, height, width].

    ``y[n, o] = b[o] + sum over c of x[n, c] * W[o, c]``, where ``*`` is the cross-correlation; see `conv2d`.

    Parameters
    ----------
    in_channels : int
        Channels of the input.
    out_channels : int
        Channels of the output.
    kernel_size : int or tuple of int
        Of the window.
    stride : int or tuple of int, default 1
        From one window to the next.
    padding : int, tuple of int, "same" or "valid", default 0
        Elements added before and after each axis; ``"same"`` as many as keep its length, at stride 1.
    dilation : int or tuple of int, default 1
        From one element of the window to the next.
    groups : int, default 1
        Into how many groups channels are split, each of which sees its own; ``in_channels`` for a depthwise one.
    bias : bool, default True
        Whether ``b`` is added.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What is added: zeros, or elements as in `pad`.
    init : callable or str, optional
        What makes the weight, as in `Linear`. By default the weight, and the bias always, is uniform in
        ``±1/sqrt(in_channels / groups * prod(kernel_size))``, as in PyTorch.
    dtype : DType, default float32
        Of the parameters.

    Attributes
    ----------
    weight : Variable of shape [out_channels, in_channels / groups, *kernel_size]
    bias : Variable of shape [out_channels], or None

    Raises
    ------
    ShapeError
        When a number is not a positive integer, ``groups`` divides the channels unevenly, or an input does not fit.
    DataError
        When there is no such padding mode.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> layer = nn.Conv2d(3, 16, 3, stride=2, padding=1)
    >>> layer(la.zeros((8, 3, 32, 32))).shape
    (8, 16, 16, 16)
    >>> layer
    Conv2d(3, 16, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1))

    Source: Y. LeCun et al., "Gradient-based learning applied to document recognition", 1998, section II.
    """

    _axes = 2


class Conv3d(Convolution):
    """A convolution over three axes, of inputs [batch, channels, depth, height, width]; see `Conv2d`."""

    _axes = 3


class ConvTranspose1d(_Transposed):
    """A transposed convolution over one axis, of inputs [batch, channels, length]; see `ConvTranspose2d`."""

    _axes = 1


class ConvTranspose2d(_Transposed):
    """A transposed convolution over two axes, of inputs [batch, channels, height, width]; see `conv_transpose2d`.

    It is the adjoint of a `Conv2d` with the same settings and gives back its sizes.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int or tuple of int
    stride : int or tuple of int, default 1
    padding : int or tuple of int, default 0
        Elements left out before and after each axis: what the convolution was padded by.
    output_padding : int or tuple of int, default 0
        Elements more at the end of each axis, fewer than the stride or the dilation.
    groups : int, default 1
    bias : bool, default True
    dilation : int or tuple of int, default 1
    padding_mode : "zeros"
    init : callable or str, optional
        What makes the weight, as in `Linear`.
    dtype : DType, default float32

    Attributes
    ----------
    weight : Variable of shape [in_channels, out_channels / groups, *kernel_size]
    bias : Variable of shape [out_channels], or None

    Raises
    ------
    ShapeError
        When a number is not a positive integer, ``groups`` divides the channels unevenly, or an input does not fit.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.ConvTranspose2d(16, 3, 2, stride=2)(la.zeros((8, 16, 7, 7))).shape
    (8, 3, 14, 14)

    Source: M. D. Zeiler et al., "Deconvolutional networks", CVPR 2010.
    """

    _axes = 2


class ConvTranspose3d(_Transposed):
    """A transposed convolution over three axes, of inputs [batch, channels, depth, height, width].

    See `ConvTranspose2d`.
    """

    _axes = 3
