"""The schedule that listens to a measurement."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from lamina.dtypes import python_number
from lamina.errors import CheckpointError, DataError, DTypeError
from lamina.optim.base import OptimizerBase
from lamina.optim.hyperparameters import decay_rate, non_negative, step_count
from lamina.optim.lr_scheduler.base import an_optimizer, for_each_group
from lamina.tensor import Tensor


class ReduceLROnPlateau:
    """Multiply the learning rates by ``factor`` when a measurement has not improved for ``patience`` steps.

    An improvement is, with ``mode="min"``, a value below ``best * (1 - threshold)``, or below ``best - threshold``
    with ``threshold_mode="abs"``; with ``mode="max"`` above ``best * (1 + threshold)`` or ``best + threshold``.

    Parameters
    ----------
    optimizer : Optimizer
        Whose groups' ``lr`` variables are assigned.
    mode : {"min", "max"}, default "min"
        Which way the measurement improves.
    factor : float, default 0.1
        From 0 and below 1.
    patience : int, default 10
        How many steps without improvement to bear.
    threshold : float, default 1e-4
    threshold_mode : {"rel", "abs"}, default "rel"
    cooldown : int, default 0
        How many steps after a reduction do not count.
    min_lr : float, or list of float, default 0
        The lowest learning rate, for all groups or each.
    eps : float, default 1e-8
        A reduction by no more than this is left out.

    Raises
    ------
    DataError, DTypeError
        When an argument is out of its range.

    Examples
    --------
    >>> import lamina as la
    >>> optimizer = la.optim.SGD([la.variable([1.0])], lr=1.0)
    >>> schedule = la.optim.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    >>> for loss in [3.0, 2.0, 2.0, 2.0]:
    ...     schedule.step(loss)
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(
        self,
        optimizer: OptimizerBase,
        mode: Literal["min", "max"] = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        name = "ReduceLROnPlateau"
        self.optimizer = an_optimizer(name, optimizer)
        if mode not in ("min", "max"):
            raise DataError(f'{name}: mode must be "min" or "max", got {mode!r}')
        if threshold_mode not in ("rel", "abs"):
            raise DataError(f'{name}: threshold_mode must be "rel" or "abs", got {threshold_mode!r}')
        self.mode = mode
        self.factor = decay_rate(name, "factor", factor)
        self.patience = step_count(name, "patience", patience, 0)
        self.threshold = non_negative(name, "threshold", threshold)
        self.threshold_mode = threshold_mode
        self.cooldown = step_count(name, "cooldown", cooldown, 0)
        lowest = for_each_group(name, "min_lr", min_lr, optimizer)
        self.min_lrs = [non_negative(name, "min_lr", each) for each in lowest]
        self.eps = non_negative(name, "eps", eps)
        self.last_epoch = 0
        self.best = math.inf if mode == "min" else -math.inf
        self.cooldown_counter = 0
        self.num_bad_epochs = 0

    def step(self, metrics: float | Tensor) -> None:
        """Take a new measurement, such as the validation loss, and reduce the learning rates if it is time to."""
        metrics = python_number(metrics)
        if isinstance(metrics, bool) or not isinstance(metrics, int | float | Tensor):
            raise DTypeError(f"ReduceLROnPlateau.step: expected the measured number, got {type(metrics).__name__}")
        value = float(metrics)
        self.last_epoch += 1
        if self._improves(value):
            self.best = value
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0

    def get_last_lr(self) -> list[float]:
        """Return the learning rates of the groups."""
        return [group["lr"].item() for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Return where the schedule stands, as plain numbers; what it was made with is not part of it."""
        return {
            "last_epoch": self.last_epoch,
            "best": self.best,
            "cooldown_counter": self.cooldown_counter,
            "num_bad_epochs": self.num_bad_epochs,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up where `state_dict` was called; the learning rates are part of the optimiser's state.

        Raises
        ------
        CheckpointError
            When the values do not fit; the schedule is unchanged then.
        """
        expected = self.state_dict()
        missing = [name for name in expected if name not in state]
        unexpected = [name for name in state if name not in expected]
        wrong = [
            name
            for name, value in expected.items()
            if name in state and (isinstance(state[name], bool) or not isinstance(state[name], int | type(value)))
        ]
        if missing or unexpected or wrong:
            raise CheckpointError(
                f"load_state_dict: the values do not fit this ReduceLROnPlateau, unchanged: "
                f"missing {missing}, unexpected {unexpected}, not numbers {wrong}"
            )
        for name in expected:
            setattr(self, name, state[name])

    def _improves(self, value: float) -> bool:
        if self.mode == "min":
            bar = self.best * (1.0 - self.threshold) if self.threshold_mode == "rel" else self.best - self.threshold
            return value < bar
        bar = self.best * (1.0 + self.threshold) if self.threshold_mode == "rel" else self.best + self.threshold
        return value > bar

    def _reduce(self) -> None:
        for group, lowest in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
            before = group["lr"].item()
            after = max(before * self.factor, lowest)
            if before - after > self.eps:
                group["lr"].assign(after)

    def __repr__(self) -> str:
        return f"ReduceLROnPlateau(best {self.best:g}, {self.num_bad_epochs} steps without improvement)"
