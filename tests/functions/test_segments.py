"""The largest, the smallest and the mean of each segment, against PyTorch."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

import lamina as la
from lamina.testing import check_gradients

few = settings(deadline=None, max_examples=25)
DEVICES = ["cpu", "strict"]
# Ours, PyTorch's name, and what it begins from; a mean of nothing is zero.
KINDS = {
    "max": (la.scatter_max, "amax", -np.inf),
    "min": (la.scatter_min, "amin", np.inf),
    "mean": (la.scatter_mean, "mean", 0.0),
}
INDICES = [0, 3, 0, 1, 3, 3]  # none is 2
TIES = np.array([[1.0, 4.0], [2.0, 2.0], [1.0, 5.0], [0.0, 0.0], [2.0, 2.0], [2.0, 1.0]])


def pytorchs(kind, values, indices, size):
    """PyTorch's, of slices along the first axis; it scatters elements."""
    torch = pytest.importorskip("torch")
    _, name, start = KINDS[kind]
    wide = torch.tensor(indices % size if size else indices).reshape(-1, *[1] * (values.ndim - 1)).expand(values.shape)
    begun = torch.full((size, *values.shape[1:]), start, dtype=values.dtype)
    return begun.scatter_reduce(0, wide, values, reduce=name, include_self=False)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@few
def test_values_are_pytorchs_along_any_axis(kind, device, data):
    torch = pytest.importorskip("torch")
    count, size = data.draw(st.integers(0, 6)), data.draw(st.integers(1, 4))
    inner = data.draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=1, max_side=3))
    x = data.draw(hnp.arrays("float64", (count, *inner), elements=st.sampled_from([-2.0, 0.5, 1.0, 3.0, np.inf])))
    indices = data.draw(hnp.arrays("int64", (count,), elements=st.integers(-size, size - 1)))
    axis = data.draw(st.integers(0, len(inner)))
    given_ = la.moveaxis(la.asarray(x, device=device), 0, axis)
    found = KINDS[kind][0](given_, la.asarray(indices, device=device), size=size, axis=axis)
    wanted = pytorchs(kind, torch.tensor(x), indices, size).numpy()
    np.testing.assert_allclose(la.moveaxis(found, axis, 0).numpy(), wanted, rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("inner", [(7,), (40,), (3, 5)])
def test_wide_slices_compiled_and_not_are_pytorchs(kind, inner):
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(2)
    x, indices = generator.normal(size=(50, *inner)), generator.integers(-9, 9, 50)
    wanted = pytorchs(kind, torch.tensor(x), indices, 9).numpy()

    def scattered(x, indices):
        return KINDS[kind][0](x, indices, size=9, axis=1)

    given_ = la.moveaxis(la.asarray(x), 0, 1), la.asarray(indices)
    for found in (scattered(*given_), la.compile(scattered)(*given_)):
        np.testing.assert_allclose(la.moveaxis(found, 1, 0).numpy(), wanted, rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_ties_are_pytorchs(kind):
    torch = pytest.importorskip("torch")
    weights = np.arange(6.0).reshape(3, 2)
    theirs = torch.tensor(TIES, requires_grad=True)
    (pytorchs(kind, theirs, np.array(INDICES), 4)[[0, 1, 3]] * torch.tensor(weights)).sum().backward()

    def total(x):
        found = KINDS[kind][0](x, la.asarray(INDICES), size=4)
        return (found[[0, 1, 3]] * la.asarray(weights)).sum()

    slope = la.grad(total)
    np.testing.assert_allclose(slope(la.asarray(TIES)).numpy(), theirs.grad.numpy(), rtol=1e-12)
    np.testing.assert_array_equal(la.compile(slope)(la.asarray(TIES)).numpy(), slope(la.asarray(TIES)).numpy())


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_are_right_to_second_order(kind):
    x = np.random.default_rng(0).normal(size=(6, 2))

    def squared(x):
        return KINDS[kind][0](x, la.asarray([0, 1, 0, 2, 1, 1]), size=3) ** 2

    check_gradients(squared, x, order=2)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_many_ties_of_a_narrow_type_share_the_gradient_equally(dtype):
    slope = la.grad(lambda x: la.scatter_max(x, la.zeros(1000, dtype="int64"), size=1).astype("float32").sum())
    shared = slope(la.ones(1000, dtype=dtype))
    assert shared.dtype.name == dtype
    np.testing.assert_allclose(shared.astype("float32").numpy(), 1e-3, rtol=4e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_mapped_calls_are_those_one_by_one(kind):
    generator = np.random.default_rng(1)
    x, indices = la.asarray(generator.normal(size=(3, 5, 2))), la.asarray(generator.integers(-4, 4, (3, 5)))

    def one(x, indices):
        return KINDS[kind][0](x, indices, size=4)

    alone = np.stack([one(x[k], indices[k]).numpy() for k in range(3)])
    np.testing.assert_array_equal(la.vmap(one)(x, indices).numpy(), alone)
    np.testing.assert_array_equal(la.compile(la.vmap(one))(x, indices).numpy(), alone)
    shared = la.vmap(lambda x: one(x, indices[0]))(x).numpy()
    np.testing.assert_array_equal(shared, np.stack([one(x[k], indices[0]).numpy() for k in range(3)]))


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64"])
def test_integers_without_a_segment_are_the_ends_of_their_type(dtype):
    x, indices, limits = la.asarray([3, 5, 4], dtype=dtype), la.asarray([0, 0, 2]), np.iinfo(dtype)
    assert la.scatter_max(x, indices, size=3).tolist() == [5, limits.min, 4]
    assert la.scatter_min(x, indices, size=3).tolist() == [3, limits.max, 4]
    assert la.scatter_mean(x, indices, size=3).tolist() == [4.0, 0.0, 4.0]


@pytest.mark.parametrize("device", DEVICES)
def test_a_segment_with_nan_is_nan(device):
    x, indices = la.asarray([1.0, np.nan, 3.0], device=device), la.asarray([0, 0, 1], device=device)
    for f in (la.scatter_max, la.scatter_min, la.scatter_mean):
        np.testing.assert_array_equal(f(x, indices, size=2).numpy(), [np.nan, 3.0])


@pytest.mark.parametrize("f", [la.scatter_max, la.scatter_min, la.scatter_mean])
def test_what_does_not_fit_is_named(f):
    with pytest.raises(la.ShapeError, match=r"an index (is|lies) out"):
        f(la.ones(2), la.asarray([0, 3]), size=3)
    with pytest.raises(la.ShapeError, match=r"an index (is|lies) out"):
        f(la.ones((2, 40)), la.asarray([0, -4]), size=3)
    with pytest.raises(la.ShapeError, match="do not hold indices"):
        f(la.ones(2), la.asarray([0, 1, 2]), size=3)
    with pytest.raises(la.DTypeError, match="expected integer indices"):
        f(la.ones(2), la.ones(2), size=3)
