"""Where the windows of pooling lie, and the largest element of each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lamina.dtypes import int8, int32, integer_info
from lamina.errors import ShapeError
from lamina.functions.spatial import Sizes, sizes_of
from lamina.primitives import convolutions, reductions, shaping
from lamina.primitives.broadcasting import reshape
from lamina.primitives.composite import Composite
from lamina.primitives.elementwise import bitwise_or, equal, not_equal, where

if TYPE_CHECKING:
    from lamina.tensor import Tensor

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Windows:
    """How windows lie along the last axes of an input.

    Attributes
    ----------
    size, stride, dilation, low, high : tuple of int
        One number for each axis; ``low`` and ``high`` say how far they reach beyond its ends.
    """

    size: Shape
    stride: Shape
    dilation: Shape
    low: Shape
    high: Shape

    def seen(self, x: Tensor, outside: float) -> Tensor:
        """Return the windows of ``x`` [..., *sizes] as [..., *places, *size]; beyond the ends they see ``outside``."""
        if any((*self.low, *self.high)):
            rest = (0,) * (x.ndim - len(self.size))
            low, high = (*rest, *self.low), (*rest, *self.high)
            x = shaping.pad(x, low=low, high=high, interior=(0,) * x.ndim, value=outside)
        return convolutions.windows(x, size=self.size, stride=self.stride, dilation=self.dilation)

    def largest(self, x: Tensor) -> Tensor:
        """Return the largest element of every window; of several, the first one inside counts."""
        axes = len(self.size)
        numbers = self._numbers(x.shape[-axes:]) if any((*self.low, *self.high)) else None
        return largest(self.seen(x, lowest(x)), axes=axes, numbers=numbers)

    def _numbers(self, sizes: Shape) -> npt.NDArray[np.int64]:
        """Return falling numbers [*places, *size] for the elements of all windows, zero for those beyond the ends."""
        axes = len(sizes)
        numbers = _falling(self.size)
        for axis, length in enumerate(sizes):
            reach = self.dilation[axis] * (self.size[axis] - 1) + 1
            last = length + self.high[axis] - reach
            start = np.arange(-self.low[axis], last + 1, self.stride[axis])
            place = start[:, None] + self.dilation[axis] * np.arange(self.size[axis])
            at = [1] * (2 * axes)
            at[axis], at[axes + axis] = place.shape
            numbers = numbers * ((place >= 0) & (place < length)).reshape(at)
        return numbers


def windows_over(
    name: str,
    axes: int,
    sizes: Shape,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
) -> Windows:
    """Return where PyTorch's arguments put windows over axes of so many elements."""
    size, step, low = window_sizes(name, axes, kernel_size, stride, padding)
    apart = sizes_of(name, "dilation", dilation, axes)
    if any(before > (by * (count - 1) + 1) // 2 for before, count, by in zip(low, size, apart, strict=True)):
        raise ShapeError(
            f"{name}: padding {list(low)} must be at most half the window {list(size)}, "
            "so that every window sees an element"
        )
    return Windows(size, step, apart, low, _high(name, sizes, size, step, low, apart, ceil_mode))


def window_sizes(
    name: str, axes: int, kernel_size: Sizes, stride: Sizes | None, padding: Sizes
) -> tuple[Shape, Shape, Shape]:
    """Return by axis how long windows are, how far one lies from the next, and how far they reach beyond the ends."""
    size = sizes_of(name, "kernel_size", kernel_size, axes)
    step = size if stride is None else sizes_of(name, "stride", stride, axes)
    return size, step, sizes_of(name, "padding", padding, axes, 0)


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


# --- the largest ------------------------------------------------------------------------------------------


def lowest(x: Tensor) -> float:
    """Return what no element of the type of ``x`` is below."""
    return -math.inf if x.dtype.floating else integer_info(x.dtype).min


def _falling(window: Shape) -> npt.NDArray[np.int64]:
    """Return numbers for the elements of a window: the earlier one is, the larger."""
    return np.arange(math.prod(window), 0, -1).reshape(window)


def _largest(x: Tensor, *, axes: int, numbers: npt.NDArray[np.int64] | None = None) -> Tensor:
    return reductions.max_(x, axes=tuple(range(x.ndim - axes, x.ndim)), keepdims=False)


def _largest_rule(
    g: Tensor, y: Tensor, x: Tensor, *, axes: int, numbers: npt.NDArray[np.int64] | None = None
) -> Tensor:
    """One of the largest elements receives the whole cotangent: the first, as in PyTorch."""
    before = x.ndim - axes
    window, alone = x.shape[before:], (*x.shape[:before], *[1] * axes)
    kind = int8 if math.prod(window) <= integer_info(int8).max else int32
    # The largest number among the elements that are equal to the maximum is the first one's, and no other's.
    if numbers is None:
        number = x._constant(_falling(window), kind)
    else:
        # In memory places come last, as those of x do, so that vectors run along them.
        turned = np.ascontiguousarray(numbers.transpose(*range(axes, 2 * axes), *range(axes)))
        number = shaping.permute_dims(x._constant(turned, kind), axes=(*range(axes, 2 * axes), *range(axes)))
    candidates = where(is_largest(x, y, axes), number, x._constant(np.zeros(()), kind))
    first = reductions.max_(candidates, axes=tuple(range(before, x.ndim)), keepdims=True)
    return where(equal(number, first), reshape(g, shape=alone), x._scalar(0))


largest: Composite = Composite("max_pool", _largest, _largest_rule)
"""The largest element over the last ``axes`` axes; of several, the first counts.

With ``numbers``, which broadcast to the operand, that with the largest number counts; of those with zero, none does.
"""


def is_largest(x: Tensor, y: Tensor, axes: int) -> Tensor:
    """Tell which elements are the largest, ``y``, over the last ``axes`` axes; where there is a NaN, it is."""
    same = equal(x, reshape(y, shape=(*y.shape, *[1] * axes)))
    return bitwise_or(same, not_equal(x, x)) if x.dtype.floating else same
