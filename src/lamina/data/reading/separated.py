"""CSV and TSV, with every way such a file can be broken named."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, replace

import numpy as np

from lamina.data.dialect import Dialect
from lamina.data.header import REMEDY, looks_like_a_row
from lamina.data.reading.columns import check_names, table_from
from lamina.data.reading.rectangle import row_lines
from lamina.data.reading.source import Source
from lamina.data.table import Table, counted_name, listed
from lamina.errors import DataError

# Where lines have as many of both, commas are decimal ones, so the comma comes last.
SEPARATORS = (";", "\t", "|", ",")
FIRST_LINES = 20
# Excel writes the separator into a line before the header.
SAID = re.compile(rb"sep=(.)\n", re.IGNORECASE)


@dataclass(frozen=True)
class Text:
    """The text of a table: what stands in it, and how.

    Attributes
    ----------
    source : Source
    data : bytes
        In UTF-8, lines ended by a line feed.
    dialect : Dialect
    first : int
        The line that ``data`` begins on.
    """

    source: Source
    data: bytes
    dialect: Dialect
    first: int = 1

    @property
    def place(self) -> str:
        """The name of the file."""
        return str(self.source.path)


def read_csv(source: Source) -> Table:
    """Read text whose cells are separated by commas, semicolons, tabs or bars, whichever the first line has most of."""
    return _read(_text(source, None))


def read_tsv(source: Source) -> Table:
    """Read text whose cells are separated by tabs."""
    return _read(_text(source, "\t"))


def _text(source: Source, separator: str | None) -> Text:
    data, encoding = source.utf8()
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    if not data.strip():
        raise DataError(f"{source.path}: the file is empty; the first line must name the columns")
    begun = data.lstrip(b"\n")
    first = 1 + len(data) - len(begun)
    said = SAID.match(begun)
    if said is not None and (separator is None or said[1] == separator.encode()):
        separator, begun, first = said[1].decode("latin-1"), begun[said.end() :], first + 1
    if separator is None:
        separator = _separator(begun)
    return Text(source, begun, Dialect(separator, encoding), first)


def _separator(data: bytes) -> str:
    """Return what the first lines have alike; of several, what they have most of."""
    lines = [re.sub(rb'"[^"]*"', b"", line) for line in data[: 1 << 16].split(b"\n", FIRST_LINES)[:FIRST_LINES]]

    def evidence(separator: str) -> tuple[int, int]:
        counts = [line.count(separator.encode()) for line in lines]
        return counts.count(counts[0]), counts[0]

    return max((each for each in SEPARATORS if each.encode() in lines[0]), key=evidence, default=",")


def _read(text: Text) -> Table:
    table = _plain(text) or _checked(text)
    table = replace(table, dialect=text.dialect)
    if text.source.header and looks_like_a_row(table.columns):
        note = f"the first line, {listed(table.columns, most=4)}, was taken for the names of the columns; {REMEDY}"
        return replace(table, notes=(*table.notes, note))
    return table


def _names(text: Text, row: list[str]) -> list[str]:
    """Return the names of the columns, given by the first row or by their numbers."""
    if not text.source.header:
        return [f"column_{number}" for number in range(1, len(row) + 1)]
    names = [name.strip() for name in row]
    check_names(text.place, names)
    return names


def _plain(text: Text) -> Table | None:
    """Read text in which every row has as many cells as the header, and quotation marks stand around whole cells.

    Then there is nothing to get wrong, and polars splits the cells many times faster; ``None`` if it is not so.
    """
    import polars as pl

    header, _, body = text.data.partition(b"\n")
    if header.count(b'"') % 2 or b"\r" in text.data or (text.source.header and not body.strip()):
        return None
    try:
        first = next(csv.reader([header.decode()], delimiter=text.dialect.separator, strict=True))
    except csv.Error:
        return None
    if len(first) < 2:
        return None
    data = (body if text.source.header else text.data).rstrip(b"\n") + b"\n"
    lines = row_lines(data, text.dialect.separator, len(first))
    if lines is None:
        return None
    names = _names(text, first)
    frame = pl.read_csv(
        data,
        has_header=False,
        separator=text.dialect.separator,
        quote_char='"' if b'"' in data else None,
        infer_schema=False,
        new_columns=[str(number) for number in range(len(names))],
    )
    if frame.height != len(lines):
        return None
    series = [column.alias(name) for column, name in zip(frame.get_columns(), names, strict=True)]
    return table_from(text.place, series, lines + text.first + text.source.header)


def _checked(text: Text) -> Table:
    """Read text row by row, and name the first one that is not as the header."""
    import polars as pl

    names, rows, lines = _rows(text)
    if not rows:
        raise DataError(f"{text.place}: there is a header but no rows below it")
    columns = zip(names, zip(*rows, strict=True), strict=True)
    series = [pl.Series(name, column, dtype=pl.String) for name, column in columns]
    return table_from(text.place, series, np.array(lines, dtype=np.int64))


def _rows(text: Text) -> tuple[list[str], list[list[str]], list[int]]:
    content = io.StringIO(text.data.decode(), newline="")
    reader = csv.reader(content, delimiter=text.dialect.separator, strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    names: list[str] = []
    line = text.first
    try:
        for row in reader:
            if not names:
                names = _names(text, row)
                if not text.source.header:
                    rows.append(row)
                    lines.append(line)
            # A blank line is not a row, except in a table of one column, where it is a missing value.
            elif row or len(names) == 1:
                _check_length(text, row or [""], len(names), line)
                rows.append(row or [""])
                lines.append(line)
            line = text.first + reader.line_num
    except csv.Error as error:
        line = text.first + reader.line_num - 1
        raise DataError(f"{text.place}: line {line} cannot be read: {error}; check its quotation marks") from error
    return names, rows, lines


def _check_length(text: Text, row: list[str], columns: int, line: int) -> None:
    if len(row) == columns:
        return
    first = "the header names" if text.source.header else "the first line has"
    raise DataError(
        f"{text.place}: line {line} has {len(row)} {counted_name(len(row), 'cell')}, but {first} {columns} "
        f"{counted_name(columns, 'column')}; every row needs one cell for each column (put quotation marks around "
        "cells that hold the separator)"
    )
