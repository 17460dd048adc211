"""Rows that fill no whole vectors, and windows: every element once, whatever overlaps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lamina as la
from lamina import nn
from lamina.compiler.codegen.expressions import pieces
from lamina.compiler.schedule.views import operand_index, splits
from lamina_tests.graphs import apply as op, inputs


@pytest.mark.parametrize("repeatable", [False, True])
@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_what_is_left_of_a_row_is_covered_and_nothing_else_is(lanes: int, repeatable: bool) -> None:
    for count in range(1, 70):
        found = pieces(count, lanes, repeatable)
        covered = [at for start, width in found for at in range(start, start + width)]
        whole = count - count % lanes
        assert set(covered) | set(range(whole)) == set(range(count))
        assert repeatable or covered == list(range(whole, count))
        assert all(width & (width - 1) == 0 and width <= lanes for _, width in found)
        assert len(found) <= len(pieces(count, lanes))


@pytest.mark.parametrize("length", [3, 7, 14, 15, 22, 31, 47])
def test_what_is_updated_in_place_is_updated_once(length: int) -> None:
    counter, seen = la.variable(np.zeros((5, length), np.float32)), la.variable(np.zeros(length, np.float32))

    @la.compile
    def step(x: la.Tensor) -> la.Tensor:
        counter.assign(counter + x)
        seen.assign(seen + la.sum(x, axis=0))
        return counter * 2.0

    x = np.arange(5 * length, dtype=np.float32).reshape(5, length)
    for times in (1, 2, 3):
        np.testing.assert_array_equal(step(la.asarray(x)).numpy(), times * 2 * x)
        np.testing.assert_array_equal(seen.numpy(), times * x.sum(axis=0))


@pytest.mark.parametrize("width", [6, 14, 15, 28, 37])
@pytest.mark.parametrize(("size", "stride"), [(2, 2), (3, 2), (3, 1), (4, 4)])
def test_the_first_of_the_largest_is_found_in_rows_of_any_length(width: int, size: int, stride: int) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(width)
    x = rng.integers(-2, 3, (2, 3, 9, width)).astype(np.float32)  # many are equal
    x[:, :, 4, 3] = np.nan

    def pooled(x: la.Tensor) -> la.Tensor:
        return nn.max_pool2d(x * 2.0 - 1.0, size, stride)

    there = torch.tensor(x, requires_grad=True)
    expected = torch.nn.functional.max_pool2d(there * 2.0 - 1.0, size, stride)
    cotangent = rng.normal(size=expected.shape).astype(np.float32)
    expected.backward(torch.tensor(cotangent))

    @la.compile
    def both(x: la.Tensor, g: la.Tensor) -> tuple[la.Tensor, la.Tensor]:
        y, pullback = la.vjp(pooled, x)
        (gradient,) = pullback(g)
        return y, gradient

    y, gradient = both(la.asarray(x), la.asarray(cotangent))
    np.testing.assert_array_equal(y.numpy(), expected.detach().numpy())
    np.testing.assert_allclose(gradient.numpy(), there.grad.numpy(), rtol=1e-6, atol=1e-6)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=3), min_size=1, max_size=3), st.data())
def test_a_reshape_that_splits_axes_is_an_affine_index(parts: list[list[int]], data: st.DataObject) -> None:
    shape, wanted = tuple(int(np.prod(each)) for each in parts), tuple(size for each in parts for size in each)
    (x,) = inputs(shape)
    value = op("reshape", x, shape=wanted)
    assert splits(value)
    place = [data.draw(st.integers(0, size - 1)) for size in wanted]
    index = tuple((at,) for at in place)
    found = tuple(affine[0] for affine in operand_index(value, 0, index, 0))
    assert np.ravel_multi_index(found, shape) == np.ravel_multi_index(place, wanted)


def test_a_reshape_that_joins_axes_is_none() -> None:
    (x,) = inputs((4, 6))
    assert not splits(op("reshape", x, shape=(8, 3)))
    assert not splits(op("reshape", x, shape=(24,)))


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_sums_of_split_axes_are_those_of_whole_ones(dtype: str) -> None:
    x = np.random.default_rng(0).integers(-9, 9, (6, 5, 4, 14, 2)).astype(dtype)

    @la.compile
    def sums(x: la.Tensor) -> tuple[la.Tensor, la.Tensor, la.Tensor]:
        return x.sum(axis=(0, 2, 3, 4)), (x + 1).sum(axis=(2, 3)), la.max(x, axis=(1, 2, 4))

    for found, expected in zip(
        sums(la.asarray(x)), (x.sum((0, 2, 3, 4)), (x + 1).sum((2, 3)), x.max((1, 2, 4))), strict=True
    ):
        np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize("size", range(2, 17))
@pytest.mark.parametrize("start", [0, 3])
def test_the_first_few_of_far_rows_are_summed(size: int, start: int) -> None:
    x = np.random.default_rng(size).normal(size=(7, 33, 40)).astype(np.float32)

    @la.compile
    def few(x: la.Tensor) -> tuple[la.Tensor, la.Tensor]:
        part = (2.0 * x)[..., start : start + size]
        return la.sum(part, axis=-1), la.max(part, axis=-1)

    total, largest = few(la.asarray(x))
    part = (2.0 * x.astype(np.float64))[..., start : start + size]
    np.testing.assert_allclose(total.numpy(), part.sum(axis=-1), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(largest.numpy(), part.max(axis=-1).astype(np.float32))


def test_the_code_of_a_sum_of_few_neighbours_loads_them_as_vectors() -> None:
    step = la.compile(lambda x: la.sum(x[:, :12], axis=-1))
    assert "insertelement" not in step.llvm_ir(la.asarray(np.ones((64, 128), np.float32)))


@pytest.mark.parametrize("classes", [2, 3, 13, 16, 17])
@pytest.mark.parametrize("rows", [1, 3, 13, 40])
def test_rows_whose_sums_read_the_logarithm_of_their_own_sums_compile(rows: int, classes: int) -> None:
    """Cross-entropy with smoothed labels over few classes: the kernel of the sums waited for itself."""
    generator = np.random.default_rng(0)
    logits = la.asarray(generator.normal(size=(rows, classes)))
    labels = la.asarray(generator.integers(0, classes, rows))

    def loss(x: la.Tensor) -> la.Tensor:
        return nn.cross_entropy(x, labels, label_smoothing=0.1)

    wanted, found = la.value_and_grad(loss)(logits), la.compile(la.value_and_grad(loss))(logits)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-14)
