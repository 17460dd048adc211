"""Where a local derivative is infinite, undefined or shared: no NaN where the true gradient is finite."""

import math

import numpy as np
import pytest

import lamina as la
from lamina.testing import check_gradients

INF = math.inf
ZEROS = [0.0, 0.0]

# name: (function of one tensor, where, gradient of the sum of the result)
FINITE = {
    "root masked by where": (lambda x: la.where(x > 0, la.sqrt(x), 0.0), [0.0, 4.0], [0.0, 0.25]),
    "logarithm masked by where": (lambda x: la.where(x > 0, la.log(x), 0.0), [0.0, 2.0], [0.0, 0.5]),
    "reciprocal masked by where": (lambda x: la.where(x != 0, 1.0 / x, 0.0), [0.0, 2.0], [0.0, -0.25]),
    "exp that overflows, masked": (lambda x: la.where(x < 1, la.exp(x), 0.0), [1e4, 0.0], [0.0, 1.0]),
    "power masked by where": (lambda x: la.where(x > 0, x**-1.5, 0.0), [0.0, 1.0], [0.0, -1.5]),
    "asin masked by where": (lambda x: la.where(x < 1, la.asin(x), 0.0), [1.0, 0.0], [0.0, 1.0]),
    "acosh masked by where": (lambda x: la.where(x > 1, la.acosh(x), 0.0), [1.0, 0.0], [0.0, 0.0]),
    "atanh masked by where": (lambda x: la.where(x < 1, la.atanh(x), 0.0), [1.0, 0.0], [0.0, 1.0]),
    "root of a square": (lambda x: la.sqrt(x * x + 1e-30), [0.0, 3.0], [0.0, 1.0]),
    "power zero": (lambda x: x**0, [0.0, 2.0], ZEROS),
    "power zero as a float": (lambda x: x**0.0, [0.0, 2.0], ZEROS),
    "power one": (lambda x: x**1, [0.0, -2.0], [1.0, 1.0]),
    "power two": (lambda x: x**2, [0.0, -2.0], [0.0, -4.0]),
    "power three of a negative": (lambda x: x**3, [-2.0, 0.0], [12.0, 0.0]),
    "exponent of a base of zero": (lambda x: la.zeros(2) ** x, [1.0, 2.0], ZEROS),
    "exponent of a base of one": (lambda x: la.ones(2) ** x, [1.0, 0.0], ZEROS),
    "standard deviation of equals": (lambda x: la.std(x), [3.0, 3.0], ZEROS),
    "variance of equals": (lambda x: la.var(x), [3.0, 3.0], ZEROS),
    "absolute value": (la.abs, [0.0, -2.0], [0.0, -1.0]),
    "relu": (la.relu, [0.0, 1.0], [0.0, 1.0]),
    "sign": (la.sign, [0.0, 1.0], ZEROS),
    "hypot at the origin": (lambda x: la.hypot(x, x), ZEROS, ZEROS),
    "hypot on an axis": (lambda x: la.hypot(x, la.asarray([3.0, -2.0])), ZEROS, ZEROS),
    "hypot that would overflow": (lambda x: la.hypot(x, x), [1e30, 1e30], [math.sqrt(2.0)] * 2),
    "hypot that would underflow": (lambda x: la.hypot(x, x), [1e-30, 1e-30], [math.sqrt(2.0)] * 2),
    "angle at the origin": (lambda x: la.atan2(x, la.zeros(2)), ZEROS, ZEROS),
    "angle from an axis at the origin": (lambda x: la.atan2(la.zeros(2), x), ZEROS, ZEROS),
    "angle whose squares would overflow": (lambda x: la.atan2(x, la.full(2, 1e30)) * 1e30, [1e30, 0.0], [0.5, 1.0]),
    "angle whose squares would underflow": (lambda x: la.atan2(x, la.full(2, 1e-30)), [1e-30, 0.0], [5e29, 1e30]),
    "copysign": (lambda x: la.copysign(x, la.full(2, -1.0)), [0.0, 2.0], [0.0, -1.0]),
    "logaddexp of large numbers": (lambda x: la.logaddexp(x, la.zeros(2)), [1e4, -1e4], [1.0, 0.0]),
    "logaddexp with minus infinity": (lambda x: la.logaddexp(x, la.full(2, -INF)), [1.0, -3.0], [1.0, 1.0]),
    "logaddexp of minus infinity": (lambda x: la.logaddexp(x, la.zeros(2)), [-INF, 0.0], [0.0, 0.5]),
    "logsumexp of large numbers": (la.logsumexp, [1e4, 1e4], [0.5, 0.5]),
    "logsumexp with minus infinity": (la.logsumexp, [-INF, 2.0], [0.0, 1.0]),
    "softplus": (la.softplus, [1e4, -1e4], [1.0, 0.0]),
    "softplus at zero": (la.softplus, ZEROS, [0.5, 0.5]),
    "sigmoid": (la.sigmoid, [1e4, -1e4], ZEROS),
    "tanh": (la.tanh, [1e4, -1e4], ZEROS),
    "silu": (la.silu, [1e4, -1e4], [1.0, 0.0]),
    "mish": (la.mish, [1e4, -1e4], [1.0, 0.0]),
    "gelu": (la.gelu, [1e25, -1e25], [1.0, 0.0]),
    "gelu by tanh": (lambda x: la.gelu(x, approximate="tanh"), [1e25, -1e25], [1.0, 0.0]),
    "elu": (la.elu, [1e4, -1e4], [1.0, 0.0]),
    "selu": (la.selu, [1e4, -1e4], [1.0507009873554805, 0.0]),
    "softsign": (la.softsign, [0.0, 1.0], [1.0, 0.25]),
    "hard sigmoid": (la.hardsigmoid, [1e4, 0.0], [0.0, 1.0 / 6.0]),
    "softmax of large numbers": (lambda x: la.softmax(x)[0], [1e4, -1e4], ZEROS),
    "softmax with minus infinity": (lambda x: la.softmax(x)[0], [-INF, 2.0], ZEROS),
    "log_softmax of large numbers": (lambda x: la.log_softmax(x)[0], [1e4, -1e4], ZEROS),
    "product with one zero": (la.prod, [0.0, 3.0], [3.0, 0.0]),
    "product with two zeros": (la.prod, ZEROS, ZEROS),
    "running product with a zero": (lambda x: la.cumulative_prod(x), [0.0, 3.0], [4.0, 0.0]),
    "ties of max": (la.max, [2.0, 2.0], [0.5, 0.5]),
    "ties of min": (la.min, [2.0, 2.0], [0.5, 0.5]),
    "ties of maximum": (lambda x: la.maximum(x, 2.0), [2.0, 3.0], [0.5, 1.0]),
    "ties of minimum": (lambda x: la.minimum(x, 2.0), [2.0, 3.0], [0.5, 0.0]),
    "clip at its ends": (lambda x: la.clip(x, 0.0, 1.0), [0.0, 1.0], [1.0, 1.0]),
    "clip beyond its ends": (lambda x: la.clip(x, 0.0, 1.0), [-1.0, 2.0], ZEROS),
    "expm1 that overflows, masked": (lambda x: la.where(x < 1, la.expm1(x), 0.0), [1e4, 0.0], [0.0, 1.0]),
    "cosh that overflows, masked": (lambda x: la.where(x < 1, la.cosh(x), 0.0), [1e4, 0.0], [0.0, 0.0]),
    "remainder": (lambda x: la.remainder(x, 2.0), [0.0, 5.0], [1.0, 1.0]),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FINITE)
