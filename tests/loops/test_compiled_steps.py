"""Steps of compiled loops that assign variables, draw numbers, go by indices, may fail, or call Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina import nn
from lamina.autodiff.trees import leaves
from lamina.compiler.graph.ir import SCAN
from lamina.compiler.tracing.trace import trace
from lamina.errors import DataError, LaminaError, SubscriptError

LENGTH = 7


def array(*shape: int, seed: int = 0) -> la.Tensor:
    return la.asarray(np.random.default_rng(seed).uniform(-1.0, 1.0, shape))


class Things(nn.Module):
    """What steps read and assign."""

    def __init__(self) -> None:
        self.weight = la.variable(array(4, 4))
        self.table = la.variable(array(10, 4, seed=1))
        self.count = la.variable(np.zeros(()), trainable=False)
        self.embedding = nn.Embedding(10, 4, dtype="float64")
        self.norm = nn.BatchNorm1d(4, dtype="float64")
        self.drop = nn.Dropout(0.4)


def places(x: Any) -> Any:
    return la.abs(x * 9.0).astype("int64")


def counts(m: Things, h: Any, x: Any) -> Any:
    m.count.assign(m.count + 1.0)
    return (h @ m.weight + x * m.count).tanh(), m.count.value


def draws(m: Things, h: Any, x: Any) -> Any:
    return (m.drop(h) @ m.weight + x).tanh() + la.random.normal((4,), dtype="float64") * 0.1, h


def takes(m: Things, h: Any, x: Any) -> Any:
    rows = la.take(m.table, places(x), axis=0)
    return (h @ m.weight + la.take_along_axis(rows, la.argsort(rows, axis=1), axis=1).sum(axis=0)).tanh(), rows


def embeds(m: Things, h: Any, x: Any) -> Any:
    return (h @ m.weight + m.embedding(places(x)).sum(axis=0)).tanh(), h


def puts(m: Things, h: Any, x: Any) -> Any:
    # Trained inside of the loop, where no gradient goes; and read.
    m.table.assign_rows(places(x[:2]), la.stop_gradient(la.stack((h, x))))
    return (h @ m.weight + m.table.sum(axis=0) * 0.1).tanh(), m.table[2]


def normalises(m: Things, h: Any, x: Any) -> Any:
    return m.norm(la.stack((h, x, h * x))).sum(axis=0).tanh() @ m.weight, x


def learns(m: Things, h: Any, x: Any) -> Any:
    grads = (((h @ m.weight - x) ** 2).sum()).backward()
    m.weight.assign(m.weight - 0.01 * grads[m.weight])
    return (h @ m.weight + x).tanh(), grads[m.weight].sum()


def learns_at_once(m: Things, h: Any, x: Any) -> Any:
    return learns(m, la.stop_gradient(h), x)


def requires(m: Things, h: Any, x: Any) -> Any:
    return (h @ m.weight).tanh(), nn.cross_entropy(la.stack((h, x)), la.asarray([3, 1]) * places(la.ones(())) // 9)


def solves(m: Things, h: Any, x: Any) -> Any:
    return la.linalg.solve(m.weight + 3.0 * la.eye(4, dtype="float64"), h + x), h


def powers(m: Things, h: Any, x: Any) -> Any:
    return h @ m.weight + (places(x) ** places(x)).astype("float64") * 0.01 * x, h


def chooses(m: Things, h: Any, x: Any) -> Any:
    def add() -> Any:
        m.count.assign(m.count + h.sum())
        return h

    return la.cond(x[0] > 0.0, add, lambda: h @ m.weight), m.count.value


def inside(m: Things, h: Any, x: Any) -> Any:
    return la.scan(lambda h, y: counts(m, h, x + la.take(m.table, places(y[0]), axis=0)), h, array(6, 4, seed=5))


STEPS = [
    counts, draws, takes, embeds, puts, normalises, learns_at_once, requires, solves, powers, chooses, inside,
]  # fmt: skip
OF_ORDER_TWO = [counts, draws, embeds, normalises, requires, solves, chooses, inside]


def outcome(things: Things, run: Callable[[], Any], wrap: Callable[[Any], Any] = lambda f: f) -> list[Any]:
    """Return the results and all that was assigned, from the same beginning."""
    la.random.seed(3)
    state = {name: value.numpy().copy() for name, value in things.state_dict().items()}
    before = things.count.numpy()
    results = [each.numpy() for each in leaves(wrap(run)())]
    results += [each.numpy() for each in things.state_dict().values()]
    results += [things.count.numpy(), la.random.default_generator().counter.numpy()]
    things.load_state_dict(state)
    things.count.assign(before)
    return results


def has_loops(run: Callable[[], Any]) -> bool:
    return SCAN in [value.op for value in trace(lambda tracer: run(), True, loops=True).graph.values()]


def agree(things: Things, run: Callable[[], Any]) -> None:
    for one, other in zip(outcome(things, run, la.compile), outcome(things, run), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)


def loss(things: Things, step: Callable[..., Any], xs: Any) -> Any:
    carry, ys = la.scan(lambda h, x: step(things, h, x), array(4, seed=2), xs)
    return sum((each * each).sum() for each in (carry, ys))


@pytest.mark.parametrize("wrap", [lambda f: f, la.checkpoint], ids=["kept", "checkpointed"])
@pytest.mark.parametrize("step", STEPS)
def test_values_gradients_and_what_is_assigned_are_as_eagerly(step: Any, wrap: Any) -> None:
    la.random.seed(0)
    things, xs = Things(), array(LENGTH, 4, seed=4)
    wrapped = wrap(step)

    def run() -> Any:
        value = loss(things, wrapped, xs)
        grads = value.backward()
        of = [w for w in things.parameters() if w in grads]
        return value, la.grad(lambda xs: loss(things, wrapped, xs))(xs), [grads[w] + 0.0 for w in of]

    assert has_loops(run)
    agree(things, run)


def test_a_step_that_takes_gradients_through_earlier_ones_is_written_out() -> None:
    things, xs = Things(), array(LENGTH, 4, seed=4)
    run = lambda: loss(things, learns, xs)  # noqa: E731
    assert not has_loops(run)
    agree(things, run)


@pytest.mark.parametrize("step", OF_ORDER_TWO)
def test_second_derivatives_are_as_eagerly(step: Any) -> None:
    la.random.seed(0)
    things, xs = Things(), array(LENGTH, 4, seed=4)
    first = la.grad(lambda xs: loss(things, step, xs))
    run = lambda: la.grad(lambda xs: (first(xs) ** 2).sum())(xs)  # noqa: E731
    assert has_loops(run)
    agree(things, run)


def test_the_gradient_of_a_table_stays_one_of_rows() -> None:
    things, xs = Things(), array(LENGTH, 4, seed=4)

    def run() -> Any:
        found = loss(things, embeds, xs).backward()[things.embedding.weight]
        assert isinstance(found, la.RowGradient)
        assert found.rows.shape == (LENGTH * 4, 4)
        return found.indices, found.rows

    la.compile(run)()


@pytest.mark.parametrize("threads", [1, 2])
def test_an_index_out_of_range_in_a_step_is_told_and_nothing_is_assigned(threads: int) -> None:
    table = la.variable(np.ones((50, 64), np.float32))
    count = la.variable(0, trainable=False)
    optimizer = la.optim.SGD([table], lr=0.1)

    @la.compile
    def step(rows: Any) -> Any:
        def taken(h: Any, row: Any) -> Any:
            count.assign(count + 1)
            return (h + la.take(table, row, axis=0)).tanh(), h

        last, _ = la.scan(taken, la.zeros((40, 64)), rows)
        optimizer.step(last.sum().backward())
        return last

    rows = np.random.default_rng(0).integers(0, 50, (9, 40))
    before = la.get_num_threads()
    la.set_num_threads(threads)
    try:
        step(la.asarray(rows))
        weight = table.numpy()
        rows[5, 3] = 50
        with pytest.raises(SubscriptError, match="take: an index is out of range for axis 0 of length 50"):
            step(la.asarray(rows))
        assert count.item() == 9
        np.testing.assert_array_equal(table.numpy(), weight)
        rows[5, 3] = 49
        step(la.asarray(rows))
        assert count.item() == 18
    finally:
        la.set_num_threads(before)


def test_what_a_step_requires_holds_in_every_step() -> None:
    logits = la.variable(array(LENGTH, 3, 4))

    @la.compile
    def total(labels: Any) -> Any:
        step = lambda c, now: (c + nn.cross_entropy(*now), None)  # noqa: E731
        loss, _ = la.scan(step, la.zeros((), dtype="float64"), (logits, labels))
        logits.assign(logits - loss.backward()[logits])
        return loss

    labels = np.zeros((LENGTH, 3), np.int64)
    total(la.asarray(labels))
    before = logits.numpy()
    labels[4, 1] = 4
    with pytest.raises(DataError, match="cross_entropy"):
        total(la.asarray(labels))
    np.testing.assert_array_equal(logits.numpy(), before)


def test_what_python_computes_in_a_step_may_fail() -> None:
    @la.compile
    def run(xs: Any) -> Any:
        return la.scan(lambda c, x: (c + la.linalg.cholesky(x), None), la.zeros((2, 2), dtype="float64"), xs)[0]

    xs = np.stack([np.eye(2)] * LENGTH)
    np.testing.assert_allclose(run(la.asarray(xs)).numpy(), LENGTH * np.eye(2))
    xs[3] = -np.eye(2)
    with pytest.raises(LaminaError, match="cholesky"):
        run(la.asarray(xs))


def test_a_program_with_such_steps_does_not_grow_with_the_length() -> None:
    things = Things()

    def operations(length: int) -> int:
        run = lambda: loss(things, draws, array(length, 4)).backward()[things.weight]  # noqa: E731
        return len(trace(lambda tracer: run(), True, loops=True).graph.values())

    assert operations(40) == operations(20)
