"""A chain of any length works, and memory is given back."""

from __future__ import annotations

import gc
import tracemalloc
import weakref

import numpy as np
import pytest

import lamina as la

LENGTH = 100_000


def _chain(x: la.Tensor, length: int = LENGTH) -> la.Tensor:
    for _ in range(length):
        x = x + 1.0
    return x


def test_backward_through_a_chain_of_100_000() -> None:
    w = la.variable(1.0)
    y = _chain(w)
    assert y.item() == LENGTH + 1
    assert y.backward()[w].item() == 1.0


def test_grad_through_a_chain_of_100_000() -> None:
    assert la.grad(_chain)(la.asarray(1.0)).item() == 1.0


def test_the_derivative_of_the_derivative_of_a_long_chain() -> None:
    def f(x: la.Tensor) -> la.Tensor:
        y = x * x
        for _ in range(10_000):
            y = y * 1.0
        return y

    assert la.grad(la.grad(f))(la.asarray(3.0)).item() == 2.0


def test_a_chain_of_100_000_is_deleted_without_recursion() -> None:
    start = la.variable(np.ones(4)) * 1.0
    first = weakref.ref(start)
    y = _chain(start)
    del start
    assert first() is not None
    del y
    assert first() is None


@pytest.fixture
def _traced() -> object:
    gc.collect()
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("_traced")
def test_a_chain_gives_its_memory_back_when_it_is_dropped() -> None:
    w = la.variable(np.ones(4))
    before = tracemalloc.get_traced_memory()[0]
    y = _chain(w)
    held = tracemalloc.get_traced_memory()[0] - before
    grads = y.backward()
    del y
    left = tracemalloc.get_traced_memory()[0] - before
    assert held > LENGTH * 100
    assert left < held / 100
    assert len(grads) == 1


@pytest.mark.usefixtures("_traced")
def test_the_sweep_drops_cotangents_as_it_goes() -> None:
    size, length = 100_000, 50
    w = la.variable(np.ones(size))
    y = w
    for _ in range(length):
        y = -y  # whose derivative needs no value, so that the sweep makes cotangents only
    start = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    grads = y.backward()
    peak = tracemalloc.get_traced_memory()[1] - start
    assert grads[w].shape == (size,)
    assert peak < 5 * size * 8


@pytest.mark.usefixtures("_traced")
def test_a_sweep_that_nothing_differentiates_records_nothing() -> None:
    w = la.variable(np.ones(100_000))
    y = w
    for _ in range(20):
        y = y.sin()
    start = tracemalloc.get_traced_memory()[0]
    gradient = la.grad(lambda x: x.sin().sin().sin().sum())(la.asarray(np.ones(100_000)))
    assert not gradient.tracked
    grads = y.backward()
    held = tracemalloc.get_traced_memory()[0] - start
    assert not grads[w].tracked
    assert held < 3 * 100_000 * 8


def test_only_what_lies_on_the_way_to_an_input_is_swept() -> None:
    calls = []
    w = la.variable(np.ones(3))
    beside = w
    for _ in range(1000):
        beside = beside * 1.0

    def f(x: la.Tensor) -> la.Tensor:
        calls.append(1)
        return (x * la.asarray(np.ones(3)) + beside).sum()

    assert la.grad(f)(la.asarray(np.ones(3))).tolist() == [1.0, 1.0, 1.0]
    assert len(calls) == 1
