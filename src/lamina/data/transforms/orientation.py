"""Transforms that turn an image: mirrored, or by an angle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.data.transforms.settings import (
    INTERPOLATIONS,
    check_byte,
    check_one_of,
    check_probability,
    filling,
    resampling,
)
from lamina.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class RandomHorizontalFlip:
    """Exchange left and right with a probability ``p``."""

    p: float = 0.5

    def __post_init__(self) -> None:
        check_probability("RandomHorizontalFlip", self.p)

    def __call__(self, image: Image, draw: np.random.Generator) -> Image:
        from PIL.Image import Transpose

        return image.transpose(Transpose.FLIP_LEFT_RIGHT) if draw.random() < self.p else image


@dataclass(frozen=True)
class RandomVerticalFlip:
    """Exchange top and bottom with a probability ``p``."""

    p: float = 0.5

    def __post_init__(self) -> None:
        check_probability("RandomVerticalFlip", self.p)

    def __call__(self, image: Image, draw: np.random.Generator) -> Image:
        from PIL.Image import Transpose

        return image.transpose(Transpose.FLIP_TOP_BOTTOM) if draw.random() < self.p else image


@dataclass(frozen=True)
class RandomRotation:
    """Turn an image around its middle by a random angle; its size stays.

    Parameters
    ----------
    degrees : float or pair of float
        The angle is uniform between the two, counter-clockwise; a single number is ``(-degrees, degrees)``.
    interpolation : str, default "nearest"
        ``"nearest"``, ``"bilinear"`` or ``"bicubic"``.
    fill : int, default 0
        The value of what was outside.
    """

    degrees: float | tuple[float, float]
    interpolation: str = "nearest"
    fill: int = 0

    def __post_init__(self) -> None:
        check_one_of("RandomRotation", "interpolation", self.interpolation, INTERPOLATIONS[:3])
        check_byte("RandomRotation", self.fill)
        low, high = self._range()
        if not -np.inf < low <= high < np.inf:
            raise DataError(f"RandomRotation: degrees are a number from 0 or a pair of them, got {self.degrees!r}")

    def _range(self) -> tuple[float, float]:
        return self.degrees if isinstance(self.degrees, tuple) else (-self.degrees, self.degrees)

    def __call__(self, image: Image, draw: np.random.Generator) -> Image:
        resample: Any = resampling(self.interpolation)
        return image.rotate(draw.uniform(*self._range()), resample, fillcolor=filling(image, self.fill))
