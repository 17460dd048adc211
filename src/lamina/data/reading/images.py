"""Folders of images, a folder for each class, read by Pillow."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lamina.data.dataset import Dataset
from lamina.data.reading.columns import MOST_COLUMNS, array_columns, table_from
from lamina.data.reading.image_files import class_files, class_folders, opened, upright
from lamina.data.reading.source import Source
from lamina.data.table import Table
from lamina.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

GREY = ("1", "L", "LA", "I;16")


def read_images(folder: str | Path, *, size: tuple[int, int] | None = None, grey: bool | None = None) -> Dataset:
    """Read images from a folder that has a folder for each class.

    Parameters
    ----------
    folder : str or Path
        ``folder/cats/1.png``, ``folder/dogs/a/2.jpg`` and so on. The folders' names, in their order, are the classes.
        PNG, JPEG, BMP, GIF (the first picture), WebP, TIFF and PPM are read.
    size : pair of int, optional
        Height and width to which every image is scaled; when None, all must have the same.
    grey : bool, optional
        Whether images become grey (one channel) or coloured (three); when None, grey if all of them are.

    Returns
    -------
    Dataset
        ``inputs`` are float32 of shape [rows, channels, height, width] from 0 to 1; ``targets`` are int64.

    Raises
    ------
    DataError
        When there are no images or fewer than two classes, sizes differ, a link leads out of the folder, or a file is
        damaged, too large to be meant, or no image.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> from lamina.data import read_images
    >>> with TemporaryDirectory() as folder:
    ...     for kind, colour in (("dark", 0), ("light", 255)):
    ...         (Path(folder) / kind).mkdir()
    ...         Image.new("L", (4, 3), colour).save(Path(folder) / kind / "1.png")
    ...     data = read_images(folder)
    >>> data.inputs.shape, data.classes
    ((2, 1, 3, 4), ('dark', 'light'))
    """
    pixels, targets, classes = _pixels(Path(folder), size, grey)
    inputs = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).astype(np.float32)
    inputs /= np.float32(255.0)
    return Dataset(inputs, targets, classes=classes, name=str(folder))


def read_image_table(source: Source) -> Table:
    """Read a folder of images as a table of pixels with the column ``class``."""
    folder = source.path
    if not class_folders(folder):
        raise DataError(
            f"{folder}: this is a folder; give a file, or a folder of images that has a folder for each class"
        )
    pixels, targets, classes = _pixels(folder, None, None)
    if pixels[0].size > MOST_COLUMNS:
        raise DataError(f"{folder}: images of {pixels[0].size:,} numbers are too large for a table; use read_images")
    labels = np.array(classes, dtype=object)[targets]
    squeezed = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    return table_from(str(folder), array_columns(str(folder), {"x": squeezed, "class": labels}))


def _pixels(
    folder: Path, size: tuple[int, int] | None, grey: bool | None
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], tuple[str, ...]]:
    if size is not None and (len(size) != 2 or not all(type(n) is int and n > 0 for n in size)):
        raise DataError(f"{folder}: size is {size!r}; it is a pair of whole numbers from 1, height and width")
    groups = class_files(folder)
    files = [folder / file for group in groups.values() for file in group]
    extent, coloured = _common(files, size, grey)
    channels = 3 if coloured else 1
    pixels = np.empty((len(files), *extent, channels), np.uint8)
    for row, file in enumerate(files):
        with _opened(file) as image:
            pixels[row] = _decoded(image, extent, coloured).reshape(*extent, channels)
    targets = np.repeat(np.arange(len(groups)), [len(group) for group in groups.values()])
    return pixels, targets, tuple(groups)


def _common(files: list[Path], size: tuple[int, int] | None, grey: bool | None) -> tuple[tuple[int, int], bool]:
    """Return height and width, and whether there is colour, from the headers of all images."""
    extents: dict[tuple[int, int], Path] = {}
    coloured = False
    for file in files:
        with _opened(file) as image:
            extents.setdefault((image.height, image.width), file)
            coloured |= image.mode not in GREY
    if size is None and len(extents) > 1:
        (one, first), (other, second) = list(extents.items())[:2]
        raise DataError(
            f"{first} is {one[0]} by {one[1]} pixels, {second} {other[0]} by {other[1]}; give size=(height, width), to "
            "which every image is scaled"
        )
    return size or next(iter(extents)), coloured if grey is None else not grey


@contextmanager
def _opened(file: Path) -> Iterator[Image]:
    """Open an image; what Pillow only warns of, damage that it reads past, is refused too."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with opened(file) as image:
            yield image


def _decoded(image: Image, extent: tuple[int, int], coloured: bool) -> npt.NDArray[Any]:
    from PIL.Image import Resampling

    found = upright(image, coloured)
    if (found.height, found.width) != extent:
        found = found.resize((extent[1], extent[0]), Resampling.BILINEAR)
    return np.asarray(found)
