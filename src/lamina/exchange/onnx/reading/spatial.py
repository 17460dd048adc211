"""What ONNX's operators of convolution and pooling mean here: images [batch, channels, *sizes]."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

import lamina as la
from lamina.dtypes import bool_
from lamina.errors import DataError
from lamina.exchange.onnx.reading.calls import Function
from lamina.exchange.onnx.reading.shapes import MOST_LISTED, check_size
from lamina.functions.padding import spread
from lamina.functions.pooling_windows import Windows
from lamina.primitives import convolutions
from lamina.tensor import Tensor

Shape = tuple[int, ...]


@dataclass(frozen=True)
class _Windows(Windows):
    """Windows of which the last need not be whole.

    Attributes
    ----------
    beyond : tuple of int
        How far the last window reaches beyond the padding.
    """

    beyond: Shape


def _windows(
    x: Tensor, size: Shape | None, strides: Shape | None, dilations: Shape | None, pads: Shape | None, auto_pad: str,
    ceil_mode: int = 0,
) -> _Windows:  # fmt: skip
    axes = _axes(x)
    size = _numbers("the window", size, axes, 1)
    stride, apart = _numbers("strides", strides, axes, 1), _numbers("dilations", dilations, axes, 1)
    reach = [by * (count - 1) + 1 for by, count in zip(apart, size, strict=True)]
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        places = [-(length // -step) for length, step in zip(x.shape[2:], stride, strict=True)]
        total = [
            max((count - 1) * step + far - length, 0)
            for count, step, far, length in zip(places, stride, reach, x.shape[2:], strict=True)
        ]
        low, high = _halves(total, auto_pad == "SAME_UPPER")
    else:
        low, high = _pads(pads, axes, auto_pad)
    beyond = [0] * axes
    for axis, (length, step, far) in enumerate(zip(x.shape[2:], stride, reach, strict=True)):
        whole = length + low[axis] + high[axis] - far
        if ceil_mode and auto_pad == "NOTSET" and whole >= 0:
            count = -(whole // -step) + 1
            # The last window begins before the end.
            count -= (count - 1) * step >= length + low[axis]
            beyond[axis] = max((count - 1) * step - whole, 0)
    return _Windows(size, stride, apart, low, high, tuple(beyond))


def _axes(x: Tensor) -> int:
    if x.ndim < 3:
        raise DataError(f"expected [batch, channels, *sizes], got the shape {list(x.shape)}")
    return x.ndim - 2


def _numbers(what: str, given: Shape | None, axes: int, least: int, default: int = 1) -> Shape:
    found = (default,) * axes if given is None else given
    if len(found) != axes or min(found) < least:
        raise DataError(f"{what}: {axes} numbers of at least {least} are expected, got {list(found)}")
    return found


def _pads(pads: Shape | None, axes: int, auto_pad: str) -> tuple[Shape, Shape]:
    if auto_pad not in ("NOTSET", "VALID"):
        raise DataError(f"there is no padding {auto_pad!r}")
    found = _numbers("pads", pads if auto_pad == "NOTSET" else None, 2 * axes, 0, 0)
    return found[:axes], found[axes:]


def _halves(total: list[int], more_after: bool) -> tuple[Shape, Shape]:
    """Return numbers split in two, the odd one after or before."""
    less, more = tuple(each // 2 for each in total), tuple(each - each // 2 for each in total)
    return (less, more) if more_after else (more, less)


def _around(x: Tensor, low: Shape, high: Shape, interior: Shape | None = None) -> Tensor:
    """Return an image with zeros put around it and between its elements."""
    between = (0,) * (x.ndim - 2) if interior is None else interior
    _check_around(x, low, high, between)
    return spread("Pad", x, (0, 0, *low), (0, 0, *high), (0, 0, *between), 0)


def _check_around(x: Tensor, low: Shape, high: Shape, interior: Shape | None = None) -> None:
    between = (0,) * (x.ndim - 2) if interior is None else interior
    sizes = zip(x.shape[2:], low, high, between, strict=True)
    check_size("the padded input", [*x.shape[:2], *(max(a + b + c + max(a - 1, 0) * d, 0) for a, b, c, d in sizes)])


# --- convolutions -----------------------------------------------------------------------------------------


def _conv(
    x: Tensor, w: Tensor, bias: Tensor | None = None, /, *, auto_pad: str = "NOTSET",
    dilations: tuple[int, ...] | None = None, group: int = 1, kernel_shape: tuple[int, ...] | None = None,
    pads: tuple[int, ...] | None = None, strides: tuple[int, ...] | None = None,
) -> Tensor:  # fmt: skip
    seen = _windows(x, _window(w, kernel_shape), strides, dilations, pads, auto_pad)
    wide = _around(x, seen.low, seen.high)
    y = convolutions.convolution(wide, w, stride=seen.stride, dilation=seen.dilation, groups=group)
    return _biased(y, bias)


def _conv_transpose(
    x: Tensor, w: Tensor, bias: Tensor | None = None, /, *, auto_pad: str = "NOTSET",
    dilations: tuple[int, ...] | None = None, group: int = 1, kernel_shape: tuple[int, ...] | None = None,
    output_padding: tuple[int, ...] | None = None, output_shape: tuple[int, ...] | None = None,
    pads: tuple[int, ...] | None = None, strides: tuple[int, ...] | None = None,
) -> Tensor:  # fmt: skip
    axes = _axes(x)
    size = _window(w, kernel_shape)
    stride, apart = _numbers("strides", strides, axes, 1), _numbers("dilations", dilations, axes, 1)
    more = _numbers("output_padding", output_padding, axes, 0, 0)
    if len(size) != axes or group < 1 or w.shape[0] % group or w.shape[0] != x.shape[1]:
        raise DataError(f"weights {list(w.shape)} in {group} groups do not fit an input of shape {list(x.shape)}")
    reach = [by * (count - 1) for by, count in zip(apart, size, strict=True)]
    whole = [
        (length - 1) * step + far + 1 + extra
        for length, step, far, extra in zip(x.shape[2:], stride, reach, more, strict=True)
    ]
    same = auto_pad in ("SAME_UPPER", "SAME_LOWER")
    if output_shape is not None:
        wanted: Shape | None = _numbers("the shape of the result", output_shape[-axes:], axes, 0)
    else:
        wanted = tuple(length * step for length, step in zip(x.shape[2:], stride, strict=True)) if same else None
    if wanted is None:
        low, high = _pads(pads, axes, auto_pad)
    else:
        low, high = _taken(whole, wanted, auto_pad == "SAME_UPPER")
    before = tuple(far - gone for far, gone in zip(reach, low, strict=True))
    after = tuple(far - gone + extra for far, gone, extra in zip(reach, high, more, strict=True))
    wide = _around(x, before, after, interior=tuple(step - 1 for step in stride))
    turned = convolutions.backwards(w, group)
    return _biased(convolutions.convolution(wide, turned, stride=(1,) * axes, dilation=apart, groups=group), bias)


def _taken(whole: list[int], wanted: Shape, more_after: bool) -> tuple[Shape, Shape]:
    """Return how much to take away at each end for a size that is wanted; where it is longer, it grows at the end."""
    total = [size - asked for size, asked in zip(whole, wanted, strict=True)]
    low, high = _halves([max(each, 0) for each in total], more_after)
    return low, tuple(gone + min(each, 0) for gone, each in zip(high, total, strict=True))


def _window(w: Tensor, kernel_shape: Shape | None) -> Shape:
    if w.ndim < 3 or kernel_shape not in (None, w.shape[2:]):
        raise DataError(f"weights of shape {list(w.shape)} have no window {list(kernel_shape or ())}")
    return w.shape[2:]


def _biased(y: Tensor, bias: Tensor | None) -> Tensor:
    if bias is None:
        return y
    if bias.shape != (y.shape[1],):
        raise DataError(f"a bias of shape {list(bias.shape)} does not fit {y.shape[1]} channels")
    return y + bias.reshape((y.shape[1], *[1] * (y.ndim - 2)))


# --- pooling ----------------------------------------------------------------------------------------------


def _whole(x: Tensor, windows: _Windows) -> Windows:
    """Return windows of which the last is whole."""
    high = tuple(end + more for end, more in zip(windows.high, windows.beyond, strict=True))
    _check_around(x, windows.low, high)
    return Windows(windows.size, windows.stride, windows.dilation, windows.low, high)


def _max_pool(
    x: Tensor, /, *, outputs: int, kernel_shape: tuple[int, ...], auto_pad: str = "NOTSET", ceil_mode: int = 0,
    dilations: tuple[int, ...] | None = None, pads: tuple[int, ...] | None = None, storage_order: int = 0,
    strides: tuple[int, ...] | None = None,
) -> Tensor:  # fmt: skip
    if outputs > 1:
        raise DataError("the places of the largest elements are not supported, only the elements")
    if x.dtype is bool_:
        raise DataError("expected numbers, got bool")
    return _whole(x, _windows(x, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)).largest(x)


def _average_pool(
    x: Tensor, /, *, kernel_shape: tuple[int, ...], auto_pad: str = "NOTSET", ceil_mode: int = 0,
    count_include_pad: int = 0, dilations: tuple[int, ...] | None = None, pads: tuple[int, ...] | None = None,
    strides: tuple[int, ...] | None = None,
) -> Tensor:  # fmt: skip
    windows = _windows(x, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    total = _sums(x, windows)
    if not any((*windows.low, *windows.high, *windows.beyond)):
        return total / float(math.prod(windows.size))
    for axis, counted in enumerate(_counted(x.shape[2:], total.shape[2:], windows, bool(count_include_pad))):
        total = total / total._constant(counted.reshape((-1, *[1] * (total.ndim - axis - 3))), total.dtype)
    return total


def _sums(x: Tensor, windows: _Windows) -> Tensor:
    axes = len(windows.size)
    return la.sum(_whole(x, windows).seen(x, 0), axis=tuple(range(2 + axes, 2 + 2 * axes)), dtype=x.dtype)


def _counted(sizes: Shape, counts: Shape, windows: _Windows, with_padding: bool) -> list[np.ndarray]:
    """Return for every axis how many elements of each window count."""
    found = []
    for axis, (length, count) in enumerate(zip(sizes, counts, strict=True)):
        check_size("the places", (count,), MOST_LISTED)
        start = np.arange(count) * windows.stride[axis] - windows.low[axis]
        first, end = (-windows.low[axis], length + windows.high[axis]) if with_padding else (0, length)
        apart = windows.dilation[axis]
        before = np.maximum(-((start - first) // apart), 0)
        after = np.minimum((end - 1 - start) // apart, windows.size[axis] - 1)
        found.append(np.maximum(after - before + 1, 0))
    return found


def _lp_pool(
    x: Tensor, /, *, kernel_shape: tuple[int, ...], auto_pad: str = "NOTSET", ceil_mode: int = 0,
    dilations: tuple[int, ...] | None = None, p: int = 2, pads: tuple[int, ...] | None = None,
    strides: tuple[int, ...] | None = None,
) -> Tensor:  # fmt: skip
    windows = _windows(x, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    return _root(_sums(la.pow(la.abs(x), float(p)), windows), p)


def _global_average_pool(x: Tensor, /) -> Tensor:
    return la.mean(x, axis=_places(x), keepdims=True)


def _global_max_pool(x: Tensor, /) -> Tensor:
    return la.max(x, axis=_places(x), keepdims=True)


def _global_lp_pool(x: Tensor, /, *, p: int = 2) -> Tensor:
    return _root(la.sum(la.pow(la.abs(x), float(p)), axis=_places(x), keepdims=True, dtype=x.dtype), p)


def _root(x: Tensor, p: int) -> Tensor:
    if p < 1:
        raise DataError(f"the norm must be at least 1, got {p}")
    return la.pow(x, 1.0 / p)


def _places(x: Tensor) -> Shape:
    return tuple(range(2, 2 + _axes(x)))


SPATIAL: dict[str, Function] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "LpPool": _lp_pool,
    "GlobalMaxPool": _global_max_pool,
    "GlobalAveragePool": _global_average_pool,
    "GlobalLpPool": _global_lp_pool,
}
