"""Images looked at through a grid of places: samples between elements, and the grids of affine maps."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import reduce
from operator import add, mul
from typing import TYPE_CHECKING, Literal

import numpy as np

from lamina.dtypes import int64
from lamina.errors import DataError, ShapeError
from lamina.functions.elementwise import floor, round
from lamina.functions.operands import common, floating
from lamina.functions.products import matmul
from lamina.functions.resampling import cubic_weights
from lamina.functions.spatial import sizes_of
from lamina.primitives import indexing
from lamina.primitives.broadcasting import broadcast_to, reshape
from lamina.primitives.contraction import transposed
from lamina.primitives.elementwise import astype, bitwise_and, less, less_equal, not_equal, where
from lamina.primitives.shaping import part, permute_dims

if TYPE_CHECKING:
    from lamina.tensor import Tensor

GridMode = Literal["bilinear", "nearest", "bicubic"]
GridPadding = Literal["zeros", "border", "reflection"]
MODES, PADDINGS = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: GridMode = "bilinear",
    padding_mode: GridPadding = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Return what images show at the places of a grid, between elements too.

    Parameters
    ----------
    input : Tensor of shape [n, channels, height, width] or [n, channels, depth, height, width]
    grid : Tensor of shape [n, out_height, out_width, 2] or [n, out_depth, out_height, out_width, 3]
        Places ``(x, y)`` or ``(x, y, z)``: -1 is one end of an axis and 1 the other; NaN counts as -1.
    mode : {"bilinear", "nearest", "bicubic"}
        The mean of the elements around a place by how near they are (of eight in volumes), the nearest element, or the
        cubic through sixteen, which volumes have not.
    padding_mode : {"zeros", "border", "reflection"}
        What is beyond the ends: zeros, the outermost elements, or the image reflected.
    align_corners : bool, default False
        Whether the ends are the centres of the outermost elements, instead of their outer borders.

    Returns
    -------
    Tensor of shape [n, channels, *out]

    Raises
    ------
    ShapeError
        When the shapes do not fit together, or an axis of the images has no elements.
    DataError
        When there is no such mode.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> image = la.asarray([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> nn.grid_sample(image, la.asarray([[[[0.0, 0.0], [1.0, -1.0]]]]), align_corners=True)
    Tensor([[[[2.5, 2. ]]]], shape=[1, 1, 1, 2], dtype=float32)

    Source: M. Jaderberg et al., "Spatial transformer networks", NIPS 2015, section 3.3.
    """
    x, grid = common("grid_sample", floating("grid_sample", input), floating("grid_sample", grid))
    axes = x.ndim - 2
    if axes not in (2, 3) or grid.ndim != x.ndim or (grid.shape[0], grid.shape[-1]) != (x.shape[0], axes):
        raise ShapeError(
            "grid_sample: expected images [n, channels, height, width] and a grid [n, out_height, out_width, 2], or "
            f"with a depth and 3; got shapes {list(x.shape)} and {list(grid.shape)}"
        )
    if 0 in x.shape[2:]:
        raise ShapeError(f"grid_sample: images of shape {list(x.shape)} have no elements along an axis")
    if mode not in MODES or padding_mode not in PADDINGS or (mode == "bicubic" and axes == 3):
        raise DataError(
            f"grid_sample: mode is one of {', '.join(MODES)} (bicubic for images only) and padding_mode one of "
            f"{', '.join(PADDINGS)}; got {mode!r} and {padding_mode!r}"
        )
    return _Sampling(x, padding_mode, bool(align_corners)).at(grid, mode)


