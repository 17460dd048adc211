"""Graphs as text, their fingerprints, and running them operation by operation."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from lamina.compiler.graph.fingerprint import fingerprint
from lamina.compiler.graph.ir import Graph, Value, constant, full
from lamina.compiler.graph.printer import text
from lamina.dtypes import as_dtype, float32, int64
from lamina.primitives.primitive import Spec
from lamina_tests.graphs import apply as op, graph, inputs, number
from lamina_tests.interpreter import interpret


def example() -> Graph:
    x, w = inputs((2, 3), (3, 4))
    scale = constant(np.arange(4, dtype=np.float32), Spec((4,), float32))
    y = op("multiply", op("matmul", x, w), scale)
    s = op("sum", y, axes=(0, 1), keepdims=False)
    return graph(s, op("astype", y, dtype=int64), updates=[(1, op("subtract", w, number(0.5, float32)))])


def test_a_graph_is_printed_one_line_a_value() -> None:
    assert text(example()).splitlines() == [
        "graph(%0 float32[2, 3], %1 float32[3, 4]):",
        "  %2 float32[4] = constant(array=[0.0, 1.0, 2.0, 3.0])",
        "  %3 float32[2, 4] = matmul(%0, %1)",
        "  %4 float32[2, 4] = multiply(%3, %2)",
        "  %5 float32[] = sum(%4, axes=[0, 1], keepdims=False)",
        "  %6 int64[2, 4] = astype(%4, dtype=int64)",
        "  %7 float32[] = full(value=0.5)",
        "  %8 float32[3, 4] = subtract(%1, %7)",
        "  %1 <- %8",
        "  return %5, %6",
    ]


def test_equal_programs_print_equally() -> None:
    assert text(example()) == text(example())


def test_several_results_of_one_operation_are_printed() -> None:
    (x,) = inputs((2, 2))
    assert "(float32[], float32[]) = slogdet(%0)" in text(graph(op("item", op("slogdet", x), index=0)))


def test_the_fingerprint_is_the_same_in_another_process() -> None:
    code = "import runpy; print(runpy.run_path(__import__('sys').argv[1])['fingerprint_of_example']())"
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code, __file__], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == fingerprint_of_example()


def fingerprint_of_example() -> str:
    return fingerprint(example())


def test_the_order_of_recording_does_not_matter() -> None:
    x, y = inputs((3,), (3,))
    first, second = op("exp", x), op("sin", y)
    other, one = op("sin", y), op("exp", x)
    assert fingerprint(graph(op("add", first, second))) == fingerprint(graph(op("add", one, other)))


def x_plus(make: Callable[[Value], Value]) -> Graph:
    (x,) = inputs((3,))
    return graph(op("add", x, make(x)))


def of(*values: float, dtype: str = "float32") -> Value:
    return constant(np.asarray(values, dtype), Spec((3,), as_dtype(dtype)))


DIFFERENT: dict[str, Callable[[], Graph]] = {
    "operation": lambda: x_plus(lambda x: op("exp", x)),
    "another operation": lambda: x_plus(lambda x: op("sin", x)),
    "parameter": lambda: x_plus(lambda x: op("flip", x, axes=(0,))),
    "another parameter": lambda: x_plus(lambda x: op("flip", x, axes=())),
    "number": lambda: x_plus(lambda x: full(Spec((3,), float32), 1.0)),
    "another number": lambda: x_plus(lambda x: full(Spec((3,), float32), 1.0000001)),
    "zero": lambda: x_plus(lambda x: full(Spec((3,), float32), 0.0)),
    "negative zero": lambda: x_plus(lambda x: full(Spec((3,), float32), -0.0)),
    "constant": lambda: x_plus(lambda x: of(1.0, 2.0, 3.0)),
    "another constant": lambda: x_plus(lambda x: of(1.0, 2.0, 4.0)),
    "shared": lambda: x_plus(lambda x: x),
    "two inputs": lambda: graph(op("add", *inputs((3,), (3,)))),
    "an input that is not read": lambda: graph(op("add", *inputs((3,))[:1] * 2), of=inputs((3,), (3,))[1:]),
    "updated": lambda: graph(op("add", *inputs((3,)) * 2), updates=[(0, op("exp", inputs((3,))[0]))]),
    "returned twice": lambda: graph(*[op("add", *inputs((3,)) * 2)] * 2),
    "another type": lambda: graph(op("add", *inputs((3,), dtype="float64") * 2)),
    "another shape": lambda: graph(op("add", *inputs((3, 1)) * 2)),
    "padded with zero": lambda: x_plus(lambda x: op("pad", x, low=(0,), high=(0,), interior=(0,), value=0.0)),
    "padded with negative zero": lambda: x_plus(lambda x: op("pad", x, low=(0,), high=(0,), interior=(0,), value=-0.0)),
}


def test_different_programs_have_different_fingerprints() -> None:
    found = {name: fingerprint(make()) for name, make in DIFFERENT.items()}
    assert len(set(found.values())) == len(found)


def test_a_number_counts_as_what_it_is_in_its_type() -> None:
    spec = Spec((), float32)
    assert fingerprint(graph(full(spec, 0.1))) == fingerprint(graph(full(spec, float(np.float32(0.1)))))


def test_numbers_that_are_not_are_one_number() -> None:
    spec = Spec((), float32)
    assert fingerprint(graph(full(spec, float("nan")))) == fingerprint(graph(full(spec, -float("nan"))))


def test_a_graph_is_run_by_the_eager_backend() -> None:
    x, w = np.ones((2, 3), np.float32), np.full((3, 4), 2.0, np.float32)
    (total, cast), (update,) = interpret(example(), [x, w])
    np.testing.assert_array_equal(total, np.float32(72.0), strict=True)
    np.testing.assert_array_equal(cast, np.asarray([[0, 6, 12, 18]] * 2), strict=True)
    np.testing.assert_array_equal(update, np.full((3, 4), 1.5, np.float32), strict=True)


@pytest.mark.parametrize("name", ["log", "sqrt", "exp"])
def test_running_a_graph_warns_of_nothing(name: str) -> None:
    (x,) = inputs((3,))
    values = np.asarray([-1.0, 0.0, 1000.0], np.float32)
    ((found,), _) = interpret(graph(op(name, x)), [values])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(found, getattr(np, name)(values))
