"""Metrics of how sure a classifier is of what: rankings and probabilities."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.tensor import Tensor
from lamina.training.metrics.answers import Answers, read_answers
from lamina.training.metrics.classification import one_class


def top_k_accuracy(outputs: Tensor, targets: Tensor, *, k: int = 5) -> float:
    """Return the share of samples whose class is among the ``k`` likeliest.

    In lists of metrics it goes by the name ``"top_5_accuracy"``, with any number for 5.

    Parameters
    ----------
    outputs, targets : Tensor
        As in `accuracy`, with one class a sample.
    k : int, default 5
        From 1; with as many classes or fewer, every sample counts as right.

    Raises
    ------
    ShapeError, DataError
        As in `accuracy`, and for several labels a sample.
    """
    from sklearn.metrics import accuracy_score, top_k_accuracy_score

    if k < 1:
        raise DataError(f"top_k_accuracy: k is {k}; it counts classes, from 1")
    answers = one_class("top_k_accuracy", read_answers("top_k_accuracy", outputs, targets))
    if answers.diverged:
        return math.nan
    if k >= answers.classes:
        return 1.0
    if answers.binary:
        return float(accuracy_score(answers.truth, answers.predicted))
    labels = np.arange(answers.classes)
    # Positions in the order of all outputs stand for the outputs: the same order, and finite.
    return float(top_k_accuracy_score(answers.truth, _ranks(answers.logits), k=k, labels=labels))


def roc_auc(outputs: Tensor, targets: Tensor) -> float:
    """Return the area under the receiver operating characteristic.

    It is the probability that a sample of the class is ranked above one that is not of the class; 0.5 is chance.
    Of more than two classes, the mean of each against the rest, ranked by its probability; of several labels, the
    mean of the labels. Classes that no sample or every sample has are left out of the mean.

    Parameters
    ----------
    outputs, targets : Tensor
        As in `accuracy`.

    Returns
    -------
    float
        From 0 to 1; NaN when an output is NaN, or there is only one class.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina.training import metrics
    >>> metrics.roc_auc(la.asarray([-1.0, 0.5, 0.2, 3.0]), la.asarray([0, 0, 1, 1]))
    0.75

    References
    ----------
    Fawcett (2006), An introduction to ROC analysis.
    """
    from sklearn.metrics import roc_auc_score

    return _mean_of_columns("roc_auc", roc_auc_score, outputs, targets, lambda column: 0 < column.sum() < len(column))


def average_precision(outputs: Tensor, targets: Tensor) -> float:
    """Return the area under the precision-recall curve, ``sum((R[i] - R[i-1]) * P[i])``.

    Averaged over classes as in `roc_auc`; classes that no sample has are left out.

    References
    ----------
    Zhu (2004), Recall, precision and average precision.
    """
    from sklearn.metrics import average_precision_score

    return _mean_of_columns("average_precision", average_precision_score, outputs, targets, lambda column: column.any())


def _mean_of_columns(
    metric: str, score: Callable[..., Any], outputs: Tensor, targets: Tensor, defined: Callable[[Any], bool]
) -> float:
    """Return the mean of a score over the classes for which it is defined; of two classes, that of the second."""
    answers = read_answers(metric, outputs, targets)
    ranked = _ranking(answers)
    if np.isnan(ranked).any():
        return math.nan
    truth, ranks = answers.columns[:, -ranked.shape[1] :], _ranks(ranked)
    chosen = [column for column in range(ranked.shape[1]) if defined(truth[:, column])]
    values = [float(score(truth[:, column], ranks[:, column])) for column in chosen]
    return float(np.mean(values)) if values else math.nan


def _ranking(answers: Answers) -> Any:
    """Return what orders the samples by how likely they are of each class."""
    if answers.binary:
        # Logits tell apart what rounds to a probability of 1.
        with np.errstate(invalid="ignore"):
            return answers.logits[:, 1:] - answers.logits[:, :1]
    return answers.logits if answers.several else answers.probabilities


def _ranks(scores: Any) -> Any:
    """Return whole numbers in the same order, equal where the scores are equal: infinities are no trouble."""
    return np.unique(scores, return_inverse=True)[1].reshape(scores.shape).astype(np.float64)


def log_loss(outputs: Tensor, targets: Tensor) -> float:
    """Return the mean of minus the logarithm of the probability given to what is right.

    Of several labels, the mean over labels. Probabilities are kept 2e-16 away from 0 and 1, so that one certain
    error costs 36 and not infinity.

    Parameters
    ----------
    outputs, targets : Tensor
        As in `accuracy`.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina.training import metrics
    >>> round(metrics.log_loss(la.zeros((3, 4)), la.asarray([0, 1, 3])), 4)    # log(4)
    1.3863
    """
    from scipy.special import expit
    from sklearn import metrics

    answers = read_answers("log_loss", outputs, targets)
    chances = answers.probabilities
    if np.isnan(chances).any():
        return math.nan
    if not answers.several:
        return float(metrics.log_loss(answers.truth, chances, labels=np.arange(answers.classes)))
    # Yes and no by a formula each: one minus a probability near one would have lost most of its figures.
    both = zip(answers.truth.T, expit(-answers.logits).T, chances.T, strict=True)
    return float(
        np.mean([metrics.log_loss(truth, np.column_stack([no, yes]), labels=[0, 1]) for truth, no, yes in both])
    )
