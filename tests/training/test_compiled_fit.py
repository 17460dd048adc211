"""`fit` with compiled steps: it does what it does without, and says so where it cannot."""

import os
import signal
import threading
import time
from functools import partial

import numpy as np
import pytest

import lamina as la
from lamina import nn, optim
from lamina.errors import BackendError, DataError, TracingError, TrainingDiverged
from lamina.training import Callback, bulk, compiling, fit

N = 52
INPUTS = np.random.default_rng(0).normal(size=(N, 4)).astype(np.float32)
VALUES = np.sin(INPUTS.sum(axis=1, keepdims=True))
LABELS = np.random.default_rng(1).integers(0, 3, N)


@pytest.fixture
def short_calls(monkeypatch):
    """Let native calls take a few steps at most, whatever the machine."""
    monkeypatch.setattr(bulk, "CALL_SECONDS", 1e-5)


def network(outputs=1, dropout=0.0):
    with la.random.use_generator(la.random.Generator(5)):
        return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, outputs))


def trained(compiled, targets=VALUES, loss=nn.mse_loss, outputs=1, dropout=0.0, optimizer=optim.Adam, **options):
    """Train, and return the history, the weights, and the state of the optimiser."""
    model = network(outputs, dropout)
    chosen = optimizer(model.parameters())
    options = {"epochs": 3, "batch_size": 8, "seed": 3, "progress": False, **options}
    history = fit(model, (INPUTS, targets), loss=loss, optimizer=chosen, compile=compiled, **options)
    state = {name: value.numpy() for name, value in chosen.state_dict().items() if isinstance(value, la.Tensor)}
    return history, {name: value.numpy() for name, value in model.state_dict().items()}, state


def assert_as_without(**options):
    """Training with and without compiled steps comes to the same."""
    (history, weights, state), (expected, *expected_arrays) = trained(True, **options), trained(False, **options)
    assert history.keys() == expected.keys()
    for name in expected.keys() - {"seconds"}:
        np.testing.assert_allclose(history[name], expected[name], rtol=1e-4, err_msg=name)
    for found, wanted in zip((weights, state), expected_arrays, strict=True):
        assert found.keys() == wanted.keys()
        for name in wanted:
            np.testing.assert_allclose(found[name], wanted[name], rtol=1e-3, atol=1e-5, err_msg=name)


OPTIMIZERS = [
    partial(optim.SGD, lr=0.05, momentum=0.9, nesterov=True),
    optim.Adam,
    partial(optim.AdamW, lr=0.01),
    optim.AMSGrad,
    optim.NAdam,
    optim.RAdam,
    partial(optim.RMSprop, centered=True),
    optim.Adagrad,
    optim.LAMB,
]


def muon_of_matrices(params):
    return optim.Muon([each for each in params if each.ndim == 2], lr=0.01)


@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, muon_of_matrices])
def test_compiled_steps_train_as_others_with_every_optimiser(optimizer):
    assert_as_without(optimizer=optimizer)


@pytest.mark.parametrize(
    ("loss", "targets", "outputs"),
    [
        (nn.l1_loss, VALUES, 1),
        (nn.huber_loss, VALUES, 1),
        (nn.binary_cross_entropy_with_logits, (VALUES > 0).astype(np.float32), 1),
        (nn.cross_entropy, LABELS, 3),
        (partial(nn.cross_entropy, label_smoothing=0.1), LABELS, 3),
    ],
)
def test_compiled_steps_train_as_others_with_every_loss(loss, targets, outputs):
    assert_as_without(loss=loss, targets=targets, outputs=outputs, metrics=["accuracy"] if outputs > 1 else ["mae"])


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch_size", [1, 13, 20, N - 1, N, 2 * N])
def test_compiled_steps_take_the_same_batches(batch_size, shuffle):
    assert_as_without(batch_size=batch_size, shuffle=shuffle)


@pytest.mark.parametrize("options", [{"dropout": 0.4}, {"clip_norm": 0.1}, {"validation": 0.3, "dropout": 0.2}])
def test_compiled_steps_draw_and_clip_as_others(options):
    assert_as_without(**options)


