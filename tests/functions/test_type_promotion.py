"""Type promotion against the table of array_api_strict, and the rules on top of it."""

from itertools import product

import array_api_strict
import numpy as np
import pytest

import lamina as la

STANDARD = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"]
ALL = [*STANDARD, "float16", "bfloat16"]


def promoted_by_the_standard(first, second):
    try:
        return array_api_strict.result_type(getattr(array_api_strict, first), getattr(array_api_strict, second))
    except TypeError:
        return None


@pytest.mark.parametrize(("first", "second"), list(product(STANDARD, STANDARD)))
def test_promotion_is_the_standards_where_it_defines_one(first, second):
    expected = promoted_by_the_standard(first, second)
    if expected is not None:
        found = la.result_type(getattr(la, first), getattr(la, second))
        assert found is la.result_type(str(np.dtype(expected._np_dtype)))
    elif {first, second} & {"uint64"} and {first, second} & {"int8", "int16", "int32", "int64"}:
        with pytest.raises(la.DTypeError, match="no type holds both"):
            la.result_type(getattr(la, first), getattr(la, second))


@pytest.mark.parametrize(("first", "second"), list(product(ALL, ALL)))
def test_operator_has_the_promoted_type(first, second):
    try:
        expected = la.result_type(first, second)
    except la.DTypeError:
        return
    if expected is not la.bool:
        assert (la.ones(2, dtype=first) * la.ones(2, dtype=second)).dtype is expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("int64", "float16", "float16"),
        ("int64", "float32", "float32"),
        ("bool", "bfloat16", "bfloat16"),
        ("float16", "bfloat16", "float32"),
        ("bool", "uint8", "uint8"),
    ],
)
def test_of_two_kinds_the_higher_keeps_its_width(first, second, expected):
    assert la.result_type(first, second).name == expected
    assert la.result_type(second, first).name == expected


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("value", [2, 0.5, True])
def test_python_number_never_widens_a_float_tensor(dtype, value):
    x = la.ones(2, dtype=dtype)
    for result in (x + value, value + x, x * value, x / value, la.maximum(x, value), la.where(x > 0, x, value)):
        assert result.dtype.name == dtype


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint64"])
def test_python_int_keeps_an_integer_type_and_a_float_makes_it_float32(dtype):
    x = la.ones(2, dtype=dtype)
    assert (x + 1).dtype.name == dtype
    assert (x + 0.5).dtype is la.float32
    assert la.result_type(la.asarray(True), 1) is la.int64


@pytest.mark.parametrize("name", ["add", "multiply", "maximum", "pow", "floor_divide", "remainder", "subtract"])
@pytest.mark.parametrize("device", ["cpu", "strict"])
def test_bools_are_no_numbers(name, device):
    x = la.asarray([True, False], device=device)
    with pytest.raises(la.DTypeError, match="expected numbers, got bool"):
        getattr(la, name)(x, x)


@pytest.mark.parametrize("name", ["bitwise_left_shift", "bitwise_right_shift"])
@pytest.mark.parametrize(("device", "compiled"), [("cpu", False), ("cpu", True), ("strict", False)])
def test_bools_are_not_shifted(name, device, compiled):
    x, shift = la.asarray([True, False], device=device), getattr(la, name)
    with pytest.raises(la.DTypeError, match=r"expected .* got bool"):
        (la.compile(shift) if compiled else shift)(x, x)


@pytest.mark.parametrize("name", ["abs", "negative", "positive", "sign", "square", "floor", "relu"])
def test_functions_of_numbers_refuse_bools(name):
    with pytest.raises(la.DTypeError, match="expected numbers, got bool"):
        getattr(la, name)(la.asarray([True]))


def test_matrix_products_refuse_bools():
    x = la.ones((2, 2), dtype=la.bool)
    for product_of in (la.matmul, la.tensordot, lambda a, b: la.einsum("ij,jk", a, b)):
        with pytest.raises(la.DTypeError, match="expected numbers, got bool"):
            product_of(x, x)


@pytest.mark.parametrize("name", ["complex64", "complex128", complex, np.complex64])
def test_complex_types_are_refused_with_the_way_round_them(name):
    with pytest.raises(la.DTypeError, match="no complex numbers"):
        la.zeros(2, dtype=name)


@pytest.mark.parametrize("value", [1j, [1.0, 2j], np.ones(2, dtype="complex64")])
def test_complex_values_are_refused(value):
    with pytest.raises(la.DTypeError, match="no complex numbers"):
        la.asarray(value)


def test_unknown_type_lists_those_there_are():
    with pytest.raises(la.DTypeError, match="use one of bool, int8"):
        la.zeros(2, dtype="float128")


