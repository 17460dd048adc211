"""From tensors in the file to arrays, with every length checked before anything is made of it."""

from __future__ import annotations

import math
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.backends.protocol import numpy_dtype
from lamina.dtypes import DType, int64
from lamina.errors import CheckpointError
from lamina.exchange.onnx.library import STRING, TYPES

_EXTERNAL = 1

# Where the values of each type are when they are not raw bytes; halves are written as the bits of integers.
_FIELDS = {
    "float32": "float_data",
    "float64": "double_data",
    "int64": "int64_data",
    "uint32": "uint64_data",
    "uint64": "uint64_data",
}
_BITS = {"float16": np.uint16, "bfloat16": np.uint16}


@dataclass(frozen=True)
class Surroundings:
    """What tensors of a file need beside their messages.

    Attributes
    ----------
    folder : Path
        Of the model's file; data outside of the file lies in it.
    texts : dict of str to int
        The texts of the file so far, each with its number. The first is what ``LabelEncoder`` says of an unknown key.
    """

    folder: Path
    texts: dict[str, int] = field(default_factory=lambda: {"_Unused": 0})

    def number(self, content: bytes) -> int:
        """Return the number of a text of the file."""
        return self.texts.setdefault(content.decode("utf-8"), len(self.texts))


def array_of(message: Any, around: Surroundings, place: str) -> npt.NDArray[Any]:
    """Return the values of a ``TensorProto``; of texts, their numbers.

    Parameters
    ----------
    message : TensorProto
    around : Surroundings
    place : str
        What an error names.

    Raises
    ------
    CheckpointError
        When its type is not here, or its values are not as many as its shape says.
    """
    texts = message.data_type == STRING
    dtype = int64 if texts else dtype_of(message.data_type, place)
    shape = tuple(message.dims)
    if any(size < 0 for size in shape):
        raise CheckpointError(f"{place}: the shape {list(shape)} has a negative length")
    if message.HasField("segment"):
        raise CheckpointError(f"{place}: the tensor is split into segments, which are not supported")
    count = math.prod(shape)
    if message.data_location == _EXTERNAL and not texts:
        return _from_bytes(_external(message, around.folder, place, count * dtype.itemsize), dtype, shape, place)
    if message.HasField("raw_data") and not texts:
        return _from_bytes(message.raw_data, dtype, shape, place)
    values: Any = getattr(message, "string_data" if texts else _FIELDS.get(dtype.name, "int32_data"))
    if len(values) != count:
        raise CheckpointError(f"{place}: the shape {list(shape)} has {count} elements, the file {len(values)}")
    if dtype.name in _BITS:
        bits = np.fromiter(values, np.int64, count).astype(_BITS[dtype.name])
        return bits.view(numpy_dtype(dtype)).reshape(shape)
    if texts:
        values = map(around.number, values)
    wide = np.float64 if dtype.floating else np.uint64 if dtype.kind == "unsigned" and dtype.bits >= 32 else np.int64
    return np.fromiter(values, wide, count).astype(numpy_dtype(dtype)).reshape(shape)


def dtype_of(number: int, place: str) -> DType:
    """Return the type that a number of the format means."""
    found = TYPES.get(number)
    if found is None:
        names = ", ".join(dtype.name for dtype in TYPES.values())
        raise CheckpointError(f"{place}: the type of the values, number {number}, is not here; the types are {names}")
    return found


def _from_bytes(content: bytes, dtype: DType, shape: tuple[int, ...], place: str) -> npt.NDArray[Any]:
    wanted = math.prod(shape) * dtype.itemsize
    if len(content) != wanted:
        raise CheckpointError(
            f"{place}: {dtype.name}{list(shape)} takes {wanted} bytes, and there are {len(content)} in the file"
        )
    array = np.frombuffer(content, numpy_dtype(dtype))
    if dtype.name == "bool":
        array = np.frombuffer(content, np.uint8) != 0
    if sys.byteorder != "little":
        array = array.byteswap()
    return array.reshape(shape)


def _external(message: Any, folder: Path, place: str, size: int) -> bytes:
    """Return bytes of another file, which must be in the folder of the model."""
    entries = {entry.key: entry.value for entry in message.external_data}
    location = entries.get("location", "")
    try:
        path = (folder / location).resolve()
        inside = bool(location) and path.is_relative_to(folder.resolve())
        if not inside or Path(location).is_absolute():
            raise CheckpointError(
                f"{place}: its values are in {location!r}, which is not in the folder of the model; "
                "only files beside the model are read"
            )
        offset = int(entries.get("offset", "0"))
        length = int(entries.get("length", str(size)))
        if offset < 0 or length != size:
            raise CheckpointError(f"{place}: it takes {size} bytes, and {length} are said to be in {location!r}")
        details = path.stat()
        if not stat.S_ISREG(details.st_mode) or offset + length > details.st_size:
            raise CheckpointError(f"{place}: {location!r} does not hold bytes {offset} to {offset + length}")
        with path.open("rb") as file:
            file.seek(offset)
            content = file.read(length)
            return bytes(content)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{place}: its values are in {location!r}, which cannot be read: {error}") from error
