"""What is recorded and what is not: no_grad, stop_gradient, threads."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import lamina as la


def test_nothing_is_recorded_inside_no_grad() -> None:
    w = la.variable([1.0, 2.0])
    with la.no_grad():
        y = w * 2.0
    assert not y.tracked
    assert (w * 2.0).tracked


def test_no_grad_is_a_decorator_too() -> None:
    w = la.variable(3.0)

    @la.no_grad()
    def double(x: la.Tensor) -> la.Tensor:
        return x * 2.0

    assert not double(w).tracked
    assert not double(w).tracked
    assert (w * 2.0).tracked


def test_no_grad_ends_with_an_error_too() -> None:
    with pytest.raises(RuntimeError), la.no_grad():
        raise RuntimeError
    assert (la.variable(1.0) * 2.0).tracked


def test_no_grad_nests() -> None:
    w = la.variable(1.0)
    with la.no_grad():
        with la.no_grad():
            pass
        assert not (w * 2.0).tracked


def test_a_transform_records_inside_no_grad() -> None:
    with la.no_grad():
        assert la.grad(lambda x: x * x)(la.asarray(3.0)).item() == 6.0
        assert la.hessian(lambda x: (x**3).sum())(la.asarray([2.0])).tolist() == [[12.0]]
        assert la.jvp(lambda x: x**3, [la.asarray(2.0)], [la.asarray(1.0)])[1].item() == 12.0


def test_no_grad_inside_a_function_makes_a_constant() -> None:
    def f(x: la.Tensor) -> la.Tensor:
        with la.no_grad():
            factor = x * 1.0
        return x * factor

    assert la.grad(f)(la.asarray(3.0)).item() == 3.0


def test_stop_gradient_makes_a_constant_of_the_same_values() -> None:
    w = la.variable([1.0, 2.0])
    stopped = la.stop_gradient(w * 2.0)
    assert not stopped.tracked
    assert stopped.tolist() == [2.0, 4.0]
    assert (w * stopped).sum().backward()[w].tolist() == [2.0, 4.0]


def test_constants_are_not_recorded() -> None:
    x = la.asarray([1.0, 2.0])
    assert not (x * x).sum().tracked
    assert not (la.variable([1.0]) > 0.0).tracked
    assert not la.argmax(la.variable([1.0, 2.0])).tracked


def test_recording_belongs_to_a_thread() -> None:
    w = la.variable(1.0)
    inside, done = threading.Event(), threading.Event()
    seen = {}

    def other() -> None:
        inside.wait(10)
        seen["other"] = (w * 2.0).tracked
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    with la.no_grad():
        inside.set()
        done.wait(10)
        seen["own"] = (w * 2.0).tracked
    thread.join()
    assert seen == {"other": True, "own": False}


def test_a_thread_started_inside_no_grad_records() -> None:
    w = la.variable(1.0)
    with la.no_grad(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: (w * 2.0).tracked).result()


def test_gradients_in_many_threads_at_once() -> None:
    w = la.variable(np.linspace(0.1, 1.0, 7))

    def task(number: int) -> bool:
        x = la.asarray(np.full(7, float(number)))
        for _ in range(20):
            grads = ((w * x).sin() * x).sum().backward()
            expected = np.cos(w.numpy() * number) * number * number
            if not np.allclose(grads[w].numpy(), expected, rtol=1e-12):
                return False
            with la.no_grad():
                if (w * 2.0).tracked:
                    return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(task, range(32)))


def test_one_no_grad_can_be_entered_again_and_inside_itself() -> None:
    w, off = la.variable(3.0), la.no_grad()
    for _ in range(2):
        with off:
            with off:
                pass
            assert not (w * 2.0).tracked
        assert (w * 2.0).tracked


def test_threads_that_share_a_no_grad_do_not_switch_each_other() -> None:
    w, off, inside, left = la.variable(3.0), la.no_grad(), threading.Event(), threading.Event()

    def wait_inside() -> bool:
        with off:
            inside.set()
            left.wait(10)
        return (w * 2.0).tracked

    with ThreadPoolExecutor(1) as pool, la.no_grad():
        other = pool.submit(wait_inside)
        inside.wait(10)
        with off:
            left.set()
            assert other.result()
        assert not (w * 2.0).tracked
