"""Functions that rearrange elements against NumPy, by table."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

import lamina as la

few = settings(deadline=None, max_examples=25)
arrays = hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=3).flatmap(
    lambda shape: st.just(np.arange(np.prod(shape, dtype=int)).reshape(shape))
)


def axis_of(x, extra=0):
    return st.integers(-x.ndim - extra, x.ndim - 1 + extra)


def axes_of(x):
    return st.none() | axis_of(x) | st.lists(st.integers(0, x.ndim - 1), unique=True).map(tuple)


def permutation(x):
    return st.permutations(range(x.ndim)).map(lambda order: tuple(axis - x.ndim for axis in order))


# name: what to draw for an array, the call, and NumPy's answer
TABLE = {
    "permute_dims": (permutation, lambda xp, x, axes: xp.permute_dims(x, axes)),
    "flip": (axes_of, lambda xp, x, axis: xp.flip(x, axis=axis)),
    "moveaxis": (
        lambda x: st.tuples(axis_of(x), axis_of(x)),
        lambda xp, x, ends: xp.moveaxis(x, *ends),
    ),
    "roll": (
        lambda x: st.tuples(st.integers(-5, 5), st.none() | axis_of(x)),
        lambda xp, x, move: xp.roll(x, move[0], axis=move[1]),
    ),
    "roll over several axes": (
        lambda x: st.lists(st.integers(-4, 4), min_size=x.ndim, max_size=x.ndim).map(tuple),
        lambda xp, x, shifts: xp.roll(x, shifts, axis=tuple(range(x.ndim))),
    ),
    "expand_dims": (lambda x: st.integers(-x.ndim - 1, x.ndim), lambda xp, x, axis: xp.expand_dims(x, axis=axis)),
    "tile": (
        lambda x: st.lists(st.integers(0, 3), min_size=0, max_size=4).map(tuple),
        lambda xp, x, counts: xp.tile(x, counts),
    ),
    "repeat": (
        lambda x: st.tuples(st.integers(0, 3), st.none() | axis_of(x)),
        lambda xp, x, how: xp.repeat(x, how[0], axis=how[1]),
    ),
    "reshape": (lambda x: permutation(x), lambda xp, x, order: xp.reshape(x, tuple(x.shape[axis] for axis in order))),
    "concat": (axis_of, lambda xp, x, axis: xp.concat([x, xp.flip(x), x], axis=axis)),
    "concat of flattened": (st.just, lambda xp, x, _: xp.concat([x, x], axis=None)),
    "stack": (lambda x: st.integers(-x.ndim - 1, x.ndim), lambda xp, x, axis: xp.stack([x, x], axis=axis)),
    "pad": (
        lambda x: st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=x.ndim, max_size=x.ndim),
        lambda xp, x, widths: xp.pad(x, widths, constant_values=7),
    ),
    "tril": (lambda x: st.integers(-4, 4), lambda xp, x, k: xp.tril(x[None], k=k)),
    "triu": (lambda x: st.integers(-4, 4), lambda xp, x, k: xp.triu(x[None], k=k)),
}


@pytest.mark.parametrize("device", ["cpu", "strict"])
@pytest.mark.parametrize("name", TABLE)
@given(data=st.data())
@few
def test_rearrangement_is_numpys(name, device, data):
    draw, call = TABLE[name]
    x = data.draw(arrays)
    how = data.draw(draw(x))
    found = call(la, la.asarray(x, device=device), how)
    np.testing.assert_array_equal(found.numpy(), call(np, x, how), strict=True)


@given(data=st.data())
@few
def test_unstack_gives_the_slices(data):
    x = data.draw(arrays)
    axis = data.draw(axis_of(x))
    found = la.unstack(la.asarray(x), axis=axis)
    assert [part.tolist() for part in found] == [part.tolist() for part in np.unstack(x, axis=axis)]


@given(data=st.data())
@few
def test_split_at_indices_is_numpys(data):
    x = data.draw(arrays)
    axis = data.draw(axis_of(x))
    length = x.shape[axis]
    cuts = sorted(data.draw(st.lists(st.integers(0, length), max_size=3)))
    found = la.split(la.asarray(x), cuts, axis=axis)
    assert [part.tolist() for part in found] == [part.tolist() for part in np.split(x, cuts, axis=axis)]


@given(data=st.data())
@few
def test_repeat_by_a_tensor_is_numpys(data):
    x = data.draw(arrays)
    axis = data.draw(axis_of(x))
    counts = data.draw(hnp.arrays("int64", x.shape[axis], elements=st.integers(0, 3)))
    found = la.repeat(la.asarray(x), la.asarray(counts), axis=axis)
    np.testing.assert_array_equal(found.numpy(), np.repeat(x, counts, axis=axis))


def test_repeat_by_one_number_in_a_tensor_serves_all_elements():
    assert la.repeat(la.asarray([1, 2]), la.asarray([2])).tolist() == [1, 1, 2, 2]
    assert la.repeat(la.asarray([1, 2]), la.asarray(2)).tolist() == [1, 1, 2, 2]


@given(shapes=hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3))
@few
def test_broadcast_arrays_is_numpys(shapes):
    found = la.broadcast_arrays(*[la.ones(shape) for shape in shapes.input_shapes])
    assert {x.shape for x in found} == {shapes.result_shape}


def test_squeeze_takes_out_axes_of_length_one():
    x = la.ones((1, 2, 1, 3))
    assert la.squeeze(x, 0).shape == (2, 1, 3)
    assert la.squeeze(x, (0, -2)).shape == (2, 3)
    assert x.squeeze().shape == (2, 3)


def test_reshape_works_out_one_length():
    assert la.reshape(la.ones((4, 3)), (2, -1)).shape == (2, 6)
    assert la.ones((4, 3)).reshape(-1).shape == (12,)


def test_flatten_joins_a_range_of_axes():
    assert la.flatten(la.ones((2, 3, 4)), start_axis=1).shape == (2, 12)
    assert la.flatten(la.ones(())).shape == (1,)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: la.reshape(la.ones((2, 3)), (4,)), r"shape \[2, 3\] has 6 elements and does not fit \[4\]"),
        (lambda: la.reshape(la.ones(6), (-1, -1)), "does not fit"),
        (lambda: la.concat([la.ones((2, 3)), la.ones((2, 4))]), "must agree on every axis but 0"),
        (lambda: la.stack([la.ones(2), la.ones(3)]), "stack: shapes"),
        (lambda: la.squeeze(la.ones((2, 3)), 0), "has length 2, not 1"),
        (lambda: la.permute_dims(la.ones((2, 3)), (0,)), "permute_dims: shape"),
        (lambda: la.permute_dims(la.ones((2, 3)), (0, 0)), "names an axis twice"),
        (lambda: la.broadcast_to(la.ones(2), (3,)), "broadcast_to: shape"),
        (lambda: la.split(la.ones(5), 2), "does not divide into 2 equal parts"),
        (lambda: la.pad(la.ones(2), -1), "must not be negative"),
        (lambda: la.pad(la.ones((2, 2)), [(1, 1), (1, 1), (1, 1)]), "a pair for each of 2 axes"),
        (lambda: la.repeat(la.ones(2), -1), "must not be negative"),
        (lambda: la.repeat(la.ones(2), la.asarray([1, 2, 3])), "one number for each of the 2 elements"),
        (lambda: la.repeat(la.ones(2), la.asarray([1, -2])), "must not be negative"),
        (lambda: la.tril(la.ones(3)), "at least two axes"),
        (lambda: la.matrix_transpose(la.ones(3)), "at least two axes"),
        (lambda: la.ones(3).T, "expected a matrix"),
    ],
)
def test_manipulation_error_names_what_was_given(call, words):
    with pytest.raises(la.ShapeError, match=words):
        call()