def test_schedules_and_early_stopping_act_on_compiled_steps():
    def run(compiled):
        model = network()
        sgd = optim.SGD(model.parameters(), lr=0.5)
        schedule = optim.StepLR(sgd, step_size=2, gamma=0.5)
        return fit(model, (INPUTS, VALUES), loss=nn.mse_loss, optimizer=sgd, epochs=30, batch_size=8, seed=0,
                   validation=0.4, early_stopping=3, scheduler=schedule, progress=False, compile=compiled)  # fmt: skip

    found, expected = run(True), run(False)
    assert [record.lr for record in found.records] == [record.lr for record in expected.records]
    assert found.stopped == expected.stopped
    np.testing.assert_allclose(found["val_loss"], expected["val_loss"], rtol=1e-4)


class Watch(Callback):
    """Keeps the weights and the loss after every step."""

    def __init__(self):
        self.steps, self.losses, self.samples = [], [], []

    def on_batch_end(self, state):
        self.steps.append(state.model[0].weight.numpy())
        self.losses.append(state.batch_loss)
        self.samples.append(state.samples)


def test_a_callback_sees_the_state_after_every_compiled_step():
    compiled, other = Watch(), Watch()
    trained(True, callbacks=[compiled])
    trained(False, callbacks=[other])
    assert compiled.samples == other.samples
    np.testing.assert_allclose(compiled.losses, other.losses, rtol=1e-4)
    np.testing.assert_allclose(compiled.steps, other.steps, rtol=1e-3, atol=1e-6)


class Progress(Callback):
    def __init__(self):
        self.steps = []

    def on_progress(self, state):
        self.steps.append(state.step)


def test_control_returns_as_seldom_as_the_time_of_a_call_allows(monkeypatch):
    monkeypatch.setattr(bulk, "CALL_SECONDS", 1000.0)
    seldom, often = Progress(), Progress()
    _, weights, _ = trained(True, batch_size=1, epochs=4, callbacks=[seldom])
    monkeypatch.setattr(bulk, "CALL_SECONDS", 0.0)
    _, same, _ = trained(True, batch_size=1, epochs=4, callbacks=[often])
    assert often.steps == [*range(1, 4 * N + 1)]
    assert len(seldom.steps) < 12
    assert seldom.steps[-1] == 4 * N
    # How many steps a call takes is a matter of time, and makes no difference to a single bit.
    for name in weights:
        np.testing.assert_array_equal(weights[name], same[name])


def test_what_a_callback_changes_counts_from_the_next_step():
    class Change(Callback):
        def on_batch_end(self, state):
            state.optimizer.lr.assign(0.1 / state.step)
            if state.step == 9:
                state.optimizer.param_groups[0]["momentum"] = 0.5

    assert_as_without(optimizer=partial(optim.SGD, lr=0.1, momentum=0.9), callbacks=[Change()])


# --- how it ends ---


def test_the_step_in_which_the_loss_diverges_is_named():
    samples = np.where(np.arange(N)[:, None] == 37, 3e30, INPUTS).astype(np.float32)
    messages = []
    for compiled in (True, False):
        model = network()
        before = model[0].weight.numpy()
        with pytest.raises(TrainingDiverged) as caught:
            fit(model, (samples, VALUES * 1e25), loss=nn.mse_loss, batch_size=4, shuffle=False, progress=False,
                optimizer=optim.SGD([model[3].weight], lr=1e10), compile=compiled)  # fmt: skip
        messages.append(str(caught.value).partition("(")[0])
        np.testing.assert_array_equal(model[0].weight.numpy(), before)
    assert messages[0] == messages[1]
    assert "epoch 1, step" in messages[0]


@pytest.mark.skipif(os.name == "nt", reason="signals of another process")
def test_an_interrupt_is_noticed_within_a_fifth_of_a_second():
    pressed = []

    def press():
        pressed.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    class Begin(Callback):
        def on_epoch_begin(self, state):
            if state.epoch == 3:
                threading.Timer(0.1, press).start()

    X = np.tile(INPUTS, (2000, 1))
    history = fit(network(), (X, np.tile(VALUES, (2000, 1))), loss=nn.mse_loss, epochs=10_000, batch_size=8,
                  callbacks=[Begin()], progress=False, compile=True)  # fmt: skip
    assert time.perf_counter() - pressed[0] < 0.2
    assert history.interrupted
    assert history.stopped.startswith("Ctrl-C in epoch ")


