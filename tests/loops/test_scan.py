"""`scan`: JAX's meaning, derivatives of any order, eagerly and compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lamina as la
from lamina.testing import check_gradients

DTYPE = "float64"


def array(*shape: int, seed: int = 0) -> la.Tensor:
    return la.asarray(np.random.default_rng(seed).uniform(-1.0, 1.0, shape))


def reference(f: Any, init: Any, xs: np.ndarray, reverse: bool) -> tuple[Any, np.ndarray]:
    """The loop that JAX documents scan by, in NumPy."""
    carry, ys = init, []
    for x in xs[::-1] if reverse else xs:
        carry, y = f(carry, x)
        ys.append(y)
    return carry, np.stack(ys[::-1] if reverse else ys)


@pytest.mark.parametrize("reverse", [False, True])
@settings(max_examples=15)
@given(length=st.integers(1, 7), width=st.integers(0, 3), seed=st.integers(0, 99))
def test_scan_is_the_loop(length: int, width: int, seed: int, reverse: bool) -> None:
    xs = np.random.default_rng(seed).normal(size=(length, width))

    def step(carry: Any, x: Any) -> Any:
        return carry * 0.5 + x, carry * x

    expected = reference(step, np.ones(width), xs, reverse)
    found = la.scan(step, la.ones((width,), dtype=DTYPE), la.asarray(xs), reverse=reverse)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.numpy(), other, rtol=1e-14)


def test_a_geometric_series_has_its_closed_form() -> None:
    total, powers = la.scan(lambda s, _: ((s[0] + s[1], s[1] * 0.5), s[1]), (0.0, 1.0), length=30)
    assert total[0].item() == pytest.approx(2.0 * (1.0 - 0.5**30))
    np.testing.assert_array_equal(powers.numpy(), np.float32(0.5) ** np.arange(30, dtype=np.float32))


def test_linear_recurrence_has_the_gradient_of_its_closed_form() -> None:
    """``h = a h + x`` gives ``sum a^(n-1-t) x_t``."""
    a, x = la.variable(0.9, dtype=DTYPE), la.variable(np.arange(1.0, 6.0))
    last, _ = la.scan(lambda h, x: (a * h + x, None), la.asarray(0.0, dtype=DTYPE), x)
    grads = last.backward()
    powers = np.arange(4, -1, -1)
    np.testing.assert_allclose(grads[x].numpy(), 0.9**powers, rtol=1e-14)
    assert grads[a].item() == pytest.approx(float(np.sum(powers * 0.9 ** (powers - 1.0) * np.arange(1.0, 6.0))))


def test_trees_go_in_and_come_out() -> None:
    def step(carry: dict[str, Any], x: tuple[Any, Any]) -> Any:
        first, rest = x
        return {"b": carry["b"] + 1, "a": carry["a"] + first}, [first, {"y": rest["k"] * carry["b"]}, None]

    xs = (la.arange(4), {"k": la.ones((4, 2))})
    carry, ys = la.scan(step, {"a": 0, "b": 1}, xs)
    assert {name: each.item() for name, each in carry.items()} == {"a": 6, "b": 5}
    assert ys[0].tolist() == [0, 1, 2, 3]
    assert ys[1]["y"].tolist() == [[1, 1], [2, 2], [3, 3], [4, 4]]
    assert ys[2] is None


def test_without_xs_the_length_says_how_often() -> None:
    carry, ys = la.scan(lambda n, x: (n + 1, (n, x)), 0, length=3)
    assert (carry.item(), ys[0].tolist(), ys[1]) == (3, [0, 1, 2], None)


def test_no_steps_give_empty_results_and_leave_everything_as_it_was() -> None:
    count = la.variable(0, trainable=False)

    def step(carry: Any, x: Any) -> Any:
        count.assign(count + 1)
        return carry + x.sum(), x.astype("float32") * 2

    carry, ys = la.scan(step, 1, la.zeros((0, 3), dtype="int64"))
    assert (carry.item(), ys.shape, ys.dtype, count.item()) == (1, (0, 3), la.float32, 0)


@pytest.mark.parametrize("wrap", [lambda f: f, la.checkpoint], ids=["kept", "recomputed"])
@pytest.mark.parametrize("reverse", [False, True])
def test_derivatives_to_the_third_order(wrap: Any, reverse: bool) -> None:
    def f(init: Any, xs: Any, w: Any) -> Any:
        carry, ys = la.scan(wrap(lambda h, x: ((h @ w + x).tanh(), (h * x).sin())), init, xs, reverse=reverse)
        return carry.sum() + (ys * ys).sum()

    check_gradients(f, array(2), array(2, 2, seed=1), array(2, 2, seed=2), order=2)
    check_gradients(f, array(1), array(2, 1, seed=1), array(1, 1, seed=2), order=3)


@pytest.mark.parametrize("wrap", [lambda f: f, la.checkpoint], ids=["kept", "recomputed"])
def test_closures_over_variables_have_gradients(wrap: Any) -> None:
    w, b = la.variable(array(3, 3)), la.variable(array(3, seed=1))
    xs = array(5, 3, seed=2)

    def plain() -> la.Tensor:
        h = la.zeros((3,), dtype=DTYPE)
        for t in range(5):
            h = (h @ w + xs[t] * b).tanh()
        return h.sum()

    looped, _ = la.scan(wrap(lambda h, x: ((h @ w + x * b).tanh(), None)), la.zeros((3,), dtype=DTYPE), xs)
    one, other = looped.sum().backward(), plain().backward()
    for variable in (w, b):
        np.testing.assert_allclose(one[variable].numpy(), other[variable].numpy(), rtol=1e-12)


@pytest.mark.parametrize("wrap", [lambda f: f, la.checkpoint], ids=["kept", "recomputed"])
def test_compiled_is_eager(wrap: Any) -> None:
    w = la.variable(array(3, 3))

    def loss(init: Any, xs: Any) -> Any:
        carry, ys = la.scan(wrap(lambda h, x: ((h @ w + x).tanh(), h * 2.0)), init, xs, reverse=True)
        return carry.sum() + ys.sum()

    def values(init: Any, xs: Any) -> Any:
        result = loss(init, xs)
        return result, result.backward()[w], la.grad(loss, argnums=(0, 1))(init, xs)

    given = array(2, 3), array(4, 2, 3, seed=1)
    one, other = values(*given), la.compile(values)(*given)
    for eager, compiled in zip((*one[:2], *one[2]), (*other[:2], *other[2]), strict=True):
        np.testing.assert_allclose(compiled.numpy(), eager.numpy(), rtol=1e-10)


def test_variables_are_assigned_step_by_step() -> None:
    count = la.variable(0, trainable=False)

    def step(carry: Any, x: Any) -> Any:
        count.assign(count + x)
        return carry, count.value

    run = lambda: la.scan(step, 0, la.asarray([1, 2, 3]))[1]  # noqa: E731
    assert run().tolist() == [1, 3, 6]
    assert la.compile(run)().tolist() == [7, 9, 12]
    assert count.item() == 12


KEEP, X = lambda c, x: (c, x), la.ones(3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: la.scan(KEEP, 0.0), "say how many steps with length="),
        (lambda: la.scan(KEEP, 0.0, la.asarray(1.0)), "has no axes"),
        (lambda: la.scan(KEEP, 0.0, la.ones(3), length=4), r"equally long, got shapes \[3\] and length=4"),
        (lambda: la.scan(KEEP, 0.0, (la.ones(3), la.ones(2))), r"equally long, got shapes \[3\], \[2\]"),
        (lambda: la.scan(KEEP, 0.0, length=-1), "length=-1"),
        (lambda: la.scan(lambda c, x: ((c, c), x), 0.0, X), "differ in structure: a tensor and a tuple of 0, 1"),
        (lambda: la.scan(lambda c, x: (c + x, x), la.ones(1), la.ones((3, 2))), r"differ in shape: \[1\] and \[2\]"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said(call: Any, message: str) -> None:
    with pytest.raises(la.ShapeError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: la.scan(lambda c, x: c, 0.0, X), r"must return a pair \(carry, y\), got Tensor"),
        (lambda: la.scan(lambda c, x: (c + x, x), 0, X), "differ in type: int64 and float32; cast one"),
        (lambda: la.scan(KEEP, None, X), "expected a tensor or a number in a tree, got None"),
    ],
)
def test_what_has_the_wrong_type_is_said(call: Any, message: str) -> None:
    with pytest.raises(la.DTypeError, match=message):
        call()
