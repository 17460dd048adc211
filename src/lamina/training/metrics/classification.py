"""Metrics of the classes that were answered, whatever the certainty."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lamina.errors import DataError, ShapeError
from lamina.tensor import Tensor
from lamina.training.metrics.answers import Answers, read_answers

Average = Literal["binary", "micro", "macro", "weighted"]


def accuracy(outputs: Tensor, targets: Tensor) -> float:
    """Return the share of samples whose class is right; of several labels, whose labels are all right.

    Parameters
    ----------
    outputs : Tensor
        Logits: of shape [n, classes], where the class is the largest, or of shape [n] or [n, 1], where the second
        of two classes is meant by a logit above 0. With several labels a sample, a label is meant by a logit above 0.
    targets : Tensor
        The numbers of the classes, of shape [n] or [n, 1]; or of shape [n, classes]: probabilities where every row
        adds up to 1, and otherwise labels, 0 or 1.

    Returns
    -------
    float
        From 0 to 1; NaN when an output is NaN.

    Raises
    ------
    ShapeError
        When the shapes are others.
    DataError
        When a target is no class.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina.training import metrics
    >>> metrics.accuracy(la.asarray([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]]), la.asarray([0, 1, 1]))
    0.6666666666666666
    """
    from sklearn.metrics import accuracy_score

    answers = read_answers("accuracy", outputs, targets)
    return math.nan if answers.diverged else float(accuracy_score(answers.truth, answers.predicted))


def balanced_accuracy(outputs: Tensor, targets: Tensor) -> float:
    """Return the recall averaged over the classes that occur: each counts the same, however rare.

    Outputs and targets are those of `accuracy`, with one class a sample.

    Raises
    ------
    ShapeError, DataError
        As in `accuracy`, and for several labels a sample.

    References
    ----------
    Brodersen et al. (2010), The balanced accuracy and its posterior distribution.
    """
    from sklearn.metrics import recall_score

    answers = one_class("balanced_accuracy", read_answers("balanced_accuracy", outputs, targets))
    if answers.diverged:
        return math.nan
    present = np.unique(answers.truth)
    return float(recall_score(answers.truth, answers.predicted, labels=present, average="macro", zero_division=0))


def one_class(metric: str, answers: Answers) -> Answers:
    """Return the answers, if a sample has one class."""
    if answers.several:
        raise ShapeError(
            f"{metric}: targets of shape {list(answers.truth.shape)} hold several labels a sample; "
            "give one class a sample, or measure each column by itself"
        )
    return answers


def precision(outputs: Tensor, targets: Tensor, *, average: Average | None = None) -> float:
    """Return how many of the answers "it is this class" are right: ``tp / (tp + fp)``.

    Parameters
    ----------
    outputs, targets : Tensor
        As in `accuracy`.
    average : {"binary", "micro", "macro", "weighted"}, optional
        ``"binary"``: of the second of two classes. ``"micro"``: over all answers together. ``"macro"``: the mean of
        the classes. ``"weighted"``: their mean by how often each occurs. When None, ``"binary"`` of two classes and
        ``"macro"`` of more or of several labels.

    Returns
    -------
    float
        From 0 to 1, 0 where it is 0 / 0; NaN when an output is NaN.

    Raises
    ------
    ShapeError, DataError
        As in `accuracy`; ShapeError for ``"binary"`` of anything but two classes.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina.training import metrics
    >>> metrics.precision(la.asarray([2.0, 1.0, -1.0]), la.asarray([1, 0, 1]))
    0.5
    """
    from sklearn.metrics import precision_score

    return _averaged("precision", precision_score, outputs, targets, average)


def recall(outputs: Tensor, targets: Tensor, *, average: Average | None = None) -> float:
    """Return how many samples of a class are found: ``tp / (tp + fn)``; parameters are those of `precision`."""
    from sklearn.metrics import recall_score

    return _averaged("recall", recall_score, outputs, targets, average)


def f1(outputs: Tensor, targets: Tensor, *, average: Average | None = None) -> float:
    """Return the harmonic mean of precision and recall: ``2 tp / (2 tp + fp + fn)``; see `precision`.

    References
    ----------
    van Rijsbergen (1979), Information Retrieval, chapter 7.
    """
    from sklearn.metrics import f1_score

    return _averaged("f1", f1_score, outputs, targets, average)


def _averaged(
    metric: str, score: Callable[..., Any], outputs: Tensor, targets: Tensor, average: Average | None
) -> float:
    answers = read_answers(metric, outputs, targets)
    if average == "binary" and not answers.binary:
        raise ShapeError(
            f'{metric}: average="binary" is of two classes, got {answers.classes}; use "micro", "macro" or "weighted"'
        )
    if answers.diverged:
        return math.nan
    chosen = average or ("binary" if answers.binary else "macro")
    return float(score(answers.truth, answers.predicted, average=chosen, zero_division=0))


def averaged(metric: Callable[..., float], average: Average) -> Callable[[Tensor, Tensor], float]:
    """Return precision, recall or F1 with one way of averaging, named by both."""

    def measured(outputs: Tensor, targets: Tensor) -> float:
        return metric(outputs, targets, average=average)

    measured.__name__ = measured.__qualname__ = f"{metric.__name__}_{average}"
    measured.__doc__ = f'Return `{metric.__name__}` with ``average="{average}"``.'
    return measured


_OF_SEVERAL: tuple[Average, ...] = ("micro", "macro", "weighted")
precision_micro, precision_macro, precision_weighted = (averaged(precision, each) for each in _OF_SEVERAL)
recall_micro, recall_macro, recall_weighted = (averaged(recall, each) for each in _OF_SEVERAL)
f1_micro, f1_macro, f1_weighted = (averaged(f1, each) for each in _OF_SEVERAL)


def confusion_matrix(outputs: Tensor, targets: Tensor) -> npt.NDArray[np.int64]:
    """Count the samples by true class (rows) and answered class (columns).

    Parameters
    ----------
    outputs, targets : Tensor
        As in `accuracy`.

    Returns
    -------
    array of int64
        Of shape [classes, classes], whether or not each class occurs. Of several labels, of shape [labels, 2, 2]:
        a matrix of no and yes for each.

    Raises
    ------
    ShapeError, DataError
        As in `accuracy`; DataError also when an output is NaN.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina.training import metrics
    >>> metrics.confusion_matrix(la.asarray([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]]), la.asarray([0, 1, 1]))
    array([[1, 0],
           [1, 1]])
    """
    from sklearn import metrics

    answers = read_answers("confusion_matrix", outputs, targets)
    if answers.diverged:
        raise DataError("confusion_matrix: an output is NaN, so the model answers nothing there; has it diverged?")
    if answers.several:
        return np.asarray(metrics.multilabel_confusion_matrix(answers.truth, answers.predicted), dtype=np.int64)
    labels = np.arange(answers.classes)
    return np.asarray(metrics.confusion_matrix(answers.truth, answers.predicted, labels=labels), dtype=np.int64)
