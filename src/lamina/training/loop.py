"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal

from lamina.errors import TrainingDiverged
from lamina.functions.comparisons import isfinite
from lamina.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from lamina.random import Generator
from lamina.tensor import Tensor, Variable
from lamina.training.averaging import WeightAverage
from lamina.training.callbacks import Callback, Snapshot, TrainingState
from lamina.training.compiling import Machinery
from lamina.training.evaluation import EVALUATION_BATCH, Loss, measure, mode
from lamina.training.history import EpochRecord, History
from lamina.training.interruption import Interruption, deferred_interrupts
from lamina.training.metrics import MetricFunction
from lamina.training.pairs import Samples
from lamina.training.steps import Taken

Schedule = LRScheduler | ReduceLROnPlateau


@dataclass(frozen=True)
class Plan:
    """What to train on and how, fixed for the whole training."""

    loss: Loss
    training: Samples
    held_out: Samples | None
    metrics: Mapping[str, MetricFunction]
    order: Generator | None
    scheduler: Schedule | None
    schedule_per: Literal["epoch", "step"]
    batch_size: int
    machinery: Machinery
    average: WeightAverage | None
    clip_norm: float | None


class _Stop(Exception):  # noqa: N818 - not an error
    """Leaves the loops when training is to end."""


@dataclass
class Loop:
    """One training as it runs."""

    plan: Plan
    state: TrainingState
    callbacks: Sequence[Callback]
    parameters: list[tuple[str, Variable]] = field(init=False)
    best: Snapshot = field(init=False)
    best_record: EpochRecord | None = None
    """None until an epoch is whole; ``best`` is the state before training then."""

    def run(self) -> History:
        """Train, and leave the model as `fit` promises, however it ends."""
        state = self.state
        self.parameters, self.best = state.model.named_parameters(), state.snapshot()
        with mode(state.model, training=True), deferred_interrupts() as interruption:
            try:
                self._tell("on_train_begin")
                for epoch in range(1, state.epochs + 1):
                    state.epoch = epoch
                    self._epoch(interruption)
            except _Stop:
                state.history.stopped = state.stop_reason
            except KeyboardInterrupt:
                self._interrupt()
            except BaseException as error:
                # In the first epoch a sample may be met that the loss refuses; then nothing has been trained.
                if self.best_record is None and not isinstance(error, TrainingDiverged):
                    state.restore(self.best)
                self._tell("on_error", error)
                raise
            if self.plan.average is not None:
                self.plan.average.keep()
            self._tell("on_train_end")
        return state.history

    def _tell(self, event: str, *arguments: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(self.state, *arguments)

    def _interrupt(self) -> None:
        state = self.state
        state.history.interrupted = True
        # Which weights are kept is for the caller to say: `fit` keeps these, the command those of the best epoch.
        state.history.stopped = f"Ctrl-C in epoch {state.epoch}, after step {state.step}"

    def _continue(self, interruption: Interruption) -> None:
        """Leave the loops if Ctrl-C was pressed or a callback asked for it."""
        if interruption.asked:
            self._interrupt()
            self.state.stop_reason = self.state.history.stopped
        if self.state.stop_reason:
            raise _Stop

    def _epoch(self, interruption: Interruption) -> None:
        plan, state = self.plan, self.state
        started, total = time.perf_counter(), 0.0
        self._tell("on_epoch_begin")
        order = plan.training.order(plan.order if state.steps_per_epoch > 1 else None, state.epoch)
        listeners = [each for each in self.callbacks if type(each).on_batch_end is not Callback.on_batch_end]
        for taken in plan.machinery.steps.epoch(order, at_most=1 if listeners else None):
            total += self._account(taken)
            for callback in listeners:
                callback.on_batch_end(state)
            self._tell("on_progress")
            self._continue(interruption)
        self._close_epoch(total / len(plan.training), started)
        self._continue(interruption)

    def _account(self, taken: Taken) -> float:
        """Note steps that have been taken, and return the sum of their samples' losses."""
        state, total = self.state, 0.0
        for loss in taken.losses:
            if not math.isfinite(loss):
                raise self._diverged(f"the loss is {loss}", state.step + 1)
            state.batch_loss = loss
            state.step += 1
            state.samples += taken.size
            total += loss * taken.size
        return total

    # --- the end of an epoch ---

    def _close_epoch(self, loss: float, started: float) -> None:
        plan, state = self.plan, self.state
        for name, parameter in self.parameters:
            if not _finite(parameter._untracked):
                raise self._diverged(f"the weights {name} hold NaN or infinity", state.step)
        # What is measured, judged and shown to callbacks are the weights that training would end with.
        with nullcontext() if plan.average is None else plan.average.applied():
            self._judge_epoch(loss, started)

    def _judge_epoch(self, loss: float, started: float) -> None:
        plan, state = self.plan, self.state
        val_loss, metrics = self._measured()
        if val_loss is not None and not math.isfinite(val_loss):
            raise self._diverged(f"the validation loss is {val_loss}", state.step)
        lr = float(state.optimizer.lr.item())
        record = EpochRecord(state.epoch, loss, lr, time.perf_counter() - started, val_loss, metrics)
        state.history.append(record)
        judged = loss if val_loss is None else val_loss
        if self.best_record is None or judged < _judged(self.best_record):
            self.best, self.best_record = state.snapshot(), record
        if plan.scheduler is not None and plan.schedule_per == "epoch":
            _advance(plan.scheduler, judged)
        self._tell("on_epoch_end", record)

    def _measured(self) -> tuple[float | None, dict[str, float]]:
        """Return the validation loss and the metrics, on the training set where there is no validation set."""
        plan, model, forward = self.plan, self.state.model, self.plan.machinery.forward
        batch = max(EVALUATION_BATCH, plan.batch_size)
        if plan.held_out is None:
            metrics = measure(model, plan.training, None, plan.metrics, batch, forward) if plan.metrics else {}
            return None, metrics
        measured = measure(model, plan.held_out, plan.loss, plan.metrics, batch, forward)
        return measured.pop("loss"), {f"val_{name}": value for name, value in measured.items()}

    def _diverged(self, what: str, step: int) -> TrainingDiverged:
        """Put the best weights back and return the error that says so."""
        state, rate = self.state, float(self.state.optimizer.lr.item())
        state.restore(self.best)
        if self.best_record is None:
            kept = "no epoch was whole, so the weights are those before training"
        else:
            kept = f"the weights are those of epoch {self.best_record.epoch} (loss {_judged(self.best_record):.4g})"
        remedies = ["a lower learning rate", "standardised inputs and targets"]
        if self.plan.clip_norm is None:
            remedies.insert(1, "clip_norm=1.0")
        return TrainingDiverged(
            f"fit: {what} in epoch {state.epoch}, step {step} (the loss before was {state.batch_loss:.4g}, the "
            f"learning rate {rate:.3g}); {kept}. Try {', or '.join(remedies)}",
            state.history,
        )


def _finite(weights: Tensor) -> bool:
    """Tell whether all elements are finite; their sum is quick to look at, and overflows at worst."""
    return math.isfinite(weights.sum().item()) or bool(isfinite(weights).all())


def _judged(record: EpochRecord) -> float:
    return record.loss if record.val_loss is None else record.val_loss


def _advance(scheduler: Schedule, loss: float) -> None:
    """Advance a schedule by an epoch; one that waits for a plateau is told the loss."""
    if isinstance(scheduler, ReduceLROnPlateau):
        scheduler.step(loss)
    else:
        scheduler.step()
