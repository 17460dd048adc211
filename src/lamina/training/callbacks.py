"""What can be done while a model trains.

A callback is an object of a class derived from `Callback` with some of its methods. They are called in the order
in which the callbacks are given, with the `TrainingState`; they may read everything in it and ask for a stop.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from lamina.data.record import Record
from lamina.errors import CheckpointError, DataError
from lamina.tensor import Tensor
from lamina.training.history import EpochRecord, History
from lamina.training.metrics import larger_is_better
from lamina.training.numbers import check_count

if TYPE_CHECKING:
    from lamina.nn.module import Module
    from lamina.optim import Optimizer


@dataclass(frozen=True)
class Snapshot:
    """The state of the model and the optimiser at one moment."""

    model: dict[str, Tensor]
    optimizer: dict[str, Any]

    def copied(self) -> Snapshot:
        """Return the same values in memory of their own."""
        return Snapshot(_copied(self.model), _copied(self.optimizer))

    def state_dict(self) -> dict[str, Any]:
        """Return both by name."""
        return {"model": dict(self.model), "optimizer": dict(self.optimizer)}

    @classmethod
    def of(cls, record: Record) -> Snapshot:
        """Return the snapshot of what `state_dict` returned."""
        return cls(dict(record.record("model").values), dict(record.record("optimizer").values))


def _copied(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: Tensor(value._data.copy(), value._backend) if isinstance(value, Tensor) else value
        for name, value in values.items()
    }


@dataclass
class TrainingState:
    """Where a training stands: what callbacks are given.

    Attributes
    ----------
    model : Module
    optimizer : Optimizer
    history : History
        The whole epochs so far.
    epochs, steps_per_epoch, batch_size : int
        What was asked for; the last batch of an epoch may be smaller.
    epoch : int
        The epoch that runs, from 1.
    step : int
        Whole steps in all epochs.
    batch_loss : float
        The loss of the last step.
    samples : int
        Samples seen in all epochs.
    stop_reason : str
        Why training is to stop; empty while it goes on.
    resumable : bool
        Whether a stopped training goes on when it is resumed.
    compiling : float
        Seconds that went into compiling steps and evaluation.
    in_place : bool
        Whether steps write into the memory of weights, as compiled ones do where nobody else holds it.
    best : Snapshot
        Model and optimiser as they were after the best epoch, `History.best`; before training where there is none.
    """

    model: Module
    optimizer: Optimizer
    history: History
    epochs: int
    steps_per_epoch: int
    batch_size: int
    epoch: int = 0
    step: int = 0
    batch_loss: float = math.nan
    samples: int = 0
    stop_reason: str = ""
    resumable: bool = False
    compiling: float = 0.0
    in_place: bool = False
    best: Snapshot = field(init=False, repr=False)

    def request_stop(self, reason: str, *, resumable: bool = False) -> None:
        """End training after the step or epoch that runs, saying why in `History.stopped`.

        Parameters
        ----------
        reason : str
        resumable : bool, default False
            Whether ``fit(..., resume=True)`` goes on from here, as when the time is up; otherwise training has come to
            its end and stays there, as when the loss is low enough.
        """
        if not self.stop_reason or self.resumable:
            self.stop_reason, self.resumable = reason or "a callback asked for it", resumable

    def snapshot(self) -> Snapshot:
        """Return the state of model and optimiser.

        Tensors never change, so it costs no copy, but where steps work in place. There the next step would have to
        find new memory for all that is held, which costs the same copy and the short way of calling the program.
        """
        taken = Snapshot(self.model.state_dict(), self.optimizer.state_dict())
        return taken.copied() if self.in_place else taken

    def restore(self, snapshot: Snapshot) -> None:
        """Put model and optimiser back to where they were."""
        self.model.load_state_dict(snapshot.model)
        self.optimizer.load_state_dict(snapshot.optimizer)


class Callback:
    """The base of callbacks; its methods do nothing.

    A callback that remembers something from epoch to epoch, and is to go on with it after ``fit(..., resume=True)``,
    says so in `state_dict` and takes it back in `load_state_dict`.

    Examples
    --------
    >>> from lamina.training import Callback
    >>> class StopWhenGood(Callback):
    ...     def on_epoch_end(self, state, record):
    ...         if record.loss < 0.1:
    ...             state.request_stop("the loss is below 0.1")
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if unknown := [name for name in vars(cls) if name.startswith("on_") and not hasattr(Callback, name)]:
            known = ", ".join(name for name in vars(Callback) if name.startswith("on_"))
            raise DataError(f"Callback: {cls.__name__}.{unknown[0]} would never be called; there are {known}")

    def on_train_begin(self, state: TrainingState) -> None:
        """Before the first step."""

    def on_epoch_begin(self, state: TrainingState) -> None:
        """Before the first step of an epoch."""

    def on_batch_end(self, state: TrainingState) -> None:
        """After a step. It runs often: keep it short.

        A callback that has this method sees the state after every step, so steps run one by one. For what need not,
        such as a display, there is `on_progress`.
        """

    def on_progress(self, state: TrainingState) -> None:
        """After one or more steps: as often as control returns to Python, at least several times a second."""

    def on_epoch_end(self, state: TrainingState, record: EpochRecord) -> None:
        """After an epoch and its validation."""

    def on_train_end(self, state: TrainingState) -> None:
        """After the last epoch, an early stop or Ctrl-C."""

    def on_error(self, state: TrainingState, error: BaseException) -> None:
        """Instead of `on_train_end`, when an error ends training; it is raised afterwards."""

    def state_dict(self) -> Mapping[str, Any]:
        """Return what a checkpoint is to keep of this callback.

        Tensors, arrays, numbers, texts, truth values and None, in dicts with texts as keys, lists and tuples. It is
        called between steps, and what it returns must not change afterwards.
        """
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned; called after `on_train_begin` when a training is resumed."""


class EarlyStopping(Callback):
    """Stop when the monitored quantity has not improved for ``patience`` epochs.

    It says how epochs are judged, so a training has one at most: `History.best` is the best epoch for all.

    Parameters
    ----------
    patience : int
        How many epochs without improvement to bear, from 1.
    min_delta : float, default 0
        By how much a value must be better than the best before to count as an improvement.
    monitor : str, optional
        A name in the history, such as ``"val_accuracy"``; ``"val_loss"`` when None, ``"loss"`` without validation.
    mode : {"min", "max"}, optional
        Which way the quantity improves; when None, as the table of `lamina.training.metrics` says, and downwards
        what is not in it.
    restore_best : bool, default True
        Whether model and optimiser end as they were after the best epoch, however training ends; after Ctrl-C
        they stay as they are.

    Raises
    ------
    DataError
        When an argument is out of range; in `fit`, when the monitored quantity is not recorded.

    Examples
    --------
    >>> from lamina.training import EarlyStopping
    >>> EarlyStopping(patience=5, monitor="val_accuracy")
    EarlyStopping(patience=5, min_delta=0.0, monitor='val_accuracy', mode='max', restore_best=True)
    """

    def __init__(
        self,
        patience: int,
        min_delta: float = 0.0,
        monitor: str | None = None,
        mode: Literal["min", "max"] | None = None,
        restore_best: bool = True,
    ) -> None:
        self.patience = check_count("EarlyStopping", "patience", patience)
        if not 0 <= min_delta < math.inf:
            raise DataError(f"EarlyStopping: min_delta is {min_delta}; it is a difference from 0")
        if mode not in (None, "min", "max"):
            raise DataError(f'EarlyStopping: mode is {mode!r}; use "min" or "max"')
        self.min_delta = float(min_delta)
        self.monitor = monitor
        self.mode = mode
        self.restore_best = restore_best

    def direction(self, monitor: str) -> Literal["min", "max"]:
        """Return which way ``monitor`` improves."""
        return self.mode or ("max" if larger_is_better(monitor) else "min")

    def history(self, usual: str) -> History:
        """Return an empty history that judges epochs as this says; by ``usual`` where nothing is to be monitored."""
        monitor = self.monitor or usual
        return History(monitor, self.direction(monitor) == "max", self.min_delta)

    def on_epoch_end(self, state: TrainingState, record: EpochRecord) -> None:
        """Count the epochs since the best one."""
        history = state.history
        best_epoch, best = history.best_epoch or 0, history.best_value
        if record.epoch - best_epoch >= self.patience:
            count = f"{self.patience} epochs" if self.patience > 1 else "an epoch"
            reason = f"{history.monitor} has not improved for {count}"
            state.request_stop(f"{reason}; the best was {math.nan if best is None else best:.4g} in epoch {best_epoch}")

    def state_dict(self) -> dict[str, Any]:
        """Return what was asked for; the rest is in the history."""
        return {"asked": repr(self)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on waiting.

        Raises
        ------
        CheckpointError
            When the state is that of another early stopping.
        """
        record = Record.of(state, "EarlyStopping")
        if record.text("asked") != repr(self):
            raise CheckpointError(f"resume: the checkpoint has {record.text('asked')}, this is {self!r}")

    def on_train_end(self, state: TrainingState) -> None:
        """Put the best weights back."""
        if self.restore_best and state.history.best is not None and not state.history.interrupted:
            state.restore(state.best)

    def __repr__(self) -> str:
        mode = self.direction(self.monitor) if self.monitor else self.mode
        return (
            f"EarlyStopping(patience={self.patience}, min_delta={self.min_delta}, monitor={self.monitor!r}, "
            f"mode={mode!r}, restore_best={self.restore_best})"
        )
