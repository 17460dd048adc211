"""Checkpoints in the course of a training: when they are written, what goes on from them, and what is refused."""

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import numpy as np
import pytest

import lamina as la
from lamina import nn, optim
from lamina.errors import CheckpointError, DataError, TrainingDiverged
from lamina.training import Callback, Checkpoints, EarlyStopping, fit
from lamina.training.checkpointing import saving

INPUTS = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
VALUES = INPUTS.sum(axis=1, keepdims=True)


def network(hidden=5, dropout=0.0):
    with la.random.use_generator(la.random.Generator(5)):
        return nn.Sequential(nn.Linear(3, hidden), nn.Tanh(), nn.Dropout(dropout), nn.Linear(hidden, 1))


def trained(checkpoint=None, resume=False, model=None, optimizer=optim.Adam, data=(INPUTS, VALUES), **options):
    """Train for 4 epochs of 3 steps, and return the history and the weights."""
    model = network() if model is None else model
    made = optimizer(model.parameters()) if callable(optimizer) else optimizer
    options = {"loss": nn.mse_loss, "epochs": 4, "batch_size": 8, "seed": 1, "progress": False, **options}
    history = fit(model, data, optimizer=made, checkpoint=checkpoint, resume=resume, **options)
    return history, [each.numpy() for each in model.parameters()]


def assert_same(found, wanted):
    assert found[0]["loss"] == wanted[0]["loss"]
    for mine, theirs in zip(found[1], wanted[1], strict=True):
        np.testing.assert_array_equal(mine, theirs)


def names(checkpoints):
    return [path.stem for path in checkpoints.files()]


@pytest.fixture
def each_epoch(tmp_path):
    return Checkpoints(tmp_path, every_epochs=1, keep=99)


# --- how a training is interrupted ---


class Interrupt(Callback):
    """Does something after a step."""

    def __init__(self, step, action):
        self.step, self.action = step, action

    def on_batch_end(self, state):
        if state.step == self.step:
            self.action(state)


def fail(state):
    raise RuntimeError("the power went")


def pause(state):
    state.request_stop("the time is up", resumable=True)


def press(state):
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("step", range(1, 13))
def test_a_training_that_was_paused_at_any_step_goes_on(step, compiled, tmp_path):
    history, _ = trained(tmp_path, callbacks=[Interrupt(step, pause)], compile=compiled)
    assert history.stopped == "the time is up"
    assert_same(trained(tmp_path, resume=True, compile=compiled), trained(compile=compiled))


@pytest.mark.parametrize("step", range(1, 13))
def test_a_training_that_broke_at_any_step_goes_on_from_its_last_checkpoint(step, each_epoch):
    with pytest.raises(RuntimeError, match="the power went"):
        trained(each_epoch, callbacks=[Interrupt(step, fail)])
    assert len(each_epoch.files()) == (step - 1) // 3
    assert_same(trained(each_epoch, resume=True), trained())


@pytest.mark.skipif(os.name == "nt", reason="signals of another kind")
@pytest.mark.parametrize("step", [1, 3, 7])
def test_an_interrupt_writes_a_checkpoint(step, tmp_path):
    history, _ = trained(tmp_path, callbacks=[Interrupt(step, press)])
    assert history.interrupted
    assert names(Checkpoints(tmp_path)) == [f"epoch-{(step - 1) // 3:06d}-batch-{(step - 1) % 3 + 1:09d}"]
    found = trained(tmp_path, resume=True)
    assert not found[0].interrupted
    assert_same(found, trained())


def test_the_objects_that_were_interrupted_may_go_on_themselves(tmp_path):
    model = network()
    sgd = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = optim.ExponentialLR(sgd, 0.5)
    options = {"model": model, "optimizer": sgd, "scheduler": schedule}
    trained(tmp_path, callbacks=[Interrupt(8, pause)], **options)
    found = trained(tmp_path, resume=True, **options)
    other = network()
    anew = optim.SGD(other.parameters(), lr=0.1, momentum=0.9)
    assert_same(found, trained(model=other, optimizer=anew, scheduler=optim.ExponentialLR(anew, 0.5)))


