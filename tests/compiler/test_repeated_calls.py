"""`repeat`: many calls of a compiled function as one."""

import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np
import pytest

import lamina as la
from lamina import nn, optim
from lamina.compiler.runtime.portions import Portions
from lamina.errors import DataError, SubscriptError
from lamina.tensor import Tensor


def counter():
    """A compiled function that counts, and the variable in which it does."""
    n = la.variable(la.asarray(0), trainable=False)

    @la.compile
    def count(x):
        n.assign(n + 1)
        return x * n.astype("float32"), n.value

    return count, n


def training():
    """A compiled step with dropout, its model, and its data."""
    with la.random.use_generator(la.random.Generator(2)):
        model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1))
    adam = optim.Adam(model.parameters(), lr=0.01)
    x = la.random.Generator(0).normal((16, 3))
    # The moments begin as one array of zeros; a step gives each its own.
    adam.step(nn.mse_loss(model(x), x[:, :1]).backward())

    @la.compile
    def step(x):
        loss = nn.mse_loss(model(x), x[:, :1])
        adam.step(loss.backward())
        return loss

    return step, model, x


@pytest.mark.parametrize("times", [1, 2, 7])
@pytest.mark.parametrize("before", [0, 1, 3])
def test_repeated_calls_equal_single_ones_to_the_last_bit(times, before):
    results, weights = [], []
    for together in (True, False):
        la.random.seed(4)
        step, model, x = training()
        for _ in range(before):
            step.repeat(times, x)
        results.append(step.repeat(times, x).numpy() if together else [step(x).item() for _ in range(times)])
        weights.append([each.numpy() for each in model.parameters()])
    np.testing.assert_array_equal(*results)
    for together, single in zip(*weights, strict=True):
        np.testing.assert_array_equal(together, single)


def test_every_result_is_stacked_along_a_new_first_axis():
    count, n = counter()
    scaled, numbers = count.repeat(3, la.asarray([1.0, 2.0]))
    assert scaled.tolist() == [[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]
    assert numbers.tolist() == [1, 2, 3]
    assert n.item() == 3


def test_one_call_is_stacked_too():
    count, _ = counter()
    assert count.repeat(1, la.ones(2))[0].shape == (1, 2)


def test_short_and_long_ways_of_repeating_agree():
    count, _ = counter()
    x = la.ones(2)
    found = [count.repeat(2, x)[1].tolist() for _ in range(4)]
    found.append(count.repeat(3, x=x)[1].tolist())
    assert found == [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10, 11]]
    assert count(x)[1].item() == 12
    assert count.traces <= 2


@dataclass
class Results:
    loss: Tensor
    name: str
    rest: list


def test_what_is_no_traced_tensor_is_as_the_last_call_returns_it():
    outside = la.asarray([5.0])
    n = la.variable(la.asarray(0), trainable=False)

    @la.compile
    def mixed():
        n.assign(n + 1)
        return Results(n.value, "mixed", [None, {"outside": outside, "variable": n}])

    found = mixed.repeat(2)
    assert found.loss.tolist() == [1, 2]
    assert found.name == "mixed"
    assert found.rest[0] is None
    assert found.rest[1]["outside"].tolist() == [[5.0], [5.0]]
    assert found.rest[1]["variable"] is n


def test_gradients_flow_through_repeated_calls():
    w = la.variable([1.0, 2.0])
    square = la.compile(lambda: (w * w).sum())
    found = square.repeat(3)
    assert found.tolist() == [5.0, 5.0, 5.0]
    assert found.sum().backward()[w].tolist() == [6.0, 12.0]


def test_variables_that_part_are_repeated_one_by_one():
    zero = la.zeros(2)
    a, b = la.variable(zero, trainable=False), la.variable(zero, trainable=False)

    @la.compile
    def part():
        a.assign(a + 1)
        b.assign(b - a)
        return b.value

    assert part.repeat(3).tolist() == [[-1.0, -1.0], [-3.0, -3.0], [-6.0, -6.0]]
    assert part.repeat(2).tolist() == [[-10.0, -10.0], [-15.0, -15.0]]


def test_repeating_inside_a_compiled_function_is_part_of_it():
    count, n = counter()

    @la.compile
    def outer(x):
        return count.repeat(2, x)[1] * 10

    assert outer(la.ones(1)).tolist() == [10, 20]
    assert outer(la.ones(1)).tolist() == [30, 40]
    assert n.item() == 4


def test_methods_are_repeated_on_their_object():
    class Doubling:
        def __init__(self):
            self.n = la.variable(1.0, trainable=False)

        @la.compile
        def double(self, by):
            self.n.assign(self.n * by)
            return self.n.value

    one, other = Doubling(), Doubling()
    assert one.double.repeat(3, la.asarray(2.0)).tolist() == [2.0, 4.0, 8.0]
    assert other.n.item() == 1.0


