"""Learning rates that change after every step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.backends.registry import CPU
from lamina.errors import LaminaError
from lamina.functions.creation import asarray, zeros
from lamina.optim.lr_scheduler import LRScheduler
from lamina.primitives.indexing import take
from lamina.variable import Variable

if TYPE_CHECKING:
    from lamina.training.steps import Steps, Taken


class RateTable:
    """The learning rates of the next steps of a schedule, in a variable from which the steps themselves take them.

    So a schedule that counts steps does not call for Python after each of them.

    Parameters
    ----------
    schedule : LRScheduler
    steps : int
        How many there is room for.
    """

    def __init__(self, schedule: LRScheduler, steps: int) -> None:
        self._schedule = schedule
        groups = schedule.optimizer.param_groups
        self._groups = groups
        self._rates = Variable(zeros((steps, len(groups)), dtype="float64"), "rates", trainable=False)
        self._next = Variable(zeros((), dtype="int64"), "rates.next", trainable=False)
        self._coming: list[list[float]] = []

    def fill(self, steps: int) -> None:
        """Look up the rates of so many steps."""
        first, self._coming = self._schedule.last_epoch + 1, []
        try:
            for step in range(first, first + steps):
                self._coming.append(self._schedule.rates(step))
        except LaminaError:
            # The schedule ends before: `note` says so when it has come to that.
            pass
        rates = np.zeros(self._rates.shape)
        rates[: len(self._coming)] = self._coming or 0.0
        self._rates.assign(asarray(rates))
        self._next.assign(0)

    def advance(self) -> None:
        """Assign the rates of the next step; a part of each step."""
        position = self._next.value
        rates = take(self._rates.value, position.reshape((1,)), axis=0)
        for place, group in enumerate(self._groups):
            group["lr"].assign(rates[0, place])
        self._next.assign(position + 1)

    def note(self, steps: int) -> None:
        """Tell the schedule that so many steps have been taken.

        Raises
        ------
        DataError
            What the schedule raises when it has come to its end.
        """
        known = min(steps, len(self._coming))
        if known:
            self._schedule.follow(known, self._coming[known - 1])
            del self._coming[:known]
        if known < steps:
            self._schedule.step()


def rate_table(schedule: LRScheduler, steps: int) -> RateTable | None:
    """Return a table for a schedule that is no more than its learning rates; None for others.

    One that changes the momentum, which is a setting of the optimiser, or is advanced in a way of its own, is not.
    """
    if type(schedule).step is not LRScheduler.step or schedule.cycles_momentum():
        return None
    return RateTable(schedule, steps) if schedule.optimizer.lr._backend is CPU else None


class ScheduledSteps:
    """Steps after each of which a schedule is advanced.

    Parameters
    ----------
    steps : Steps
    schedule : LRScheduler
    table : RateTable, optional
        Where the steps take their rates from, if they do.
    per_epoch : int
        The steps of an epoch.
    """

    def __init__(self, steps: Steps, schedule: LRScheduler, table: RateTable | None, per_epoch: int) -> None:
        self._steps = steps
        self._schedule = schedule
        self._table = table
        self._per_epoch = per_epoch

    def epoch(self, order: Any, *, start: int = 0, at_most: int | None = None) -> Iterator[Taken]:
        """Take a step on each batch; without a table control returns after every one."""
        if self._table is None:
            for taken in self._steps.epoch(order, start=start, at_most=1):
                self._schedule.step()
                yield taken
            return
        self._table.fill(self._per_epoch - start)
        for taken in self._steps.epoch(order, start=start, at_most=at_most):
            self._table.note(len(taken.losses))
            yield taken
