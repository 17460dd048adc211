"""Graphs of primitives built at random: their gradients against central differences, on every backend."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import lamina as la
from lamina.testing import check_gradients

# Each keeps numbers of moderate size moderate, and is smooth wherever the values drawn are.
UNARY: dict[str, Any] = {
    "sin": la.sin,
    "tanh": la.tanh,
    "exp": lambda x: la.exp(x.tanh()),
    "log": lambda x: la.log(x * x + 1.0),
    "sqrt": lambda x: la.sqrt(x * x + 0.5),
    "atan": la.atan,
    "erf": la.erf,
    "sigmoid": la.sigmoid,
    "negative": lambda x: -x,
    "square": lambda x: x * x * 0.3,
    "sum": lambda x: x.sum(axis=-1, keepdims=True) * 0.5,
    "mean": lambda x: x.mean(axis=0, keepdims=True),
    "prod": lambda x: x.tanh().prod(axis=-1, keepdims=True),
    "scan": lambda x: la.cumulative_sum(x, axis=-1) * 0.5,
    "product scan": lambda x: la.cumulative_prod(x.tanh(), axis=-1),
    "flip": lambda x: la.flip(x, axis=-1),
    "transpose": lambda x: x.T if x.ndim == 2 else x,
    "slice": lambda x: x[..., ::2],
    "take": lambda x: la.take(x, la.asarray([0, -1, 0], device=x.device), axis=-1),
    "pad": lambda x: la.pad(x, 1) if x.ndim == 1 else x,
    "softmax": lambda x: la.softmax(x, axis=-1),
    "logsumexp": lambda x: x - la.logsumexp(x, axis=-1, keepdims=True),
}
BINARY: dict[str, Any] = {
    "add": la.add,
    "subtract": la.subtract,
    "multiply": la.multiply,
    "divide": lambda x, y: x / (y * y + 1.0),
    "pow": lambda x, y: (x * x + 0.5) ** y.tanh(),
    "hypot": lambda x, y: la.hypot(x + 3.0, y),
    "logaddexp": la.logaddexp,
    "where": lambda x, y: la.where(la.stop_gradient(x) < 0.1234, x, y * 0.5),
    "atan2": lambda x, y: la.atan2(x, y * y + 1.0),
    "matmul": lambda x, y: x @ y.T * 0.3 if x.ndim == y.ndim == 2 and x.shape[-1] == y.shape[-1] else x * y * 0.3,
}

Step = tuple[str, int, int]
STEPS = st.tuples(st.sampled_from([*sorted(UNARY), *sorted(BINARY)]), st.integers(0, 9), st.integers(0, 9))
SHAPES = st.sampled_from([(3,), (1,), (2, 3), (2, 1), (1, 3)])


def _broadcastable(x: la.Tensor, y: la.Tensor) -> bool:
    try:
        np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        return False
    return True


def run(steps: list[Step], inputs: tuple[la.Tensor, ...]) -> la.Tensor:
    """Apply steps, each to one or two of the values there are; the result joins them all."""
    values = list(inputs)
    for name, first, second in steps:
        x, y = values[first % len(values)], values[second % len(values)]
        if name in UNARY:
            values.append(UNARY[name](x))
        elif _broadcastable(x, y):
            values.append(BINARY[name](x, y))
    return sum((value.tanh().sum() for value in values), start=values[-1].sum())


@given(st.lists(STEPS, min_size=1, max_size=8), st.lists(SHAPES, min_size=1, max_size=3), st.integers(0, 2**31))
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_gradients_of_a_random_program(device: str, steps: list[Step], shapes: list[Any], seed: int) -> None:
    generator = np.random.default_rng(seed)
    inputs = [la.asarray(generator.uniform(-1.5, 1.5, shape), device=device) for shape in shapes]
    check_gradients(lambda *inputs: run(steps, inputs), *inputs)


@given(st.lists(STEPS, min_size=1, max_size=5), SHAPES, st.integers(0, 2**31))
@settings(max_examples=60)
def test_second_derivatives_of_a_random_program(steps: list[Step], shape: Any, seed: int) -> None:
    x = np.random.default_rng(seed).uniform(-1.5, 1.5, shape)
    check_gradients(lambda x: run(steps, (x,)), x, order=2)


@given(st.lists(STEPS, min_size=1, max_size=8), SHAPES, st.integers(0, 2**31))
@settings(max_examples=60)
def test_backends_agree_on_a_random_program(steps: list[Step], shape: Any, seed: int) -> None:
    pytest.importorskip("array_api_strict")
    values = np.random.default_rng(seed).uniform(-1.5, 1.5, shape)
    results = []
    for device in ("cpu", "strict"):
        value, gradient = la.value_and_grad(lambda x: run(steps, (x,)))(la.asarray(values, device=device))
        assert gradient.device == device
        results.append((value.numpy(), gradient.numpy()))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-11)
