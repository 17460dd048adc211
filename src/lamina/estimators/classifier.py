"""`LaminaClassifier`: a network that tells classes apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.estimators.base import NetworkEstimator
from lamina.estimators.labels import LabelledAnswers, Labels, check_labels
from lamina.estimators.training import Rows, Task
from lamina.estimators.weights import with_class_weights
from lamina.nn.module import Module


class LaminaClassifier(LabelledAnswers, NetworkEstimator):
    """A network that tells classes apart, as a scikit-learn classifier.

    Parameters are named as those of scikit-learn's ``MLPClassifier`` where they mean the same. It minimises the
    cross-entropy of the rows plus ``alpha / (2 n) * sum(W**2)`` for a batch of ``n`` rows, with `lamina.fit`.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default (100,)
        Width of each hidden layer; an empty sequence gives a linear model.
    activation : str, class or callable, default "relu"
        Behind each hidden layer: a name as `lamina.nn.MLP` takes it, ``"logistic"`` or ``"identity"``, or a class of
        layers or function.
    optimizer : str or callable, default "adam"
        A name, the class's in small letters, such as ``"adamw"``, ``"sgd"``, ``"rmsprop"`` or ``"lion"``; or what makes
        one when called with parameters and ``lr=``, as ``functools.partial(optim.SGD, momentum=0.9)``.
    alpha : float, default 0.0001
        The penalty of the weights; biases are free.
    batch_size : int or "auto", default "auto"
        Rows of a step; ``"auto"`` is 200, or all if they are fewer.
    learning_rate_init : float, default 0.001
        The learning rate.
    max_iter : int, default 200
        Most epochs of a call of `fit`.
    shuffle : bool, default True
        Whether each epoch takes the rows in a new order.
    random_state : int, RandomState or None, default None
        Chooses first weights, order, held-out rows, and what layers draw. The same number gives the same results.
    tol : float, default 1e-4
        By how much the training loss, or with ``early_stopping`` the validation score, must be better to count.
    verbose : bool, default False
        Whether progress is shown.
    warm_start : bool, default False
        Whether `fit` goes on from the weights of the last call.
    early_stopping : bool, default False
        Whether some rows are held out, of all classes alike, to decide when to stop; the weights with the best
        accuracy on them are kept.
    validation_fraction : float, default 0.1
        The share that is held out.
    n_iter_no_change : int or infinity, default 10
        Epochs without anything better after which training stops.
    class_weight : dict or "balanced", optional
        How much the rows of each class count; ``"balanced"`` makes all classes count the same.
    module : callable, optional
        ``module(inputs, outputs)`` makes an `nn.Module` that is trained instead of hidden layers; it gives logits of
        shape [n, outputs]: one output for two classes, else one for each class or label. Its parameters' type is the
        type of the computation.
    compile : bool or "auto", default "auto"
        As in `lamina.fit`. "auto" compiles trainings of some hundred steps and more, and predictions of many rows.

    Attributes
    ----------
    classes_ : ndarray
        The classes, sorted; of several labels their numbers.
    module_ : Module
        The network.
    n_iter_ : int
        Epochs of the last `fit`, or of all calls of `partial_fit`.
    loss_curve_ : list of float
        The loss of each epoch; ``loss_`` is the last one, ``best_loss_`` the least.
    validation_scores_, best_validation_score_ : list of float and float
        With ``early_stopping``.
    n_features_in_, feature_names_in_ : int and ndarray
        What the rows were; names only where they came in a data frame.

    Raises
    ------
    DataError, ValueError
        In `fit`, when a parameter or the data cannot be used.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from lamina.estimators import LaminaClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), LaminaClassifier((16,), learning_rate_init=0.05, random_state=0))
    >>> model.fit(X, y).score(X, y) > 0.95
    True
    """

    classes_: np.ndarray

    def __init__(
        self,
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
        class_weight: Any = None,
        module: Callable[[int, int], Module] | None = None,
        compile: Any = "auto",
    ) -> None:
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
        self.class_weight = class_weight
        self.module = module
        self.compile = compile

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LaminaClassifier:
        """Train on rows and their classes.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape [n, features]
        y : array-like of shape [n] or [n, labels]
            One class a row, of numbers or texts; or 0 and 1 for each of several labels.
        sample_weight : array-like of shape [n], optional
            How much each row counts.

        Returns
        -------
        LaminaClassifier
            This one.
        """
        check_labels(type(self).__name__, y)
        inputs, targets = self._inputs(X, y, first=True, numeric=False)
        labels = Labels.of(type(self).__name__, targets)
        if self.warm_start and hasattr(self, "_labels") and not self._labels.same(labels):
            raise DataError(
                f"{type(self).__name__}: warm_start goes on with the classes {self._labels.classes.tolist()}, and y "
                f"has {labels.classes.tolist()}; set warm_start=False"
            )
        rows = self._rows(inputs, targets, labels, sample_weight)
        task = Task(labels.losses(), labels.accuracy)
        self._fit_rows(rows, labels.outputs, task, None if labels.several else targets)
        self._labels, self.classes_ = labels, labels.classes
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> LaminaClassifier:
        """Train on rows for one epoch, going on from where the last call ended.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape [n, features]
        y : array-like of shape [n] or [n, labels]
        classes : array-like, optional
            All classes that will ever come; needed in the first call, of one class a row.
        sample_weight : array-like of shape [n], optional

        Returns
        -------
        LaminaClassifier
            This one.
        """
        first = not hasattr(self, "_network")
        owner = type(self).__name__
        if self.class_weight == "balanced":
            raise DataError(f"{owner}: partial_fit sees no balance of classes; give class_weight as a dict")
        check_labels(owner, y)
        inputs, targets = self._inputs(X, y, first, numeric=False)
        labels = self._all_labels(targets, classes, first)
        rows = self._rows(inputs, targets, labels, sample_weight)
        self._partial_fit_rows(rows, labels.outputs, Task(labels.losses(), labels.accuracy))
        self._labels, self.classes_ = labels, labels.classes
        return self

    def _all_labels(self, targets: np.ndarray, classes: Any, first: bool) -> Labels:
        """Return the labels of all calls of `partial_fit`."""
        owner = type(self).__name__
        if first:
            labels = Labels.of(owner, targets, targets if classes is None else classes)
            if classes is None and not labels.several:
                raise DataError(f"{owner}: classes must be passed on the first call to partial_fit: all that will come")
            return labels
        if classes is not None and not np.array_equal(np.unique(np.asarray(classes)), self._labels.classes):
            raise DataError(
                f"{owner}: classes={np.asarray(classes).tolist()} is not the same as on the first call to partial_fit, "
                f"which was {self._labels.classes.tolist()}"
            )
        return self._labels

    def _rows(self, inputs: np.ndarray, targets: np.ndarray, labels: Labels, sample_weight: Any) -> Rows:
        weights = self._weights(sample_weight, len(inputs), inputs.dtype)
        encoded = labels.encoded(type(self).__name__, targets)
        owner = type(self).__name__
        return Rows(inputs, encoded, with_class_weights(owner, weights, self.class_weight, targets, inputs.dtype))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
