"""What is written while a model trains, so that an interrupted run is worth as much as a finished one."""

from __future__ import annotations

import lamina as la
from lamina.runs.folder import RunFolder
from lamina.training import Callback, EpochRecord, History, TrainingState


class Recorder(Callback):
    """Add a line of metrics to a run folder after every epoch, and save the weights after every better one.

    Attributes
    ----------
    history : History
        The whole epochs so far; kept here because an error in training leaves nothing else behind.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.history = History()
        self._begun = False

    def on_train_begin(self, state: TrainingState) -> None:
        """Keep the history that will be filled."""
        self.history = state.history

    def on_epoch_begin(self, state: TrainingState) -> None:
        """Where training goes on from a checkpoint, keep the lines of the epochs before and no others."""
        if not self._begun:
            self.folder.begin_metrics(record.as_dict() for record in state.history.records)
            self._begun = True

    def on_epoch_end(self, state: TrainingState, record: EpochRecord) -> None:
        """Save the weights before the line that speaks of them."""
        if state.history.best is record:
            la.save(state.model, self.folder.weights)
        self.folder.append_metrics(record.as_dict())
