"""Sums of columns, with what is made of them: a few vectors of columns at a time, whatever the threads' shares."""

from __future__ import annotations

import numpy as np
import pytest

import lamina as la
from lamina.compiler.runtime.threads import num_threads

THREADS = [1, 2, 3]
COLUMNS = [10, 63, 64, 65, 100, 128, 200, 512, 2048, 2100]


@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int64"])
def test_sums_of_columns_are_numpys_whatever_the_number_of_threads(columns: int, dtype: str) -> None:
    x = la.astype(la.asarray(np.random.default_rng(0).integers(-3, 4, (300, columns))), getattr(la, dtype))

    @la.compile
    def made(x: la.Tensor) -> tuple[la.Tensor, la.Tensor]:
        total = x.sum(axis=0)
        return total * total + x[0], la.max(x, axis=0) - total

    rows = la.astype(x, la.float64).numpy()
    total = rows.sum(axis=0)
    for threads in THREADS:
        with num_threads(threads):
            squares, spread = made(x)
        if dtype != "bfloat16":
            np.testing.assert_array_equal(squares.numpy(), total * total + rows[0])
        np.testing.assert_array_equal(la.astype(spread, la.float64).numpy(), rows.max(axis=0) - total)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("columns", COLUMNS)
def test_a_bias_is_updated_once_by_the_sum_of_its_columns(columns: int, threads: int) -> None:
    bias = la.variable(np.arange(columns, dtype=np.float32))

    @la.compile
    def step(g: la.Tensor) -> None:
        bias.assign(bias - 0.5 * g.sum(axis=0))

    g = np.random.default_rng(0).integers(-3, 4, (400, columns)).astype(np.float32)
    with num_threads(threads):
        step(la.asarray(g))
        step(la.asarray(g))
    np.testing.assert_array_equal(bias.numpy(), np.arange(columns, dtype=np.float32) - g.sum(axis=0))


@pytest.mark.parametrize("columns", COLUMNS)
def test_whether_all_of_a_column_is_true_is_numpys(columns: int) -> None:
    x = np.random.default_rng(0).random((300, columns)) > 0.003
    np.testing.assert_array_equal(la.compile(lambda x: la.all(x, axis=0))(la.asarray(x)).numpy(), x.all(axis=0))
