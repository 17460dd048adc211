"""What transforms share: checks of their settings, borders and ways to find a value between points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image, Resampling

# The ways to find a value between points, and the ways to go on beyond an edge, with the names that NumPy has for them.
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
PADDING_MODES = ("constant", "edge", "reflect", "symmetric")


def padded(image: Image, border: tuple[int, ...], fill: int, mode: str) -> Image:
    """Return the image with a border: left, top, right, bottom."""
    from PIL import Image as PillowImage, ImageOps

    if not any(border):
        return image
    if mode == "constant":
        return ImageOps.expand(image, border, filling(image, fill))
    left, top, right, bottom = border
    around = ((top, bottom), (left, right), (0, 0))[: np.asarray(image).ndim]
    modes: dict[str, Any] = {"mode": mode}
    return PillowImage.fromarray(np.pad(np.asarray(image), around, **modes))


def filling(image: Image, fill: int) -> int | tuple[int, ...]:
    """Return a grey value as the colour of an image of this kind."""
    return fill if image.mode == "L" else (fill,) * len(image.getbands())


def resampling(name: str) -> Resampling:
    """Return Pillow's way to find values between points, by its name in lower case."""
    from PIL.Image import Resampling

    return Resampling[name.upper()]


def extent_of(transform: str, name: str, size: Any) -> tuple[int, int]:
    """Return height and width, given as a pair or as one number for both."""
    height, width = (size, size) if isinstance(size, int) else size if _are_ints(size, 2) else (0, 0)
    if isinstance(size, bool) or min(height, width) < 1:
        raise DataError(f"{transform}: {name} is a whole number from 1 or a pair, height and width, got {size!r}")
    return height, width


def border_of(transform: str, padding: Any) -> tuple[int, int, int, int]:
    """Return the widths of a border, left, top, right, bottom: given as one, as two for the sides, or as all four."""
    if padding is None:
        return 0, 0, 0, 0
    sides = (padding,) if isinstance(padding, int) else padding
    if not any(_are_ints(sides, count) for count in (1, 2, 4)) or min(sides) < 0:
        raise DataError(f"{transform}: padding is a whole number from 0, a pair or four of them, got {padding!r}")
    left, top, right, bottom = (tuple(sides) * 4)[:4]
    return left, top, right, bottom


def _are_ints(values: Any, count: int) -> bool:
    return isinstance(values, tuple | list) and len(values) == count and all(type(value) is int for value in values)


def check_one_of(transform: str, name: str, value: str, known: tuple[str, ...]) -> None:
    """Refuse a setting that is none of the known ones."""
    if value not in known:
        raise DataError(f"{transform}: {name} is one of {', '.join(known)}, got {value!r}")


def check_byte(transform: str, fill: Any) -> None:
    """Refuse a grey value that no byte holds."""
    if type(fill) is not int or not 0 <= fill <= 255:
        raise DataError(f"{transform}: fill is a whole number from 0 to 255, got {fill!r}")


def check_probability(transform: str, p: float) -> None:
    """Refuse a number outside of 0 to 1."""
    if not 0.0 <= p <= 1.0:
        raise DataError(f"{transform}: p is a probability, got {p!r}")