def test_a_training_may_be_interrupted_again_and_again(tmp_path):
    for step in range(1, 12):
        trained(tmp_path, resume=True, callbacks=[Interrupt(step, pause)])
    assert_same(trained(tmp_path, resume=True), trained())


def test_a_time_limit_is_for_each_part(tmp_path):
    class Slow(Callback):
        def on_batch_end(self, state):
            time.sleep(0.01)

    parts = 0
    while len(Checkpoints(tmp_path).files()) == 0 or not names(Checkpoints(tmp_path))[-1].startswith("epoch-000004"):
        trained(tmp_path, resume=True, max_seconds=0.04, callbacks=[Slow()])
        parts += 1
    assert parts > 1
    assert_same(trained(tmp_path, resume=True), trained())


# --- what is at its end ---


def test_a_training_that_came_to_its_end_is_not_trained_on(tmp_path):
    wanted = trained(tmp_path)
    steps = []
    found = trained(tmp_path, resume=True, callbacks=[Interrupt(13, steps.append)])
    assert_same(found, wanted)
    assert steps == []


def test_what_a_callback_stopped_stays_stopped(tmp_path):
    def enough(state):
        state.request_stop("good enough")

    wanted = trained(tmp_path, callbacks=[Interrupt(5, enough)])
    found = trained(tmp_path, resume=True)
    assert found[0].stopped == wanted[0].stopped == "good enough"
    assert_same(found, wanted)


def test_early_stopping_ends_a_resumed_training_with_the_best_weights(tmp_path):
    options = {"early_stopping": EarlyStopping(1, min_delta=0.5), "epochs": 30}
    wanted = trained(**options)
    trained(tmp_path, callbacks=[Interrupt(5, pause)], **options)
    for _ in range(2):
        found = trained(tmp_path, resume=True, **options)
        assert found[0].stopped == wanted[0].stopped != ""
        assert_same(found, wanted)


def test_more_epochs_go_on_from_the_end(tmp_path):
    trained(tmp_path)
    assert_same(trained(tmp_path, resume=True, epochs=7), trained(epochs=7))


def test_without_a_checkpoint_a_training_begins(tmp_path):
    assert_same(trained(tmp_path / "new", resume=True), trained())


def spoiled(last):
    """Return a loss that is NaN from a step on."""
    calls = [0]

    def loss(outputs, targets):
        calls[0] += outputs.tracked
        return nn.mse_loss(outputs, targets) * (np.nan if calls[0] > last else 1.0)

    return loss


def test_divergence_after_going_on_brings_back_the_best_weights_of_before(tmp_path):
    trained(tmp_path, epochs=2, loss=spoiled(99), compile=False)
    model = network()
    with pytest.raises(TrainingDiverged, match="the weights are those of epoch 2"):
        trained(tmp_path, resume=True, model=model, loss=spoiled(1), compile=False)
    for found, wanted in zip(model.parameters(), trained(epochs=2, compile=False)[1], strict=True):
        np.testing.assert_array_equal(found.numpy(), wanted)


@pytest.mark.parametrize(("last", "words"), [(0, "no step was taken before"), (1, "the loss before was ")])
def test_divergence_says_the_loss_before_if_there_was_one(last, words):
    with pytest.raises(TrainingDiverged, match=words) as caught:
        trained(loss=spoiled(last), compile=False)
    assert "was nan" not in str(caught.value)


# --- callbacks ---


class Counter(Callback):
    """Has a state of every kind that there is."""

    def __init__(self):
        self.steps, self.sum, self.seen = 0, None, []

    def on_batch_end(self, state):
        weight = state.model[0].weight.value
        self.steps += 1
        self.sum = weight if self.sum is None else self.sum + weight
        self.seen.append((state.epoch, float("inf")))

    def state_dict(self):
        return {
            "steps": self.steps,
            "sum": self.sum,
            "array": None if self.sum is None else self.sum.numpy().copy(),
            "seen": list(self.seen),
            "nested": {"truth": True, "text": 'a "quoted" text', "nothing": None},
        }

    def load_state_dict(self, state):
        self.steps, self.sum, self.seen = state["steps"], state["sum"], state["seen"]
        assert state["nested"] == {"truth": True, "text": 'a "quoted" text', "nothing": None}
        assert isinstance(state["array"], np.ndarray)
        state["array"][:] = 0.0  # its own, whatever else was equal to it


