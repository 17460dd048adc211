"""An element that does not matter has a gradient of exactly zero, also where its own derivative is infinite."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as la

Function = Callable[[la.Tensor], la.Tensor]

# A function, a point where its derivative is infinite or NaN.
SINGULAR: dict[str, tuple[Function, float]] = {
    "sqrt at 0": (la.sqrt, 0.0),
    "sqrt below 0": (la.sqrt, -1.0),
    "log at 0": (la.log, 0.0),
    "log below 0": (la.log, -2.0),
    "log2 at 0": (la.log2, 0.0),
    "log10 at 0": (la.log10, 0.0),
    "log1p at -1": (la.log1p, -1.0),
    "reciprocal of 0": (lambda x: 1.0 / x, 0.0),
    "0 / 0": (lambda x: x / x, 0.0),
    "exp too large": (la.exp, 1000.0),
    "expm1 too large": (la.expm1, 1000.0),
    "sinh too large": (la.sinh, 1000.0),
    "cosh too large": (la.cosh, -1000.0),
    "root by pow at 0": (lambda x: x**0.5, 0.0),
    "negative power of 0": (lambda x: x**-1.5, 0.0),
    "pow of a negative base": (lambda x: x**0.5, -1.0),
    "exponent of base 0": (lambda x: (x * 0.0) ** x, -1.0),
    "x log x at 0": (lambda x: x * la.log(x), 0.0),
    "product with infinity": (lambda x: x * la.exp(x), 1000.0),
    "product over an axis": (lambda x: la.prod(la.stack([x, la.exp(x)]), axis=0), 1000.0),
    "asin at 1": (la.asin, 1.0),
    "acos at -1": (la.acos, -1.0),
    "acosh at 1": (la.acosh, 1.0),
    "atanh at 1": (la.atanh, 1.0),
    "atan2 at the origin": (lambda x: la.atan2(x, x), 0.0),
    "remainder by 0": (lambda x: la.remainder(la.ones_like(x), x), 0.0),
    "log of a root": (lambda x: la.log(la.sqrt(x)), 0.0),
    "root of a logarithm": (lambda x: la.sqrt(la.log(x)), 1.0),
}


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("name", SINGULAR)
def test_what_where_does_not_choose_has_no_influence(name: str, order: int, device: str) -> None:
    f, point = SINGULAR[name]

    def chosen(x: la.Tensor) -> la.Tensor:
        return la.where(la.asarray([False, True], device=device), f(x), x**4).sum()

    # The second element is where every function here is smooth, or is not looked at.
    derivative: Any = chosen
    for _ in range(order):
        derivative = la.grad(lambda x, f=derivative: f(x).sum())
    x = la.asarray([point, 0.25], dtype=la.float64, device=device)
    expected = math.perm(4, order) * point ** (4 - order)
    assert derivative(x).tolist()[0] == pytest.approx(expected)


@pytest.mark.parametrize("name", SINGULAR)
def test_a_cotangent_of_zero_gives_zero(name: str) -> None:
    f, point = SINGULAR[name]
    x = la.asarray([point], dtype=la.float64)
    y, pullback = la.vjp(f, x)
    assert pullback(la.zeros_like(y))[0].tolist() == [0.0]


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (lambda x: x**0.0, 0.0, 0.0),
        (lambda x: x**1.0, 0.0, 1.0),
        (lambda x: x**2.0, 0.0, 0.0),
        (lambda x: x**3, -2.0, 12.0),
        (lambda x: x**-1, -2.0, -0.25),
        (lambda x: la.asarray(0.0, dtype=la.float64) ** x, 2.0, 0.0),
        (lambda x: la.asarray(0.0, dtype=la.float64) ** x, 0.0, 0.0),
        (lambda x: la.asarray(2.0, dtype=la.float64) ** x, 3.0, 8.0 * math.log(2.0)),
        (la.abs, 0.0, 0.0),
        (la.relu, 0.0, 0.0),
        (lambda x: la.hypot(x, x * 0.0), 0.0, 0.0),
        (lambda x: la.linalg.vector_norm(la.stack([x, x])), 0.0, 0.0),
        (lambda x: la.logaddexp(x, x), 1000.0, 1.0),
        (lambda x: la.logsumexp(la.stack([x, -x])), 1000.0, 1.0),
        (la.sigmoid, -1000.0, 0.0),
        (la.tanh, 1000.0, 0.0),
        (la.erf, 30.0, 0.0),
        (lambda x: la.softmax(la.stack([x, -x]))[0], 1000.0, 0.0),
    ],
)
def test_derivatives_at_special_points(f: Function, x: float, expected: float) -> None:
    found = la.grad(f)(la.asarray(x, dtype=la.float64)).item()
    assert found == pytest.approx(expected, rel=1e-14)


def test_a_derivative_that_is_infinite_is_infinity_not_nan() -> None:
    assert la.grad(la.sqrt)(la.asarray(0.0)).item() == math.inf
    assert la.grad(la.log)(la.asarray(0.0)).item() == math.inf


def test_nan_in_one_element_stays_there() -> None:
    x = la.variable([1.0, math.nan, 2.0])
    gradient = (x * x).sum().backward()[x].numpy()
    np.testing.assert_array_equal(gradient, [2.0, np.nan, 4.0])


@pytest.mark.parametrize(
    "f",
    [
        *(la.sin, la.cos, la.tan, la.tanh, la.atan, la.asinh, la.exp, la.log, la.abs, la.erf),
        *(la.sigmoid, la.relu, la.softplus, la.gelu, la.silu),
    ],
)
def test_a_missing_value_that_is_masked_does_not_spoil_a_weight(f: Any) -> None:
    x, w = la.asarray([float("nan"), 0.5]), la.variable(1.5)
    masked = la.where(la.isnan(x), 0.0, f(x * w)).sum().backward()[w]
    alone = f(la.asarray(0.5) * w).backward()[w]
    assert masked.item() == alone.item()
