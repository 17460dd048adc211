"""Linear models whose weights are found by gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

import lamina.estimators.parameters as check
from lamina.errors import DataError
from lamina.estimators.base import FLOATS
from lamina.estimators.inputs import TakesSparse, dense
from lamina.estimators.labels import LabelledAnswers, Labels
from lamina.estimators.lbfgs import minimise
from lamina.estimators.objective import RowLosses, of_classes, of_labels, of_squares
from lamina.estimators.weights import row_weights, with_class_weights
from lamina.functions.reductions import sum
from lamina.tensor import Tensor


@dataclass(frozen=True)
class _Scale:
    """What columns are measured from and by: minimising is quick where all have one curvature.

    The minimum is the same in the columns' own measure.
    """

    mean: np.ndarray
    unit: np.ndarray

    @classmethod
    def of(
        cls, columns: np.ndarray, weights: np.ndarray, centred: bool, curvature: float = 1.0, shrink: float = 0.0
    ) -> _Scale:
        """Return the scale in which a loss of this curvature, and its penalty, bend alike along each column."""
        mean = weights @ columns if centred else np.zeros(columns.shape[1])
        variance = weights @ (columns - mean) ** 2
        # A constant column varies by nothing but rounding.
        variance[variance <= 1e-24 * np.maximum(1.0, mean * mean)] = 0.0
        unit = np.sqrt(curvature * variance + shrink)
        return cls(mean, np.where(unit == 0.0, 1.0, unit))

    def __call__(self, columns: np.ndarray) -> np.ndarray:
        scaled: np.ndarray = (columns - self.mean) / self.unit
        return scaled


class _Linear(TakesSparse, BaseEstimator):  # type: ignore[misc]
    """What the linear models share."""

    fit_intercept: bool
    tol: float
    max_iter: int
    warm_start: bool

    coef_: np.ndarray
    intercept_: Any
    n_features_in_: int

    def _minimise(
        self, losses: RowLosses, curvature: float, inputs: np.ndarray, targets: np.ndarray, weights: np.ndarray,
        shrink: float, start: tuple[np.ndarray, np.ndarray],
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """Return the coefficients, of shape [outputs, features], and intercepts with the least loss and penalty.

        ``sum(s * losses) + shrink / 2 * sum(W**2)``, with weights of the rows ``s`` whose sum is 1.
        """
        check.truths(self, "fit_intercept", "warm_start")
        scale = _Scale.of(inputs, weights, self.fit_intercept, curvature, shrink)
        outputs, features, bias = targets.shape[1], inputs.shape[1], self.fit_intercept
        penalty = shrink / scale.unit**2  # of a coefficient of the scaled column

        def objective(parameters: Tensor, data: tuple[Tensor, ...]) -> Tensor:
            x, y, s, p = data
            w = parameters[: outputs * features].reshape((outputs, features))
            scores = x @ w.T
            if bias:
                scores = scores + parameters[outputs * features :]
            return sum(s * losses(scores, y, reduction="none")) + 0.5 * sum(p * w * w)

        coefficients, intercepts = start
        first = (coefficients * scale.unit).ravel()
        if bias:
            first = np.concatenate([first, intercepts + coefficients @ scale.mean])
        owner = type(self).__name__
        found = minimise(
            owner, objective, (scale(inputs), targets, weights, penalty), first,
            check.number(owner, "tol", self.tol, positive=True), check.count(owner, "max_iter", self.max_iter),
        )  # fmt: skip
        self.loss_curve_, self.n_iter_ = found.values, len(found.values)
        w = found.parameters[: outputs * features].reshape(outputs, features) / scale.unit
        b = found.parameters[outputs * features :] - w @ scale.mean if bias else np.zeros(outputs)
        return w, b

    def _start(self, outputs: int, features: int) -> tuple[np.ndarray, np.ndarray]:
        """Return where to begin: at zero, or with ``warm_start`` where the last call ended."""
        if self.warm_start and hasattr(self, "coef_"):
            w = np.atleast_2d(self.coef_).astype(np.float64)
            if w.shape == (outputs, features):
                return w, np.broadcast_to(self.intercept_, outputs).astype(np.float64)
        return np.zeros((outputs, features)), np.zeros(outputs)

    def _outputs(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "coef_")
        rows = validate_data(self, X, reset=False, accept_sparse="csr", dtype=FLOATS)
        return rows @ self.coef_.T + self.intercept_  # type: ignore[no-any-return]


def _normal(weights: np.ndarray | None, rows: int) -> tuple[np.ndarray, float]:
    """Return weights of rows whose sum is 1, and what it was."""
    total = float(rows) if weights is None else float(weights.sum())
    return (np.full(rows, 1.0 / rows) if weights is None else weights / total), total


class LinearRegression(RegressorMixin, _Linear):  # type: ignore[misc]
    """The linear model of least squares, with a penalty or without, found by gradients.

    ``sum(s * (y - W x - b)**2) + alpha * sum(W**2)``

    is minimised over rows with weights ``s``: with ``alpha=0`` it is scikit-learn's ``LinearRegression``, above that
    its ``Ridge``. Lamina computes the gradient over all rows in float64, SciPy's L-BFGS-B takes the steps, on columns
    that are scaled so that all bend alike. Coefficients agree with scikit-learn's to 1e-6 of the largest where they are
    unique. Where they are not, as with more columns than rows and no penalty, they are those closest to zero in the
    scaled columns.

    Parameters
    ----------
    alpha : float, default 0.0
        The penalty; the intercept is free.
    fit_intercept : bool, default True
        Whether there is ``b``.
    tol : float, default 1e-8
        Minimising ends when no element of the gradient, of the mean loss in scaled columns, is larger.
    max_iter : int, default 1000
        Most iterations.
    warm_start : bool, default False
        Whether `fit` begins where the last call ended.

    Attributes
    ----------
    coef_ : ndarray of shape [features] or [targets, features]
        ``W``, in the type of the inputs.
    intercept_ : float or ndarray of shape [targets]
        ``b``.
    n_iter_ : int
    loss_curve_ : list of float
        The mean loss after each iteration, of scaled targets.

    Examples
    --------
    >>> from lamina.estimators import LinearRegression
    >>> model = LinearRegression().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
    >>> round(model.coef_.item(), 6), round(model.intercept_.item(), 6)
    (2.0, 1.0)
    """

    def __init__(
        self,
        *,
        alpha: float = 0.0,
        fit_intercept: bool = True,
        tol: float = 1e-8,
        max_iter: int = 1000,
        warm_start: bool = False,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LinearRegression:
        """Find the coefficients.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape [n, features]
        y : array-like of shape [n] or [n, targets]
        sample_weight : array-like of shape [n], optional
            How much each row counts.

        Returns
        -------
        LinearRegression
            This one.
        """
        owner = type(self).__name__
        alpha = check.number(owner, "alpha", self.alpha)
        given, y = validate_data(self, X, y, accept_sparse="csr", dtype=FLOATS, multi_output=True, y_numeric=True)
        given = dense(owner, given)
        flat = y.ndim == 1 or y.shape[1] == 1
        targets = column_or_1d(y, warn=True)[:, None] if flat else y
        weights, total = _normal(row_weights(owner, sample_weight, len(given), np.float64), len(given))
        inputs, targets = given.astype(np.float64), targets.astype(np.float64)
        # Targets of one spread, so that `tol` means the same for each; one column's scale leaves its minimum alone.
        scale = _Scale.of(targets, weights, self.fit_intercept)
        w, b = self._start(targets.shape[1], inputs.shape[1])
        start = w / scale.unit[:, None], (b - scale.mean) / scale.unit
        w, b = self._minimise(of_squares, 1.0, inputs, scale(targets), weights, alpha / total, start)
        w, b = w * scale.unit[:, None], b * scale.unit + scale.mean
        self.coef_ = (w[0] if flat else w).astype(given.dtype)
        self.intercept_ = given.dtype.type(b[0]) if flat else b.astype(given.dtype)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the predictions: of shape [n] where ``y`` was, else [n, targets]."""
        return self._outputs(X)


