"""Large results ask for the memory of their epilogue while their sums are computed."""

from __future__ import annotations

import numpy as np
import pytest

import lamina as la
from lamina import nn, optim

# Images, channels and their size: tiles along places, along channels, and of a row shorter than a vector.
LARGE = {
    "places": (32, 16, 32, 32),
    "channels": (64, 40, 14, 14),
    "short rows": (128, 32, 7, 7),
    "ends": (24, 17, 19, 33),
}


def gated(x: la.Tensor, w: la.Tensor, gate: la.Tensor) -> la.Tensor:
    return nn.conv2d(x, w, padding=1) * gate + x


def arrays(*shape: int) -> list[la.Tensor]:
    generator = la.random.Generator(0)
    return [generator.normal(each) for each in (shape, (shape[1], shape[1], 3, 3), shape)]


@pytest.mark.parametrize("shape", LARGE.values(), ids=LARGE)
def test_a_large_convolution_asks_for_what_its_epilogue_reads(shape: tuple[int, ...]) -> None:
    step, given = la.compile(gated), arrays(*shape)
    assert "llvm.prefetch" in step.llvm_ir(*given)
    np.testing.assert_allclose(step(*given).numpy(), gated(*given).numpy(), rtol=1e-4, atol=1e-4)


def test_what_is_in_cache_anyway_is_not_asked_for() -> None:
    assert "llvm.prefetch" not in la.compile(gated).llvm_ir(*arrays(2, 16, 8, 8))


def test_a_large_product_asks_for_what_its_epilogue_reads() -> None:
    x = la.random.Generator(1).normal((1024, 1024))
    step = la.compile(lambda x, y: x @ x + y)
    assert "llvm.prefetch" in step.llvm_ir(x, x)
    np.testing.assert_allclose(step(x, x).numpy(), (x @ x + x).numpy(), rtol=1e-4, atol=1e-3)


def gradient_step(rows: int, width: int) -> tuple[la.CompiledFunction, tuple[la.Tensor, ...]]:
    generator = la.random.Generator(2)
    w = la.variable(generator.normal((width, width)))
    opt = optim.Adam([w])
    step = la.compile(lambda x, g: opt.step(la.Gradients({w: x.T @ g})))
    return step, (generator.normal((rows, width)), generator.normal((rows, width)))


def test_a_gradient_asks_for_variables_that_other_memory_has_put_out_of_the_cache() -> None:
    step, given = gradient_step(64 * 1024, 16)
    assert "llvm.prefetch" in step.llvm_ir(*given)


def test_variables_of_a_program_that_fits_in_the_cache_are_not_asked_for() -> None:
    step, given = gradient_step(128, 16)
    assert "llvm.prefetch" not in step.llvm_ir(*given)
