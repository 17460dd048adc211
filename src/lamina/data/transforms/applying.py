"""The table of transforms, and one after another applied to an image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.data.transforms.colours import ColorJitter, Grayscale, Normalize, Pixels
from lamina.data.transforms.orientation import RandomHorizontalFlip, RandomRotation, RandomVerticalFlip
from lamina.data.transforms.sizes import CenterCrop, RandomCrop, RandomResizedCrop, Resize
from lamina.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

Transform = Callable[["Image", np.random.Generator], "Image"]

_SIZES = (Resize, CenterCrop, RandomCrop, RandomResizedCrop)
_ORIENTATION = (RandomHorizontalFlip, RandomVerticalFlip, RandomRotation)
_COLOURS = (ColorJitter, Grayscale, Normalize)

TRANSFORMS: dict[str, type[Any]] = {kind.__name__: kind for kind in (*_SIZES, *_ORIENTATION, *_COLOURS)}
"""Every transform by its name."""


def apply(transforms: Sequence[Transform | Normalize], image: Image, draw: np.random.Generator) -> Pixels:
    """Return an image as a model is given it, after transforms.

    Parameters
    ----------
    transforms : sequence of transforms
        A `Normalize` can only be the last one.
    image : PIL.Image.Image
        Of mode ``"L"`` or ``"RGB"``.
    draw : numpy.random.Generator

    Returns
    -------
    float32 array of shape [channels, height, width], from 0 to 1 before `Normalize`
    """
    last = None
    for transform in transforms:
        if isinstance(transform, Normalize):
            last = transform
        else:
            image = transform(image, draw)
    points = np.asarray(image)
    planes = points[None] if points.ndim == 2 else points.transpose(2, 0, 1)
    pixels = planes.astype(np.float32, order="C")
    pixels /= np.float32(255.0)
    return pixels if last is None else last(pixels)


def checked(transforms: Any) -> tuple[Transform | Normalize, ...]:
    """Return transforms as a tuple.

    Raises
    ------
    DataError
        When something cannot be called, or a `Normalize` is not the last.
    """
    found = tuple(transforms) if isinstance(transforms, Sequence) else (transforms,)
    for place, transform in enumerate(found):
        if isinstance(transform, type) or not callable(transform):
            raise DataError(f"transforms: {transform!r} is no transform; {', '.join(TRANSFORMS)} are, made with (...)")
        if isinstance(transform, Normalize) and place + 1 < len(found):
            raise DataError(f"transforms: Normalize comes last, since {found[place + 1]!r} takes an image of bytes")
    return found
