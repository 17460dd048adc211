"""Cells of a column as numbers, truth values, dates or text.

Every function here takes a polars Series and looks at all of it at once; what a cell cannot be is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lamina.data.decimals import Decimal, are_parsed, parsed

if TYPE_CHECKING:
    import polars as pl

Floats = npt.NDArray[np.float64]

# What spreadsheets and statistics programs write for a value that is not there; pandas takes the same ones for it.
MISSING_MARKS = (
    "", "NA", "N/A", "n/a", "<NA>", "#N/A", "#NA", "#N/A N/A", "NaN", "nan", "-NaN", "-nan", "null", "NULL", "None",
    "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN",
)  # fmt: skip

# What people write for it among numbers and dates, where it can be nothing else; among texts it may be one of them.
BLANKS = (
    "?", "??", "-", "--", "---", "\u2013", "\u2014", ".", "..", "...", "na", "n.a.", "N.A.", "k.A.", "nd", "n/d", "N/D",
    "none", "NONE", "nil", "NIL", "missing", "Missing", "unknown", "Unknown", "-/-", "Null", "#NULL!", "#DIV/0!",
    "#VALUE!", "#REF!", "#NAME?", "#NUM!", "0000-00-00", "0000-00-00 00:00:00",
)  # fmt: skip

# What people write for true and false, in any case. 1 and 0 are numbers, which serve a model as well.
TRUTH_WORDS = {
    "true": 1.0, "t": 1.0, "yes": 1.0, "y": 1.0, "on": 1.0,
    "false": 0.0, "f": 0.0, "no": 0.0, "n": 0.0, "off": 0.0,
}  # fmt: skip

# The orders in which people write dates, the likeliest first, for a column that more than one would fit.
DATE_ORDERS = {
    "year-month-day": ("%Y-%m-%d", "%Y-%m", "%y-%m-%d"),
    "year/month/day": ("%Y/%m/%d",),
    "day.month.year": ("%d.%m.%Y", "%d.%m.%y"),
    "month/day/year": ("%m/%d/%Y", "%m/%d/%y"),
    "day/month/year": ("%d/%m/%Y", "%d/%m/%y"),
    "day-month-year": ("%d-%m-%Y", "%d-%m-%y"),
    "day month-name year": tuple(
        f"%d{gap}{month}{gap}{year}" for gap in ("-", " ") for month in ("%B", "%b") for year in ("%Y", "%y")
    ),
    "month-name day year": ("%B %d, %Y", "%b %d, %Y", "%B %d %Y", "%b %d %Y"),
    "hour:minute": ("",),
}
DATE_LIKE = r"^(\d{1,4}[-/.]\d|\d{1,2}[- ]\pL{3}|\pL{3,9} \d{1,2},? \d|\d{1,2}:\d\d)"
# What may follow the day; a time zone is converted to UTC.
TIMES = (
    "", " %H:%M:%S%.f", " %H:%M", " %I:%M %p", " %I:%M:%S %p", " %I:%M%p", " %H:%M:%S%.f%#z", " %H:%M%#z",
)  # fmt: skip
# Years of fewer digits than four are those of a two-digit one.
FIRST_YEAR = 100
# Texts that come so many times on average are parsed once each.
MANY_TIMES = 4
# The day that a time without one is counted from.
NO_DAY = "1970-01-01 "


def texts(cells: pl.Series) -> pl.Series:
    """Return cells as String.

    A whole number is written without a point, so that a category is the same one in a column that another file has
    as floats.
    """
    import polars as pl

    if cells.dtype.is_float():
        whole = cells.cast(pl.Int64, strict=False)
        same = (whole.cast(cells.dtype) == cells) & (cells.abs() < 2.0**53)
        return whole.cast(pl.String).zip_with(same.fill_null(False), cells.cast(pl.String))
    if isinstance(cells.dtype, pl.Datetime):
        # Dates without a time of day are written without one.
        if (cells.dt.truncate("1d") == cells).all():
            return cells.dt.strftime("%Y-%m-%d")
        return cells.dt.strftime("%Y-%m-%d %H:%M:%S%.6f")
    return cells.cast(pl.String)


def counts(cells: pl.Series) -> dict[str | None, int]:
    """Return how often each text occurs."""
    # A column may be called "count" itself.
    counted = texts(cells).alias("text").value_counts(name="count")
    return dict(zip(counted["text"].to_list(), counted["count"].to_list(), strict=True))


def numbers(cells: pl.Series, decimal: Decimal) -> Floats:
    """Return cells as float64, NaN where there is no number."""
    import polars as pl

    if not (cells.dtype.is_numeric() or cells.dtype == pl.String):
        return np.full(len(cells), np.nan)
    found = parsed(cells, decimal) if cells.dtype == pl.String else cells.cast(pl.Float64, strict=False)
    return found.to_numpy().astype(np.float64, copy=False)


def blanked(cells: pl.Series) -> pl.Series:
    """Return cells of numbers or dates without `BLANKS`, which are missing values there."""
    import polars as pl

    if cells.dtype != pl.String:
        return cells
    blank = cells.is_in(BLANKS)
    return cells.set(blank, None) if blank.any() else cells


def are_numbers(cells: pl.Series, decimal: Decimal) -> bool:
    """Say whether every value present is a number, and there is one."""
    import polars as pl

    if cells.dtype.is_numeric():
        return cells.null_count() < len(cells)
    return cells.dtype == pl.String and are_parsed(cells, decimal)


def truths(cells: pl.Series) -> Floats:
    """Return 1 for true, 0 for false, NaN where there is neither."""
    import polars as pl

    if cells.dtype == pl.String:
        words = cells.str.to_lowercase()
        found = words.replace_strict(TRUTH_WORDS, default=None, return_dtype=pl.Float64)
    elif cells.dtype == pl.Boolean:
        found = cells.cast(pl.Float64)
    elif cells.dtype.is_numeric():
        found = cells.cast(pl.Float64)
        found = found.set((found != 0.0) & (found != 1.0), None)
    else:
        return np.full(len(cells), np.nan)
    return found.to_numpy().astype(np.float64)


def are_truths(cells: pl.Series) -> bool:
    """Say whether every value present is true or false in words, and there is one."""
    import polars as pl

    if cells.dtype == pl.Boolean:
        return cells.null_count() < len(cells)
    if cells.dtype != pl.String:
        return False
    found = cells.drop_nulls().unique().str.to_lowercase()
    return 0 < len(found) <= len(TRUTH_WORDS) * 4 and all(word in TRUTH_WORDS for word in found)


def dates(cells: pl.Series, order: str) -> pl.Series:
    """Return cells as Datetime in microseconds, null where there is no date written in this order."""
    import polars as pl

    moments = pl.Datetime("us")
    if isinstance(cells.dtype, pl.Datetime):
        return cells.dt.replace_time_zone(None).cast(moments, strict=False)
    if cells.dtype == pl.Date:
        return cells.cast(moments)
    if cells.dtype != pl.String:
        return pl.Series(cells.name, [None] * len(cells), dtype=moments)
    different = cells.drop_nulls().unique()
    if MANY_TIMES * len(different) < len(cells):
        # The dates of long tables come again and again.
        return cells.replace_strict(different, dates(different, order), default=None, return_dtype=moments)
    # "2024-05-01T12:00:00Z" and "2024-05-01 12:00:00" are the same moment.
    written = cells.str.replace(r"^(\S+)T(\d\d:.*)$", "$1 $2").str.replace(r"(\d)Z$", "$1")
    found = pl.Series(cells.name, [None] * len(cells), dtype=moments)
    for day in DATE_ORDERS[order]:
        for time in TIMES:
            left = found.is_null() & written.is_not_null()
            if not left.any():
                return found
            found = found.zip_with(found.is_not_null(), _parsed(written, day, time))
    return found


def _parsed(written: pl.Series, day: str, time: str) -> pl.Series:
    import polars as pl

    moments = pl.Datetime("us")
    if day == "%Y-%m":
        day, written = "%Y-%m-%d", written + "-01"
    elif not day:
        day, written = "%Y-%m-%d", NO_DAY + written
    if not time:
        found = written.str.strptime(pl.Date, day, strict=False).cast(moments)
    elif "z" in time:
        zoned = written.str.strptime(pl.Datetime("us", "UTC"), day + time, strict=False)
        found = zoned.dt.replace_time_zone(None)
    else:
        found = written.str.strptime(moments, day + time, strict=False)
    # "%Y" takes "24" for the year 24.
    return found.set((found.dt.year() < FIRST_YEAR).fill_null(False), None) if "%Y" in day else found


def date_order(cells: pl.Series) -> str | None:
    """Return the order in which every value present is a date, the likeliest of several; ``None`` if there is none."""
    return next(date_orders(cells), None)


def date_orders(cells: pl.Series) -> Iterator[str]:
    """Yield every order in which all values present are dates, the likeliest first."""
    import polars as pl

    present = cells.drop_nulls()
    if not len(present):
        return
    if isinstance(cells.dtype, pl.Datetime | pl.Date):
        yield "year-month-day"
    elif cells.dtype == pl.String and present.head(100).str.contains(DATE_LIKE).all():
        for order in DATE_ORDERS:
            if not dates(present.head(100), order).null_count() and not dates(present, order).null_count():
                yield order