@pytest.mark.parametrize("step", [2, 3, 7])
def test_callbacks_go_on_with_their_state(step, tmp_path):
    wanted, found = Counter(), Counter()
    trained(callbacks=[wanted])
    trained(tmp_path, callbacks=[Counter(), Interrupt(step, pause)])
    trained(tmp_path, resume=True, callbacks=[found])
    assert found.steps == wanted.steps == 12
    assert found.seen == wanted.seen
    np.testing.assert_array_equal(found.sum.numpy(), wanted.sum.numpy())


def test_what_a_callback_set_for_an_epoch_is_set_again(tmp_path):
    class Wider(Callback):
        """Changes what no checkpoint holds."""

        def on_epoch_begin(self, state):
            state.model[2].p = 0.1 * state.epoch

    def run(*arguments, **options):
        return trained(*arguments, model=network(dropout=0.1), **options)

    wanted = run(callbacks=[Wider()])
    run(tmp_path, callbacks=[Wider(), Interrupt(8, pause)])
    assert_same(run(tmp_path, resume=True, callbacks=[Wider()]), wanted)


def test_callbacks_are_told_where_the_training_stands(tmp_path):
    class Begin(Callback):
        def on_train_begin(self, state):
            self.stands = state.epoch, state.step, state.samples, len(state.history.records)

    trained(tmp_path, callbacks=[Interrupt(8, pause)])
    begin = Begin()
    trained(tmp_path, resume=True, callbacks=[begin])
    assert begin.stands == (2, 8, 56, 2)


@pytest.mark.parametrize(
    ("first", "then", "words"),
    [
        ([Counter], [], "no Counter here"),
        ([], [Counter], "none of Counter"),
        ([Counter] * 2, [Counter], r"no Counter\.2 here"),
    ],
)
def test_other_callbacks_with_a_state_are_refused(first, then, words, tmp_path):
    trained(tmp_path, epochs=2, callbacks=[make() for make in first])
    with pytest.raises(CheckpointError, match=words):
        trained(tmp_path, resume=True, callbacks=[make() for make in then])


def test_a_state_that_no_file_can_hold_is_named(tmp_path):
    class Odd(Callback):
        def state_dict(self):
            return {"inner": [object()]}

    with pytest.raises(CheckpointError, match="callbacks/Odd/inner/0 is of type object"):
        trained(tmp_path, callbacks=[Odd()])


# --- what is refused ---

OTHER_TRAININGS = {
    "length": ({"data": (INPUTS[:17], VALUES[:17])}, "training.samples: 20 in the checkpoint, 17 here"),
    "values": ({"data": (INPUTS * 2, VALUES)}, "training.inputs: .*checksum"),
    "optimiser": ({"optimizer": optim.SGD}, "optimizer: Adam in the checkpoint, SGD here"),
    "lr": ({"optimizer": partial(optim.Adam, lr=0.5)}, "optimizer.group.0.lr: 0.001 in the checkpoint, 0.5 here"),
    "decay": ({"optimizer": partial(optim.Adam, weight_decay=0.5)}, "optimizer.group.0.weight_decay: 0.0 in the"),
    "batch_size": ({"batch_size": 4}, "batch_size: 8 in the checkpoint, 4 here"),
    "width": ({"model": 6}, r"model.0.weight: float32 \[5, 3\] in the checkpoint, float32 \[6, 3\] here"),
    "seed": ({"seed": 2}, "seed: 1 in the checkpoint, 2 here"),
    "loss": ({"loss": nn.l1_loss}, "loss: mse_loss in the checkpoint, l1_loss here"),
    "order": ({"shuffle": False}, "shuffle: True in the checkpoint, False here"),
    "validation": ({"validation": 0.5}, "validation.samples: 0 in the checkpoint, 10 here"),
    "clipping": ({"clip_norm": 1.0}, "recipe.clip_norm: None in the checkpoint, 1.0 here"),
    "averages": ({"ema": 0.9}, "ema: None in the checkpoint, 0.9 here"),
    "compiled": ({"compile": True}, "compile: auto in the checkpoint, True here"),
    "metrics": ({"metrics": ["mae"]}, "metrics: .*in the checkpoint, .*mae.* here"),
    "schedule": ({"schedule": 0.5}, "schedule.kind: none in the checkpoint, ExponentialLR here"),
}


