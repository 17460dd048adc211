"""Callbacks and early stopping: when they are called, what they can do."""

import math

import numpy as np
import pytest

import lamina as la
from lamina import nn, optim
from lamina.errors import DataError, TrainingDiverged
from lamina.training import Callback, EarlyStopping, EpochRecord, History, TrainingState, fit


class Log(Callback):
    """Notes every call."""

    def __init__(self):
        self.calls = []

    def on_train_begin(self, state):
        self.calls.append("train begin")

    def on_epoch_begin(self, state):
        self.calls.append(f"epoch {state.epoch} begin")

    def on_batch_end(self, state):
        assert math.isfinite(state.batch_loss)
        self.calls.append(f"batch {state.step} end, {state.samples} samples")

    def on_epoch_end(self, state, record):
        assert state.history.records[-1] is record
        self.calls.append(f"epoch {record.epoch} end")

    def on_train_end(self, state):
        self.calls.append("train end")


class StopAt(Callback):
    def __init__(self, *, step=None, epoch=None):
        self.step, self.epoch = step, epoch

    def on_batch_end(self, state):
        if state.step == self.step:
            state.request_stop("enough steps")

    def on_epoch_end(self, state, record):
        if record.epoch == self.epoch:
            state.request_stop("enough epochs")


def test_events_come_in_order(line, linear):
    log = Log()
    fit(linear, line, loss=nn.mse_loss, epochs=2, batch_size=40, callbacks=[log], progress=False)
    assert log.calls == [
        "train begin",
        "epoch 1 begin", "batch 1 end, 40 samples", "batch 2 end, 64 samples", "epoch 1 end",
        "epoch 2 begin", "batch 3 end, 104 samples", "batch 4 end, 128 samples", "epoch 2 end",
        "train end",
    ]  # fmt: skip


def test_a_method_that_would_never_be_called_is_refused():
    with pytest.raises(DataError, match=r"Named\.on_epoch_finish would never be called; there are on_train_begin, "):

        class Named(Callback):
            def on_epoch_finish(self, state, record):
                """As another library calls it."""


def test_a_stop_after_an_epoch_ends_training(line, linear):
    log = Log()
    history = fit(linear, line, loss=nn.mse_loss, epochs=9, callbacks=[StopAt(epoch=2), log], progress=False)
    assert history.stopped == "enough epochs"
    assert len(history.records) == 2
    assert not history.interrupted
    assert log.calls[-2:] == ["epoch 2 end", "train end"]


def test_a_stop_inside_an_epoch_leaves_it_out_of_the_history(line, linear):
    history = fit(linear, line, loss=nn.mse_loss, batch_size=8, callbacks=[StopAt(step=11)], progress=False)
    assert history.stopped == "enough steps"
    assert len(history.records) == 1


def test_an_error_in_a_callback_keeps_the_steps_before(line, linear, state_of):
    class Fail(Callback):
        def on_epoch_end(self, state, record):
            if record.epoch == 2:
                raise RuntimeError("no")

    before = state_of(linear)
    with pytest.raises(RuntimeError, match="no"):
        fit(linear, line, loss=nn.mse_loss, callbacks=[Fail()], progress=False)
    assert not np.array_equal(state_of(linear)["weight"], before["weight"])
    assert linear.training


# --- early stopping, on losses that follow a script ---


class Script(nn.Module):
    """A model of one parameter, which counts steps; the validation loss is read from a list at that count."""

    def __init__(self, losses):
        self.count = la.variable(0.0, name="count")
        self.losses = losses

    def __call__(self, x):
        return x * 0.0 + self.count

    def loss(self, outputs, targets):
        if outputs.tracked:
            return (outputs.mean() * 0.0) - self.count
        step = round(self.count.item())
        return la.asarray(self.losses[step - 1] if step else 1.0) + outputs.mean() * 0.0


def run_script(losses, early_stopping, **options):
    model = Script(losses)
    sgd = optim.SGD(model.parameters(), lr=1.0)
    history = fit(model, (np.ones((4, 1)), np.ones((4, 1))), loss=model.loss, optimizer=sgd, epochs=len(losses),
                  validation=(np.ones((2, 1)), np.ones((2, 1))), early_stopping=early_stopping, progress=False,
                  **options)  # fmt: skip
    return history, model.count.item()


