"""Elementwise functions against NumPy's of the same name, on both backends."""

import math
import operator

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

import lamina as la

DEVICES = ["cpu", "strict"]
FLOATS = ["float32", "float64"]
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]

FLOATING_UNARY = [
    "acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "exp", "expm1", "log", "log1p", "log2", "log10",
    "sin", "sinh", "sqrt", "tan", "tanh", "reciprocal",
]  # fmt: skip
NUMERIC_UNARY = ["abs", "negative", "positive", "sign", "square", "floor", "ceil", "trunc", "round"]
TESTS_OF_VALUES = ["isfinite", "isinf", "isnan", "signbit"]
FLOATING_BINARY = ["atan2", "copysign", "hypot", "logaddexp", "nextafter", "divide"]
NUMERIC_BINARY = ["add", "subtract", "multiply", "maximum", "minimum"]
COMPARISONS = ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]
BITWISE = ["bitwise_and", "bitwise_or", "bitwise_xor"]
LOGICAL = ["logical_and", "logical_or", "logical_xor"]

few = settings(deadline=None, max_examples=25)
shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
broadcasting = hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3, min_side=0)


def numbers(dtype, shape, **options):
    return hnp.arrays(dtype, shape, elements=hnp.from_dtype(np.dtype(dtype), **options))


def agree(found, expected, dtype=None):
    """The lamina tensor has NumPy's shape, type and values, to a few units in the last place."""
    expected = np.asarray(expected)
    assert found.shape == expected.shape
    assert found.dtype.name == (dtype or expected.dtype.name)
    if found.dtype.floating:
        eps = np.finfo(expected.dtype).eps
        np.testing.assert_allclose(found.numpy(), expected, rtol=8 * eps, atol=0)
    else:
        np.testing.assert_array_equal(found.numpy(), expected)


def reference(name, *arrays):
    with np.errstate(all="ignore"):
        return getattr(np, name)(*arrays)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", FLOATING_UNARY + NUMERIC_UNARY + TESTS_OF_VALUES)
@given(data=st.data())
@few
def test_function_of_one_float_is_numpys(name, device, data):
    x = data.draw(numbers(data.draw(st.sampled_from(FLOATS)), data.draw(shapes)))
    agree(getattr(la, name)(la.asarray(x, device=device)), reference(name, x))


@pytest.mark.parametrize("name", NUMERIC_UNARY)
@given(data=st.data())
@few
def test_function_of_one_integer_is_numpys(name, data):
    x = data.draw(numbers(data.draw(st.sampled_from(INTEGERS)), data.draw(shapes)))
    agree(getattr(la, name)(la.asarray(x)), reference(name, x))


@pytest.mark.parametrize("name", FLOATING_UNARY)
@pytest.mark.parametrize("dtype", ["int8", "uint64", "bool"])
def test_integers_given_to_a_floating_function_become_float32(name, dtype):
    x = np.asarray([0, 1], dtype=dtype)
    agree(getattr(la, name)(la.asarray(x)), reference(name, x.astype("float32")))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", FLOATING_BINARY + NUMERIC_BINARY + COMPARISONS)
@given(data=st.data())
@few
def test_function_of_two_floats_broadcasts_as_numpys(name, device, data):
    dtype = data.draw(st.sampled_from(FLOATS))
    (first, second), _ = data.draw(broadcasting)
    a = data.draw(numbers(dtype, first, min_value=-1e6, max_value=1e6))
    b = data.draw(numbers(dtype, second, min_value=-1e6, max_value=1e6))
    function = getattr(la, name)
    agree(function(la.asarray(a, device=device), la.asarray(b, device=device)), reference(name, a, b))


@pytest.mark.parametrize("name", NUMERIC_BINARY + COMPARISONS + BITWISE)
@given(data=st.data())
@few
def test_function_of_two_integers_is_numpys(name, data):
    dtype = data.draw(st.sampled_from(INTEGERS))
    (first, second), _ = data.draw(broadcasting)
    a, b = data.draw(numbers(dtype, first)), data.draw(numbers(dtype, second))
    agree(getattr(la, name)(la.asarray(a), la.asarray(b)), reference(name, a, b))


