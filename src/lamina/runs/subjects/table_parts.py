"""A table as training needs it: divided into parts, its columns as inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
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
    infer_schema,
    infer_task,
    split_rows,
)
from lamina.data.encoding import encoded
from lamina.data.findings import imbalance
from lamina.data.preprocessing import examined_columns, usable_columns
from lamina.data.schema import kinds_of
from lamina.data.settling import settled
from lamina.errors import DataError
from lamina.runs.option_declaration import OptionError
from lamina.runs.options import TrainingOptions
from lamina.runs.presets import DEFAULT
from lamina.runs.sources import fingerprint, small_classes, test_share
from lamina.runs.subjects.named import Reading, is_embedded, named_table
from lamina.runs.subjects.subject import Prepared
from lamina.runs.subjects.tables import TableSubject, with_target

Array = npt.NDArray[Any]
Rows = npt.NDArray[np.int64]

# How the target is called where nobody chose its name; it need not be said then.
USUAL_TARGETS = ("target", "class", "label", "y")


def prepare_table(options: TrainingOptions) -> Prepared:
    """Read the data that options name, decide what each column is, divide the rows, and encode them.

    The encoding is found on the training rows alone.

    Raises
    ------
    DataError
        When the data, or the choice of target or task, cannot be used.
    """
    if options.file is None and (options.target or options.task):
        raise OptionError("target", "a target and a task belong to a table: lamina train FILE --target COLUMN")
    source = options.file or DEFAULT
    table, _ = named_table(source, Reading.of(options))
    table, embedded = settled(table), is_embedded(source)
    target, notes = _target_name(table, options)
    table, left_out = with_target(table, target)
    notes = [*table.notes, *([] if embedded else notes), *left_out]
    classes, task_notes = _classes(table, target, options.task)
    table, weights = _without(table, options, target)
    names, unused = usable_columns(table, target) if embedded else _examined(table, target, classes)
    kinds = kinds_of(table, names)
    categorical = [name for name in names if kinds[name] == "categorical"]
    everything = np.arange(len(table))
    shares = {"test": test_share(options, embedded), "validation": options.validation}
    labels = None if classes is None else classes.encode(table)
    rest, test = _divide(table, everything, categorical, labels, "test", shares, options.seed)
    training, chosen = _divide(table, rest, categorical, labels, "validation", shares, options.seed)
    parts = _parts(shares)
    small = [] if labels is None or classes is None else small_classes(labels, classes.classes, parts, "rows")
    rows = table.take(training)
    preprocessing = _as_they_are(names) if source == DEFAULT else TablePreprocessing.fit(rows, names, kinds=kinds)
    fitted = classes or NumericTarget.fit(rows, target)

    def part(numbers: Rows) -> Dataset | None:
        return encoded(table.take(numbers), preprocessing, fitted) if numbers.size else None

    return Prepared(
        source,
        embedded,
        TableSubject(preprocessing, fitted, infer_schema(table).to_json()),
        encoded(rows, preprocessing, fitted),
        part(chosen),
        part(test),
        notes + ([] if embedded else task_notes) + small + unused,
        weights=None if weights is None else weights[training],
        fingerprint="" if embedded else fingerprint(Path(source)),
    )


def _examined(table: Table, target: str, classes: ClassTarget | None) -> tuple[list[str], list[str]]:
    """Return the columns to use of a table that nobody knows, and notes on them and on the classes."""
    names, notes = examined_columns(table, target, classes is not None)
    if classes is None:
        return names, notes
    counts = np.bincount(classes.encode(table), minlength=len(classes.classes))
    return names, notes + imbalance(dict(zip(classes.classes, counts.tolist(), strict=True)))


def _as_they_are(names: list[str]) -> TablePreprocessing:
    """Return the encoding that leaves values as they are: pixels have a common scale already."""
    return TablePreprocessing(tuple(NumericColumn(name, mean=0.0, std=1.0) for name in names))


def _target_name(table: Table, options: TrainingOptions) -> tuple[str, list[str]]:
    """Return the column to predict, with a note if it was not named."""
    if options.target is not None:
        table.require([options.target], "target column")
        return options.target, []
    usual = [name for name in USUAL_TARGETS if name in table.columns]
    if not usual:
        raise OptionError("target", f"name the column to predict: lamina train {options.file} --target COLUMN")
    return usual[0], [f"the target is {usual[0]!r}; use --target for another"]


def _classes(table: Table, target: str, task: str | None) -> tuple[ClassTarget | None, list[str]]:
    """Return the classes of the target, ``None`` for values, and a note if the task was inferred."""
    notes = []
    if task is None:
        task = infer_task(table, target)
        notes.append(f"the target {target!r} makes this a {task}; use --task to say otherwise")
    elif task == "regression" and not table.is_numeric(target):
        raise DataError(
            f"{table.name}: --task regression needs a target of numbers, but {target!r} holds text such as "
            f"{table.texts(target)[0]!r}; use --task classification"
        )
    return ClassTarget.fit(table, target) if task == "classification" else None, notes


def _without(table: Table, options: TrainingOptions, target: str) -> tuple[Table, Array | None]:
    """Return the table without the columns that are no inputs, and the weights of its rows if a column gives them."""
    away = [*options.ignore, *([] if options.weights is None else [options.weights])]
    table.require(away, "column")
    if target in away:
        raise OptionError("ignore" if target in options.ignore else "weights", f"{target!r} is the target")
    if options.weights is None:
        return _dropped(table, away), None
    weights = table.numbers(options.weights)
    wrong = np.flatnonzero(~(weights >= 0.0))
    if wrong.size:
        line, cell = table.lines[wrong[0]], table.texts(options.weights)[wrong[0]]
        raise DataError(f"{table.name}: the weight on line {line} is {cell or '(missing)'}; weights are numbers from 0")
    return _dropped(table, away), weights


def _dropped(table: Table, columns: list[str]) -> Table:
    return replace(table, frame=table.frame.drop(columns))


def _parts(shares: Mapping[str, float]) -> int:
    return 1 + sum(share > 0.0 for share in shares.values())


def _divide(
    table: Table,
    rows: Rows,
    categorical: list[str],
    labels: Array | None,
    part: str,
    shares: Mapping[str, float],
    seed: int,
) -> tuple[Rows, Rows]:
    """Return the numbers of those rows that stay and of those in a random share.

    A row with a category or class that no staying row has stays with them: nothing could be said about it otherwise.
    """
    share = shares[part]
    if not share:
        return rows, rows[:0]
    if np.ceil(share * len(rows)) >= len(rows):
        raise DataError(
            f"{table.name}: a --{part} of {share:g} leaves no row to train on; rows with a target: "
            f"{len(rows)}; give more rows, or a smaller share (0 for none)"
        )
    found = None if labels is None else labels[rows]
    try:
        kept, chosen = split_rows(len(rows), share, seed=seed, labels=found, least=_parts(shares))
    except DataError as error:
        raise OptionError(part, f"{error}, or another share (0 for none)") from error
    for name in categorical:
        # Categories as numbers, 0 for a missing one: two million texts would take seconds to look up.
        column = table.frame[name].rank("dense").fill_null(0).to_numpy()[rows]
        lonely = ~np.isin(column[chosen], column[kept])
        kept, chosen = np.concatenate([kept, chosen[lonely]]), chosen[~lonely]
    return rows[kept], rows[chosen]