def test_an_error_in_a_compiled_step_is_the_one_of_the_step_itself(short_calls):
    labels = LABELS.copy()
    labels[45] = 9
    model = network(outputs=3)
    before = model[0].weight.numpy()
    for compiled in (True, False):
        with pytest.raises(DataError, match="label 9 is out of range"):
            fit(model, (INPUTS, labels), loss=nn.cross_entropy, batch_size=4, shuffle=False, progress=False,
                compile=compiled)  # fmt: skip
        np.testing.assert_array_equal(model[0].weight.numpy(), before)


# --- when steps are compiled, and when they cannot be ---


@pytest.fixture
def eager_steps(monkeypatch):
    """Count the steps that run operation by operation."""
    taken = []
    take = bulk.EagerSteps.take

    def counted(self, batch):
        taken.append(len(batch))
        return take(self, batch)

    monkeypatch.setattr(bulk.EagerSteps, "take", counted)
    return taken


@pytest.mark.parametrize(("epochs", "compiled"), [(10, False), (80, True)])
def test_long_trainings_are_compiled_and_short_ones_are_not(epochs, compiled, eager_steps):
    trained("auto", epochs=epochs, batch_size=4)
    assert (len(eager_steps) == 1) is compiled


@pytest.mark.parametrize(("epochs", "compiled"), [(3, False), (20, True)])
def test_weights_that_are_used_at_many_places_weigh_more(epochs, compiled, eager_steps):
    la.random.seed(0)
    layers = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU()]
    model = nn.Sequential(*layers, nn.AvgPool2d(16), nn.Flatten(), nn.Linear(32, 2))
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(64, 1, 16, 16)).astype(np.float32), rng.integers(0, 2, 64)
    fit(model, (images, labels), loss=nn.cross_entropy, epochs=epochs, batch_size=8, progress=False)
    assert (len(eager_steps) == 1) is compiled


@pytest.mark.parametrize("compile", ["auto", False])
def test_a_layer_that_counts_its_calls_is_not_called_to_be_weighed(compile):
    class Counting(nn.Module):
        def __init__(self):
            self.conv, self.calls = nn.Conv1d(1, 1, 3), 0

        def __call__(self, x):
            self.calls += 1
            return self.conv(x).mean(axis=-1)

    model = Counting()
    data = np.zeros((4, 1, 8), np.float32), np.zeros((4, 1), np.float32)
    fit(model, data, loss=nn.mse_loss, epochs=3, batch_size=2, progress=False, compile=compile)
    assert model.calls == 7  # once to see that the shapes fit


def test_the_smaller_last_batch_is_compiled_where_it_comes_often(monkeypatch, eager_steps):
    monkeypatch.setattr(compiling, "PAYS", 30.0)
    monkeypatch.setattr(bulk, "LAST_PAYS", 30.0)
    trained("auto", epochs=20, batch_size=8)
    assert eager_steps == [8, *[4] * 20]
    eager_steps.clear()
    trained("auto", epochs=40, batch_size=8)
    assert eager_steps == [8]


def branching(outputs, targets):
    error = nn.mse_loss(outputs, targets)
    return error * 2 if error > 1 else error


def test_a_loss_that_decides_by_values_is_trained_operation_by_operation(monkeypatch):
    monkeypatch.setattr(compiling, "PAYS", 1.0)
    with pytest.warns(UserWarning, match=r"(?s)operation by operation.*TracingError: bool.*if error > 1") as caught:
        _, weights, _ = trained("auto", loss=branching)
    assert [each.filename for each in caught] == [__file__]
    _, expected, _ = trained(False, loss=branching)
    for name in weights:
        np.testing.assert_array_equal(weights[name], expected[name])


def test_a_step_that_must_be_compiled_and_cannot_be_is_an_error():
    model = network()
    before = model[0].weight.numpy()
    with pytest.raises(TracingError, match="if error > 1"):
        fit(model, (INPUTS, VALUES), loss=branching, progress=False, compile=True)
    np.testing.assert_array_equal(model[0].weight.numpy(), before)


def test_what_a_loss_counts_is_counted_in_every_step(monkeypatch):
    monkeypatch.setattr(compiling, "PAYS", 1.0)
    calls = 0

    def loss(outputs, targets):
        nonlocal calls
        calls += outputs.tracked
        return nn.mse_loss(outputs, targets) * (0.9**calls)

    with pytest.warns(UserWarning, match="stores 'calls'"):
        trained("auto", loss=loss, epochs=2, batch_size=4)
    assert calls == 2 * 13


