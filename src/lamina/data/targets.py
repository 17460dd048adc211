"""The column a model learns to answer: classes or values, and how either becomes numbers and text again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

import lamina.data.cells as cells
from lamina.data.decimals import POINT, Decimal, decimal_of, other
from lamina.data.record import Record
from lamina.data.scaling import Scaling
from lamina.data.settling import settled
from lamina.data.table import Table, listed, shortened
from lamina.errors import DataError

if TYPE_CHECKING:
    import polars as pl

Task = Literal["classification", "regression"]
Array = npt.NDArray[Any]

# Whole numbers with more different values than this are taken for quantities.
MOST_NUMERIC_CLASSES = 10
# Whole numbers below this are exact as float64.
MOST_EXACT = 2.0**53
# More classes than this are no classes.
MOST_CLASSES = 10_000


def infer_task(table: Table, target: str) -> Task:
    """Say whether a target column holds classes or values.

    Text and booleans are classes. Whole numbers are classes if they take at most ten different values and the table
    has at least two rows for each; all other numbers are values.
    """
    fitting = TargetFitting(target)
    fitting.add(settled(table))
    return fitting.task()


@dataclass(frozen=True)
class ClassTarget:
    """A column of classes, numbered in their order: of numbers if all are numeric, else of text.

    Attributes
    ----------
    name : str
    classes : tuple of str
    numeric : bool
        Whether the classes were written as numbers, so that ``1`` and ``1.0`` are the same one.
    decimal : {".", ","}, default "."
        How numbers in text were written in training.
    """

    name: str
    classes: tuple[str, ...]
    numeric: bool
    decimal: Decimal = POINT

    task = "classification"

    @property
    def outputs(self) -> int:
        """How many numbers a model puts out for a row: one logit a class."""
        return len(self.classes)

    @classmethod
    def fit(cls, table: Table, name: str) -> ClassTarget:
        """Find the classes of a column; rows without a value are passed over.

        Raises
        ------
        DataError
            When there is only one class, or nearly every row has its own.
        """
        fitting = TargetFitting(name)
        fitting.add(settled(table))
        return fitting.classes()

    def without_blanks(self, table: Table) -> Table:
        """Return a table in which what stands for missing numbers is missing."""
        return table.without_blanks(self.name) if self.numeric else table

    def encode(self, table: Table) -> Array:
        """Return the number of each row's class, int64 of shape [rows].

        Raises
        ------
        DataError
            When a row has no class or one that training did not know; the message names it.
        """
        import polars as pl

        numeric = self.numeric and table.is_numeric(self.name, self.decimal)
        labels = _labels(table, self.name, numeric, self.decimal)
        numbers = labels.replace_strict(
            list(self.classes), list(range(len(self.classes))), default=None, return_dtype=pl.Int64
        )
        if numbers.null_count():
            row = int(numbers.is_null().arg_max() or 0)
            raise DataError(
                f"{table.name}: line {table.lines[row]} has the class {shortened(labels[row] or '(missing)')} in "
                f"{self.name!r}; the model knows {listed(self.classes)}"
            )
        return numbers.to_numpy()

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` needs."""
        found = {"name": self.name, "classes": list(self.classes)}
        return {**found, "numeric": self.numeric, "decimal": self.decimal}

    @classmethod
    def from_json(cls, record: Record) -> ClassTarget:
        """Rebuild it from what `to_json` gave."""
        classes = record.texts("classes")
        if len(classes) < 2:
            raise record.wrong("classes", "at least two classes")
        return cls(record.text("name"), classes, record.truth("numeric"), decimal_of(record))


