"""Several inputs and several targets: a tuple or a dict of arrays goes through all of `fit` as one array does."""

from functools import partial

import numpy as np
import pytest

import lamina as la
from lamina import nn, optim
from lamina.errors import DataError, DTypeError
from lamina.training import Callback, cross_validate, evaluate, find_lr, fit, metrics, predict

N = 44
RANDOM = np.random.default_rng(0)
NUMBERS, WORDS = RANDOM.normal(size=(N, 3)).astype(np.float32), RANDOM.integers(0, 5, (N, 2))
VALUE = (NUMBERS.sum(axis=1, keepdims=True) + WORDS[:, :1] / 3.0).astype(np.float32)
LABEL = (WORDS.sum(axis=1) % 3).astype(np.int64)


class Both(nn.Module):
    """A network of numbers and words, which answers with a value and with logits."""

    def __init__(self):
        with la.random.use_generator(la.random.Generator(2)):
            self.table = nn.Embedding(5, 2)
            self.hidden = nn.Linear(3 + 4, 8)
            self.value, self.label = nn.Linear(8, 1), nn.Linear(8, 3)

    def __call__(self, numbers, words):
        table = self.table(words).reshape(words.shape[0], 4)
        hidden = self.hidden(la.concat([numbers, table], axis=1)).tanh()
        return self.value(hidden), self.label(hidden)


def both_losses(outputs, targets, reduction="mean"):
    value, label = targets
    error = nn.mse_loss(outputs[0], value, reduction=reduction)
    return (error if reduction == "mean" else error[:, 0]) + nn.cross_entropy(outputs[1], label, reduction=reduction)


class Joined(nn.Module):
    """The same network of one array that holds all inputs; words are numbers in it."""

    def __init__(self):
        self.inner = Both()

    def __call__(self, x):
        return la.concat(self.inner(x[:, :3], x[:, 3:].astype("int64")), axis=1)


def joined_losses(outputs, targets, reduction="mean"):
    label = targets[:, 1].astype("int64")
    return both_losses((outputs[:, :1], outputs[:, 1:]), (targets[:, :1], label), reduction)


TUPLE = (NUMBERS, WORDS), (VALUE, LABEL)
JOINED = np.concatenate([NUMBERS, WORDS], axis=1), np.column_stack([VALUE, LABEL])


ADAM = partial(optim.Adam, lr=0.02)


def trained(model, data, loss, optimizer=ADAM, **options):
    history = fit(model, data, loss=loss, optimizer=optimizer(model.parameters()),
                  **{"epochs": 3, "batch_size": 8, "seed": 1, "progress": False, **options})  # fmt: skip
    return history, {name: value.numpy() for name, value in model.state_dict().items()}


OPTIONS = {
    "plain": {},
    "validated": {"validation": 0.25, "early_stopping": 1},
    "weighed": {"sample_weight": np.linspace(0.0, 2.0, N)},
    "accumulated": {"accumulate": 2, "ema": 0.9, "clip_norm": 1.0},
    "in order": {"shuffle": False, "l2": 0.01},
}


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", OPTIONS)
def test_two_inputs_and_targets_train_as_one_array_that_holds_both(name, compiled):
    options = {**OPTIONS[name], "compile": compiled}
    history, weights = trained(Both(), TUPLE, both_losses, **options)
    expected, joined = trained(Joined(), JOINED, joined_losses, **options)
    assert history.keys() == expected.keys()
    for key in history.keys() - {"seconds"}:
        np.testing.assert_allclose(history[key], expected[key], rtol=1e-4, err_msg=key)
    for key, value in weights.items():
        np.testing.assert_allclose(value, joined[f"inner.{key}"], rtol=1e-3, atol=1e-5, err_msg=key)


