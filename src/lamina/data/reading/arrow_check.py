"""The lengths in an Arrow file or stream, checked before polars believes them.

polars allocates what a compressed buffer promises to unpack to; where damage turned that into 2^61 bytes, the process
ends. So the messages are walked first (Apache Arrow columnar format 1.5, "Serialization and Interprocess
Communication", in the FlatBuffers encoding). What the buffers hold stays unread.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from lamina.errors import DataError

MAGIC = b"ARROW1"
CONTINUATION = 0xFFFFFFFF
DICTIONARY_BATCH, RECORD_BATCH = 2, 3
# Neither LZ4 nor Zstandard makes a buffer smaller than by this factor.
MOST_COMPRESSION = 1 << 15


def check_arrow(path: Path, data: bytes) -> None:
    """Raise `DataError` where a buffer lies outside of the file, or says that it unpacks to more than it can."""
    try:
        for message, body in _messages(data):
            _check(data, message, body)
    except (ValueError, IndexError, struct.error, RecursionError) as error:
        detail = str(error) if isinstance(error, DamageError) else "its metadata is damaged"
        raise DataError(f"{path}: this is not an Arrow file that can be read: {detail}") from error


class DamageError(ValueError):
    """What contradicts what."""


def _messages(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the root table of each message lies, and where its body begins."""
    if data[:6] != MAGIC:
        yield from _stream(data)
        return
    if data[-6:] != MAGIC:
        raise DamageError("it does not end with ARROW1")
    length = _number("<i", data, len(data) - 10)
    place = len(data) - 10 - length
    if length < 0 or place < 8:
        raise DamageError("its footer is longer than the file")
    footer = place + _number("<I", data, place)
    for field in (2, 3):
        vector = _field(data, footer, field)
        if vector is None:
            continue
        start = vector + _number("<I", data, vector)
        for block in range(_number("<I", data, start)):
            offset, metadata = struct.unpack_from("<qi", data, _within(data, start + 4 + 24 * block, 24))
            yield _message(data, offset), offset + metadata


def _stream(data: bytes) -> Iterator[tuple[int, int]]:
    place = 0
    while place + 4 <= len(data):
        length = _number("<I", data, place)
        head = 8 if length == CONTINUATION else 4
        if length == CONTINUATION:
            length = _number("<I", data, place + 4)
        if not length:
            return
        message = _message(data, place)
        body = place + head + length
        yield message, body
        field = _field(data, message, 3)
        body_length = 0 if field is None else _number("<q", data, field)
        if body_length < 0 or body + body_length > len(data):
            raise DamageError("a message is longer than the file")
        place = body + body_length


def _message(data: bytes, place: int) -> int:
    """Return where the root table of the message at this place lies."""
    place += 8 if _number("<I", data, place) == CONTINUATION else 4
    return place + _number("<I", data, place)


def _check(data: bytes, message: int, body: int) -> None:
    kind, header = _field(data, message, 1), _field(data, message, 2)
    if kind is None or header is None or data[kind] not in (DICTIONARY_BATCH, RECORD_BATCH):
        return
    batch = header + _number("<I", data, header)
    if data[kind] == DICTIONARY_BATCH:
        inner = _field(data, batch, 1)
        if inner is None:
            return
        batch = inner + _number("<I", data, inner)
    rows = _field(data, batch, 0)
    if rows is not None and _number("<q", data, rows) < 0:
        raise DamageError("a batch has less than no rows")
    for length, missing in _pairs(data, batch, 1):
        if not 0 <= missing <= length:
            raise DamageError("a column has more missing values than rows")
    compressed = _field(data, batch, 3) is not None
    for offset, length in _pairs(data, batch, 2):
        place = _within(data, body + offset, length)
        # -1 stands before a buffer that was left as it is.
        if compressed and length and not -1 <= _number("<q", data, place) <= length * MOST_COMPRESSION:
            raise DamageError("a compressed buffer cannot be as long as it says")


def _pairs(data: bytes, table: int, field: int) -> Iterator[tuple[int, int]]:
    """Yield the pairs of numbers in a field."""
    vector = _field(data, table, field)
    if vector is None:
        return
    start = vector + _number("<I", data, vector)
    for pair in range(_number("<I", data, start)):
        yield struct.unpack_from("<qq", data, _within(data, start + 4 + 16 * pair, 16))


# --- FlatBuffers ---


def _field(data: bytes, table: int, number: int) -> int | None:
    """Return where a field of a table lies, ``None`` if it is not there."""
    entries = table - _number("<i", data, table)
    place = 4 + 2 * number
    if place >= _number("<H", data, entries):
        return None
    offset = _number("<H", data, entries + place)
    return table + offset if offset else None


def _number(kind: str, data: bytes, place: int) -> int:
    return int(struct.unpack_from(kind, data, _within(data, place, struct.calcsize(kind)))[0])


def _within(data: bytes, place: int, length: int) -> int:
    if not 0 <= place <= place + length <= len(data):
        raise DamageError("a place in its metadata lies outside of the file")
    return place
