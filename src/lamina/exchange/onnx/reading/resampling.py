"""What ONNX's operators that make images larger or smaller mean here.

Source: ONNX operator schemas, Resize: https://onnx.ai/onnx/operators/onnx__Resize.html
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

import lamina as la
from lamina.dtypes import int64
from lamina.errors import DataError
from lamina.exchange.onnx.reading.calls import Function
from lamina.exchange.onnx.reading.shapes import axis_of, check_size, numbers
from lamina.primitives import indexing
from lamina.tensor import Tensor

Places = npt.NDArray[np.float64]
Settings = dict[str, Any]

_ROUNDINGS: dict[str, Callable[[Places], Places]] = {
    "round_prefer_floor": lambda places: np.ceil(places - 0.5),
    "round_prefer_ceil": lambda places: np.floor(places + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}
MOST_PLACES = 2**20
"""Along an axis that is resized, since they are listed."""
_MODES = ("nearest", "linear", "cubic")


def _upsample(
    x: Tensor, factors: Tensor | None = None, /, *, mode: str = "nearest", scales: tuple[float, ...] | None = None
) -> Tensor:
    """Factors are an operand, and were an attribute before operator set 9."""
    found = list(scales or ()) if factors is None else _factors(factors)
    settings = {"coordinates": "asymmetric", "rounding": "floor"}
    return _resized(x, {"linear": "linear", "bilinear": "linear"}.get(mode, mode), settings, found, None, None)


def _resize(
    x: Tensor, second: Tensor | None = None, third: Tensor | None = None, fourth: Tensor | None = None, /, *,
    opset: int, antialias: int = 0, axes: tuple[int, ...] | None = None,
    coordinate_transformation_mode: str = "half_pixel", cubic_coeff_a: float = -0.75, exclude_outside: int = 0,
    extrapolation_value: float = 0.0, keep_aspect_ratio_policy: str = "stretch", mode: str = "nearest",
    nearest_mode: str = "round_prefer_floor",
) -> Tensor:  # fmt: skip
    """To sizes, or by factors; which are the second operand in operator set 10."""
    if antialias or coordinate_transformation_mode == "tf_crop_and_resize":
        raise DataError("resizing with antialias, or of a part of the image, is not supported")
    if opset < 11:
        if second is None:
            raise DataError("factors are missing")
        return _resized(x, mode, {"coordinates": "asymmetric", "rounding": "floor"}, _factors(second), None, axes)
    settings: Settings = {
        "coordinates": coordinate_transformation_mode, "rounding": nearest_mode, "slope": cubic_coeff_a,
        "inside": bool(exclude_outside), "policy": keep_aspect_ratio_policy,
    }  # fmt: skip
    factors = None if third is None or third.size == 0 else _factors(third)
    sizes = None if fourth is None or fourth.size == 0 else numbers("the sizes", fourth)
    return _resized(x, mode, settings, factors, sizes, axes)


def _factors(x: Tensor) -> list[float]:
    if not x._backend.has_values or x.ndim != 1 or not x.dtype.floating:
        raise DataError("the factors must be known before the model runs, one for each axis")
    found = [float(each) for each in x.numpy()]
    if not all(math.isfinite(each) and each > 0.0 for each in found):
        raise DataError(f"the factors {found} are not all positive")
    return found


def _resized(
    x: Tensor, mode: str, settings: Settings, factors: list[float] | None, sizes: list[int] | None,
    axes: tuple[int, ...] | None,
) -> Tensor:  # fmt: skip
    if mode not in _MODES or settings["rounding"] not in _ROUNDINGS:
        raise DataError(f"resizing by {mode!r} and {settings['rounding']!r} is not supported; only {', '.join(_MODES)}")
    places = list(range(x.ndim)) if axes is None else [axis_of(axis, x.ndim) for axis in axes]
    if len(set(places)) < len(places) or (factors is None) == (sizes is None):
        raise DataError("resizing needs sizes or factors, one of them, and each axis once")
    old = [x.shape[axis] for axis in places]
    if len(factors if sizes is None else sizes) != len(old):  # type: ignore[arg-type]
        raise DataError(f"{factors if sizes is None else sizes} do not fit {len(old)} axes")
    if factors is not None:
        new = [math.floor(size * by) for size, by in zip(old, factors, strict=True)]
    else:
        new, factors = _to_sizes(old, sizes or [], settings.get("policy", "stretch"))
    asked = dict(zip(places, new, strict=True))
    check_size("the result", [asked.get(at, size) for at, size in enumerate(x.shape)])
    for axis, size, by in zip(places, new, factors, strict=True):
        if size == x.shape[axis] and by == 1.0:
            continue
        if x.shape[axis] == 0:
            raise DataError(f"axis {axis} of the shape {list(x.shape)} cannot become {size}")
        check_size("the places", (size,), MOST_PLACES)
        x = _along(x, axis, _coordinates(settings["coordinates"], x.shape[axis], size, by), mode, settings)
    return x


def _to_sizes(old: list[int], wanted: list[int], policy: str) -> tuple[list[int], list[float]]:
    """Return the new sizes and the factors that they are, the same for all axes where the policy wants that."""
    if 0 in old:
        raise DataError(f"axes without elements cannot be resized: {old}")
    factors = [after / before for before, after in zip(old, wanted, strict=True)]
    if policy == "stretch":
        return wanted, factors
    if policy not in ("not_larger", "not_smaller") or not factors:
        raise DataError(f"there is no policy {policy!r}")
    same = min(factors) if policy == "not_larger" else max(factors)
    return [math.floor(same * size + 0.5) for size in old], [same] * len(old)


def _coordinates(kind: str, old: int, new: int, factor: float) -> Places:
    """Return where the new elements are, counted in old ones."""
    at: Places = np.arange(new, dtype=np.float64)
    if kind == "asymmetric":
        return at / factor
    if kind == "align_corners":
        return at * (old - 1) / (new - 1) if new > 1 else at
    if kind == "tf_half_pixel_for_nn":
        return (at + 0.5) / factor
    if kind == "pytorch_half_pixel" and new <= 1:
        return at * 0.0
    if kind == "half_pixel_symmetric":
        middle = old / 2.0
        return middle * (1.0 - new / (factor * old)) + (at + 0.5) / factor - 0.5
    if kind not in ("half_pixel", "pytorch_half_pixel"):
        raise DataError(f"there are no coordinates {kind!r}")
    return (at + 0.5) / factor - 0.5


def _along(x: Tensor, axis: int, places: Places, mode: str, settings: Settings) -> Tensor:
    size = x.shape[axis]
    if mode == "nearest":
        chosen = np.clip(_ROUNDINGS[settings["rounding"]](places), 0, size - 1).astype(np.int64)
        return indexing.take(x, x._constant(chosen, int64), axis=axis)
    if not x.dtype.floating:
        raise DataError(f"between {x.dtype.name} elements nothing is computed; only the nearest is taken")
    around, weights = _linear(places) if mode == "linear" else _cubic(places, settings.get("slope", -0.75))
    if settings.get("inside"):
        weights = np.where((around >= 0) & (around < size), weights, 0.0)
        weights = weights / weights.sum(axis=1, keepdims=True)
    taken = indexing.take(x, x._constant(np.clip(around, 0, size - 1), int64), axis=axis)
    shaped = weights.reshape((*weights.shape, *[1] * (x.ndim - axis - 1)))
    return la.sum(taken * taken._constant(shaped, x.dtype), axis=axis + 1, dtype=x.dtype)


def _linear(places: Places) -> tuple[npt.NDArray[np.int64], Places]:
    """Return the two elements around each place and their weights."""
    first = np.floor(places)
    after = places - first
    return first.astype(np.int64)[:, None] + np.arange(2), np.stack([1.0 - after, after], axis=1)


def _cubic(places: Places, a: float) -> tuple[npt.NDArray[np.int64], Places]:
    """Return the four elements around each place and the weights of Keys's cubic with slope ``a``."""
    first = np.floor(places)
    distance = np.abs((places - first)[:, None] - np.arange(-1, 3))
    near = ((a + 2.0) * distance - (a + 3.0)) * distance**2 + 1.0
    far = ((a * distance - 5.0 * a) * distance + 8.0 * a) * distance - 4.0 * a
    return first.astype(np.int64)[:, None] + np.arange(-1, 3), np.where(distance <= 1.0, near, far)


RESAMPLING: dict[str, Function] = {"Resize": _resize, "Upsample": _upsample}