@pytest.mark.parametrize("compiled", [False, True])
def test_two_inputs_and_targets_train_as_in_pytorch(compiled):
    torch = pytest.importorskip("torch")
    ours = Both()
    theirs = {name: torch.tensor(value.numpy(), requires_grad=True) for name, value in ours.state_dict().items()}

    def their_loss(rows):
        numbers, words = torch.tensor(NUMBERS[rows]), torch.tensor(WORDS[rows])
        x = torch.cat([numbers, theirs["table.weight"][words].reshape(-1, 4)], dim=1)
        x = torch.tanh(x @ theirs["hidden.weight"].T + theirs["hidden.bias"])
        value, label = (x @ theirs[f"{name}.weight"].T + theirs[f"{name}.bias"] for name in ("value", "label"))
        error = torch.nn.functional.mse_loss(value, torch.tensor(VALUE[rows]))
        return error + torch.nn.functional.cross_entropy(label, torch.tensor(LABEL[rows]))

    optimizer = torch.optim.SGD(theirs.values(), lr=0.05)
    losses = []
    for _ in range(3):
        total = 0.0
        for first in range(0, N, 8):
            rows = slice(first, min(first + 8, N))
            optimizer.zero_grad()
            loss = their_loss(rows)
            loss.backward()
            optimizer.step()
            total += loss.item() * (rows.stop - first)
        losses.append(total / N)
    history, weights = trained(ours, TUPLE, both_losses, partial(optim.SGD, lr=0.05), shuffle=False, compile=compiled)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-4)
    for name, value in weights.items():
        np.testing.assert_allclose(value, theirs[name].detach().numpy(), rtol=1e-3, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_dict_of_inputs_reaches_the_model_by_name_in_any_order(compiled):
    named = {"words": WORDS, "numbers": la.asarray(NUMBERS)}, TUPLE[1]
    (history, weights), (expected, others) = (
        trained(Both(), data, both_losses, compile=compiled) for data in (named, TUPLE)
    )
    assert history["loss"] == expected["loss"]
    assert all(np.array_equal(weights[name], others[name]) for name in weights)


def test_trees_within_trees_reach_model_and_loss_as_they_were_given():
    class Nested(nn.Module):
        def __init__(self):
            self.scale = nn.Linear(2, 1)

        def __call__(self, pair, extra):
            return {"sum": self.scale(pair[0] + pair[1]["b"]), "extra": extra}

    def loss(outputs, targets):
        assert set(targets) == {"y"}
        return nn.mse_loss(outputs["sum"], targets["y"]) + 0.0 * outputs["extra"].sum()

    rows = np.ones((6, 2))
    data = {"pair": (rows, {"b": rows}), "extra": rows}, {"y": np.ones((6, 1))}
    assert fit(Nested(), data, loss=loss, epochs=2, batch_size=4, progress=False)["loss"][-1] >= 0.0
    answers = predict(Nested(), data[0], batch_size=4)
    assert answers["sum"].shape == (6, 1)
    np.testing.assert_array_equal(answers["extra"].numpy(), rows)


def test_steps_of_several_inputs_run_many_in_one_native_call():
    class Calls(Callback):
        def __init__(self):
            self.count = 0

        def on_progress(self, state):
            self.count += 1

    calls = Calls()
    with la.random.use_generator(la.random.Generator(0)):
        many = la.random.normal((4000, 3)), la.random.integers((4000, 2), 0, 5)
    data = many, (la.zeros((4000, 1)), la.zeros((4000,), dtype="int64"))
    fit(Both(), data, loss=both_losses, batch_size=8, epochs=3, compile=True, callbacks=[calls], progress=False)
    assert calls.count < 1000  # of 1500 steps


def test_a_training_on_several_inputs_goes_on_to_the_same_bits(tmp_path):
    whole, weights = trained(Both(), TUPLE, both_losses, epochs=4, compile=True)
    trained(Both(), TUPLE, both_losses, epochs=2, compile=True, checkpoint=tmp_path)
    resumed, others = trained(Both(), TUPLE, both_losses, epochs=4, compile=True, checkpoint=tmp_path, resume=True)
    assert resumed["loss"] == whole["loss"]
    assert all(np.array_equal(weights[name], others[name]) for name in weights)


def test_a_training_does_not_go_on_with_another_of_its_inputs(tmp_path):
    trained(Both(), TUPLE, both_losses, epochs=1, checkpoint=tmp_path)
    other = (NUMBERS, (WORDS + 1) % 5), TUPLE[1]
    with pytest.raises(la.errors.CheckpointError, match=r"inputs\[1\]: int64 \[44, 2\], checksum"):
        trained(Both(), other, both_losses, epochs=2, checkpoint=tmp_path, resume=True)


def test_mixing_draws_the_same_for_several_inputs_as_for_one():
    model = nn.Bilinear(2, 2, 1)
    state = model.state_dict()

    class OfOne(nn.Module):
        def __init__(self):
            self.inner = nn.Bilinear(2, 2, 1)

        def __call__(self, x):
            return self.inner(x[:, :2], x[:, 2:])

    single = OfOne()
    single.inner.load_state_dict(state)
    x = RANDOM.normal(size=(N, 4))
    y = x.sum(axis=1, keepdims=True)
    options = {"loss": nn.mse_loss, "mixup": 0.3, "epochs": 2, "seed": 4, "progress": False}
    found = fit(model, ((x[:, :2], x[:, 2:]), y), **options)
    np.testing.assert_allclose(found["loss"], fit(single, (x, y), **options)["loss"], rtol=1e-5)


def label_accuracy(outputs, targets):
    return metrics.METRICS["accuracy"].function(outputs[1], targets[1])


def test_metrics_are_functions_of_all_outputs_and_targets():
    model = Both()
    logits = model(la.asarray(NUMBERS), la.asarray(WORDS))[1].numpy()
    measured = evaluate(model, TUPLE, loss=both_losses, metrics=[label_accuracy], batch_size=10)
    assert measured["label_accuracy"] == pytest.approx(np.mean(logits.argmax(axis=1) == LABEL))
    history = fit(model, TUPLE, loss=both_losses, metrics=[label_accuracy], validation=0.5, epochs=1, progress=False)
    assert "val_label_accuracy" in history
    for name in ("accuracy", "mse", "perplexity"):
        with pytest.raises(DataError, match=f"{name}: the outputs are of type tuple"):
            evaluate(model, TUPLE, metrics=[name])


def test_answers_to_all_samples_are_joined_output_by_output():
    model = Both()
    expected = model(la.asarray(NUMBERS), la.asarray(WORDS))
    for inputs in (TUPLE[0], {"numbers": NUMBERS, "words": WORDS}):
        for found, wanted in zip(predict(model, inputs, batch_size=10), expected, strict=True):
            np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-6)


