"""A long program ends early when a handler of a signal raises, and has then updated everything or nothing."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina.compiler.runtime.native_program import NativeProgram
from lamina.compiler.runtime.signals import uninterrupted
from lamina.compiler.runtime.threads import num_threads

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timers that signal")

ENDLESS = 10**9


class StoppedError(Exception):
    """What the handlers of these tests raise."""


@contextmanager
def after(seconds: float, handler: Callable[[], None]) -> Iterator[None]:
    """Call a handler of a signal in the main thread after so many seconds."""
    before = signal.signal(signal.SIGALRM, lambda *_: handler())
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def stop() -> None:
    raise StoppedError


class Loop:
    """A loop of as many steps as it is told, between updates of what it reads and of what it does not."""

    def __init__(self, width: int) -> None:
        self.calls = la.variable(np.asarray(0))
        self.rate = la.variable(np.full((width,), 0.5))

    def __call__(self, steps: la.Tensor) -> la.Tensor:
        self.calls.assign(self.calls + 1)
        start = la.zeros(self.rate.shape, dtype=la.float64)
        with la.no_grad():  # which keeps no carries
            last, _ = la.scan(lambda c, _: (la.tanh(c * self.rate + 1.0), None), start, length=ENDLESS, stop=steps)
        self.rate.assign(self.rate * 0.5 + last * 0.0)
        return last

    def values(self) -> list[Any]:
        return [each.numpy().copy() for each in (self.calls, self.rate)]


def nested(loop: Loop) -> Callable[[la.Tensor], la.Tensor]:
    """The loop inside of another, of one step."""

    def outer(steps: la.Tensor) -> la.Tensor:
        with la.no_grad():
            return la.scan(lambda c, _: (c + loop(steps), None), la.zeros(loop.rate.shape, dtype=la.float64), length=5)[
                0
            ]

    return outer


@pytest.mark.parametrize("wrap", [lambda loop: loop, nested], ids=["a loop", "a loop in a loop"])
@pytest.mark.parametrize(("width", "threads"), [(3, 1), (40_000, 1), (40_000, 2), (40_000, 3)])
def test_a_loop_ends_when_a_handler_raises_and_nothing_is_updated(width: int, threads: int, wrap: Any) -> None:
    eager, compiled = Loop(width), Loop(width)
    step = la.compile(wrap(compiled))
    wanted = wrap(eager)(la.asarray(3))
    with num_threads(threads):
        np.testing.assert_allclose(step(la.asarray(3)).numpy(), wanted.numpy(), rtol=1e-12)
        before = compiled.values()
        with pytest.raises(StoppedError), after(0.05, stop):
            step(la.asarray(ENDLESS))
        assert all(map(np.array_equal, compiled.values(), before))
        wanted = wrap(eager)(la.asarray(4))
        np.testing.assert_allclose(step(la.asarray(4)).numpy(), wanted.numpy(), rtol=1e-12)
    for a, b in zip(compiled.values(), eager.values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("threads", [1, 2])
def test_products_in_a_row_end_when_a_handler_raises(threads: int) -> None:
    generator = np.random.default_rng(0)
    weight = la.variable(generator.normal(size=(1024, 1024)) / 32.0)
    calls = la.variable(np.asarray(0))

    @la.compile
    def step(x: la.Tensor) -> la.Tensor:
        calls.assign(calls + 1)
        for _ in range(60):
            x = la.tanh(x @ weight)
        weight.assign(weight * 0.5 + x.sum() * 0.0)
        return x

    x, before = la.asarray(generator.normal(size=(1024, 1024))), weight.numpy().copy()
    with num_threads(threads):
        step.llvm_ir(x)
        with pytest.raises(StoppedError), after(0.5, stop):
            for _ in range(1000):
                step(x)
    made = calls.numpy().item()
    np.testing.assert_allclose(weight.numpy(), before * 0.5**made, rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize("warm", [0, 2], ids=["the first call", "the short way"])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_handler_sees_and_calls_a_program_before_it_runs_or_after(threads: int, warm: int) -> None:
    quiet, loop, steps = Loop(40_000), Loop(40_000), la.asarray(3000)
    undisturbed, step = la.compile(quiet), la.compile(loop)
    results, states, seen = [], [], []
    for _ in range(5):
        states.append(quiet.values())
        results.append(undisturbed(steps).numpy())
    step.llvm_ir(steps)
    for _ in range(warm):
        step(steps)

    def look() -> None:
        seen.append((loop.values(), step(steps).numpy()))

    with num_threads(threads), after(0.05, look):
        result = step(steps).numpy()
    [(values, meanwhile)] = seen
    at = values[0].item()
    assert all(map(np.array_equal, values, states[at]))
    np.testing.assert_array_equal(meanwhile, results[at])
    np.testing.assert_array_equal(result, results[2 * warm + 1 - at])
    assert all(map(np.array_equal, loop.values(), states[warm + 2]))


def test_signals_again_and_again_do_not_keep_a_program_from_its_end() -> None:
    loop, seen = Loop(40_000), []
    step = la.compile(loop)
    for _ in range(2):
        step(la.asarray(3))

    def again() -> None:
        seen.append(loop.calls.item())
        signal.setitimer(signal.ITIMER_REAL, 0.01)

    with after(0.01, again):
        step(la.asarray(3000))
    assert loop.calls.item() == 3
    assert seen[:2] == [2, 2]


def test_an_error_of_a_long_program_is_raised_as_ever() -> None:
    count = la.variable(np.asarray(0))

    @la.compile
    def step(x: la.Tensor, row: la.Tensor) -> la.Tensor:
        count.assign(count + 1)
        last, _ = la.scan(
            lambda c, _: (la.tanh(c + la.take(x, row, axis=0)), None), x[0], length=10**6, stop=la.astype(row, la.int64)
        )
        return last

    x = la.ones((4, 100))
    step(x, la.asarray(3))
    with pytest.raises(la.SubscriptError):
        step(x, la.asarray(4))
    assert count.item() == 1


def replaced() -> Any:
    """A program that leaves a tensor of an argument in a variable, which Python puts there."""
    kept = la.variable(np.zeros(4, np.float32))

    def step(x: la.Tensor) -> la.Tensor:
        kept.assign(x)
        return x * 2.0

    return step


def tracked() -> Any:
    w = la.variable(np.full(4, 2.0, np.float32))
    return lambda x: w * x


def calls_python() -> Any:
    return lambda x: la.linalg.solve(la.eye(4), x[:, None])[:, 0] * 2.0


WAYS = {"tracked": tracked, "replaced": replaced, "plain": lambda: lambda x: x * 2.0, "calls python": calls_python}


@pytest.mark.parametrize("warm", [0, 1, 3], ids=["first call", "second", "later"])
@pytest.mark.parametrize("way", WAYS)
def test_a_handler_may_call_a_program_in_the_middle_of_a_call_of_it(
    way: str, warm: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = la.compile(WAYS[way]())
    for _ in range(warm):
        step(la.ones(4))
    run, seen = NativeProgram.run, []

    def late(program: NativeProgram, *args: Any) -> bool:
        """The pointers are in the table, and the program has not begun."""
        if not seen:
            seen.append(None)
            signal.raise_signal(signal.SIGURG)
        return run(program, *args)

    def call(number: int, frame: Any) -> None:
        seen.append(step(la.asarray([3.0, 4.0, 5.0, 6.0])).numpy().tolist())

    monkeypatch.setattr(NativeProgram, "run", late)
    before = signal.signal(signal.SIGURG, call)
    try:
        result = step(la.asarray([1.0, 2.0, 3.0, 4.0])).numpy().tolist()
    finally:
        signal.signal(signal.SIGURG, before)
    assert result == [2.0, 4.0, 6.0, 8.0]
    assert seen in ([], [None, [6.0, 8.0, 10.0, 12.0]])  # machine code runs the program with nothing in between


def test_handlers_of_all_signals_wait_until_a_long_program_has_ended() -> None:
    inside = []

    def noticed(number: int, frame: Any) -> None:
        inside.append(number)

    numbers = (signal.SIGURG, signal.SIGWINCH, signal.SIGUSR2)
    before = [signal.signal(number, noticed) for number in numbers]
    try:
        with uninterrupted():
            for number in numbers:
                signal.raise_signal(number)
            assert not inside
        assert inside == list(numbers)
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def test_a_handler_that_raises_keeps_no_other_from_being_called() -> None:
    seen = []

    def raises(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    def notes(number: int, frame: Any) -> None:
        seen.append(number)

    before = signal.signal(signal.SIGUSR1, raises), signal.signal(signal.SIGUSR2, notes)
    try:
        with pytest.raises(KeyboardInterrupt), uninterrupted():
            signal.raise_signal(signal.SIGUSR1)
            signal.raise_signal(signal.SIGUSR2)
    finally:
        signal.signal(signal.SIGUSR1, before[0])
        signal.signal(signal.SIGUSR2, before[1])
    assert seen == [signal.SIGUSR2]
