"""Everything that is needed to use a trained model again, or to go on training it, apart from its weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lamina.data import ClassTarget, NumericTarget, TablePreprocessing, Target
from lamina.data.record import Record
from lamina.errors import CheckpointError
from lamina.runs.options import OptionError, TrainingOptions, checked, declared, plain

FORMAT = "lamina run"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class RunConfig:
    """What a run was trained on and how, and how to rebuild its model.

    Attributes
    ----------
    source : str
        The name of an embedded data set or the path of a file.
    embedded : bool
    preprocessing : TablePreprocessing
    target : ClassTarget or NumericTarget
    options : TrainingOptions
    fingerprint : str
        Of the file, so that training goes on with the same data only; empty for an embedded set.
    schema : mapping, optional
        What the columns of the table were like, for reports.
    machine : mapping of str to str
        Where and with which versions it was trained.
    """

    source: str
    embedded: bool
    preprocessing: TablePreprocessing
    target: Target
    options: TrainingOptions
    fingerprint: str = ""
    schema: Any = None
    machine: Mapping[str, str] = field(default_factory=dict)

    @property
    def inputs(self) -> int:
        """How many numbers the model is given for a row."""
        return len(self.preprocessing.feature_names)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` needs."""
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "machine": dict(self.machine),
            "source": self.source,
            "embedded": self.embedded,
            "fingerprint": self.fingerprint,
            "task": self.target.task,
            "target": self.target.to_json(),
            "columns": self.preprocessing.to_json(),
            "options": plain(self.options, TrainingOptions),
            "schema": self.schema,
        }

    @classmethod
    def from_json(cls, record: Record) -> RunConfig:
        """Rebuild it from what `to_json` gave, each value checked.

        Raises
        ------
        CheckpointError
            When something is not what `to_json` would write.
        """
        if record.text("format") != FORMAT:
            raise record.wrong("format", repr(FORMAT))
        if record.whole("format_version") != FORMAT_VERSION:
            raise record.wrong("format_version", f"{FORMAT_VERSION}, which is what this version of Lamina reads")
        tasks: dict[str, type[Target]] = {"classification": ClassTarget, "regression": NumericTarget}
        task = record.text("task")
        if task not in tasks:
            raise record.wrong("task", " or ".join(tasks))
        columns = record.records("columns")
        if not columns:
            raise record.wrong("columns", "a list of at least one column")
        return cls(
            record.text("source"),
            record.truth("embedded"),
            TablePreprocessing.from_json(columns),
            tasks[task].from_json(record.record("target")),
            _options(record.record("options")),
            record.text("fingerprint"),
            record.values.get("schema"),
            {str(name): str(value) for name, value in record.record("machine").values.items()},
        )


def _options(record: Record) -> TrainingOptions:
    missing = [name for name in declared(TrainingOptions) if name not in record.values]
    if missing:
        raise CheckpointError(f"{record.place}: {missing[0]} is missing; the file is damaged")
    try:
        return TrainingOptions(**checked(TrainingOptions, record.values))
    except OptionError as error:
        raise CheckpointError(f"{record.place}: {error}") from error


def fingerprint(path: Path) -> str:
    """Return what tells the content of a file from any other; of a folder, the names and sizes of its files."""
    digest = hashlib.sha256()
    if path.is_dir():
        for each in sorted(path.rglob("*")):
            if each.is_file():
                digest.update(f"{each.relative_to(path)}\0{each.stat().st_size}\n".encode())
    else:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
