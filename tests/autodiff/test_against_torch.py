"""Derivatives of small random programs against PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import lamina as la

torch = pytest.importorskip("torch")

# Steps from a 3x3 matrix to a 3x3 matrix, in Lamina and in PyTorch.
STEPS: dict[str, tuple[Any, Any]] = {
    "sin": (la.sin, torch.sin),
    "tanh": (la.tanh, torch.tanh),
    "sigmoid": (la.sigmoid, torch.sigmoid),
    "softplus": (lambda x: la.log1p(la.exp(x)), lambda x: torch.log1p(torch.exp(x))),
    "square": (lambda x: x * x * 0.5, lambda x: x * x * 0.5),
    "root": (lambda x: la.sqrt(x * x + 1.0), lambda x: torch.sqrt(x * x + 1.0)),
    "softmax": (lambda x: la.softmax(x, axis=-1), lambda x: torch.softmax(x, -1)),
    "logsumexp": (
        lambda x: x - la.logsumexp(x, axis=0, keepdims=True),
        lambda x: x - torch.logsumexp(x, 0, keepdim=True),
    ),
    "centre": (lambda x: x - x.mean(axis=1, keepdims=True), lambda x: x - x.mean(1, keepdim=True)),
    "scan": (lambda x: la.cumulative_sum(x, axis=1) * 0.3, lambda x: torch.cumsum(x, 1) * 0.3),
    "product scan": (
        lambda x: la.cumulative_prod(x.tanh(), axis=0),
        lambda x: torch.cumprod(torch.tanh(x), 0),
    ),
    "flip": (lambda x: la.flip(x, axis=1), lambda x: torch.flip(x, (1,))),
    "roll": (lambda x: la.roll(x, 1, axis=0), lambda x: torch.roll(x, 1, 0)),
    "gather": (lambda x: x[la.asarray([2, 0, 0])], lambda x: x[torch.tensor([2, 0, 0])]),
    "max": (lambda x: x + x.max(axis=1, keepdims=True), lambda x: x + x.amax(1, keepdim=True)),
    "sort": (lambda x: la.sort(x, axis=0) * x, lambda x: torch.sort(x, 0).values * x),
    "where": (lambda x: la.where(x > 0, x * x, x.sin()), lambda x: torch.where(x > 0, x * x, x.sin())),
    "product": (lambda x: (x @ x.T @ x) * 0.2, lambda x: (x @ x.T @ x) * 0.2),
    "transpose": (lambda x: x.T * 1.5 - x, lambda x: x.T * 1.5 - x),
    "slice": (
        lambda x: la.concat([x[1:], x[:1] * 2.0], axis=0),
        lambda x: torch.cat([x[1:], x[:1] * 2.0], 0),
    ),
    "stride": (lambda x: x[::2].sum(axis=0) * x, lambda x: x[::2].sum(0) * x),
    "variance": (
        lambda x: x / (x.var(axis=0, keepdims=True) + 1.0),
        lambda x: x / (x.var(0, unbiased=False, keepdim=True) + 1.0),
    ),
    "erf": (la.erf, torch.erf),
    "pow": (lambda x: (x * x + 0.5) ** 1.5, lambda x: (x * x + 0.5) ** 1.5),
    "clip": (lambda x: la.clip(x, -0.8, 0.8), lambda x: torch.clip(x, -0.8, 0.8)),
}

PROGRAMS = st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=4)
SEEDS = st.integers(0, 2**31)


def _run(names: list[str], x: Any, which: int) -> Any:
    for name in names:
        x = STEPS[name][which](x)
    return x


def _inputs(seed: int, count: int = 1) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.uniform(-1.5, 1.5, (3, 3)) for _ in range(count)]


def assert_same(ours: la.Tensor, theirs: Any) -> None:
    expected = theirs.detach().numpy()
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-9, atol=1e-9 * max(1.0, np.abs(expected).max()))


@given(PROGRAMS, SEEDS)
def test_pullbacks_agree(names: list[str], seed: int) -> None:
    x, cotangent = _inputs(seed, 2)
    value, pullback = la.vjp(lambda x: _run(names, x, 0), x)
    their_value, their_pullback = torch.func.vjp(lambda x: _run(names, x, 1), torch.tensor(x))
    assert_same(value, their_value)
    assert_same(pullback(la.asarray(cotangent))[0], their_pullback(torch.tensor(cotangent))[0])


@given(PROGRAMS, SEEDS)
def test_pushforwards_agree(names: list[str], seed: int) -> None:
    x, tangent = _inputs(seed, 2)
    _, ours = la.jvp(lambda x: _run(names, x, 0), [x], [la.asarray(tangent)])
    _, theirs = torch.autograd.functional.jvp(lambda x: _run(names, x, 1), torch.tensor(x), torch.tensor(tangent))
    assert_same(ours, theirs)


@given(PROGRAMS, SEEDS)
def test_jacobians_agree(names: list[str], seed: int) -> None:
    (x,) = _inputs(seed)
    ours = la.jacobian(lambda x: _run(names, x, 0))(x)
    assert_same(ours, torch.func.jacrev(lambda x: _run(names, x, 1))(torch.tensor(x)))


@given(PROGRAMS, SEEDS)
def test_hessians_agree(names: list[str], seed: int) -> None:
    (x,) = _inputs(seed)
    ours = la.hessian(lambda x: (_run(names, x, 0) ** 2).sum())(x)
    assert_same(ours, torch.autograd.functional.hessian(lambda x: (_run(names, x, 1) ** 2).sum(), torch.tensor(x)))


@given(PROGRAMS, SEEDS)
def test_backward_agrees_on_variables(names: list[str], seed: int) -> None:
    x, first, second = _inputs(seed, 3)
    w, b = la.variable(first), la.variable(second[0])
    grads = (_run(names, la.asarray(x) @ w + b, 0) ** 2).mean().backward()
    their_w = torch.tensor(first, requires_grad=True)
    their_b = torch.tensor(second[0], requires_grad=True)
    (_run(names, torch.tensor(x) @ their_w + their_b, 1) ** 2).mean().backward()
    assert_same(grads.wrt(w), their_w.grad)
    assert_same(grads.wrt(b), their_b.grad)
