"""A training that ends in time."""

from __future__ import annotations

import time

from lamina.training.callbacks import Callback, TrainingState


class TimeLimit(Callback):
    """Stop after the step in which a time is up.

    Parameters
    ----------
    seconds : float
        Counted from the first epoch on, less what compiling takes: a first training, which compiles, is as long as a
        second, which finds its programs.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._began = 0.0

    def on_train_begin(self, state: TrainingState) -> None:
        """Begin to count."""
        self._began = time.perf_counter()

    def on_progress(self, state: TrainingState) -> None:
        """Ask for a stop if the time is up."""
        if time.perf_counter() - self._began - state.compiling >= self._seconds:
            state.request_stop(f"{self._seconds:g} seconds were up", resumable=True)
