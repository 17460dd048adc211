"""What is decided about the text of a table by looking at all of it: how numbers are written, and what is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import lamina.data.cells as cells
from lamina.data.decimals import COMMA, POINT, WORDS, Decimal, are_parsed
from lamina.data.table import Table, counted_name, listed
from lamina.errors import DataError

if TYPE_CHECKING:
    import polars as pl


def settled(table: Table) -> Table:
    """Return a table of which it is decided how numbers in its text are written, and which of its cells are missing.

    A question mark or a dash is a missing value in a column that holds numbers or dates besides. How numbers are
    written is decided by columns that are numbers in one way and text in the other: ``1,5`` and ``1.234,50`` have
    decimal commas, ``1.5`` and ``1,234.50`` decimal points. Where no number has a comma, they are points.

    Raises
    ------
    DataError
        When columns speak for both, or a comma may be either, as in ``1,234``.
    """
    if table.settled:
        return table
    table = _without_blanks(replace(table, settled=True))
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


COMMA_INSIDE = r"^[-+(]?\p{Sc}?[\d., \u{a0}\u{202f}]*,"
_REMEDY = 'say which, by decimal="," or decimal="." where the table is read (--decimal , or --decimal .)'


def _without_blanks(table: Table) -> Table:
    import polars as pl
    import polars.selectors as of

    changed: list[pl.Series] = []
    notes: list[str] = []
    # One query for all columns: of thousands, hardly any has marks.
    marked = table.frame.select(of.string()).select(pl.all().is_in(cells.BLANKS).any())
    for column in [table.frame[each.name] for each in marked.get_columns() if each[0]]:
        left = cells.blanked(column)
        if not (_holds_numbers(left) or cells.date_order(left) is not None):
            continue
        marks = column.filter(left.is_null() & column.is_not_null())
        changed.append(left)
        shown = listed(marks.unique(maintain_order=True).to_list(), most=3)
        rows = f"{len(marks)} {counted_name(len(marks), 'row')}"
        notes.append(f"column {column.name!r} holds {shown} in {rows}, taken for missing values")
    if not changed:
        return table
    return replace(table, frame=table.frame.with_columns(changed), notes=(*table.notes, *notes))


def _holds_numbers(column: pl.Series) -> bool:
    return are_parsed(column, POINT) or are_parsed(column, COMMA)


def _evidence(frame: pl.DataFrame) -> tuple[dict[Decimal, str], str]:
    """Return a column that speaks for each way of writing, in words, and one whose commas may be either."""
    import polars as pl

    speaking: dict[Decimal, str] = {}
    unclear = ""
    texts = [column for column in frame.get_columns() if column.dtype == pl.String]
    if not texts or not any(pl.DataFrame(texts).select(pl.all().str.contains(COMMA_INSIDE).any()).row(0)):
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
