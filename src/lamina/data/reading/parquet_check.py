"""The lengths in a Parquet file, checked before polars believes them.

polars allocates what a page's header promises; where damage turned that into 2^61 bytes, the process ends. So the
file's metadata and the headers of its pages are walked first (Apache Parquet format 2.11, ``parquet.thrift``, in the
compact protocol of Apache Thrift). What the pages hold stays unread.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Any

from lamina.errors import DataError

MAGIC = b"PAR1"
# No codec makes a page smaller than by this factor; a page of nothing but a few repeated values needs the constant.
MOST_COMPRESSION = 1 << 15
SMALL_PAGE = 1 << 20
DEEPEST = 32

Struct = dict[int, Any]


def check_parquet(path: Path) -> None:
    """Raise `DataError` where lengths in a file contradict each other or the file's own."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            _check(data)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, struct.error) as error:
        detail = str(error) if isinstance(error, DamageError) else "its metadata is damaged"
        raise DataError(f"{path}: this is not a Parquet file that can be read: {detail}") from error


class DamageError(ValueError):
    """What contradicts what."""


def _check(data: mmap.mmap) -> None:
    if len(data) < 12 or data[-4:] != MAGIC or data[:4] != MAGIC:
        raise DamageError("it does not begin and end with PAR1")
    (length,) = struct.unpack("<I", data[-8:-4])
    footer = len(data) - 8 - length
    if footer < 4:
        raise DamageError(f"its metadata of {length} bytes is longer than the file")
    metadata, _ = _struct(data, footer)
    groups: list[Struct] = metadata.get(4, [])
    _require(sum(group[3] for group in groups) == metadata[3] >= 0, "the number of rows")
    for group in groups:
        _require(group[3] >= 0, "the number of rows")
        for column in group[1]:
            _check_column(data, footer, column[3], group[3])


def _check_column(data: mmap.mmap, footer: int, column: Struct, rows: int) -> None:
    values, length, place = column[5], column[7], column[9]
    if 0 < column.get(11, 0) < place:
        place = column[11]
    end = place + length
    _require(4 <= place <= end <= footer, "the place of a column")
    # A column within another one may have more values than there are rows.
    _require(values == rows or (values >= 0 and len(column[3]) > 1), "the number of values")
    seen = 0
    while seen < values:
        _require(place < end, "the number of values")
        header, place = _struct(data, place)
        seen += _check_page(header, values)
        place += header[3]
        _require(place <= end, "the length of a page")
    _require(seen == values, "the number of values")


def _check_page(header: Struct, values: int) -> int:
    """Return how many values of the column are on a page."""
    unpacked, packed = header[2], header[3]
    _require(0 <= unpacked <= packed * MOST_COMPRESSION + SMALL_PAGE and packed >= 0, "the length of a page")
    data, dictionary, second = header.get(5), header.get(7), header.get(8)
    if header[1] == 2 and dictionary is not None:
        # The shortest of a dictionary's values are bits.
        _require(0 <= dictionary[1] <= 8 * unpacked, "the number of values")
        return 0
    if header[1] == 0 and data is not None:
        _require(0 <= data[1] <= values, "the number of values")
        return int(data[1])
    if header[1] == 3 and second is not None:
        _require(0 <= second[2] <= second[1] <= values and 0 <= second[3] <= values, "the number of values")
        _require(min(second[5], second[6]) >= 0 and second[5] + second[6] <= unpacked, "the length of a page")
        return int(second[1])
    raise DamageError("a page is of no known kind")


def _require(right: bool, what: str) -> None:
    if not right:
        raise DamageError(f"{what} is not what it says elsewhere")


# --- Thrift's compact protocol ---


def _struct(data: mmap.mmap, place: int, depth: int = 0) -> tuple[Struct, int]:
    """Return the fields of a struct by their numbers, and where it ends."""
    if depth > DEEPEST:
        raise DamageError("its metadata is nested too deeply")
    fields: Struct = {}
    number = 0
    while kind := data[place]:
        place += 1
        if kind >> 4:
            number += kind >> 4
        else:
            number, place = _integer(data, place)
        kind &= 15
        if kind in (1, 2):
            fields[number] = kind == 1
        else:
            fields[number], place = _value(data, place, kind, depth)
    return fields, place + 1


def _value(data: mmap.mmap, place: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind in (1, 2, 3):
        return data[place], place + 1
    if kind in (4, 5, 6):
        return _integer(data, place)
    if kind == 7:
        return None, place + 8
    if kind == 8:
        length, place = _varint(data, place)
        return data[place : place + length], place + length
    if kind in (9, 10):
        return _list(data, place, depth)
    if kind == 12:
        return _struct(data, place, depth + 1)
    raise DamageError(f"its metadata holds a value of kind {kind}")


def _list(data: mmap.mmap, place: int, depth: int) -> tuple[list[Any], int]:
    head = data[place]
    place += 1
    length, kind = head >> 4, head & 15
    if length == 15:
        length, place = _varint(data, place)
    if length > len(data) - place or depth > DEEPEST:
        raise DamageError("a list in its metadata is longer than the file")
    values = []
    for _ in range(length):
        value, place = _value(data, place, kind, depth + 1)
        values.append(value)
    return values, place


def _varint(data: mmap.mmap, place: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7
    raise DamageError("a number in its metadata is too long")


def _integer(data: mmap.mmap, place: int) -> tuple[int, int]:
    """Return a signed number, whose sign is its lowest bit."""
    value, place = _varint(data, place)
    return (value >> 1) ^ -(value & 1), place
