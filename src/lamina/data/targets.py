"""The column a model learns to answer: classes or values, and how either becomes numbers and text again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lamina.data.record import Record
from lamina.data.scaling import mean_and_std
from lamina.data.table import Table, listed
from lamina.errors import DataError

Task = Literal["classification", "regression"]
Array = npt.NDArray[Any]

# Whole numbers with more different values than this are taken for quantities.
MOST_NUMERIC_CLASSES = 10


def infer_task(table: Table, target: str) -> Task:
    """Say whether a target column holds classes or values.

    Text and booleans are classes. Whole numbers are classes if they take at most ten different values and the table
    has at least two rows for each; all other numbers are values.
    """
    if not table.is_numeric(target):
        return "classification"
    values = table.numbers(target)
    values = values[~np.isnan(values)]
    distinct = np.unique(values)
    whole = bool(np.all(distinct == np.rint(distinct)))
    few = len(distinct) <= MOST_NUMERIC_CLASSES and 2 * len(distinct) <= len(values)
    return "classification" if whole and few else "regression"


@dataclass(frozen=True)
class ClassTarget:
    """A column of classes, numbered in their order: of numbers if all are numeric, else of text.

    Attributes
    ----------
    name : str
    classes : tuple of str
    numeric : bool
        Whether the classes were written as numbers, so that ``1`` and ``1.0`` are the same one.
    """

    name: str
    classes: tuple[str, ...]
    numeric: bool

    task = "classification"

    @property
    def outputs(self) -> int:
        """How many numbers a model puts out for a row: one logit a class."""
        return len(self.classes)

    @classmethod
    def fit(cls, table: Table, name: str) -> ClassTarget:
        """Find the classes of a column; rows without a value are passed over."""
        numeric = table.is_numeric(name)
        found = set(_labels(table, name, numeric)) - {None}
        classes = tuple(sorted((c for c in found if c is not None), key=float if numeric else str))
        if len(classes) < 2:
            raise DataError(
                f"{table.name}: the target {name!r} is {listed(classes)} in every row; "
                "there is nothing to learn, so give a table with at least two classes"
            )
        if 2 * len(classes) > len(table) and len(classes) > 2:
            raise DataError(
                f"{table.name}: the target {name!r} has {len(classes)} different values in {len(table)} rows, too many "
                "for classes; " + ("use --task regression" if numeric else "choose another --target")
            )
        return cls(name, classes, numeric)

    def encode(self, table: Table) -> Array:
        """Return the number of each row's class, int64 of shape [rows].

        Raises
        ------
        DataError
            When a row has no class or one that training did not know; the message names it.
        """
        number = {label: i for i, label in enumerate(self.classes)}
        labels = _labels(table, self.name, self.numeric and table.is_numeric(self.name))
        for row, label in enumerate(labels):
            if label not in number:
                raise DataError(
                    f"{table.name}: line {table.lines[row]} has the class {label or '(missing)'!r} in {self.name!r}; "
                    f"the model knows {listed(self.classes)}"
                )
        return np.array([number[label] for label in labels if label is not None], dtype=np.int64)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` needs."""
        return {"name": self.name, "classes": list(self.classes), "numeric": self.numeric}

    @classmethod
    def from_json(cls, record: Record) -> ClassTarget:
        """Rebuild it from what `to_json` gave."""
        classes = record.texts("classes")
        if len(classes) < 2:
            raise record.wrong("classes", "at least two classes")
        return cls(record.text("name"), classes, record.truth("numeric"))


@dataclass(frozen=True)
class NumericTarget:
    """A column of values, standardised for training: (value - mean) / std of the training rows.

    Attributes
    ----------
    name : str
    mean, std : float
        In the column's units; ``std`` is greater than zero.
    """

    name: str
    mean: float
    std: float

    task = "regression"
    outputs = 1

    @classmethod
    def fit(cls, table: Table, name: str) -> NumericTarget:
        """Find mean and standard deviation of a column that has a value in every row."""
        values = table.numbers(name)
        mean, std = mean_and_std(f"{table.name}: target {name!r}", values)
        if std == 0.0:
            raise DataError(
                f"{table.name}: the target {name!r} is {values[0]:g} in every row to train on ({len(values)}); "
                "there is nothing to learn, so give a table in which it varies"
            )
        return cls(name, mean, std)

    def encode(self, table: Table) -> Array:
        """Return the standardised values, float32 of shape [rows, 1]."""
        return ((table.numbers(self.name) - self.mean) / self.std).astype(np.float32)[:, None]

    def decode(self, outputs: Array) -> npt.NDArray[np.float64]:
        """Return a model's outputs of shape [rows, 1] in the column's units, shape [rows]."""
        return outputs[:, 0].astype(np.float64) * self.std + self.mean

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` needs."""
        return {"name": self.name, "mean": self.mean, "std": self.std}

    @classmethod
    def from_json(cls, record: Record) -> NumericTarget:
        """Rebuild it from what `to_json` gave."""
        std = record.number("std", least=0.0)
        if std == 0.0:
            raise record.wrong("std", "greater than zero")
        return cls(record.text("name"), record.number("mean"), std)


Target = ClassTarget | NumericTarget


def _labels(table: Table, name: str, numeric: bool) -> list[str | None]:
    if not numeric:
        return list(table.texts(name))
    return [None if np.isnan(v) else str(int(v)) if v == int(v) else repr(float(v)) for v in table.numbers(name)]
