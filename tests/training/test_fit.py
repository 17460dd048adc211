"""`fit`: what it learns, what it repeats, what it sees, and how it ends."""

import math
import os
import signal

import numpy as np
import pytest
from sklearn.datasets import load_digits

import lamina as la
from lamina import nn, optim
from lamina.errors import BackendError, DataError, DTypeError, ShapeError, TrainingDiverged
from lamina.training import Callback, EarlyStopping, fit


class Seen(nn.Module):
    """A model that notes which rows it was given; the first column of the inputs is the number of the row."""

    def __init__(self, inner):
        self.inner = inner
        self.rows = {True: [], False: []}

    def __call__(self, x):
        self.rows[self.training].append(x[:, 0].astype("int64").tolist())
        return self.inner(x)


@pytest.fixture
def numbered():
    return np.stack([np.arange(50.0), np.ones(50)], axis=1), np.zeros((50, 1))


def flat(batches):
    return [row for batch in batches for row in batch]


# --- learning ---


def test_xor_is_learned():
    X, Y = la.asarray([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), la.asarray([[0.0], [1.0], [1.0], [0.0]])
    la.random.seed(0)
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    history = fit(
        model,
        (X, Y),
        loss=nn.binary_cross_entropy_with_logits,
        optimizer=optim.Adam(model.parameters(), lr=0.05),
        epochs=200,
        batch_size=4,
        metrics=["accuracy"],
        progress=False,
    )
    assert history["accuracy"][-1] == 1.0
    assert history["loss"][-1] < 0.05


def test_digits_are_learned():
    images, labels = load_digits(return_X_y=True)
    la.random.seed(0)
    model = nn.MLP(64, [32], 10)
    history = fit(
        model,
        (images[:600] / 16, labels[:600]),
        loss=nn.cross_entropy,
        optimizer=optim.Adam(model.parameters(), lr=0.01),
        epochs=10,
        validation=(images[600:900] / 16, labels[600:900]),
        metrics=["accuracy"],
        seed=0,
        progress=False,
    )
    assert history["val_accuracy"][-1] > 0.9


def test_adam_is_the_default(linear, line):
    assert fit(linear, line, loss=nn.mse_loss, epochs=2, progress=False)["lr"] == pytest.approx([1e-3] * 2)


def test_python_lists_are_data(linear):
    history = fit(linear, ([[0.0, 1.0], [1.0, 0.0]], [[1.0], [2.0]]), loss=nn.mse_loss, epochs=2, progress=False)
    assert len(history.records) == 2


def test_arrays_take_the_type_of_the_model():
    model = nn.Linear(2, 1, dtype="float64")
    X = np.ones((4, 2), np.float32)
    fit(model, (X, X[:, :1]), loss=nn.mse_loss, epochs=1, progress=False)
    assert model.weight.dtype is la.float64


def test_every_backend_trains_alike(line):
    weights = []
    for device in ("cpu", "strict"):
        with la.random.use_generator(la.random.Generator(1)):
            model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Dropout(0.2), nn.Linear(4, 1))
        history = fit(model, line, loss=nn.mse_loss, epochs=3, validation=0.25, seed=0, device=device, progress=False)
        assert model.parameters()[0].device == device
        weights.append([*(w.numpy() for w in model.parameters()), np.array(history["val_loss"])])
    for first, second in zip(*weights, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-7)


# --- repeating ---


def trained_with(seed, line, global_seed=None):
    with la.random.use_generator(la.random.Generator(1)):
        model = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5), nn.Linear(8, 1))
    if global_seed is not None:
        la.random.seed(global_seed)
    fit(model, line, loss=nn.mse_loss, epochs=3, batch_size=8, validation=0.25, seed=seed, progress=False)
    return {name: value.numpy() for name, value in model.state_dict().items()}


def test_the_same_seed_gives_the_same_weights(line, assert_same):
    assert_same(trained_with(3, line, global_seed=1), trained_with(3, line, global_seed=2))


