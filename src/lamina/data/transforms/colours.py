"""Transforms of the values of points: colours, grey, and the scale that a model is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lamina.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ColorJitter:
    """Change brightness, contrast, saturation and hue by random amounts, in a random order.

    Parameters
    ----------
    brightness, contrast, saturation : float or pair of float, default 0.0
        The factor is uniform between the two; a single number is ``(max(0, 1 - number), 1 + number)``.
    hue : float or pair of float, default 0.0
        What is added, as a share of the circle of colours, in [-0.5, 0.5]; a single number is ``(-hue, hue)``. A grey
        image has no hue.
    """

    brightness: float | tuple[float, float] = 0.0
    contrast: float | tuple[float, float] = 0.0
    saturation: float | tuple[float, float] = 0.0
    hue: float | tuple[float, float] = 0.0

    def __post_init__(self) -> None:
        for name in ("brightness", "contrast", "saturation"):
            low, high = self._range(name)
            if not 0.0 <= low <= high < np.inf:
                raise DataError(
                    f"ColorJitter: {name} is a number from 0 or a pair of them, got {getattr(self, name)!r}"
                )
        low, high = self._range("hue")
        if not -0.5 <= low <= high <= 0.5:
            raise DataError(f"ColorJitter: hue is in [0, 0.5] or a pair in [-0.5, 0.5], got {self.hue!r}")

    def _range(self, name: str) -> tuple[float, float]:
        value: float | tuple[float, float] = getattr(self, name)
        if isinstance(value, tuple):
            return value
        if name == "hue" or value < 0.0:
            return -value, value
        return max(0.0, 1.0 - value), 1.0 + value

    def __call__(self, image: Image, draw: np.random.Generator) -> Image:
        from PIL import ImageEnhance

        changes: dict[str, Callable[[Image, float], Image]] = {
            "brightness": lambda image, factor: ImageEnhance.Brightness(image).enhance(factor),
            "contrast": lambda image, factor: ImageEnhance.Contrast(image).enhance(factor),
            "saturation": lambda image, factor: ImageEnhance.Color(image).enhance(factor),
            "hue": _with_hue,
        }
        names = list(changes)
        for place in draw.permutation(len(names)):
            name = names[place]
            if getattr(self, name) != 0.0:
                image = changes[name](image, draw.uniform(*self._range(name)))
        return image


@dataclass(frozen=True)
class Grayscale:
    """Make an image grey: ``0.299 red + 0.587 green + 0.114 blue``.

    Source: ITU-R Recommendation BT.601.

    Parameters
    ----------
    num_output_channels : int, default 1
        1, or 3 equal ones.
    """

    num_output_channels: int = 1

    def __post_init__(self) -> None:
        if self.num_output_channels not in (1, 3):
            raise DataError(f"Grayscale: num_output_channels is 1 or 3, got {self.num_output_channels!r}")

    def __call__(self, image: Image, draw: np.random.Generator) -> Image:
        grey = image.convert("L")
        return grey if self.num_output_channels == 1 else grey.convert("RGB")


@dataclass(frozen=True)
class Normalize:
    """Shift and scale each channel: ``(x - mean) / std`` for ``x`` from 0 to 1.

    Parameters
    ----------
    mean, std : float or tuple of float
        One for each channel, or one for all.
    """

    mean: float | tuple[float, ...]
    std: float | tuple[float, ...]

    def __post_init__(self) -> None:
        mean, std = np.atleast_1d(self.mean), np.atleast_1d(self.std)
        if mean.ndim > 1 or std.ndim > 1 or not np.isfinite(mean).all() or not (np.isfinite(std) & (std > 0.0)).all():
            raise DataError(f"Normalize: mean is finite and std above 0, got {self.mean!r} and {self.std!r}")

    def __call__(self, pixels: Pixels) -> Pixels:
        """Return pixels of shape [channels, height, width], normalised."""
        mean, std = (np.atleast_1d(np.asarray(value, np.float32))[:, None, None] for value in (self.mean, self.std))
        if not {len(mean), len(std)} <= {1, len(pixels)}:
            raise DataError(
                f"Normalize: {max(len(mean), len(std))} means or deviations do not fit images of {len(pixels)} channels"
            )
        return (pixels - mean) / std


def _with_hue(image: Image, shift: float) -> Image:
    from PIL import Image as PillowImage

    if image.mode == "L":
        return image
    hue, saturation, value = image.convert("HSV").split()
    moved = np.asarray(hue) + np.uint8(int(shift * 255) % 256)
    return PillowImage.merge("HSV", (PillowImage.fromarray(moved), saturation, value)).convert(image.mode)
