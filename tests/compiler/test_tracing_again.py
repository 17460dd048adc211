"""When a compiled function is traced again, and when not."""

from __future__ import annotations

import random
import sys
import warnings
from argparse import Namespace
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina import nn, optim

pytestmark = pytest.mark.usefixtures("executables")

X = la.asarray([[1.0, 2.0], [3.0, 4.0]])


class Traces:
    """A function that counts how often it is traced."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.count = 0

        def counting(*args: Any, **kwargs: Any) -> Any:
            self.count += 1
            return function(*args, **kwargs)

        self._compiled = la.compile(counting)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._compiled(*args, **kwargs)


ALIKE = {
    "other values": (la.ones((2, 3)), la.zeros((2, 3))),
    "other strides": (la.ones((2, 3)), la.ones((3, 2)).T),
}
DIFFERENT = {
    "shape": (la.ones((2, 3)), la.ones((3, 2))),
    "type": (la.ones(2), la.ones(2, dtype=la.float64)),
    "tracked": (la.ones(2), la.variable(la.ones(2)).value),
    "number": (1.0, 2.0),
    "sign of zero": (0.0, -0.0),
    "kind of number": (1, True),
    "tree": ([la.ones(2)], (la.ones(2),)),
    "text": ("a", "b"),
}


@pytest.mark.parametrize("name", ALIKE)
def test_one_trace_serves_alike_arguments(name: str) -> None:
    f = Traces(lambda x: None)
    for _ in range(2):
        for each in ALIKE[name]:
            f(each)
    assert f.count == 1


@pytest.mark.parametrize("name", DIFFERENT)
def test_different_arguments_have_traces_of_their_own(name: str) -> None:
    f = Traces(lambda x: None)
    for _ in range(2):
        for each in DIFFERENT[name]:
            f(each)
    assert f.count == 2


def test_train_and_eval_have_traces_of_their_own() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    f = Traces(lambda x: model(x))
    for _ in range(3):
        f(X)
        model.eval()
        np.testing.assert_allclose(f(X).numpy(), model(X).numpy(), rtol=1e-6)
        model.train()
    assert f.count == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda model: setattr(model[1], "p", 0.0),
        lambda model: model.append(nn.Tanh()),
        lambda model: setattr(model, "layers", [model[0]]),
        lambda model: model.__class__.__setattr__(model[0], "bias", la.variable([7.0, 7.0])),
    ],
)
def test_a_changed_module_is_traced_again(change: Callable[[Any], None]) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(1.0))
    f = Traces(lambda x: model(x))
    assert f(X).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    change(model)
    np.testing.assert_allclose(f(X).numpy(), model(X).numpy(), rtol=1e-6)
    assert f.count == 2


def test_a_changed_hyperparameter_is_traced_again_and_a_changed_rate_is_not() -> None:
    weights = [la.variable([1.0, 2.0]) for _ in range(2)]
    optimizers = [optim.SGD([w], lr=0.1) for w in weights]

    def step(which: int) -> None:
        optimizers[which].step((weights[which] ** 2).sum().backward())

    compiled = Traces(lambda: step(0))
    traces = []
    for change in (
        lambda o: None,
        lambda o: o.param_groups[0].__setitem__("lr", 0.2),
        lambda o: o.param_groups[0].__setitem__("weight_decay", 0.5),
        lambda o: o.param_groups[0].__setitem__("momentum", 0.9),
    ):
        for optimizer in optimizers:
            change(optimizer)
        compiled()
        step(1)
        compiled()
        step(1)
        np.testing.assert_allclose(weights[0].numpy(), weights[1].numpy(), rtol=1e-5)
        traces.append(compiled.count)
    assert traces == [1, 1, 2, 3]


def test_parameters_added_to_an_optimiser_are_trained() -> None:
    first, second = la.variable(1.0), la.variable(1.0)
    optimizer = optim.SGD([first], lr=0.1)
    step = Traces(lambda: optimizer.step((first * second).backward()))
    step()
    optimizer.add_param_group({"params": [second]})
    step()
    assert second.item() != 1.0


MODEL = nn.Linear(2, 2)


def test_a_name_that_leads_to_another_object_is_traced_again() -> None:
    global MODEL
    f = Traces(lambda x: MODEL(x))
    f(X)
    MODEL = nn.Linear(2, 2)
    np.testing.assert_allclose(f(X).numpy(), MODEL(X).numpy(), rtol=1e-6)

    scale = 2.0
    g = Traces(lambda x: x * scale)
    assert g(X).tolist() == (X * 2).tolist()
    scale = 3.0
    assert g(X).tolist() == (X * 3).tolist()
    scale = 2.0
    assert g(X).tolist() == (X * 2).tolist()
    assert (f.count, g.count) == (2, 2)


def test_what_helpers_and_objects_hold_is_found() -> None:
    class Trainer:
        def __init__(self) -> None:
            self.model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(1.0))

        def apply(self, x: la.Tensor) -> la.Tensor:
            return self.model(x)

        def __call__(self, x: la.Tensor) -> la.Tensor:
            return self.apply(x)

    trainer = Trainer()

    def helper(x: la.Tensor) -> la.Tensor:
        return trainer(x)

    compiled = [Traces(lambda x: helper(x)), Traces(trainer), Traces(trainer.apply)]
    for _ in range(2):
        for f in compiled:
            assert f(X).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    trainer.model.eval()
    for f in compiled:
        np.testing.assert_allclose(f(X).numpy(), trainer.model(X).numpy(), rtol=1e-6)
    trainer.model = nn.Linear(2, 2)
    for f in compiled:
        np.testing.assert_allclose(f(X).numpy(), trainer.model(X).numpy(), rtol=1e-6)
    assert [f.count for f in compiled] == [3, 3, 3]


class _Settings:
    scale = 1.0


@pytest.mark.parametrize(
    ("holder", "read", "put"),
    [
        ({"scale": 1.0}, lambda each: each["scale"], lambda each, scale: each.update(scale=scale)),
        ({"of": {"scale": 1.0}}, lambda each: each["of"]["scale"], lambda each, scale: each["of"].update(scale=scale)),
        (_Settings(), lambda each: each.scale, lambda each, scale: setattr(each, "scale", scale)),
        (_Settings(), lambda each: each.scale, lambda each, scale: setattr(_Settings, "scale", scale)),
        (Namespace(scale=1.0), lambda each: each.scale, lambda each, scale: setattr(each, "scale", scale)),
        (SimpleNamespace(scale=1.0), lambda each: each.scale, lambda each, scale: setattr(each, "scale", scale)),
    ],
    ids=["dict", "dict in a dict", "object", "class", "arguments of a command", "namespace"],
)
def test_settings_are_read_again_when_they_change_wherever_they_are_held(
    holder: Any, read: Callable[[Any], float], put: Callable[[Any, float], None]
) -> None:
    put(holder, 1.0)
    f = Traces(lambda x: x * read(holder))
    for scale in (1.0, 2.0, 3.0):
        put(holder, scale)
        for _ in range(3):
            np.testing.assert_allclose(f(X).numpy(), X.numpy() * scale)
    assert f.count == 3


def test_what_a_function_stores_in_a_dict_is_no_reason_to_trace_it_again() -> None:
    counts = {"calls": 0, "scale": 2.0}

    def counted(x: la.Tensor) -> la.Tensor:
        counts["calls"] += 1
        return x * counts["scale"]

    f = la.compile(counted)
    for _ in range(5):
        f(X)
    assert (counts["calls"], f.traces) == (1, 1)
    counts["scale"] = 3.0
    np.testing.assert_allclose(f(X).numpy(), X.numpy() * 3.0)
    f(X)
    assert (counts["calls"], f.traces) == (2, 2)


def test_a_module_given_as_an_argument_is_watched() -> None:
    model = nn.Dropout(1.0)
    f = Traces(lambda model, x: model(x))
    assert f(model, X).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    model.eval()
    assert f(model, X).tolist() == X.tolist()


def test_recording_and_the_default_device_belong_to_the_signature() -> None:
    f = Traces(lambda x: x * 2)
    f(X)
    with la.no_grad():
        f(X)
        f(X)
    f(X)
    assert f.count == 2


def test_a_function_traced_again_and_again_warns_with_the_reason() -> None:
    @la.compile
    def scaled(x: la.Tensor, factor: float) -> la.Tensor:
        return x * factor

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for step in range(20):
            scaled(X, step * 0.5)
    first, second = [str(each.message) for each in caught]
    assert "8 times" in first
    assert "factor: " in first
    assert "3.5 now" in first
    assert "la.asarray" in first
    assert "16 times" in second
    assert all(each.category is la.RetraceWarning for each in caught)
    assert caught[0].filename == __file__


def test_a_shape_that_varies_is_the_reason_given() -> None:
    f = la.compile(lambda batch: batch["x"] * 2)
    for rows in range(1, 8):
        f({"x": la.zeros((rows, 2))})
    with pytest.warns(la.RetraceWarning, match=r"batch\.x: .*float32\[7, 2\] before, float32\[8, 2\] now"):
        f({"x": la.zeros((8, 2))})


@pytest.mark.parametrize(
    ("draw", "name"),
    [
        (random.random, "Python's random"),
        (np.random.rand, "np.random"),
        (lambda: np.random.rand(312).sum(), "np.random"),  # which brings the generator to the same place
    ],
)
def test_numbers_of_other_generators_that_stay_in_the_program_are_warned_of(draw: Any, name: str) -> None:
    f = la.compile(lambda x: x * float(draw()))
    with pytest.warns(la.TracingWarning, match=f"drew from {name} while it was traced") as caught:
        f(X)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("name", ["random", "numpy.random"])
def test_a_generator_that_another_thread_is_about_to_load_is_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, ModuleType(name))  # so it is found before its code has run
    assert la.compile(lambda x: x * 2)(X).tolist() == (X * 2).tolist()


def test_laminas_own_random_numbers_are_not_warned_of() -> None:
    f = la.compile(lambda x: x * la.random.uniform(()))
    assert f(X).tolist() != f(X).tolist()


@pytest.mark.filterwarnings("ignore::lamina.RetraceWarning")
def test_the_number_of_traces_kept_is_bounded() -> None:
    f = la.compile(lambda x, n: x * n)
    for n in range(80):
        f(X, n)
    assert len(f._traces) == 64
    assert f(X, 3).tolist() == (X * 3).tolist()
