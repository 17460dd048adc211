"""A compiled step that uses few rows of a table writes these rows and no others."""

from __future__ import annotations

import numpy as np
import pytest

import lamina as la
from lamina import nn, optim

ROWS, WIDTH, USED = 500, 8, 30


def table_and_optimizer(kind: type[optim.Optimizer]) -> tuple[nn.Embedding, optim.Optimizer]:
    la.random.seed(0)
    table = nn.Embedding(ROWS, WIDTH)
    return table, kind(table.parameters(), lr=0.1)


def taken(table: nn.Embedding, optimizer: optim.Optimizer, indices: la.Tensor, targets: la.Tensor) -> la.Tensor:
    loss = nn.mse_loss(table(indices), targets)
    optimizer.step(loss.backward())
    return loss


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.Adagrad, optim.RMSprop])
def test_a_step_on_few_rows_is_that_of_eager_code_and_updates_tables_by_rows(kind: type[optim.Optimizer]) -> None:
    drawn = np.random.default_rng(0)
    batches = [
        (la.asarray(drawn.integers(0, ROWS, USED)), la.asarray(drawn.standard_normal((USED, WIDTH)).astype(np.float32)))
        for _ in range(4)
    ]
    eager, compiled = table_and_optimizer(kind), table_and_optimizer(kind)

    @la.compile
    def step(indices: la.Tensor, targets: la.Tensor) -> la.Tensor:
        return taken(*compiled, indices, targets)

    for batch in batches:
        np.testing.assert_allclose(step(*batch).item(), taken(*eager, *batch).item(), rtol=1e-6)
    np.testing.assert_allclose(compiled[0].weight.numpy(), eager[0].weight.numpy(), rtol=1e-6, atol=1e-7)
    found = step.explain(*batches[0])
    writers = [each for each in found.kernels if any("weight" in name or "state.0" in name for name in each.updates)]
    by_rows = [each for each in writers if each.name.startswith("put_rows")]
    assert any("weight" in each.updates for each in by_rows)
    # Nothing else is as large as the table: not even what counts steps.
    assert all(each.name.startswith(("put_rows", "loops 1")) for each in writers)


def test_a_table_whose_value_somebody_holds_keeps_what_was_read() -> None:
    table, optimizer = table_and_optimizer(optim.SGD)
    before = table.weight.value
    copy = before.numpy().copy()

    @la.compile
    def step(indices: la.Tensor, targets: la.Tensor) -> la.Tensor:
        return taken(table, optimizer, indices, targets)

    for _ in range(3):
        step(la.asarray([1, 2, 2]), la.zeros((3, WIDTH)))
    np.testing.assert_array_equal(before.numpy(), copy)
    changed = np.flatnonzero((table.weight.numpy() != copy).any(axis=1))
    assert changed.tolist() == [1, 2]


def test_rows_that_are_read_and_replaced_in_one_program_are_read_first() -> None:
    table = la.variable(np.arange(12, dtype=np.float32).reshape(6, 2))

    @la.compile
    def swap(first: la.Tensor, second: la.Tensor) -> la.Tensor:
        before = la.take(table.value, first, axis=0)
        table.assign_rows(first, la.take(table.value, second, axis=0))
        return before

    for _ in range(3):
        table.assign(np.arange(12, dtype=np.float32).reshape(6, 2))
        found = swap(la.asarray([0, 1]), la.asarray([4, 0]))
        assert found.tolist() == [[0.0, 1.0], [2.0, 3.0]]
        assert table.value[:2].tolist() == [[8.0, 9.0], [0.0, 1.0]]
