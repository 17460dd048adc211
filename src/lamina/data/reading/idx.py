"""IDX, the format of MNIST: a block of numbers with its shape before it, often compressed."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from lamina.data.dataset import Dataset
from lamina.data.reading.columns import array_columns, table_from
from lamina.data.reading.source import Source
from lamina.data.table import Table
from lamina.errors import DataError

# The third byte of the file says what its numbers are; they are stored with the highest byte first.
ELEMENTS = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
# Compression by gzip makes nothing smaller than by this factor.
MOST_COMPRESSION = 1032
PIECE = 1 << 20


def read_idx(path: str | Path) -> npt.NDArray[Any]:
    """Return the array of an IDX file, compressed by gzip or not.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    array
        In the shape and of the type that the file says, such as uint8 of shape [60000, 28, 28].

    Raises
    ------
    DataError
        When there is no such file, or it is damaged.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from lamina.data import read_idx
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "labels-idx1-ubyte"
    ...     _ = file.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    ...     read_idx(file).tolist()
    [7, 2, 1]

    References
    ----------
    Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", 1998: "The IDX file format".
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            compressed = file.read(2) == b"\x1f\x8b"
        size = path.stat().st_size
        if compressed:
            with gzip.open(path, "rb") as file:
                return _array(path, file, size * MOST_COMPRESSION)
        with path.open("rb") as file:
            return _array(path, file, size)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise DataError(f"{path}: this is not an IDX file that can be read: {error}") from error


def _array(path: Path, file: BinaryIO | gzip.GzipFile, most: int) -> npt.NDArray[Any]:
    zeros, element, axes = struct.unpack(">HBB", file.read(4))
    if zeros or element not in ELEMENTS or not axes:
        raise DataError(f"{path}: this is not an IDX file, which begins with two zeros, a type and a number of axes")
    shape = struct.unpack(f">{axes}I", file.read(4 * axes))
    dtype = np.dtype(ELEMENTS[element])
    length = dtype.itemsize
    for extent in shape:
        length *= extent
    if length > most:
        raise DataError(f"{path}: the header promises an array of shape {list(shape)}, which the file is too short for")
    data = bytearray()
    while len(data) <= length and (piece := file.read(PIECE)):
        data += piece
    if len(data) != length:
        more = "more" if len(data) > length else f"only {len(data)}"
        raise DataError(f"{path}: the header promises {length} bytes for shape {list(shape)}, but there are {more}")
    array = np.frombuffer(data, dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def read_idx_pair(images: str | Path, labels: str | Path, *, name: str = "images") -> Dataset:
    """Return images and their labels from two IDX files.

    Parameters
    ----------
    images : str or Path
        Of shape [rows, height, width]; bytes are divided by 255.
    labels : str or Path
        Of shape [rows]: the numbers of classes from 0.
    name : str, default "images"

    Returns
    -------
    Dataset
        ``inputs`` are float32 of shape [rows, 1, height, width]; ``targets`` are int64 of shape [rows].

    Raises
    ------
    DataError
        When a file is damaged, or they do not belong together.
    """
    pixels, numbers = read_idx(images), read_idx(labels)
    if numbers.ndim != 1 or len(numbers) != len(pixels) or not len(numbers):
        raise DataError(
            f"{labels}: labels of shape {list(numbers.shape)} do not belong to images of shape {list(pixels.shape)} "
            f"({images}); one label for each image is needed"
        )
    if numbers.dtype.kind == "f" or numbers.min() < 0:
        raise DataError(f"{labels}: labels are whole numbers from 0, not {numbers.dtype} from {numbers.min()}")
    scale = 255.0 if pixels.dtype == np.uint8 else 1.0
    inputs = (pixels if pixels.ndim != 3 else pixels[:, None]).astype(np.float32) / np.float32(scale)
    classes = tuple(str(number) for number in range(int(numbers.max()) + 1))
    return Dataset(inputs, numbers.astype(np.int64), classes=classes, name=name)


def read_idx_table(source: Source) -> Table:
    """Read an IDX file; the labels beside a file of images become the column ``label``."""
    path = source.path
    values = read_idx(path)
    notes = []
    arrays = {"x": values}
    labels = _labels_beside(path)
    if values.ndim > 1 and labels is not None:
        numbers = read_idx(labels)
        if numbers.ndim == 1 and len(numbers) == len(values):
            arrays["label"] = numbers
            notes.append(f"column 'label' was read from {labels}")
    return table_from(str(path), array_columns(str(path), arrays), notes=notes)


def _labels_beside(path: Path) -> Path | None:
    """Return the file of labels that belongs to ``train-images-idx3-ubyte`` and the like, if there is one."""
    name = path.name.replace("images", "labels").replace("idx3", "idx1")
    if name == path.name:
        return None
    plain = name.removesuffix(".gz")
    return next((path.with_name(n) for n in (name, plain, f"{plain}.gz") if path.with_name(n).is_file()), None)