@pytest.mark.parametrize("what", OTHER_TRAININGS)
def test_another_training_is_refused_and_what_differs_is_named(what, tmp_path):
    trained(tmp_path, epochs=2)
    options, words = OTHER_TRAININGS[what]
    options = dict(options)
    model = network(options.pop("model", 5))
    if "schedule" in options:
        options["optimizer"] = made = optim.Adam(model.parameters())
        options["scheduler"] = optim.ExponentialLR(made, options.pop("schedule"))
    before = [each.numpy() for each in model.parameters()]
    drawn = la.random.default_generator().state_dict()["counter"].item()
    with pytest.raises(CheckpointError, match=words):
        trained(tmp_path, resume=True, model=model, **options)
    for found, wanted in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(found.numpy(), wanted)
    assert la.random.default_generator().state_dict()["counter"].item() == drawn


def test_early_stopping_of_another_kind_is_refused_and_changes_nothing(tmp_path):
    trained(tmp_path, epochs=2, early_stopping=5)
    model = network()
    before = [each.numpy() for each in model.parameters()]
    with pytest.raises(CheckpointError, match=r"patience=5.*patience=7"):
        trained(tmp_path, resume=True, model=model, early_stopping=7)
    for found, wanted in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(found.numpy(), wanted)


def test_checkpoints_of_an_earlier_training_are_not_written_over(tmp_path):
    trained(tmp_path)
    before = names(Checkpoints(tmp_path))
    with pytest.raises(CheckpointError, match=r"up to epoch-000004.*resume=True"):
        trained(tmp_path)
    assert names(Checkpoints(tmp_path)) == before


def test_two_trainings_do_not_write_in_one_folder(tmp_path):
    pytest.importorskip("fcntl")
    caught = []

    class Second(Callback):
        def on_epoch_begin(self, state):
            try:
                trained(tmp_path, resume=True, progress=False)
            except CheckpointError as error:
                caught.append(str(error))

    trained(tmp_path, epochs=1, callbacks=[Second()])
    assert len(caught) == 1
    assert "another training writes in" in caught[0]


def test_resuming_from_nowhere_is_an_error():
    with pytest.raises(DataError, match="resume=True goes on from checkpoints"):
        trained(resume=True)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"cannot write in .*file"):
        trained(tmp_path / "file")


@pytest.mark.parametrize("options", [{"every_epochs": 0}, {"every_epochs": True}, {"every_seconds": 0}, {"keep": 0},
                                     {"keep": None}, {"every_seconds": "soon"}])  # fmt: skip
def test_options_out_of_range_are_refused(options):
    with pytest.raises(DataError, match=next(iter(options))):
        Checkpoints("folder", **options)


def test_a_checkpoint_of_another_version_is_used_with_a_warning(tmp_path, monkeypatch):
    wanted = trained()
    trained(tmp_path, callbacks=[Interrupt(5, pause)])
    monkeypatch.setattr(saving, "versions", lambda: {"lamina": "99", "numpy": "1", "machine": "abacus"})
    with pytest.warns(UserWarning, match="may differ in the last bits") as caught:
        assert_same(trained(tmp_path, resume=True), wanted)
    assert [each.filename for each in caught] == [__file__]


# --- which are kept, and when they are written ---


# So large that the loss goes up and down: the best epoch is neither the first nor the last.
BUMPY = {"optimizer": partial(optim.SGD, lr=0.3, momentum=0.9), "validation": 0.3}


