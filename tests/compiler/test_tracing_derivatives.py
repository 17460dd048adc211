"""Derivatives of compiled functions are those of the functions, to any order."""

from __future__ import annotations

import numpy as np
import pytest

import lamina as la
from lamina import nn

pytestmark = pytest.mark.usefixtures("executables")


def assert_same(found: la.Tensor, wanted: la.Tensor) -> None:
    assert found.dtype is wanted.dtype
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=2e-5, atol=1e-6)


def cubes(x: la.Tensor) -> la.Tensor:
    return (x**3 * la.sin(x)).sum()


X = la.asarray([0.5, 1.0, 2.0], dtype=la.float64)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivatives_of_a_compiled_function(order: int) -> None:
    eager, compiled = cubes, la.compile(cubes)
    for _ in range(order):
        eager, compiled = (la.grad(lambda x, f=f: f(x).sum()) for f in (eager, compiled))
    assert_same(compiled(X), eager(X))


@pytest.mark.parametrize("order", [1, 2])
def test_compiled_derivatives(order: int) -> None:
    eager = cubes
    for _ in range(order):
        eager = la.grad(lambda x, f=eager: f(x).sum())
    assert_same(la.compile(eager)(X), eager(X))


def test_a_derivative_of_a_compiled_derivative() -> None:
    inner = la.compile(la.grad(cubes))
    assert_same(la.grad(lambda x: inner(x).sum())(X), la.grad(lambda x: la.grad(cubes)(x).sum())(X))


@pytest.mark.parametrize("transform", [la.jacobian, la.hessian, la.value_and_grad])
def test_transforms_take_compiled_functions(transform: object) -> None:
    f = (lambda x: x**3 * x.sum()) if transform is la.jacobian else cubes
    found, wanted = transform(la.compile(f))(X), transform(f)(X)  # type: ignore[operator]
    for each, other in zip(*((y if isinstance(y, tuple) else (y,)) for y in (found, wanted)), strict=True):
        assert_same(each, other)
    compiled = la.compile(transform(f))(X)  # type: ignore[operator]
    for each, other in zip(*((y if isinstance(y, tuple) else (y,)) for y in (compiled, wanted)), strict=True):
        assert_same(each, other)


def test_pullbacks_and_tangents_of_compiled_functions() -> None:
    f = la.compile(lambda x: x**2 * 3)
    _, pullback = la.vjp(f, X)
    assert_same(pullback(X)[0], 6 * X * X)
    value, tangent = la.jvp(f, [X], [X])
    assert_same(value, 3 * X * X)
    assert_same(tangent, 6 * X * X)


def test_gradients_reach_variables_through_a_compiled_model() -> None:
    la.random.seed(0)
    model = nn.MLP(3, [4], 2, activation="tanh")
    x, y = la.random.normal((5, 3)), la.random.normal((5, 2))
    compiled = la.compile(model)
    found, wanted = (nn.mse_loss(f(x), y).backward() for f in (compiled, model))
    assert len(found) == len(wanted) == 4
    for variable in model.parameters():
        assert_same(found[variable], wanted[variable])


def test_gradients_hold_for_the_values_of_the_call_not_for_those_assigned_since() -> None:
    w = la.variable([1.0, 2.0])
    f = la.compile(lambda x: (w**2 * x).sum())
    y = f(la.asarray([1.0, 1.0]))
    la.compile(lambda: w.assign(w * 10))()
    assert y.backward()[w].tolist() == [2.0, 4.0]


def test_several_results_are_differentiated_together_or_alone() -> None:
    w = la.variable([1.0, 2.0])
    f = la.compile(lambda x: {"a": (w * x).sum(), "b": [w**2, x]})
    x = la.asarray([3.0, 4.0])
    found = f(x)
    assert (found["a"] + found["b"][0].sum()).backward()[w].tolist() == [5.0, 8.0]
    assert found["a"].backward()[w].tolist() == [3.0, 4.0]
    assert not found["b"][1].tracked


def test_variables_that_share_memory_have_gradients_of_their_own() -> None:
    first = la.variable([1.0, 2.0])
    second = la.variable(first.value)
    gradients = la.compile(lambda: (first * 2 + second * 3).sum())().backward()
    assert gradients[first].tolist() == [2.0, 2.0]
    assert gradients[second].tolist() == [3.0, 3.0]


def test_gradients_flow_to_tracked_tensors_from_outside() -> None:
    w = la.variable([1.0, 2.0])
    outside = w * 2
    assert la.compile(lambda x: (outside * x).sum())(la.asarray([1.0, 3.0])).backward()[w].tolist() == [2.0, 6.0]
    inside = la.compile(lambda x: (outside * x).sum().backward()[w])
    assert inside(la.asarray([1.0, 3.0])).tolist() == [2.0, 6.0]


def test_what_is_stopped_inside_stays_stopped() -> None:
    f = la.compile(lambda x: (la.stop_gradient(x) * x).sum())
    assert_same(la.grad(f)(X), X)

    def partly(x: la.Tensor) -> la.Tensor:
        with la.no_grad():
            factor = x * 2
        return (factor * x).sum()

    assert_same(la.grad(la.compile(partly))(X), 2 * X)


def test_nothing_is_tracked_without_recording() -> None:
    w = la.variable([1.0, 2.0])
    f = la.compile(lambda: w * 2)
    with la.no_grad():
        assert not f().tracked
    assert f().tracked


def test_what_a_training_step_returns_is_constant() -> None:
    w = la.variable([1.0, 2.0])

    @la.compile
    def step() -> la.Tensor:
        loss = (w**2).sum()
        w.assign(w - loss.backward()[w])
        return loss

    assert not step().tracked


def test_a_random_function_is_differentiated_with_the_numbers_it_drew() -> None:
    generator = la.random.Generator(3)
    f = la.compile(lambda x: x * generator.uniform((3,)))
    drawn = la.random.Generator(3).uniform((6,)).tolist()
    x = la.asarray([1.0, 1.0, 1.0])
    found = la.grad(lambda x: f(x).sum())(x)
    assert found.tolist() == pytest.approx(drawn[:3])
    assert generator.counter.item() == 1


def test_the_forward_pass_runs_once_in_python() -> None:
    calls = []

    @la.compile
    def f(x: la.Tensor) -> la.Tensor:
        calls.append(1)
        return x**2

    g = la.grad(lambda x: f(x).sum())
    for _ in range(3):
        assert_same(g(X), 2 * X)
    assert len(calls) == 1