@dataclass(frozen=True)
class NumericTarget:
    """A column of values, standardised for training: (value - mean) / std of the training rows.

    Attributes
    ----------
    name : str
    mean, std : float
        In the column's units; ``std`` is greater than zero.
    decimal : {".", ","}, default "."
        How numbers in text were written in training.
    """

    name: str
    mean: float
    std: float
    decimal: Decimal = POINT

    task = "regression"
    outputs = 1

    @classmethod
    def fit(cls, table: Table, name: str) -> NumericTarget:
        """Find mean and standard deviation of a column that has a value in every row."""
        fitting = TargetFitting(name)
        fitting.add(settled(table))
        return fitting.values()

    def without_blanks(self, table: Table) -> Table:
        """Return a table in which what stands for missing numbers is missing."""
        return table.without_blanks(self.name)

    def encode(self, table: Table) -> Array:
        """Return the standardised values, float32 of shape [rows, 1]."""
        return ((table.numbers(self.name, self.decimal) - self.mean) / self.std).astype(np.float32)[:, None]

    def decode(self, outputs: Array) -> npt.NDArray[np.float64]:
        """Return a model's outputs of shape [rows, 1] in the column's units, shape [rows]."""
        return outputs[:, 0].astype(np.float64) * self.std + self.mean

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` needs."""
        return {"name": self.name, "mean": self.mean, "std": self.std, "decimal": self.decimal}

    @classmethod
    def from_json(cls, record: Record) -> NumericTarget:
        """Rebuild it from what `to_json` gave."""
        std = record.number("std", least=0.0)
        if std == 0.0:
            raise record.wrong("std", "greater than zero")
        return cls(record.text("name"), record.number("mean"), std, decimal_of(record))


Target = ClassTarget | NumericTarget


class TargetFitting:
    """Finds what a target column holds from rows that come in pieces.

    Parameters
    ----------
    name : str
    task : str, optional
        If that is known: a column of numbers is then not searched for classes, nor the reverse.
    """

    def __init__(self, name: str, task: Task | None = None) -> None:
        self.name, self.wanted = name, task
        self.place = ""
        self.rows = 0
        self.numeric = True
        self.decimal: Decimal = POINT
        self.scaling = Scaling(1)
        # By the text of the label; None once there are too many for classes.
        self.counts: Counter[str] | None = None if task == "regression" else Counter()

    def add(self, table: Table) -> None:
        """Look at more rows; those without a value are passed over."""
        column = table.frame[self.name]
        present = len(column) - column.null_count()
        if not present:
            return
        self.place, self.decimal = table.name, table.decimal or POINT
        if self.rows and self.numeric and not table.is_numeric(self.name):
            raise DataError(f"{table.name}: the target {self.name!r} holds numbers in some rows and text in others")
        self.numeric = self.numeric and (self.wanted == "regression" or table.is_numeric(self.name))
        self.rows += present
        if self.numeric:
            self.scaling.add(f"{table.name}: target {self.name!r}", table.numbers(self.name)[:, None])
        if self.counts is not None:
            counted = cells.counts(_labels(table, self.name, self.numeric, self.decimal))
            self.counts.update({label: count for label, count in counted.items() if label is not None})
            if len(self.counts) > MOST_CLASSES:
                self.counts = None

    def task(self) -> Task:
        """Say whether the column holds classes or values."""
        if self.wanted is not None:
            return self.wanted
        if not self.numeric:
            return "classification"
        if self.counts is None or len(self.counts) > MOST_NUMERIC_CLASSES or 2 * len(self.counts) > self.rows:
            return "regression"
        return "classification" if all(float(label).is_integer() for label in self.counts) else "regression"

    def target(self) -> Target:
        """Return the target fitted to all rows seen."""
        return self.classes() if self.task() == "classification" else self.values()

    def classes(self) -> ClassTarget:
        """Return the classes of all rows seen."""
        classes = tuple(sorted(self.counts or (), key=_in_order if self.numeric else str))
        if self.counts is not None and len(classes) < 2:
            raise DataError(
                f"{self.place}: the target {self.name!r} is {listed(classes)} in every row; "
                "there is nothing to learn, so give a table with at least two classes"
            )
        if self.counts is None or (2 * len(classes) > self.rows and len(classes) > 2):
            count = f"more than {MOST_CLASSES}" if self.counts is None else len(classes)
            raise DataError(
                f"{self.place}: the target {self.name!r} has {count} different values in {self.rows} rows, too many "
                "for classes; " + ("use --task regression" if self.numeric else "choose another --target")
            )
        return ClassTarget(self.name, classes, self.numeric, self.decimal)

    def values(self) -> NumericTarget:
        """Return mean and standard deviation of all rows seen."""
        mean, std = self.scaling.found()[0]
        if std == 0.0:
            raise DataError(
                f"{self.place}: the target {self.name!r} is {mean:g} in every row to train on ({self.rows}); "
                "there is nothing to learn, so give a table in which it varies"
            )
        return NumericTarget(self.name, mean, std, self.decimal)


def _labels(table: Table, name: str, numeric: bool, decimal: Decimal) -> pl.Series:
    """Return the text of each row's class; ``1`` and ``1.0`` are the same one where classes are numbers."""
    import polars as pl

    column = table.frame[name]
    if not numeric:
        return cells.texts(column)
    found = pl.Series(name, table.numbers(name, decimal)).fill_nan(None)
    large = found.abs() >= MOST_EXACT
    if not large.any():
        return cells.texts(found)
    # Such numbers are those of tickets or users, and are told apart by all of their digits.
    digits = cells.texts(column)
    if column.dtype == pl.String:
        digits = digits.str.replace_all(other(decimal), "", literal=True).str.replace(decimal, ".", literal=True)
    return digits.zip_with(large.fill_null(False), cells.texts(found))


def _in_order(label: str) -> tuple[float, str]:
    return float(label), label
