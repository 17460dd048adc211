"""Schedules along a cosine: annealing with and without restarts, and one cycle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from lamina.errors import DataError
from lamina.optim.base import OptimizerBase
from lamina.optim.hyperparameters import decay_rate, flag, fraction, non_negative, step_count
from lamina.optim.lr_scheduler.base import LRScheduler, an_optimizer, for_each_group


def cosine(start: float, end: float, share: float) -> float:
    """Return the point at ``share`` of the way from ``start`` to ``end`` along half a cosine."""
    return end + (start - end) * (1.0 + math.cos(math.pi * share)) / 2.0


class CosineAnnealingLR(LRScheduler):
    """``eta_min + (base - eta_min) (1 + cos(π step / T_max)) / 2``.

    After ``T_max`` steps it has come down to ``eta_min``, and then rises again in as many.

    Parameters
    ----------
    optimizer : Optimizer
    T_max : int
        Half a period, in steps.
    eta_min : float, default 0

    Raises
    ------
    DataError, DTypeError
        When an argument is out of its range.

    Examples
    --------
    >>> import lamina as la
    >>> optimizer = la.optim.SGD([la.variable([1.0])], lr=1.0)
    >>> schedule = la.optim.CosineAnnealingLR(optimizer, T_max=2)
    >>> schedule.step()
    >>> round(schedule.get_last_lr()[0], 6)
    0.5

    Source: I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017,
    equation 5.
    """

    def __init__(self, optimizer: OptimizerBase, T_max: int, eta_min: float = 0.0) -> None:
        self.T_max = step_count("CosineAnnealingLR", "T_max", T_max)
        self.eta_min = non_negative("CosineAnnealingLR", "eta_min", eta_min)
        super().__init__(optimizer)

    def lr(self, base: float, step: int, group: int) -> float:
        return cosine(base, self.eta_min, step / self.T_max)


class CosineAnnealingWarmRestarts(LRScheduler):
    """`CosineAnnealingLR` down to ``eta_min``, again and again, each time over ``T_mult`` times as many steps.

    Parameters
    ----------
    optimizer : Optimizer
    T_0 : int
        Steps until the first restart.
    T_mult : int, default 1
    eta_min : float, default 0

    Raises
    ------
    DataError, DTypeError
        When an argument is out of its range.

    Examples
    --------
    >>> import lamina as la
    >>> optimizer = la.optim.SGD([la.variable([1.0])], lr=1.0)
    >>> schedule = la.optim.CosineAnnealingWarmRestarts(optimizer, T_0=2)
    >>> for _ in range(2):
    ...     schedule.step()
    >>> schedule.get_last_lr()
    [1.0]

    Source: I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017,
    equation 5.
    """

    def __init__(self, optimizer: OptimizerBase, T_0: int, T_mult: int = 1, eta_min: float = 0.0) -> None:
        self.T_0 = step_count("CosineAnnealingWarmRestarts", "T_0", T_0)
        self.T_mult = step_count("CosineAnnealingWarmRestarts", "T_mult", T_mult)
        self.eta_min = non_negative("CosineAnnealingWarmRestarts", "eta_min", eta_min)
        super().__init__(optimizer)

    def lr(self, base: float, step: int, group: int) -> float:
        since, period = self._place(step)
        return cosine(base, self.eta_min, since / period)

    def _place(self, step: int) -> tuple[int, int]:
        """Return the steps since the last restart and those between it and the next."""
        if self.T_mult == 1:
            return step % self.T_0, self.T_0
        period = self.T_0
        while step >= period:
            step -= period
            period *= self.T_mult
        return step, period


class OneCycleLR(LRScheduler):
    """Up from ``max_lr / div_factor`` to ``max_lr`` and down to ``max_lr / div_factor / final_div_factor``.

    The groups' own learning rates are not used. The momentum (``momentum``, or ``β₁`` of ``betas``) falls as the
    learning rate rises, and rises as it falls.

    Parameters
    ----------
    optimizer : Optimizer
    max_lr : float, or list of float
        The highest learning rate, for all groups or each.
    total_steps : int, optional
        The steps of the cycle; when None, ``epochs * steps_per_epoch``.
    epochs, steps_per_epoch : int, optional
    pct_start : float, default 0.3
        The share of the cycle in which the learning rate rises.
    anneal_strategy : {"cos", "linear"}, default "cos"
    cycle_momentum : bool, default True
    base_momentum, max_momentum : float, default 0.85 and 0.95
        The lowest and the highest momentum.
    div_factor, final_div_factor : float, default 25 and 1e4
    three_phase : bool, default False
        Whether to come down to the first learning rate as fast as it rose, and to the last one after that.

    Raises
    ------
    DataError, DTypeError
        When an argument is out of its range; in `step`, after the end of the cycle.

    Examples
    --------
    >>> import lamina as la
    >>> optimizer = la.optim.SGD([la.variable([1.0])], lr=1.0, momentum=0.9)
    >>> schedule = la.optim.OneCycleLR(optimizer, max_lr=0.5, total_steps=10)
    >>> for _ in range(2):
    ...     schedule.step()
    >>> schedule.get_last_lr(), optimizer.param_groups[0]["momentum"]
    ([0.5], 0.85)

    Source: L. Smith and N. Topin, "Super-convergence: very fast training of neural networks using large learning
    rates", 2017.
    """

    def __init__(
        self,
        optimizer: OptimizerBase,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        name = "OneCycleLR"
        an_optimizer(name, optimizer)
        if anneal_strategy not in ("cos", "linear"):
            raise DataError(f'{name}: anneal_strategy must be "cos" or "linear", got {anneal_strategy!r}')
        self.total_steps = _total_steps(total_steps, epochs, steps_per_epoch)
        self.max_lrs = [
            non_negative(name, "max_lr", each) for each in for_each_group(name, "max_lr", max_lr, optimizer)
        ]
        self.anneal_strategy = anneal_strategy
        self.base_momentum = decay_rate(name, "base_momentum", base_momentum)
        self.max_momentum = decay_rate(name, "max_momentum", max_momentum)
        self.div_factor = _positive("div_factor", div_factor)
        self.final_div_factor = _positive("final_div_factor", final_div_factor)
        self.cycle_momentum = flag(name, "cycle_momentum", cycle_momentum)
        if cycle_momentum and not {"momentum", "betas"} & set(optimizer.param_groups[0]):
            raise DataError(f"{name}: {type(optimizer).__name__} has no momentum; use cycle_momentum=False")
        self._ends = self._phase_ends(fraction(name, "pct_start", pct_start), flag(name, "three_phase", three_phase))
        super().__init__(optimizer)

    def _phase_ends(self, pct_start: float, three_phase: bool) -> list[float]:
        last = self.total_steps - 1
        top = pct_start * self.total_steps - 1
        return [top, 2 * top, last] if three_phase else [top, last]

    def lr(self, base: float, step: int, group: int) -> float:
        top = self.max_lrs[group]
        first = top / self.div_factor
        last = first / self.final_div_factor
        return self._between([first, top, first, last] if len(self._ends) == 3 else [first, top, last], step)

    def cycles_momentum(self) -> bool:
        return self.cycle_momentum

    def set_momentum(self, step: int) -> None:
        if not self.cycle_momentum:
            return
        high, low = self.max_momentum, self.base_momentum
        momentum = self._between([high, low, high, high] if len(self._ends) == 3 else [high, low, high], step)
        for group in self.optimizer.param_groups:
            if "betas" in group:
                group["betas"] = (momentum, group["betas"][1])
            else:
                group["momentum"] = momentum

    def _between(self, values: list[float], step: int) -> float:
        """Return the value at a step, from one end of its phase to the other."""
        if step > self.total_steps:
            raise DataError(f"OneCycleLR: the cycle has {self.total_steps} steps, got step {step}")
        # A loop that ends with a step of the schedule asks for one more rate than it uses.
        step = min(step, self.total_steps - 1)
        # The first phase to end at or after this step; the last one goes on.
        phase = next((place for place, end in enumerate(self._ends) if step <= end), len(self._ends) - 1)
        start = self._ends[phase - 1] if phase else 0.0
        length = self._ends[phase] - start
        share = (step - start) / length if length else 1.0
        before, after = values[phase], values[phase + 1]
        return cosine(before, after, share) if self.anneal_strategy == "cos" else before + (after - before) * share


def _total_steps(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    if total_steps is not None:
        return step_count("OneCycleLR", "total_steps", total_steps)
    if epochs is None or steps_per_epoch is None:
        raise DataError("OneCycleLR: give total_steps, or epochs and steps_per_epoch")
    return step_count("OneCycleLR", "epochs", epochs) * step_count("OneCycleLR", "steps_per_epoch", steps_per_epoch)


def _positive(name: str, value: float) -> float:
    value = non_negative("OneCycleLR", name, value)
    if value == 0.0:
        raise DataError(f"OneCycleLR: {name} must be positive, got 0")
    return value
