"""Metrics of predicted values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.errors import DataError, ShapeError
from lamina.tensor import Tensor
from lamina.training.metrics.answers import check_single

Array = npt.NDArray[Any]


def _read(metric: str, outputs: Tensor, targets: Tensor) -> tuple[Array, Array]:
    """Return predicted and true values as float64 matrices; [n] and [n, 1] are the same."""
    check_single(metric, outputs, targets)
    predicted, known = outputs.numpy().astype(np.float64), targets.numpy().astype(np.float64)
    matrices = [each.reshape(len(each), -1) if each.ndim and each.size else each for each in (predicted, known)]
    if matrices[0].shape != matrices[1].shape or not predicted.size or not predicted.ndim:
        raise ShapeError(
            f"{metric}: outputs of shape {list(predicted.shape)} do not fit targets of shape {list(known.shape)}; "
            "they are of the same shape, with at least one sample"
        )
    if not np.isfinite(known).all():
        raise DataError(f"{metric}: the targets hold NaN or infinity; leave those samples out")
    return matrices[0], matrices[1]


def _score(metric: str, function: Callable[[Array, Array], Any], outputs: Tensor, targets: Tensor) -> float:
    """Return what a function of true and predicted values gives; NaN for those of a model that has diverged."""
    predicted, known = _read(metric, outputs, targets)
    if not np.isfinite(predicted).all():
        return math.nan
    with np.errstate(over="ignore", invalid="ignore"):
        # Squares of very large numbers are infinite, which says enough.
        return float(function(known, predicted))


def mse(outputs: Tensor, targets: Tensor) -> float:
    """Return the mean squared error, over samples and outputs.

    Parameters
    ----------
    outputs, targets : Tensor
        Predicted and true values, of shape [n] or [n, outputs]; [n] and [n, 1] are the same.

    Returns
    -------
    float
        NaN when an output is NaN or infinite.

    Raises
    ------
    ShapeError
        When the shapes differ, or there is no sample.
    DataError
        When a target is NaN or infinite.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina.training import metrics
    >>> metrics.mse(la.asarray([1.0, 2.0]), la.asarray([1.0, 4.0]))
    2.0
    """
    from sklearn.metrics import mean_squared_error

    return _score("mse", mean_squared_error, outputs, targets)


def rmse(outputs: Tensor, targets: Tensor) -> float:
    """Return the root of the mean squared error, in the units of the targets; of several outputs, the mean root."""
    from sklearn.metrics import root_mean_squared_error

    return _score("rmse", root_mean_squared_error, outputs, targets)


def mae(outputs: Tensor, targets: Tensor) -> float:
    """Return the mean absolute error, over samples and outputs."""
    from sklearn.metrics import mean_absolute_error

    return _score("mae", mean_absolute_error, outputs, targets)


def median_absolute_error(outputs: Tensor, targets: Tensor) -> float:
    """Return the median of the absolute errors, which a few gross ones do not move; the mean over outputs."""
    from sklearn import metrics

    return _score("median_absolute_error", metrics.median_absolute_error, outputs, targets)


def r2(outputs: Tensor, targets: Tensor) -> float:
    """Return the coefficient of determination, ``1 - sum((y - p)**2) / sum((y - mean(y))**2)``; the mean over outputs.

    1 is perfect, 0 no better than the mean; NaN for one sample. Where the targets do not vary it is 1 if all are
    met, and 0 otherwise.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina.training import metrics
    >>> metrics.r2(la.asarray([1.0, 2.0, 2.0]), la.asarray([1.0, 2.0, 3.0]))
    0.5
    """
    from sklearn.metrics import r2_score

    return _score("r2", lambda known, found: r2_score(known, found) if len(known) > 1 else math.nan, outputs, targets)


def explained_variance(outputs: Tensor, targets: Tensor) -> float:
    """Return ``1 - var(y - p) / var(y)``: `r2`, but for a constant error, which costs nothing here."""
    from sklearn.metrics import explained_variance_score

    return _score("explained_variance", explained_variance_score, outputs, targets)
