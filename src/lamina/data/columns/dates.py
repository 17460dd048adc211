"""Dates and times, as numbers that repeat (month, day, weekday, hour) and one that does not (elapsed days)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import lamina.data.cells as cells
from lamina.data.columns.missing import Floats, missing_name, with_indicator
from lamina.data.record import Record
from lamina.data.scaling import Scaling
from lamina.data.table import Table

if TYPE_CHECKING:
    import polars as pl

# What a date becomes; weekdays count from Monday, 1, and days from the first of January 1970.
PARTS = ("year", "month", "day", "weekday", "hour", "days")


@dataclass(frozen=True)
class DatePart:
    """One number of a date, and how it is standardised."""

    part: str
    mean: float
    std: float


@dataclass(frozen=True)
class DateColumn:
    """A column of dates or times as year, month, day, weekday, hour and elapsed days, each standardised.

    Parts that were the same in all of training are left out. A missing value becomes the mean of each part, which is
    0; if training had missing values, one more input is 1 there.

    Attributes
    ----------
    name : str
    order : str
        How dates are written, one of those in `lamina.data.cells.DATE_ORDERS`.
    parts : tuple of DatePart
    missing : bool, default False
        Whether training had missing values.
    """

    name: str
    order: str
    parts: tuple[DatePart, ...]
    missing: bool = False

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the inputs it becomes."""
        names = tuple(f"{self.name}:{part.part}" for part in self.parts)
        return (*names, missing_name(self.name)) if self.missing else names

    def encode(self, table: Table) -> Floats:
        """Return the inputs, float64 of shape [rows, parts].

        Raises
        ------
        DataError
            When a cell is no date written in the order of training.
        """
        table = table.without_blanks(self.name)
        values = _parts(table, self.name, self.order, [part.part for part in self.parts])
        for i, part in enumerate(self.parts):
            values[:, i] = (values[:, i] - part.mean) / part.std if part.std else 0.0
        found = table.frame[self.name]
        return with_indicator(np.nan_to_num(values, nan=0.0), found.is_null().to_numpy(), self.missing)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` needs."""
        parts = [{"part": part.part, "mean": part.mean, "std": part.std} for part in self.parts]
        return {"kind": "date", "name": self.name, "order": self.order, "parts": parts, "missing": self.missing}

    @classmethod
    def from_json(cls, record: Record) -> DateColumn:
        """Rebuild it from what `to_json` gave."""
        if record.text("order") not in cells.DATE_ORDERS:
            raise record.wrong("order", f"one of {', '.join(cells.DATE_ORDERS)}")
        records = record.records("parts")
        for each in records:
            if each.text("part") not in PARTS:
                raise each.wrong("part", f"one of {', '.join(PARTS)}")
        parts = tuple(DatePart(r.text("part"), r.number("mean"), r.number("std", least=0.0)) for r in records)
        if not parts or len({part.part for part in parts}) < len(parts):
            raise record.wrong("parts", "a list of different parts of a date")
        return cls(record.text("name"), record.text("order"), parts, record.truth("missing"))


class DateFitting:
    """Finds the numbers of a `DateColumn` from rows that come in pieces."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.order = ""
        self.scaling = Scaling(len(PARTS))
        self.missing = False

    def add(self, table: Table) -> None:
        """Look at more rows."""
        found = table.frame[self.name]
        self.missing |= bool(found.null_count())
        if found.null_count() == len(found):
            return
        self.order = self.order or cells.date_order(found) or next(iter(cells.DATE_ORDERS))
        values = _parts(table, self.name, self.order, PARTS)
        self.scaling.add(f"{table.name}: column {self.name!r}", values)

    def column(self) -> DateColumn:
        """Return the column fitted to all rows seen."""
        found = zip(PARTS, self.scaling.found(), strict=True)
        parts = [DatePart(part, mean, std) for part, (mean, std) in found]
        varying = tuple(part for part in parts if part.std) or (parts[-1],)
        return DateColumn(self.name, self.order or next(iter(cells.DATE_ORDERS)), varying, self.missing)


def _parts(table: Table, name: str, order: str, parts: list[str] | tuple[str, ...]) -> Floats:
    """Return parts of dates, float64 of shape [rows, parts], NaN where a value is missing."""
    found = cells.dates(table.frame[name], order)
    wanted = f"write the date as {order}, or leave the cell empty if it is missing"
    table.check(name, found.is_null().to_numpy(), "holds dates", wanted)
    return np.stack([_part(found, part) for part in parts], axis=1)


def _part(moments: pl.Series, part: str) -> Floats:
    import polars as pl

    if part == "days":
        microseconds = moments.cast(pl.Int64).cast(pl.Float64)
        return (microseconds / 86_400e6).to_numpy().astype(np.float64)
    return getattr(moments.dt, part)().cast(pl.Float64).to_numpy().astype(np.float64)  # type: ignore[no-any-return]
