"""From a table's columns to a model's inputs, by numbers found on the training rows only.

scikit-learn finds the numbers; they are kept as plain JSON, so that reading a model back runs no code from a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.data.record import Record
from lamina.data.scaling import mean_and_std
from lamina.data.table import Table, listed
from lamina.errors import DataError

Array = npt.NDArray[Any]

# A text column with more different values than this, or with mostly different ones, names rows and not groups.
MOST_CATEGORIES = 1000
FEW_CATEGORIES = 10


@dataclass(frozen=True)
class NumericColumn:
    """A column of numbers, standardised: (x - mean) / std. A missing value becomes the mean, which is 0.

    A column that was constant in training has ``std`` 0 and always becomes 0: nothing was learnt about it.
    """

    name: str
    mean: float
    std: float

    @classmethod
    def fit(cls, table: Table, name: str) -> NumericColumn:
        """Find mean and standard deviation of the values that are present."""
        values = table.numbers(name)
        present = values[~np.isnan(values)]
        if not present.size:
            return cls(name, 0.0, 0.0)
        return cls(name, *mean_and_std(f"{table.name}: column {name!r}", present))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the inputs it becomes."""
        return (self.name,)

    def encode(self, table: Table) -> Array:
        """Return the inputs, float64 of shape [rows, 1]."""
        values = table.numbers(self.name)
        scaled = (values - self.mean) / self.std if self.std else np.zeros_like(values)
        large = np.flatnonzero(np.abs(scaled) > np.finfo(np.float32).max)
        if large.size:
            raise DataError(
                f"{table.name}: column {self.name!r} holds {values[large[0]]:g} on line {table.lines[large[0]]}, too "
                f"far from the {self.mean:g} ± {self.std:g} of the training rows to compute with; correct the number"
            )
        return np.nan_to_num(scaled, nan=0.0)[:, None]

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` needs."""
        return {"kind": "numeric", "name": self.name, "mean": self.mean, "std": self.std}


@dataclass(frozen=True)
class CategoricalColumn:
    """A column of categories, one-hot encoded; ``None`` among them is a missing value, if training had any."""

    name: str
    categories: tuple[str | None, ...]

    @classmethod
    def fit(cls, table: Table, name: str) -> CategoricalColumn:
        """Find the categories."""
        from sklearn.preprocessing import OneHotEncoder

        encoder = OneHotEncoder().fit(table.texts(name)[:, None])
        return cls(name, tuple(encoder.categories_[0]))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the inputs it becomes."""
        return tuple(f"{self.name}={_shown(category)}" for category in self.categories)

    def encode(self, table: Table) -> Array:
        """Return the inputs, float64 of shape [rows, categories].

        Raises
        ------
        DataError
            When a row holds a category that training did not know.
        """
        number = {category: i for i, category in enumerate(self.categories)}
        texts = table.texts(self.name)
        unknown = [row for row, text in enumerate(texts) if text not in number]
        if unknown:
            values = listed(list(dict.fromkeys(_shown(texts[row]) for row in unknown)), most=5)
            known = listed([_shown(category) for category in self.categories])
            raise DataError(
                f"{table.name}: column {self.name!r} holds categories unknown to the model: {values}, first on line "
                f"{table.lines[unknown[0]]}; it knows {known}; correct or remove these rows, or train again with them"
            )
        inputs = np.zeros((len(table), len(self.categories)))
        inputs[np.arange(len(table)), [number[text] for text in texts]] = 1.0
        return inputs

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` needs."""
        return {"kind": "categorical", "name": self.name, "categories": list(self.categories)}


Column = NumericColumn | CategoricalColumn


@dataclass(frozen=True)
class TablePreprocessing:
    """How the columns of a table become inputs.

    Attributes
    ----------
    columns : tuple of NumericColumn and CategoricalColumn
        In the order of the training table; other columns are not looked at.

    Examples
    --------
    >>> import numpy as np, polars as pl
    >>> from lamina.data import Table, TablePreprocessing
    >>> frame = pl.DataFrame({"rooms": ["2", "4"], "town": ["Ulm", "Bonn"]})
    >>> table = Table("houses", frame, np.array([2, 3]))
    >>> fitted = TablePreprocessing.fit(table, ["rooms", "town"])
    >>> fitted.feature_names
    ('rooms', 'town=Bonn', 'town=Ulm')
    >>> fitted.encode(table)
    array([[-1.,  0.,  1.],
           [ 1.,  1.,  0.]], dtype=float32)
    """

    columns: tuple[Column, ...]

    @classmethod
    def fit(cls, table: Table, names: Sequence[str], *, numeric: Sequence[str] | None = None) -> TablePreprocessing:
        """Fit every column named to the rows of ``table``, which are the training rows.

        Parameters
        ----------
        table : Table
        names : sequence of str
        numeric : sequence of str, optional
            Which of them hold numbers, if that was decided on more rows than these.
        """
        if numeric is None:
            numeric = [name for name in names if table.is_numeric(name)]
        return cls(
            tuple(
                NumericColumn.fit(table, name) if name in numeric else CategoricalColumn.fit(table, name)
                for name in names
            )
        )

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of all inputs, in their order."""
        return tuple(name for column in self.columns for name in column.feature_names)

    def encode(self, table: Table) -> Array:
        """Return the inputs, float32 of shape [rows, features].

        Raises
        ------
        DataError
            When a column is missing, a numeric one holds text, or a categorical one an unknown value.
        """
        table.require([column.name for column in self.columns], "column", ", which the model was trained with")
        return np.concatenate([column.encode(table) for column in self.columns], axis=1).astype(np.float32)

    def to_json(self) -> list[dict[str, Any]]:
        """Return what `from_json` needs, as plain lists, strings and numbers."""
        return [column.to_json() for column in self.columns]

    @classmethod
    def from_json(cls, records: Sequence[Record]) -> TablePreprocessing:
        """Rebuild it from what `to_json` gave, each value checked.

        Raises
        ------
        CheckpointError
            When something is not what `to_json` would write.
        """
        return cls(tuple(_column(record) for record in records))


