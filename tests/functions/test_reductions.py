"""Reductions, scans and positions against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

import lamina as la

few = settings(deadline=None, max_examples=40)
DEVICES = ["cpu", "strict"]


@st.composite
def reduced(draw, min_side=0, dtype="float64", elements=None):
    """An array, some of its axes (negative, a tuple, or None), and whether to keep them."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=min_side, max_side=4))
    x = draw(hnp.arrays(dtype, shape, elements=st.floats(-4, 4) if elements is None else elements))
    ndim = len(shape)
    axes = draw(
        st.none()
        | st.integers(-ndim, ndim - 1)
        | st.lists(st.integers(0, ndim - 1), unique=True).map(lambda axes: tuple(axis - ndim for axis in axes))
    )
    return x, axes, draw(st.booleans())


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "std"])
@given(case=reduced())
@few
def test_reduction_is_numpys(name, device, case):
    x, axis, keepdims = case
    found = getattr(la, name)(la.asarray(x, device=device), axis=axis, keepdims=keepdims)
    with np.errstate(all="ignore"):
        count = x.size if axis is None else np.prod([x.shape[each] for each in np.atleast_1d(axis).astype(int)])
        empty = np.full_like(np.sum(x, axis=axis, keepdims=keepdims), np.nan)
        averaged = count == 0 and name in ("mean", "var", "std")
        expected = empty if averaged else getattr(np, name)(x, axis=axis, keepdims=keepdims)
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ["max", "min", "all", "any", "count_nonzero"])
@given(case=reduced(min_side=1, elements=st.sampled_from([0.0, -1.0, 2.5, np.nan])))
@few
def test_choosing_reduction_is_numpys(name, device, case):
    x, axis, keepdims = case
    found = getattr(la, name)(la.asarray(x, device=device), axis=axis, keepdims=keepdims)
    np.testing.assert_array_equal(found.numpy(), getattr(np, name)(x, axis=axis, keepdims=keepdims))


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@given(data=st.data())
@few
def test_position_is_numpys(name, data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=4))
    x = data.draw(hnp.arrays("float32", shape, elements=st.integers(-2, 2)))
    axis = data.draw(st.none() | st.integers(-len(shape), len(shape) - 1))
    keepdims = data.draw(st.booleans())
    found = getattr(la, name)(la.asarray(x), axis=axis, keepdims=keepdims)
    assert found.dtype is la.int64
    np.testing.assert_array_equal(found.numpy(), getattr(np, name)(x, axis=axis, keepdims=keepdims))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
@given(data=st.data())
@few
def test_scan_is_numpys(name, device, data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))
    x = data.draw(hnp.arrays("float64", shape, elements=st.floats(-2, 2)))
    axis, initial = data.draw(st.integers(-len(shape), len(shape) - 1)), data.draw(st.booleans())
    found = getattr(la, name)(la.asarray(x, device=device), axis=axis, include_initial=initial)
    np.testing.assert_allclose(found.numpy(), getattr(np, name)(x, axis=axis, include_initial=initial), rtol=1e-12)


@given(data=st.data())
@few
def test_diff_is_numpys(data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=4))
    x = data.draw(hnp.arrays("int32", shape, elements=st.integers(-99, 99)))
    axis, n = data.draw(st.integers(-len(shape), len(shape) - 1)), data.draw(st.integers(0, 5))
    np.testing.assert_array_equal(la.diff(la.asarray(x), axis=axis, n=n).numpy(), np.diff(x, axis=axis, n=n))


def test_diff_takes_more_before_and_after():
    x = la.asarray([3, 7])
    assert la.diff(x, prepend=la.asarray([1]), append=la.asarray([7, 6])).tolist() == [2, 4, 0, -1]


@given(case=reduced(elements=st.floats(-700, 700)), scale=st.sampled_from([1.0, 1e300]))
@few
def test_logsumexp_is_that_of_scipy_and_does_not_overflow(case, scale):
    special = pytest.importorskip("scipy.special")
    x, axis, keepdims = case
    x = x * scale
    found = la.logsumexp(la.asarray(x), axis=axis, keepdims=keepdims)
    if x.size:
        expected = special.logsumexp(x, axis=axis, keepdims=keepdims)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-12)
    else:
        assert np.all(found.numpy() == -np.inf)


@pytest.mark.parametrize(
    ("dtype", "wide"), [("int8", "int64"), ("uint8", "uint64"), ("bool", "int64"), ("float16", "float16")]
)
@pytest.mark.parametrize("name", ["sum", "prod", "cumulative_sum", "cumulative_prod"])
def test_integers_accumulate_in_64_bits_and_floats_in_their_type(name, dtype, wide):
    x = la.asarray(np.ones(3, dtype=dtype))
    assert getattr(la, name)(x).dtype.name == wide
    assert getattr(la, name)(x, dtype=la.float32).dtype is la.float32


def test_sum_of_narrow_floats_is_accumulated_in_float32():
    assert la.sum(la.full(4096, 1.0, dtype="bfloat16")).item() == 4096.0
    assert la.sum(la.full(4096, 1.0, dtype="float16")).item() == 4096.0


@pytest.mark.parametrize(("name", "expected"), [("mean", 250.0), ("var", 62500.0), ("std", 250.0)])
@pytest.mark.parametrize("compiled", [False, True])
def test_mean_and_spread_of_narrow_floats_are_finite_where_their_sums_are_not(name, expected, compiled):
    f = getattr(la, name)
    x = la.asarray([0.0, 500.0] * 500, dtype="float16")
    found = (la.compile(f) if compiled else f)(x)
    assert found.dtype is la.float16
    assert found.item() == np.float16(expected)
    assert la.all(la.isfinite(la.grad(f)(x)))


def test_correction_is_subtracted_from_the_count():
    x = [1.0, 2.0, 4.0, 9.0]
    assert la.var(la.asarray(x), correction=1).item() == pytest.approx(np.var(x, ddof=1))
    assert la.std(la.asarray(x), correction=1.5).item() == pytest.approx(np.std(x, ddof=1.5))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: la.sum(la.ones((2, 3)), axis=2), "sum: axis 2 is out of range; the axes are -2 to 1"),
        (lambda: la.sum(la.ones((2, 3)), axis=(0, -2)), "names an axis twice"),
        (lambda: la.mean(la.ones(()), axis=0), "none, for there are no axes"),
        (lambda: la.max(la.ones((0, 2))), "max: no value over an empty axis"),
        (lambda: la.argmax(la.ones((2, 0)), axis=1), "argmax: no position in an empty axis"),
        (lambda: la.cumulative_sum(la.ones((2, 2))), "say which with axis="),
        (lambda: la.sum(la.ones(2), axis=1.5), "expected an integer axis"),
    ],
)
def test_reduction_error_names_the_axis(call, words):
    with pytest.raises(la.ShapeError, match=words):
        call()
