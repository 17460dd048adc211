"""Numbers, standardised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.data.columns.missing import Floats, missing_name, with_indicator
from lamina.data.decimals import POINT, Decimal, decimal_of
from lamina.data.record import Record
from lamina.data.scaling import Scaling
from lamina.data.table import Table
from lamina.errors import DataError


@dataclass(frozen=True)
class NumericColumn:
    """A column of numbers, standardised: (x - mean) / std. A missing value becomes the mean, which is 0.

    A column that was constant in training has ``std`` 0 and always becomes 0: nothing was learnt about it. If training
    had missing values, a second input is 1 where the value is missing.

    It does what scikit-learn's ``StandardScaler`` and then ``SimpleImputer`` (with its indicator) do.

    Attributes
    ----------
    name : str
    mean, std : float
        In the column's units.
    missing : bool, default False
        Whether training had missing values.
    decimal : {".", ","}, default "."
        How numbers in text were written in training.
    """

    name: str
    mean: float
    std: float
    missing: bool = False
    decimal: Decimal = POINT

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the inputs it becomes."""
        return (self.name, missing_name(self.name)) if self.missing else (self.name,)

    def encode(self, table: Table) -> Floats:
        """Return the inputs, float64 of shape [rows, 1 or 2].

        Raises
        ------
        DataError
            When a cell is not a finite number, or too large.
        """
        values = self.numbers(table)
        if self.std:
            scaled = values - self.mean
            scaled /= self.std
        else:
            scaled = np.zeros_like(values)
        absent = np.isnan(values)
        scaled[absent] = 0.0
        if max(scaled.max(initial=0.0), -scaled.min(initial=0.0)) > np.finfo(np.float32).max:
            self._refuse_large(table, values, scaled)
        return with_indicator(scaled[:, None], absent, self.missing)

    def numbers(self, table: Table) -> Floats:
        """Return the numbers of a table as they are, float64 of shape [rows], NaN where one is missing."""
        return table.without_blanks(self.name).numbers(self.name, self.decimal)

    def _refuse_large(self, table: Table, values: Floats, scaled: Floats) -> None:
        large = np.flatnonzero(np.abs(scaled) > np.finfo(np.float32).max)
        raise DataError(
            f"{table.name}: column {self.name!r} holds {values[large[0]]:g} on line {table.lines[large[0]]}, too "
            f"far from the {self.mean:g} ± {self.std:g} of the training rows to compute with; correct the number"
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` needs."""
        found = {"kind": "numeric", "name": self.name, "mean": self.mean, "std": self.std}
        return {**found, "missing": self.missing, "decimal": self.decimal}

    @classmethod
    def from_json(cls, record: Record) -> NumericColumn:
        """Rebuild it from what `to_json` gave."""
        mean, std = record.number("mean"), record.number("std", least=0.0)
        return cls(record.text("name"), mean, std, record.truth("missing"), decimal_of(record))


class NumericFitting:
    """Finds the numbers of a `NumericColumn` from rows that come in pieces."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.scaling = Scaling(1)
        self.missing = False
        self.decimal: Decimal = POINT

    def add(self, table: Table) -> None:
        """Look at more rows."""
        self.decimal = table.decimal or POINT
        values = table.numbers(self.name)
        self.missing |= bool(np.isnan(values).any())
        self.scaling.add(f"{table.name}: column {self.name!r}", values[:, None])

    def column(self) -> NumericColumn:
        """Return the column fitted to all rows seen."""
        mean, std = self.scaling.found()[0]
        return NumericColumn(self.name, mean, std, self.missing, self.decimal)