class LogisticRegression(LabelledAnswers, _Linear):
    """The linear model of classes, found by gradients.

    ``C * sum(s * losses) + sum(W**2) / 2``

    is minimised over rows with weights ``s``, with the cross-entropy of each row: of one logit for two classes, of one
    logit for each of more. It is the objective of scikit-learn's ``LogisticRegression``, minimised as in
    `LinearRegression`, on scaled columns, which needs fewer steps where columns differ in size. With the default
    ``tol`` and ``C`` up to 1, probabilities are within 2e-4 of the solution's; a smaller ``tol`` comes closer.

    Parameters
    ----------
    C : float, default 1.0
        The inverse of the penalty; infinity for none. The intercept is free.
    fit_intercept : bool, default True
    class_weight : dict or "balanced", optional
        How much the rows of each class count.
    tol : float, default 1e-6
        Minimising ends when no element of the gradient, of the mean loss in scaled columns, is larger.
    max_iter : int, default 1000
        Most iterations.
    warm_start : bool, default False
        Whether `fit` begins where the last call ended.

    Attributes
    ----------
    classes_ : ndarray
    coef_ : ndarray of shape [1 or classes, features]
        ``W``, in the type of the inputs.
    intercept_ : ndarray of shape [1 or classes]
        ``b``.
    n_iter_ : int
    loss_curve_ : list of float
        The mean loss, with the penalty, after each iteration.

    Examples
    --------
    >>> from lamina.estimators import LogisticRegression
    >>> model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], ["low", "low", "high", "high"])
    >>> model.predict([[0.5], [2.5]])
    array(['low', 'high'], dtype='<U4')
    """

    def __init__(
        self,
        *,
        C: float = 1.0,
        fit_intercept: bool = True,
        class_weight: Any = None,
        tol: float = 1e-6,
        max_iter: int = 1000,
        warm_start: bool = False,
    ) -> None:
        self.C = C
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LogisticRegression:
        """Find the coefficients.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape [n, features]
        y : array-like of shape [n]
            Classes, of numbers or texts.
        sample_weight : array-like of shape [n], optional
            How much each row counts.

        Returns
        -------
        LogisticRegression
            This one.
        """
        owner = type(self).__name__
        C = check.number(owner, "C", self.C, positive=True, infinite=True)
        given, y = validate_data(self, X, y, accept_sparse="csr", dtype=FLOATS)
        given = dense(owner, given)
        labels = Labels.of(owner, y)
        if labels.several:
            raise DataError(f"{owner}: y has several columns; fit one for each, as MultiOutputClassifier does")
        weights = row_weights(owner, sample_weight, len(given), np.float64)
        weights, total = _normal(with_class_weights(owner, weights, self.class_weight, y, np.float64), len(given))
        numbers = labels.encoded(owner, y)
        losses, targets = (of_labels, numbers) if labels.binary else (of_classes, np.eye(labels.outputs)[numbers])
        start = self._start(labels.outputs, given.shape[1])
        inputs, targets = given.astype(np.float64), targets.astype(np.float64)
        w, b = self._minimise(losses, 0.25, inputs, targets, weights, 1.0 / (C * total), start)
        self._labels, self.classes_ = labels, labels.classes
        self.coef_, self.intercept_ = w.astype(given.dtype), b.astype(given.dtype)
        return self
