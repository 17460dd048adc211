"""True and false."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import lamina.data.cells as cells
from lamina.data.columns.missing import Floats, missing_name, with_indicator
from lamina.data.columns.unseen import warn_of_unseen
from lamina.data.record import Record
from lamina.data.table import Table


@dataclass(frozen=True)
class BooleanColumn:
    """A column of truth values: 1 for true, 0 for false. A missing value becomes the one that training had more often.

    If training had missing values, a second input is 1 where the value is missing. A cell that is neither true nor
    false counts as missing, and a warning names it.

    Attributes
    ----------
    name : str
    usual : bool
        What training had more often.
    missing : bool, default False
        Whether training had missing values.
    """

    name: str
    usual: bool
    missing: bool = False

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the inputs it becomes."""
        return (self.name, missing_name(self.name)) if self.missing else (self.name,)

    def encode(self, table: Table) -> Floats:
        """Return the inputs, float64 of shape [rows, 1 or 2]."""
        values = cells.truths(table.frame[self.name])
        absent = np.isnan(values)
        odd = np.flatnonzero(absent & table.frame[self.name].is_not_null().to_numpy())
        if odd.size:
            warn_of_unseen(table, self.name, odd, ["true", "false"], "they are encoded as missing")
        values[absent] = float(self.usual)
        return with_indicator(values[:, None], absent, self.missing)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` needs."""
        return {"kind": "boolean", "name": self.name, "usual": self.usual, "missing": self.missing}

    @classmethod
    def from_json(cls, record: Record) -> BooleanColumn:
        """Rebuild it from what `to_json` gave."""
        return cls(record.text("name"), record.truth("usual"), record.truth("missing"))


class BooleanFitting:
    """Counts the truth values of rows that come in pieces."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.true = self.false = 0
        self.missing = False

    def add(self, table: Table) -> None:
        """Look at more rows."""
        values = cells.truths(table.frame[self.name])
        table.check(self.name, np.isnan(values), "is boolean", "write true or false there, or declare another kind")
        self.true += int((values == 1.0).sum())
        self.false += int((values == 0.0).sum())
        self.missing |= bool(np.isnan(values).any())

    def column(self) -> BooleanColumn:
        """Return the column fitted to all rows seen."""
        return BooleanColumn(self.name, self.true > self.false, self.missing)
