"""Numbers in text, written with a decimal point or a decimal comma: which of them a table has, and what they are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from lamina.data.record import Record
from lamina.errors import DataError

if TYPE_CHECKING:
    import polars as pl

    from lamina.data.table import Table

Decimal = Literal[".", ","]
DECIMALS: tuple[Decimal, ...] = get_args(Decimal)
POINT: Decimal = "."
COMMA: Decimal = ","

WORDS: dict[Decimal, str] = {POINT: "decimal points", COMMA: "decimal commas"}

# Thousands may stand in groups of three, parted by the other mark; where commas are decimal, also by spaces.
GROUPED = r"^[-+]?\d{1,3}(,\d{3})+(\.\d*)?$"
WITH_COMMAS = r"^[-+]?(\d{1,3}([. \u{a0}\u{202f}]\d{3})+|\d+)(,\d*)?([eE][-+]?\d+)?$|^[-+]?,\d+$"
BETWEEN_GROUPS = r"[. \u{a0}\u{202f}]"


def other(decimal: Decimal) -> Decimal:
    """Return the mark that is not the decimal one."""
    return COMMA if decimal == POINT else POINT


def check_decimal(operation: str, decimal: Any) -> Decimal | None:
    """Return how numbers are written as it was given, None where that was left open.

    Raises
    ------
    DataError
    """
    if decimal is None or decimal in DECIMALS:
        return decimal  # type: ignore[no-any-return]
    raise DataError(f'{operation}: decimal is {decimal!r}; use "." for 1.5, "," for 1,5, or None to find out')


def decimal_of(record: Record) -> Decimal:
    """Return how numbers are written from what was stored."""
    for decimal in DECIMALS:
        if record.text("decimal") == decimal:
            return decimal
    raise record.wrong("decimal", '"." or ","')


def parsed(cells: pl.Series, decimal: Decimal) -> pl.Series:
    """Return text as Float64, null where there is no number written in this way."""
    import polars as pl

    if decimal == COMMA:
        plain = cells.str.replace_all(BETWEEN_GROUPS, "").str.replace(",", ".", literal=True)
        found = plain.cast(pl.Float64, strict=False)
        return found.set(~cells.str.contains(WITH_COMMAS), None)
    found = cells.cast(pl.Float64, strict=False)
    if found.null_count() == cells.null_count():
        return found
    grouped = cells.str.replace_all(",", "", literal=True).cast(pl.Float64, strict=False)
    return grouped.zip_with(cells.str.contains(GROUPED).fill_null(False), found)


def are_parsed(cells: pl.Series, decimal: Decimal) -> bool:
    """Say whether all text present is numbers written in this way, and there is some."""
    present = cells.drop_nulls()
    first = present.head(100)
    if not len(present) or parsed(first, decimal).null_count():
        return False
    return not parsed(present, decimal).null_count()


def settled(table: Table) -> Table:
    """Return a table of which it is decided how numbers in its text are written.

    It is decided by columns that are numbers in one way and text in the other: ``1,5`` and ``1.234,50`` are written
    with decimal commas, ``1.5`` and ``1,234.50`` with decimal points. Where no number has a comma, they are points.

    Raises
    ------
    DataError
        When columns speak for both, or a comma may be either, as in ``1,234``.
    """
    if table.decimal is not None:
        return table
    speaking, unclear = _evidence(table.frame)
    if len(speaking) > 1:
        shown = " and ".join(f"{speaking[decimal]} with {WORDS[decimal]}" for decimal in (COMMA, POINT))
        raise DataError(f"{table.name}: {shown}; {_REMEDY}; the other column is text then")
    if not speaking and unclear:
        raise DataError(f"{table.name}: {unclear} may be a decimal comma or part thousands; {_REMEDY}")
    if COMMA not in speaking:
        return replace(table, decimal=POINT)
    note = f"{speaking[COMMA]} with decimal commas, and all numbers are read so; --decimal . reads points"
    return replace(table, decimal=COMMA, notes=(*table.notes, note))


_REMEDY = 'say which, by decimal="," or decimal="." where the table is read (--decimal , or --decimal .)'


def _evidence(frame: pl.DataFrame) -> tuple[dict[Decimal, str], str]:
    """Return a column that speaks for each way of writing, in words, and one whose commas may be either."""
    import polars as pl

    speaking: dict[Decimal, str] = {}
    unclear = ""
    texts = [column for column in frame.get_columns() if column.dtype == pl.String]
    if not any(column.str.contains(r"^[-+]?[\d., \u{a0}\u{202f}]*,").any() for column in texts):
        return speaking, unclear
    for column in texts:
        with_points, with_commas = are_parsed(column, POINT), are_parsed(column, COMMA)
        if with_points == with_commas:
            cell = _first(column, r",")
            if with_points and cell is not None and not unclear:
                unclear = f"the comma of {cell!r} in column {column.name!r}"
            continue
        decimal = POINT if with_points else COMMA
        cell = _first(column, r"[.,]")
        if decimal not in speaking and cell is not None:
            speaking[decimal] = f"column {column.name!r} holds {cell!r}, written"
    return speaking, unclear


def _first(column: pl.Series, pattern: str) -> str | None:
    present = column.drop_nulls()
    found: list[str] = present.filter(present.str.contains(pattern)).head(1).to_list()
    return found[0] if found else None
