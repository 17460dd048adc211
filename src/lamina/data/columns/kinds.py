"""The kinds of columns, and what encodes each."""

from __future__ import annotations

from typing import Protocol

from lamina.data.columns.boolean import BooleanColumn, BooleanFitting
from lamina.data.columns.categorical import CategoricalColumn, CategoricalFitting
from lamina.data.columns.dates import DateColumn, DateFitting
from lamina.data.columns.numeric import NumericColumn, NumericFitting
from lamina.data.schema import Kind
from lamina.data.table import Table

Column = NumericColumn | CategoricalColumn | BooleanColumn | DateColumn

# By the kind that is written in JSON.
COLUMNS: dict[str, type[Column]] = {
    "numeric": NumericColumn,
    "categorical": CategoricalColumn,
    "boolean": BooleanColumn,
    "date": DateColumn,
}


class Fitting(Protocol):
    """Rows go in, piece by piece; a column comes out."""

    def add(self, table: Table) -> None:
        """Look at more rows."""

    def column(self) -> Column:
        """Return the column fitted to all rows seen."""


def fitting(name: str, kind: Kind, most: int, least: int) -> Fitting:
    """Return what fits a column of this kind; text that is wanted as an input is taken as categories."""
    if kind in ("numeric", "empty"):
        return NumericFitting(name)
    if kind == "boolean":
        return BooleanFitting(name)
    if kind == "date":
        return DateFitting(name)
    return CategoricalFitting(name, most, least)
