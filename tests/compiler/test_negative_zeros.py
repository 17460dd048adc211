"""The sign of zero in compiled sums and products: a sum begins with plain zero, whatever becomes of it in the graph."""

from __future__ import annotations

import numpy as np
import pytest

from lamina.backends.protocol import numpy_dtype
from lamina.compiler.target import AVX2, AVX512, BASELINE, Target
from lamina.dtypes import DTYPES
from lamina_tests.compiling import CompiledGraph, interpreted, joined, runs_here
from lamina_tests.graphs import apply, graph, inputs, number, same

X86 = [
    pytest.param(each, id=each.cpu, marks=pytest.mark.skipif(not runs_here(each), reason="another processor"))
    for each in (AVX512, AVX2, BASELINE)
]
SUMS = (
    ((3,), ()), ((3,), (0,)), ((1,), (0,)), ((3, 1), (1,)), ((1, 3), (0,)), ((40, 70), (0,)), ((40, 70), (1,)),
    ((300,), (0,)), ((0, 3), (0,)), ((4, 4, 4), (0, 2)), ((9, 1, 33), (1, 2)),
)  # fmt: skip
PRODUCTS = ((3, 1, 4), (3, 2, 4), (40, 1, 70), (40, 70, 90), (1, 5, 1), (1, 70, 90), (70, 80, 1), (3, 0, 4))


@pytest.mark.parametrize("target", X86)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_sums_and_products_of_negative_zeros_have_the_sign_that_eager_ones_have(dtype: str, target: Target) -> None:
    graphs, arrays = [], []
    for shape, axes in SUMS:
        (x,) = inputs(shape, dtype=dtype)
        total = apply("sum", x, axes=axes, keepdims=False)
        twice = apply("sum", apply("broadcast_to", x, shape=(2, *shape)), axes=(0,), keepdims=True)
        graphs.append(graph(total, apply("atan2", total, number(-1.0, DTYPES[dtype])), twice))
        arrays.append(np.full(shape, -0.0).astype(numpy_dtype(x.dtype)))
    for rows, depth, columns in PRODUCTS:
        a, b = inputs((rows, depth), (depth, columns), dtype=dtype)
        product = apply("matmul", a, b)
        graphs.append(graph(product, apply("atan2", number(0.0, DTYPES[dtype]), product)))
        arrays += [np.full((rows, depth), -0.0).astype(numpy_dtype(a.dtype))]
        arrays += [np.ones((depth, columns)).astype(numpy_dtype(b.dtype))]
    whole = joined(graphs)
    for got, wanted in zip(
        CompiledGraph(whole, target)(arrays).outputs, interpreted(whole, arrays).outputs, strict=True
    ):
        assert same(got, wanted)


def test_a_sum_of_known_negative_zeros_is_plain_zero() -> None:
    zeros = number(-0.0, DTYPES["float32"], (3,))
    given = graph(apply("sum", zeros, axes=(0,), keepdims=False))
    for got, wanted in zip(CompiledGraph(given)([]).outputs, interpreted(given, []).outputs, strict=True):
        assert same(got, wanted)