def test_another_seed_gives_other_weights(line):
    assert not np.array_equal(trained_with(3, line)["0.weight"], trained_with(4, line)["0.weight"])


def test_without_a_seed_the_default_generator_decides(line, assert_same):
    assert_same(trained_with(None, line, global_seed=5), trained_with(None, line, global_seed=5))
    assert not np.array_equal(
        trained_with(None, line, global_seed=5)["0.weight"], trained_with(None, line, global_seed=6)["0.weight"]
    )


def test_a_seed_leaves_the_default_generator_alone(line):
    before = la.random.default_generator().counter.item()
    model = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5), nn.Linear(8, 1))
    drawn = la.random.default_generator().counter.item()
    fit(model, line, loss=nn.mse_loss, epochs=1, validation=0.5, seed=0, progress=False)
    assert la.random.default_generator().counter.item() == drawn > before


# --- what it sees ---


@pytest.mark.parametrize("batch_size", [1, 7, 10, 50, 100])
@pytest.mark.parametrize("shuffle", [True, False])
def test_every_epoch_shows_every_sample_once(numbered, batch_size, shuffle, linear):
    model = Seen(linear)
    sgd = optim.SGD(linear.parameters(), lr=0.0)
    fit(model, numbered, loss=nn.mse_loss, optimizer=sgd, epochs=2, batch_size=batch_size, shuffle=shuffle,
        progress=False)  # fmt: skip
    steps = math.ceil(50 / batch_size)
    first, second = (flat(model.rows[True][start : start + steps]) for start in (0, steps))
    assert sorted(first) == sorted(second) == list(range(50))
    assert len(model.rows[True]) == 2 * steps
    assert all(len(batch) == min(batch_size, 50) for batch in model.rows[True][: steps - 1])
    if not shuffle:
        assert first == second == list(range(50))
    elif steps > 1:
        assert first != second


@pytest.mark.parametrize(("share", "held_out"), [(0.2, 10), (0.5, 25), (0.01, 1), (0.97, 48)])
def test_the_validation_share_is_kept_out_of_training(numbered, linear, share, held_out):
    model = Seen(linear)
    fit(model, numbered, loss=nn.mse_loss, epochs=3, batch_size=8, validation=share, progress=False)
    trained, measured = set(flat(model.rows[True])), set(flat(model.rows[False]))
    assert len(measured) == held_out
    assert not trained & measured
    assert trained | measured == set(range(50))


def test_the_validation_share_is_chosen_by_seed(numbered, linear):
    chosen = []
    for seed in (0, 0, 1):
        model = Seen(linear)
        fit(model, numbered, loss=nn.mse_loss, epochs=1, validation=0.2, seed=seed, progress=False)
        chosen.append(sorted(set(flat(model.rows[False]))))
    assert chosen[0] == chosen[1] != chosen[2]
    assert chosen[0] != list(range(10))


def test_losses_are_means_over_samples(numbered, linear):
    X, Y = numbered
    sgd = optim.SGD(linear.parameters(), lr=0.0)
    history = fit(linear, (X, Y), loss=nn.mse_loss, optimizer=sgd, epochs=1, batch_size=15, validation=(X[:7], Y[:7]),
                  progress=False)  # fmt: skip
    squares = linear(la.asarray(X, dtype="float32")).numpy() ** 2
    assert history["loss"] == pytest.approx([squares.mean()], rel=1e-5)
    assert history["val_loss"] == pytest.approx([squares[:7].mean()], rel=1e-5)


def test_dropout_works_in_training_and_not_in_validation(line):
    model = nn.Sequential(nn.Dropout(1.0), nn.Linear(2, 1))
    model[1].bias.assign(np.zeros(1, np.float32))
    sgd = optim.SGD(model.parameters(), lr=0.0)
    history = fit(model, line, loss=nn.mse_loss, optimizer=sgd, epochs=1, validation=line, progress=False)
    assert history["loss"] == pytest.approx([(line[1].numpy() ** 2).mean()], rel=1e-5)
    assert history["val_loss"] != pytest.approx(history["loss"], rel=1e-2)


