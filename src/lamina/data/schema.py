"""`Schema`: what the columns of a table are like, found by looking at all of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

import lamina.data.cells as cells
from lamina.data.decimals import POINT, Decimal
from lamina.data.record import Record
from lamina.data.settling import settled
from lamina.data.table import Table
from lamina.errors import DataError

if TYPE_CHECKING:
    import polars as pl
    from rich.table import Table as RichTable

Kind = Literal["numeric", "categorical", "boolean", "date", "text", "empty"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# A text column with more different values than this, or with mostly different ones, names rows and not groups.
MOST_CATEGORIES = 1000
FEW_CATEGORIES = 10
EXAMPLES = 3
LONGEST_EXAMPLE = 24


@dataclass(frozen=True)
class ColumnSchema:
    """What one column is like.

    Attributes
    ----------
    name : str
    kind : str
        ``"numeric"``, ``"categorical"``, ``"boolean"``, ``"date"``, ``"text"`` (mostly different texts: names,
        identifiers, sentences, of which a model learns nothing as they are) or ``"empty"`` (no values).
    missing : int
        How many rows have no value.
    distinct : int
        How many different values there are.
    examples : tuple of str
        The first different values; of numbers and dates, the least and the greatest.
    """

    name: str
    kind: Kind
    missing: int
    distinct: int
    examples: tuple[str, ...]

    @property
    def examples_text(self) -> str:
        """The examples in one line: ``2 … 5`` for the range of numbers and dates, ``Ulm, Bonn`` for others."""
        between = " … " if self.kind in ("numeric", "date") else ", "
        return between.join(" ".join(example.split()) for example in self.examples)


@dataclass(frozen=True)
class Schema:
    """What the columns of a table are like.

    ``str`` gives it as text, and rich prints it as a table.

    Attributes
    ----------
    name : str
        The table's.
    rows : int
    columns : tuple of ColumnSchema
    """

    name: str
    rows: int
    columns: tuple[ColumnSchema, ...]

    def __getitem__(self, name: str) -> ColumnSchema:
        """Return the column of this name."""
        for column in self.columns:
            if column.name == name:
                return column
        raise DataError(f"{self.name}: there is no column {name!r}")

    def __str__(self) -> str:
        rows = [_TITLES, *map(_row, self.columns)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(_TITLES))]
        lines = ["  ".join(map(_aligned, row, widths, _RIGHT)).rstrip() for row in rows]
        head = f"{self.name}: {self.rows:,} rows, {len(self.columns):,} columns"
        return "\n".join([head, *lines])

    def __rich__(self) -> RichTable:
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(title=f"{self.name}: {self.rows:,} rows, {len(self.columns):,} columns", title_justify="left")
        for title, right in zip(_TITLES, _RIGHT, strict=True):
            table.add_column(title, justify="right" if right else "left")
        for column in self.columns:
            table.add_row(*map(Text, _row(column)))
        return table

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` needs, as plain lists, strings and numbers."""
        columns = [
            {"name": c.name, "kind": c.kind, "missing": c.missing, "distinct": c.distinct, "examples": list(c.examples)}
            for c in self.columns
        ]
        return {"name": self.name, "rows": self.rows, "columns": columns}

    @classmethod
    def from_json(cls, record: Record) -> Schema:
        """Rebuild it from what `to_json` gave, each value checked.

        Raises
        ------
        CheckpointError
            When something is not what `to_json` would write.
        """
        return cls(record.text("name"), record.whole("rows"), tuple(map(_column, record.records("columns"))))


_TITLES = ("column", "kind", "missing", "distinct", "examples")
_RIGHT = (False, False, True, True, False)


def _aligned(cell: str, width: int, right: bool) -> str:
    return cell.rjust(width) if right else cell.ljust(width)


def _row(column: ColumnSchema) -> tuple[str, ...]:
    missing = f"{column.missing:,}" if column.missing else ""
    return (column.name, column.kind, missing, f"{column.distinct:,}", column.examples_text)


def _column(record: Record) -> ColumnSchema:
    kind = next((kind for kind in KINDS if kind == record.text("kind")), None)
    if kind is None:
        raise record.wrong("kind", f"one of {', '.join(KINDS)}")
    return ColumnSchema(
        record.text("name"), kind, record.whole("missing"), record.whole("distinct"), record.texts("examples")
    )


def infer_schema(table: Table) -> Schema:
    """Return what the columns of a table are like.

    Numbers are numeric, also in text. Text is boolean if it says true and false, yes and no, or the like; a date if
    every value is one in one order (2024-05-31, 31.5.2024, 5/31/2024, 31 May 2024, with or without a time, or a time
    alone); categorical if at most
    ten values differ, or at most half of the rows and a thousand; else text.

    Parameters
    ----------
    table : Table

    Returns
    -------
    Schema

    Examples
    --------
    >>> from lamina.data import Table, infer_schema
    >>> table = Table.of({"rooms": [3, 4, None], "town": ["Ulm", "Bonn", "Ulm"], "sold": ["yes", "no", "no"]})
    >>> print(infer_schema(table))
    table: 3 rows, 3 columns
    column  kind         missing  distinct  examples
    rooms   numeric            1         2  3 … 4
    town    categorical                  2  Ulm, Bonn
    sold    boolean                      2  yes, no
    """
    with suppress(DataError):  # what is unclear is shown as the text that it is
        table = settled(table)
    decimal = table.decimal or POINT
    return Schema(table.name, len(table), tuple(_described(column, decimal) for column in table.frame.get_columns()))


def kinds_of(table: Table, names: Sequence[str]) -> dict[str, Kind]:
    """Return the kinds of the columns of these names."""
    return {name: kind_of(table.frame[name], table.decimal or POINT) for name in names}


def kind_of(column: pl.Series, decimal: Decimal) -> Kind:
    """Return the kind of a column."""
    if column.null_count() == len(column):
        return "empty"
    if cells.are_numbers(column, decimal):
        return "numeric"
    if cells.are_truths(column):
        return "boolean"
    if cells.date_order(column) is not None:
        return "date"
    distinct = column.drop_nulls().n_unique()
    if distinct > MOST_CATEGORIES or (distinct > FEW_CATEGORIES and 2 * distinct > len(column)):
        return "text"
    return "categorical"


def _described(column: pl.Series, decimal: Decimal) -> ColumnSchema:
    kind, present = kind_of(column, decimal), column.drop_nulls()
    if kind == "numeric":
        values = cells.numbers(present, decimal)
        present = present.gather([int(np.nanargmin(values)), int(np.nanargmax(values))])
    elif kind == "date":
        moments = cells.dates(present, cells.date_order(present) or "year-month-day")
        present = present.gather([moments.arg_min() or 0, moments.arg_max() or 0])
    found = cells.texts(present.unique(maintain_order=True).head(EXAMPLES)).to_list()
    examples = tuple(dict.fromkeys(_shortened(text) for text in found))
    return ColumnSchema(column.name, kind, column.null_count(), column.drop_nulls().n_unique(), examples)


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_EXAMPLE else text[: LONGEST_EXAMPLE - 1] + "…"
