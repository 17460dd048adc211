"""`LaminaRegressor`: a network that predicts numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import column_or_1d

import lamina.estimators.parameters as check
from lamina.errors import DataError
from lamina.estimators.base import NetworkEstimator
from lamina.estimators.objective import REGRESSION_LOSSES
from lamina.estimators.training import Rows, Task
from lamina.nn.module import Module


class LaminaRegressor(RegressorMixin, NetworkEstimator):  # type: ignore[misc]
    """A network that predicts numbers, as a scikit-learn regressor.

    Parameters, attributes and errors are those of `LaminaClassifier`, without ``class_weight`` and ``classes_``. Data
    should have a spread of about 1, targets too: scikit-learn's ``StandardScaler`` and ``TransformedTargetRegressor``
    see to that.

    Parameters
    ----------
    loss : {"squared_error", "absolute_error", "huber"}, default "squared_error"
        What is minimised, summed over the targets of a row: half the squared error, the absolute error, or the Huber
        loss, which is quadratic up to an error of 1.
    hidden_layer_sizes, activation, optimizer, ...
        As in `LaminaClassifier`. Held-out rows are scored by R².

    Attributes
    ----------
    n_outputs_ : int
        How many targets a row has.

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

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LaminaRegressor:
        """Train on rows and their targets.

        Parameters
        ----------
        X : array-like or data frame of shape [n, features]
        y : array-like of shape [n] or [n, targets]
        sample_weight : array-like of shape [n], optional
            How much each row counts.

        Returns
        -------
        LaminaRegressor
            This one.
        """
        rows, flat = self._rows(X, y, sample_weight, first=True)
        self._fit_rows(rows, rows.targets.shape[1], self._task())
        self.n_outputs_, self._flat = rows.targets.shape[1], flat
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> LaminaRegressor:
        """Train on rows for one epoch, going on from where the last call ended.

        Parameters
        ----------
        X : array-like or data frame of shape [n, features]
        y : array-like of shape [n] or [n, targets]
        sample_weight : array-like of shape [n], optional

        Returns
        -------
        LaminaRegressor
            This one.
        """
        first = not hasattr(self, "_network")
        rows, flat = self._rows(X, y, sample_weight, first)
        self._partial_fit_rows(rows, rows.targets.shape[1], self._task())
        if first:
            self.n_outputs_, self._flat = rows.targets.shape[1], flat
        return self

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
        outputs = self._outputs(X)
        return outputs[:, 0] if self._flat else outputs


def _r2(outputs: np.ndarray, targets: np.ndarray) -> float:
    return float(r2_score(targets, outputs))