def test_modes_are_restored(line, linear):
    frozen = nn.Dropout(0.5).eval()
    model = nn.Sequential(linear, frozen)
    fit(model, line, loss=nn.mse_loss, epochs=1, progress=False)
    assert model.training
    assert not frozen.training


def test_metrics_without_validation_are_of_the_training_set(line, linear):
    history = fit(linear, line, loss=nn.mse_loss, epochs=2, metrics=["r2", nn.l1_loss], progress=False)
    assert list(history) == ["epoch", "loss", "r2", "l1_loss", "lr", "seconds"]
    assert history["l1_loss"][-1] == pytest.approx(nn.l1_loss(linear(line[0]), line[1]).item(), rel=1e-6)


def test_metrics_with_validation_are_of_the_validation_set(line, linear):
    history = fit(linear, line, loss=nn.mse_loss, epochs=2, metrics=["mse"], validation=0.2, progress=False)
    assert list(history) == ["epoch", "loss", "val_loss", "val_mse", "lr", "seconds"]
    assert history["val_mse"] == pytest.approx(history["val_loss"], rel=1e-5)


# --- clipping and schedules ---


def test_gradients_are_clipped_to_the_norm(line, linear, state_of):
    before = state_of(linear)
    sgd = optim.SGD(linear.parameters(), lr=1.0)
    fit(linear, line, loss=nn.mse_loss, optimizer=sgd, epochs=1, batch_size=64, clip_norm=1e-3, progress=False)
    after = state_of(linear)
    moved = math.sqrt(sum(((after[name] - before[name]) ** 2).sum() for name in before))
    assert moved == pytest.approx(1e-3, rel=1e-3)


def test_a_schedule_advances_each_epoch(line, linear):
    sgd = optim.SGD(linear.parameters(), lr=0.1)
    schedule = optim.lr_scheduler.ExponentialLR(sgd, gamma=0.5)
    history = fit(linear, line, loss=nn.mse_loss, optimizer=sgd, epochs=3, scheduler=schedule, progress=False)
    assert history["lr"] == pytest.approx([0.1, 0.05, 0.025])


def test_a_plateau_schedule_is_told_the_validation_loss(line, linear):
    def loss(outputs, targets):
        return nn.mse_loss(outputs, targets) * (1.0 if outputs.tracked else 0.0)

    sgd = optim.SGD(linear.parameters(), lr=0.1)
    schedule = optim.lr_scheduler.ReduceLROnPlateau(sgd, factor=0.5, patience=1)
    history = fit(linear, line, loss=loss, optimizer=sgd, epochs=6, scheduler=schedule, validation=line, progress=False)
    assert history["lr"] == pytest.approx([0.1, 0.1, 0.1, 0.05, 0.05, 0.025])


# --- divergence ---


def diverging(good_steps, bad=math.nan):
    """Return a loss that is ``bad`` after so many steps of training."""
    taken = 0

    def loss(outputs, targets):
        nonlocal taken
        if not outputs.tracked:
            return nn.mse_loss(outputs, targets)
        taken += 1
        return nn.mse_loss(outputs, targets) * (1.0 if taken <= good_steps else bad)

    return loss


class Watch(Callback):
    """Keeps the weights after every epoch and step."""

    def __init__(self):
        self.epochs, self.steps, self.losses = [], [], []

    def _state(self, state):
        return {name: value.numpy() for name, value in state.model.state_dict().items()}

    def on_batch_end(self, state):
        self.steps.append(self._state(state))

    def on_epoch_end(self, state, record):
        self.epochs.append(self._state(state))
        self.losses.append(record.loss)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_stops_and_restores_the_best_weights(bad, line, linear, state_of, assert_same):
    watch = Watch()
    sgd = optim.SGD(linear.parameters(), lr=0.1)
    with pytest.raises(TrainingDiverged, match=r"in epoch 4, step 26 .*weights are those of epoch 3") as caught:
        fit(linear, line, loss=diverging(25, bad), optimizer=sgd, epochs=9, batch_size=8, callbacks=[watch],
            progress=False)  # fmt: skip
    assert watch.losses == sorted(watch.losses, reverse=True)
    assert_same(state_of(linear), watch.epochs[2])
    assert len(caught.value.history.records) == 3
    assert "learning rate 0.1" in str(caught.value)
    assert "clip_norm" in str(caught.value)


