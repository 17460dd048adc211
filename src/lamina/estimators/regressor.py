"""`LaminaRegressor`: a network that predicts numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import column_or_1d

import lamina.estimators.parameters as check
from lamina.data.scaling import LARGEST
from lamina.errors import DataError
from lamina.estimators.base import NetworkEstimator
from lamina.estimators.objective import REGRESSION_LOSSES
from lamina.estimators.training import Rows, Task
from lamina.nn.module import Module


class LaminaRegressor(RegressorMixin, NetworkEstimator):  # type: ignore[misc]
    """A network that predicts numbers, as a scikit-learn regressor.

    Parameters, attributes and errors are those of `LaminaClassifier`, without ``class_weight`` and ``classes_``. Inputs
    should have a spread of about 1, to which scikit-learn's ``StandardScaler`` sees; to targets it is seen here.

    Parameters
    ----------
    loss : {"squared_error", "absolute_error", "huber"}, default "squared_error"
        What is minimised, summed over the targets of a row: half the squared error, the absolute error, or the Huber
        loss, which is quadratic up to an error of 1.
    standardize_target : bool, default True
        Whether the network learns ``(y - mean) / deviation`` of each target, by the rows it is first trained on, as
        `lamina train` does; the rows that ``early_stopping`` holds out are none of them. Losses are those of what it
        learns; predictions and scores are in the units of ``y``.
    hidden_layer_sizes, activation, optimizer, ...
        As in `LaminaClassifier`. Held-out rows are scored by R².

    Attributes
    ----------
    n_outputs_ : int
        How many targets a row has.
    target_mean_, target_scale_ : ndarray of shape [targets]
        Predictions are the outputs of ``module_`` times the scale plus the mean: 1 and 0 where nothing is standardised.

    Examples
    --------
    >>> import numpy as np
    >>> from lamina.estimators import LaminaRegressor
    >>> X = np.linspace(-1.0, 1.0, 100)[:, None]
    >>> model = LaminaRegressor(hidden_layer_sizes=(32,), learning_rate_init=0.02, random_state=0)
    >>> model.fit(X, np.abs(X[:, 0])).score(X, np.abs(X[:, 0])) > 0.9
    True
    """

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        standardize_target: bool = True,
        optimizer: Any = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate_init: float = 0.001,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: float = 10,
        module: Callable[[int, int], Module] | None = None,
        compile: Any = "auto",
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.standardize_target = standardize_target
        self.optimizer = optimizer
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.module = module
        self.compile = compile

    _switches = (*NetworkEstimator._switches, "standardize_target")

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LaminaRegressor:
        """Train on rows and their targets.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape [n, features]
        y : array-like of shape [n] or [n, targets]
        sample_weight : array-like of shape [n], optional
            How much each row counts.

        Returns
        -------
        LaminaRegressor
            This one.
        """
        rows, flat = self._rows(X, y, sample_weight, first=True)
        first, found = not (self.warm_start and hasattr(self, "_network")), []

        def learn(training: Rows) -> Callable[[Rows], Rows]:
            found.append(self._scaling(training, first))
            return found[0].applied

        self._fit_rows(rows, rows.targets.shape[1], self._task(), learn=learn)
        self._learned(rows, flat, found[0])
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> LaminaRegressor:
        """Train on rows for one epoch, going on from where the last call ended.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape [n, features]
        y : array-like of shape [n] or [n, targets]
        sample_weight : array-like of shape [n], optional

        Returns
        -------
        LaminaRegressor
            This one.
        """
        first = not hasattr(self, "_network")
        rows, flat = self._rows(X, y, sample_weight, first)
        scaling = self._scaling(rows, first)
        self._partial_fit_rows(scaling.applied(rows), rows.targets.shape[1], self._task())
        if first:
            self._learned(rows, flat, scaling)
        return self

    def _scaling(self, rows: Rows, first: bool) -> Scaling:
        """Return how targets are learned; a network that goes on keeps to what it began with."""
        columns = rows.targets.shape[1]
        if not first and len(self.target_mean_) == columns:
            return Scaling(self.target_mean_, self.target_scale_)
        return Scaling.of(rows) if self.standardize_target else Scaling(np.zeros(columns), np.ones(columns))

    def _learned(self, rows: Rows, flat: bool, scaling: Scaling) -> None:
        self.n_outputs_, self._flat = rows.targets.shape[1], flat
        self.target_mean_, self.target_scale_ = scaling.mean, scaling.scale

    def _rows(self, X: Any, y: Any, sample_weight: Any, first: bool) -> tuple[Rows, bool]:
        """Return rows, their targets in columns, and whether the targets came without."""
        inputs, targets = self._inputs(X, y, first, numeric=True)
        if targets.ndim == 2 and targets.shape[1] == 1:
            targets = column_or_1d(targets, warn=True)
        columns = targets.reshape(len(targets), -1)
        weights = self._weights(sample_weight, len(inputs), inputs.dtype)
        if not first and columns.shape[1] != self.n_outputs_:
            raise DataError(f"{type(self).__name__}: y has {columns.shape[1]} columns; it had {self.n_outputs_} before")
        return Rows(inputs, columns, weights), targets.ndim == 1

    def _task(self) -> Task:
        loss = check.choice(type(self).__name__, "loss", self.loss, REGRESSION_LOSSES)
        return Task(REGRESSION_LOSSES[loss], _r2)

    def predict(self, X: Any) -> np.ndarray:
        """Return the predictions: of shape [n] where ``y`` was, else [n, targets]."""
        found = self._outputs(X)
        # In float64, and rounded once: targets far from zero would lose their last digits on the way.
        outputs = (found.astype(np.float64) * self.target_scale_ + self.target_mean_).astype(found.dtype)
        return np.asarray(outputs[:, 0] if self._flat else outputs)


@dataclass(frozen=True)
class Scaling:
    """How targets become what a network learns, ``(y - mean) / scale``.

    Attributes
    ----------
    mean, scale : ndarray of shape [targets]
    """

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, rows: Rows) -> Scaling:
        """Return the weighted mean and standard deviation of each target; a constant one is divided by 1."""
        targets = rows.targets.astype(np.float64)
        largest = float(np.abs(targets).max(initial=0.0))
        if largest > LARGEST:
            raise DataError(f"LaminaRegressor: y reaches {largest:g}, too far to standardise; give it in a larger unit")
        # If none counts, `fit` says so.
        weights = None if rows.weights is None or not rows.weights.any() else rows.weights
        mean = np.average(targets, axis=0, weights=weights)
        spread = np.sqrt(np.average((targets - mean) ** 2, axis=0, weights=weights))
        # What is left of a constant when its mean is taken away is rounding.
        constant = spread <= 10.0 * np.finfo(np.float64).eps * np.abs(mean)
        return cls(mean, np.where(constant, 1.0, spread))

    def applied(self, rows: Rows) -> Rows:
        """Return rows with the targets that the network learns."""
        return replace(rows, targets=(rows.targets.astype(np.float64) - self.mean) / self.scale)


def _r2(outputs: np.ndarray, targets: np.ndarray) -> float:
    return float(r2_score(targets, outputs))