def test_the_newest_and_the_best_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path, every_epochs=1, keep=2)
    history, _ = trained(checkpoints, epochs=8, **BUMPY)
    assert 1 < history.best_epoch < 7
    assert names(checkpoints) == [f"epoch-{epoch:06d}-batch-000000000" for epoch in (history.best_epoch, 7, 8)]


@pytest.mark.parametrize("which", ["best", "newest"])
def test_the_weights_of_a_checkpoint_can_be_used(which, tmp_path):
    history, _ = trained(tmp_path, epochs=8, **BUMPY)
    model = network()
    epoch = Checkpoints(tmp_path).load(model, which)
    assert epoch == {"best": history.best_epoch, "newest": 8}[which]
    # The order of the samples does not depend on how many epochs there are.
    for found, wanted in zip(model.parameters(), trained(epochs=epoch, **BUMPY)[1], strict=True):
        np.testing.assert_array_equal(found.numpy(), wanted)


def test_there_is_nothing_to_load_from_an_empty_folder(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint in"):
        Checkpoints(tmp_path).load(network())


@pytest.mark.parametrize(("every", "epochs"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (9, [5])])
def test_epochs_are_counted_and_the_last_is_always_written(every, epochs, tmp_path):
    checkpoints = Checkpoints(tmp_path, every_epochs=every, keep=99)
    trained(checkpoints, epochs=5)
    assert names(checkpoints) == [f"epoch-{epoch:06d}-batch-000000000" for epoch in epochs]


class Clock:
    """A clock that goes on by itself only when it is told to."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(saving.time, "perf_counter", lambda: self.now)


@pytest.mark.parametrize(
    ("options", "elapsed", "within", "after"),
    [
        ({}, 0.5, False, False),  # twice a hundredth of the time would be less than it costs
        ({}, 1.5, False, True),
        ({}, 301.0, True, True),
        ({"every_seconds": 60}, 59.0, False, False),
        ({"every_seconds": 60}, 61.0, True, True),
        ({"every_epochs": 2}, 1e6, False, True),
    ],
)
def test_it_is_time_to_write(options, elapsed, within, after, monkeypatch):
    clock = Clock(monkeypatch)
    rhythm = saving.Rhythm(Checkpoints("folder", **options))
    clock.now += elapsed
    assert (rhythm.due_within(), rhythm.due_after(2)) == (within, after)


def test_costly_checkpoints_are_written_seldom(monkeypatch):
    clock = Clock(monkeypatch)
    rhythm = saving.Rhythm(Checkpoints("folder"))
    rhythm.wrote(20.0)
    clock.now += 999.0
    assert not rhythm.due_within()
    assert not rhythm.due_after(1)
    clock.now += 2.0
    assert rhythm.due_after(1)


def test_a_full_disk_costs_a_checkpoint_and_not_the_training(each_epoch, monkeypatch):
    wanted = trained()
    writes = []

    def full(operation, path, content):
        writes.append(path)
        if len(writes) in (2, 4):
            raise CheckpointError("no space left on the device")
        path.write_bytes(content)

    monkeypatch.setattr("lamina.training.checkpointing.folder.replace_file", full)
    with pytest.warns(UserWarning, match="a checkpoint is missing: no space left"):
        assert_same(trained(each_epoch), wanted)
    assert [name[:12] for name in names(each_epoch)] == ["epoch-000001", "epoch-000003"]


def test_a_training_without_checkpoints_loads_no_safetensors():
    code = (
        "import sys, lamina as la; from lamina import nn\n"
        "la.fit(nn.Linear(1, 1), ([[1.0]], [[1.0]]), loss=nn.mse_loss, epochs=1, progress=False)\n"
        "assert not any(name.startswith('safetensors') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_in_a_thread_checkpoints_are_written_too(tmp_path):
    thread = threading.Thread(target=lambda: trained(tmp_path))
    thread.start()
    thread.join()
    assert names(Checkpoints(tmp_path)) == ["epoch-000004-batch-000000000"]
