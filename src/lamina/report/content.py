"""What a report is made of: plain things, gathered by whoever knows the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lamina.errors import ShapeError

if TYPE_CHECKING:
    from lamina.nn.summary import Summary
    from lamina.training import History

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class ClassPredictions:
    """What a classifier said about a part of the data.

    Parameters
    ----------
    part : str
        Which part, such as ``"validation"``.
    classes : sequence of str
        The names of the classes.
    truth : array of int, shape [n]
        The numbers of the true classes.
    probabilities : array, shape [n, classes]
        Rows with NaN, of a model that has diverged, are counted and left out.

    Raises
    ------
    ShapeError
        When the shapes do not fit together, or a number is no class.
    """

    part: str
    classes: Sequence[str]
    truth: Array
    probabilities: Array

    def __post_init__(self) -> None:
        truth, chances = np.asarray(self.truth), np.asarray(self.probabilities, dtype=np.float64)
        if truth.ndim != 1 or chances.shape != (len(truth), len(self.classes)) or len(self.classes) < 2:
            raise ShapeError(
                f"report: {len(self.classes)} classes, truth of shape {list(truth.shape)} and probabilities of shape "
                f"{list(chances.shape)} do not fit; expected [n] and [n, classes], with two classes or more"
            )
        if truth.size and not (truth.min() >= 0 and truth.max() < len(self.classes)):
            raise ShapeError(f"report: the true classes are numbers from 0 to {len(self.classes) - 1}")
        object.__setattr__(self, "truth", truth.astype(np.int64))
        object.__setattr__(self, "probabilities", chances)


@dataclass(frozen=True)
class ValuePredictions:
    """What a regression said about a part of the data.

    Parameters
    ----------
    part : str
        Which part, such as ``"validation"``.
    names : sequence of str
        What each output is, one name for one output.
    truth, values : array, shape [n] or [n, outputs]
        True and predicted values in the units of the data. Rows with values that are not finite, of a model that has
        diverged, are counted and left out.

    Raises
    ------
    ShapeError
        When the shapes do not fit together.
    """

    part: str
    names: Sequence[str]
    truth: Array
    values: Array

    def __post_init__(self) -> None:
        for name in ("truth", "values"):
            value = np.asarray(getattr(self, name), dtype=np.float64)
            # [n] and [n, 1] are the same.
            object.__setattr__(self, name, value[:, np.newaxis] if value.ndim == 1 else value)
        if self.truth.shape != self.values.shape or self.truth.ndim != 2 or self.truth.shape[1] != len(self.names):
            raise ShapeError(
                f"report: truth of shape {list(self.truth.shape)}, values of shape {list(self.values.shape)} and "
                f"{len(self.names)} names do not fit; expected [n, outputs] twice and a name for each output"
            )


@dataclass(frozen=True)
class ReportContent:
    """Everything that a report shows; what is left out has no section.

    Parameters
    ----------
    title : str
        Such as the name of the run.
    subtitle : str
        What the model is for, in a line.
    history : History, optional
        Gives the training curves.
    scores : mapping of str to mapping of str to float
        For each part of the data its metrics by name; ``"count"`` says how much it holds. The last part is the one
        that the headline speaks of.
    unit : str, default "samples"
        What the data are counted in, such as rows, images or tokens.
    predictions : ClassPredictions or ValuePredictions, optional
        Gives the confusion matrix and curves, or the residuals.
    model : Summary, optional
        What `lamina.nn.Module.summary` gives: the layers with their shapes and numbers of parameters.
    configuration, machine : mapping
        Shown as they are; mappings inside are opened.
    schema : sequence of mapping
        A row for each column of the data, such as its name, kind, missing and distinct values.
    samples : sequence of pair of str
        Texts that a language model wrote, each with its title.
    notes : sequence of str
        What the reader should know, such as why training ended.
    """

    title: str
    subtitle: str = ""
    history: History | None = None
    scores: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    unit: str = "samples"
    predictions: ClassPredictions | ValuePredictions | None = None
    model: Summary | None = None
    configuration: Mapping[str, Any] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)
    schema: Sequence[Mapping[str, Any]] = ()
    samples: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()
