"""Everything that is needed to use a trained model again, apart from its weights."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import lamina as la
from lamina.data import ClassTarget, NumericTarget, TablePreprocessing, Target
from lamina.data.record import Record
from lamina.nn.activations import ACTIVATIONS

FORMAT = "lamina run"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class TrainingOptions:
    """What the user can choose about a training.

    Attributes
    ----------
    hidden : tuple of int
        The widths of the hidden layers; none gives a linear or logistic model.
    validation : float
        The share of the training rows that is set aside to choose the best weights; 0 for none.
    patience : int
        Training ends after so many epochs without a better loss; 0 for never.
    """

    epochs: int
    batch_size: int
    lr: float
    optimizer: str
    hidden: tuple[int, ...]
    activation: str
    dropout: float
    label_smoothing: float
    validation: float
    patience: int
    seed: int
    device: str


@dataclass(frozen=True)
class RunConfig:
    """What a run was trained on and how, and how to rebuild its model.

    Attributes
    ----------
    source : str
        The name of an embedded data set or the path of a table.
    embedded : bool
    preprocessing : TablePreprocessing
    target : ClassTarget or NumericTarget
    options : TrainingOptions
    """

    source: str
    embedded: bool
    preprocessing: TablePreprocessing
    target: Target
    options: TrainingOptions

    @property
    def inputs(self) -> int:
        """How many numbers the model is given for a row."""
        return len(self.preprocessing.feature_names)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` needs."""
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "versions": {"lamina": la.__version__, "numpy": np.__version__, "python": platform.python_version()},
            "source": self.source,
            "embedded": self.embedded,
            "task": self.target.task,
            "target": self.target.to_json(),
            "columns": self.preprocessing.to_json(),
            "options": {**asdict(self.options), "hidden": list(self.options.hidden)},
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
        )


def _options(record: Record) -> TrainingOptions:
    if record.text("activation") not in ACTIVATIONS:
        raise record.wrong("activation", f"one of {', '.join(ACTIVATIONS)}")
    if record.number("dropout", least=0.0) >= 1.0:
        raise record.wrong("dropout", "a share below 1")
    return TrainingOptions(
        epochs=record.whole("epochs", least=1),
        batch_size=record.whole("batch_size", least=1),
        lr=record.number("lr", least=0.0),
        optimizer=record.text("optimizer"),
        hidden=record.wholes("hidden", least=1),
        activation=record.text("activation"),
        dropout=record.number("dropout", least=0.0),
        label_smoothing=record.number("label_smoothing", least=0.0),
        validation=record.number("validation", least=0.0),
        patience=record.whole("patience"),
        seed=record.whole("seed"),
        device=record.text("device"),
    )
