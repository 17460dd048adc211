"""The training of a network on rows: `lamina.fit`, with scikit-learn's rules of when to stop."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from lamina import random
from lamina.estimators.network import Network
from lamina.estimators.objective import RowLosses
from lamina.tensor import Tensor
from lamina.training import fit
from lamina.training.arithmetic import row_load
from lamina.training.callbacks import EarlyStopping

if TYPE_CHECKING:
    from lamina.training.history import History

Score = Callable[[np.ndarray, np.ndarray], float]
"""From outputs and targets of rows, as arrays, to how good the outputs are."""

COMPILED_WORK = 150.0
"""Steps, each counted by its size, from which they are compiled.

A program is compiled in a tenth of a second the first time and loaded in a hundredth after that, for each shape of the
data; a step takes a third of a millisecond operation by operation. `lamina.fit` waits longer, because it cannot know
that the same step comes again, as it does in a search or a cross-validation.
"""


@dataclass(frozen=True)
class Rows:
    """Rows of data as a network is trained on them.

    Attributes
    ----------
    inputs : ndarray of shape [n, inputs]
    targets : ndarray of shape [n] or [n, columns]
        Numbers of classes, or columns of labels or values.
    weights : ndarray of shape [n], optional
    """

    inputs: np.ndarray
    targets: np.ndarray
    weights: np.ndarray | None = None

    def part(self, numbers: np.ndarray) -> Rows:
        """Return the rows with these numbers."""
        weights = None if self.weights is None else self.weights[numbers]
        return Rows(self.inputs[numbers], self.targets[numbers], weights)


@dataclass(frozen=True)
class Task:
    """What is learnt.

    Attributes
    ----------
    losses : callable
        The losses of rows.
    score : callable
        How good outputs are, for early stopping.
    """

    losses: RowLosses
    score: Score


@dataclass(frozen=True)
class Plan:
    """How to train.

    Attributes
    ----------
    epochs, batch_size : int
    alpha : float
        The penalty of the weights.
    shuffle : bool
    tol : float
        By how much a loss or a score must be better to count.
    patience : int, optional
        Epochs without a better one; None never stops.
    verbose : bool
    compile : bool or "auto"
    """

    epochs: int
    batch_size: int
    alpha: float
    shuffle: bool
    tol: float
    patience: int | None
    verbose: bool
    compile: bool | Literal["auto"]


def train(network: Network, rows: Rows, task: Task, plan: Plan, held_out: Rows | None = None) -> History:
    """Train a network in place and return what happened.

    Parameters
    ----------
    network : Network
    rows : Rows
        To train on.
    task : Task
    plan : Plan
    held_out : Rows, optional
        What decides when to stop, by its score, and which weights are kept; the training loss decides without.
    """
    validation, metrics = None, []
    if held_out is not None:
        validation, metrics = _pair(held_out, network), [_metric(task.score)]
    with random.use_generator(network.generator):
        history = fit(
            network.model,
            _pair(rows, network),
            loss=task.losses,
            optimizer=network.optimizer,
            epochs=plan.epochs,
            batch_size=plan.batch_size,
            validation=validation,
            metrics=metrics,
            sample_weight=rows.weights,
            l2=_penalty(network, rows, plan),
            shuffle=plan.shuffle,
            early_stopping=_stopping(plan, validation is not None),
            progress=plan.verbose,
            compile=_compiled(network, plan, len(rows.inputs)),
        )
    if history.interrupted:
        warnings.warn("Training interrupted by user.", stacklevel=4)
    return history


def _pair(rows: Rows, network: Network) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and targets; numbers of classes stay whole."""
    targets = rows.targets if rows.targets.ndim == 1 else rows.targets.astype(network.dtype.name, copy=False)
    return rows.inputs, targets


def _penalty(network: Network, rows: Rows, plan: Plan) -> float:
    """Return ``alpha`` for the mean loss of a batch, as it is for the sum of its rows' losses."""
    if all(each.ndim < 2 for each in network.model.parameters()):
        return 0.0
    weight = 1.0 if rows.weights is None else float(rows.weights.mean(dtype=np.float64))
    return plan.alpha / (min(plan.batch_size, len(rows.inputs)) * weight)


def _stopping(plan: Plan, validated: bool) -> EarlyStopping | None:
    if plan.patience is None:
        return None
    if validated:
        return EarlyStopping(plan.patience, plan.tol, "val_score", "max")
    return EarlyStopping(plan.patience, plan.tol, "loss", "min", restore_best=False)


def _metric(score: Score) -> Callable[[Tensor, Tensor], float]:
    def measured(outputs: Tensor, targets: Tensor) -> float:
        return score(outputs.numpy(), targets.numpy())

    measured.__name__ = "score"
    return measured


def _compiled(network: Network, plan: Plan, rows: int) -> bool | Literal["auto"]:
    """Return whether steps are to be compiled."""
    if plan.compile != "auto" or not network.recipe.compiles:
        return plan.compile
    batch = min(plan.batch_size, rows)
    steps = plan.epochs * -(-rows // batch)
    return steps * (1.0 + batch * row_load(network.model)) >= COMPILED_WORK
