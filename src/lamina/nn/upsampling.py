"""Layers that change the size of images, and cut them into windows. The functions are in `lamina.functions`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.functions import patches
from lamina.functions.resampling import InterpolationMode, Scale, interpolate
from lamina.functions.spatial import Sizes
from lamina.nn.function_layers import FunctionLayer, settings
from lamina.nn.module import Module
from lamina.tensor import Tensor


class Upsample(Module):
    """Inputs [batch, channels, *sizes] in other sizes; see `interpolate`.

    Parameters
    ----------
    size : int or tuple of int, optional
        The sizes wanted; either these or ``scale_factor``.
    scale_factor : float or tuple of float, optional
        How many times longer each axis becomes.
    mode : {"nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area"}
    align_corners : bool, default False
        Whether the centres of the first and last elements stay at the ends, instead of their outer borders.
    recompute_scale_factor : bool, default False
        Whether places follow from the rounded sizes rather than from ``scale_factor``.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.Upsample(scale_factor=2)(la.asarray([[[1.0, 2.0]]]))
    Tensor([[[1., 1., 2., 2.]]], shape=[1, 1, 4], dtype=float32)
    """

    def __init__(
        self,
        size: Sizes | None = None,
        scale_factor: Scale | None = None,
        mode: InterpolationMode = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        self.size = size
        self.scale_factor: Any = scale_factor
        if isinstance(scale_factor, Sequence):
            self.scale_factor = tuple(map(float, scale_factor))
        elif scale_factor:
            self.scale_factor = float(scale_factor)
        self.mode: InterpolationMode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def __call__(self, x: Tensor) -> Tensor:
        """Return ``x`` in the sizes wanted."""
        return interpolate(x, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor)

    def extra_repr(self) -> str:
        size = f"size={self.size}" if self.scale_factor is None else f"scale_factor={self.scale_factor}"
        return f"{size}, mode={self.mode!r}"


@settings
class PixelShuffle(FunctionLayer):
    """Channels traded for pixels: [..., channels * r**2, height, width] as [..., channels, height * r, width * r].

    See `pixel_shuffle`.

    Parameters
    ----------
    upscale_factor : int
        The factor ``r``.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.PixelShuffle(3)(la.zeros((1, 9, 4, 4))).shape
    (1, 1, 12, 12)

    Source: W. Shi et al., CVPR 2016, equation 4.
    """

    upscale_factor: int

    def __call__(self, x: Tensor) -> Tensor:
        """Return ``x`` with fewer channels and more pixels."""
        return patches.pixel_shuffle(x, self.upscale_factor)


@settings
class PixelUnshuffle(FunctionLayer):
    """Pixels traded for channels, which undoes `PixelShuffle`; see `pixel_unshuffle`.

    Parameters
    ----------
    downscale_factor : int
        The factor ``r``.
    """

    downscale_factor: int

    def __call__(self, x: Tensor) -> Tensor:
        """Return ``x`` with more channels and fewer pixels."""
        return patches.pixel_unshuffle(x, self.downscale_factor)


@settings
class ChannelShuffle(FunctionLayer):
    """Channels dealt out from groups, so that convolutions in groups see all of them; see `channel_shuffle`.

    Parameters
    ----------
    groups : int

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.ChannelShuffle(2)(la.zeros((1, 4, 2, 2))).shape
    (1, 4, 2, 2)

    Source: X. Zhang et al., "ShuffleNet", CVPR 2018, section 3.1.
    """

    groups: int

    def __call__(self, x: Tensor) -> Tensor:
        """Return ``x`` with its channels in another order."""
        return patches.channel_shuffle(x, self.groups)


@settings
class Unfold(FunctionLayer):
    """The windows of images as columns; see `unfold`.

    Parameters
    ----------
    kernel_size : int or tuple of int
    dilation : int or tuple of int, default 1
    padding : int or tuple of int, default 0
    stride : int or tuple of int, default 1

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.Unfold(2, stride=2)(la.zeros((1, 3, 4, 4))).shape
    (1, 12, 4)
    """

    kernel_size: Sizes
    dilation: Sizes = 1
    padding: Sizes = 0
    stride: Sizes = 1

    def __call__(self, x: Tensor) -> Tensor:
        """Return columns of shape [batch, channels * prod(kernel_size), windows]."""
        return patches.unfold(x, self.kernel_size, self.dilation, self.padding, self.stride)


@settings
class Fold(FunctionLayer):
    """Images whose windows are columns, added up where they overlap; see `fold`.

    Parameters
    ----------
    output_size : int or tuple of int
        Height and width of the image.
    kernel_size : int or tuple of int
    dilation : int or tuple of int, default 1
    padding : int or tuple of int, default 0
    stride : int or tuple of int, default 1
    """

    output_size: Sizes
    kernel_size: Sizes
    dilation: Sizes = 1
    padding: Sizes = 0
    stride: Sizes = 1

    def __call__(self, x: Tensor) -> Tensor:
        """Return images of shape [batch, channels, height, width]."""
        return patches.fold(x, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)
