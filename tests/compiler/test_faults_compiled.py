"""Programs that fail on their values: the error of eager code, and nothing changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina import nn
from lamina.compiler import lowering
from lamina.compiler.graph.ir import input_value
from lamina.compiler.runtime.threads import num_threads
from lamina.dtypes import as_dtype
from lamina.primitives.indexing import scatter_add
from lamina.primitives.primitive import Spec
from lamina_tests.compiling import CompiledGraph
from lamina_tests.graphs import apply, graph, inputs, number

Loss = Callable[[Any, Any, Any, Any], la.Tensor]

GOOD = {"indices": np.asarray([0, 3, 1, 2, 1]), "powers": np.asarray([1, 2, 0, 3, 1]), "matrix": np.eye(3) * 2.0}
SINGULAR, TOO_FAR = np.zeros((3, 3)), np.asarray([0, 3, 1, 9, 1])
BELOW, NEGATIVE = np.asarray([0, -7, 1, 1, 1]), np.asarray([1, 2, -1, 3, 1])


def along(x: la.Tensor, indices: la.Tensor) -> la.Tensor:
    return la.take_along_axis(x, la.broadcast_to(indices.reshape(5, 1), (5, 4)), axis=0)


FAULTS: dict[str, tuple[Loss, str, Any]] = {
    "rows": (lambda x, i, e, m: (la.take(x, i, axis=0) ** 2).sum(), "indices", TOO_FAR),
    "columns": (lambda x, i, e, m: la.take(x, i, axis=1).sum(), "indices", TOO_FAR),
    "below": (lambda x, i, e, m: la.take(x, i, axis=0).sum(), "indices", BELOW),
    "along an axis": (lambda x, i, e, m: along(x, i).sum(), "indices", TOO_FAR),
    "label": (lambda x, i, e, m: nn.cross_entropy(x, i), "indices", TOO_FAR),
    "negative power": (
        lambda x, i, e, m: la.astype(la.arange(5) ** e, la.float64).sum() * x.sum(), "powers", NEGATIVE,
    ),
    "inverse": (lambda x, i, e, m: la.linalg.inv(m).sum() * x.sum(), "matrix", SINGULAR),
    "solve": (lambda x, i, e, m: la.linalg.solve(m, x[:3]).sum(), "matrix", SINGULAR),
    "triangle": (lambda x, i, e, m: la.linalg.solve_triangular(m, x[:3], upper=True).sum(), "matrix", SINGULAR),
    "cholesky": (lambda x, i, e, m: la.linalg.cholesky(m).sum() * x.sum(), "matrix", SINGULAR),
}  # fmt: skip


class Training:
    """A step that updates what it reads, before and after it may fail."""

    def __init__(self, loss: Loss) -> None:
        generator = np.random.default_rng(0)
        self.loss = loss
        self.x = la.asarray(generator.normal(size=(5, 4)))
        self.weight = la.variable(generator.normal(size=(4, 4)))
        self.bias = la.variable(generator.normal(size=(5, 4)))
        self.count = la.variable(np.asarray(0))

    @property
    def variables(self) -> tuple[la.Variable, ...]:
        return self.weight, self.bias, self.count

    def step(self, x: la.Tensor, indices: la.Tensor, powers: la.Tensor, matrix: la.Tensor) -> la.Tensor:
        self.count.assign(self.count + 1)
        hidden = x @ self.weight
        loss = self.loss(hidden + self.bias, indices, powers, matrix)
        gradients = loss.backward()
        self.bias.assign(self.bias + hidden)
        self.weight.assign((self.weight - 0.1 * gradients[self.weight]).T)
        return loss

    def values(self) -> list[Any]:
        return [each.numpy().copy() for each in self.variables]

    def restore(self, values: list[Any]) -> None:
        for variable, value in zip(self.variables, values, strict=True):
            variable.assign(value)

    def arguments(self, **other: Any) -> list[la.Tensor]:
        return [self.x, *map(la.asarray, {**GOOD, **other}.values())]


@pytest.fixture
def many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs are written for several threads, however small they are."""
    monkeypatch.setattr(lowering, "WORTH_A_THREAD", 1.0)


@pytest.mark.usefixtures("many_threads")
@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("name", FAULTS)
def test_a_step_that_fails_raises_what_eager_code_raises_and_changes_nothing(name: str, threads: int) -> None:
    loss, which, wrong = FAULTS[name]
    training = Training(loss)
    before = training.values()
    expected = training.step(*training.arguments()).numpy()
    after = training.values()
    with pytest.raises(la.LaminaError) as eager:
        training.step(*training.arguments(**{which: wrong}))
    step = la.compile(training.step)
    with num_threads(threads):
        for _ in range(2):
            training.restore(before)
            np.testing.assert_allclose(step(*training.arguments()).numpy(), expected, rtol=1e-12)
            for variable, value in zip(training.variables, after, strict=True):
                np.testing.assert_allclose(variable.numpy(), value, rtol=1e-12, atol=1e-12)
            left = training.values()
            with pytest.raises(type(eager.value)) as compiled:
                step(*training.arguments(**{which: wrong}))
            assert type(compiled.value) is type(eager.value)
            assert all(a.tobytes() == b.tobytes() for a, b in zip(training.values(), left, strict=True))


