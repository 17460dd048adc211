"""Derivatives of derivatives, by composing the transforms with each other and with backward."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina.errors import DTypeError, ShapeError
from lamina.testing import check_gradients


def _nth(f: Any, order: int) -> Any:
    for _ in range(order):
        f = la.grad(f)
    return f


@pytest.mark.parametrize("order", range(6))
def test_derivatives_of_a_power_to_any_order(order: int) -> None:
    x = la.asarray(2.0, dtype=la.float64)
    expected = math.perm(5, order) * 2.0 ** (5 - order)
    assert _nth(lambda x: x**5, order)(x).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("order", range(5))
def test_derivatives_of_the_sine_go_round(order: int) -> None:
    x = la.asarray(0.7, dtype=la.float64)
    expected = math.sin(0.7 + order * math.pi / 2)
    assert _nth(la.sin, order)(x).item() == pytest.approx(expected, rel=1e-12)


def test_mixed_derivatives_commute() -> None:
    def f(x: la.Tensor, y: la.Tensor) -> la.Tensor:
        return (x * y).sin() * x.exp()

    x, y = la.asarray(0.3, dtype=la.float64), la.asarray(-0.8, dtype=la.float64)
    xy = la.grad(la.grad(f, 0), 1)(x, y)
    yx = la.grad(la.grad(f, 1), 0)(x, y)
    assert xy.item() == pytest.approx(yx.item(), rel=1e-14)


def test_the_hessian_is_that_of_central_differences() -> None:
    def f(x: la.Tensor) -> la.Tensor:
        return ((x * x).sum() + (x[0] * x[2]).exp() + la.prod(x)).log()

    x = np.array([0.5, -0.4, 0.3])
    found = la.hessian(f)(la.asarray(x)).numpy()
    gradient = la.grad(f)
    step = 1e-5
    for column in range(3):
        moved = np.eye(3)[column] * step
        difference = (gradient(la.asarray(x + moved)) - gradient(la.asarray(x - moved))).numpy() / (2 * step)
        np.testing.assert_allclose(found[:, column], difference, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(found, found.T, rtol=1e-14)


def test_a_gradient_inside_a_function_is_differentiated_by_what_it_used() -> None:
    # d/dy of (d/dx x^2 y)(3) = 6
    y = la.asarray(2.0)
    assert la.grad(lambda y: la.grad(lambda x: x * x * y)(la.asarray(3.0)))(y).item() == 6.0


def test_nested_derivatives_do_not_mix_their_variables() -> None:
    # d/dx [x * d/dy (x + y)] = 1, which confusing the two perturbations makes 2.
    inner = lambda x: x * la.grad(lambda y: x + y)(la.asarray(1.0))  # noqa: E731
    assert la.grad(inner)(la.asarray(1.0)).item() == 1.0


def test_the_same_tensor_may_be_an_input_twice() -> None:
    x = la.asarray(3.0)
    first, second = la.grad(lambda a, b: a * a * b, (0, 1))(x, x)
    assert (first.item(), second.item()) == (18.0, 9.0)
    assert la.grad(lambda x: la.grad(lambda a, b: a * a * b)(x, x))(x).item() == 12.0


def test_gradient_through_backward_inside_a_function() -> None:
    def f(x: la.Tensor) -> la.Tensor:
        w = la.variable(2.0)
        return (w**3 * x).backward()[w]  # 3 w^2 x

    assert la.grad(lambda x: f(x) ** 2)(la.asarray(5.0)).item() == 2 * 12 * 12 * 5.0


def test_a_gradient_penalty_reaches_the_weights() -> None:
    w = la.variable([[0.5, -0.3], [0.2, 0.8]], dtype=la.float64)
    x = la.asarray([[1.0, 2.0]], dtype=la.float64)

    def penalty() -> la.Tensor:
        gradient = la.grad(lambda x: (x @ w).tanh().sum())(x)
        return (gradient * gradient).sum()

    found = penalty().backward()[w].numpy()
    before = w.numpy()
    for index in np.ndindex(2, 2):
        ends = []
        for step in (1e-5, -1e-5):
            moved = before.copy()
            moved[index] += step
            w.assign(moved)
            ends.append(penalty().item())
        assert found[index] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-7)


def test_second_derivatives_by_a_variable() -> None:
    w = la.variable([1.0, 2.0], dtype=la.float64)
    gradient = la.grad(lambda w: (w**3).sum())(w)
    np.testing.assert_allclose(gradient.sum().backward()[w].numpy(), [6.0, 12.0])


def test_a_pullback_can_be_differentiated_by_its_cotangent() -> None:
    x = la.asarray([1.0, 2.0], dtype=la.float64)
    check_gradients(lambda c: la.vjp(lambda x: x**3, x)[1](c)[0], [0.5, -1.0], order=2)


def test_a_pullback_can_be_used_again() -> None:
    y, pullback = la.vjp(lambda x: x**2, [1.0, 3.0])
    ones = la.ones((2,))
    assert y.tolist() == [1.0, 9.0]
    assert pullback(ones)[0].tolist() == pullback(ones)[0].tolist() == [2.0, 6.0]


def test_a_pullback_names_vjp_when_a_cotangent_does_not_fit() -> None:
    with pytest.raises(la.ShapeError, match="vjp: the cotangent has shape"):
        la.vjp(lambda x: x**2, [1.0, 3.0])[1](la.ones(3))


def test_the_tangent_of_a_tangent() -> None:
    def once(x: la.Tensor) -> la.Tensor:
        return la.jvp(lambda x: x**4, [x], [la.ones_like(x)])[1]

    x = la.asarray(2.0, dtype=la.float64)
    assert la.jvp(once, [x], [la.ones_like(x)])[1].item() == pytest.approx(12 * 4.0)
    assert la.grad(once)(x).item() == pytest.approx(48.0)


def test_a_tangent_is_right_where_a_cotangent_happens_to_be_zero() -> None:
    # The tangent comes from the pullback's pullback, at a cotangent of ones; two uses of log cancel there.
    def f(x: la.Tensor) -> la.Tensor:
        y = x.log()
        return la.stack([y, -y, y * y])

    x, t = la.asarray(2.0, dtype=la.float64), la.asarray(1.0, dtype=la.float64)
    np.testing.assert_allclose(la.jvp(f, [x], [t])[1].numpy(), [0.5, -0.5, math.log(2.0)], rtol=1e-14)


@pytest.mark.parametrize("f", [la.sqrt, la.log, la.exp, la.tanh, la.abs, lambda x: x**2.5, lambda x: 2.0 / x])
def test_a_tangent_is_right_where_cotangents_cancel_in_each_function(f: Any) -> None:
    def cancelled(x: la.Tensor) -> la.Tensor:
        y = f(x)
        return la.stack([y, -y])

    x = np.array([0.7, 1.9])
    found = la.jvp(cancelled, [la.asarray(x)], [la.asarray([1.0, -2.0], dtype=la.float64)])[1].numpy()
    step = 1e-6 * np.array([1.0, -2.0])
    difference = (cancelled(la.asarray(x + step)) - cancelled(la.asarray(x - step))).numpy() / 2e-6
    np.testing.assert_allclose(found, difference, rtol=1e-8)


def test_an_input_that_is_not_used_has_zeros() -> None:
    x, y = la.asarray([1.0, 2.0]), la.asarray([[3.0]])
    assert la.grad(lambda x, y: x.sum(), 1)(x, y).tolist() == [[0.0]]
    assert la.jvp(lambda x, y: x, [x, y], [la.zeros(2), la.ones((1, 1))])[1].tolist() == [0.0, 0.0]
    assert la.jacobian(lambda x: la.ones(3))(x).tolist() == [[0.0, 0.0]] * 3
    assert la.hessian(lambda x: x.sum())(x).tolist() == [[0.0, 0.0]] * 2


def test_a_jacobian_has_the_shape_of_the_result_and_the_input() -> None:
    x = la.asarray(np.arange(6.0).reshape(2, 3))
    assert la.jacobian(lambda x: x.sum(axis=0))(x).shape == (3, 2, 3)
    assert la.jacobian(lambda x: x[:0])(x).shape == (0, 3, 2, 3)
    assert la.jacobian(lambda x: x.sum())(x).shape == (2, 3)


def test_several_arguments_give_a_tuple_and_a_value_comes_along() -> None:
    value, slope = la.value_and_grad(lambda x, *, scale: x * scale)(2.0, scale=3.0)
    assert (value.item(), slope.item()) == (6.0, 3.0)
    found = la.value_and_grad(lambda x, y: x * y, (0, -1))(la.asarray(2.0), la.asarray(5.0))
    assert [found[0].item(), *[g.item() for g in found[1]]] == [10.0, 5.0, 2.0]


def test_errors_say_what_would_have_worked() -> None:
    x = la.asarray([1.0, 2.0])
    with pytest.raises(ShapeError, match="must return a scalar, got shape \\[2\\]; reduce it"):
        la.grad(lambda x: x * 2)(x)
    with pytest.raises(DTypeError, match="floating-point inputs only, got int64"):
        la.grad(lambda x: x.sum())(la.asarray([1, 2]))
    with pytest.raises(DTypeError, match="must return a Tensor, got float"):
        la.grad(lambda x: 1.0)(x)
    with pytest.raises(ShapeError, match="argument 1 was asked for, but 1 were given"):
        la.grad(lambda x: x.sum(), 1)(x)
    with pytest.raises(ShapeError, match="jacobian: argument 1 was asked for, but 1 were given"):
        la.jacobian(lambda x: x, 1)(x)
    with pytest.raises(ShapeError, match=r"argnums \(0, -2\) names an argument twice"):
        la.grad(lambda x, y: (x * y).sum(), (0, -2))(x, x)
    with pytest.raises(ShapeError, match="1 tangents for 2 inputs"):
        la.jvp(la.add, [x, x], [x])
    with pytest.raises(ShapeError, match=r"the tangent has shape \[\], its input \[2\]"):
        la.jvp(la.exp, [x], [la.asarray(1.0)])
    with pytest.raises(DTypeError, match="tangent is float64"):
        la.jvp(la.exp, [x], [la.asarray([1.0, 2.0], dtype=la.float64)])


@pytest.mark.parametrize("way", [lambda f: f, la.compile], ids=["eager", "compiled"])
def test_gradients_by_trees_are_trees(way):
    def f(layers, scale):
        x = la.ones((2, 3))
        for layer in layers:
            x = (x @ layer["w"] + layer["b"]).tanh()
        return (scale[0] * x).sum()

    rng = np.random.default_rng(0)
    layers = [{"w": la.asarray(rng.normal(size=(3, 3))), "b": la.zeros(3, dtype="float64")} for _ in range(2)]
    scale = (la.asarray(2.0, dtype="float64"),)
    of_layers, of_scale = way(la.grad(f, argnums=(0, 1)))(layers, scale)
    for at, name in ((0, "w"), (1, "b")):

        def of_one(value, at=at, name=name):
            return f([{**layer, name: value} if place == at else layer for place, layer in enumerate(layers)], scale)

        np.testing.assert_allclose(of_layers[at][name].numpy(), la.grad(of_one)(layers[at][name]).numpy(), rtol=1e-12)
    assert isinstance(of_scale, tuple)
    np.testing.assert_allclose(of_scale[0].item(), f(layers, scale).item() / 2.0, rtol=1e-12)


def test_gradient_by_a_list_of_numbers_is_a_tensor():
    assert la.grad(lambda x: (x**2).sum())([1.0, 2.0]).tolist() == [2.0, 4.0]


def test_gradient_by_a_module_says_what_gives_it():
    with pytest.raises(la.DTypeError, match=r"got Linear; loss\.backward\(\) returns the gradients"):
        la.value_and_grad(lambda m: m(la.ones((1, 2))).sum())(la.nn.Linear(2, 1))
