"""NumPy's functions of tensors: arrays of the values, an error where a gradient would be lost, and while tracing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina.errors import DTypeError, TracingError

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp,
    "sum": np.sum,
    "mean": np.mean,
    "max": np.max,
    "clip": lambda x: np.clip(x, 0.0, 1.5),
    "round": np.round,
    "add": lambda x: np.add(x, 1.0),
    "add.reduce": np.add.reduce,
    "concatenate": lambda x: np.concatenate([np.zeros(2, np.float32), x]),
    "where": lambda x: np.where([True, False], x, 0.0),
    "linalg.norm": np.linalg.norm,
    "fft.fft": np.fft.fft,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_of_a_tensor_that_is_not_tracked_they_are_what_they_are_of_its_array(name: str, device: str) -> None:
    x = la.asarray([1.0, 2.0], device=device)
    found, wanted = FUNCTIONS[name](x), FUNCTIONS[name](x.numpy())
    assert type(found) is type(wanted)
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_of_a_tracked_tensor_they_raise_rather_than_lose_its_gradient(name: str) -> None:
    w = la.variable([1.0, 2.0])
    for tracked in (w, w * 2.0):
        with pytest.raises(DTypeError, match=rf"np\.{name}: NumPy computes without gradients.*x\.numpy\(\)"):
            FUNCTIONS[name](tracked)
        with la.no_grad():
            np.testing.assert_array_equal(FUNCTIONS[name](tracked), FUNCTIONS[name](tracked.numpy()))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_in_a_compiled_function_they_raise_and_say_what_to_write(name: str) -> None:
    x, w = la.asarray([1.0, 2.0]), la.variable([1.0, 2.0])
    for function, args in ((FUNCTIONS[name], (x,)), (lambda: FUNCTIONS[name](w), ()), (lambda: FUNCTIONS[name](x), ())):
        with pytest.raises(TracingError, match=rf"np\.{name}: .*(write la\.|compute with the functions of lamina)"):
            la.compile(function)(*args)


def test_results_without_floating_point_numbers_lose_no_gradient() -> None:
    w = la.variable([1.0, 2.0])
    assert np.allclose(w, w)
    assert np.array_equal(w, [1.0, 2.0])
    assert np.isfinite(w).all()
    assert np.argmax(w) == 1
    assert np.shape(w) == np.shape([w, w])[1:] == (2,)
    assert np.ndim(w) == 1
    assert np.size(w) == np.size(w, 0) == 2
    np.testing.assert_allclose(w, [1.0, 2.0])


def test_the_shape_of_a_traced_tensor_is_known() -> None:
    step = la.compile(lambda x: x * float(np.size(x) + np.ndim(x) + np.shape(x)[0] + np.size(x, 0)))
    np.testing.assert_array_equal(step(la.ones(3)), np.full(3, 10.0))


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
    "//": lambda a, b: a // b, "%": lambda a, b: a % b, "**": lambda a, b: a**b, "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b, "&": lambda a, b: a & b, "|": lambda a, b: a | b, "^": lambda a, b: a ^ b,
    "<<": lambda a, b: a << b, ">>": lambda a, b: a >> b, "@": lambda a, b: a @ b,
}  # fmt: skip


@pytest.mark.parametrize("operator", [each for each in OPERATORS if each != "@"])
def test_operators_with_a_number_of_numpys_on_the_left_are_the_tensors(operator: str) -> None:
    apply = OPERATORS[operator]
    dtype = "int32" if operator in ("&", "|", "^", "<<", ">>") else "float32"
    x = la.asarray([1, 2, 5], dtype=dtype)
    found, wanted = apply(np.dtype(dtype).type(3), x), apply(3, x)
    assert type(found) is la.Tensor
    assert found.dtype is wanted.dtype
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("operator", OPERATORS)
def test_operators_with_an_array_on_the_left_say_how_to_make_a_tensor_of_it(operator: str) -> None:
    dtype = "int32" if operator in ("&", "|", "^", "<<", ">>") else "float32"
    with pytest.raises(DTypeError, match=r"ndarray.*lamina\.asarray"):
        OPERATORS[operator](np.ones(2, dtype), la.ones(2, dtype=dtype))


def test_a_tensor_is_no_place_for_results_of_numpys() -> None:
    x, array = la.asarray([1.0, 2.0]), np.ones(2, np.float32)
    with pytest.raises(DTypeError, match="a tensor never changes"):
        np.add(array, array, out=x)
    array += x
    np.testing.assert_array_equal(array, [2.0, 3.0])
