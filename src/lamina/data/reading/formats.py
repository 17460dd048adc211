"""The formats `read_table` knows, by the ends of their files' names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from lamina.data.decimals import Decimal, check_decimal
from lamina.data.reading.arrays import read_npy, read_npz
from lamina.data.reading.columnar import read_arrow, read_parquet
from lamina.data.reading.idx import read_idx_table
from lamina.data.reading.images import read_image_table
from lamina.data.reading.json_text import read_json, read_ndjson
from lamina.data.reading.packed import PACKED, inner_name
from lamina.data.reading.separated import read_csv, read_tsv
from lamina.data.reading.source import Source
from lamina.data.reading.sqlite import read_sqlite
from lamina.data.table import Table
from lamina.errors import DataError


@dataclass(frozen=True)
class Format:
    """How files of one kind are called and read."""

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[Source], Table]
    parts: str = ""
    """What ``name`` chooses among, where a file of this kind holds more than one table."""
    text: bool = False
    """Whether it is text, which has an encoding and may be packed."""
    header: bool = False
    """Whether its first line names the columns, or is a row."""


FORMATS = (
    Format("CSV", (".csv", ".txt"), read_csv, text=True, header=True),
    Format("TSV", (".tsv", ".tab"), read_tsv, text=True, header=True),
    Format("JSON", (".json",), read_json, parts='"train" or "test" of the form with m, n, x and y', text=True),
    Format("NDJSON", (".ndjson", ".jsonl"), read_ndjson, text=True),
    Format("Parquet", (".parquet", ".pq"), read_parquet),
    Format("Arrow", (".arrow", ".feather", ".ipc", ".arrows"), read_arrow),
    Format("SQLite", (".sqlite", ".sqlite3", ".db", ".db3"), read_sqlite, parts="a table"),
    Format("NumPy array", (".npy",), read_npy),
    Format("NumPy arrays", (".npz",), read_npz, parts="an array"),
    Format("IDX", (".idx", "-ubyte", ".idx.gz", "-ubyte.gz"), read_idx_table),
)
WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".numbers")
"""The ends of names of files that people try, and that are no table by themselves."""
FOLDER = Format("folder of images", (), read_image_table)


def read_table(
    path: str | Path,
    *,
    name: str | None = None,
    decimal: Decimal | None = None,
    encoding: str | None = None,
    header: bool = True,
) -> Table:
    """Read a table from a file, or from a folder of images.

    =================  ====================================  ==================================================
    Format             Files                                 What becomes a row
    =================  ====================================  ==================================================
    CSV, TSV           ``.csv .txt .tsv .tab``               a line; the first one names the columns
    JSON               ``.json``                             an object of a list, or an element of each list of
                                                             an object of columns; or Iron Learn's form, below
    NDJSON             ``.ndjson .jsonl``                    a line with an object
    Parquet, Arrow     ``.parquet .pq .arrow .feather``      a row
    SQLite             ``.sqlite .sqlite3 .db``              a row of the only table, or of ``name``
    NumPy              ``.npy .npz``                         an element of the first axis
    IDX                ``.idx *-ubyte``, also with ``.gz``   an image; its label too, if the file of labels is near
    images             a folder with a folder for each       an image
                       class
    =================  ====================================  ==================================================

    Files with other ends are read as CSV. CSV, TSV, JSON and NDJSON may be packed: ``.csv.gz``, ``.csv.bz2``,
    ``.csv.xz``, or a ``.zip`` with one such file, or with several and ``name``. In every format, text loses the spaces
    around it, and empty text, ``NA``, ``N/A``, ``NaN``, ``null``, ``None`` and the like are missing values. Columns
    without a name, such as the row numbers that some programs write, and columns of lists, objects or bytes are left
    out with a note. Nothing in a file is executed.

    In CSV, commas, semicolons, tabs or bars separate, whichever the first line has most of, or what Excel's line
    ``sep=;`` says. Text is in UTF-8, UTF-16 or UTF-32 where it begins with the mark of one of them, else in UTF-8.
    Iron Learn's form of JSON is an object with the number of rows ``m``, of columns ``n``, the inputs ``x`` row by row,
    and ``y``; their columns are called ``x_0``, ``x_1``, ... and ``y``. Its ``m_test``, ``x_test`` and ``y_test`` are
    the table called ``"test"``.

    Parameters
    ----------
    path : str or Path
    name : str, optional
        The table of an SQLite file, the array of a ``.npz`` file, the file of a ``.zip`` file, ``"train"`` or
        ``"test"`` of Iron Learn's form.
    decimal : {".", ","}, optional
        How numbers in text are written: with a decimal point, ``1,234.5``, or with a decimal comma, ``1.234,5``. When
        None, they are written as in the table that a model was trained on; and what is fitted to the table finds out
        from all of its columns, or raises an error where that is unclear.
    encoding : str, optional
        Of text without a mark, such as ``"windows-1252"``; the error for a file in another one than UTF-8 suggests it.
    header : bool, default True
        Whether the first line of CSV names the columns; else they are called ``column_1``, ``column_2`` and so on.

    Returns
    -------
    Table

    Raises
    ------
    DataError
        When the file is missing, empty, damaged or of another format, has no rows, has rows of different lengths,
        or repeats a column's name.

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
    source = Source(Path(path), name, encoding, header)
    with _readable(source.path):
        found = format_of(source.path, name)
        _check(source, found)
        table = found.read(source)
        return table if decimal is None else replace(table, decimal=check_decimal("read_table", decimal))


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Name the file in errors of the system, and of libraries."""
    try:
        yield
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: the file cannot be read: {error}") from error


def _check(source: Source, found: Format) -> None:
    """Refuse what was said about a file and does not go with its format."""
    if source.part is not None and not found.parts:
        raise DataError(f"{source.path}: name={source.name!r} was given, but a {found.name} file holds only one table")
    if source.encoding is not None and not found.text:
        raise DataError(f"{source.path}: encoding={source.encoding!r} was given, but a {found.name} is no text")
    if not source.header and not found.header:
        raise DataError(f"{source.path}: header=False was given, but only CSV and TSV have a header to be without")


def format_of(path: Path, name: str | None = None) -> Format:
    """Return the format of a file that is there, by the end of its name; of one that is packed, that of what it holds.

    Raises
    ------
    DataError
        When there is no such file, or it is packed and cannot be looked into.
    """
    with _readable(path):
        return _format_of(path, name)


def _format_of(path: Path, name: str | None) -> Format:
    if "\0" in str(path) or not path.exists():
        raise DataError(f"{path}: there is no such file")
    if path.is_dir():
        return FOLDER
    if not path.is_file():
        raise DataError(f"{path}: this is not a regular file")
    lowered = path.name.lower()
    if lowered.endswith(WORKBOOKS):
        raise DataError(
            f"{path}: workbooks of spreadsheets are not read; save the sheet as CSV in UTF-8, or give "
            "Table.of(polars.read_excel(path)) to what takes a table"
        )
    plain = next((f for f in FORMATS if lowered.endswith(f.suffixes)), None)
    if plain is not None or not lowered.endswith(PACKED):
        return plain or FORMATS[0]
    inner = inner_name(path, name)
    found = next((f for f in FORMATS if inner.endswith(f.suffixes)), FORMATS[0])
    if not found.text:
        raise DataError(f"{path}: a {found.name} file is read as it is and not packed; unpack it first")
    return found
