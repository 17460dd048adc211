"""Gradients of broadcasting and of reductions, its adjoint."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina.testing import check_gradients

SHAPE = (2, 3, 4)


def _axes(ndim: int) -> list[Any]:
    """Every way to name axes of ``ndim``: all, none, one from either end, several, mixed."""
    several = [axes for count in range(2, ndim + 1) for axes in combinations(range(ndim), count)]
    negative = [tuple(axis - ndim for axis in axes) for axes in several]
    return [None, (), *range(-ndim, ndim), *several, *negative, (0, -1), (-1, 0)]


def _apart(shape: tuple[int, ...], seed: int = 0) -> la.Tensor:
    """Numbers that are all different, none near zero."""
    values = np.random.default_rng(seed).permutation(int(np.prod(shape))) / 10 + 0.35
    return la.asarray(values.reshape(shape))


@pytest.mark.parametrize(
    "shapes", [((3,), ()), ((2, 3), (3,)), ((2, 1), (1, 3)), ((2, 3), (1, 1, 3)), ((0, 3), (1, 3))]
)
@pytest.mark.parametrize("operation", [la.add, la.subtract, la.multiply, la.divide, la.pow, la.maximum, la.atan2])
def test_broadcasting_is_undone_by_summation(operation: Any, shapes: Any) -> None:
    check_gradients(operation, _apart(shapes[0]), _apart(shapes[1], 1) + 0.05, order=2)


def test_the_gradient_of_a_broadcast_operand_is_the_sum_over_its_uses() -> None:
    b = la.variable([1.0, 2.0, 3.0])
    x = la.asarray(np.arange(6.0, dtype=np.float32).reshape(2, 3))
    grads = (x * b).sum().backward()
    assert grads[b].tolist() == [3.0, 5.0, 7.0]


REDUCTIONS: dict[str, Callable[..., la.Tensor]] = {
    "sum": la.sum,
    "mean": la.mean,
    "prod": la.prod,
    "max": la.max,
    "min": la.min,
    "var": la.var,
    "std": la.std,
    "logsumexp": la.logsumexp,
}


# The standard deviation of single elements is zero, where the square root has no derivative.
OVER_AXES = [(name, axis) for name in REDUCTIONS for axis in _axes(3) if not (name == "std" and axis == ())]


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(("name", "axis"), OVER_AXES, ids=str)
def test_reductions_over_any_axes(name: str, axis: Any, keepdims: bool) -> None:
    reduce = REDUCTIONS[name]
    check_gradients(lambda x: reduce(x, axis=axis, keepdims=keepdims), _apart(SHAPE))


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "logsumexp"])
@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3)])
def test_reductions_of_nothing_have_a_gradient_of_nothing(name: str, shape: tuple[int, ...]) -> None:
    x = la.variable(np.zeros(shape))
    grads = REDUCTIONS[name](x, axis=-1).sum().backward()
    assert grads[x].shape == shape


@pytest.mark.parametrize("name", ["max", "min"])
@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1), -1], ids=str)
def test_gradient_of_an_extremum_is_shared_between_ties(name: str, axis: Any) -> None:
    torch = pytest.importorskip("torch")
    values = np.array([[1.0, 3.0, 3.0], [3.0, 1.0, 1.0]])
    x = la.variable(values)
    grads = (REDUCTIONS[name](x, axis=axis) * 2.0).sum().backward()
    theirs = torch.tensor(values, requires_grad=True)
    axes = (0, 1) if axis is None else axis
    (getattr(torch, f"a{name}")(theirs, dim=axes) * 2.0).sum().backward()
    np.testing.assert_allclose(grads[x].numpy(), theirs.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("operation", [la.maximum, la.minimum])
def test_gradient_of_a_pairwise_extremum_is_halved_in_a_tie(operation: Any) -> None:
    a, b = la.variable([1.0, 2.0, 5.0]), la.variable([1.0, 3.0, 4.0])
    grads = operation(a, b).sum().backward()
    np.testing.assert_array_equal((grads[a] + grads[b]).numpy(), [1.0, 1.0, 1.0])
    assert grads[a].tolist()[0] == 0.5


def test_gradient_of_an_extremum_with_one_infinity_goes_to_it() -> None:
    x = la.variable([1.0, float("inf"), 2.0])
    assert x.max().backward()[x].tolist() == [0.0, 1.0, 0.0]


# --- products with zeros ----------------------------------------------------------------------------------

WITH_ZEROS = [
    [1.5, -2.0, 3.0, 0.5],
    [1.5, 0.0, 3.0, 0.5],
    [1.5, 0.0, 3.0, 0.0],
    [0.0, 0.0, 0.0, 0.5],
    [0.0, 0.0, 0.0, 0.0],
    [0.0],
]


@pytest.mark.parametrize("values", WITH_ZEROS, ids=str)
@pytest.mark.parametrize("function", [la.prod, la.cumulative_prod])
def test_products_with_zeros_are_right_to_the_third_order(function: Any, values: list[float]) -> None:
    check_gradients(function, values, order=3)


@pytest.mark.parametrize("axis", [0, 1, None])
def test_products_with_zeros_along_an_axis(axis: Any) -> None:
    x = [[0.0, 2.0, 3.0], [4.0, 0.0, 0.5], [0.0, 0.0, 1.5]]
    check_gradients(lambda x: la.prod(x, axis=axis), x, order=2)
    if axis is not None:
        check_gradients(lambda x: la.cumulative_prod(x, axis=axis), x, order=2)
        check_gradients(lambda x: la.cumulative_sum(x, axis=axis), x, order=2)
