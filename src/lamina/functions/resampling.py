"""Images and sequences made larger or smaller: by the nearest element, or by polynomials between elements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from lamina.dtypes import int64
from lamina.errors import DataError, ShapeError
from lamina.functions.adaptive_pooling import adaptive_avg_pool
from lamina.functions.operands import floating, tensor
from lamina.functions.reductions import sum
from lamina.functions.spatial import Sizes, sizes_of
from lamina.primitives import indexing
from lamina.primitives.broadcasting import broadcast_to, reshape

if TYPE_CHECKING:
    from lamina.tensor import Tensor

NDArray = npt.NDArray[np.float64]
Shape = tuple[int, ...]
Scale = float | Sequence[float]
InterpolationMode = Literal["nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area"]

# How many axes an image has in each mode; any number where not listed.
AXES = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
MODES = ("nearest", "nearest-exact", *AXES, "area")

# Of the cubic through four elements: PyTorch's and others', and Pillow's, which is Catmull-Rom.
CUBIC_SLOPE, PILLOW_SLOPE = -0.75, -0.5


def interpolate(
    x: Tensor,
    size: Sizes | None = None,
    scale_factor: Scale | None = None,
    mode: InterpolationMode = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Return ``x`` [batch, channels, *sizes] in other sizes.

    Parameters
    ----------
    x : Tensor of shape [batch, channels, *sizes], one to three sizes
    size : int or tuple of int, optional
        The sizes wanted; either these or ``scale_factor``.
    scale_factor : float or tuple of float, optional
        How many times longer each axis becomes, rounded down.
    mode : {"nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area"}
        The element at or below the place, or nearest to it; the line between two elements along each of one, two or
        three axes; the cubic through four along each of two; or the mean of what a place covers.
    align_corners : bool, default False
        For lines and cubics: whether the centres of the first and last elements stay at the ends, instead of their
        outer borders.
    recompute_scale_factor : bool, default False
        Whether places follow from the rounded sizes, as when ``size`` is given, rather than from ``scale_factor``.
    antialias : bool, default False
        For ``"bilinear"`` and ``"bicubic"``: whether smaller images are weighted means of all that a place covers, as
        Pillow makes them, the lines or cubics being as much wider; otherwise what lies between is passed over.

    Returns
    -------
    Tensor of shape [batch, channels, *size]

    Raises
    ------
    ShapeError
        When both or none of ``size`` and ``scale_factor`` are given, or they do not fit the axes.
    DataError
        When there is no such mode, or it has no corners to align or nothing to be made smooth.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.interpolate(la.asarray([[[1.0, 3.0]]]), size=4, mode="linear")
    Tensor([[[1. , 1.5, 2.5, 3. ]]], shape=[1, 1, 4], dtype=float32)

    Source: R. G. Keys, "Cubic convolution interpolation for digital image processing", 1981, for the cubic.
    """
    x = tensor("interpolate", x)
    axes = x.ndim - 2
    if mode not in MODES:
        raise DataError(f"interpolate: mode {mode!r} is not known; use one of {', '.join(MODES)}")
    if not 1 <= axes <= 3 or AXES.get(mode, axes) != axes:
        wanted = AXES.get(mode, "1 to 3")
        raise ShapeError(
            f"interpolate: {mode} wants [batch, channels] and {wanted} axes more, got shape {list(x.shape)}"
        )
    if align_corners is not None and mode not in AXES:
        raise DataError(f"interpolate: align_corners is for {', '.join(AXES)}, not for {mode!r}; leave it out")
    if antialias and mode not in ("bilinear", "bicubic"):
        raise DataError(f"interpolate: antialias is for bilinear and bicubic, not for {mode!r}; leave it out")
    sizes, scales = _wanted(x.shape[2:], size, scale_factor, bool(recompute_scale_factor))
    if mode == "area":
        return adaptive_avg_pool("interpolate", axes, x, sizes)
    if antialias:
        return _covered(floating("interpolate", x), sizes, scales, mode, bool(align_corners))
    if mode in AXES:
        return _between(floating("interpolate", x), sizes, scales, mode, bool(align_corners))
    for axis, (wanted, scale) in enumerate(zip(sizes, scales, strict=True), 2):
        if mode == "nearest-exact":
            x = _nearest(x, axis, wanted, scale, 0.5)
        else:
            # As in PyTorch, a factor that is rounded away, such as 1.3 of two elements, moves none of them.
            before = x.shape[axis]
            x = _nearest(x, axis, wanted, before / wanted if wanted in (before, 2 * before) else scale, 0.0)
    return x


def _wanted(
    old: Shape, size: Sizes | None, scale_factor: Scale | None, recompute: bool
) -> tuple[Shape, tuple[float, ...]]:
    """Return the new sizes, and how far apart their places are in the old ones."""
    if (size is None) == (scale_factor is None):
        raise ShapeError(f"interpolate: give size or scale_factor, one of them; got {size!r} and {scale_factor!r}")
    if 0 in old:
        raise ShapeError(f"interpolate: nothing to go by along an axis without elements: sizes {list(old)}")
    if size is not None:
        new = sizes_of("interpolate", "size", size, len(old))
        return new, tuple(before / after for before, after in zip(old, new, strict=True))
    factors = tuple(scale_factor) if isinstance(scale_factor, Sequence) else (scale_factor,) * len(old)
    if len(factors) != len(old) or not all(isinstance(each, int | float) and each > 0 for each in factors):
        raise ShapeError(
            f"interpolate: scale_factor must be a positive number or one for each of {len(old)} axes, "
            f"got {scale_factor!r}"
        )
    new = tuple(math.floor(before * float(each)) for before, each in zip(old, factors, strict=True))  # type: ignore[arg-type]
    if 0 in new:
        raise ShapeError(f"interpolate: scale_factor {scale_factor!r} leaves nothing of sizes {list(old)}")
    if recompute:
        return new, tuple(before / after for before, after in zip(old, new, strict=True))
    return new, tuple(1.0 / float(each) for each in factors)  # type: ignore[arg-type]


