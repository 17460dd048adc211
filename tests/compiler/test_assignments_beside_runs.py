"""What other threads of Python do to variables and arguments while a program runs without the interpreter lock."""

from __future__ import annotations

import gc
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import lamina as la

STEPS = 400_000
WIDTH = 16


def loop(start: la.Tensor, factor: la.Tensor, steps: la.Tensor) -> la.Tensor:
    """Return what takes some tenths of a second for so many steps, and a few microseconds for few."""
    with la.no_grad():
        last, _ = la.scan(lambda c, _: (la.tanh(c * factor + 0.5), None), start, length=10**9, stop=steps)
    return last


def reading() -> tuple[Any, la.Variable]:
    w = la.variable(np.full(WIDTH, 0.5))
    return la.compile(lambda x, steps: loop(x[0], w.value, steps)), w


def updating() -> tuple[Any, la.Variable]:
    w = la.variable(np.full(WIDTH, 0.5))

    @la.compile
    def step(x: list[la.Tensor], steps: la.Tensor) -> la.Tensor:
        w.assign(loop(x[0], w.value, steps))
        return w.value * 1.0

    return step, w


def tracked() -> tuple[Any, la.Variable]:
    w = la.variable(np.full(WIDTH, 0.5))
    return la.compile(lambda x, steps: w * loop(x[0], w.value, steps)), w


@contextmanager
def running(step: Any, variable: la.Variable, x: list[la.Tensor]) -> Iterator[list[Any]]:
    """Run a step in another thread, which is in the middle of it inside of the block."""
    results: list[Any] = []
    at_rest = sys.getrefcount(variable._data)
    thread = threading.Thread(target=lambda: results.append(step(x, la.asarray(STEPS))))
    thread.start()
    deadline = time.monotonic() + 60
    while sys.getrefcount(variable._data) <= at_rest and time.monotonic() < deadline:
        time.sleep(0.001)
    yield results
    thread.join()


@pytest.mark.parametrize("way", [reading, updating, tracked])
def test_memory_of_a_variable_stays_while_a_program_runs_and_an_assignment_counts_as_made_after_it(way: Any) -> None:
    step, w = way()
    x = [la.ones(WIDTH, dtype=la.float64)]
    for _ in range(4):
        step(x, la.asarray(3))
    before = w.numpy()
    wanted = step(x, la.asarray(STEPS)).numpy()
    w.assign(before)
    memory = weakref.ref(w._data)
    with running(step, w, x) as results:
        w.assign(np.full(WIDTH, 7.0))
        gc.collect()
        assert memory() is not None or results
    np.testing.assert_array_equal(w, np.full(WIDTH, 7.0))
    np.testing.assert_array_equal(results.pop().numpy(), wanted)
    gc.collect()
    assert memory() is None


@pytest.mark.parametrize("way", [reading, updating, tracked])
def test_memory_of_an_argument_stays_while_a_program_runs(way: Any) -> None:
    step, w = way()
    for _ in range(4):
        step([la.ones(WIDTH, dtype=la.float64)], la.asarray(3))
    x = [la.ones(WIDTH, dtype=la.float64)]
    memory = weakref.ref(x[0]._data)
    with running(step, w, x) as results:
        x.clear()
        gc.collect()
        assert memory() is not None or results
    assert results.pop().shape == (WIDTH,)
    gc.collect()
    assert memory() is None