@pytest.mark.usefixtures("many_threads")
def test_an_index_that_the_program_computes_itself_may_be_wrong_too() -> None:
    place = la.variable(np.asarray([0, 1, 2]))
    table = la.variable(np.arange(4.0))

    @la.compile
    def move() -> la.Tensor:
        place.assign(place + 1)
        found = la.take(table.value, place.value, axis=0)
        table.assign(table * 2.0)
        return found

    assert move().numpy().tolist() == [1.0, 2.0, 3.0]
    for _ in range(2):
        with num_threads(2), pytest.raises(la.LaminaError):
            move()
        assert place.numpy().tolist() == [1, 2, 3]
        assert table.numpy().tolist() == [0.0, 2.0, 4.0, 6.0]


@pytest.mark.usefixtures("many_threads")
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_program_that_is_repeated_stops_in_the_run_that_fails(threads: int) -> None:
    (place,) = inputs((8,), dtype="int64")
    table = input_value(1, Spec((20,), as_dtype("float32")))
    further = apply("add", place, number(1, place.dtype))
    step = CompiledGraph(graph(apply("take", table, place, axis=0), updates=[(0, further)], of=(place, table)))
    for _ in range(100):
        places, results = np.arange(8), np.zeros((16, 8), np.float32)
        with num_threads(threads), pytest.raises(la.LaminaError):
            step.program([places, np.arange(20, dtype=np.float32)], [results], 16)
        assert places.tolist() == list(range(13, 21))
        assert results[12].tolist() == list(range(12, 20))


@pytest.mark.usefixtures("many_threads")
@pytest.mark.parametrize("threads", [1, 3])
def test_an_index_out_of_range_is_told_with_its_operation_and_its_line(threads: int) -> None:
    weight = la.variable(np.ones((4, 2)))

    @la.compile
    def step(x: la.Tensor, rows: la.Tensor, columns: la.Tensor) -> la.Tensor:
        found = la.take(x, columns, axis=1).sum()
        loss = (weight[rows] * 2.0).sum() + found  # the line
        weight.assign(weight - loss.backward()[weight])
        return loss

    x, right = la.ones((3, 5)), la.asarray([0, 1])
    for _ in range(3):
        with num_threads(threads), pytest.raises(la.SubscriptError) as rows:
            step(x, la.asarray([0, 4]), right)
        with num_threads(threads), pytest.raises(la.SubscriptError) as columns:
            step(x, right, la.asarray([0, -6]))
    text = str(rows.value)
    assert "take: an index is out of range for axis 0 of length 4 (given float64[4, 2], int64[2])" in text
    assert "loss = (weight[rows] * 2.0).sum() + found  # the line" in text
    assert "axis 1 of length 5" in str(columns.value)
    assert "found = la.take(x, columns, axis=1).sum()" in str(columns.value)
    assert (weight.numpy() == 1.0).all()


@pytest.mark.parametrize("dtype", [la.int64, la.int8, la.uint8, la.uint64])
@pytest.mark.parametrize("wrong", [4, -5])
@pytest.mark.parametrize("shape", [(4, 0), (4, 2, 0)])
def test_an_index_into_an_empty_result_is_looked_at_too(shape: tuple[int, ...], wrong: int, dtype: la.DType) -> None:
    total = la.variable(0.0)

    @la.compile
    def step(x: la.Tensor, indices: la.Tensor) -> la.Tensor:
        total.assign(total + 1.0)
        return la.take(x, indices, axis=0).sum()

    x = la.zeros(shape)
    step(x, la.asarray([0, 3], dtype=dtype))
    bad = la.asarray(np.asarray([0, wrong]).astype(dtype.name))
    with pytest.raises(la.SubscriptError) as eager:
        la.take(x, bad, axis=0)
    with pytest.raises(la.SubscriptError) as compiled:
        step(x, bad)
    assert str(compiled.value).split(" (")[0].startswith(str(eager.value).split(" (")[0])
    assert total.item() == 1.0


EMPTY_SCATTERS = [((2, 0), 0, 4, 4), ((0, 2), 1, 4, -5), ((2, 3), 0, 0, 0)]


@pytest.mark.parametrize(("shape", "axis", "size", "wrong"), EMPTY_SCATTERS)
def test_an_index_of_an_empty_sum_is_looked_at_too(shape: tuple[int, ...], axis: int, size: int, wrong: int) -> None:
    def added(values: la.Tensor, indices: la.Tensor) -> la.Tensor:
        return scatter_add(values, indices, axis=axis, size=size)

    given = la.zeros(shape), la.asarray([wrong, wrong])
    for function in (added, la.compile(added)):
        with pytest.raises(la.SubscriptError, match="scatter_add: an index is out of range"):
            function(*given)


def test_a_program_that_needs_more_memory_than_there_is_says_so() -> None:
    total = la.variable(np.asarray(1.0))

    @la.compile
    def large(x: la.Tensor) -> la.Tensor:
        total.assign(total + 1.0)
        return la.cumulative_sum(la.broadcast_to(x, (1 << 22, 1 << 22)) + total, axis=0).sum()

    for _ in range(2):
        with pytest.raises((MemoryError, la.BackendError)):
            large(la.ones(1 << 22))
        assert total.numpy() == 1.0
