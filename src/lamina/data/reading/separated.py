"""CSV and TSV, with every way such a file can be broken named."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np

from lamina.data.reading.columns import check_names, table_from
from lamina.data.table import Table, counted_name
from lamina.errors import DataError

# Lines are counted so many bytes at a time.
PIECE = 1 << 24


def read_csv(path: Path, _: str | None = None) -> Table:
    """Read text whose cells are separated by commas, semicolons or tabs, whichever the header has most of."""
    text = decode(path)
    header = re.sub(r'"[^"]*"', "", text.lstrip("\r\n").partition("\n")[0])
    return _read(path, text, max((",", ";", "\t"), key=header.count))


def read_tsv(path: Path, _: str | None = None) -> Table:
    """Read text whose cells are separated by tabs."""
    return _read(path, decode(path), "\t")


def decode(path: Path) -> str:
    """Return the text of a file in UTF-8.

    Raises
    ------
    DataError
        When it is not text, or in another encoding; the message names the line.
    """
    data = path.read_bytes()
    if b"\x00" in data:
        raise DataError(f"{path}: this is not a text file; give a table as .csv or .tsv in UTF-8, or as .parquet")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}: line {line} holds the byte 0x{data[error.start]:02x}, which is not UTF-8; save the file as UTF-8"
        ) from error


def _read(path: Path, text: str, separator: str) -> Table:
    import polars as pl

    if not text.strip():
        raise DataError(f"{path}: the file is empty; the first line must name the columns")
    plain = _plain(path, text, separator)
    if plain is not None:
        return plain
    header, rows, lines = _rows(path, text, separator)
    if not rows:
        raise DataError(f"{path}: there is a header but no rows below it")
    check_names(str(path), header)
    columns = zip(header, zip(*rows, strict=True), strict=True)
    series = [pl.Series(name, column, dtype=pl.String) for name, column in columns]
    return table_from(str(path), series, np.array(lines, dtype=np.int64))


def _plain(path: Path, text: str, separator: str) -> Table | None:
    """Read text without quotation marks and blank lines, in which every line is a row of as many cells.

    Then there is nothing to get wrong, and polars splits the cells many times faster; ``None`` if it is not so.
    """
    import polars as pl

    header, _, body = text.replace("\r\n", "\n").partition("\n")
    names = [name.strip() for name in header.split(separator)]
    if len(names) < 2 or '"' in text or "\r" in header or "\r" in body or not body:
        return None
    data = body.encode() if body.endswith("\n") else body.encode() + b"\n"
    if not _is_rectangle(data, separator, len(names)):
        return None
    check_names(str(path), names)
    frame = pl.read_csv(
        data,
        has_header=False,
        separator=separator,
        quote_char=None,
        infer_schema=False,
        new_columns=[str(number) for number in range(len(names))],
    )
    series = [column.alias(name) for column, name in zip(frame.get_columns(), names, strict=True)]
    return table_from(str(path), series, np.arange(2, 2 + frame.height))


def _is_rectangle(data: bytes, separator: str, columns: int) -> bool:
    """Say whether every line has as many cells as there are columns."""
    start = 0
    while start < len(data):
        stop = data.find(b"\n", min(start + PIECE, len(data) - 1)) + 1
        piece = np.frombuffer(data, np.uint8, stop - start, start)
        marks = piece[(piece == ord("\n")) | (piece == ord(separator))]
        ends = np.flatnonzero(marks == ord("\n"))
        if not (np.diff(ends, prepend=-1) == columns).all():
            return False
        start = stop
    return True


def _rows(path: Path, text: str, separator: str) -> tuple[list[str], list[list[str]], list[int]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    header: list[str] = []
    line = 1
    try:
        for row in reader:
            # A blank line is not a row, except in a table of one column, where it is a missing value.
            if not header:
                header = [name.strip() for name in row]
            elif row or len(header) == 1:
                _check_length(path, row or [""], header, line)
                rows.append(row or [""])
                lines.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num} cannot be read: {error}; check its quotation marks") from error
    return header, rows, lines


def _check_length(path: Path, row: list[str], header: list[str], line: int) -> None:
    if len(row) != len(header):
        raise DataError(
            f"{path}: line {line} has {len(row)} {counted_name(len(row), 'cell')}, but the header names {len(header)} "
            f"{counted_name(len(header), 'column')}; "
            "every row needs one cell for each column (put quotation marks around cells that hold the separator)"
        )