def _column(record: Record) -> Column:
    kind = record.text("kind")
    if kind == "numeric":
        return NumericColumn(record.text("name"), record.number("mean"), record.number("std", least=0.0))
    if kind == "categorical":
        return CategoricalColumn(record.text("name"), record.optional_texts("categories"))
    raise record.wrong("kind", '"numeric" or "categorical"')


def _shown(category: str | None) -> str:
    return "(missing)" if category is None else category


def usable_columns(table: Table, target: str) -> tuple[list[str], list[str]]:
    """Return the columns that a model can use, and for each other one a note that says why not.

    Left out are columns with no values, and text with mostly different values (names, dates, numbers of tickets).
    A note also says where numbers are taken for text, because they are written with commas.

    Raises
    ------
    DataError
        When none can be used.
    """
    names: list[str] = []
    notes: list[str] = []
    for name in table.columns:
        distinct = table.frame[name].drop_nulls().n_unique()
        if name == target:
            continue
        if _commas(table, name):
            notes.append(f"column {name!r} holds numbers with commas, which are read as text; write them with points")
        if not distinct:
            notes.append(f"column {name!r} has no values and was left out")
        elif not table.is_numeric(name) and _names_rows(distinct, len(table)):
            notes.append(f"column {name!r} holds {distinct} different texts in {len(table)} rows and was left out")
        else:
            names.append(name)
    if not names:
        reasons = "; ".join(notes) if notes else "there is no other column"
        raise DataError(f"{table.name}: there is no column to predict {target!r} from: {reasons}")
    return names, notes


def _commas(table: Table, name: str) -> bool:
    values = table.frame[name].drop_nulls()
    return not table.is_numeric(name) and len(values) > 0 and values.str.contains(r"^[-+]?\d+(,\d+)?$").all()


def _names_rows(distinct: int, rows: int) -> bool:
    return distinct > MOST_CATEGORIES or (distinct > FEW_CATEGORIES and 2 * distinct > rows)
