"""One trial of a search: what it tries, and what it tells the search while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lamina.training import Callback, EpochRecord, TrainingState

if TYPE_CHECKING:
    import optuna

PRUNED = "the search takes it for hopeless"


class Pruned(Exception):  # noqa: N818 - not an error
    """Leaves an objective whose trial is hopeless."""


@dataclass
class Trial:
    """What an objective is given.

    Attributes
    ----------
    number : int
        From 0.
    values : mapping of str to Any
        What to try, by the names in the space.
    epochs : int
        How many values were reported.
    """

    number: int
    values: Mapping[str, Any]
    epochs: int = 0
    _trial: optuna.Trial | None = field(default=None, repr=False)

    def report(self, value: float) -> bool:
        """Tell the search how good it is after another epoch; return whether it is hopeless.

        Leave the objective with `Pruned` then, or use `callback`, which does all of it.
        """
        self.epochs += 1
        if self._trial is None:
            return False
        self._trial.report(value, self.epochs)
        return bool(self._trial.should_prune())

    def callback(self, monitor: str | None = None) -> Callback:
        """Return a callback for `lamina.fit` that reports each epoch and stops a hopeless training.

        Parameters
        ----------
        monitor : str, optional
            What to report; what the history judges epochs by when None.
        """
        return _Report(self, monitor)


class _Report(Callback):
    def __init__(self, trial: Trial, monitor: str | None) -> None:
        self.trial, self.monitor = trial, monitor

    def on_epoch_end(self, state: TrainingState, record: EpochRecord) -> None:
        """Report the epoch."""
        value = record.as_dict().get(self.monitor or state.history.monitor)
        if value is not None and self.trial.report(value):
            state.request_stop(PRUNED)

    def on_train_end(self, state: TrainingState) -> None:
        """Leave the objective, if it is hopeless."""
        if state.history.stopped == PRUNED:
            raise Pruned
