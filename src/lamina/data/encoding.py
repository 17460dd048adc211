"""From tables and plain arrays to encoded data sets."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lamina.data.columns import NumericColumn
from lamina.data.dataset import Dataset
from lamina.data.preprocessing import TablePreprocessing, examined_columns
from lamina.data.reading import read_table
from lamina.data.scaling import Scaling
from lamina.data.settling import settled
from lamina.data.table import Table
from lamina.data.targets import ClassTarget, NumericTarget, Target, TargetFitting, Task
from lamina.errors import DataError


def dataset_of(source: Any, target: Any, task: Task | None, like: Dataset | None) -> Dataset:
    """Do what `Dataset.of` says."""
    table = read_table(source) if isinstance(source, str | Path) else Table.of(source)
    if like is not None:
        if like.preprocessing is None or like.target is None:
            raise DataError("Dataset.of: like= must be a data set that Dataset.of made")
        table, name = _with_target(table, like.target.name if target is None else target)
        if name != like.target.name:
            table = replace(table, frame=table.frame.rename({name: like.target.name}))
        rows = present(like.target.without_blanks(table), like.target.name)
        return encoded(rows, like.preprocessing, like.target)
    if target is None:
        raise DataError("Dataset.of: name the column to learn, target=, or give like=, a set with the same columns")
    table, name = _with_target(table, target)
    table = present(settled(table), name)
    fitting = TargetFitting(name, task)
    fitting.add(table)
    names, notes = examined_columns(table, name, fitting.task() == "classification")
    for note in notes:
        warnings.warn(f"{table.name}: {note}", UserWarning, stacklevel=3)
    return encoded(table, TablePreprocessing.fit(table, names), fitting.target())


def encoded(table: Table, preprocessing: TablePreprocessing, target: Target) -> Dataset:
    """Return a table as the inputs and targets of a model, by what was fitted before."""
    return Dataset(
        preprocessing.encode(table),
        target.encode(table),
        preprocessing.feature_names,
        target.classes if isinstance(target, ClassTarget) else None,
        table.name,
        preprocessing=preprocessing,
        target=target,
    )


def _with_target(table: Table, target: Any) -> tuple[Table, str]:
    """Return the table with its target as a column, and that column's name."""
    if isinstance(target, str):
        table.require([target], "target column")
        return table, target
    name = str(getattr(target, "name", None) or "target")
    while name in table.columns:
        name += "_"
    values = target if hasattr(target, "__array__") and hasattr(target, "name") else np.asarray(target)
    column = Table.of({name: values}).frame
    if column.width != 1 or column.height != len(table):
        raise DataError(
            f"{table.name}: {len(table)} rows of inputs but targets of shape {list(np.shape(target))}; one target for "
            "each row is needed"
        )
    return replace(table, frame=table.frame.hstack(column)), name


def present(table: Table, target: str) -> Table:
    """Return the rows that have a target.

    Raises
    ------
    DataError
        When there are none.
    """
    rows = np.flatnonzero(table.frame[target].is_not_null().to_numpy())
    if not rows.size:
        raise DataError(f"{table.name}: the target {target!r} has no value in any of the {len(table)} rows")
    return table if rows.size == len(table) else table.take(rows)


def standardised(data: Dataset, like: Dataset | None) -> Dataset:
    """Do what `Dataset.standardised` says."""
    if data.inputs.ndim != 2:
        raise DataError(
            f"standardised: the inputs have shape {list(data.inputs.shape)}; it is columns that are put on a common "
            "scale, [rows, features]"
        )
    names = data.feature_names or tuple(f"x_{i}" for i in range(data.inputs.shape[1]))
    if like is None:
        preprocessing, target = _fitted(data, names)
    elif like.preprocessing is None or like.target is None:
        raise DataError("standardised: like= must be a data set that was standardised")
    else:
        preprocessing, target = like.preprocessing, like.target
    table = Table.of({name: data.inputs[:, i] for i, name in enumerate(names)}, name=data.name)
    targets = data.targets
    if isinstance(target, NumericTarget):
        targets = ((targets - target.mean) / target.std).astype(np.float32)
    return replace(
        data,
        inputs=preprocessing.encode(table),
        targets=targets,
        feature_names=preprocessing.feature_names,
        preprocessing=preprocessing,
        target=target,
    )


def _fitted(data: Dataset, names: tuple[str, ...]) -> tuple[TablePreprocessing, Target]:
    scaling = Scaling(len(names))
    scaling.add(f"{data.name}: inputs", data.inputs.astype(np.float64))
    found = zip(names, scaling.found(), strict=True)
    columns = tuple(NumericColumn(name, mean, std) for name, (mean, std) in found)
    if data.classes is not None:
        return TablePreprocessing(columns), ClassTarget("target", data.classes, numeric=False)
    values = Scaling(1)
    values.add(f"{data.name}: targets", data.targets.reshape(-1, 1).astype(np.float64))
    mean, std = values.found()[0]
    if not std:
        raise DataError(f"{data.name}: the targets are {mean:g} in every row; there is nothing to learn")
    return TablePreprocessing(columns), NumericTarget("target", mean, std)
