"""Learning rates that change after every step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lamina.optim.lr_scheduler import LRScheduler
from lamina.training.steps import Steps, Taken


class ScheduledSteps:
    """Steps after each of which a schedule is advanced.

    Parameters
    ----------
    steps : Steps
    schedule : LRScheduler
    """

    def __init__(self, steps: Steps, schedule: LRScheduler) -> None:
        self._steps = steps
        self._schedule = schedule

    def epoch(self, order: Any, *, start: int = 0, at_most: int | None = None) -> Iterator[Taken]:
        """Take a step on each batch; control returns after every one."""
        for taken in self._steps.epoch(order, start=start, at_most=1):
            self._schedule.step()
            yield taken
