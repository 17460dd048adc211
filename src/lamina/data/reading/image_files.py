"""Files of images: found in a folder for each class, opened and decoded by Pillow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lamina.data.table import listed
from lamina.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

# Formats of pixels only: others (EPS, PDF) start programs, or hold more than pictures.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
# A small file can say that it is an enormous picture; a picture of a larger camera is not what networks are given.
MOST_PIXELS = 50_000_000
# Folders in folders: more of them are a mistake, or meant to be one.
MOST_DEPTH = 16


def class_folders(folder: Path) -> list[str]:
    """Return the names of the folders in a folder, in order, without hidden ones."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder}: this folder cannot be read: {error}") from error


def class_files(folder: Path) -> dict[str, list[str]]:
    """Return the images of each class, in order, as paths from the folder.

    Raises
    ------
    DataError
        When there are no images or fewer than two classes, or a link leads out of the folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder")
    root = folder.resolve()
    groups = {name: sorted(_images(folder, root, name, 0)) for name in class_folders(folder)}
    groups = {name: files for name, files in groups.items() if files}
    if len(groups) < 2:
        raise DataError(
            f"{folder}: images of at least two classes are needed, each in a folder of its own, but there are "
            f"{f'only those of {listed(list(groups))}' if groups else 'none'}; images end in {' '.join(SUFFIXES)}"
        )
    return groups


def _images(folder: Path, root: Path, inside: str, depth: int) -> Iterator[str]:
    """Yield the images in a folder and those in it."""
    if depth == MOST_DEPTH:
        raise DataError(f"{folder / inside}: folders lie more than {MOST_DEPTH} deep in each other")
    if (folder / inside).is_symlink():
        raise DataError(f"{folder / inside}: this is a link to a folder, which is not followed; put the folder here")
    try:
        with os.scandir(folder / inside) as entries:
            found = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder / inside}: this folder cannot be read: {error}") from error
    for entry in found:
        name = f"{inside}/{entry.name}"
        if entry.is_dir():
            yield from _images(folder, root, name, depth + 1)
        elif os.path.splitext(entry.name)[1].lower() in SUFFIXES:
            if entry.is_symlink() and not (folder / name).resolve().is_relative_to(root):
                raise DataError(f"{folder / name}: this is a link to outside of {folder}; copy the image there")
            if not entry.is_file():
                raise DataError(f"{folder / name}: this is not a file")
            yield name


@contextmanager
def opened(file: Path) -> Iterator[Image]:
    """Open an image and refuse whatever goes wrong in it while it is open."""
    from PIL import Image

    try:
        with Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise DataError(
                    f"{file}: {image.width:,} by {image.height:,} pixels are more than the {MOST_PIXELS:,} that "
                    "are read; scale the image down"
                )
            yield image
    except DataError:
        raise
    # Pillow's decoders report damage by exceptions of every kind.
    except Exception as error:
        raise DataError(f"{file}: this image cannot be read: {error}") from error


def upright(image: Image, coloured: bool) -> Image:
    """Decode an image as the camera was held, in colour or grey, a byte for each value."""
    from PIL import Image as PillowImage, ImageOps

    if image.mode == "I;16":
        # Conversion would cut off what is brighter than a byte.
        image = PillowImage.fromarray((np.asarray(image) // 257).astype(np.uint8))
    return ImageOps.exif_transpose(image).convert("RGB" if coloured else "L")