SCRIPT = [5.0, 4.0, 4.5, 4.2, 3.9, 4.0, 4.1, 4.2, 1.0]


@pytest.mark.parametrize(("patience", "epochs", "best"), [(1, 3, 2), (2, 4, 2), (3, 8, 5), (4, 9, 9)])
def test_patience_counts_epochs_without_improvement(patience, epochs, best):
    history, count = run_script(SCRIPT, patience)
    assert len(history.records) == epochs
    assert history.best_epoch == best
    assert count == best
    assert history["val_loss"] == pytest.approx(SCRIPT[:epochs])
    assert ("has not improved" in history.stopped) == (epochs < 9)


def test_without_restoring_the_last_weights_stay():
    assert run_script(SCRIPT, EarlyStopping(1, restore_best=False))[1] == 3


def test_small_improvements_do_not_count_below_min_delta():
    history, _ = run_script([5.0, 4.95, 4.9, 4.85], EarlyStopping(2, min_delta=0.2))
    assert len(history.records) == 3


def test_the_best_weights_are_put_back_also_when_training_ends_by_itself():
    assert run_script([3.0, 1.0, 2.0], 9)[1] == 2


def test_a_metric_can_be_monitored_upwards():
    def score(outputs, targets):
        return [0.1, 0.9, 0.5, 0.4][round(outputs.mean().item()) - 1] if outputs.mean().item() else 0.0

    history, count = run_script([4.0, 3.0, 2.0, 1.0], EarlyStopping(2, monitor="val_score", mode="max"),
                                metrics=[score])  # fmt: skip
    assert history.best_epoch == count == 2
    assert history.monitor == "val_score"


def test_the_best_epoch_is_the_one_whose_weights_are_kept():
    history, count = run_script([5.0, 4.95, 4.9, 4.85], EarlyStopping(2, min_delta=0.2))
    assert history.best_epoch == count == 1


def test_one_early_stopping_judges_the_epochs():
    with pytest.raises(DataError, match="2 early stoppings judge the epochs"):
        run_script(SCRIPT, EarlyStopping(1), callbacks=[EarlyStopping(2, monitor="loss")])


def test_a_training_that_diverges_leaves_the_weights_of_the_best_epoch_by_what_is_monitored():
    def score(outputs, targets):
        return [0.9, 0.1, 0.2, 0.0][round(outputs.mean().item()) - 1] if outputs.mean().item() else 0.0

    with pytest.raises(TrainingDiverged, match=r"the weights are those of epoch 1 \(val_score 0\.9\)") as caught:
        run_script([4.0, 3.0, 2.0, math.inf], EarlyStopping(4, monitor="val_score", mode="max"), metrics=[score])
    assert caught.value.history.best_epoch == 1


def test_a_stopper_serves_again():
    stopper = EarlyStopping(1)
    assert [len(run_script(SCRIPT, stopper)[0].records) for _ in range(2)] == [3, 3]


@pytest.mark.parametrize("name", ["accuracy", "r2", "loss", "mae"])
def test_the_direction_follows_from_the_name(name):
    upwards = name in ("accuracy", "r2")
    for recorded in (name, f"val_{name}"):
        assert EarlyStopping(1).direction(recorded) == ("max" if upwards else "min")
        assert EarlyStopping(1, mode="min").direction(recorded) == "min"


@pytest.mark.parametrize(
    "options", [{"patience": 0}, {"patience": 1, "min_delta": -1.0}, {"patience": 1, "mode": "up"}]
)
def test_early_stopping_refuses_what_makes_no_sense(options):
    with pytest.raises(DataError, match="EarlyStopping"):
        EarlyStopping(**options)


def test_a_metric_that_is_nan_is_no_improvement():
    stopper = EarlyStopping(2, restore_best=False)
    state = TrainingState(None, None, History("loss"), 9, 1, 1)
    for epoch in (1, 2):
        state.history.append(EpochRecord(epoch, math.nan, 0.1, 0.0))
        stopper.on_epoch_end(state, state.history.records[-1])
    assert "the best was nan" in state.stop_reason
