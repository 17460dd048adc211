"""Reading a table from a file, with every way it can be broken named."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lamina.errors import DataError

if TYPE_CHECKING:
    import polars as pl

# What spreadsheets and statistics programs write for a value that is not there.
MISSING_MARKS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL")


@dataclass(frozen=True, eq=False)
class Table:
    """The named columns of a file, every cell as the text it was written in, missing ones as null.

    Text is kept because only the model's encoding knows whether a column is numeric: the same column of the next
    file must be read in the same way, whatever that file happens to hold.

    Attributes
    ----------
    name : str
        The file's path, for messages.
    frame : polars.DataFrame
        All columns of type String.
    lines : array of int, shape [rows]
        The line of the file each row begins on, or its number, from 1, where the file has no lines.
    notes : tuple of str
        What was left out on reading.
    """

    name: str
    frame: pl.DataFrame
    lines: npt.NDArray[np.int64]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.frame.height

    @property
    def columns(self) -> list[str]:
        """The names of the columns, in the file's order."""
        return self.frame.columns

    def require(self, columns: Sequence[str], kind: str, use: str = "") -> None:
        """Raise `DataError` unless there are all these columns; the message suggests the closest to the first missing.

        Parameters
        ----------
        columns : sequence of str
        kind : str
            What the columns are, in the singular, such as ``"target column"``.
        use : str
            What they are needed for, such as ``", which the model was trained with"``.
        """
        missing = [column for column in columns if column not in self.columns]
        if not missing:
            return
        column = missing[0]
        by_folded_name = {name.casefold(): name for name in self.columns}
        close = get_close_matches(column.casefold(), by_folded_name, n=1, cutoff=0.6)
        hint = f"; did you mean {by_folded_name[close[0]]!r}?" if close else ""
        raise DataError(
            f"{self.name}: there {'is no' if len(missing) == 1 else 'are no'} {counted_name(len(missing), kind)} "
            f"{listed(missing)}{use}; the columns are {listed(self.columns)}{hint}"
        )

    def take(self, rows: npt.NDArray[np.int64]) -> Table:
        """Return the table of the given rows, in the order given."""
        return Table(self.name, self.frame[rows], self.lines[rows], self.notes)

    def texts(self, column: str) -> npt.NDArray[np.object_]:
        """Return a column as strings, ``None`` where a value is missing."""
        return np.array(self.frame[column].to_list(), dtype=object)

    def is_numeric(self, column: str) -> bool:
        """Say whether every value present is a number; a column with no values is not numeric."""
        import polars as pl

        values = self.frame[column]
        numbers = values.cast(pl.Float64, strict=False)
        return values.null_count() < len(values) and numbers.null_count() == values.null_count()

    def numbers(self, column: str) -> npt.NDArray[np.float64]:
        """Return a numeric column as float64, NaN where a value is missing.

        Raises
        ------
        DataError
            When a cell is not a finite number; the message names the line and the cell.
        """
        import polars as pl

        cells = self.frame[column]
        numbers = cells.cast(pl.Float64, strict=False)
        values = numbers.to_numpy().astype(np.float64)
        wrong = np.flatnonzero(cells.is_not_null().to_numpy() & ~np.isfinite(values))
        if wrong.size:
            row = int(wrong[0])
            more = f" (and {wrong.size - 1} more rows)" if wrong.size > 1 else ""
            raise DataError(
                f"{self.name}: column {column!r} is numeric, but line {self.lines[row]} holds {cells[row]!r}{more}; "
                "give a finite number there, or leave the cell empty if the value is missing"
            )
        return values


