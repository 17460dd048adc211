"""Kernels that are written from the same have one function, which is written once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lamina as la
from lamina import models, nn, optim
from lamina.compiler.codegen import kernel_function
from lamina.compiler.graph.ir import Graph
from lamina.compiler.graph.passes.simplify import simplify
from lamina.compiler.lowering import lower
from lamina.compiler.runtime.processor import host
from lamina_tests.compiling import joined
from lamina_tests.random_graphs import Program, programs


def text(graph: Graph) -> str:
    """Return the text of a program."""
    return lower(simplify(graph), host()).ir


def written_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each kernel be written, and only then be compared with the others."""
    monkeypatch.setattr(kernel_function, "kernel_key", lambda *_: None)


@settings(deadline=None, max_examples=25)
@given(st.lists(programs("special") | programs("whole") | programs("integers"), min_size=2, max_size=8))
def test_programs_are_the_same_whether_kernels_are_told_by_their_code_or_by_what_it_is_written_from(
    batch: list[Program],
) -> None:
    graph = joined([each.graph for each in batch])
    found = text(graph)
    with pytest.MonkeyPatch.context() as patched:
        written_each(patched)
        assert found == text(graph)


def trained(model: nn.Module, x: np.ndarray) -> str:
    """Return the text of a training step."""
    optimizer = optim.AdamW(model.parameters(), lr=0.1)

    @la.compile
    def step(x: la.Tensor) -> la.Tensor:
        loss = la.mean(model(x) ** 2)
        optimizer.step(loss.backward())
        return loss

    return step.llvm_ir(la.asarray(x))


def deep(layers: int) -> nn.Sequential:
    return nn.Sequential(*(each for _ in range(layers) for each in (nn.Linear(24, 24), nn.LayerNorm(24), nn.GELU())))


class First(nn.Module):
    """The first of several results."""

    def __call__(self, results: tuple[la.Tensor, la.Tensor]) -> la.Tensor:
        return results[0]


IMAGES = np.ones((3, 2, 8, 8), np.float32)
MODELS = {
    "layers": (lambda: deep(3), np.ones((40, 24), np.float32)),
    "gpt": (lambda: models.GPT(11, context=8, width=16, heads=2, layers=2), np.ones((4, 8), np.int64)),
    "images": (lambda: nn.Sequential(*(nn.Conv2d(2, 2, 3, padding=1) for _ in range(3)), nn.MaxPool2d(2)), IMAGES),
    "recurrence": (lambda: nn.Sequential(nn.GRU(5, 5, 2), First()), np.ones((3, 6, 5), np.float32)),
}


@pytest.mark.parametrize("name", MODELS)
def test_steps_of_models_are_the_same_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, x = MODELS[name]
    la.random.seed(0)
    found = trained(make(), x)
    written_each(monkeypatch)
    assert found == trained(make(), x)


def test_a_deeper_network_has_no_more_functions() -> None:
    x = np.ones((40, 24), np.float32)
    three, six = (trained(deep(layers), x).count("\ndefine ") for layers in (3, 6))
    assert three == six


def test_numbers_that_are_equal_but_not_the_same_are_told_apart() -> None:
    @la.compile
    def signs(x: la.Tensor, y: la.Tensor) -> tuple[la.Tensor, la.Tensor]:
        return la.where(x > 0, x, 0.0), la.where(y > 0, y, -0.0)

    x = la.asarray(np.full(50, -1.0, np.float32))
    plus, minus = signs(x, x + 0.0)
    assert not np.signbit(plus.numpy()).any()
    assert np.signbit(minus.numpy()).all()