@pytest.mark.parametrize("name", ["floor_divide", "remainder"])
@given(data=st.data())
@few
def test_division_of_integers_rounds_down(name, data):
    dtype = data.draw(st.sampled_from(INTEGERS))
    shape = data.draw(shapes)
    a = data.draw(numbers(dtype, shape))
    b = data.draw(numbers(dtype, shape, min_value=1))
    agree(getattr(la, name)(la.asarray(a), la.asarray(b)), reference(name, a, b))


@pytest.mark.parametrize("name", LOGICAL)
@given(data=st.data())
@few
def test_logic_is_numpys(name, data):
    (first, second), _ = data.draw(broadcasting)
    a, b = data.draw(hnp.arrays(bool, first)), data.draw(hnp.arrays(bool, second))
    agree(getattr(la, name)(la.asarray(a), la.asarray(b)), getattr(np, name)(a, b))


@given(x=shapes.flatmap(lambda shape: numbers("int32", shape)), by=st.integers(0, 31))
@few
def test_shifts_are_numpys(x, by):
    agree(la.bitwise_left_shift(la.asarray(x), by), np.left_shift(x, np.int32(by)))
    agree(la.bitwise_right_shift(la.asarray(x), by), np.right_shift(x, np.int32(by)))


@given(data=st.data())
@few
def test_where_is_numpys(data):
    shape = data.draw(shapes)
    condition = data.draw(hnp.arrays(bool, shape))
    a, b = data.draw(numbers("float32", shape)), data.draw(numbers("float32", shape))
    agree(la.where(la.asarray(condition), la.asarray(a), la.asarray(b)), np.where(condition, a, b))


@given(data=st.data())
@few
def test_clip_is_numpys(data):
    x = data.draw(numbers("float64", data.draw(shapes), min_value=-10, max_value=10))
    low, high = sorted(data.draw(st.tuples(st.floats(-9, 9), st.floats(-9, 9))))
    agree(la.clip(la.asarray(x), low, high), np.clip(x, low, high))
    agree(la.clip(la.asarray(x), min=low), np.clip(x, low, None))
    agree(la.clip(la.asarray(x), max=high), np.clip(x, None, high))


@pytest.mark.parametrize("end", [math.nan, [0.0, math.nan, 2.0]])
def test_clip_to_an_end_that_is_nan_is_nan_as_numpys(end):
    x = np.array([1.0, 1.0, math.nan])
    bound = end if isinstance(end, float) else la.asarray(end)
    agree(la.clip(la.asarray(x), min=bound), np.clip(x, end, None))
    agree(la.clip(la.asarray(x), max=bound), np.clip(x, None, end))


@given(x=shapes.flatmap(lambda shape: numbers("float64", shape, allow_nan=True)))
@few
def test_erf_is_that_of_the_c_library(x):
    found = la.erf(la.asarray(x)).numpy()
    np.testing.assert_allclose(found, np.vectorize(math.erf, otypes=[np.float64])(x), rtol=1e-14)


@pytest.mark.parametrize("device", DEVICES)
def test_erf_of_float32_is_within_two_units_in_the_last_place_in_pieces_too(device):
    # Every 9973rd float32 below 8 in magnitude, the subnormal ones and both zeros among them.
    every = np.arange(0, 2**32, 9973, dtype=np.uint64).astype(np.uint32).view(np.float32)
    x = every[np.abs(every) < 8.0].reshape(-1, 1).T
    exact = np.vectorize(math.erf, otypes=[np.float64])(x)
    found = la.erf(la.asarray(x, device=device)).numpy()
    assert x.size > 100_000
    assert np.abs((found - exact) / np.spacing(np.abs(exact).astype(np.float32))).max() < 2.0
    assert not np.any(np.signbit(found) != np.signbit(x))


ARITHMETIC_OPERATORS = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow,
    operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne,
]  # fmt: skip


@pytest.mark.parametrize("apply", ARITHMETIC_OPERATORS)
@given(data=st.data())
@few
def test_operator_with_a_python_number_on_either_side_keeps_the_type(apply, data):
    x = data.draw(numbers("float32", data.draw(shapes), min_value=0.5, max_value=4.0))
    value = data.draw(st.integers(1, 3) | st.sampled_from([0.5, 1.5]))
    agree(apply(la.asarray(x), value), apply(x, np.float32(value)))
    agree(apply(value, la.asarray(x)), apply(np.float32(value), x))


