"""Convolutions over one, two and three axes, and their transposes. Names and arguments are PyTorch's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from lamina.errors import ShapeError
from lamina.functions.operands import common, tensor
from lamina.functions.padding import padded
from lamina.functions.spatial import NAMES, Sizes, batched, sizes_of, spatial
from lamina.primitives.broadcasting import reshape
from lamina.primitives.padded_convolutions import padded_convolution, transposed_convolution

if TYPE_CHECKING:
    from lamina.tensor import Tensor

Shape = tuple[int, ...]
Padding = Sizes | Literal["same", "valid"]


def conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Return the convolution of ``x`` [batch, channels, length]; see `conv2d`."""
    return convolve("conv1d", 1, x, weight, bias, stride, padding, dilation, groups)


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Return the convolution (cross-correlation) of ``x`` [batch, channels, height, width] with ``weight``.

    ``y[n, o, i, j] = b[o] + sum over c, k, l of x[n, c, i*stride + k*dilation, j*stride + l*dilation] * w[o, c, k, l]``
    where ``c`` runs over the channels of the group of ``o``, and ``x`` is zero outside.

    Parameters
    ----------
    x : Tensor of shape [batch, channels, height, width] or [channels, height, width]
    weight : Tensor of shape [outputs, channels / groups, *window]
    bias : Tensor of shape [outputs], optional
    stride : int or tuple of int, default 1
        From one window to the next.
    padding : int, tuple of int, "same" or "valid", default 0
        Zeros before and after each axis; ``"same"`` as many as keep its length (at stride 1, one more after than
        before where their number is odd), ``"valid"`` none.
    dilation : int or tuple of int, default 1
        From one element of a window to the next.
    groups : int, default 1
        Channels and outputs are split into as many groups, each of which sees its own; as many as channels is a
        depthwise convolution.

    Returns
    -------
    Tensor of shape [batch, outputs, *(sizes + 2 * padding - dilation * (window - 1) - 1) // stride + 1]

    Raises
    ------
    ShapeError
        When shapes, groups or settings do not fit, or a window is longer than the padded input.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> edges = la.asarray([[[[1.0, -1.0]]]])
    >>> nn.conv2d(la.asarray([[[0.0, 0.0, 3.0, 3.0]]]), edges)
    Tensor([[[ 0., -3.,  0.]]], shape=[1, 1, 3], dtype=float32)

    Source: V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", 2016, relationship 15.
    """
    return convolve("conv2d", 2, x, weight, bias, stride, padding, dilation, groups)


def conv3d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Return the convolution of ``x`` [batch, channels, depth, height, width]; see `conv2d`."""
    return convolve("conv3d", 3, x, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """Return the transposed convolution of ``x`` [batch, channels, length]; see `conv_transpose2d`."""
    return convolve_back("conv_transpose1d", 1, x, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """Return the transposed convolution of ``x`` [batch, channels, height, width]: the adjoint of `conv2d`.

    Every element of ``x`` adds its multiple of the window to the output, ``stride`` from one to the next.

    Parameters
    ----------
    x : Tensor of shape [batch, channels, height, width] or [channels, height, width]
    weight : Tensor of shape [channels, outputs / groups, *window]
    bias : Tensor of shape [outputs], optional
    stride : int or tuple of int, default 1
    padding : int or tuple of int, default 0
        Elements left out before and after each axis: what the convolution was padded by.
    output_padding : int or tuple of int, default 0
        Elements more at the end of each axis, fewer than the stride or the dilation: a strided convolution makes
        outputs of one length from inputs of several.
    groups : int, default 1
    dilation : int or tuple of int, default 1

    Returns
    -------
    Tensor of shape [batch, outputs, *(sizes - 1) * stride - 2 * padding + dilation * (window - 1) + output_padding + 1]

    Raises
    ------
    ShapeError
        When shapes, groups or settings do not fit.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.conv_transpose2d(la.ones((1, 1, 2, 2)), la.ones((1, 1, 2, 2)), stride=2).shape
    (1, 1, 4, 4)

    Source: V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", 2016, relationship 14.
    """
    return convolve_back("conv_transpose2d", 2, x, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """Return the transposed convolution of ``x`` [batch, channels, depth, height, width]; see `conv_transpose2d`."""
    return convolve_back("conv_transpose3d", 3, x, weight, bias, stride, padding, output_padding, groups, dilation)


# --- over any number of axes ------------------------------------------------------------------------------


def paddings(name: str, padding: Padding, window: Shape, stride: Shape, dilation: Shape) -> tuple[Shape, Shape]:
    """Return how many elements a padding adds before and after each axis.

    Raises
    ------
    ShapeError
        For ``"same"`` with a stride, which has no such meaning, and what is neither a number nor a name.
    """
    if padding == "valid":
        return (0,) * len(window), (0,) * len(window)
    if padding == "same":
        if max(stride, default=1) > 1:
            raise ShapeError(
                f'{name}: padding="same" keeps lengths at stride 1, got stride {list(stride)}; give numbers'
            )
        total = [apart * (size - 1) for apart, size in zip(dilation, window, strict=True)]
        return tuple(each // 2 for each in total), tuple(each - each // 2 for each in total)
    if isinstance(padding, str):
        raise ShapeError(f'{name}: padding must be a number, one for each axis, "same" or "valid", got {padding!r}')
    same = sizes_of(name, "padding", padding, len(window), 0)
    return same, same


def convolve(
    name: str,
    axes: int,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sizes,
    padding: Padding,
    dilation: Sizes,
    groups: int,
    mode: str = "constant",
) -> Tensor:
    """Return the convolution over the last axes of ``x``; ``mode`` says what it is padded with, as in `padded`."""
    x, weight = _operands(name, axes, x, weight)
    stride, dilation = sizes_of(name, "stride", stride, axes), sizes_of(name, "dilation", dilation, axes)
    groups = _groups(name, groups)
    low, high = paddings(name, padding, weight.shape[2:], stride, dilation)
    batch = batched(x, axes)
    if mode != "constant":
        batch = padded(name, batch, (0, 0, *low), (0, 0, *high), mode)
        low = high = (0,) * axes
    y = padded_convolution(batch, weight, low=low, high=high, stride=stride, dilation=dilation, groups=groups)
    return _biased(name, y, bias, x.ndim == axes + 2)


def convolve_back(
    name: str,
    axes: int,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sizes,
    padding: Sizes,
    output_padding: Sizes,
    groups: int,
    dilation: Sizes,
) -> Tensor:
    """Return the transposed convolution over the last axes of ``x``."""
    x, weight = _operands(name, axes, x, weight)
    stride, dilation = sizes_of(name, "stride", stride, axes), sizes_of(name, "dilation", dilation, axes)
    padding, more = (
        sizes_of(name, "padding", padding, axes, 0),
        sizes_of(name, "output_padding", output_padding, axes, 0),
    )
    groups = _groups(name, groups)
    channels = x.shape[-axes - 1]
    if weight.shape[0] != channels or channels % groups:
        raise ShapeError(
            f"{name}: weights of shape {list(weight.shape)} take {weight.shape[0]} channels in {groups} groups, "
            f"and an input of shape {list(x.shape)} has {channels}"
        )
    if any(extra >= max(step, apart) for extra, step, apart in zip(more, stride, dilation, strict=True)):
        raise ShapeError(
            f"{name}: output_padding {list(more)} must be less than the stride {list(stride)} or the dilation "
            f"{list(dilation)} along each axis"
        )
    high = tuple(each - extra for each, extra in zip(padding, more, strict=True))
    y = transposed_convolution(
        batched(x, axes), weight, low=padding, high=high, stride=stride, dilation=dilation, groups=groups
    )
    return _biased(name, y, bias, x.ndim == axes + 2)


def _operands(name: str, axes: int, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    x, weight = common(name, spatial(name, x, axes), tensor(name, weight))
    if weight.ndim != axes + 2:
        raise ShapeError(
            f"{name}: expected weights of {axes + 2} axes, the last of them {NAMES[axes]}, "
            f"got shape {list(weight.shape)}"
        )
    return x, weight


def _groups(name: str, groups: int) -> int:
    return sizes_of(name, "groups", groups, 1)[0]


def _biased(name: str, y: Tensor, bias: Tensor | None, batch: bool) -> Tensor:
    if bias is not None:
        bias = tensor(name, bias)
        if bias.shape != (y.shape[1],):
            raise ShapeError(f"{name}: expected a bias of shape [{y.shape[1]}], got {list(bias.shape)}")
        y = y + reshape(bias, shape=(y.shape[1],) + (1,) * (y.ndim - 2))
    return y if batch else reshape(y, shape=y.shape[1:])
