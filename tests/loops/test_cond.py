"""`cond`: a value chooses between two functions, eagerly by calling one, in a trace by taking from both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina import nn
from lamina.testing import check_gradients


def branch(x: Any) -> Any:
    return la.cond(x.sum() > 0.0, lambda x: (x * 2.0).sin(), lambda x: x**3, x)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_derivatives_are_those_of_the_chosen_function(sign: float) -> None:
    check_gradients(branch, [0.4 * sign, 0.3 * sign], order=3)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_compiled_is_eager_with_gradients(sign: float) -> None:
    w = la.variable(np.array([0.4, 0.3]) * sign)
    compiled = la.compile(lambda: branch(w).sum().backward()[w])
    np.testing.assert_allclose(compiled().numpy(), branch(w).sum().backward()[w].numpy(), rtol=1e-14)


def test_only_the_chosen_function_is_called_where_the_predicate_has_a_value() -> None:
    for predicate in (True, np.True_, la.asarray(True), la.variable(True)):
        assert la.cond(predicate, lambda: 1, lambda: pytest.fail("called")) == 1


def test_the_other_function_has_no_part_in_gradients_even_where_it_is_infinite() -> None:
    w = la.variable(0.0)
    gradient = la.compile(lambda: la.cond(w > 0.0, lambda: w.log(), lambda: w * 5.0).backward()[w])
    assert gradient().item() == 5.0


NOTHING: dict[str, Callable[[la.Variable, la.Tensor], la.Tensor]] = {
    "a product": lambda w, x: (x @ w).sum(),
    "a product computed again": lambda w, x: la.checkpoint(lambda x: (x @ w).tanh().sum())(x),
    "rows of a table": lambda w, x: (nn.embedding(la.asarray([1, 1]), w) * x.sum()).sum(),
    "a loop": lambda w, x: la.scan(lambda c, _: (la.tanh(c @ w + x.sum()), None), x, length=6)[0].sum(),
    "a convolution": lambda w, x: nn.conv1d(x[None], w[None, None, 0]).sum(),
    "a choice": lambda w, x: la.cond(x.sum() > 0.0, lambda: w.sum(), lambda: (x @ w).sum()),
    "the variable itself": lambda w, x: w.sum() * la.nan,
}


@pytest.mark.parametrize("name", NOTHING)
def test_the_other_function_has_no_part_in_gradients_even_where_it_is_not_a_number(name: str) -> None:
    w = la.variable([[0.5, 1.0], [2.0, -1.0]], dtype="float64")

    def gradient(x: la.Tensor) -> la.Tensor:
        loss = la.cond(la.isnan(x).any(), lambda: (w * w).sum(), lambda: NOTHING[name](w, x))
        return loss.backward()[w] * 1.0

    compiled = la.compile(gradient)
    for given in ([[la.nan, 1.0]], [[0.3, 1.0]]):
        x = la.asarray(given, dtype="float64")
        np.testing.assert_allclose(compiled(x).numpy(), gradient(x).numpy(), rtol=1e-13)


def test_derivatives_of_any_order_are_those_of_the_chosen_function_compiled() -> None:
    w = la.asarray([[0.5, 1.0], [2.0, -1.0]])

    def f(x: la.Tensor) -> la.Tensor:
        return la.cond(x.sum() > 0.0, lambda: ((x @ w).sin() * x).sum(), lambda: (x**3).sum())

    for x in (la.asarray([0.3, 0.4]), la.asarray([-0.3, 0.2])):
        for derivative in (
            la.hessian(f),
            la.grad(lambda x: la.hessian(f)(x).sum()),
            lambda x: la.jvp(f, (x,), (x,))[1],
        ):
            np.testing.assert_allclose(la.compile(derivative)(x).numpy(), derivative(x).numpy(), rtol=1e-5)


def test_assignments_are_those_of_the_chosen_function() -> None:
    first, second = la.variable(0.0, trainable=False), la.variable(0.0, trainable=False)

    def up() -> None:
        first.assign(first + 1.0)

    def down() -> None:
        first.assign(first - 1.0)
        second.assign(7.0)

    run = lambda flag: la.cond(flag, up, down)  # noqa: E731
    for call in (run, la.compile(run)):
        first.assign(0.0)
        second.assign(0.0)
        seen = []
        for flag in (True, True, False):
            call(la.asarray(flag))
            seen.append((first.item(), second.item()))
        assert seen == [(1.0, 0.0), (2.0, 0.0), (1.0, 7.0)]


def test_random_numbers_are_drawn_by_the_chosen_function_only() -> None:
    def draw(flag: Any) -> Any:
        return la.cond(flag, lambda: la.random.uniform((2,)), lambda: la.zeros(2))

    compiled = la.compile(draw)
    counter = la.random.default_generator().counter
    before = counter.item()
    compiled(la.asarray(False))
    assert counter.item() == before
    compiled(la.asarray(True))
    assert counter.item() == before + 1


def test_trees_come_out_in_the_order_of_the_first() -> None:
    def pick(flag: Any, x: Any) -> Any:
        return la.cond(flag, lambda x: {"a": x, "b": (x, None)}, lambda x: {"b": (x + 1.0, None), "a": -x}, x)

    for call in (pick, la.compile(pick)):
        found = call(la.asarray(False), la.asarray(2.0))
        assert (found["a"].item(), found["b"][0].item(), found["b"][1]) == (-2.0, 3.0, None)


def test_inside_of_a_scan() -> None:
    def collatz(n: Any, _: Any) -> Any:
        n = la.cond(n % 2 == 0, lambda: n // 2, lambda: 3 * n + 1)
        return n, n

    run = lambda n: la.scan(collatz, n, length=9)[1]  # noqa: E731
    expected = [20, 10, 5, 16, 8, 4, 2, 1, 4]
    assert run(la.asarray(40)).tolist() == expected
    assert la.compile(run)(la.asarray(40)).tolist() == expected


@pytest.mark.parametrize(
    ("predicate", "error", "message"),
    [
        (1, la.DTypeError, "expected a bool or a tensor of bool as predicate, got int"),
        (la.asarray(1.0), la.DTypeError, "the predicate is float32; compare it"),
        (la.asarray([True, False]), la.ShapeError, r"shape \[2\], which is not one truth value; use la.where"),
    ],
)
def test_a_predicate_is_one_truth_value(predicate: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        la.cond(predicate, lambda: 1, lambda: 2)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda x: (x, x), "cond: what the two functions returned differ in structure: a tensor and a tuple of 0, 1"),
        (lambda x: x[:1], r"differ in shape: \[2\] and \[1\]"),
        (lambda x: x.astype("int32"), "differ in type: float32 and int32"),
        (lambda x: None, "differ in structure: a tensor and None"),
    ],
)
def test_traced_both_results_are_alike(other: Any, message: str) -> None:
    compiled = la.compile(lambda flag, x: la.cond(flag, lambda x: x, other, x))
    with pytest.raises((la.ShapeError, la.DTypeError), match=message):
        compiled(la.asarray(True), la.ones(2))