def test_divergence_in_the_first_epoch_restores_the_weights_before(line, linear, state_of, assert_same):
    before = state_of(linear)
    adam = optim.Adam(linear.parameters())
    with pytest.raises(TrainingDiverged, match="those before training"):
        fit(linear, line, loss=diverging(1), optimizer=adam, batch_size=8, progress=False)
    assert_same(state_of(linear), before)
    # The optimiser's moments are as before too: nothing in them is NaN, so training can start again.
    assert math.isfinite(fit(linear, line, loss=nn.mse_loss, optimizer=adam, epochs=1, progress=False)["loss"][0])


def test_weights_that_diverge_in_the_last_step_are_noticed(line, linear, state_of, assert_same):
    before = state_of(linear)
    sgd = optim.SGD(linear.parameters(), lr=1e38)
    with pytest.raises(TrainingDiverged, match="weights weight hold NaN or infinity"):
        fit(linear, line, loss=lambda o, t: nn.mse_loss(o, t) * 1e6, optimizer=sgd, epochs=1, batch_size=64,
            progress=False)  # fmt: skip
    assert_same(state_of(linear), before)


def test_large_weights_are_no_divergence(line):
    model = nn.Linear(2, 1)
    model.weight.assign(np.full((1, 2), 3e38, np.float32))
    zero = optim.SGD(model.parameters(), lr=0.0)
    X, Y = np.zeros((4, 2)), np.zeros((4, 1))
    assert len(fit(model, (X, Y), loss=nn.mse_loss, optimizer=zero, epochs=1, progress=False).records) == 1


def test_a_validation_loss_that_is_not_finite_stops(line, linear):
    def loss(outputs, targets):
        return nn.mse_loss(outputs, targets) * (1.0 if outputs.tracked else math.nan)

    with pytest.raises(TrainingDiverged, match="validation loss is nan"):
        fit(linear, line, loss=loss, validation=0.5, progress=False)


# --- Ctrl-C ---


class PressCtrlC(Callback):
    def __init__(self, at):
        self.at = at

    def on_batch_end(self, state):
        if state.step == self.at:
            raise KeyboardInterrupt


def test_an_interrupt_keeps_the_weights_of_the_last_step(line, linear, state_of, assert_same):
    watch = Watch()
    history = fit(linear, line, loss=nn.mse_loss, epochs=5, batch_size=8, early_stopping=1,
                  callbacks=[watch, PressCtrlC(11)], progress=False)  # fmt: skip
    assert history.interrupted
    assert "epoch 2" in history.stopped
    assert "step 11" in history.stopped
    assert len(history.records) == 1
    assert_same(state_of(linear), watch.steps[10])


@pytest.mark.skipif(os.name == "nt", reason="signals of another process")
def test_a_signal_waits_for_the_end_of_the_step(line, linear, capsys):
    class Sgd(optim.SGD):
        steps = 0

        def step(self, grads):
            self.steps += 1
            if self.steps == 3:
                os.kill(os.getpid(), signal.SIGINT)
            super().step(grads)
            self.whole = self.steps

    sgd = Sgd(linear.parameters(), lr=0.1)
    history = fit(linear, line, loss=nn.mse_loss, optimizer=sgd, batch_size=8)
    assert history.interrupted
    assert sgd.whole == 3
    assert "stopped: Ctrl-C in epoch 1, after step 3\n" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.skipif(os.name == "nt", reason="signals of another process")
def test_a_second_signal_stops_at_once(line, linear):
    def loss(outputs, targets):
        if outputs.tracked:
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
        return nn.mse_loss(outputs, targets)

    history = fit(linear, line, loss=loss, progress=False)
    assert history.interrupted
    assert "step 0" in history.stopped
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# --- data and arguments that cannot be used ---

