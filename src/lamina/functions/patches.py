"""Windows as columns and back, channels traded for pixels or among groups. Names and arguments are PyTorch's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lamina.errors import ShapeError
from lamina.functions.operands import tensor
from lamina.functions.padding import spread
from lamina.functions.spatial import Sizes, batched, sizes_of, spatial
from lamina.primitives import convolutions
from lamina.primitives.broadcasting import reshape
from lamina.primitives.shaping import permute_dims

if TYPE_CHECKING:
    from lamina.tensor import Tensor

Shape = tuple[int, ...]


def unfold(x: Tensor, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1) -> Tensor:
    """Return the windows of ``x`` [batch, channels, height, width] as columns.

    Parameters
    ----------
    x : Tensor of shape [batch, channels, height, width] or [channels, height, width]
    kernel_size : int or tuple of int
        Of the window.
    dilation : int or tuple of int, default 1
        From one element of the window to the next.
    padding : int or tuple of int, default 0
        Zeros added at each end.
    stride : int or tuple of int, default 1
        From one window to the next.

    Returns
    -------
    Tensor of shape [batch, channels * prod(kernel_size), windows]

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.unfold(la.zeros((2, 3, 8, 8)), 4, stride=4).shape
    (2, 48, 4)
    """
    x = spatial("unfold", x, 2)
    size, apart, around, step = _settings("unfold", kernel_size, dilation, padding, stride)
    batch = batched(x, 2)
    wide = spread("unfold", batch, (0, 0, *around), (0, 0, *around), (0,) * 4)
    seen = convolutions.windows(wide, size=size, stride=step, dilation=apart)
    shape = (*batch.shape[:1], batch.shape[1] * math.prod(size), math.prod(seen.shape[2:4]))
    columns = reshape(permute_dims(seen, axes=(0, 1, 4, 5, 2, 3)), shape=shape)
    return columns if x.ndim == 4 else reshape(columns, shape=columns.shape[1:])


def fold(
    x: Tensor, output_size: Sizes, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
) -> Tensor:
    """Return the image whose windows are the columns of ``x``, added up where they overlap: the adjoint of `unfold`.

    Parameters
    ----------
    x : Tensor of shape [batch, channels * prod(kernel_size), windows], or without a batch
    output_size : int or tuple of int
        Height and width of the image.
    kernel_size, dilation, padding, stride : int or tuple of int
        As for `unfold`.

    Returns
    -------
    Tensor of shape [batch, channels, height, width]

    Raises
    ------
    ShapeError
        When an image of this size has not as many windows, or the channels are no multiple of the window.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.fold(la.ones((1, 4, 4)), (3, 3), 2)
    Tensor([[[[1., 2., 1.],
              [2., 4., 2.],
              [1., 2., 1.]]]], shape=[1, 1, 3, 3], dtype=float32)
    """
    x = tensor("fold", x)
    size, apart, around, step = _settings("fold", kernel_size, dilation, padding, stride)
    image = sizes_of("fold", "output_size", output_size, 2)
    wide = tuple(length + 2 * more for length, more in zip(image, around, strict=True))
    places = tuple(
        (length - by * (count - 1) - 1) // each + 1
        for length, count, each, by in zip(wide, size, step, apart, strict=True)
    )
    if x.ndim not in (2, 3) or x.shape[-2] % math.prod(size) or x.shape[-1] != math.prod(places) or min(places) < 1:
        raise ShapeError(
            f"fold: an image of sizes {list(image)} has {list(places)} windows of {list(size)}: expected "
            f"[batch, channels * {math.prod(size)}, {math.prod(places)}], got shape {list(x.shape)}"
        )
    batch, channels = (x.shape[0] if x.ndim == 3 else 1), x.shape[-2] // math.prod(size)
    seen = permute_dims(reshape(x, shape=(batch, channels, *size, *places)), axes=(0, 1, 4, 5, 2, 3))
    added = convolutions.added_windows(seen, wide, step, apart)
    less = (0, 0, *(-more for more in around))
    result = spread("fold", added, less, less, (0,) * 4)
    return result if x.ndim == 3 else reshape(result, shape=result.shape[1:])


def _settings(
    name: str, kernel_size: Sizes, dilation: Sizes, padding: Sizes, stride: Sizes
) -> tuple[Shape, Shape, Shape, Shape]:
    return (
        sizes_of(name, "kernel_size", kernel_size, 2),
        sizes_of(name, "dilation", dilation, 2),
        sizes_of(name, "padding", padding, 2, 0),
        sizes_of(name, "stride", stride, 2),
    )


def pixel_shuffle(x: Tensor, upscale_factor: int) -> Tensor:
    """Return ``x`` [..., channels * r**2, height, width] as [..., channels, height * r, width * r].

    Parameters
    ----------
    x : Tensor
    upscale_factor : int
        The factor ``r``.

    Raises
    ------
    ShapeError
        When the channels are no multiple of ``r**2``.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.pixel_shuffle(la.reshape(la.arange(4), (4, 1, 1)), 2)
    Tensor([[[0, 1],
             [2, 3]]], shape=[1, 2, 2], dtype=int64)

    Source: W. Shi et al., CVPR 2016, equation 4.
    """
    x, (r,) = tensor("pixel_shuffle", x), sizes_of("pixel_shuffle", "upscale_factor", upscale_factor, 1)
    if x.ndim < 3 or x.shape[-3] % (r * r):
        raise ShapeError(
            f"pixel_shuffle: expected [..., channels, height, width] with a multiple of {r * r} channels, "
            f"got shape {list(x.shape)}"
        )
    before, (channels, height, width), first = x.shape[:-3], x.shape[-3:], x.ndim - 3
    split = reshape(x, shape=(*before, channels // (r * r), r, r, height, width))
    turned = permute_dims(split, axes=(*range(first + 1), first + 3, first + 1, first + 4, first + 2))
    return reshape(turned, shape=(*before, channels // (r * r), height * r, width * r))


def pixel_unshuffle(x: Tensor, downscale_factor: int) -> Tensor:
    """Return ``x`` [..., channels, height * r, width * r] as [..., channels * r**2, height, width].

    It undoes `pixel_shuffle`.

    Parameters
    ----------
    x : Tensor
    downscale_factor : int
        The factor ``r``.

    Raises
    ------
    ShapeError
        When height or width is no multiple of ``r``.
    """
    x, (r,) = tensor("pixel_unshuffle", x), sizes_of("pixel_unshuffle", "downscale_factor", downscale_factor, 1)
    if x.ndim < 3 or x.shape[-2] % r or x.shape[-1] % r:
        raise ShapeError(
            f"pixel_unshuffle: expected [..., channels, height, width] with multiples of {r} rows and columns, "
            f"got shape {list(x.shape)}"
        )
    before, (channels, height, width), first = x.shape[:-3], x.shape[-3:], x.ndim - 3
    split = reshape(x, shape=(*before, channels, height // r, r, width // r, r))
    turned = permute_dims(split, axes=(*range(first + 1), first + 2, first + 4, first + 1, first + 3))
    return reshape(turned, shape=(*before, channels * r * r, height // r, width // r))


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Return ``x`` with its channels dealt out: the first of each group, then the second of each, and so on.

    Parameters
    ----------
    x : Tensor of shape [batch, channels, ...]
    groups : int
        Into how many groups of neighbours the channels are divided.

    Returns
    -------
    Tensor
        In the shape of ``x``.

    Raises
    ------
    ShapeError
        When the channels are no multiple of ``groups``.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.channel_shuffle(la.reshape(la.arange(4), (1, 4, 1)), 2).flatten()
    Tensor([0, 2, 1, 3], shape=[4], dtype=int64)

    Source: X. Zhang et al., "ShuffleNet", CVPR 2018, section 3.1.
    """
    x, (groups,) = tensor("channel_shuffle", x), sizes_of("channel_shuffle", "groups", groups, 1)
    if x.ndim < 3 or x.shape[1] % groups:
        raise ShapeError(
            f"channel_shuffle: expected [batch, channels, ...] with a multiple of {groups} channels and a place, "
            f"got shape {list(x.shape)}"
        )
    batch, channels, *sizes = x.shape
    dealt = permute_dims(reshape(x, shape=(batch, groups, channels // groups, math.prod(sizes))), axes=(0, 2, 1, 3))
    return reshape(dealt, shape=(batch, channels, *sizes))
