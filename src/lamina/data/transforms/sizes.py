"""Transforms that change the size of an image: scaled, or a part of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lamina.data.transforms.settings import (
    INTERPOLATIONS,
    PADDING_MODES,
    border_of,
    check_byte,
    check_one_of,
    extent_of,
    padded,
    resampling,
)
from lamina.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Resize:
    """Scale an image, averaging over the points that become one.

    Parameters
    ----------
    size : int or pair of int
        Height and width; a single number is that of the shorter side, and the other one keeps the proportion.
    interpolation : str, default "bilinear"
        ``"nearest"``, ``"bilinear"``, ``"bicubic"`` or ``"lanczos"``.
    """

    size: int | tuple[int, int]
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        extent_of("Resize", "size", self.size)
        check_one_of("Resize", "interpolation", self.interpolation, INTERPOLATIONS)

    def __call__(self, image: Image, draw: np.random.Generator) -> Image:
        if isinstance(self.size, int):
            shorter = min(image.size)
            width, height = (self.size * side // shorter for side in image.size)
        else:
            height, width = self.size
        return image if (width, height) == image.size else image.resize((width, height), resampling(self.interpolation))


@dataclass(frozen=True)
class CenterCrop:
    """Cut out the middle; where an image is smaller, it is set into black.

    Parameters
    ----------
    size : int or pair of int
        Height and width; a single number is both.
    """

    size: int | tuple[int, int]

    def __post_init__(self) -> None:
        extent_of("CenterCrop", "size", self.size)

    def __call__(self, image: Image, draw: np.random.Generator) -> Image:
        height, width = extent_of("CenterCrop", "size", self.size)
        if image.height < height or image.width < width:
            across, down = max(0, width - image.width), max(0, height - image.height)
            border = (across // 2, down // 2, across - across // 2, down - down // 2)
            image = padded(image, border, 0, "constant")
        top, left = round((image.height - height) / 2), round((image.width - width) / 2)
        return image.crop((left, top, left + width, top + height))


@dataclass(frozen=True)
class RandomCrop:
    """Cut out a part at a random place.

    Parameters
    ----------
    size : int or pair of int
        Height and width; a single number is both.
    padding : int, pair or four of int, optional
        A border put around the image before: on all sides; left and right, top and bottom; or left, top, right, bottom.
    pad_if_needed : bool, default False
        Whether a smaller image is padded to the size rather than refused.
    fill : int, default 0
        The value of a constant border.
    padding_mode : str, default "constant"
        ``"constant"``, ``"edge"``, ``"reflect"`` or ``"symmetric"``.
    """

    size: int | tuple[int, int]
    padding: int | tuple[int, ...] | None = None
    pad_if_needed: bool = False
    fill: int = 0
    padding_mode: str = "constant"

    def __post_init__(self) -> None:
        extent_of("RandomCrop", "size", self.size)
        check_one_of("RandomCrop", "padding_mode", self.padding_mode, PADDING_MODES)
        check_byte("RandomCrop", self.fill)
        border_of("RandomCrop", self.padding)

    def __call__(self, image: Image, draw: np.random.Generator) -> Image:
        height, width = extent_of("RandomCrop", "size", self.size)
        image = padded(image, border_of("RandomCrop", self.padding), self.fill, self.padding_mode)
        if self.pad_if_needed:
            across, down = max(0, width - image.width), max(0, height - image.height)
            image = padded(image, (across, down, across, down), self.fill, self.padding_mode)
        if image.height < height or image.width < width:
            raise DataError(
                f"RandomCrop: an image of {image.height} by {image.width} is smaller than {height} by {width}; "
                "resize it before, or set pad_if_needed=True"
            )
        top = int(draw.integers(0, image.height - height + 1))
        left = int(draw.integers(0, image.width - width + 1))
        return image.crop((left, top, left + width, top + height))


@dataclass(frozen=True)
class RandomResizedCrop:
    """Cut out a part of random area and proportion and scale it.

    Source: C. Szegedy et al., "Going deeper with convolutions", CVPR 2015, section 6.

    Parameters
    ----------
    size : int or pair of int
        Height and width of the result; a single number is both.
    scale : pair of float, default (0.08, 1.0)
        The share of the area.
    ratio : pair of float, default (3/4, 4/3)
        Width by height; its logarithm is uniform.
    interpolation : str, default "bilinear"
        As in `Resize`.
    """

    size: int | tuple[int, int]
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        extent_of("RandomResizedCrop", "size", self.size)
        check_one_of("RandomResizedCrop", "interpolation", self.interpolation, INTERPOLATIONS)
        if not 0.0 < self.scale[0] <= self.scale[1] <= 1.0 or not 0.0 < self.ratio[0] <= self.ratio[1]:
            raise DataError(f"RandomResizedCrop: scale={self.scale} lies in (0, 1] and ratio={self.ratio} above 0")

    def __call__(self, image: Image, draw: np.random.Generator) -> Image:
        left, top, width, height = self._part(image.width, image.height, draw)
        extent = extent_of("RandomResizedCrop", "size", self.size)
        return Resize(extent, self.interpolation)(image.crop((left, top, left + width, top + height)), draw)

    def _part(self, across: int, down: int, draw: np.random.Generator) -> tuple[int, int, int, int]:
        for _ in range(10):
            area = across * down * draw.uniform(*self.scale)
            ratio = np.exp(draw.uniform(*np.log(self.ratio)))
            width, height = round(np.sqrt(area * ratio)), round(np.sqrt(area / ratio))
            if 0 < width <= across and 0 < height <= down:
                left, top = int(draw.integers(0, across - width + 1)), int(draw.integers(0, down - height + 1))
                return left, top, width, height
        # The largest part in the middle of a proportion that is allowed.
        allowed = min(max(across / down, self.ratio[0]), self.ratio[1])
        width, height = min(across, max(1, round(down * allowed))), min(down, max(1, round(across / allowed)))
        return (across - width) // 2, (down - height) // 2, width, height