def test_folds_and_learning_rates_take_several_inputs():
    def prepare(inputs, held_out):
        mean = inputs[0].mean(axis=0)
        return (inputs[0] - mean, inputs[1]), (held_out[0] - mean, held_out[1])

    scores = cross_validate(Both, TUPLE, loss=both_losses, folds=2, epochs=1, seed=0, prepare=prepare)
    assert len(scores.scores["loss"]) == 2
    assert len(find_lr(Both(), TUPLE, loss=both_losses, steps=10, seed=0).losses) <= 10


X, Y = np.ones((6, 2)), np.ones((6, 1))


@pytest.mark.parametrize(
    ("error", "message", "data", "options"),
    [
        (DataError, r"6 inputs .* for 5 inputs \(shape \[5, 2\]\)", ((X, X[:5]), Y), {}),
        (DataError, r"6 inputs .* for 5 targets", ((X, X), (Y, Y[:5])), {}),
        (DataError, "a list is one array: several arrays are a tuple or a dict", ([X, X], Y), {}),
        (DataError, "ragged.*several arrays are a tuple or a dict", ([X, X[:, :1]], Y), {}),
        (DataError, "empty tuple", ((), Y), {}),
        (DataError, "empty dict", ({}, Y), {}),
        (DataError, r"inputs\[0\] are a number", ((1.0, 2.0), Y), {}),
        (DataError, r"samples of the inputs\[1\]", ((X, X * np.nan), Y), {}),
        (DataError, r"samples of the inputs.words", ({"numbers": X, "words": X * np.nan}, Y), {}),
        (DTypeError, r"inputs\[1\] are of type <U1, not numbers", ((X, np.array(["a"] * 6)), Y), {}),
        (DataError, r"called \[1, 2\]; the model takes them by name", ({1: X, 2: X}, Y), {}),
        (DataError, "a dict of a, b, and the model takes numbers, words", ({"a": X, "b": X}, Y), {}),
        (DataError, "a tuple of 3, and the model takes numbers, words", ((X, X, X), Y), {}),
        (DataError, "pair .X, Y., got dict", {"X": X, "Y": Y}, {}),
        (DataError, "class_weight is for one array of targets", TUPLE, {"class_weight": "balanced"}),
        (DataError, "mixup is for inputs that are floats", TUPLE, {"mixup": 0.2}),
    ],
)
def test_what_does_not_belong_together_is_an_error_that_says_so(error, message, data, options):
    model = Both()
    before = model.state_dict()
    with pytest.raises(error, match=message):
        fit(model, data, loss=both_losses, progress=False, **options)
    assert all(np.array_equal(value.numpy(), before[name].numpy()) for name, value in model.state_dict().items())


def test_predict_and_evaluate_say_what_the_model_takes():
    with pytest.raises(DataError, match=r"predict: .* the model takes numbers, words"):
        predict(Both(), (NUMBERS,))
    with pytest.raises(DataError, match=r"evaluate: .* the model takes numbers, words"):
        evaluate(Both(), ({"a": NUMBERS}, VALUE), loss=both_losses)
    with pytest.raises(DataError, match=r"predict: 44 inputs .* for 43 inputs"):
        predict(Both(), (NUMBERS, WORDS[1:]))
