"""Schedules that count steps, and trainings that end in time."""

import time

import numpy as np
import pytest

import lamina as la
from lamina import nn, optim
from lamina.errors import DataError
from lamina.optim import lr_scheduler
from lamina.training import Callback, fit

N = 52
INPUTS = np.random.default_rng(0).normal(size=(N, 4)).astype(np.float32)
VALUES = np.sin(INPUTS.sum(axis=1, keepdims=True))
STEPS = 7  # of an epoch


def network():
    with la.random.use_generator(la.random.Generator(5)):
        return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))


SCHEDULES = {
    "one cycle": lambda o: optim.OneCycleLR(o, max_lr=0.2, total_steps=3 * STEPS, cycle_momentum=False),
    "cosine": lambda o: optim.CosineAnnealingLR(o, T_max=3 * STEPS),
    "warm-up": lambda o: lr_scheduler.SequentialLR(
        o, [optim.LinearLR(o, start_factor=0.1, total_iters=5), optim.ExponentialLR(o, gamma=0.9)], milestones=[5]
    ),
    "chained": lambda o: optim.ChainedScheduler([optim.ConstantLR(o, 0.5), optim.ExponentialLR(o, 0.95)]),
    "own": lambda o: optim.LambdaLR(o, lambda step: 1.0 / (1.0 + step)),
}


def trained(make, per, compiled, callbacks=(), **options):
    model = network()
    weights = [each for each in model.parameters() if each.ndim == 2]
    biases = [each for each in model.parameters() if each.ndim == 1]
    sgd = optim.SGD([{"params": weights}, {"params": biases, "lr": 0.05}], lr=0.1, momentum=0.9)
    schedule = make(sgd)
    options = {"epochs": 3, "batch_size": 8, "seed": 0, "progress": False, "compile": compiled, **options}
    history = fit(model, (INPUTS, VALUES), loss=nn.mse_loss, optimizer=sgd, scheduler=schedule, schedule_per=per,
                  callbacks=callbacks, **options)  # fmt: skip
    return history, [each.numpy() for each in model.parameters()], schedule, sgd


class Watch(Callback):
    """Keeps the learning rates after every step, and advances a schedule by hand if it is given one."""

    def __init__(self, schedule=None):
        self.rates, self.schedule = [], schedule

    def on_batch_end(self, state):
        if self.schedule is not None:
            self.schedule.step()
        self.rates.append([group["lr"].item() for group in state.optimizer.param_groups])


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_that_counts_steps_is_as_one_advanced_by_hand(name, compiled):
    watch = Watch()
    _, weights, schedule, sgd = trained(SCHEDULES[name], "step", compiled, [watch])
    assert schedule.last_epoch == len(watch.rates) == 3 * STEPS
    by_hand = Watch()

    def made(optimizer):
        by_hand.schedule = SCHEDULES[name](optimizer)
        return optim.ConstantLR(optim.SGD([la.variable([1.0])]), 1.0)

    _, expected, _, _ = trained(made, "epoch", False, [by_hand])
    np.testing.assert_allclose(watch.rates, by_hand.rates, rtol=1e-6)
    for found, wanted in zip(weights, expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-6)
    assert schedule.get_last_lr() == pytest.approx([group["lr"].item() for group in sgd.param_groups])


@pytest.mark.parametrize("name", SCHEDULES)
def test_without_a_listener_it_is_the_same(name):
    _, weights, schedule, sgd = trained(SCHEDULES[name], "step", True)
    _, expected, other, _ = trained(SCHEDULES[name], "step", False)
    assert schedule.state_dict() == other.state_dict()
    assert schedule.get_last_lr() == pytest.approx([group["lr"].item() for group in sgd.param_groups])
    for found, wanted in zip(weights, expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-6)


def test_steps_of_accumulated_batches_are_what_is_counted():
    _, _, schedule, _ = trained(SCHEDULES["cosine"], "step", True, accumulate=3)
    assert schedule.last_epoch == 3 * 3


def test_a_cycle_of_momentum_is_followed_step_by_step():
    def cycle(optimizer):
        return optim.OneCycleLR(optimizer, max_lr=0.2, total_steps=3 * STEPS + 1)

    _, _, schedule, sgd = trained(cycle, "step", False)
    assert schedule.last_epoch == 3 * STEPS
    assert sgd.param_groups[0]["momentum"] == pytest.approx(0.95)


def test_a_schedule_that_counts_epochs_is_advanced_at_their_end():
    history, _, schedule, _ = trained(lambda o: optim.StepLR(o, step_size=1, gamma=0.5), "epoch", True)
    assert history["lr"] == [pytest.approx(rate) for rate in (0.1, 0.05, 0.025)]
    assert schedule.last_epoch == 3


@pytest.mark.parametrize(
    ("message", "make", "per"),
    [
        ('schedule_per is \'batch\'; use "epoch" or "step"', SCHEDULES["own"], "batch"),
        ("ReduceLROnPlateau waits for the loss of an epoch", optim.ReduceLROnPlateau, "step"),
    ],
)
def test_what_cannot_be_counted_is_an_error(message, make, per):
    with pytest.raises(DataError, match=message):
        trained(make, per, False)


# --- time ---


@pytest.mark.parametrize("compiled", [False, True])
def test_training_stops_when_its_time_is_up(compiled):
    model, began = network(), time.perf_counter()
    history = fit(model, (INPUTS, VALUES), loss=nn.mse_loss, epochs=10**6, batch_size=8, max_seconds=0.3,
                  progress=False, compile=compiled)  # fmt: skip
    assert time.perf_counter() - began > 0.3
    assert history.stopped == "0.3 seconds were up"
    assert not history.interrupted
    assert 0 < len(history.records) < 10**6


def test_what_compiling_takes_is_not_taken_from_the_time_of_a_training(monkeypatch):
    from lamina.compiler import compiled_function

    traced = compiled_function.trace

    def slowly(*arguments, **options):
        time.sleep(0.5)
        return traced(*arguments, **options)

    monkeypatch.setattr(compiled_function, "trace", slowly)
    history = fit(network(), (INPUTS, VALUES), loss=nn.mse_loss, epochs=10**6, batch_size=8, max_seconds=0.3,
                  progress=False, compile=True)  # fmt: skip
    assert history.stopped == "0.3 seconds were up"
    assert len(history.records) > 1


def test_time_that_is_not_up_changes_nothing():
    history, weights, _, _ = trained(SCHEDULES["cosine"], "epoch", False, max_seconds=1e6)
    _, expected, _, _ = trained(SCHEDULES["cosine"], "epoch", False)
    assert history.stopped == ""
    for found, wanted in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
