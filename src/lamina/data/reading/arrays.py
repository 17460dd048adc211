"""NumPy's files, ``.npy`` and ``.npz``, without pickle."""

from __future__ import annotations

import zipfile
import zlib
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from lamina.data.reading.columns import array_columns, table_from
from lamina.data.reading.source import Source
from lamina.data.table import Table, listed
from lamina.errors import DataError


def read_npy(source: Source) -> Table:
    """Read one array; its columns are called ``x_0``, ``x_1`` and so on, or by its named fields."""
    path = source.path
    with path.open("rb") as file:
        array = _array(str(path), file, path.stat().st_size)
    return table_from(str(path), array_columns(str(path), {"x": array}))


def read_npz(source: Source) -> Table:
    """Read the arrays of an archive as columns side by side, or the one called ``name``."""
    path, name = source.path, source.name
    arrays: dict[str, npt.NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
            if name is not None and name not in members:
                raise DataError(f"{path}: there is no array {name!r}; the arrays are {listed(list(members))}")
            for key, member in members.items():
                if name is None or key == name:
                    with archive.open(member) as file:
                        arrays[key] = _array(f"{path}: {key}", file, member.file_size)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path}: this is not an .npz file that can be read: {error}") from error
    if not arrays:
        raise DataError(f"{path}: there is no array in this file")
    if len(arrays) == 1:
        arrays = {"x" if name is None else name: array for array in arrays.values()}
    return table_from(str(path), array_columns(str(path), arrays))


def _array(place: str, file: Any, size: int) -> npt.NDArray[Any]:
    """Return the array of a ``.npy`` file of ``size`` bytes, which must be as long as its header says."""
    shape, fortran_order, dtype = _header(place, file)
    if dtype.hasobject:
        raise DataError(f"{place}: the array holds Python objects, which only running code from the file could read")
    if dtype.itemsize == 0 or any(length < 0 for length in shape):
        raise DataError(f"{place}: the array is of type {dtype} and shape {shape}, which holds nothing")
    count = 1
    for length in shape:
        count *= length
    if count * dtype.itemsize != size - file.tell():
        raise DataError(
            f"{place}: the header promises {count * dtype.itemsize} bytes, but there are {size - file.tell()}; the "
            "file is damaged"
        )
    data = file.read(count * dtype.itemsize)
    if len(data) != count * dtype.itemsize:
        raise DataError(f"{place}: the file ends early; it is damaged")
    return np.frombuffer(data, dtype=dtype).reshape(shape, order="F" if fortran_order else "C")


def _header(place: str, file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(file)
        if version == (2, 0):
            return np.lib.format.read_array_header_2_0(file)
    # NumPy parses the header as a Python literal, which can fail in every way that Python's parser knows.
    except Exception as error:
        raise DataError(f"{place}: this is not a .npy file that can be read: {error}") from error
    raise DataError(f"{place}: this is version {version[0]}.{version[1]} of .npy; save it again as version 1 or 2")
