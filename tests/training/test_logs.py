"""Logs of a training: lines of JSON, and TensorBoard's event files as TensorBoard reads them."""

import json
import math
import os
import sys

import numpy as np
import pytest

import lamina as la
from lamina import nn
from lamina.errors import CheckpointError, DTypeError, LaminaError
from lamina.training import Callback, EpochRecord, History, JSONLines, TensorBoard, TrainingState, fit

tensorboard = pytest.importorskip("tensorboard")


def training_state(linear, *records):
    history = History()
    history.reset(records)
    return TrainingState(linear, None, history, 10, 5, 8)


@pytest.fixture
def read():
    """Return a function that reads a folder of event files as TensorBoard does."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def accumulate(folder):
        found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "histograms": 0})
        found.Reload()
        return found

    return accumulate


def scalars(events, tag):
    return [(each.step, each.value) for each in events.Scalars(tag)]


# --- lines of JSON ---


def test_each_epoch_is_a_line_as_soon_as_it_ends(line, linear, tmp_path):
    path, seen = tmp_path / "metrics.jsonl", []

    class Look(Callback):
        def on_epoch_end(self, state, record):
            seen.append(len(path.read_text().splitlines()))

    callbacks = [JSONLines(path), Look()]
    history = fit(
        linear, line, loss=nn.mse_loss, epochs=3, validation=0.25, metrics=["r2"], callbacks=callbacks, progress=False
    )
    assert seen == [1, 2, 3]
    assert [json.loads(each) for each in path.read_text().splitlines()] == [each.as_dict() for each in history.records]
    assert History.read(path).records == history.records


def test_the_log_is_that_of_the_training_that_runs(linear, tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("of an earlier training\n")
    first, second = EpochRecord(1, 0.5, 0.1, 1.0), EpochRecord(2, 0.4, 0.1, 1.0)
    log = JSONLines(path)
    log.on_train_begin(training_state(linear))
    assert path.read_text() == ""
    log.on_epoch_end(training_state(linear), first)
    log.on_epoch_end(training_state(linear), second)
    # Resumed from a checkpoint that knows one epoch, the line of the second is written again.
    log.on_train_begin(training_state(linear, first))
    log.on_epoch_end(training_state(linear), second)
    assert History.read(path).records == [first, second]


def test_logs_of_a_resumed_training_are_those_of_one_that_was_never_stopped(line, tmp_path, read):
    model = nn.Linear(2, 1)
    for epochs in (2, 5):
        logs = [JSONLines(tmp_path / "metrics.jsonl"), TensorBoard(tmp_path / "board")]
        history = fit(
            model, line, loss=nn.mse_loss, epochs=epochs, seed=0, callbacks=logs, progress=False,
            checkpoint=tmp_path / "checkpoints", resume=True,
        )  # fmt: skip
    assert [record.epoch for record in history.records] == [1, 2, 3, 4, 5]
    assert History.read(tmp_path / "metrics.jsonl").records == history.records
    losses = [value for _, value in scalars(read(tmp_path / "board" / "training"), "loss")]
    assert losses == np.float32(history["loss"]).tolist()


def test_what_is_not_finite_is_null(linear, tmp_path):
    path = tmp_path / "metrics.jsonl"
    JSONLines(path).on_epoch_end(training_state(linear), EpochRecord(1, 0.5, 0.1, 1.0, None, {"r2": math.nan}))
    assert json.loads(path.read_text())["r2"] is None


@pytest.mark.skipif(os.name != "posix", reason="needs /dev/full")
def test_a_full_disk_is_an_error(linear, tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.symlink_to("/dev/full")
    with pytest.raises(CheckpointError, match=r"JSONLines: .* could not be written"):
        JSONLines(path).on_epoch_end(training_state(linear), EpochRecord(1, 0.5, 0.1, 1.0))


def test_a_log_in_no_folder_is_an_error_before_the_first_step(line, linear, tmp_path, state_of, assert_same):
    before = state_of(linear)
    with pytest.raises(CheckpointError, match="cannot write in the folder"):
        fit(linear, line, loss=nn.mse_loss, callbacks=[JSONLines(tmp_path / "none" / "x.jsonl")], progress=False)
    assert_same(state_of(linear), before)


def test_a_path_is_text_or_a_path():
    with pytest.raises(DTypeError, match="JSONLines: the path is 3"):
        JSONLines(3)
    with pytest.raises(DTypeError, match="TensorBoard: the path is None"):
        TensorBoard(None)


# --- TensorBoard ---


def test_tensorboard_reads_losses_metrics_and_learning_rate(line, linear, tmp_path, read):
    history = fit(
        linear, line, loss=nn.mse_loss, epochs=4, validation=0.25, metrics=["mae", "r2"], progress=False,
        callbacks=[TensorBoard(tmp_path / "board")],
    )  # fmt: skip
    assert sorted(each.name for each in (tmp_path / "board").iterdir()) == ["training", "validation"]
    training, validation = read(tmp_path / "board" / "training"), read(tmp_path / "board" / "validation")
    assert sorted(training.Tags()["scalars"]) == ["loss", "lr", "seconds"]
    assert sorted(validation.Tags()["scalars"]) == ["loss", "mae", "r2"]
    for events, tag, name in [
        (training, "loss", "loss"),
        (training, "lr", "lr"),
        (validation, "loss", "val_loss"),
        (validation, "r2", "val_r2"),
    ]:
        expected = list(zip([1, 2, 3, 4], np.float32(history[name]).tolist(), strict=True))
        assert scalars(events, tag) == expected


def test_without_validation_there_is_one_run(line, linear, tmp_path, read):
    fit(linear, line, loss=nn.mse_loss, epochs=2, metrics=["mae"], callbacks=[TensorBoard(tmp_path)], progress=False)
    assert [each.name for each in tmp_path.iterdir()] == ["training"]
    assert "mae" in read(tmp_path / "training").Tags()["scalars"]


def test_histograms_hold_every_weight(tmp_path, read):
    model = nn.Linear(20, 10)
    board = TensorBoard(tmp_path, histograms=True)
    board.on_train_begin(training_state(model))
    board.on_epoch_end(training_state(model), EpochRecord(1, 0.5, 0.1, 1.0))
    board.on_train_end(training_state(model))
    events = read(tmp_path / "training")
    assert sorted(events.Tags()["histograms"]) == ["weights/bias", "weights/weight"]
    found = events.Histograms("weights/weight")[0]
    weights = model.weight.numpy().astype(np.float64)
    assert found.step == 1
    assert found.histogram_value.num == weights.size == sum(found.histogram_value.bucket)
    assert found.histogram_value.min == weights.min()
    assert found.histogram_value.max == weights.max() == found.histogram_value.bucket_limit[-1]
    assert found.histogram_value.sum == pytest.approx(weights.sum())


def test_a_resumed_training_takes_its_epochs_out_of_the_picture(linear, tmp_path, read):
    records = [EpochRecord(epoch, 1.0 / epoch, 0.1, 1.0, 2.0 / epoch) for epoch in (1, 2, 3)]
    board = TensorBoard(tmp_path)
    board.on_train_begin(training_state(linear))
    for each in records:
        board.on_epoch_end(training_state(linear), each)
    board.on_error(training_state(linear), KeyboardInterrupt())
    again = TensorBoard(tmp_path)
    again.on_train_begin(training_state(linear, records[0]))
    again.on_epoch_end(training_state(linear, records[0]), EpochRecord(2, 0.25, 0.1, 1.0, 0.125))
    again.on_train_end(training_state(linear))
    assert scalars(read(tmp_path / "training"), "loss") == [(1, 1.0), (2, 0.25)]
    assert scalars(read(tmp_path / "validation"), "loss") == [(1, 2.0), (2, 0.125)]


def test_a_folder_that_cannot_be_made_is_an_error_before_the_first_step(line, linear, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="TensorBoard: cannot write in"):
        fit(linear, line, loss=nn.mse_loss, callbacks=[TensorBoard(tmp_path / "file")], progress=False)


def test_without_the_package_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(LaminaError, match=r"pip install 'lamina\[tensorboard\]'"):
        la.training.TensorBoard(tmp_path)
