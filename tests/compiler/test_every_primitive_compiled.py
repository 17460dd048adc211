"""Every row of the table, compiled: values, shapes and types on the cases by which backends are checked."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from lamina.backends.registry import CPU
from lamina.compiler import lowering
from lamina.compiler.codegen.mathematics import FUNCTIONS
from lamina.compiler.graph.fallbacks import FALLBACKS
from lamina.compiler.graph.ir import Graph, Value, input_value, operation
from lamina.compiler.graph.passes.simplify import simplify
from lamina.compiler.lowering import lower
from lamina.compiler.runtime.machine_code import assemble
from lamina.compiler.runtime.processor import host
from lamina.compiler.runtime.threads import num_threads
from lamina.compiler.target import AARCH64, AVX2, BASELINE, Target
from lamina.dtypes import DType, as_dtype
from lamina.primitives.primitive import Primitive, Spec
from lamina.primitives.table import TABLE
from lamina.testing.comparison import ZERO_OF_EITHER_SIGN, difference
from lamina.testing.conformance import LINEAR_ALGEBRA, operand_dtypes
from lamina.testing.factorisations import RESULTS, factorisation_difference
from lamina.testing.strategies import Case, cases
from lamina.testing.values import ACCUMULATING
from lamina_tests.compiling import CompiledGraph, interpreted, runs_here
from lamina_tests.graphs import same

# Takes one result out of several; it is compiled with those that have several.
NAMES = [name for name in TABLE if name != "item"]
ROUNDED = ACCUMULATING | FALLBACKS | set(FUNCTIONS)
"""What may differ from eager code in the last bits; all else is equal to the last one."""


def spec_of(row: Primitive, case: Case) -> Any:
    return row.spec(row.name, *[Spec(x.shape, as_dtype(x.dtype)) for x in case.operands], **case.params)


@cache
def drawn(name: str, dtype: DType, examples: int) -> tuple[Case, ...]:
    """Return cases of a row, the same ones every time."""
    found: list[Case] = []

    @seed(zlib.crc32(f"{name} {dtype.name}".encode()))
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(cases(TABLE[name], dtype, CPU.dtypes))
    def collect(case: Case) -> None:
        found.append(case)

    collect()
    return tuple(found)


def results_of(value: Value) -> list[Value]:
    if not isinstance(value.spec, tuple):
        return [value]
    return [operation("item", (value,), spec, {"index": index}) for index, spec in enumerate(value.spec)]


def graph_of(row: Primitive, applied: Sequence[Case]) -> tuple[Graph, list[int]]:
    """Return one graph of many applications, and how many results each has."""
    inputs: list[Value] = []
    outputs: list[list[Value]] = []
    for case in applied:
        first = len(inputs)
        inputs += [
            input_value(first + place, Spec(x.shape, as_dtype(x.dtype))) for place, x in enumerate(case.operands)
        ]
        outputs.append(results_of(operation(row.name, inputs[first:], spec_of(row, case), case.params)))
    flat = tuple(value for results in outputs for value in results)
    return Graph(tuple(inputs), flat, ()), [len(results) for results in outputs]


def check(name: str, dtype: DType, examples: int, target: Target | None = None) -> None:
    row, applied = TABLE[name], drawn(name, dtype, examples)
    given_graph, counts = graph_of(row, applied)
    arrays = [x for case in applied for x in case.operands]
    compiled = CompiledGraph(given_graph, target)
    assert compiled.lowered.layout.fallbacks == (name in FALLBACKS)
    with num_threads(2):
        found, eager = iter(compiled(arrays).outputs), iter(interpreted(given_graph, arrays).outputs)
    for case, number in zip(applied, counts, strict=True):
        mine = tuple(next(found) for _ in range(number))
        others = [next(eager) for _ in range(number)]
        if name in RESULTS:
            problem = factorisation_difference(name, case, mine, spec_of(row, case)[0].dtype)
        else:
            problem = difference(row, case, mine[0], spec_of(row, case).dtype)
        assert problem is None, f"{name}{case}: the result {problem}\n{case.values()}"
        if name not in ROUNDED:
            zeros = name not in ZERO_OF_EITHER_SIGN | {"max", "min"}
            assert same(mine[0], others[0], zeros=zeros), f"{name}{case}: {mine[0]}, not {others[0]}\n{case.values()}"


@pytest.fixture
def many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs are written for several threads, however small they are."""
    monkeypatch.setattr(lowering, "WORTH_A_THREAD", 1.0)


@pytest.mark.usefixtures("many_threads")
@pytest.mark.parametrize("name", NAMES)
def test_a_primitive_computes_what_its_reference_and_eager_code_do(name: str) -> None:
    for dtype in operand_dtypes(CPU, TABLE[name]):
        check(name, dtype, 4)


@pytest.mark.slow
@pytest.mark.usefixtures("many_threads")
@pytest.mark.parametrize("target", [host(), AVX2, BASELINE], ids=lambda target: target.cpu)
@pytest.mark.parametrize("name", NAMES)
def test_a_primitive_computes_the_same_on_many_cases_and_processors(name: str, target: Target) -> None:
    if not runs_here(target):
        pytest.skip("another processor")
    for dtype in operand_dtypes(CPU, TABLE[name]):
        check(name, dtype, 50, target)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in FALLBACKS])
def test_a_primitive_becomes_machine_code_for_arm(name: str) -> None:
    for dtype in operand_dtypes(CPU, TABLE[name])[-1:]:
        given_graph, _ = graph_of(TABLE[name], drawn(name, dtype, 4))
        assert assemble(lower(simplify(given_graph), AARCH64).ir, AARCH64)


def test_only_linear_algebra_is_left_to_python() -> None:
    assert {name for name, row in TABLE.items() if row.spec in LINEAR_ALGEBRA} == FALLBACKS
    assert len(FALLBACKS) == 9


@pytest.mark.parametrize("name", sorted(FALLBACKS))
def test_what_is_left_to_python_is_computed_beside_what_is_not(name: str) -> None:
    row, matrix = TABLE[name], np.asarray([[4.0, 1.0], [1.0, 3.0]])
    known: dict[str, dict[str, Any]] = {
        "qr": {"mode": "reduced"},
        "svd": {"full_matrices": False},
        "solve_triangular": {"upper": True, "unitriangular": False},
    }
    params = known.get(name, {})
    case = Case((matrix, matrix)[: 2 if name.startswith("solve") else 1], params)
    given_graph, _ = graph_of(row, [case, case])
    doubled = [operation("add", (each, each), each.spec) for each in given_graph.outputs]
    whole = Graph(given_graph.inputs, (*given_graph.outputs, *doubled), ())
    arrays = [*case.operands, *case.operands]
    for a, b in zip(CompiledGraph(whole)(arrays).outputs, interpreted(whole, arrays).outputs, strict=True):
        assert same(a, b)
