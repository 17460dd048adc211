"""Sorting, searching and sets against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

import lamina as la

few = settings(deadline=None, max_examples=40)
DEVICES = ["cpu", "strict"]
values = st.sampled_from([-2.0, -1.0, 0.0, 0.5, 3.0])
EXTREMES = [np.nan, np.inf, -np.inf, -0.0, 0.0, 1.0, -1.0, 2.5]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", ["float32", "int16"])
@given(data=st.data())
@few
def test_sort_and_argsort_agree_and_keep_the_order_of_equals(dtype, device, data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5))
    x = data.draw(hnp.arrays(dtype, shape, elements=st.integers(-3, 3)))
    axis, descending = data.draw(st.integers(-x.ndim, x.ndim - 1)), data.draw(st.booleans())
    t = la.asarray(x, device=device)
    ordered = np.sort(x, axis=axis)
    np.testing.assert_array_equal(
        la.sort(t, axis=axis, descending=descending).numpy(), np.flip(ordered, axis=axis) if descending else ordered
    )
    key = -x if descending else x
    np.testing.assert_array_equal(
        la.argsort(t, axis=axis, descending=descending).numpy(), np.argsort(key, axis=axis, stable=True)
    )


def test_nan_sorts_to_the_end():
    assert np.isnan(la.sort(la.asarray([np.nan, 1.0, -np.inf])).numpy()[-1])


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("device", DEVICES)
@given(data=st.data())
@few
def test_the_values_of_topk_are_pytorchs_and_the_first_of_equals_come_first(device, largest, data):
    torch = pytest.importorskip("torch")
    x = data.draw(hnp.arrays("float64", hnp.array_shapes(min_dims=1, max_dims=3), elements=st.sampled_from(EXTREMES)))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    k = data.draw(st.integers(0, x.shape[axis]))
    values, indices = la.topk(la.asarray(x, device=device), k, axis=axis, largest=largest)
    theirs = torch.topk(torch.from_numpy(x), k, dim=axis, largest=largest).values.numpy()
    np.testing.assert_array_equal(values.numpy(), theirs)
    np.testing.assert_array_equal(np.take_along_axis(x, indices.numpy(), axis), theirs)
    if not np.isnan(x).any():
        order = np.argsort(-x if largest else x, axis=axis, kind="stable")
        np.testing.assert_array_equal(indices.numpy(), np.take(order, range(k), axis=axis))


def test_topk_passes_gradients_to_what_it_took_also_compiled():
    x = la.asarray([[3.0, 1.0, 4.0], [1.0, 5.0, 9.0]])
    slope = la.grad(lambda x: (la.topk(x, 2).values * la.asarray([1.0, 10.0])).sum())
    assert slope(x).tolist() == la.compile(slope)(x).tolist() == [[10.0, 0.0, 1.0], [0.0, 10.0, 1.0]]


@pytest.mark.parametrize("k", [-1, 4, 2.0, True])
def test_topk_of_more_than_there_are_says_so(k):
    with pytest.raises(la.LaminaError, match="topk: k must be a whole number from 0 to 3"):
        la.topk(la.ones((2, 3)), k)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("side", ["left", "right"])
@given(data=st.data())
@few
def test_searchsorted_is_numpys(side, device, data):
    x = np.sort(data.draw(hnp.arrays("float64", st.integers(0, 6), elements=values)))
    wanted = data.draw(hnp.arrays("float64", hnp.array_shapes(min_dims=1, max_dims=2), elements=values))
    order = data.draw(st.permutations(range(x.size)))
    places = np.argsort(np.array(order, dtype="int64"))
    shuffled = np.empty_like(x)
    shuffled[places] = x
    sorter = places if data.draw(st.booleans()) else None
    found = la.searchsorted(
        la.asarray(x if sorter is None else shuffled, device=device),
        la.asarray(wanted, device=device),
        side=side,
        sorter=None if sorter is None else la.asarray(sorter, dtype="int64", device=device),
    )
    np.testing.assert_array_equal(found.numpy(), np.searchsorted(x, wanted, side=side))


@pytest.mark.parametrize("device", DEVICES)
@given(data=st.data())
@few
def test_unique_is_numpys(device, data):
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    dtype = data.draw(st.sampled_from(["float32", "int8", "bool"]))
    x = data.draw(hnp.arrays(dtype, shape, elements=st.booleans() if dtype == "bool" else st.integers(-2, 2)))
    t = la.asarray(x, device=device)
    ours, numpys = la.unique_all(t), np.unique_all(x)
    for field in ("values", "indices", "inverse_indices", "counts"):
        np.testing.assert_array_equal(getattr(ours, field).numpy(), getattr(numpys, field))
    np.testing.assert_array_equal(la.unique_values(t).numpy(), numpys.values)
    np.testing.assert_array_equal(la.unique_counts(t).counts.numpy(), numpys.counts)
    np.testing.assert_array_equal(la.unique_inverse(t).inverse_indices.numpy(), numpys.inverse_indices)


def test_every_nan_is_distinct():
    found = la.unique_counts(la.asarray([np.nan, 1.0, np.nan]))
    assert found.counts.tolist() == [1, 1, 1]


@given(x=hnp.arrays("int8", hnp.array_shapes(min_dims=1, min_side=0), elements=st.integers(-1, 1)))
@few
def test_nonzero_is_numpys(x):
    for ours, numpys in zip(la.nonzero(la.asarray(x)), np.nonzero(x), strict=True):
        np.testing.assert_array_equal(ours.numpy(), numpys)


def test_errors_of_searching():
    with pytest.raises(la.ShapeError, match="one axis"):
        la.searchsorted(la.ones((2, 2)), la.ones(2))
    with pytest.raises(ValueError, match="side must be"):
        la.searchsorted(la.ones(2), la.ones(2), side="middle")
    with pytest.raises(la.ShapeError, match="nonzero: expected at least one axis"):
        la.nonzero(la.asarray(1.0))
    with pytest.raises(la.ShapeError, match="sort: axis 1 is out of range"):
        la.sort(la.ones(2), axis=1)