def test_what_a_layer_counts_is_counted_in_every_step(monkeypatch):
    monkeypatch.setattr(compiling, "PAYS", 1.0)

    class Counting(nn.Module):
        def __init__(self):
            self.inner = network()
            self.calls = 0

        def __call__(self, x):
            # By a name that is only known when it runs.
            setattr(self, "calls", self.calls + self.training)  # noqa: B010
            return self.inner(x)

    model = Counting()
    with pytest.warns(UserWarning, match="changes a setting of the model"):
        fit(model, (INPUTS, VALUES), loss=nn.mse_loss, epochs=2, batch_size=4, progress=False)
    assert model.calls == 2 * 13


def test_settings_that_never_stay_are_not_compiled_again_without_end(monkeypatch):
    monkeypatch.setattr(compiling, "PAYS", 1.0)

    class Cycle(Callback):
        def on_epoch_begin(self, state):
            state.optimizer.param_groups[0]["eps"] = 1e-8 * (1 + state.epoch)

    options = {"optimizer": partial(optim.Adam, lr=0.05), "epochs": 12, "callbacks": [Cycle()]}
    with pytest.warns(UserWarning, match="change again and again"):
        found = trained("auto", **options)
    expected = trained(False, **options)
    np.testing.assert_allclose(found[0]["loss"], expected[0]["loss"], rtol=1e-4)


def test_a_momentum_that_changes_in_every_epoch_is_followed_by_the_program(monkeypatch):
    monkeypatch.setattr(compiling, "PAYS", 1.0)

    class Cycle(Callback):
        def on_epoch_begin(self, state):
            state.optimizer.param_groups[0]["momentum"] = 0.9 - 0.01 * state.epoch

    options = {"optimizer": partial(optim.SGD, lr=0.05, momentum=0.9), "epochs": 12, "callbacks": [Cycle()]}
    found, expected = trained("auto", **options), trained(False, **options)
    np.testing.assert_allclose(found[0]["loss"], expected[0]["loss"], rtol=1e-4)


def test_on_other_devices_steps_are_not_compiled(monkeypatch):
    pytest.importorskip("array_api_strict")
    monkeypatch.setattr(compiling, "PAYS", 1.0)
    fit(network(), (INPUTS, VALUES), loss=nn.mse_loss, epochs=1, device="strict", progress=False)
    with pytest.raises(BackendError, match="compile=True is for models on the cpu"):
        fit(network(), (INPUTS, VALUES), loss=nn.mse_loss, device="strict", progress=False, compile=True)


@pytest.mark.parametrize("value", [None, "always", 2])
def test_a_choice_of_compile_that_there_is_not_is_an_error(value):
    with pytest.raises(DataError, match=r"compile is .*use True, False or"):
        fit(network(), (INPUTS, VALUES), loss=nn.mse_loss, compile=value)


def test_inputs_that_lie_across_memory_are_trained_on_as_others(monkeypatch):
    X = la.asarray(np.ascontiguousarray(INPUTS.T)).T
    weights = []
    for compiled in (True, False):
        model = network()
        fit(model, (X, VALUES), loss=nn.mse_loss, epochs=2, batch_size=8, seed=0, progress=False, compile=compiled)
        weights.append(model[0].weight.numpy())
    np.testing.assert_allclose(*weights, rtol=1e-4, atol=1e-6)


def counting_loss():
    calls = [0]

    def loss(outputs, targets):
        calls[0] += 1
        return nn.mse_loss(outputs, targets) * min(1.0, calls[0] / 10)

    return loss


def noisy_loss():
    noise = np.random.default_rng(0)
    return lambda outputs, targets: nn.mse_loss(outputs + la.asarray(noise.normal(size=(1,)), dtype="float32"), targets)


@pytest.mark.parametrize("make", [counting_loss, noisy_loss])
def test_a_loss_that_python_decides_about_runs_operation_by_operation(monkeypatch, make):
    monkeypatch.setattr(compiling, "PAYS", 0.0)
    with pytest.warns(UserWarning, match="counts, draws or remembers"):
        trained("auto", loss=make())


@pytest.mark.filterwarnings("error")
def test_what_lamina_draws_is_compiled(monkeypatch, eager_steps):
    monkeypatch.setattr(compiling, "PAYS", 0.0)
    monkeypatch.setattr(bulk, "LAST_PAYS", 0.0)
    trained("auto", dropout=0.5)
    assert len(eager_steps) == 1