class _Sampling:
    """Images to look at: ``rows`` holds the channels of every place of every image."""

    def __init__(self, x: Tensor, padding: str, align_corners: bool) -> None:
        self.sizes, self.padding, self.align_corners = x.shape[2:], padding, align_corners
        self.count, self.channels = x.shape[:2]
        last = permute_dims(x, axes=(0, *range(2, x.ndim), 1))
        self.rows = reshape(last, shape=(self.count * math.prod(self.sizes), self.channels))

    def at(self, grid: Tensor, mode: str) -> Tensor:
        """Return the images at places [n, *out, axes], of shape [n, channels, *out]."""
        axes = len(self.sizes)
        # The last coordinate is the first axis.
        given = [
            reshape(part(grid, grid.ndim - 1, axes - 1 - axis, axes - axis), shape=grid.shape[:-1])
            for axis in range(axes)
        ]
        places = [self._place(each, size) for each, size in zip(given, self.sizes, strict=True)]
        if mode != "bicubic":
            places = [self._inside(each, size) for each, size in zip(places, self.sizes, strict=True)]
        if mode == "nearest":
            found = self._seen([round(each._untracked) for each in places])
        else:
            found = self._between(places, mode)
        return permute_dims(found, axes=(0, found.ndim - 1, *range(1, found.ndim - 1)))

    def _between(self, places: list[Tensor], mode: str) -> Tensor:
        """Return sums of the elements around places, weighted by how near they are."""
        before = [floor(each._untracked) for each in places]
        after = [place - at for place, at in zip(places, before, strict=True)]
        if mode == "bicubic":
            first, weights = -1, [cubic_weights(each) for each in after]
        else:
            first, weights = 0, [[1.0 - each, each] for each in after]
        terms = []
        for steps in itertools.product(*(range(len(each)) for each in weights)):
            weight = reduce(mul, (each[step] for each, step in zip(weights, steps, strict=True)))
            corner = [at + float(first + step) for at, step in zip(before, steps, strict=True)]
            if mode == "bicubic":
                corner = [self._inside(each, size) for each, size in zip(corner, self.sizes, strict=True)]
            terms.append(self._seen(corner) * reshape(weight, shape=(*weight.shape, 1)))
        return reduce(add, terms)

    def _place(self, given: Tensor, size: int) -> Tensor:
        """Return coordinates from -1 to 1 as places of elements."""
        given = where(not_equal(given, given), given._scalar(-1.0), given)
        return (given + 1.0) * ((size - 1) / 2.0) if self.align_corners else ((given + 1.0) * size - 1.0) * 0.5

    def _inside(self, place: Tensor, size: int) -> Tensor:
        """Return places moved to where the image is, if what is beyond its ends is made of it."""
        if self.padding == "zeros":
            return place
        if self.padding == "reflection":
            place = self._reflected(place, size)
        low, high = place._scalar(0.0), place._scalar(size - 1.0)
        return where(less_equal(place, low), low, where(less(place, high), place, high))

    def _reflected(self, place: Tensor, size: int) -> Tensor:
        low, span = (0.0, size - 1.0) if self.align_corners else (-0.5, float(size))
        if span == 0.0:
            return place._full(place.shape, 0.0)
        moved = place - low
        moved = where(less(moved, moved._scalar(0.0)), -moved, moved)
        turns = floor(moved._untracked / span)
        rest = moved - turns * span
        odd = not_equal(turns - 2.0 * floor(turns / 2.0), turns._scalar(0.0))
        return where(odd, span - rest, rest) + low

    def _seen(self, corner: list[Tensor]) -> Tensor:
        """Return the channels [n, *out, channels] of elements, whole numbers; zero beyond the ends."""
        # The image that each place is in, and then the element, axis by axis.
        images = np.arange(self.count).reshape(-1, *[1] * (corner[0].ndim - 1))
        number = broadcast_to(corner[0]._constant(images, int64), shape=corner[0].shape)
        here = []
        for each, size in zip(corner, self.sizes, strict=True):
            low, high = each._scalar(0.0), each._scalar(size - 1.0)
            here.append(bitwise_and(less_equal(low, each), less_equal(each, high)))
            number = number * size + astype(where(here[-1], each, low), dtype=int64)
        found, inside = indexing.take(self.rows, number, axis=0), reduce(bitwise_and, here)
        return where(reshape(inside, shape=(*inside.shape, 1)), found, found._scalar(0.0))


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """Return the grid for `grid_sample` that shows images through affine maps.

    Parameters
    ----------
    theta : Tensor of shape [n, 2, 3] or [n, 3, 4]
        Maps of places ``(x, y, 1)`` or ``(x, y, z, 1)`` of the result to places of the image.
    size : sequence of int
        Of the result of `grid_sample`, [n, channels, height, width] or with a depth.
    align_corners : bool, default False
        As `grid_sample` is to have it.

    Returns
    -------
    Tensor of shape [n, height, width, 2] or [n, depth, height, width, 3]

    Raises
    ------
    ShapeError
        When the shapes do not fit together.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> mirrored = la.asarray([[[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    >>> nn.affine_grid(mirrored, (1, 1, 1, 2), align_corners=True)
    Tensor([[[[ 1.,  0.],
              [-1.,  0.]]]], shape=[1, 1, 2, 2], dtype=float32)

    Source: M. Jaderberg et al., "Spatial transformer networks", NIPS 2015, equation 1.
    """
    theta = floating("affine_grid", theta)
    axes = theta.shape[1] if theta.ndim == 3 else 0
    if axes not in (2, 3) or theta.shape[2] != axes + 1 or len(size) != axes + 2 or size[0] != theta.shape[0]:
        raise ShapeError(
            "affine_grid: maps [n, 2, 3] take a size [n, channels, height, width] and maps [n, 3, 4] one with a depth; "
            f"got shape {list(theta.shape)} and size {list(size)}"
        )
    sizes = sizes_of("affine_grid", "size", tuple(size[2:]), axes)
    lines = [_line(length, bool(align_corners)) for length in sizes]
    # The first coordinate is along the last axis.
    places = np.stack([*np.meshgrid(*lines, indexing="ij")[::-1], np.ones(sizes)], axis=-1).reshape(-1, axes + 1)
    found = matmul(theta._constant(places, theta.dtype), transposed(theta))
    return reshape(found, shape=(theta.shape[0], *sizes, axes))


def _line(length: int, align_corners: bool) -> np.ndarray:
    if length == 1:
        return np.zeros(1)
    ends = np.linspace(-1.0, 1.0, length)
    return ends if align_corners else ends * ((length - 1) / length)
