"""What a classifier answered and what is right, read from its outputs and the targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.errors import DataError, ShapeError
from lamina.tensor import Tensor

Array = npt.NDArray[Any]

# Rows of probabilities add up to one but for rounding; rows of labels, each 0 or 1, are a whole one away.
ROUNDING = 0.01


@dataclass(frozen=True)
class Answers:
    """The outputs of a classifier beside the truth.

    Attributes
    ----------
    logits : array of float64, shape [n, classes]
        One class a sample: larger is likelier; of two classes given by one logit, the first column is 0.
        Several labels a sample: each column stands for itself, above 0 for yes.
    truth : array of int64, shape [n] or [n, classes]
        The number of the class; of several labels, 1 for each that holds.
    several : bool
        Whether a sample may have several labels.
    """

    logits: npt.NDArray[np.float64]
    truth: npt.NDArray[np.int64]
    several: bool

    @property
    def classes(self) -> int:
        """How many classes or labels there are."""
        return int(self.logits.shape[1])

    @property
    def binary(self) -> bool:
        """Whether there are two classes, of which the second is the one looked for."""
        return self.classes == 2 and not self.several

    @property
    def diverged(self) -> bool:
        """Whether some output is NaN, so that nothing can be said."""
        return bool(np.isnan(self.logits).any())

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        """The answers in the form of the truth; of equally likely classes, the first."""
        chosen = self.logits > 0.0 if self.several else self.logits.argmax(axis=1)
        return chosen.astype(np.int64)

    @property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """The probability of each class, rows adding up to one; of several labels, of each by itself."""
        from scipy.special import expit, softmax

        if self.several:
            return np.asarray(expit(self.logits))
        with np.errstate(invalid="ignore"):
            # The difference of two infinities is NaN, and that is what there is to say of it.
            return np.asarray(softmax(self.logits, axis=1))

    @property
    def columns(self) -> npt.NDArray[np.int64]:
        """The truth as zeros and ones of shape [n, classes]."""
        return self.truth if self.several else np.eye(self.classes, dtype=np.int64)[self.truth]


def check_single(metric: str, outputs: Any, targets: Any) -> None:
    """Refuse several outputs or targets where a metric is of one.

    Raises
    ------
    DataError
    """
    for role, each in (("outputs", outputs), ("targets", targets)):
        if not isinstance(each, Tensor):
            raise DataError(
                f"{metric}: the {role} are of type {type(each).__name__}, and this metric is of one tensor of outputs "
                f"and one of targets; write a function of all of them that calls metrics.{metric} with two"
            )


def read_answers(metric: str, outputs: Tensor, targets: Tensor) -> Answers:
    """Return what a classifier answered and what is right.

    Parameters
    ----------
    metric : str
        Named in errors.
    outputs : Tensor
        Logits of shape [n, classes], or of shape [n] or [n, 1] for the second of two classes.
    targets : Tensor
        Numbers of classes, shape [n] or [n, 1]; of shape [n, classes], probabilities of classes (the class is the
        largest) where every row adds up to 1, and otherwise labels, each of which holds above one half.

    Raises
    ------
    ShapeError
        When the shapes do not fit together, or there is no sample.
    DataError
        When a target is no class.
    """
    check_single(metric, outputs, targets)
    scores, known = outputs.numpy().astype(np.float64), targets.numpy().astype(np.float64)
    misfit = ShapeError(
        f"{metric}: outputs of shape {list(scores.shape)} do not fit targets of shape {list(known.shape)}; expected "
        "outputs [n, classes] with targets [n] or [n, classes], or outputs [n] or [n, 1] with targets of as many"
    )
    if scores.ndim not in (1, 2) or known.ndim not in (1, 2) or len(scores) != len(known) or not scores.size:
        raise misfit
    if not np.isfinite(known).all():
        raise DataError(f"{metric}: the targets hold NaN or infinity; they are numbers of classes")
    if scores.ndim == 1 or scores.shape[1] == 1:
        if known.size != len(known):
            raise misfit
        logits = np.column_stack([np.zeros(len(scores)), scores.reshape(-1)])
        return Answers(logits, _yes_or_no(metric, known.reshape(-1)), several=False)
    if known.shape == scores.shape:
        if np.allclose(known.sum(axis=1), 1.0, atol=ROUNDING) and known.min() >= -ROUNDING:
            return Answers(scores, known.argmax(axis=1), several=False)
        return Answers(scores, _yes_or_no(metric, known), several=True)
    if known.size != len(known):
        raise misfit
    return Answers(scores, _numbers(metric, known.reshape(-1), scores.shape[1]), several=False)


def _yes_or_no(metric: str, known: Array) -> npt.NDArray[np.int64]:
    """Return 1 for yes: written as 1 against 0 or -1, as true, or as a probability above one half."""
    if known.min() < -1.0 or known.max() > 1.0:
        raise DataError(
            f"{metric}: yes-or-no targets are 0 or 1 (or -1 and 1), got values from {known.min():g} to "
            f"{known.max():g}; numbers of classes need outputs of shape [n, classes]"
        )
    return (known > 0.5).astype(np.int64)


def _numbers(metric: str, known: Array, classes: int) -> npt.NDArray[np.int64]:
    wrong = (known != np.floor(known)) | (known < 0) | (known >= classes)
    if wrong.any():
        raise DataError(
            f"{metric}: the target {known[wrong][0]:g} is no class; outputs of {classes} columns have the classes "
            f"0 to {classes - 1}"
        )
    return known.astype(np.int64)
