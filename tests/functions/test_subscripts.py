"""Subscripts, gathering and scattering against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

import lamina as la

few = settings(deadline=None, max_examples=50)
shapes = hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4)


def counting(shape):
    return np.arange(np.prod(shape, dtype=int)).reshape(shape)


@pytest.mark.parametrize("device", ["cpu", "strict"])
@given(data=st.data())
@few
def test_integers_slices_new_axes_and_ellipsis_are_numpys(device, data):
    x = counting(data.draw(shapes))
    key = data.draw(hnp.basic_indices(x.shape, allow_newaxis=True, allow_ellipsis=True))
    np.testing.assert_array_equal(la.asarray(x, device=device)[key].numpy(), x[key])


@given(data=st.data())
@few
def test_negative_steps_are_numpys(data):
    x = counting(data.draw(shapes))
    ends = st.none() | st.integers(-6, 6)
    key = tuple(slice(data.draw(ends), data.draw(ends), data.draw(st.integers(-3, -1))) for _ in x.shape)
    np.testing.assert_array_equal(la.asarray(x)[key].numpy(), x[key])


@given(data=st.data())
@few
def test_masks_choose_elements_or_rows(data):
    x = counting(data.draw(shapes))
    mask = data.draw(hnp.arrays(bool, x.shape[: data.draw(st.integers(1, x.ndim))]))
    np.testing.assert_array_equal(la.asarray(x)[la.asarray(mask)].numpy(), x[mask])


@given(data=st.data())
@few
def test_integer_tensors_broadcast_over_leading_axes(data):
    x = counting(data.draw(hnp.array_shapes(min_dims=1, max_dims=4, max_side=4)))
    count = data.draw(st.integers(1, x.ndim))
    wide = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=count, min_dims=1, max_dims=2, max_side=3))
    indices = [
        data.draw(hnp.arrays("int64", shape, elements=st.integers(-size, size - 1)))
        for shape, size in zip(wide.input_shapes, x.shape, strict=False)
    ]
    found = la.asarray(x)[tuple(la.asarray(each) for each in indices)]
    np.testing.assert_array_equal(found.numpy(), x[tuple(indices)])


def test_integer_tensors_mix_with_integers():
    x = counting((3, 4, 2))
    np.testing.assert_array_equal(la.asarray(x)[la.asarray([0, 2]), -1].numpy(), x[[0, 2], -1])


def test_integer_tensor_without_axes_stands_for_its_value():
    x = counting((3, 4))
    np.testing.assert_array_equal(la.asarray(x)[la.asarray(1), :2].numpy(), x[1, :2])


AROUND = {
    "behind an axis": (slice(None), [2, 0, 2]),
    "behind an ellipsis": (..., [1, 0]),
    "two at the end": (..., [[0, 3], [1, 2]], [0, 1]),
    "an integer beside it": (slice(None), [0, 2], 1),
    "a negative integer beside it": (-1, [3, -1]),
    "slices on both sides": (slice(0, 2), [3, 0], slice(None, None, -1)),
    "new axes on both sides": (None, slice(1, None), [1, 1], None),
    "a mask in the middle": (slice(None), [True, False, True, True]),
    "a mask and an integer": ([True, False, True], 1),
    "a mask of two axes behind an ellipsis": (..., [[True, False], [False, True], [False] * 2, [True] * 2]),
    "a mask, an axis": ([True, False, True], slice(1, 3)),
}


@pytest.mark.parametrize("key", AROUND.values(), ids=AROUND)
@pytest.mark.parametrize("kind", [lambda part: part, np.asarray, la.asarray], ids=["list", "array", "tensor"])
def test_lists_arrays_and_tensors_of_indices_stand_among_other_subscripts(key, kind):
    x = counting((3, 4, 2))
    mine = tuple(kind(part) if isinstance(part, list) else part for part in key)
    np.testing.assert_array_equal(la.asarray(x)[mine].numpy(), x[key])


def test_gradient_of_chosen_columns_goes_back_to_them_compiled_too():
    def f(x, columns):
        return (x[:, columns] * la.asarray([[1.0], [2.0]])).sum()

    x, columns = la.asarray([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), la.asarray([2, 0, 2])
    expected = [[1.0, 0.0, 2.0], [2.0, 0.0, 4.0]]
    assert la.grad(f)(x, columns).tolist() == expected
    assert la.compile(la.grad(f))(x, columns).tolist() == expected


def test_iteration_ends():
    assert [row.tolist() for row in la.asarray([[1, 2], [3, 4]])] == [[1, 2], [3, 4]]
    assert len(la.ones((3, 2))) == 3


@pytest.mark.parametrize(
    ("key", "error", "words"),
    [
        (3, IndexError, r"index 3 is out of range for axis 0 of shape \[3, 4\]"),
        ((0, -5), IndexError, "index -5 is out of range for axis 1"),
        ((0, 0, 0), IndexError, "3 subscripts for the 2 axes"),
        ((..., ...), IndexError, "one ellipsis only"),
        (1.0, la.DTypeError, "cannot subscript with float"),
        (True, la.DTypeError, "True chooses no index"),
        ((slice(None), False), la.DTypeError, "False chooses no index"),
        ([0.0, 1.0], la.DTypeError, "cannot subscript with list"),
        ("rows", la.DTypeError, "cannot subscript with str"),
        (slice(None, None, 0), IndexError, "not usable"),
    ],
)
def test_bad_subscript_says_what_fits(key, error, words):
    with pytest.raises(error, match=words):
        la.ones((3, 4))[key]


@pytest.mark.parametrize(
    ("key", "error", "words"),
    [
        (lambda: la.asarray([True, False]), IndexError, "a mask of shape"),
        (lambda: (slice(None), [True, False]), IndexError, r"a mask of shape \[2\] does not fit the axes from 1 on"),
        (lambda: la.asarray([0.0]), la.DTypeError, "expected integer or bool tensors"),
        (lambda: (la.asarray([0]), None, la.asarray([0])), la.ShapeError, "must stand side by side"),
        (lambda: (0, slice(None), la.asarray([0])), IndexError, "3 subscripts for the 2 axes"),
        (lambda: la.asarray([3]), IndexError, "take: an index is out of range"),
        (lambda: (la.asarray([0]), la.asarray([4])), IndexError, "take: an index is out of range"),
        (lambda: (la.asarray([-4]), la.asarray([0])), IndexError, "take: an index is out of range"),
    ],
)
def test_bad_tensor_subscript_says_what_fits(key, error, words):
    with pytest.raises(error, match=words):
        la.ones((3, 4))[key()]


@pytest.mark.parametrize("device", ["cpu", "strict"])
@given(data=st.data())
@few
def test_take_is_numpys(device, data):
    x = counting(data.draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=4)))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    size = x.shape[axis]
    indices = data.draw(hnp.arrays("int64", st.integers(0, 4), elements=st.integers(-size, size - 1)))
    found = la.take(la.asarray(x, device=device), la.asarray(indices, device=device), axis=axis)
    np.testing.assert_array_equal(found.numpy(), np.take(x, indices, axis=axis))


@pytest.mark.parametrize("device", ["cpu", "strict"])
@given(data=st.data())
@few
def test_take_along_axis_and_its_adjoint_are_numpys(device, data):
    x = counting(data.draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=4)))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    size = x.shape[axis]
    shape = list(x.shape)
    shape[axis] = data.draw(st.integers(0, 4))
    indices = data.draw(hnp.arrays("int64", tuple(shape), elements=st.integers(-size, size - 1)))
    places = la.asarray(indices, device=device)
    found = la.take_along_axis(la.asarray(x, device=device), places, axis=axis)
    np.testing.assert_array_equal(found.numpy(), np.take_along_axis(x, indices, axis=axis))
    scattered = la.scatter_add_along_axis(found, places, size=size, axis=axis).numpy()
    expected = np.zeros_like(x)
    for at in np.ndindex(indices.shape):
        goal = list(at)
        goal[axis] = indices[at]
        expected[tuple(goal)] += found.numpy()[at]
    np.testing.assert_array_equal(scattered, expected)


def test_take_along_axis_broadcasts_the_other_axes():
    x, indices = np.arange(12).reshape(3, 4), np.array([[1], [0], [3]])
    found = la.take_along_axis(la.asarray(x), la.asarray(indices[:1]), axis=1)
    np.testing.assert_array_equal(found.numpy(), x[:, 1:2])


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_one_hot_has_a_one_at_each_class(axis):
    classes = np.array([[0, 2], [1, 5]])
    found = la.one_hot(la.asarray(classes), 3, axis=axis, dtype=la.int8)
    expected = np.moveaxis((classes[..., None] == np.arange(3)).astype("int8"), -1, axis)
    np.testing.assert_array_equal(found.numpy(), expected, strict=True)


@given(data=st.data())
@few
def test_replaced_is_assignment_to_a_copy(data):
    x = counting(data.draw(shapes)).astype("float32")
    key = data.draw(hnp.basic_indices(x.shape, allow_newaxis=False))
    expected = x.copy()
    expected[key] = -1
    before = la.asarray(x)
    np.testing.assert_array_equal(before.replaced(key, -1.0).numpy(), expected)
    np.testing.assert_array_equal(before.numpy(), x)


def test_replaced_takes_masks_and_broadcasts_the_value():
    x = la.asarray([[1.0, 2.0], [3.0, 4.0]])
    assert x.replaced(x > 2.0, 0.0).tolist() == [[1.0, 2.0], [0.0, 0.0]]
    assert x.replaced(slice(None), la.asarray([8, 9])).tolist() == [[8.0, 9.0], [8.0, 9.0]]


@pytest.mark.parametrize("shape", [(2,), (3, 1)])
def test_replaced_refuses_a_value_that_does_not_fit(shape):
    with pytest.raises(la.ShapeError, match="replaced: "):
        la.ones((2, 3)).replaced(0, la.ones(shape))


def test_replaced_refuses_a_key_that_names_an_element_twice():
    with pytest.raises(la.ShapeError, match="names an element twice"):
        la.ones(3).replaced(la.asarray([0, 0]), 1.0)


def test_gradient_of_replaced_goes_to_what_was_kept_and_to_what_was_put_in():
    x, v = la.asarray([1.0, 2.0, 3.0]), la.asarray([5.0, 6.0])
    of_x, of_v = la.grad(lambda x, v: (x.replaced(slice(1, None), v) ** 2).sum(), argnums=(0, 1))(x, v)
    assert of_x.tolist() == [2.0, 0.0, 0.0]
    assert of_v.tolist() == [10.0, 12.0]


def test_assignment_into_a_tensor_is_refused_and_names_the_functional_way():
    x = la.ones(3)
    with pytest.raises(la.AssignmentError, match=r"x\.replaced\(key, value\)"):
        x[0] = 2.0
    assert x.tolist() == [1.0, 1.0, 1.0]


def test_in_place_operators_rebind_a_tensor_and_are_refused_by_a_variable():
    x = before = la.ones(2)
    x += 1
    assert x.tolist() == [2.0, 2.0]
    assert before.tolist() == [1.0, 1.0]
    w = la.variable([1.0])
    with pytest.raises(la.AssignmentError, match=r"w\.assign"):
        w += 1
