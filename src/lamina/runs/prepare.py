"""What a training needs of its data: the parts, and how columns became inputs."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
    embedded_names,
    generators,
    infer_schema,
    infer_task,
    load_embedded,
    read_table,
    split_rows,
)
from lamina.data.preprocessing import usable_columns
from lamina.data.schema import kinds_of
from lamina.errors import DataError
from lamina.report import describe_machine
from lamina.runs.config import RunConfig, fingerprint
from lamina.runs.kinds import nearest
from lamina.runs.options import OptionError, TrainingOptions
from lamina.runs.presets import DEFAULT

Array = npt.NDArray[Any]
Rows = npt.NDArray[np.int64]

GENERATORS = ("xor", "spirals", "moons", "circles", "approximation")

# How the target is called where nobody chose its name; it need not be said then.
USUAL_TARGETS = ("target", "class", "label", "y")

# Of an embedded set, where nothing was said: a user has no other rows of it to measure on.
HELD_OUT_SHARE = 0.2


@dataclass(frozen=True)
class Prepared:
    """Data in parts, ready to train on.

    Attributes
    ----------
    source : str
        The name of an embedded data set or the path of a file.
    embedded : bool
    training : Dataset
    validation : Dataset, optional
        Chooses the best weights; ``None`` where the share is 0.
    test : Dataset, optional
        Measured once, at the end; ``None`` where the share is 0.
    weights : array of shape [rows], optional
        How much each training row counts.
    preprocessing : TablePreprocessing
    target : ClassTarget or NumericTarget
    notes : list of str
        What the user should know about how the data was read.
    schema : list of dict, optional
        What the columns of the table are like.
    fingerprint : str
        Of the file; empty for an embedded set.
    """

    source: str
    embedded: bool
    training: Dataset
    validation: Dataset | None
    test: Dataset | None
    preprocessing: TablePreprocessing
    target: Target
    notes: list[str]
    weights: Array | None = None
    schema: Any = None
    fingerprint: str = ""

    @property
    def parts(self) -> dict[str, Dataset]:
        """The parts that there are, by name."""
        parts = {"training": self.training, "validation": self.validation, "test": self.test}
        return {name: part for name, part in parts.items() if part is not None}

    def config(self, options: TrainingOptions) -> RunConfig:
        """Return what a run folder keeps of it."""
        return RunConfig(
            self.source,
            self.embedded,
            self.preprocessing,
            self.target,
            options,
            self.fingerprint,
            self.schema,
            describe_machine(),
        )


def prepare(options: TrainingOptions) -> Prepared:
    """Read the data that options name, decide what each column is, divide the rows, and encode them.

    The encoding is found on the training rows alone.

    Raises
    ------
    DataError
        When the data, or the choice of target or task, cannot be used.
    """
    if options.file is None and (options.target or options.task):
        raise OptionError("target", "a target and a task belong to a table: lamina train FILE --target COLUMN")
    table, embedded = read_source(options)
    source = options.file or DEFAULT
    target, notes = _target_name(table, options)
    table, left_out = _with_target(table, target)
    notes = [*table.notes, *([] if embedded else notes), *left_out]
    classes, task_notes = _classes(table, target, options.task)
    table, weights = _without(table, options, target)
    names, unused = usable_columns(table, target)
    kinds = kinds_of(table, names)
    categorical = [name for name in names if kinds[name] == "categorical"]
    everything = np.arange(len(table))
    share = test_share(options, embedded)
    rest, test = _divide(table, everything, categorical, classes, "test", share, options.seed)
    training, chosen = _divide(table, rest, categorical, classes, "validation", options.validation, options.seed)
    rows = table.take(training)
    preprocessing = _as_they_are(names) if source == DEFAULT else TablePreprocessing.fit(rows, names, kinds=kinds)
    fitted = classes or NumericTarget.fit(rows, target)

    def part(numbers: Rows) -> Dataset | None:
        return encode(table.take(numbers), preprocessing, fitted) if numbers.size else None

    return Prepared(
        source,
        embedded,
        encode(rows, preprocessing, fitted),
        part(chosen),
        part(test),
        preprocessing,
        fitted,
        notes + ([] if embedded else task_notes) + unused,
        None if weights is None else weights[training],
        infer_schema(table).to_json(),
        "" if embedded else fingerprint(Path(source)),
    )


def read_source(options: TrainingOptions) -> tuple[Table, bool]:
    """Return the table that options name, and whether it comes with the package."""
    name = options.file or DEFAULT
    if not Path(name).exists():
        if name in embedded_names():
            return Table.of(load_embedded(name), name=name), True
        if name in GENERATORS:
            return Table.of(getattr(generators, name)(), name=name), True
        known = [*embedded_names(), *GENERATORS]
        if not Path(name).suffix and Path(name).name == name:
            raise DataError(f"{name}: there is no such file, and no embedded set of this name{nearest(name, known)}")
    return read_table(name, name=options.table), False


def test_share(options: TrainingOptions, embedded: bool) -> float:
    """Return the share of rows to hold out: where nothing was said, none but of an embedded set."""
    if options.test is not None:
        return options.test
    return HELD_OUT_SHARE if embedded else 0.0


def held_out_part(config: RunConfig, run: Path) -> Dataset:
    """Return the rows that a training never saw, read and divided as it did.

    Raises
    ------
    DataError
        When there are none, or the file is not what it was.
    """
    again = f"give a table to measure on: lamina evaluate {run} FILE"
    if not test_share(config.options, config.embedded):
        raise DataError(f"evaluate: {config.source} was trained on whole, without a held-out part (--test); {again}")
    check_unchanged(config, again)
    test = prepare(config.options).test
    if test is None:
        raise DataError(f"evaluate: the share of {config.source} that was held out has no rows; {again}")
    return test


def check_unchanged(config: RunConfig, remedy: str) -> None:
    """Refuse a file that is not as it was when it was trained on.

    Raises
    ------
    DataError
        With what to do about it.
    """
    path = Path(config.source)
    if config.embedded:
        return
    if not path.exists():
        raise DataError(f"{path}: the file that the run was trained on is not there; put it back, or {remedy}")
    if fingerprint(path) != config.fingerprint:
        raise DataError(f"{path}: the file is not as it was when the training began; put it back, or {remedy}")


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


def encode(table: Table, preprocessing: TablePreprocessing, target: Target) -> Dataset:
    """Return a table as the inputs and targets of a model."""
    classes = target.classes if isinstance(target, ClassTarget) else None
    inputs = preprocessing.encode(table)
    return Dataset(inputs, target.encode(table), preprocessing.feature_names, classes, table.name)


def read_for(path: Path, config: RunConfig, name: str | None = None) -> tuple[Dataset, list[str]]:
    """Read a table with targets for a model that was trained before; return it with notes for the user."""
    table = read_table(path, name=name)
    table.require([config.target.name], "target column")
    table, notes = _with_target(table, config.target.name)
    return encode(table, config.preprocessing, config.target), [*table.notes, *notes]


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
    table: Table,
    rows: Rows,
    categorical: list[str],
    classes: ClassTarget | None,
    part: str,
    share: float,
    seed: int,
) -> tuple[Rows, Rows]:
    """Return the numbers of those rows that stay and of those in a random share.

    A row with a category or class that no staying row has stays with them: nothing could be said about it otherwise.
    """
    if not share:
        return rows, rows[:0]
    if np.ceil(share * len(rows)) >= len(rows):
        raise DataError(
            f"{table.name}: a --{part} of {share:g} leaves no row to train on; rows with a target: "
            f"{len(rows)}; give more rows, or a smaller share (0 for none)"
        )
    labels = classes.encode(table)[rows] if classes else None
    kept, chosen = split_rows(len(rows), share, seed=seed, labels=labels)
    columns: list[npt.NDArray[Any]] = [table.texts(name)[rows] for name in categorical]
    if labels is not None:
        columns.append(labels)
    for column in columns:
        known = set(column[kept])
        lonely = np.array([value not in known for value in column[chosen]], dtype=bool)
        kept, chosen = np.concatenate([kept, chosen[lonely]]), chosen[~lonely]
    return rows[kept], rows[chosen]