X, Y = np.ones((6, 2)), np.ones((6, 1))
HOLES = np.where(np.arange(12).reshape(6, 2) == 5, np.nan, 1.0)


@pytest.mark.parametrize(
    ("error", "message", "data", "options"),
    [
        (DataError, "6 inputs .* for 5 targets", (X, Y[:5]), {}),
        (DataError, "inputs are empty", (X[:0], Y[:0]), {}),
        (DataError, "inputs are empty: shape \\[\\]", (1.0, 2.0), {}),
        (DataError, "1 of 6 samples of the inputs .1 of 2 columns; first sample 2; columns 1", (HOLES, Y), {}),
        (DataError, "6 of 6 samples of the targets", (X, Y * np.inf), {}),
        (DataError, "pair .X, Y., got ndarray of shape \\[6, 2, 1\\]", np.ones((6, 2, 1)), {}),
        (DataError, "pair .X, Y., got int", 3, {}),
        (DataError, "inputs are ragged", ([[1.0], [1.0, 2.0]], [1.0, 2.0]), {}),
        (DTypeError, "inputs are of type .*not numbers", (np.array([["a", "b"]] * 6), Y), {}),
        (DTypeError, "inputs are of type object", (np.array([[None, 1]] * 6), Y), {}),
        (DTypeError, "inputs are float64, the model float32", (la.asarray(X), Y), {}),
        (BackendError, "inputs are on strict, the model on cpu", (la.ones((6, 2), device="strict"), Y), {}),
        (DataError, "epochs is 0", (X, Y), {"epochs": 0}),
        (DataError, "epochs is 1.5", (X, Y), {"epochs": 1.5}),
        (DataError, "batch_size is 0", (X, Y), {"batch_size": 0}),
        (DataError, "validation is 0.0", (X, Y), {"validation": 0.0}),
        (DataError, "validation is 1.0", (X, Y), {"validation": 1.0}),
        (DataError, "validation is -0.1", (X, Y), {"validation": -0.1}),
        (DataError, "leaves none to train on", (X, Y), {"validation": 0.99}),
        (DataError, "6 validation inputs", (X, Y), {"validation": (X, Y[:2])}),
        (DataError, "clip_norm is 0", (X, Y), {"clip_norm": 0.0}),
        (DataError, "clip_norm is nan", (X, Y), {"clip_norm": math.nan}),
        (DataError, "'sharpness' is not known", (X, Y), {"metrics": ["sharpness"]}),
        (DataError, "'mse' is taken", (X, Y), {"metrics": ["mse", "mse"]}),
        (DataError, "write \\['mse'\\]", (X, Y), {"metrics": "mse"}),
        (DataError, "which is not one number", (X, Y), {"metrics": [lambda o, t: o]}),
        (DataError, "progress is 'loud'", (X, Y), {"progress": "loud"}),
        (DataError, "patience is 0", (X, Y), {"early_stopping": 0}),
        (
            DataError,
            "monitors 'val_loss', which is not recorded",
            (X, Y),
            {"early_stopping": EarlyStopping(1, monitor="val_loss")},
        ),
        (DataError, "no callback", (X, Y), {"callbacks": [print]}),
        (DataError, "negative", (X, Y), {"seed": -1}),
        (ShapeError, "shape", (np.ones((6, 3)), Y), {}),
        (ShapeError, "shape", (X, np.ones((6, 2))), {}),
        (ShapeError, "gave shape \\[6, 1\\]", (X, Y), {"loss": lambda o, t: o - t}),
        (DataError, "loss function gave float", (X, Y), {"loss": lambda o, t: 1.0}),
        (ShapeError, "shape", (X, Y), {"validation": (np.ones((6, 3)), Y)}),
    ],
)
def test_what_cannot_be_trained_is_an_error_and_changes_nothing(
    error, message, data, options, linear, state_of, assert_same
):
    before, generator = state_of(linear), la.random.default_generator().counter.item()
    with pytest.raises(error, match=message):
        fit(linear, data, **{"loss": nn.mse_loss, "progress": False, **options})
    assert_same(state_of(linear), before)
    assert la.random.default_generator().counter.item() == generator
    assert linear.training


