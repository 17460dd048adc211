"""Schedules made of schedules: one after the other, or one on top of the other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from lamina.errors import DataError, DTypeError
from lamina.optim.base import OptimizerBase
from lamina.optim.hyperparameters import step_count
from lamina.optim.lr_scheduler.base import LRScheduler


class SequentialLR(LRScheduler):
    """One schedule after the other, each counting its own steps from its milestone.

    Parameters
    ----------
    optimizer : Optimizer
    schedulers : sequence of LRScheduler
        Of the same optimiser; they are only asked for learning rates, not stepped.
    milestones : sequence of int
        The steps at which the second, third, ... schedule begins.

    Raises
    ------
    DataError, DTypeError
        When the schedules do not belong to the optimiser or there is not one milestone between every two.

    Examples
    --------
    A linear warm-up, then a cosine:

    >>> import lamina as la
    >>> from lamina.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR
    >>> optimizer = la.optim.SGD([la.variable([1.0])], lr=1.0)
    >>> warmup = LinearLR(optimizer, start_factor=0.5, total_iters=5)
    >>> schedule = SequentialLR(optimizer, [warmup, CosineAnnealingLR(optimizer, T_max=95)], milestones=[5])
    >>> for _ in range(5):
    ...     schedule.step()
    >>> schedule.get_last_lr()
    [1.0]
    """

    def __init__(self, optimizer: OptimizerBase, schedulers: Sequence[LRScheduler], milestones: Sequence[int]) -> None:
        self.schedulers = _schedules("SequentialLR", schedulers, optimizer)
        self.milestones = [step_count("SequentialLR", "a milestone", each) for each in milestones]
        if len(self.milestones) != len(self.schedulers) - 1 or self.milestones != sorted(self.milestones):
            raise DataError(
                f"SequentialLR: {len(self.schedulers)} schedules need {len(self.schedulers) - 1} rising milestones, "
                f"got {list(milestones)}"
            )
        super().__init__(optimizer)

    def lr(self, base: float, step: int, group: int) -> float:
        schedule, since = self._current(step)
        return schedule.lr(base, since, group)

    def cycles_momentum(self) -> bool:
        return any(schedule.cycles_momentum() for schedule in self.schedulers)

    def set_momentum(self, step: int) -> None:
        schedule, since = self._current(step)
        schedule.set_momentum(since)

    def _current(self, step: int) -> tuple[LRScheduler, int]:
        """Return the schedule of a step, and the steps since it began."""
        place = bisect_right(self.milestones, step)
        return self.schedulers[place], step - (self.milestones[place - 1] if place else 0)


class ChainedScheduler(LRScheduler):
    """Several schedules on top of each other: what one gives is the base of the next.

    For schedules that are factors of the base, the learning rate is ``base`` times all the factors.

    Parameters
    ----------
    schedulers : sequence of LRScheduler
        Of one optimiser; they are only asked for learning rates, not stepped.
    optimizer : Optimizer, optional
        Theirs, when not given.

    Raises
    ------
    DataError, DTypeError
        When the schedules do not belong to one optimiser.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina.optim.lr_scheduler import ChainedScheduler, ConstantLR, ExponentialLR
    >>> optimizer = la.optim.SGD([la.variable([1.0])], lr=1.0)
    >>> schedule = ChainedScheduler([ConstantLR(optimizer, 0.5), ExponentialLR(optimizer, 0.5)])
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: OptimizerBase | None = None) -> None:
        if optimizer is None and schedulers:
            optimizer = getattr(schedulers[0], "optimizer", None)
        self.schedulers = _schedules("ChainedScheduler", schedulers, optimizer)
        super().__init__(self.schedulers[0].optimizer)

    def lr(self, base: float, step: int, group: int) -> float:
        for schedule in self.schedulers:
            base = schedule.lr(base, step, group)
        return base

    def cycles_momentum(self) -> bool:
        return any(schedule.cycles_momentum() for schedule in self.schedulers)

    def set_momentum(self, step: int) -> None:
        for schedule in self.schedulers:
            schedule.set_momentum(step)


def _schedules(owner: str, schedulers: Sequence[LRScheduler], optimizer: OptimizerBase | None) -> list[LRScheduler]:
    if not schedulers:
        raise DataError(f"{owner}: the list of schedules is empty; give at least one")
    for each in schedulers:
        if not isinstance(each, LRScheduler):
            raise DTypeError(
                f"{owner}: expected schedules whose learning rate follows the step count, got {type(each).__name__}"
            )
        if each.optimizer is not optimizer:
            raise DataError(f"{owner}: the {type(each).__name__} belongs to another optimiser")
    return list(schedulers)