def test_gradient_is_finite_and_right(name, dtype):
    f, at, expected = FINITE[name]
    found = la.grad(lambda x: f(x).sum())(la.asarray(at, dtype=dtype))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("name", ["gelu", "gelu by tanh", "mish", "silu", "softplus", "tanh"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_activation_of_a_large_narrow_float_has_a_finite_gradient(name, dtype):
    f, _, expected = FINITE[name]
    found = la.grad(lambda x: f(x).sum())(la.asarray([3e4, -3e4], dtype=dtype))
    assert found.tolist() == expected


@pytest.mark.parametrize("name", ["gelu", "gelu by tanh", "mish", "silu", "softplus"])
def test_activation_of_a_narrow_float_has_a_finite_gradient_of_a_large_cotangent(name):
    # As of a loss that is scaled up; the cotangent times x is beyond float16.
    f, _, _ = FINITE[name]
    found = la.grad(lambda x: (f(x) * 1000.0).sum())(la.asarray([100.0, -100.0], dtype="float16"))
    assert found.tolist() == [1000.0, 0.0]


def test_angle_of_large_narrow_floats_has_a_gradient():
    x, y = la.asarray(300.0, dtype="float16"), la.asarray(400.0, dtype="float16")
    assert la.grad(la.atan2)(x, y).item() == pytest.approx(400.0 / 500.0**2, rel=1e-3)


@pytest.mark.parametrize(
    ("f", "at", "expected"),
    [(la.sqrt, 0.0, INF), (la.log, 0.0, INF), (lambda x: x**0.5, 0.0, INF), (la.asin, 1.0, INF), (la.acos, 1.0, -INF)],
)
def test_infinite_derivative_is_infinite_not_nan(f, at, expected):
    assert la.grad(f)(la.asarray(at)).item() == expected


SECOND_ORDER = {
    "prod with zeros": (la.prod, [0.0, 3.0, -2.0]),
    "running product with zeros": (la.cumulative_prod, [2.0, 0.0, 3.0, 0.0]),
    "power": (lambda x: x**3, [0.0, -2.0]),
    "square": (lambda x: x**2, [0.0, 1.0]),
    "masked root": (lambda x: la.where(x > 1, la.sqrt(x), x * x), [0.0, 4.0]),
    "logsumexp": (la.logsumexp, [100.0, 101.0]),
    "softplus": (la.softplus, [0.3, -40.0, 40.0]),
    "hypot": (lambda x: la.hypot(x[0], x[1]), [3.0, -4.0]),
    "angle": (lambda x: la.atan2(x[0], x[1]), [3.0, -4.0]),
    "silu": (la.silu, [0.3, -2.0]),
    "mish": (la.mish, [0.3, -2.0]),
    "logaddexp": (lambda x: la.logaddexp(x[0], x[1]), [0.3, 0.3]),
    "division by a narrower operand": (lambda x: (la.ones((2, 3), dtype="float64") / x).sum(axis=0), [1.0, 2.0, 3.0]),
    "standard deviation": (la.std, [1.0, 2.0, 4.0]),
    "log_softmax": (la.log_softmax, [0.1, 0.7, -0.4]),
    "gelu by tanh": (lambda x: la.gelu(x, approximate="tanh"), [0.1, -1.7, 2.4]),
}


@pytest.mark.parametrize("name", SECOND_ORDER)
def test_second_derivative_is_right(name):
    f, at = SECOND_ORDER[name]
    check_gradients(f, at, order=2, atol=1e-6)
