"""Calls in machine code: what they look at, what they leave alone, and what they give back."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
import tracemalloc
from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina import nn, optim
from lamina.compiler.calling import guard, object_layout
from lamina.compiler.calling.hot_path import MISSED
from lamina.compiler.runtime.native_program import NativeProgram
from lamina.compiler.runtime.once import once
from lamina.compiler.runtime.threads import num_threads, set_num_threads
from lamina.compiler.specialisation import updating
from lamina.errors import DataError, SubscriptError

X = np.arange(6, dtype=np.float32).reshape(2, 3)
Pair = namedtuple("Pair", "first second")


@pytest.fixture(autouse=True)
def machine_with_the_code() -> None:
    if object_layout.offsets() is None:
        pytest.skip("this interpreter keeps its objects elsewhere")


def short(function: Any, *args: Any, **kwargs: Any) -> bool:
    """Tell whether a call is served by machine code, or the few lines around it."""
    given = (*args, kwargs) if kwargs else args
    return any(each.call(given) is not MISSED for each in function._hot[bool(kwargs)])


def warm(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a function until it has its short way."""
    for _ in range(3):
        result = function(*args, **kwargs)
    return result


# --- where the code comes from ---


def test_what_is_made_once_is_made_once_whichever_threads_ask() -> None:
    begun, made = threading.Event(), []

    @once
    def slow(name: str) -> list[str]:
        begun.set()
        time.sleep(0.05)
        made.append(name)
        return [name]

    found: list[list[str]] = []
    threads = [threading.Thread(target=lambda: found.append(slow("a"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert begun.wait(10)
    for thread in threads:
        thread.join()
    assert made == ["a"]
    assert all(each is found[0] for each in found)
    assert slow("b") == ["b"]


def test_calls_are_taken_over_by_machine_code_once() -> None:
    function = la.compile(lambda x: x * 2)
    warm(function, X)
    guard.install.__wrapped__(type(function))  # type: ignore[attr-defined]
    assert function(X[:1]).numpy().tolist() == (X[:1] * 2).tolist()  # which no plan serves


# --- which calls are served ---


@pytest.mark.parametrize(
    ("function", "args", "kwargs"),
    [
        (lambda x: x * 2, (la.asarray(X),), {}),
        (lambda x: x * 2, (X,), {}),
        (lambda x: x * 2, (), {"x": la.asarray(X)}),
        (lambda x, k: x * k, (la.asarray(X),), {"k": 3.0}),
        (lambda x, k: x * k, (la.asarray(X), 3.0), {}),
        (lambda t: t["a"] + t["b"][1], ({"a": la.asarray(X), "b": [1, X]},), {}),
        (lambda t: t[0] + t[1][0]["z"], ((X, ({"z": X},)),), {}),
        (lambda t: t.first - t.second, (Pair(X, la.asarray(X)),), {}),
        (lambda t, u: t[0] + u[0], ([X],), {"u": (X,)}),
        (lambda x, t: x + len(t), (X, []), {}),
        (lambda x: x, (np.float32(3.0) * np.ones((), np.float32)[...],), {}),
        (lambda x: x + 1, (np.zeros((0, 3), np.float32),), {}),
    ],
)
def test_trees_and_names_of_arguments_go_the_short_way(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    compiled = la.compile(function)
    found = warm(compiled, *args, **kwargs)
    assert short(compiled, *args, **kwargs)
    assert compiled.traces == 1
    plain = la.compile(function)(*args, **kwargs)
    assert found.tolist() == plain.tolist()


def test_static_arguments_must_be_the_same_objects() -> None:
    f = la.compile(lambda x, n: x * len(n), static_argnums=1)
    once, twice = (1, 2), (1, 2, 3)
    assert warm(f, la.ones(1), once).item() == 2.0
    assert short(f, la.ones(1), once)
    assert not short(f, la.ones(1), twice)
    assert f(la.ones(1), twice).item() == 3.0
    g = la.compile(lambda x, n: x * n, static_argnames="n")
    assert warm(g, la.ones(1), n=2).item() == 2.0
    assert short(g, la.ones(1), n=2)
    assert g(la.ones(1), n=5).item() == 5.0


@pytest.mark.parametrize(
    "returned",
    [
        lambda x: x,
        lambda x: (x, x + 1),
        lambda x: (x + 1, x + 1),
        lambda x: [x, (x * 2, None, 3)],
        lambda x: {"b": x, "a": [x + 2]},
        lambda x: Pair(x, x + 1),
        lambda x: (),
        lambda x: None,
    ],
)
def test_all_trees_of_results_are_those_of_the_first_call(returned: Callable[..., Any]) -> None:
    f = la.compile(returned)
    first, *others = [f(la.ones(2)) for _ in range(4)]
    assert short(f, la.ones(2))
    for other in others:
        assert repr(other) == repr(first)
        assert type(other) is type(first)


def test_lists_and_dicts_that_are_returned_are_new_each_time() -> None:
    f = la.compile(lambda x: ([x], {"a": x}))
    warm(f, la.ones(1))
    before, after = f(la.ones(1)), f(la.ones(1))
    assert before[0] is not after[0]
    assert before[1] is not after[1]


# --- strange arguments ---


class Odd(la.Tensor):
    """A class of a user's."""


def _unset(name: str) -> la.Tensor:
    made = la.asarray(X)
    delattr(made, name)
    return made


@pytest.mark.parametrize(
    "given",
    [
        (),
        (la.asarray(X), la.asarray(X)),
        (Odd(X, la.asarray(X)._backend),),
        (la.variable(X),),
        (X,),
        (X.astype(">f4"),),
        (X.astype(np.float64),),
        (np.asfortranarray(X),),
        (X[::-1],),
        (np.lib.stride_tricks.as_strided(X, (2, 3), (12, 4)).view(np.recarray),),
        (np.array([[object()] * 3] * 2),),
        (X.tolist(),),
        (None,),
        (3,),
        (object(),),
        ((),),
        ({},),
        (la.Tensor.__new__(la.Tensor),),
        (_unset("_data"),),
        (_unset("_backend"),),
        (_unset("_node"),),
        (la.Tensor(None, la.asarray(X)._backend),),
        (la.Tensor([1, 2], la.asarray(X)._backend),),
        (la.asarray(X.T),),
        (la.asarray(X[0]),),
        (la.asarray(np.ones((2, 3, 1), np.float32)),),
        (la.variable(X).value,),
    ],
)
def test_arguments_of_another_kind_are_told_from_those_before(given: tuple[Any, ...]) -> None:
    f = la.compile(lambda x: x * 2)
    warm(f, la.asarray(X))
    assert short(f, la.asarray(X))
    assert not short(f, *given)
    assert not short(f, x=la.asarray(X))


@pytest.mark.parametrize(
    "tree",
    [
        {"b": [X], "a": X},
        {"a": X},
        {"a": X, "b": [X], "c": X},
        {"a": X, "b": [X, X]},
        {"a": X, "b": []},
        {"a": X, "b": (X,)},
        {"a": X, "b": X},
        {"a": [X], "b": X},
        {"a": X, "c": [X]},
        {},
        [X, [X]],
        None,
        X,
    ],
)
def test_trees_of_another_form_are_told_from_those_before(tree: Any) -> None:
    f = la.compile(lambda t: t["a"] + t["b"][0])
    warm(f, {"a": X, "b": [X]})
    assert short(f, {"a": X + 1, "b": [X]})
    assert not short(f, tree)


def test_memory_that_is_not_aligned_goes_the_long_way() -> None:
    f = la.compile(lambda x: x * 2)
    warm(f, X)
    odd = np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:].view(np.float32).reshape(X.shape)
    assert not odd.flags.aligned
    assert not short(f, odd)
    assert f(odd).tolist() == (X * 2).tolist()


@pytest.mark.parametrize("tree", [lambda x: x, lambda x: {"rows": [x]}])
def test_bytes_in_another_order_are_read_in_it_at_every_call(tree: Callable[[Any], Any]) -> None:
    function = la.compile(lambda given: (given["rows"][0] if isinstance(given, dict) else given) * 2)
    swapped = X.astype(X.dtype.newbyteorder())
    for _ in range(4):
        assert function(tree(swapped)).numpy().tolist() == (X * 2).tolist()
    assert function(tree(X)).numpy().tolist() == (X * 2).tolist()


def test_tensors_from_outside_may_have_gaps() -> None:
    turned, scale = la.asarray(X).T, la.asarray(np.arange(12, dtype=np.float32))[::4]
    f = la.compile(lambda x: (x + turned) * scale[:, None])
    for shift in range(5):
        assert f(X.T + shift).tolist() == ((2 * X.T + shift) * np.array([[0.0], [4.0], [8.0]])).tolist()
    odd = X.T + 1  # by way of the long one, which has the table to itself
    f(np.asfortranarray(odd))
    assert f(np.ascontiguousarray(odd)).tolist() == ((odd + X.T) * np.array([[0.0], [4.0], [8.0]])).tolist()


# --- what surrounds a call ---


SCALE = 2.0


def test_globals_cells_and_members_are_looked_at() -> None:
    class Settings:
        def __init__(self) -> None:
            self.shift = 1.0

        def __call__(self, x: Any) -> Any:
            return x * SCALE + self.shift

    global SCALE
    settings = Settings()
    f = la.compile(lambda x: settings(x))
    try:
        assert warm(f, la.ones(1)).item() == 3.0
        settings.shift = 2.0
        assert warm(f, la.ones(1)).item() == 4.0
        SCALE = 3.0
        assert warm(f, la.ones(1)).item() == 5.0
        settings = Settings()
        assert warm(f, la.ones(1)).item() == 4.0
        del settings.shift
        with pytest.raises(AttributeError):
            f(la.ones(1))
    finally:
        SCALE = 2.0


def test_members_in_slots_are_looked_at() -> None:
    class Settings:
        __slots__ = ("shift",)

        def __call__(self, x: Any) -> Any:
            return x + self.shift

    settings = Settings()
    settings.shift = 1.0
    f = la.compile(lambda x: settings(x))
    assert warm(f, la.ones(1)).item() == 2.0
    assert short(f, la.ones(1))
    settings.shift = 5.0
    assert f(la.ones(1)).item() == 6.0
    del settings.shift
    with pytest.raises(AttributeError):
        f(la.ones(1))


def test_random_numbers_come_from_the_generator_in_use() -> None:
    f = la.compile(lambda x: x + la.random.uniform((2,)))
    with la.random.use_generator(la.random.Generator(1)):
        wanted = [(la.zeros(2) + la.random.uniform((2,))).tolist() for _ in range(4)]
    with la.random.use_generator(la.random.Generator(1)):
        assert [f(la.zeros(2)).tolist() for _ in range(4)] == wanted
        with la.random.use_generator(la.random.Generator(1)):
            assert [f(la.zeros(2)).tolist() for _ in range(4)] == wanted


def test_inside_another_compiled_function_it_is_traced() -> None:
    inner = la.compile(lambda x: x * 2)
    warm(inner, la.ones(2))
    outer = la.compile(lambda x: inner(x) + inner(la.ones(2)))
    assert warm(outer, la.ones(2)).tolist() == [4.0, 4.0]
    with la.no_grad():
        assert inner(la.ones(2)).tolist() == [2.0, 2.0]


# --- what goes wrong ---


def test_a_fault_is_raised_and_nothing_is_updated() -> None:
    w = la.variable([1.0, 2.0, 3.0])

    @la.compile
    def step(at: la.Tensor) -> la.Tensor:
        w.assign(w + 1)
        return la.take(w, at)

    inside = la.asarray([0, 1])
    warm(step, inside)
    before = w.tolist()
    gc.collect()  # what other tests left holds None, too
    counts = [sys.getrefcount(each) for each in (w._data, None, step)]
    for _ in range(100):
        with pytest.raises(SubscriptError, match="out of range"):
            step(la.asarray([0, 7]))
    assert w.tolist() == before
    assert [sys.getrefcount(each) for each in (w._data, None, step)] == pytest.approx(counts, abs=20)
    assert step(inside).tolist() == [before[0] + 1, before[1] + 1]


def test_a_check_of_the_users_own_data_raises_as_the_first_call_does() -> None:
    f = la.compile(lambda x, n: x**n)
    base, exponent = la.asarray([2, 3]), la.asarray([1, 2])
    warm(f, base, exponent)
    with pytest.raises(DataError, match="negative power"):
        f(base, la.asarray([1, -2]))
    assert f(base, exponent).tolist() == [2, 9]


def test_calls_of_every_form_reach_a_function_that_has_plans() -> None:
    f = la.compile(lambda x, y=1.0, *more, k=2.0: x * y + k + len(more))
    warm(f, la.ones(1))
    assert f._plans
    assert f(la.ones(1)).item() == 3.0
    assert f(la.ones(1), 5.0).item() == 7.0
    assert f(la.ones(1), *[1.0] * 300).item() == 302.0
    assert f(la.ones(1), 5.0, k=0.0).item() == 5.0
    assert f(x=la.ones(1), y=2.0, k=1.0).item() == 3.0
    assert type(f).__call__(f, la.ones(1)).item() == 3.0
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        f()
    with pytest.raises(TypeError, match="unexpected keyword"):
        f(la.ones(1), **{"z" * 3: 1})
    with pytest.raises(TypeError):
        type(f).__call__(object())  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        type(f).__call__()  # type: ignore[call-arg]


def test_a_function_without_plans_is_called_in_python() -> None:
    warm(la.compile(lambda x: x), la.ones(1))
    bare = object.__new__(type(la.compile(lambda x: x)))
    with pytest.raises(AttributeError):
        bare(la.ones(1))


# --- what is kept ---


def _training() -> tuple[Any, Any]:
    model = nn.MLP(3, [4], 2)
    optimizer = optim.Adam(model.parameters())

    @la.compile
    def step(x: la.Tensor, y: la.Tensor) -> la.Tensor:
        loss = nn.mse_loss(model(x), y)
        optimizer.step(loss.backward())
        return loss

    args = la.ones((5, 3)), la.ones((5, 2))
    return lambda: step(*args), args


def _with(f: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    return (lambda: f(*args, **kwargs)), (args, kwargs)


def _inside_lock() -> tuple[Any, Any]:
    w = la.variable(X)
    return _with(la.compile(lambda x: w * x), la.asarray(X))


WAYS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "one result": lambda: _with(la.compile(lambda x: x * 2), la.asarray(X)),
    "several": lambda: _with(la.compile(lambda x: (x * 2, x + 1)), la.asarray(X)),
    "a tree": lambda: _with(la.compile(lambda t: {"a": [t["b"][0]]}), {"b": (X,)}),
    "none": lambda: _with(la.compile(lambda x: None), X),
    "by name": lambda: _with(la.compile(lambda x: x), x=X),
    "a training step": _training,
    "tracked": _inside_lock,
}


@pytest.mark.parametrize("way", WAYS)
def test_calls_leak_neither_references_nor_memory(way: str) -> None:
    call, args = WAYS[way]()
    for _ in range(5):
        call()
    watched = [None, np.ndarray, la.Tensor, np.dtype(np.float32), la.ones(1)._backend, MISSED, call, args]
    for _ in range(100):
        call()
    gc.collect()
    before = [sys.getrefcount(each) for each in watched]
    tracemalloc.start()
    try:
        for _ in range(2000):
            call()
        held = tracemalloc.get_traced_memory()[0]
        for _ in range(20_000):
            call()
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - held
    finally:
        tracemalloc.stop()
    assert grown < 20_000  # less than a byte a call
    after = [sys.getrefcount(each) for each in watched]
    assert after == pytest.approx(before, abs=20)


def test_missed_calls_leak_neither() -> None:
    f = la.compile(lambda x: x * 2)
    warm(f, la.asarray(X))
    call = f._hot[0][0].call
    others = (la.ones(5),), (), (la.asarray(X), 1), (None,)
    watched = [None, np.ndarray, la.Tensor, np.dtype(np.float32), la.ones(1)._backend, MISSED]
    before = [sys.getrefcount(each) for each in watched]
    for _ in range(10_000):
        for other in others:
            assert call(other) is MISSED
    assert [sys.getrefcount(each) for each in watched] == pytest.approx(before, abs=20)


def test_results_are_tensors_of_their_own_memory() -> None:
    f = la.compile(lambda x: x * 2)
    results = [f(la.full((3,), float(value))) for value in range(6)]
    assert [each.tolist() for each in results] == [[2.0 * value] * 3 for value in range(6)]
    last = results[-1]
    assert type(last) is la.Tensor
    assert not last.tracked
    assert last._data.flags.owndata
    assert gc.is_tracked(last)
    assert (last + 1).tolist() == [11.0] * 3


def test_a_function_that_goes_takes_its_machine_code_along() -> None:
    import weakref

    class Marker:
        pass

    marker = Marker()
    gone = weakref.ref(marker)

    def build(held: Any) -> None:
        f = la.compile(lambda x: x * 2 if held else x)
        warm(f, la.ones(1))
        holder = [f]
        f.itself = holder  # type: ignore[attr-defined]

    build(marker)
    del marker
    gc.collect()
    assert gone() is None


# --- other threads, other processes ---


@contextmanager
def _held(lock: Any) -> Iterator[None]:
    """Another thread holds a lock."""
    taken, enough = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            taken.set()
            enough.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait()
    try:
        yield
    finally:
        enough.set()
        thread.join()


@pytest.mark.parametrize("make", [threading.Lock, threading.RLock])
def test_a_lock_that_is_held_is_seen(make: Callable[[], Any]) -> None:
    import ctypes

    lock = make()
    address = object_layout.locked(lock)
    assert address is not None
    byte = ctypes.c_uint8.from_address(address)
    for _ in range(3):
        assert byte.value == 0
        with _held(lock):
            assert byte.value == 1
        with lock:
            assert byte.value == 1
    assert byte.value == 0


def test_nothing_is_run_while_another_thread_updates() -> None:
    if object_layout.locked(updating) is None:
        pytest.skip("this interpreter's locks do not show whether they are held: the short way waits")
    w = la.variable([1.0])

    @la.compile
    def step(x: la.Tensor) -> la.Tensor:
        w.assign(w + x)
        return w * 1

    warm(step, la.ones(1))
    assert short(step, la.ones(1))
    before = w.item()
    with _held(updating):
        assert not short(step, la.ones(1))
        assert w.item() == before
    assert short(step, la.ones(1))


def test_threads_that_share_a_function_do_not_mix_their_calls() -> None:
    f = la.compile(lambda x: (x @ x.T).sum() + x[0, 0])
    w = la.variable([0.0])

    @la.compile
    def count(x: la.Tensor) -> la.Tensor:
        w.assign(w + x)
        return w * 1

    wrong: list[Any] = []

    def work(number: float) -> None:
        x = la.full((4, 4), number)
        for _ in range(1500):
            found = f(x).item()
            if found != 64 * number * number + number:
                wrong.append(found)
            count(la.ones(1))

    threads = [threading.Thread(target=work, args=(float(number),)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert w.item() == 6000.0


def test_recording_in_another_thread_is_its_own() -> None:
    w = la.variable([2.0])
    f = la.compile(lambda x: w * x)
    with la.no_grad():
        warm(f, la.ones(1))
        found: list[bool] = []
        thread = threading.Thread(target=lambda: found.append(f(la.ones(1)).tracked))
        thread.start()
        thread.join()
        assert found == [True]
        assert not f(la.ones(1)).tracked


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_goes_on_by_itself() -> None:
    w = la.variable([1.0])

    @la.compile
    def step(x: la.Tensor) -> la.Tensor:
        w.assign(w + x)
        return w * 1

    warm(step, la.ones(1))
    with _held(updating):
        child = os.fork()
        if child == 0:
            fine = short(step, la.ones(1)) and step(la.ones(1)).item() == 6.0
            os._exit(0 if fine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert w.item() == 4.0


# --- programs that take the lock ---


def test_long_programs_and_those_of_several_threads_are_run_with_the_lock() -> None:
    a = np.ones((300, 300), np.float32)
    f = la.compile(lambda x: (x @ x, x + 1))
    with num_threads(2):
        product, more = warm(f, a)
        assert short(f, a)
        assert product.numpy().min() == product.numpy().max() == 300.0
        assert more.numpy().max() == 2.0


def large_step() -> tuple[la.Variable, Any]:
    """Return a variable and a compiled step, of several threads, that adds 1 to all of it."""
    w = la.variable(np.zeros((128, 128), np.float32))
    one = la.eye(128)

    @la.compile
    def step(x: la.Tensor) -> la.Tensor:
        w.assign(w @ one + x)
        return w.sum()

    return w, step


def test_steps_of_several_threads_are_taken_one_after_the_other() -> None:
    w, step = large_step()
    one = la.ones((128, 128))

    def work() -> None:
        for _ in range(400):
            step(one)

    with num_threads(2):
        warm(step, one)
        before = w[0, 0].item()
        workers = [threading.Thread(target=work) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert w.numpy().min() == w.numpy().max() == before + 1600


def test_the_number_of_threads_may_change_while_steps_are_taken() -> None:
    w, step = large_step()
    one = la.ones((128, 128))
    with num_threads(1):
        warm(step, one)
        before, done = w[0, 0].item(), threading.Event()

        def change() -> None:
            for threads in range(200):
                set_num_threads(1 + threads % 5)
            done.set()

        worker, steps = threading.Thread(target=change), 0
        worker.start()
        while not done.is_set() or steps < 100:
            step(one)
            steps += 1
        worker.join()
    assert w.numpy().min() == w.numpy().max() == before + steps


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_makes_threads_of_its_own() -> None:
    w, step = large_step()
    one = la.ones((128, 128))
    with num_threads(2):
        for _ in range(20):
            step(one)
        child = os.fork()
        if not child:
            for _ in range(20):
                step(one)
            os._exit(0 if w[0, 0].item() == 40.0 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert w[0, 0].item() == 20.0


def test_programs_that_call_python_are_run_with_the_lock() -> None:
    f = la.compile(lambda x: la.linalg.inv(x) @ x)
    found = warm(f, np.eye(3, dtype=np.float32) * 2)
    assert short(f, np.eye(3, dtype=np.float32) * 2)
    assert found.tolist() == np.eye(3).tolist()
    with pytest.raises(la.LaminaError):
        f(np.zeros((3, 3), np.float32))
    assert f(np.eye(3, dtype=np.float32) * 4).tolist() == np.eye(3).tolist()


def test_variables_that_get_another_array_are_replaced() -> None:
    a, b = la.variable([1.0]), la.variable([2.0])

    @la.compile
    def swap(x: la.Tensor) -> la.Tensor:
        first, second = a.value, b.value
        a.assign(second + x)
        b.assign(first)
        return a + b

    for _ in range(4):
        before = a.item(), b.item()
        assert swap(la.ones(1)).item() == sum(before) + 1
        assert (a.item(), b.item()) == (before[1] + 1, before[0])


def test_repeated_runs_and_single_ones_take_turns() -> None:
    w = la.variable([0.0])

    @la.compile
    def step(x: la.Tensor) -> la.Tensor:
        w.assign(w + x)
        return w * 1

    one = la.ones(1)
    for turn in range(4):
        assert step(one).tolist() == [7.0 * turn + 1]
        assert step.repeat(5, one).tolist() == [[7.0 * turn + 2 + each] for each in range(5)]
        assert step(x=one).tolist() == [7.0 * turn + 7]


def test_a_small_program_keeps_the_interpreter_lock() -> None:
    f = la.compile(lambda x: x * 2)
    warm(f, la.ones(2))
    (specialisation,) = f._traces.values()
    execute = specialisation.program.execute
    assert isinstance(execute, NativeProgram)
    assert execute.entry is not None
    assert not execute.entry.releases
