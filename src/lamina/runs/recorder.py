"""What is written while a model trains, so that an interrupted run is worth as much as a finished one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import lamina as la
from lamina.data.record import Record
from lamina.files import replace_file
from lamina.runs.folder import RunFolder
from lamina.runs.options import TrainingOptions
from lamina.runs.subjects import Subject
from lamina.runs.subjects.text import TextSubject
from lamina.training import Callback, Checkpoints, EpochRecord, History, JSONLines, TensorBoard, TrainingState


class BestWeights(Callback):
    """Save the weights in a run folder after every epoch that is the best so far, or where the first one is left.

    Attributes
    ----------
    history : History
        The whole epochs so far; kept here because an error in training leaves nothing else behind.
    steps : int
        After how many steps of the first epoch the saved weights were left; 0 where they are of a whole epoch.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.history = History()
        self.steps = 0

    def on_train_begin(self, state: TrainingState) -> None:
        """Keep the history that will be filled."""
        self.history = state.history

    def on_epoch_end(self, state: TrainingState, record: EpochRecord) -> None:
        """Save the weights; a line of metrics that speaks of them is written afterwards."""
        if state.history.best is record:
            la.save(state.model, self.folder.weights)

    def on_train_end(self, state: TrainingState) -> None:
        """Save what a training has learned that ends within its first epoch: at Ctrl-C, or because its time is up."""
        if not self.history.records and state.step:
            la.save(state.model, self.folder.weights)
            self.steps = state.step


class SampleWriter(Callback):
    """Let a language model write now and then, show it, and keep it in a run folder.

    What is drawn depends on the seed and the epoch only, and changes nothing in the training.
    """

    def __init__(
        self, folder: RunFolder, subject: TextSubject, options: TrainingOptions, show: Callable[[int, str], None]
    ) -> None:
        self._folder, self._subject, self._options, self._show = folder, subject, options, show
        self._samples: list[dict[str, Any]] = []

    def on_epoch_end(self, state: TrainingState, record: EpochRecord) -> None:
        """Write a sample if it is time."""
        if record.epoch % self._options.sample_every:
            return
        options = self._options
        seed = options.seed + record.epoch
        text = "".join(self._subject.written(state.model, options, options.sample_tokens, seed))
        self._samples = [*self._samples, {"epoch": record.epoch, "prompt": options.prompt, "text": text}]
        lines = "".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in self._samples)
        replace_file("train", self._folder.samples, lines.encode())
        self._show(record.epoch, options.prompt + text)

    def state_dict(self) -> dict[str, Any]:
        """Return the samples so far."""
        return {"samples": json.dumps(self._samples)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on after the samples that a checkpoint knows."""
        self._samples = json.loads(Record.of(state, "samples").text("samples"))


def recorders(
    folder: RunFolder, best: BestWeights, subject: Subject, options: TrainingOptions, show: Callable[[int, str], None]
) -> list[Callback]:
    """Return what writes into a run folder, in its order; what a language model writes is shown, too."""
    boards = [TensorBoard(folder.events)] if options.tensorboard else []
    samples = []
    if isinstance(subject, TextSubject) and options.sample_every:
        samples.append(SampleWriter(folder, subject, options, show))
    return [best, JSONLines(folder.metrics), *boards, *samples]


def checkpoints(folder: RunFolder, options: TrainingOptions) -> Checkpoints:
    """Return where and how often the whole state of a training is kept."""
    every = (options.checkpoint_epochs, options.checkpoint_seconds)
    return Checkpoints(folder.checkpoints, *every, keep=options.checkpoint_keep)
