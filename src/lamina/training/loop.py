"""The training loop."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal

from lamina.errors import TrainingDiverged
from lamina.functions.comparisons import isfinite
from lamina.nn.modes import mode
from lamina.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from lamina.random import Generator
from lamina.tensor import Tensor
from lamina.training.callbacks import Callback, TrainingState
from lamina.training.checkpointing.parts import BestPart, CallbackParts, Position
from lamina.training.checkpointing.saving import Keeper, Saving
from lamina.training.compiling import Machinery
from lamina.training.evaluation import Loss, measure
from lamina.training.history import EpochRecord, History
from lamina.training.interruption import Interruption, deferred_interrupts
from lamina.training.metrics import MetricFunction
from lamina.training.moving_average import WeightAverage
from lamina.training.pairs import Samples
from lamina.training.steps import Taken
from lamina.variable import Variable

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
    measured_batch: int
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
    saving: Saving | None = None
    position: Position = field(init=False)
    keeper: Keeper | None = field(init=False)

    def run(self) -> History:
        """Train, and leave the model as `fit` promises, however it ends."""
        state = self.state
        state.in_place = "programs" in self.plan.machinery.parts
        self.parameters, state.best = state.model.named_parameters(), state.snapshot()
        self.position = Position(state)
        self.keeper = self._new_keeper()
        with mode(state.model, training=True), deferred_interrupts() as interruption:
            try:
                self._train(interruption)
            except BaseException as error:
                # In the first epoch a sample may be met that the loss refuses; then nothing has been trained.
                if not state.history.records and not isinstance(error, TrainingDiverged):
                    state.restore(state.best)
                self._tell("on_error", error)
                raise
            if self.plan.average is not None:
                self.plan.average.keep()
            self._tell("on_train_end")
        return state.history

    def _train(self, interruption: Interruption) -> None:
        state = self.state
        try:
            self._begin()
            while self.position.epochs < state.epochs and not state.stop_reason:
                state.epoch = self.position.epochs + 1
                self._epoch(interruption)
            state.history.stopped = state.stop_reason
        except _Stop:
            state.history.stopped = state.stop_reason
        except KeyboardInterrupt:
            # It may have come in the middle of a step, of which no checkpoint is to tell.
            self._interrupt()
            return
        if self.keeper is not None:
            self.keeper.ended()

    # --- where it begins, and from where it goes on ---

    def _begin(self) -> None:
        keeper = self.keeper
        if keeper is None or not keeper.resumes:
            self._tell("on_train_begin")
            return
        keeper.restore_place()
        self._tell("on_train_begin")
        if self.position.batches:
            # What a callback set for this epoch is set again; what it did to the state is undone by the next line.
            self.state.epoch += 1
            self._tell("on_epoch_begin")
        keeper.restore()

    def _new_keeper(self) -> Keeper | None:
        if self.saving is None:
            return None
        best = BestPart(self.state)
        return Keeper(self.saving, self.position, self.state.history, best, CallbackParts(self.callbacks))

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
        state = self.state
        if interruption.asked and (state.resumable or not state.stop_reason):
            self._interrupt()
            state.stop_reason, state.resumable = state.history.stopped, True
        if state.stop_reason:
            raise _Stop

    def _epoch(self, interruption: Interruption) -> None:
        plan, state, position, keeper = self.plan, self.state, self.position, self.keeper
        position.begin_epoch()
        if not position.batches:
            self._tell("on_epoch_begin")
        order = plan.training.order(plan.order if state.steps_per_epoch > 1 else None, state.epoch)
        listeners = [each for each in self.callbacks if type(each).on_batch_end is not Callback.on_batch_end]
        steps = plan.machinery.steps.epoch(order, start=position.batches, at_most=1 if listeners else None)
        for taken in steps:
            self._account(taken)
            for callback in listeners:
                callback.on_batch_end(state)
            state.compiling = plan.machinery.compiling
            self._tell("on_progress")
            self._continue(interruption)
            if keeper is not None and position.batches < state.steps_per_epoch:
                keeper.progressed()
        self._close_epoch(position.loss / len(plan.training))
        position.end_epoch()
        if keeper is not None:
            keeper.epoch_ended()
        self._continue(interruption)

    def _account(self, taken: Taken) -> None:
        """Note steps that have been taken, one by one: how many came together must not show in the last bit."""
        state, position = self.state, self.position
        for loss in taken.losses:
            if not math.isfinite(loss):
                raise self._diverged(f"the loss is {loss}", state.step + 1)
            state.batch_loss = loss
            state.step += 1
            state.samples += taken.size
            position.batches += 1
            position.loss += loss * taken.size

    # --- the end of an epoch ---

    def _close_epoch(self, loss: float) -> None:
        plan, state = self.plan, self.state
        for name, parameter in self.parameters:
            if not _finite(parameter._untracked):
                raise self._diverged(f"the weights {name} hold NaN or infinity", state.step)
        # What is measured, judged and shown to callbacks are the weights that training would end with.
        with nullcontext() if plan.average is None else plan.average.applied():
            self._judge_epoch(loss)

    def _judge_epoch(self, loss: float) -> None:
        plan, state = self.plan, self.state
        val_loss, metrics = self._measured()
        if val_loss is not None and not math.isfinite(val_loss):
            raise self._diverged(f"the validation loss is {val_loss}", state.step)
        lr = float(state.optimizer.lr.item())
        record = EpochRecord(state.epoch, loss, lr, self.position.seconds, val_loss, metrics)
        state.history.append(record)
        if state.history.best is record:
            state.best = state.snapshot()
        if plan.scheduler is not None and plan.schedule_per == "epoch":
            _advance(plan.scheduler, loss if val_loss is None else val_loss)
        self._tell("on_epoch_end", record)

    def _measured(self) -> tuple[float | None, dict[str, float]]:
        """Return the validation loss and the metrics, on the training set where there is no validation set."""
        plan, model, forward = self.plan, self.state.model, self.plan.machinery.forward
        batch = plan.measured_batch
        if plan.held_out is None:
            metrics = measure(model, plan.training, None, plan.metrics, batch, forward) if plan.metrics else {}
            return None, metrics
        measured = measure(model, plan.held_out, plan.loss, plan.metrics, batch, forward)
        return measured.pop("loss"), {f"val_{name}": value for name, value in measured.items()}

    def _diverged(self, what: str, step: int) -> TrainingDiverged:
        """Put the best weights back and return the error that says so."""
        state, rate = self.state, float(self.state.optimizer.lr.item())
        state.restore(state.best)
        history = state.history
        if history.best_value is None:
            kept = f"no epoch was whole with a {history.monitor}, so the weights are those before training"
        else:
            kept = f"the weights are those of epoch {history.best_epoch} ({history.monitor} {history.best_value:.4g})"
        remedies = ["a lower learning rate", "standardised inputs and targets"]
        if self.plan.clip_norm is None:
            remedies.insert(1, "clip_norm=1.0")
        before = f"the loss before was {state.batch_loss:.4g}" if state.step else "no step was taken before"
        return TrainingDiverged(
            f"fit: {what} in epoch {state.epoch}, step {step} ({before}, the learning rate {rate:.3g}); {kept}. Try "
            f"{', or '.join(remedies)}",
            state.history,
        )


def _finite(weights: Tensor) -> bool:
    """Tell whether all elements are finite; their sum is quick to look at, and overflows at worst."""
    return math.isfinite(weights.sum().item()) or bool(isfinite(weights).all())


def _advance(scheduler: Schedule, loss: float) -> None:
    """Advance a schedule by an epoch; one that waits for a plateau is told the loss."""
    if isinstance(scheduler, ReduceLROnPlateau):
        scheduler.step(loss)
    else:
        scheduler.step()
