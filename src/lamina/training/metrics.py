"""Metrics: numbers that tell a person how good the outputs are.

Each takes the outputs of the model and the targets, of all samples at once. scikit-learn does the arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.errors import DataError, ShapeError
from lamina.tensor import Tensor
from lamina.training.history import NOT_METRICS

Array = npt.NDArray[Any]
Metric = str | Callable[[Tensor, Tensor], Any]
MetricFunction = Callable[[Tensor, Tensor], float]


def accuracy(outputs: Tensor, targets: Tensor) -> float:
    """Return the share of samples whose class is right.

    Parameters
    ----------
    outputs : Tensor
        Logits: of shape [n, classes], where the class is the largest, or of shape [n] or [n, 1], where the second
        of two classes is meant by a logit above 0.
    targets : Tensor
        The numbers of the classes, of shape [n] or [n, 1]; or probabilities of shape [n, classes].

    Raises
    ------
    ShapeError
        When the shapes are others.
    """
    from sklearn.metrics import accuracy_score

    scores, right = outputs.numpy(), targets.numpy()
    if scores.ndim == 2 and scores.shape[1] > 1:
        predicted = scores.argmax(axis=1)
        known = right.argmax(axis=1) if right.shape == scores.shape else _column("accuracy", right)
    else:
        predicted, known = _column("accuracy", scores) > 0, _column("accuracy", right) > 0
    if len(predicted) != len(known) or not len(known):
        raise _misfit("accuracy", scores, right)
    return float(accuracy_score(known.astype(np.int64), predicted.astype(np.int64)))


def _column(name: str, values: Array) -> Array:
    if values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1):
        return values.reshape(-1)
    raise ShapeError(f"{name}: expected shape [n], [n, 1] or [n, classes], got {list(values.shape)}")


def _misfit(name: str, outputs: Array, targets: Array) -> ShapeError:
    return ShapeError(
        f"{name}: outputs of shape {list(outputs.shape)} do not fit targets of shape {list(targets.shape)}"
    )


def _values(name: str, outputs: Tensor, targets: Tensor) -> tuple[Array, Array]:
    """Return predicted and true values as float64 matrices; [n] and [n, 1] are the same."""
    predicted, known = outputs.numpy().astype(np.float64), targets.numpy().astype(np.float64)
    matrices = [each.reshape(len(each), -1) if each.ndim else each for each in (predicted, known)]
    if matrices[0].shape != matrices[1].shape or not matrices[0].size:
        raise _misfit(name, predicted, known)
    return matrices[0], matrices[1]


def _score(name: str, function: Callable[[Array, Array], float], outputs: Tensor, targets: Tensor) -> float:
    """Return what a function of true and predicted values gives; NaN for those of a model that has diverged."""
    predicted, known = _values(name, outputs, targets)
    return float(function(known, predicted)) if np.isfinite(predicted).all() else math.nan


def mse(outputs: Tensor, targets: Tensor) -> float:
    """Return the mean squared error."""
    from sklearn.metrics import mean_squared_error

    return _score("mse", mean_squared_error, outputs, targets)


def mae(outputs: Tensor, targets: Tensor) -> float:
    """Return the mean absolute error."""
    from sklearn.metrics import mean_absolute_error

    return _score("mae", mean_absolute_error, outputs, targets)


def rmse(outputs: Tensor, targets: Tensor) -> float:
    """Return the root of the mean squared error, in the units of the targets."""
    return math.sqrt(mse(outputs, targets))


def r2(outputs: Tensor, targets: Tensor) -> float:
    """Return the coefficient of determination: 1 is perfect, 0 no better than the mean; NaN for one sample."""
    from sklearn.metrics import r2_score

    return _score("r2", lambda known, found: r2_score(known, found) if len(known) > 1 else math.nan, outputs, targets)


METRICS: dict[str, MetricFunction] = {"accuracy": accuracy, "mse": mse, "mae": mae, "rmse": rmse, "r2": r2}


def named_metrics(metrics: Iterable[Metric]) -> dict[str, MetricFunction]:
    """Return metrics by the names under which they are recorded.

    Parameters
    ----------
    metrics : iterable of str or callable
        Names of metrics here, or ``metric(outputs, targets)``, which is recorded under its own name.

    Raises
    ------
    DataError
        When a name is unknown or occurs twice.
    """
    if isinstance(metrics, str):
        raise DataError(f"metrics: expected a list of them, got the text {metrics!r}; write [{metrics!r}]")
    found: dict[str, MetricFunction] = {}
    for metric in metrics:
        name = metric if isinstance(metric, str) else getattr(metric, "__name__", type(metric).__name__)
        if name in found or name in NOT_METRICS:
            raise DataError(f"metrics: {name!r} is taken; each is recorded under a name of its own")
        if callable(metric):
            found[name] = _as_number(name, metric)
        elif metric in METRICS:
            found[name] = METRICS[metric]
        else:
            raise DataError(f"metrics: {metric!r} is not known; use {', '.join(METRICS)} or a function")
    return found


def _as_number(name: str, metric: Callable[[Tensor, Tensor], Any]) -> MetricFunction:
    def measured(outputs: Tensor, targets: Tensor) -> float:
        value = metric(outputs, targets)
        try:
            return float(value)
        except (TypeError, ValueError) as error:
            raise DataError(f"metrics: {name} gave {value!r:.80}, which is not one number") from error

    return measured
