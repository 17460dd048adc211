"""What a training needs of its data: the parts, and how columns became inputs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.data import (
    ClassTarget,
    Dataset,
    NumericColumn,
    NumericTarget,
    Table,
    TablePreprocessing,
    Target,
    infer_task,
    load_embedded,
    read_table,
    split_rows,
)
from lamina.data.preprocessing import usable_columns
from lamina.errors import DataError

Rows = npt.NDArray[np.int64]

# The held-out part of an embedded set is always the same rows, so that runs with other seeds can be compared.
HELD_OUT_SHARE = 0.2
HELD_OUT_SEED = 0


@dataclass(frozen=True)
class Prepared:
    """Data in parts, ready to train on.

    Attributes
    ----------
    training : Dataset
    validation : Dataset, optional
        Chooses the best weights; ``None`` where the share is 0.
    held_out : Dataset, optional
        Measured once, at the end; of an embedded set only, since a user has a table of their own for it.
    preprocessing : TablePreprocessing
    target : ClassTarget or NumericTarget
    notes : list of str
        What the user should know about how the data was read.
    """

    training: Dataset
    validation: Dataset | None
    held_out: Dataset | None
    preprocessing: TablePreprocessing
    target: Target
    notes: list[str]


def prepare_embedded(name: str, validation: float, seed: int) -> Prepared:
    """Divide an embedded data set into training, validation and held-out part."""
    data, held_out = load_embedded(name).split(HELD_OUT_SHARE, seed=HELD_OUT_SEED)
    training, chosen = data.split(validation, seed=seed) if validation else (data, None)
    preprocessing, target = embedded_encoding(data)
    return Prepared(training, chosen, held_out, preprocessing, target, [])


def held_out_part(name: str) -> Dataset:
    """Return the rows of an embedded data set that training never sees."""
    return load_embedded(name).split(HELD_OUT_SHARE, seed=HELD_OUT_SEED)[1]


def embedded_encoding(data: Dataset) -> tuple[TablePreprocessing, Target]:
    """Return the encoding with which a table of the same columns can be evaluated: their values as they are."""
    columns = tuple(NumericColumn(name, mean=0.0, std=1.0) for name in data.feature_names)
    return TablePreprocessing(columns), ClassTarget("target", data.classes or (), numeric=True)


def prepare_table(path: Path, target: str, task: str | None, validation: float, seed: int) -> Prepared:
    """Read a table, decide what each column is, divide the rows, and encode them by the training rows.

    Raises
    ------
    DataError
        When the table or the choice of target or task cannot be used.
    """
    table = read_table(path)
    table.require([target], "target column")
    table, notes = _with_target(table, target)
    notes = [*table.notes, *notes]
    inferred = infer_task(table, target)
    if task is None:
        notes.append(f"the target {target!r} makes this a {inferred}; use --task to say otherwise")
    elif task == "regression" and not table.is_numeric(target):
        raise DataError(
            f"{table.name}: --task regression needs a target of numbers, but {target!r} holds text such as "
            f"{table.texts(target)[0]!r}; use --task classification"
        )
    names, left_out = usable_columns(table, target)
    numeric = [name for name in names if table.is_numeric(name)]
    classes = ClassTarget.fit(table, target) if (task or inferred) == "classification" else None
    training, chosen = _divide(table, [n for n in names if n not in numeric], classes, validation, seed)
    preprocessing = TablePreprocessing.fit(table.take(training), names, numeric=numeric)
    fitted = classes or NumericTarget.fit(table.take(training), target)
    return Prepared(
        encode(table.take(training), preprocessing, fitted),
        encode(table.take(chosen), preprocessing, fitted) if chosen.size else None,
        None,
        preprocessing,
        fitted,
        notes + left_out,
    )


def encode(table: Table, preprocessing: TablePreprocessing, target: Target) -> Dataset:
    """Return a table as the inputs and targets of a model."""
    classes = target.classes if isinstance(target, ClassTarget) else None
    inputs = preprocessing.encode(table)
    return Dataset(inputs, target.encode(table), preprocessing.feature_names, classes, table.name)


def read_for(path: Path, preprocessing: TablePreprocessing, target: Target) -> tuple[Dataset, list[str]]:
    """Read a table with targets for a model that was trained before; return it with notes for the user."""
    table = read_table(path)
    table.require([target.name], "target column")
    table, notes = _with_target(table, target.name)
    return encode(table, preprocessing, target), [*table.notes, *notes]


def _with_target(table: Table, target: str) -> tuple[Table, list[str]]:
    present = np.flatnonzero(table.frame[target].is_not_null().to_numpy())
    missing = len(table) - present.size
    if not present.size:
        raise DataError(f"{table.name}: the target {target!r} has no value in any of the {len(table)} rows")
    if not missing:
        return table, []
    rows = "1 row has" if missing == 1 else f"{missing} rows have"
    return table.take(present), [f"{rows} no {target!r} and will not be used"]


def _divide(
    table: Table, categorical: list[str], classes: ClassTarget | None, validation: float, seed: int
) -> tuple[Rows, Rows]:
    """Return the numbers of the training rows and of the validation rows.

    A validation row with a category or class that no training row has goes to the training rows: nothing could be
    said about it otherwise.
    """
    everything = np.arange(len(table))
    if not validation:
        return everything, everything[:0]
    if np.ceil(validation * len(table)) >= len(table):
        raise DataError(
            f"{table.name}: a --validation of {validation:g} leaves no row to train on; rows with a target: "
            f"{len(table)}; give more rows, or a smaller share (0 for none)"
        )
    labels = classes.encode(table) if classes else None
    training, chosen = split_rows(len(table), validation, seed=seed, labels=labels)
    columns: list[npt.NDArray[Any]] = [table.texts(name) for name in categorical]
    if labels is not None:
        columns.append(labels)
    for column in columns:
        known = set(column[training])
        lonely = np.array([value not in known for value in column[chosen]], dtype=bool)
        training, chosen = np.concatenate([training, chosen[lonely]]), chosen[~lonely]
    return training, chosen
