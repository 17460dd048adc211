"""The learning-rate finder: it finds a rate that trains, and leaves everything as it was."""

import numpy as np
import pytest

import lamina as la
from lamina import nn, optim
from lamina.errors import DataError
from lamina.training import LearningRates, find_lr, fit

X = np.random.default_rng(0).normal(size=(256, 4)).astype(np.float32)
Y = np.sin(X.sum(axis=1, keepdims=True))


def network():
    with la.random.use_generator(la.random.Generator(5)):
        return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))


@pytest.mark.parametrize("optimizer", [optim.SGD, optim.Adam])
def test_the_suggestion_trains_better_than_rates_far_from_it(optimizer):
    model = network()
    found = find_lr(model, (X, Y), loss=nn.mse_loss, optimizer=optimizer(model.parameters(), lr=0.5), seed=0)

    def last_loss(rate):
        fresh = network()
        chosen = optimizer(fresh.parameters(), lr=rate)
        return fit(fresh, (X, Y), loss=nn.mse_loss, optimizer=chosen, epochs=10, seed=0, progress=False)["loss"][-1]

    suggested = last_loss(found.suggestion)
    assert suggested < 0.8 * last_loss(found.suggestion / 30)
    assert suggested < 0.8 * last_loss(found.suggestion * 30 if optimizer is optim.Adam else found.suggestion / 100)


def test_rates_grow_by_the_same_factor_until_the_loss_has_grown():
    model = network()
    options = {"lowest": 1e-4, "highest": 1e4, "steps": 80, "seed": 0}
    found = find_lr(model, (X, Y), loss=nn.mse_loss, optimizer=optim.SGD(model.parameters(), lr=0.1), **options)
    assert len(found.rates) == len(found.losses) < 80
    np.testing.assert_allclose(np.diff(np.log(found.rates)), np.log(1e8) / 79, rtol=1e-6)
    assert found.smoothed[-1] > 2 * found.smoothed.min()


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("highest", [1.0, 1e30])
def test_model_optimiser_and_schedule_are_as_they_were(compiled, highest):
    model = network().eval()
    optimizer = optim.Adam(model.parameters(), lr=0.2)
    fit(model, (X, Y), loss=nn.mse_loss, optimizer=optimizer, epochs=1, progress=False)
    weights, state = model.state_dict(), optimizer.state_dict()
    find_lr(model, (X, Y), loss=nn.mse_loss, optimizer=optimizer, highest=highest, steps=30, compile=compiled)
    for before, after in ((weights, model.state_dict()), (state, optimizer.state_dict())):
        assert before.keys() == after.keys()
        for name in before:
            np.testing.assert_array_equal(np.asarray(after[name]), np.asarray(before[name]))
    assert not model.training


def test_an_error_on_the_way_leaves_the_model_as_it_was():
    calls = []

    def loss(outputs, targets):
        calls.append(1)
        if len(calls) > 20:
            raise DataError("enough")
        return nn.mse_loss(outputs, targets)

    model = network()
    before = model[0].weight.numpy()
    with pytest.raises(DataError, match="enough"):
        find_lr(model, (X, Y), loss=loss, compile=False, batch_size=16)
    np.testing.assert_array_equal(model[0].weight.numpy(), before)


@pytest.mark.parametrize("options", [{}, {"accumulate": 2, "mixup": 0.2}, {"compile": True}])
def test_the_same_seed_gives_the_same_losses(options):
    runs = [find_lr(network(), (X, Y), loss=nn.mse_loss, seed=3, steps=20, **options) for _ in range(2)]
    assert runs[0] == runs[1]


def test_compiled_and_not_it_finds_the_same():
    runs = [find_lr(network(), (X, Y), loss=nn.mse_loss, seed=3, highest=1.0, compile=way) for way in (False, True)]
    np.testing.assert_allclose(runs[0].losses, runs[1].losses, rtol=1e-3)


@pytest.mark.parametrize(("centre", "expected"), [(0.01, 0.01), (0.5, 0.1)])
def test_the_suggestion_is_where_half_of_the_fall_is_reached_or_a_tenth_of_the_lowest(centre, expected):
    """A fall around the centre, and a rise from 1 on."""
    rates = np.geomspace(1e-7, 10.0, 5000)
    falling = 1.0 / (1.0 + (rates / centre) ** 3)
    losses = falling + 100.0 * np.maximum(rates - 1.0, 0.0)
    assert LearningRates(tuple(rates), tuple(losses)).suggestion == pytest.approx(expected, rel=0.2)


def test_it_is_drawn(tmp_path):
    found = find_lr(network(), (X, Y), loss=nn.mse_loss, seed=0)
    figure = found.plot(tmp_path / "rates.png")
    assert figure.axes[0].get_xscale() == "log"
    assert (tmp_path / "rates.png").read_bytes().startswith(b"\x89PNG")
    assert repr(found).startswith("LearningRates(")


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("to grow from 1 to 0.1", {"lowest": 1, "highest": 0.1}),
        ("to grow from 0 to 1", {"lowest": 0, "highest": 1}),
        ("4 steps say nothing", {"steps": 4}),
        ("epochs changes nothing in a step", {"epochs": 3}),
        ("diverges within 5 steps", {"lowest": 1e20, "highest": 1e30, "optimizer": optim.SGD}),
    ],
)
def test_what_finds_nothing_is_an_error(message, options):
    model = network()
    if "optimizer" in options:
        options = {**options, "optimizer": options["optimizer"](model.parameters(), lr=0.1)}
    with pytest.raises(DataError, match=message):
        find_lr(model, (X, Y), loss=nn.mse_loss, seed=0, **options)
    with pytest.raises(DataError, match="did not fall"):
        _ = LearningRates((0.1, 0.2, 0.3), (1.0, 2.0, 3.0)).suggestion
