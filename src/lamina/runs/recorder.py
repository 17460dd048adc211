"""What is written while a model trains, so that an interrupted run is worth as much as a finished one."""

from __future__ import annotations

import lamina as la
from lamina.runs.folder import RunFolder
from lamina.runs.options import TrainingOptions
from lamina.training import Callback, Checkpoints, EpochRecord, History, JSONLines, TensorBoard, TrainingState


class BestWeights(Callback):
    """Save the weights in a run folder after every epoch that is the best so far.

    Attributes
    ----------
    history : History
        The whole epochs so far; kept here because an error in training leaves nothing else behind.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.history = History()

    def on_train_begin(self, state: TrainingState) -> None:
        """Keep the history that will be filled."""
        self.history = state.history

    def on_epoch_end(self, state: TrainingState, record: EpochRecord) -> None:
        """Save the weights; a line of metrics that speaks of them is written afterwards."""
        if state.history.best is record:
            la.save(state.model, self.folder.weights)


def recorders(folder: RunFolder, best: BestWeights, options: TrainingOptions) -> list[Callback]:
    """Return what writes into a run folder, in its order."""
    boards = [TensorBoard(folder.events)] if options.tensorboard else []
    return [best, JSONLines(folder.metrics), *boards]


def checkpoints(folder: RunFolder, options: TrainingOptions) -> Checkpoints:
    """Return where and how often the whole state of a training is kept."""
    every = (options.checkpoint_epochs, options.checkpoint_seconds)
    return Checkpoints(folder.checkpoints, *every, keep=options.checkpoint_keep)
