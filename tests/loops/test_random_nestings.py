"""Loops, choices, checkpoints, mapped functions and derivatives inside one another, at random: compiled as eager."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lamina as la
from lamina.autodiff.trees import leaves

Function = Callable[[la.Tensor], la.Tensor]

SIMPLE: dict[str, Function] = {
    "sine": la.sin,
    "square": lambda x: x * x * 0.3 + 0.2,
    "turned": lambda x: x * la.flip(x) + 0.1,
    "relu": lambda x: (x - 0.1).relu() + x * 0.1,
    "sum": lambda x: x / (1.0 + (x * x).sum()),
    "running sum": lambda x: la.cumulative_sum(x, axis=-1) * 0.5 if x.ndim else x,
    "largest": lambda x: x * la.max(x, axis=-1, keepdims=True) if x.ndim and x.shape[-1] else x,
    "sorted": lambda x: la.sort(x, axis=-1) + x if x.ndim else x,
    "choice": lambda x: la.where(x > 0.2, x * 2.0, la.exp(-x * x)),
    "constant": lambda x: la.zeros(x.shape, dtype="float64") + 0.7,
}


def _directional(f: Function) -> Function:
    return lambda x: la.jvp(f, (x,), (la.ones(x.shape, dtype="float64"),))[1] + x


def _pulled_back(f: Function) -> Function:
    def both(x: la.Tensor) -> la.Tensor:
        y, pullback = la.vjp(f, x)
        return y + pullback(la.sin(y))[0]

    return both


def _loop_over_rows(f: Function) -> Function:
    def rows(x: la.Tensor) -> la.Tensor:
        if not x.ndim:
            return f(x)
        start = la.asarray(0.3, dtype="float64")
        last, found = la.scan(lambda carry, row: (carry * 0.5 + f(row).sum(), f(row) * carry), start, x)
        return found + last

    return rows


def _loop(length: int, **options: Any) -> Callable[[Function], Function]:
    def looped(f: Function) -> Function:
        return lambda x: la.scan(lambda carry, _: (f(carry), carry), x, length=length, **options)[0]

    return looped


NESTED: dict[str, Callable[[Function], Function]] = {
    "no steps": _loop(0),
    "one step": _loop(1),
    "six steps": _loop(6),
    "six steps, stopped": _loop(6, stop=2),
    "rows": _loop_over_rows,
    "either": lambda f: lambda x: la.cond(x.sum() > 0.3, f, lambda y: y * 0.5, x),
    "checkpoint": lambda f: la.checkpoint(f),
    "mapped": lambda f: lambda x: la.vmap(f)(x) if x.ndim else f(x),
    "mapped over the last axis": lambda f: lambda x: la.vmap(f, -1, -1)(x) if x.ndim else f(x),
    "gradient": lambda f: la.grad(lambda x: (f(x) * x).sum()),
    "directional derivative": _directional,
    "pullback": _pulled_back,
    "Jacobian": lambda f: lambda x: la.jacobian(f)(x).sum(axis=0) * 0.3 + x if x.ndim == 1 else f(x),
    "compiled": la.compile,
}


def _in_a_row(parts: list[Function]) -> Function:
    def run(x: la.Tensor) -> la.Tensor:
        for part in parts:
            x = part(x)
        return x

    return run


simple = st.sampled_from(sorted(SIMPLE)).map(SIMPLE.__getitem__)
functions = st.recursive(
    st.lists(simple, min_size=1, max_size=2).map(_in_a_row),
    lambda inner: st.lists(
        st.tuples(st.sampled_from(sorted(NESTED)), inner).map(lambda pair: NESTED[pair[0]](pair[1])),
        min_size=1,
        max_size=2,
    ).map(_in_a_row),
    max_leaves=3,
)
around: dict[str, Callable[[Function], Callable[[la.Tensor], Any]]] = {
    "value": lambda f: f,
    "gradient": lambda f: la.grad(lambda x: f(x).sum()),
    "mapped": lambda f: lambda x: la.vmap(f)(la.stack([x, x * 2.0, x - 1.0])),
    "mapped over nothing": lambda f: lambda x: la.vmap(f)(la.zeros((0, *x.shape), dtype="float64")),
    "twice": lambda f: lambda x: (f(x), f(x + 0.1)),
}
shapes = st.sampled_from([(), (1,), (3,), (0,), (2, 3), (0, 3), (3, 0), (1, 4)])


def check(f: Function, outside: str, shape: tuple[int, ...], seed: int) -> None:
    x = la.asarray(np.random.default_rng(seed).normal(size=shape) * 0.6)
    whole = around[outside]
    wanted = leaves(whole(f)(x))
    for found in (whole(la.compile(f))(x), la.compile(whole(f))(x)):
        for one, other in zip(leaves(found), wanted, strict=True):
            assert one.dtype is other.dtype
            np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-7, atol=1e-9)


@settings(max_examples=8)
@given(functions, st.sampled_from(sorted(around)), shapes, st.integers(0, 99))
def test_nested_functions_compute_the_same_compiled(f: Function, outside: str, shape: Any, seed: int) -> None:
    check(f, outside, shape, seed)


@pytest.mark.slow
@settings(max_examples=1000)
@given(functions, st.sampled_from(sorted(around)), shapes, st.integers(0, 99))
def test_a_thousand_nested_functions_compute_the_same_compiled(
    f: Function, outside: str, shape: Any, seed: int
) -> None:
    check(f, outside, shape, seed)