@pytest.mark.parametrize("dtype", STANDARD)
def test_can_cast_is_promotion_within_a_kind(dtype):
    for other in STANDARD:
        expected = array_api_strict.can_cast(getattr(array_api_strict, dtype), getattr(array_api_strict, other))
        assert la.can_cast(getattr(la, dtype), getattr(la, other)) == expected, other


@pytest.mark.parametrize("name", ["float16", "float32", "float64"])
def test_finfo_is_numpys(name):
    ours, numpys = la.finfo(getattr(la, name)), np.finfo(name)
    for limit in ("bits", "eps", "max", "min", "smallest_normal"):
        assert getattr(ours, limit) == getattr(numpys, limit)
    assert la.finfo(la.bfloat16).eps == 2.0**-7
    with pytest.raises(la.DTypeError, match="iinfo takes integers"):
        la.finfo(la.int8)


@pytest.mark.parametrize("name", ["int8", "int64", "uint8", "uint64"])
def test_iinfo_is_numpys(name):
    assert (la.iinfo(name).min, la.iinfo(name).max) == (np.iinfo(name).min, np.iinfo(name).max)


def test_isdtype_knows_the_kinds():
    assert la.isdtype(la.bfloat16, "real floating")
    assert la.isdtype(la.uint8, ("signed integer", "unsigned integer"))
    assert not la.isdtype(la.bool, "numeric")
    assert la.isdtype(la.int8, la.int8)
    assert not la.isdtype(la.float32, "complex floating")
    with pytest.raises(la.DTypeError, match="is no kind"):
        la.isdtype(la.int8, "decimal")


def test_astype_to_integers_goes_towards_zero():
    assert la.astype(la.asarray([-1.7, 1.7]), la.int32).tolist() == [-1, 1]
    assert la.asarray([0.0, -0.5]).astype("bool").tolist() == [False, True]
    assert la.astype(la.ones(2), la.float64, device="strict").device == "strict"


def test_result_type_needs_a_type():
    with pytest.raises(la.DTypeError, match="got none"):
        la.result_type()
    with pytest.raises(la.DTypeError, match="only Python numbers"):
        la.result_type(1, 2.0)


# --- the narrow floats ---


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["exp", "tanh", "erf", "sigmoid", "softmax", "relu", "mean", "sqrt", "logsumexp"])
def test_narrow_floats_stay_narrow_and_are_right_to_their_precision(name, dtype):
    x = la.asarray([0.25, 1.5, 2.0], dtype=dtype)
    found = getattr(la, name)(x)
    assert found.dtype.name == dtype
    expected = getattr(la, name)(x.astype(la.float64)).numpy()
    eps = la.finfo(dtype).eps
    np.testing.assert_allclose(found.astype(la.float64).numpy(), expected, rtol=4 * eps)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_narrow_floats_are_differentiated_and_multiplied_as_matrices(dtype):
    w = la.variable([[1.0, 2.0], [3.0, 4.0]], dtype=dtype)
    loss = (w @ w.T).sum()
    assert loss.item() == 52.0
    assert loss.backward()[w].dtype.name == dtype
    assert loss.backward()[w].tolist() == [[8.0, 12.0], [8.0, 12.0]]


def test_bfloat16_keeps_eight_bits_of_fraction_and_prints():
    x = la.asarray([1.0, 1.0 + 2**-9], dtype=la.bfloat16)
    assert x.astype(la.float32).tolist() == [1.0, 1.0]
    assert repr(x) == "Tensor([1., 1.], shape=[2], dtype=bfloat16)"
    assert x.sum().item() == 2.0


def test_strict_backend_says_that_it_has_no_bfloat16():
    with pytest.raises(la.DTypeError, match="bfloat16: the strict backend has no such type"):
        la.ones(2, dtype="bfloat16", device="strict")


@pytest.mark.parametrize(
    "number", [np.float32(2.5), np.float64(2.5), np.float16(2.5), np.int64(3), np.uint8(3)], ids=repr
)
def test_a_numpy_scalar_is_the_python_number_of_its_kind(number):
    for x in (la.asarray([1.0, 2.0], dtype="float16"), la.asarray([1, 2], dtype="int8")):
        for apply in (lambda a, b: a + b, lambda a, b: b * a, lambda a, b: a**b, lambda a, b: b < a):
            given, expected = apply(x, number), apply(x, number.item())
            assert given.dtype is expected.dtype
            assert given.tolist() == expected.tolist()


def test_numpy_bools_and_limits_are_python_numbers_too():
    assert (la.asarray([True, False]) & np.bool_(True)).tolist() == [True, False]
    assert la.clip(la.asarray([1, 5], dtype="int8"), np.int64(2), np.int64(4)).tolist() == [2, 4]
    with pytest.raises(la.DTypeError, match="asarray"):
        la.asarray([1.0]) + np.str_("a")
