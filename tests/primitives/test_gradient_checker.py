"""`lamina.testing.check_gradients`."""

from __future__ import annotations

import re

import pytest

import lamina as la
from lamina.errors import DTypeError
from lamina.testing import check_gradients


def test_the_worst_element_is_named_with_both_values() -> None:
    def half_wrong(x: la.Tensor, y: la.Tensor) -> la.Tensor:
        # The values are y**2; the derivative by the element [1] alone is lost.
        kept = la.where(la.asarray([True, False]), y * y, la.stop_gradient(y * y))
        return (x + kept).sum()

    with pytest.raises(AssertionError) as caught:
        check_gradients(half_wrong, [1.0, 2.0], [3.0, 5.0])
    assert re.search(r"order 1, pullback: input 1 at \[1\]: the gradient is -?0, .* give -?[\d.]+$", str(caught.value))


def test_the_second_order_is_checked_when_asked() -> None:
    def right_only_once(x: la.Tensor) -> la.Tensor:
        # The derivative is x, but the derivative of that is lost.
        return x * la.stop_gradient(x) - la.stop_gradient(x * x) * 0.5

    with pytest.raises(AssertionError, match="order 2"):
        check_gradients(right_only_once, [1.0, 2.0], order=2)
    check_gradients(right_only_once, [1.0, 2.0])


def test_any_order_of_a_right_function_passes(device: str) -> None:
    x = la.asarray([0.3, -1.1], device=device)
    check_gradients(lambda x: (x.sin() * x).exp(), x, order=3)


def test_integer_inputs_are_held_fixed() -> None:
    check_gradients(lambda x, at: la.take(x, at) ** 2, [1.0, 2.0, 3.0], la.asarray([0, 2, 0]))


def test_without_a_floating_input_there_is_nothing_to_check() -> None:
    with pytest.raises(DTypeError, match="at least one floating-point input"):
        check_gradients(lambda x: x, la.asarray([1, 2]))


def test_a_gradient_that_is_not_a_number_fails() -> None:
    with pytest.raises(AssertionError, match="the gradient is nan"):
        check_gradients(lambda x: la.sqrt(x * 0.0), [1.0])


def test_a_result_without_elements_passes() -> None:
    check_gradients(lambda x: x[:0], [1.0, 2.0])


def test_low_precision_inputs_are_checked_in_float64() -> None:
    check_gradients(lambda x: x.exp(), la.asarray([0.1, 0.2], dtype=la.float16))