def test_a_held_value_is_not_written_over():
    count, n = counter()
    before = n.value
    count.repeat(5, la.ones(1))
    kept = n.value
    count.repeat(5, la.ones(1))
    assert (before.item(), kept.item(), n.item()) == (0, 5, 10)


def test_calls_before_one_that_fails_have_been_made():
    n = la.variable(la.asarray(0), trainable=False)
    x = la.asarray([1.0, 2.0, 3.0])

    @la.compile
    def walk(x):
        here = la.take(x, n.value[None])
        n.assign(n + 1)
        return here

    with pytest.raises(SubscriptError):
        walk.repeat(5, x)
    assert n.item() == 3


@pytest.mark.parametrize("times", [True, 0, -1, 1.5, "two", None])
def test_a_number_of_calls_that_makes_no_sense_is_an_error(times):
    count, n = counter()
    with pytest.raises(DataError, match="repeat: times"):
        count.repeat(times, la.ones(1))
    assert n.item() == 0


# --- several native calls ---


@pytest.fixture(params=[1, 3])
def small_portions(request, monkeypatch):
    """So few runs go into one native call."""
    monkeypatch.setattr(Portions, "of", lambda self, times: min(times, request.param))


@pytest.mark.usefixtures("small_portions")
def test_results_do_not_depend_on_how_many_runs_go_into_a_native_call():
    la.random.seed(4)
    step, model, x = training()
    found = [step.repeat(times, x).numpy() for times in (1, 7, 8)]
    weights = [each.numpy() for each in model.parameters()]
    la.random.seed(4)
    step, model, x = training()
    expected = [step(x).item() for _ in range(16)]
    np.testing.assert_array_equal(np.concatenate(found), np.asarray(expected, np.float32))
    for together, single in zip(weights, model.parameters(), strict=True):
        np.testing.assert_array_equal(together, single.numpy())


@pytest.mark.usefixtures("small_portions")
def test_trees_are_the_same_of_several_native_calls():
    outside = la.asarray([5.0])
    n = la.variable(la.asarray(0), trainable=False)

    @la.compile
    def mixed(x):
        n.assign(n + 1)
        return Results(n.value * x, "mixed", [None, {"outside": outside, "variable": n}])

    found = mixed.repeat(7, la.asarray([1, 2]))
    assert found.loss.tolist() == [[each, 2 * each] for each in range(1, 8)]
    assert (found.name, found.rest[0], found.rest[1]["variable"]) == ("mixed", None, n)
    assert found.rest[1]["outside"].shape == (7, 1)


@pytest.mark.usefixtures("small_portions")
def test_calls_before_one_that_fails_have_been_made_in_several_native_calls_too():
    place = la.variable(la.asarray([0]), trainable=False)

    @la.compile
    def walk(table):
        found = la.take(table, place.value, axis=0)
        place.assign(place + 1)
        return found

    with pytest.raises(SubscriptError):
        walk.repeat(9, la.arange(5))
    assert place.tolist() == [5]


def test_a_program_that_does_nothing_is_repeated_too():
    assert la.compile(lambda: 3).repeat(5) == 3


def test_native_calls_grow_to_what_takes_a_tenth_of_a_second():
    portions = Portions(1000.0)
    assert portions.of(100) == 100
    assert portions.of(10**9) == pytest.approx(10_000, rel=1e-3)
    portions.took(0.05, 10_000)
    assert portions.of(10**9) == pytest.approx(20_000, rel=1e-3)
    portions.took(5.0, 10)
    assert portions.of(10**9) == 1
    portions.took(0.0, 1)
    assert portions.of(50) == 50


ENDLESS = """
import time
import lamina as la

n = la.variable(la.asarray(0), trainable=False)
w = la.variable(la.ones((96, 96)))

@la.compile
def step():
    n.assign(n + 1)
    w.assign((w.value @ w.value) / 96.0)
    return n.value

step.repeat(100)
print("ready", flush=True)
try:
    step.repeat(100_000_000)
except KeyboardInterrupt:
    counted = n.item()
    again = step.repeat(3).tolist()
    print(counted > 100 and again == [counted + 1, counted + 2, counted + 3], flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is no signal there")
def test_ctrl_c_ends_a_long_repetition_between_two_runs():
    with subprocess.Popen([sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "ready\n"
        time.sleep(0.5)
        began = time.perf_counter()
        child.send_signal(signal.SIGINT)
        try:
            said = child.communicate(timeout=60)[0]
        finally:
            child.kill()
        taken = time.perf_counter() - began
    assert said == "True\n"
    # A tenth of a second, the end of Python, and what a busy machine adds.
    assert taken < 5.0
