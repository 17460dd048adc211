"""What the estimators of networks share: from rows to a trained network, and its outputs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

import lamina.estimators.parameters as check
from lamina import random
from lamina.data.dataset import split_rows
from lamina.errors import DataError
from lamina.estimators.inputs import TakesSparse, blocks, dense, explained, warn_of_scale
from lamina.estimators.network import Network, Recipe, check_recipe
from lamina.estimators.training import Plan, Rows, Task, train
from lamina.estimators.weights import row_weights
from lamina.nn.module import Module
from lamina.training.compiling import check_compile

FLOATS = (np.float64, np.float32)
"""The types of inputs that are kept; all others become float64."""

LEAST_SCORED = 2
"""Rows that an R² takes."""


class NetworkEstimator(TakesSparse, BaseEstimator):  # type: ignore[misc]
    """The base of `LaminaClassifier` and `LaminaRegressor`."""

    hidden_layer_sizes: Any
    activation: Any
    optimizer: Any
    alpha: float
    batch_size: int | str
    learning_rate_init: float
    max_iter: int
    shuffle: bool
    random_state: Any
    tol: float
    verbose: bool
    warm_start: bool
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: float
    module: Callable[[int, int], Module] | None
    compile: Any

    _switches: ClassVar[tuple[str, ...]] = ("shuffle", "warm_start", "early_stopping")

    n_features_in_: int
    n_iter_: int
    loss_curve_: list[float]
    _network: Network

    # --- training ---

    def _inputs(self, X: Any, y: Any, first: bool, numeric: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return inputs and targets, checked; targets of classes need not be numeric."""
        check.truths(self, *self._switches)
        with explained(type(self).__name__, X):
            inputs, targets = validate_data(
                self, X, y, reset=first, accept_sparse="csr", dtype=FLOATS, multi_output=True, y_numeric=numeric
            )
        return dense(type(self).__name__, inputs), targets

    def _plan(self, rows: int, epochs: int) -> Plan:
        owner = type(self).__name__
        return Plan(
            epochs=epochs,
            batch_size=check.batch(owner, self.batch_size, rows),
            alpha=check.number(owner, "alpha", self.alpha),
            shuffle=self.shuffle,
            tol=check.number(owner, "tol", self.tol),
            patience=check.patience(owner, self.n_iter_no_change),
            verbose=bool(self.verbose),
            compile=check_compile(self.compile),
        )

    def _recipe(self, inputs: np.ndarray, outputs: int) -> Recipe:
        owner = type(self).__name__
        check_recipe(owner, self.activation, self.optimizer, self.module)
        return Recipe(
            inputs=inputs.shape[1],
            outputs=outputs,
            dtype=inputs.dtype.name,
            hidden=check.widths(owner, self.hidden_layer_sizes),
            activation=self.activation,
            module=self.module,
            optimizer=self.optimizer,
            lr=check.number(owner, "learning_rate_init", self.learning_rate_init, positive=True),
        )

    def _begun(self, recipe: Recipe, inputs: np.ndarray) -> Network:
        """Return a network to train."""
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        network = Network(recipe, random.Generator(seed))
        if recipe.module is not None:
            network.outputs(inputs[:1], compiled=False)  # of the right shape, or an error says so before training
        return network

    def _fit_rows(
        self,
        rows: Rows,
        outputs: int,
        task: Task,
        stratify: np.ndarray | None = None,
        learn: Callable[[Rows], Callable[[Rows], Rows]] | None = None,
    ) -> None:
        """Train on rows, from the beginning or, with ``warm_start``, from the weights there are.

        ``learn`` finds how rows are prepared from those that are trained on, without those that decide when to stop.
        """
        owner = type(self).__name__
        epochs = check.count(owner, "max_iter", self.max_iter)
        recipe, plan = self._recipe(rows.inputs, outputs), self._plan(len(rows.inputs), epochs)
        again = self.warm_start and hasattr(self, "_network")
        warn_of_scale(self, rows.inputs)
        network = self._gone_on(recipe) if again else self._begun(recipe, rows.inputs)
        held_out = None
        if self.early_stopping:
            rows, held_out = self._divided(rows, network.generator, stratify)
        if learn is not None:
            prepared = learn(rows)
            rows, held_out = prepared(rows), None if held_out is None else prepared(held_out)
        history = train(network, rows, task, plan, held_out)
        self._network = network
        self._note(history["loss"], first=not again)
        self.n_iter_ = len(history["loss"])
        if held_out is not None:
            self.validation_scores_ = list(history["val_score"])
            self.best_validation_score_ = max(self.validation_scores_)
        if plan.patience is not None and not history.stopped:
            warnings.warn(
                f"{owner}: training still improved after max_iter={epochs} epochs; a larger max_iter goes on, and a "
                "larger tol stops earlier",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _gone_on(self, recipe: Recipe) -> Network:
        """Return the network there is, with a new optimiser."""
        network, owner = self._network, type(self).__name__
        was = network.recipe
        if (was.inputs, was.outputs) != (recipe.inputs, recipe.outputs):
            raise DataError(
                f"{owner}: warm_start goes on with a network of {was.inputs} inputs and {was.outputs} outputs, and "
                f"these data need {recipe.inputs} and {recipe.outputs}; set warm_start=False"
            )
        if (was.hidden, was.activation, was.module) != (recipe.hidden, recipe.activation, recipe.module):
            raise DataError(
                f"{owner}: warm_start goes on with the network there is, and hidden_layer_sizes, activation or module "
                "make another one; set warm_start=False"
            )
        network.new_optimizer(recipe.optimizer, recipe.lr)
        return network

    def _partial_fit_rows(self, rows: Rows, outputs: int, task: Task) -> None:
        """Train on rows for one epoch, with the optimiser as it was left."""
        owner = type(self).__name__
        if self.early_stopping:
            raise DataError(f"{owner}: partial_fit sees too little to stop early; set early_stopping=False")
        recipe, plan = self._recipe(rows.inputs, outputs), self._plan(len(rows.inputs), 1)
        first = not hasattr(self, "_network")
        network = self._begun(recipe, rows.inputs) if first else self._network
        history = train(network, rows, task, plan)
        self._network = network
        self._note(history["loss"], first)
        self.n_iter_ = 1 if first else self.n_iter_ + 1

    def _note(self, losses: Sequence[float], first: bool) -> None:
        self.loss_curve_ = [*([] if first else self.loss_curve_), *losses]
        self.loss_ = self.loss_curve_[-1]
        self.best_loss_ = min(self.loss_curve_)

    def _divided(self, rows: Rows, generator: random.Generator, stratify: np.ndarray | None) -> tuple[Rows, Rows]:
        """Return the rows to train on and those that decide when to stop."""
        owner = type(self).__name__
        fraction = check.share(owner, "validation_fraction", self.validation_fraction)
        seed = int(generator.integers((), 0, 2**31 - 1).item())
        try:
            # A class of a single row is trained on: nothing could be said about it otherwise.
            kept, held_out = split_rows(len(rows.inputs), fraction, seed=seed, labels=stratify)
        except DataError as error:
            raise DataError(f"{owner}: early_stopping holds rows out: {error}; or set early_stopping=False") from error
        if stratify is None and len(held_out) < LEAST_SCORED:
            raise DataError(
                f"{owner}: early_stopping holds out {len(held_out)} of {len(rows.inputs)} rows, and a score takes "
                f"{LEAST_SCORED}; give a larger validation_fraction or more rows, or set early_stopping=False"
            )
        return rows.part(kept), rows.part(held_out)

    def _weights(self, sample_weight: Any, rows: int, dtype: Any) -> np.ndarray | None:
        return row_weights(type(self).__name__, sample_weight, rows, dtype)

    # --- answers ---

    def _outputs(self, X: Any) -> np.ndarray:
        """Return the outputs of the network for rows, of shape [n, outputs]."""
        check_is_fitted(self, "_network")
        compiled = self.compile is True or (self.compile == "auto" and self._network.recipe.compiles)
        parts = [self._network.outputs(part, compiled) for part in blocks(self._rows_to_answer(X))]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _rows_to_answer(self, X: Any) -> Any:
        # What scikit-learn's check would let pass as it is takes it longer than the network takes for a few rows.
        plain = type(X) is np.ndarray and X.dtype in FLOATS and X.ndim == 2 and not hasattr(self, "feature_names_in_")
        if plain and X.shape[1] == self.n_features_in_ and len(X) and np.isfinite(X.sum()):
            return X
        with explained(type(self).__name__, X):
            return validate_data(self, X, reset=False, accept_sparse="csr", dtype=FLOATS)

    @property
    def module_(self) -> Module:
        """The trained network."""
        check_is_fitted(self, "_network")
        return self._network.model
