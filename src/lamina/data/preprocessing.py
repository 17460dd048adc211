"""From a table's columns to a model's inputs, by numbers found on the training rows only.

scikit-learn finds the numbers; they are kept as plain JSON, so that reading a model back runs no code from a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import lamina.data.cells as cells
from lamina.data.columns import COLUMNS, Column, fitting
from lamina.data.columns.categorical import MOST_CATEGORIES
from lamina.data.decimals import POINT, WORDS, other
from lamina.data.findings import mostly_numbers, suspicions, without_useless
from lamina.data.record import Record
from lamina.data.schema import Kind, kind_of, kinds_of
from lamina.data.settling import settled
from lamina.data.table import Table
from lamina.errors import DataError


@dataclass(frozen=True)
class TablePreprocessing:
    """How the columns of a table become inputs.

    Attributes
    ----------
    columns : tuple of NumericColumn, CategoricalColumn, BooleanColumn and DateColumn
        In the order of the training table; other columns are not looked at.

    Examples
    --------
    >>> from lamina.data import Table, TablePreprocessing
    >>> table = Table.of({"rooms": [2, 4], "town": ["Ulm", "Bonn"]})
    >>> fitted = TablePreprocessing.fit(table, ["rooms", "town"])
    >>> fitted.feature_names
    ('rooms', 'town=Bonn', 'town=Ulm')
    >>> fitted.encode(table)
    array([[-1.,  0.,  1.],
           [ 1.,  1.,  0.]], dtype=float32)
    """

    columns: tuple[Column, ...]

    @classmethod
    def fit(
        cls,
        table: Table,
        names: Sequence[str],
        *,
        kinds: Mapping[str, Kind] | None = None,
        max_categories: int = MOST_CATEGORIES,
        min_frequency: int = 1,
    ) -> TablePreprocessing:
        """Fit every column named to the rows of ``table``, which are the training rows.

        Parameters
        ----------
        table : Table
        names : sequence of str
        kinds : mapping from str to str, optional
            What some of them hold (see `ColumnSchema`), if that was decided on more rows than these or differs from
            what the cells look like: ``{"zip": "categorical"}``.
        max_categories : int, default 100
            A column of more categories gets so many inputs; its rarest categories share one.
        min_frequency : int, default 1
            Categories in fewer rows share one input.

        Raises
        ------
        DataError
            When there is no such column, or its cells are not of the kind given.
        """
        table.require(names, "column")
        table = settled(table)
        given = dict(kinds or {})
        wanted = kinds_of(table, [name for name in names if name not in given]) | given
        return cls.fit_pieces(
            [table], {name: wanted[name] for name in names}, max_categories=max_categories, min_frequency=min_frequency
        )

    @classmethod
    def fit_pieces(
        cls,
        tables: Iterable[Table],
        kinds: Mapping[str, Kind],
        *,
        max_categories: int = MOST_CATEGORIES,
        min_frequency: int = 1,
    ) -> TablePreprocessing:
        """Fit columns of known kinds to training rows that come in pieces, each looked at once.

        Parameters
        ----------
        tables : iterable of Table
        kinds : mapping from str to str
            The columns to use, in their order, and what they hold.
        max_categories, min_frequency : int
            As in `fit`.
        """
        if max_categories < 1 or min_frequency < 1:
            raise DataError(
                f"TablePreprocessing: max_categories={max_categories} and min_frequency={min_frequency} count from 1"
            )
        fittings = [fitting(name, kind, max_categories, min_frequency) for name, kind in kinds.items()]
        for table in tables:
            for each in fittings:
                each.add(table)
        return cls(tuple(each.column() for each in fittings))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of all inputs, in their order."""
        return tuple(name for column in self.columns for name in column.feature_names)

    def encode(self, table: Table) -> npt.NDArray[np.float32]:
        """Return the inputs, float32 of shape [rows, features].

        A category that training did not have is encoded as none of the known ones.

        Raises
        ------
        DataError
            When a column is missing, a numeric one holds text, or one of dates something else.

        Warns
        -----
        UserWarning
            When a column holds a category that training did not have; it names the column, the categories and the
            line.
        """
        table.require([column.name for column in self.columns], "column", ", which the model was trained with")
        inputs = np.empty((len(table), len(self.feature_names)), np.float32)
        start = 0
        for column in self.columns:
            encoded = column.encode(table)
            inputs[:, start : start + encoded.shape[1]] = encoded
            start += encoded.shape[1]
        return inputs

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
    if kind not in COLUMNS:
        raise record.wrong("kind", f"one of {', '.join(COLUMNS)}")
    return COLUMNS[kind].from_json(record)


def usable_columns(table: Table, target: str) -> tuple[list[str], list[str]]:
    """Return the columns that a model can use, and for each other one a note that says why not.

    Left out are columns with no values, and text with mostly different values (names, numbers of tickets). A note
    also says where numbers are taken for text, because they are written with commas and others with points.

    Raises
    ------
    DataError
        When none can be used.
    """
    names, notes = sorted_columns(settled(table), [name for name in table.columns if name != target])
    _refuse_none(table, target, names, notes)
    return names, notes


def sorted_columns(table: Table, names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return those of the columns of a settled table that a model can use, and a note for each other one."""
    usable: list[str] = []
    notes: list[str] = []
    for name in names:
        kind = kind_of(table.frame[name], table.decimal or POINT)
        notes += _otherwise_written(table, name)
        if kind == "empty":
            notes.append(f"column {name!r} has no values and was left out")
        elif kind == "text":
            distinct = table.frame[name].drop_nulls().n_unique()
            notes += mostly_numbers(table, name)
            notes.append(f"column {name!r} holds {distinct} different texts in {len(table)} rows and was left out")
        else:
            usable.append(name)
    return usable, notes


def examined_columns(table: Table, target: str, classes: bool) -> tuple[list[str], list[str]]:
    """Return the columns that a model can use and that say something of their own, and notes on all that is odd.

    It looks at all rows, as `usable_columns` does not need to. Left out besides are columns with the same value in
    every row and those that repeat another one. Notes say which columns may tell the target, number the rows, or
    hold something else than they seem to.

    Parameters
    ----------
    table : Table
        Every row has a target.
    target : str
    classes : bool
        Whether the target is classes.

    Raises
    ------
    DataError
        When none can be used.
    """
    table = settled(table)
    names, notes = usable_columns(table, target)
    names, useless = without_useless(table, names)
    notes += useless
    _refuse_none(table, target, names, notes)
    return names, notes + suspicions(table, target, kinds_of(table, names), classes)


def _refuse_none(table: Table, target: str, names: list[str], notes: list[str]) -> None:
    if not names:
        reasons = "; ".join([*table.notes, *notes]) or "there is no other column"
        raise DataError(f"{table.name}: there is no column to predict {target!r} from: {reasons}")


def _otherwise_written(table: Table, name: str) -> list[str]:
    """Return a note where a column of text would be numbers if they were written in the other way."""
    decimal = table.decimal or POINT
    if table.is_numeric(name) or not cells.are_numbers(table.frame[name], other(decimal)):
        return []
    cell, wanted = table.frame[name].drop_nulls()[0], other(decimal)
    return [
        f"column {name!r} holds {cell!r} and the like, which is text where numbers have {WORDS[decimal]}; "
        f"--decimal {wanted} reads {WORDS[wanted]}"
    ]
