"""From values of any kind to the columns of a `Table`: what every reader ends with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lamina.data.cells import MISSING_MARKS
from lamina.data.header import remedy
from lamina.data.table import Table, listed, shortened
from lamina.errors import DataError

if TYPE_CHECKING:
    import polars as pl

# More columns than this are pixels or samples: such arrays are trained on as they are.
MOST_COLUMNS = 20_000
# From the first of January 1 to the last of December 9999, in days from 1970; polars fails outside of its calendar.
FIRST_DAY, LAST_DAY = -719_162, 2_932_896
DAY = {"ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


def table_from(
    name: str, columns: Sequence[pl.Series], lines: npt.NDArray[np.int64] | None = None, notes: Sequence[str] = ()
) -> Table:
    """Return a table of columns of one length, those without a name or of an odd type left out with a note.

    Raises
    ------
    DataError
        When no column or no row is left, or two columns have the same name.
    """
    import polars as pl

    check_names(name, [column.name for column in columns])
    kept: list[pl.Series] = []
    notes = list(notes)
    for number, column in enumerate(columns, start=1):
        if not column.name:
            notes.append(f"column {number} has no name and was left out")
            continue
        normal = _normal(name, column)
        if normal is None:
            notes.append(f"column {shortened(column.name)} holds {_described(column.dtype)} and was left out")
        else:
            kept.append(normal)
    if not kept:
        raise DataError(f"{name}: there is no column that can be used{': ' if notes else ''}{'; '.join(notes[:5])}")
    frame = pl.DataFrame(kept)
    if not frame.height:
        raise DataError(f"{name}: there are columns but no rows")
    if lines is None:
        lines = np.arange(1, frame.height + 1)
    return Table(name, frame, lines, tuple(notes))


def _described(dtype: pl.DataType) -> str:
    import polars as pl

    return "lists, objects or bytes" if dtype.is_nested() or dtype == pl.Binary else str(dtype)


def check_names(name: str, header: Sequence[str]) -> None:
    """Raise `DataError` if two columns have the same name."""
    seen: set[str] = set()
    repeated = [column for column in header if column and (column in seen or seen.add(column))]  # type: ignore[func-returns-value]
    if repeated:
        raise DataError(
            f"{name}: the header names {listed(repeated)} more than once; give each column its own name{remedy(header)}"
        )


def _normal(name: str, column: pl.Series) -> pl.Series | None:
    """Return a column as one of the types that a table holds, ``None`` if it is none of them."""
    import polars as pl

    dtype = column.dtype
    if isinstance(dtype, pl.Null):
        return column.cast(pl.String)
    if isinstance(dtype, pl.Decimal):
        return column.cast(pl.Float64, strict=False)
    if dtype.is_float():
        return column.fill_nan(None)
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        return stripped(column.cast(pl.String))
    if isinstance(dtype, pl.Date | pl.Datetime):
        days = column.to_physical() // (1 if isinstance(dtype, pl.Date) else DAY[dtype.time_unit])
        if ((days < FIRST_DAY) | (days > LAST_DAY)).any():
            raise DataError(f"{name}: column {shortened(column.name)} holds a date outside of the years 1 to 9999")
        return column
    if dtype.is_integer() or isinstance(dtype, pl.Boolean):
        return column
    return None


def stripped(column: pl.Series) -> pl.Series:
    """Return text without the spaces around it, the marks of missing values as null."""
    column = column.str.strip_chars()
    return column.set(column.is_in(MISSING_MARKS), None)


def series_of(name: str, values: Sequence[Any]) -> pl.Series:
    """Return a column of Python's values: of one type where they have one, else of text.

    A column of lists, objects or bytes gets the type Binary, which no table holds.
    """
    import polars as pl

    kinds = {type(value) for value in values} - {type(None)}
    if kinds <= {str}:
        return pl.Series(name, values, dtype=pl.String)
    if kinds == {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    if kinds == {int} and all(value is None or -(2**63) <= value < 2**63 for value in values):
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds <= {int, float} and all(value is None or abs(value) < 2**63 or type(value) is float for value in values):
        return pl.Series(name, [None if value is None else float(value) for value in values], dtype=pl.Float64)
    try:
        return pl.Series(name, [_text(value) for value in values], dtype=pl.String)
    except TypeError:
        return pl.Series(name, [None] * len(values), dtype=pl.Binary)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, np.generic):
        return _text(value.item())
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return None if math.isnan(value) else repr(value)
    if isinstance(value, int):
        # Python refuses to write very long numbers; none of them is a finite float.
        return str(value) if abs(value) < 10**400 else ("inf" if value > 0 else "-inf")
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__} is no cell")


def array_columns(name: str, arrays: Mapping[str, npt.NDArray[Any]]) -> list[pl.Series]:
    """Return the columns of arrays that share their first axis.

    Raises
    ------
    DataError
        When an array has no axis, they differ in their number of rows, or there are too many columns.
    """
    lengths = {}
    for key, array in arrays.items():
        if array.ndim == 0:
            raise DataError(f"{name}: the array {shortened(key)} is a single value; a table needs rows")
        lengths[key] = array.shape[0]
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{shortened(key)}: {length}" for key, length in list(lengths.items())[:10])
        raise DataError(f"{name}: the columns differ in their number of rows ({shown}); choose one by its name")
    count = sum(int(np.prod(array.shape[1:], dtype=np.float64)) for array in arrays.values())
    if count > MOST_COLUMNS:
        raise DataError(
            f"{name}: {count:,} columns are too many for a table (at most {MOST_COLUMNS:,}); train on the arrays as "
            "they are: Dataset(inputs, targets)"
        )
    return [column for key, array in arrays.items() for column in _columns_of(name, key, array)]


def _columns_of(name: str, key: str, array: npt.NDArray[Any]) -> list[pl.Series]:
    if array.dtype.names:
        return [column for field in array.dtype.names for column in _columns_of(name, field, array[field])]
    if array.ndim == 1 or array.shape[1:] == (1,):
        return [_column(name, key, array.reshape(len(array)))]
    flat = array.reshape(len(array), int(np.prod(array.shape[1:])))
    places = np.ndindex(*array.shape[1:])
    return [_column(name, "_".join([key, *map(str, place)]), flat[:, i]) for i, place in enumerate(places)]


def _column(name: str, key: str, values: npt.NDArray[Any]) -> pl.Series:
    import polars as pl

    kind = values.dtype.kind
    if kind == "O":
        return series_of(key, values.tolist())
    if kind in "US":
        return pl.Series(key, _texts(name, key, values), dtype=pl.String)
    if kind == "M":
        years = values.astype("datetime64[Y]")[~np.isnat(values)].astype(np.int64) + 1970
        if years.size and not 1 <= years.min() <= years.max() <= 9999:
            raise DataError(f"{name}: column {shortened(key)} holds a date outside of the years 1 to 9999")
        return pl.Series(key, values.astype("datetime64[us]"))
    if kind == "f" and values.dtype.itemsize not in (4, 8):
        values = values.astype(np.float32 if values.dtype.itemsize < 4 else np.float64)
    if kind not in "biuf":
        raise DataError(f"{name}: column {shortened(key)} is of type {values.dtype}, which is no number, text or date")
    return pl.Series(key, np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="), copy=False)))


def _texts(name: str, key: str, values: npt.NDArray[Any]) -> list[str]:
    """Return the strings of an array, whose characters nobody has checked."""
    if values.dtype.kind == "U":
        characters = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="))).view(np.uint32)
        if ((characters > 0x10FFFF) | ((characters >= 0xD800) & (characters < 0xE000))).any():
            raise DataError(f"{name}: column {shortened(key)} holds characters that do not exist")
    try:
        return values.astype(str).tolist()  # type: ignore[no-any-return]
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: column {shortened(key)} holds bytes that are not ASCII text") from error