def read_table(path: str | Path) -> Table:
    """Read a table with a header: ``.csv``, ``.tsv`` or ``.parquet``.

    Cells are separated by commas (by semicolons or tabs if the header has no comma) and stripped of spaces around
    them. Empty cells and ``NA``, ``N/A``, ``NaN`` and ``null`` are missing values. Columns without a name, such as
    the row numbers that some programs write, are left out with a note.

    Parameters
    ----------
    path : str or Path
        The file; text must be in UTF-8.

    Returns
    -------
    Table

    Raises
    ------
    DataError
        When the file is missing, empty, has no rows, has rows of different lengths, repeats a column's name, or is
        not text in UTF-8.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from lamina.data import read_table
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "houses.csv"
    ...     _ = file.write_text("rooms,price\\n3,250\\n4,310\\n")
    ...     read_table(file).columns
    ['rooms', 'price']
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: there is no such file")
    if path.is_dir():
        raise DataError(f"{path}: this is a folder; give a .csv, .tsv or .parquet file")
    if path.suffix.lower() in (".parquet", ".pq"):
        return _read_parquet(path)
    return _read_text(path)


def listed(names: Sequence[str], most: int = 20) -> str:
    """Return names in quotes with commas between, shortened when there are many."""
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown}, … ({len(names)} in all)"


def counted_name(count: int, name: str) -> str:
    """Return a noun in the singular or the plural."""
    return name if count == 1 else f"{name}s"


# --- text files ---


def _read_text(path: Path) -> Table:
    text = _decode(path)
    if not text.strip():
        raise DataError(f"{path}: the file is empty; the first line must name the columns")
    separator = _separator(path, text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    header: list[str] = []
    try:
        line = 1
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
    if not rows:
        raise DataError(f"{path}: there is a header but no rows below it")
    _check_names(path, header)
    return _text_table(path, header, rows, lines)


def _decode(path: Path) -> str:
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


def _separator(path: Path, text: str) -> str:
    if path.suffix.lower() == ".tsv":
        return "\t"
    header = text.lstrip("\r\n").partition("\n")[0]
    return next((mark for mark in (",", ";", "\t") if mark in header), ",")


def _check_length(path: Path, row: list[str], header: list[str], line: int) -> None:
    if len(row) != len(header):
        raise DataError(
            f"{path}: line {line} has {len(row)} {counted_name(len(row), 'cell')}, but the header names {len(header)} "
            f"{counted_name(len(header), 'column')}; "
            "every row needs one cell for each column (put quotation marks around cells that hold the separator)"
        )


def _check_names(path: Path, header: Sequence[str]) -> None:
    seen: set[str] = set()
    repeated = [name for name in header if name and (name in seen or seen.add(name))]  # type: ignore[func-returns-value]
    if repeated:
        raise DataError(f"{path}: the header names {listed(repeated)} more than once; give each column its own name")


def _text_table(path: Path, header: list[str], rows: list[list[str]], lines: list[int]) -> Table:
    import polars as pl

    cells = list(zip(*rows, strict=True))
    named = {
        name: pl.Series(name, column, dtype=pl.String).str.strip_chars()
        for name, column in zip(header, cells, strict=True)
        if name
    }
    notes = [f"column {number} has no name and was left out" for number, name in enumerate(header, start=1) if not name]
    frame = pl.DataFrame(list(named.values()))
    frame = frame.with_columns(pl.all().replace(dict.fromkeys(MISSING_MARKS)))
    return Table(str(path), frame, np.array(lines, dtype=np.int64), tuple(notes))


# --- Parquet ---


def _read_parquet(path: Path) -> Table:
    import polars as pl

    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: this is not a Parquet file that can be read: {error}") from error
    if not frame.height:
        raise DataError(f"{path}: there are columns but no rows")
    usable = (pl.String, pl.Categorical, pl.Enum, pl.Boolean)
    odd = [n for n, dtype in frame.schema.items() if not (dtype.is_numeric() or isinstance(dtype, usable))]
    notes = tuple(f"column {name!r} holds {frame.schema[name]} and was left out" for name in odd)
    frame = frame.drop(odd).fill_nan(None).select(pl.all().cast(pl.String))
    return Table(str(path), frame, np.arange(1, frame.height + 1), notes)