def test_a_label_out_of_range_in_any_batch_changes_nothing(state_of, assert_same):
    model = nn.Linear(2, 3)
    adam = optim.Adam(model.parameters())
    before, labels = state_of(model), np.arange(60) % 3
    labels[55] = 3
    with pytest.raises(DataError, match="label 3"):
        fit(model, (np.ones((60, 2)), labels), loss=nn.cross_entropy, optimizer=adam, batch_size=4, shuffle=False,
            progress=False)  # fmt: skip
    assert_same(state_of(model), before)


def test_a_model_without_parameters_cannot_be_trained():
    with pytest.raises(DataError, match="no parameters"):
        fit(nn.Identity(), (X, X), loss=nn.mse_loss, progress=False)


def test_an_optimiser_follows_its_model_to_another_device(line, linear):
    adam = optim.Adam(linear.parameters(), lr=0.1)
    first = fit(linear, line, loss=nn.mse_loss, optimizer=adam, epochs=2, progress=False)
    second = fit(linear, line, loss=nn.mse_loss, optimizer=adam, epochs=2, device="strict", progress=False)
    assert linear.weight.device == "strict"
    assert second["loss"][-1] < first["loss"][-1]


def test_a_training_that_never_began_leaves_the_model_where_it_was(line, linear):
    with pytest.raises(ShapeError, match="in_features"):
        fit(linear, (np.ones((4, 5)), np.ones((4, 1))), loss=nn.mse_loss, device="strict", progress=False)
    with pytest.raises(TrainingDiverged):
        fit(linear, line, loss=diverging(0), device="strict", progress=False)
    assert {parameter.device for parameter in linear.parameters()} == {"cpu"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"loss": "mse"}, "loss is 'mse'; give a function"),
        ({"loss": nn.MSELoss}, "loss is .*MSELoss.*; give a function"),
        ({"optimizer": "adam"}, "optimizer is 'adam'; make one"),
        ({"optimizer": optim.Adam}, "optimizer is .*Adam.*; make one"),
        ({"scheduler": "cosine"}, "scheduler is 'cosine'; make one"),
        ({"model": abs}, "derive its class from nn.Module"),
    ],
)
def test_a_name_or_class_in_place_of_the_thing_is_refused(wrong, message, line, linear, state_of, assert_same):
    before = state_of(linear)
    arguments = {"model": linear, "loss": nn.mse_loss, **wrong}
    with pytest.raises(DataError, match=message):
        fit(arguments.pop("model"), line, progress=False, **arguments)
    assert_same(state_of(linear), before)


def test_an_unknown_device_changes_nothing(linear):
    with pytest.raises(BackendError, match="'gpu' is not known"):
        fit(linear, (X, Y), loss=nn.mse_loss, device="gpu", progress=False)
    assert linear.weight.device == "cpu"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"early_stopping": True}, "patience is True"),
        ({"early_stopping": "no"}, "patience is 'no'"),
        ({"clip_norm": "a"}, "clip_norm is 'a'"),
        ({"callbacks": print}, r"callbacks=\[\.\.\.\]"),
    ],
)
def test_options_of_the_wrong_kind_are_refused(options, words, numbered):
    with pytest.raises(DataError, match=words):
        fit(nn.Linear(2, 1), numbered, loss=nn.mse_loss, progress=False, **options)


def test_options_may_be_numpy_numbers(numbered):
    model = nn.Linear(2, 1)
    optimizer = optim.SGD(model.parameters(), lr=np.float32(1e-4))
    options = {"validation": np.float32(0.5), "clip_norm": np.float32(1.0), "early_stopping": np.int64(2)}
    history = fit(model, numbered, loss=nn.mse_loss, optimizer=optimizer, epochs=1, progress=False, **options)
    assert "val_loss" in history