@pytest.mark.parametrize("apply", [operator.and_, operator.or_, operator.xor])
def test_bit_operators_take_integers_and_bools(apply):
    assert apply(la.asarray([6, 3]), 5).tolist() == [apply(6, 5), apply(3, 5)]
    assert apply(5, la.asarray([6, 3])).tolist() == [apply(5, 6), apply(5, 3)]
    assert apply(la.asarray([True, False]), True).dtype is la.bool


def test_shift_operators_take_integers():
    assert (la.asarray([1, 2]) << 2).tolist() == [4, 8]
    assert (1 << la.asarray([1, 2])).tolist() == [2, 4]
    assert (la.asarray([-8, 8]) >> 1).tolist() == [-4, 4]
    assert (64 >> la.asarray([1, 2])).tolist() == [32, 16]


def test_other_unary_operators():
    x = la.asarray([-2, 3])
    assert (-x).tolist() == [2, -3]
    assert (+x).tolist() == [-2, 3]
    assert abs(x).tolist() == [2, 3]
    assert (~x).tolist() == [1, -4]


def test_real_numbers_are_their_own_conjugates():
    x = la.asarray([1.0, -2.0])
    assert la.conj(x).tolist() == la.real(x).tolist() == [1.0, -2.0]
    assert la.imag(x).tolist() == [0.0, 0.0]


def test_hypot_does_not_overflow():
    big = la.asarray(3e38)
    assert la.hypot(big * 0.6, big * 0.8).item() == pytest.approx(3e38, rel=1e-6)


def test_logaddexp_does_not_overflow():
    assert la.logaddexp(la.asarray(1000.0), la.asarray(1000.0)).item() == pytest.approx(1000.0 + math.log(2.0))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: la.exp([1.0]), la.DTypeError, "exp: expected a Tensor, got list"),
        (lambda: la.add(la.ones((2, 3)), la.ones(4)), la.ShapeError, r"add: shapes \[2, 3\] and \[4\]"),
        (lambda: la.ones(2) + "1", la.DTypeError, "got str"),
        (lambda: la.logical_and(la.ones(2), True), la.DTypeError, "logical_and: expected bool"),
        (lambda: la.bitwise_and(la.ones(2), la.ones(2)), la.DTypeError, "bitwise_and: expected integer or bool"),
        (lambda: la.negative(la.asarray([True])), la.DTypeError, "negative: expected numbers, got bool"),
        (lambda: la.where(la.ones(2), 1, 2), la.DTypeError, "where: expected a bool condition"),
        (lambda: la.asarray([1], dtype="int8") + 300, la.DTypeError, "300 is out of the range of int8"),
        (lambda: la.ones(2) + la.ones(2, device="strict"), la.BackendError, "different devices"),
        (lambda: la.clip(la.ones(2), "a"), la.DTypeError, "clip: expected a Tensor or a Python number, got str"),
        (lambda: la.hypot(la.ones(2), la.ones(3)), la.ShapeError, r"hypot: shapes \[2\] and \[3\] do not broadcast"),
        (lambda: la.logaddexp(la.ones(2), la.ones(3)), la.ShapeError, r"logaddexp: shapes \[2\] and \[3\]"),
        (lambda: la.ones(2) + np.ones(2), la.DTypeError, "make a tensor of it with lamina.asarray"),
        (lambda: la.asarray([1.0]) * 1j, la.DTypeError, "complex"),
    ],
)
def test_error_names_the_operation_and_the_remedy(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_tensor_is_not_none_and_may_stand_beside_it():
    x = la.ones(2)
    assert (x == None) is False  # noqa: E711
    assert (x != None) is True  # noqa: E711
    assert None in (x, None)
    assert None not in (x, 1)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("compiled", [False, True])
def test_nextafter_of_equal_numbers_is_the_second_as_in_c(dtype, compiled):
    x = la.asarray([0.0, -0.0, 1.5], dtype=dtype)
    function = la.compile(la.nextafter) if compiled else la.nextafter
    assert function(x, x).tolist() == [0.0, 0.0, 1.5]
    assert la.signbit(function(x, -x)).tolist() == [True, False, False]
