"""What subjects share that have a target: classes or values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lamina.data import ClassTarget, Target
from lamina.errors import CheckpointError
from lamina.report import ClassPredictions, ValuePredictions
from lamina.runs.building import build_loss
from lamina.runs.inference import PartOutputs, part_outputs, probabilities, scores
from lamina.runs.option_declaration import OptionError
from lamina.runs.subjects.subject import Data, Loss, Measured, Subject
from lamina.training.metrics import METRICS, find_metric

if TYPE_CHECKING:
    import polars as pl

    from lamina import nn
    from lamina.runs.options import TrainingOptions


class PredictingSubject(Subject):
    """A subject with a target, of which a model says the class or the value of each row or image."""

    target: Target
    """What is predicted."""

    @property
    def task(self) -> str:
        """Classification or regression."""
        return self.target.task

    @property
    def title(self) -> str:
        """Return what is predicted of what."""
        return f"{self.task} of {self.target.name!r}"

    def loss(self, options: TrainingOptions) -> Loss:
        """Return the loss of classes or of values."""
        return build_loss(options, isinstance(self.target, ClassTarget))

    def metrics(self, options: TrainingOptions) -> Sequence[str]:
        """Return those that were asked for; one that says the most where none was."""
        self._check_metrics(options.metrics)
        return options.metrics or ("accuracy" if isinstance(self.target, ClassTarget) else "r2",)

    def _check_metrics(self, names: Sequence[str]) -> None:
        values = not isinstance(self.target, ClassTarget)
        for name in names:
            metric = find_metric(name)
            if metric is not None and metric.of_values != values:
                suited = ", ".join(each for each, row in METRICS.items() if row.of_values == values)
                are = ("classes", "values") if values else ("values", "classes")
                raise OptionError("metrics", f"{name} is for {are[0]}, and these are {are[1]}; there are {suited}")

    def measured(self, model: nn.Module, data: Data, device: str, also: Sequence[str] = ()) -> Measured:
        """Return the scores of the answers to data."""
        self._check_metrics(also)
        found = part_outputs(model, data, device)
        return Measured(len(data), scores(self.target, found.outputs, found.targets, also), found)

    def predictions(self, part: str, answers: PartOutputs) -> ClassPredictions | ValuePredictions:
        """Return the answers of a part of the data as a report shows them."""
        target = self.target
        if answers.outputs.shape[1] != target.outputs:
            raise CheckpointError(f"answers: {answers.outputs.shape[1]} outputs, where the model has {target.outputs}")
        if isinstance(target, ClassTarget):
            return ClassPredictions(part, target.classes, answers.targets, probabilities(answers.outputs))
        return ValuePredictions(part, [target.name], target.decode(answers.targets), target.decode(answers.outputs))


def prediction_columns(target: Target, answers: npt.NDArray[Any], taken: Sequence[str]) -> list[pl.Series]:
    """Return the columns to add to a table whose column names are ``taken``: what is predicted, and probabilities."""
    import polars as pl

    names = set(taken)

    def free(name: str) -> str:
        while name in names:
            name += "_"
        names.add(name)
        return name

    name = free(f"predicted_{target.name}")
    if not isinstance(target, ClassTarget):
        return [pl.Series(name, target.decode(answers))]
    chances = probabilities(answers)
    labels = np.array(target.classes, dtype=object)[chances.argmax(axis=1)]
    columns = [pl.Series(name, labels.tolist(), dtype=pl.String)]
    for number, label in enumerate(target.classes):
        columns.append(pl.Series(free(f"probability_{label}"), chances[:, number]))
    return columns
