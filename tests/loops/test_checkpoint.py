"""`checkpoint`: everything is as without it, but less is kept."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina import nn
from lamina.testing import check_gradients


def array(*shape: int, seed: int = 0) -> la.Tensor:
    return la.asarray(np.random.default_rng(seed).uniform(-1.0, 1.0, shape))


def same(one: la.Tensor, other: la.Tensor) -> None:
    np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_gradients_are_those_without_it_to_the_last_bit() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 2))
    x = la.variable(array(5, 4).astype("float32"))
    plain, again = (f(x).sum().backward() for f in (model, la.checkpoint(model)))
    for variable in (x, *model.parameters()):
        same(plain[variable], again[variable])


def test_trees_and_keywords_go_through_it() -> None:
    @la.checkpoint
    def f(pair: Any, *, by: Any) -> Any:
        return {"sum": pair[0] + pair[1] * by, "count": 3, "pair": [pair[0].sin(), None]}

    def use(x: Any, y: Any) -> Any:
        found = f((x, y), by=x)
        assert found["count"] == 3
        assert found["pair"][1] is None
        return found["sum"] * found["pair"][0]

    check_gradients(use, array(3), array(3, seed=1), order=3)


def test_one_inside_of_another_and_of_other_derivatives() -> None:
    inner = la.checkpoint(lambda x, w: (x * w).exp())
    outer = la.checkpoint(lambda x, w: (inner(x, w) + inner(w, x * 2.0)).sin())
    check_gradients(outer, array(2), array(2, seed=1), order=2)
    gradient = la.checkpoint(la.grad(lambda x: (x**3).sum()))
    check_gradients(gradient, array(2), order=2)


def test_what_is_captured_has_gradients() -> None:
    w = la.variable(2.0)
    scaled = w * 3.0  # made outside, from a variable
    f = la.checkpoint(lambda x: (x * scaled + w).sin())
    plain = (la.asarray(0.5) * (w * 3.0) + w).sin()
    same(f(la.asarray(0.5)).backward()[w], plain.backward()[w])


def test_results_that_are_arguments_or_constants_stay_what_they_are() -> None:
    w = la.variable([1.0, 2.0])
    one, two, three = la.checkpoint(lambda x: (x, w.value, la.ones(2)))(w * 2.0)
    assert not three.tracked
    assert (one + two).sum().backward()[w].tolist() == [3.0, 3.0]


def test_dropout_draws_the_same_numbers_again() -> None:
    drop, w = nn.Dropout(0.5), la.variable(np.ones(200, np.float32))
    y = la.checkpoint(lambda x: drop(x * x))(w)
    after = la.random.default_generator().counter.item()
    gradient = y.sum().backward()[w]
    np.testing.assert_array_equal(gradient.numpy(), 2.0 * y.numpy())
    assert la.random.default_generator().counter.item() == after


def test_what_it_assigns_is_assigned_once() -> None:
    count, w = la.variable(0, trainable=False), la.variable(2.0)

    @la.checkpoint
    def f(x: Any) -> Any:
        count.assign(count + 1)
        return x * w * count.value.astype("float32")

    y = f(la.asarray(1.0)) + f(la.asarray(1.0))
    assert y.item() == 2.0 + 4.0
    assert y.backward()[w].item() == 3.0
    assert count.item() == 2


def test_a_variable_assigned_since_does_not_disturb_the_gradient() -> None:
    w = la.variable(2.0)
    y = la.checkpoint(lambda x: (x * w) ** 2)(la.asarray(3.0))
    w.assign(100.0)
    assert y.backward()[w].item() == 36.0
    assert w.item() == 100.0


def test_nothing_inside_is_kept() -> None:
    w = la.variable(np.full(1 << 16, 0.5, np.float32))

    def long(x: Any) -> Any:
        for _ in range(20):
            x = x.sin()
        return x

    def held(f: Any) -> int:
        gc.collect()
        tracemalloc.start()
        y = f(w)
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert y.tracked
        return held

    size = w.size * 4
    assert held(long) > 20 * size
    assert held(la.checkpoint(long)) < 2 * size


def test_without_recording_it_only_calls() -> None:
    with la.no_grad():
        assert not la.checkpoint(lambda x: x * 2.0)(la.variable(1.0)).tracked


def test_compiled_is_eager() -> None:
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 1))
    x = array(16, 3).astype("float32")

    def gradients() -> list[la.Tensor]:
        grads = la.checkpoint(model)(x).sum().backward()
        return [grads[w] for w in model.parameters()]

    la.random.seed(3)
    eager = gradients()
    la.random.seed(3)
    for one, other in zip(la.compile(gradients)(), eager, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-5, atol=1e-6)


def test_a_function_that_changes_its_mind_is_found_out() -> None:
    w, sizes = la.variable([1.0, 2.0, 3.0]), iter([3, 2])
    y = la.checkpoint(lambda x: x[: next(sizes)] * 2.0)(w)
    with pytest.raises(la.GradientError, match="returned something else than at first"):
        y.sum().backward()