def _nearest(x: Tensor, axis: int, wanted: int, scale: float, offset: float) -> Tensor:
    size = x.shape[axis]
    if wanted == size and scale == 1.0:
        return x
    if wanted % size == 0 and scale == size / wanted:
        return _repeated(x, axis, wanted // size)
    # In single precision, as in PyTorch: a place just below an element would count for the one before it.
    places = (np.arange(wanted, dtype=np.float32) + np.float32(offset)) * np.float32(scale)
    chosen = np.minimum(np.floor(places).astype(np.int64), size - 1)
    return indexing.take(x, x._constant(chosen, int64), axis=axis)


def _repeated(x: Tensor, axis: int, times: int) -> Tensor:
    before, (size, *after) = x.shape[:axis], x.shape[axis:]
    wide = broadcast_to(reshape(x, shape=(*before, size, 1, *after)), shape=(*before, size, times, *after))
    return reshape(wide, shape=(*before, size * times, *after))


def _between(x: Tensor, sizes: Shape, scales: tuple[float, ...], mode: str, align_corners: bool) -> Tensor:
    """Return weighted sums of the elements around each place, one axis after another."""
    around = _cubic if mode == "bicubic" else _linear
    for axis, (wanted, scale) in enumerate(zip(sizes, scales, strict=True), 2):
        size = x.shape[axis]
        if wanted == size and (align_corners or scale == 1.0 or mode != "bicubic"):  # as in PyTorch
            continue
        if align_corners:
            places: NDArray = np.arange(wanted, dtype=np.float64) * ((size - 1) / (wanted - 1) if wanted > 1 else 0.0)
        else:
            places = (np.arange(wanted, dtype=np.float64) + 0.5) * scale - 0.5
        first, weights = around(places)
        shape, terms = (wanted, *(1,) * (x.ndim - axis - 1)), []
        for at, weight in enumerate(weights, first):
            chosen = np.clip(np.floor(places).astype(np.int64) + at, 0, size - 1)
            taken = indexing.take(x, x._constant(chosen, int64), axis=axis)
            terms.append(taken * x._constant(weight.reshape(shape), x.dtype))
        x = reduce(add, terms)
    return x


def _covered(x: Tensor, sizes: Shape, scales: tuple[float, ...], mode: str, align_corners: bool) -> Tensor:
    """Return weighted means of the elements that each place covers, one axis after another."""
    for axis, (wanted, scale) in enumerate(zip(sizes, scales, strict=True), 2):
        size = x.shape[axis]
        if align_corners:
            scale = (size - 1) / (wanted - 1) if wanted > 1 else 0.0
        chosen, weights = _covering(size, wanted, scale, cubic=mode == "bicubic")
        taken = indexing.take(x, x._constant(chosen.reshape(-1), int64), axis=axis)
        before, after = x.shape[:axis], x.shape[axis + 1 :]
        parts = reshape(taken, shape=(*before, *chosen.shape, *after))
        shape = (*chosen.shape, *(1,) * len(after))
        x = sum(parts * x._constant(weights.reshape(shape), x.dtype), axis=axis + 1)
    return x


def _covering(size: int, wanted: int, scale: float, cubic: bool) -> tuple[npt.NDArray[np.int64], NDArray]:
    """Return the elements that each place covers and their weights, [wanted, elements], the rest of weight zero."""
    wide = max(scale, 1.0)
    reach = (2.0 if cubic else 1.0) * wide
    centres = scale * (np.arange(wanted) + 0.5)
    first = np.maximum(np.trunc(centres - reach + 0.5), 0.0).astype(np.int64)
    last = np.minimum(np.trunc(centres + reach + 0.5), size).astype(np.int64)
    chosen = first[:, None] + np.arange(max(int((last - first).max()), 1))
    away = np.abs((chosen - centres[:, None] + 0.5) / wide)
    if cubic:
        heights = np.where(away < 1.0, _near(away, PILLOW_SLOPE), np.where(away < 2.0, _far(away, PILLOW_SLOPE), 0.0))
    else:
        heights = np.maximum(1.0 - away, 0.0)
    weights = np.where(chosen < last[:, None], heights, 0.0)
    return np.minimum(chosen, size - 1), weights / weights.sum(axis=1, keepdims=True)


def _linear(places: NDArray) -> tuple[int, list[NDArray]]:
    """Return the weights of the elements at and after each place."""
    after = places - np.floor(places)
    return 0, [1.0 - after, after]


def _cubic(places: NDArray) -> tuple[int, list[NDArray]]:
    """Return the weights of four elements around each place, from the one before on."""
    return -1, cubic_weights(places - np.floor(places))


def cubic_weights(after: Any) -> list[Any]:
    """Return the weights of four elements, of which the second is so far, from 0 to 1, before a place."""
    a = CUBIC_SLOPE
    return [_far(after + 1.0, a), _near(after, a), _near(1.0 - after, a), _far(2.0 - after, a)]


def _near(t: Any, a: float) -> Any:
    """Return the cubic of slope ``a`` at a distance ``t`` up to 1 from its centre."""
    return ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0


def _far(t: Any, a: float) -> Any:
    """Return the cubic of slope ``a`` at a distance ``t`` from 1 to 2 from its centre."""
    return ((a * t - 5.0 * a) * t + 8.0 * a) * t - 4.0 * a
