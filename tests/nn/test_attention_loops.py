"""Attention over many blocks is a loop over them: the same numbers, in a program that does not grow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina import nn
from lamina.compiler.graph.ir import SCAN
from lamina.compiler.graph.passes.simplify import simplify
from lamina.compiler.lowering import lower
from lamina.compiler.runtime.processor import host
from lamina.compiler.tracing.trace import trace
from lamina.nn import attention, attention_blocks

MASKS: dict[str, Callable[[Any, int, int], Any]] = {
    "no mask": lambda rng, queries, keys: None,
    "bools": lambda rng, queries, keys: rng.random((queries, keys)) < 0.6,
    "numbers of each head": lambda rng, queries, keys: rng.normal(size=(4, queries, keys)),
    "bools of each key": lambda rng, queries, keys: rng.random((2, 1, 1, keys)) < 0.6,
    "numbers with a gradient": lambda rng, queries, keys: rng.normal(size=(queries, keys)),
}


def in_blocks_of(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Compute attention in blocks, however short; whole for size zero."""
    monkeypatch.setattr(attention, "LONG", 1 if size else 1 << 60)
    monkeypatch.setattr(attention_blocks, "BLOCK", size)


def operands(queries: int, keys: int, heads: int = 4, shared: int = 2) -> list[la.Tensor]:
    rng = np.random.default_rng(queries + keys)
    shapes = (2, heads, queries, 5), (2, shared, keys, 5), (2, shared, keys, 3)
    return [la.asarray(rng.normal(size=shape)) for shape in shapes]


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize(("queries", "keys"), [(40, 40), (20, 45), (45, 27)])
def test_values_and_gradients_are_those_of_the_whole(
    queries: int, keys: int, kind: str, is_causal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = MASKS[kind](np.random.default_rng(7), queries, keys)
    mask = None if made is None else la.asarray(made)
    given = [*operands(queries, keys), *([mask] if kind == "numbers with a gradient" else [])]

    def attended(q: Any, k: Any, v: Any, tracked: Any = None) -> Any:
        seen = mask if tracked is None else tracked
        return nn.scaled_dot_product_attention(q, k, v, seen, is_causal=is_causal, enable_gqa=True)

    def run(*given: Any) -> list[Any]:
        loss = lambda *given: (attended(*given) ** 2).sum()  # noqa: E731
        return [attended(*given), *la.grad(loss, argnums=tuple(range(len(given))))(*given)]

    in_blocks_of(monkeypatch, 0)
    whole = run(*given)
    in_blocks_of(monkeypatch, 8)
    for found in (run(*given), la.compile(run)(*given)):
        for one, other in zip(found, whole, strict=True):
            np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-9, atol=1e-11)


def test_second_derivatives_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    q, k, v = operands(20, 20, shared=4)

    def second(q: Any) -> Any:
        inner = la.grad(lambda q: (nn.scaled_dot_product_attention(q, k, v, is_causal=True) ** 3).sum())
        return la.grad(lambda q: (inner(q) ** 2).sum())(q)

    in_blocks_of(monkeypatch, 0)
    whole = second(q).numpy()
    in_blocks_of(monkeypatch, 4)
    np.testing.assert_allclose(second(q).numpy(), whole, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(la.compile(second)(q).numpy(), whole, rtol=1e-9, atol=1e-11)


def test_dropout_drops_the_same_weights_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    in_blocks_of(monkeypatch, 4)
    q, k, v = operands(21, 23, shared=4)

    def run(q: Any) -> Any:
        attended = lambda q: nn.scaled_dot_product_attention(q, k, v, dropout_p=0.4)  # noqa: E731
        return attended(q), la.grad(lambda q: (attended(q) ** 2).sum())(q)

    found = []
    for wrap in (lambda f: f, la.compile):
        la.random.seed(5)
        found.append([each.numpy() for each in wrap(run)(q)])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("is_causal", [False, True])
def test_neither_the_program_nor_its_memory_grow_with_pairs_of_tokens(is_causal: bool) -> None:
    def program(length: int) -> tuple[list[str], int, int]:
        q, k, v = (la.variable(np.zeros((1, 2, length, 16), np.float32)) for _ in range(3))

        def step() -> Any:
            grads = nn.scaled_dot_product_attention(q, k, v, is_causal=is_causal).sum().backward()
            return [grads[each] + 0.0 for each in (q, k, v)]

        graph = simplify(trace(lambda tracer: step(), True, loops=True).graph)
        layout = lower(graph, host(), 2).layout
        return [value.op for value in graph.values()], layout.arena, length * 2 * 16 * 4

    short, long = program(2048), program(4096)
    assert short[0] == long[0]
    assert short[0].count(SCAN) == 2
    # What grows are arrays of tokens: queries, keys, values, results and cotangents, some of them in both forms.
    assert long[1] - short[1] < 30 * (long[2] - short[2])
