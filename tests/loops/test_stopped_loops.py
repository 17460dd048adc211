"""Loops that stop before their end: the steps left out take no part in anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina.autodiff.traced_scan import UNROLLED
from lamina.autodiff.trees import leaves
from lamina.errors import DTypeError, ShapeError

STOPS = [-1, 0, 1, 5, 7, 9]
XS = la.asarray(np.random.default_rng(0).uniform(-1.0, 1.0, (7, 3)))
FIRST = la.asarray(np.ones(3))


def step(c: Any, x: Any) -> Any:
    c = (c * 0.9 + x).sin()
    return c, (c * x, None)


def by_hand(xs: Any, stop: int, reverse: bool) -> Any:
    """The loop over the elements that are left, with zeros for the others."""
    count = min(max(stop, 0), xs.shape[0])
    carry, rows = FIRST, [la.zeros(3, dtype="float64")] * xs.shape[0]
    for t in range(count - 1, -1, -1) if reverse else range(count):
        carry, (rows[t], _) = step(carry, xs[t])
    return carry, la.stack(rows)


def stopped(xs: Any, stop: Any, reverse: bool) -> Any:
    carry, (ys, nothing) = la.scan(step, FIRST, xs, stop=stop, reverse=reverse)
    assert nothing is None
    return carry, ys


def with_gradients(run: Callable[..., Any], xs: Any, stop: Any, reverse: bool) -> Any:
    def loss(xs: Any) -> Any:
        return sum((each * each).sum() for each in run(xs, stop, reverse))

    first = la.grad(loss)
    return run(xs, stop, reverse), first(xs), la.grad(lambda xs: (first(xs) ** 2).sum())(xs)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [UNROLLED - 1, 7])
def test_values_and_gradients_are_those_of_a_shorter_loop(length: int, reverse: bool) -> None:
    xs = XS[:length]
    compiled = la.compile(lambda xs, stop: with_gradients(stopped, xs, stop, reverse))
    for stop in STOPS:
        wanted = leaves(with_gradients(by_hand, xs, stop, reverse))
        for found in (with_gradients(stopped, xs, stop, reverse), compiled(xs, la.asarray(stop))):
            for one, other in zip(leaves(found), wanted, strict=True):
                np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-12, atol=1e-14)


def test_nothing_of_the_steps_left_out_is_seen() -> None:
    """Neither NaN there, nor what they would assign or require."""
    count, table = la.variable(0, trainable=False), la.asarray(np.arange(5.0))

    def run(places: Any, stop: Any) -> Any:
        def taken(c: Any, place: Any) -> Any:
            count.assign(count + 1)
            return c + la.take(table, place, axis=0), la.log(table[1] - place.astype("float64") / 100.0)

        return la.scan(taken, la.zeros((), dtype="float64"), places, stop=stop)

    places = la.asarray([1, 2, 3, 4, 4, 1000, 1000])
    total, logs = la.compile(run)(places, la.asarray(5))
    assert total.item() == 14.0
    assert count.item() == 5
    assert logs.numpy()[5:].tolist() == [0.0, 0.0]


def test_stops_inside_of_a_loop_depend_on_its_steps() -> None:
    """A triangle: each step of the outer loop goes over as many elements as its number says."""

    def triangle(xs: Any) -> Any:
        def row(total: Any, number: Any) -> Any:
            within, ys = la.scan(step, FIRST, xs, stop=number)
            return total + within, ys[0].sum()

        return la.scan(row, FIRST * 0.0, la.arange(7))

    def loss(xs: Any) -> Any:
        return sum(each.sum() for each in triangle(xs))

    run = lambda xs: (triangle(xs), la.grad(loss)(xs))  # noqa: E731
    for one, other in zip(leaves(la.compile(run)(XS)), leaves(run(XS)), strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("threads", [1, 2])
def test_all_threads_stop(threads: int) -> None:
    w = la.variable(np.random.default_rng(1).normal(size=(128, 128)) / 12.0)
    xs = la.asarray(np.random.default_rng(2).normal(size=(9, 64, 128)))
    run = lambda stop: la.scan(lambda h, x: ((h @ w + x).tanh(), h), xs[0], xs, stop=stop)  # noqa: E731
    before = la.get_num_threads()
    la.set_num_threads(threads)
    try:
        compiled = la.compile(run)
        for stop in (9, 4, 0):
            for one, other in zip(leaves(compiled(la.asarray(stop))), leaves(run(stop)), strict=True):
                np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-10)
    finally:
        la.set_num_threads(before)


def test_a_stop_is_one_integer() -> None:
    with pytest.raises(DTypeError, match="stop is float32"):
        la.scan(step, FIRST, XS, stop=la.asarray(2.0))
    with pytest.raises(ShapeError, match="one integer for the whole loop"):
        la.scan(step, FIRST, XS, stop=la.asarray([2, 3]))
