"""Simplification beside single identities: sharing, dead code, constants, splitting, and large graphs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from lamina.backends.protocol import numpy_dtype
from lamina.compiler.graph.fingerprint import fingerprint
from lamina.compiler.graph.ir import Graph, Value, constant
from lamina.compiler.graph.passes.folding import ELEMENTWISE
from lamina.compiler.graph.passes.rewriting import Pass, rewrite
from lamina.compiler.graph.passes.simplify import PASSES, simplify
from lamina.compiler.graph.passes.splitting import SPLITTING
from lamina.dtypes import as_dtype, float32, int64, uint64
from lamina.primitives.primitive import Spec
from lamina.primitives.table import TABLE
from lamina.testing.strategies import Case, cases
from lamina_tests.graphs import apply as op, graph, inputs, number, results, same


def operations(found: Graph) -> Counter[str]:
    return Counter(value.op for value in found.values() if value.op not in ("input", "full"))


def total(x: Value, *axes: int, name: str = "sum", keepdims: bool = False) -> Value:
    return op(name, x, axes=axes, keepdims=keepdims)


# --- sharing and dead code --------------------------------------------------------------------------------


def test_equal_operations_are_computed_once() -> None:
    x, y = inputs((3,), (3,))
    found = simplify(graph(op("exp", op("add", x, y)), op("exp", op("add", x, y))))
    assert operations(found) == {"add": 1, "exp": 1}
    assert found.outputs[0] is found.outputs[1]


def test_the_order_of_operands_of_a_sum_does_not_matter() -> None:
    x, y = inputs((3,), (3,))
    assert operations(simplify(graph(op("multiply", op("add", x, y), op("add", y, x)))))["add"] == 1


def test_the_order_of_operands_of_a_difference_matters() -> None:
    x, y = inputs((3,), (3,))
    assert operations(simplify(graph(op("multiply", op("subtract", x, y), op("subtract", y, x)))))["subtract"] == 2


def test_equal_constants_are_one() -> None:
    (x,) = inputs((3,))
    first, second = (constant(np.asarray([1.0, 2.0, 3.0], np.float32), Spec((3,), float32)) for _ in range(2))
    assert operations(simplify(graph(op("add", op("add", x, first), second))))["constant"] == 1


def test_paddings_with_the_two_zeros_are_two() -> None:
    (x,) = inputs((3,))
    padded = [op("pad", x, low=(1,), high=(0,), interior=(0,), value=value) for value in (0.0, -0.0)]
    assert operations(simplify(graph(*padded)))["pad"] == 2


def test_what_nothing_asks_for_is_gone() -> None:
    (x,) = inputs((3,))
    op("exp", x)
    assert operations(simplify(graph(op("sin", x), op("subtract", op("cos", x), op("cos", x))))) == {
        "sin": 1,
        "cos": 1,
        "subtract": 1,
    }


def test_an_update_of_an_input_with_itself_is_gone() -> None:
    x, y = inputs((3,), (3,))
    found = simplify(graph(x, updates=[(0, op("alias", x)), (1, op("negative", op("negative", y)))], of=(x, y)))
    assert found.updates == ()
    assert found.inputs == (x, y)


def test_an_update_with_another_input_stays() -> None:
    x, y = inputs((3,), (3,))
    assert len(simplify(graph(updates=[(0, op("alias", y)), (1, x)], of=(x, y))).updates) == 2


def test_what_is_simple_already_is_kept_as_it_is() -> None:
    x, y = inputs((3,), (3,))
    value = op("exp", op("add", x, y))
    assert simplify(graph(value)).outputs[0] is value


def test_a_pass_has_a_name_and_a_reason_and_rules_for_operations_that_there_are() -> None:
    known = {*TABLE, "full", "constant", "after"}
    for each in (*PASSES, SPLITTING):
        assert each.name
        assert each.reason
        assert set(each.rules) <= known


def test_a_pass_can_be_applied_alone() -> None:
    (x,) = inputs((3,))
    never = Pass("no sines", "for the test", {"sin": (lambda value, builder: value.operands[0],)})
    assert operations(rewrite(graph(op("exp", op("sin", x))), never.rules)) == {"exp": 1}


# --- constants --------------------------------------------------------------------------------------------

FOLDED = sorted(name for name in TABLE if name not in ("broadcast_to", "item", "slogdet", "eigh", "qr", "svd"))


@pytest.mark.parametrize("name", FOLDED)
def test_folding_gives_what_the_eager_backend_gives(name: str) -> None:
    primitive = TABLE[name]
    kinds = primitive.domain.kinds
    dtype = as_dtype("float32" if "floating" in kinds else "uint64" if "unsigned" in kinds else "int32")

    @settings(max_examples=15)
    @given(cases(primitive, dtype, frozenset({as_dtype(each) for each in ("float32", "float64", "int32", "bool")})))
    def check(case: Case) -> None:
        leaves = [constant(x, Spec(x.shape, as_dtype(x.dtype))) for x in case.operands]
        left = graph(op(name, *leaves, **case.params))
        try:
            wanted = results(left, ())
        except (ValueError, IndexError):  # A value that the operation refuses: it is refused when it is run.
            assert name in operations(simplify(left))
            return
        found = simplify(left)
        assert set(operations(found)) <= {"constant"}
        assert same(wanted[0], results(found, ())[0])

    check()


def test_what_fails_on_its_values_is_left_to_fail() -> None:
    number_of_two = number(2, as_dtype("int32"))
    assert operations(simplify(graph(op("pow", number_of_two, number(-1, as_dtype("int32")))))) == {"pow": 1}


def test_large_results_are_not_made_when_the_program_is_compiled() -> None:
    x = constant(np.arange(5000, dtype=np.float32), Spec((5000,), float32))
    assert operations(simplify(graph(op("exp", x)))) == {"constant": 1, "exp": 1}


def test_random_bits_are_folded_only_where_key_and_counter_are_known() -> None:
    (key,) = inputs((), dtype="uint64")
    drawn = [op("random_bits", each, number(0, uint64), size=8) for each in (key, number(1, uint64))]
    assert operations(simplify(graph(*drawn))) == {"random_bits": 1, "constant": 1}


def test_the_elementwise_operations_are_known() -> None:
    assert {"add", "where", "astype", "less", "bitwise_invert", "bitwise_left_shift", "exp", "relu"} <= ELEMENTWISE
    assert not ELEMENTWISE & {"sum", "reshape", "matmul", "alias", "sort", "take"}


# --- large reductions -------------------------------------------------------------------------------------

REDUCTIONS = ["sum", "prod", "max", "min", "any", "all"]
SPLIT: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((65536,), (0,)),
    ((20011,), (0,)),  # a prime
    ((70000, 1), (0, 1)),
    ((64, 784), (0, 1)),
    ((2, 500, 40), (0, 1, 2)),
    ((40000, 3), (0,)),
    ((30011, 3), (0, 1)),
    ((3, 20000), (0, 1)),
    ((256, 3, 64), (0,)),
    ((300, 2, 40), (0,)),
    ((2, 1024, 3, 64), (0, 1)),
]


@pytest.mark.parametrize(("shape", "axes"), SPLIT)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_large_reduction_is_split(shape: tuple[int, ...], axes: tuple[int, ...], name: str) -> None:
    (x,) = inputs(shape, dtype="int32")
    left = graph(total(op("negative", op("add", x, x)), *axes, name=name))
    found = simplify(left)
    assert operations(found)[name] >= 2
    array = np.random.default_rng(0).integers(-4, 5, shape).astype(np.int32)
    for a, b in zip(results(left, [array]), results(found, [array]), strict=True):
        assert same(a, b)
    for value in found.values():
        if value.op == name:
            (operand,), kept = value.operands, np.prod(value.shape)
            # Either there are shares for many threads, or little to do.
            assert kept >= 16 or np.prod(operand.shape) <= 16384


@pytest.mark.parametrize(
    ("shape", "axes"), [((100, 100), (0, 1)), ((64, 784), (1,)), ((512, 1024), (0,)), ((8, 40000), (1,))]
)
def test_a_reduction_that_is_small_or_has_many_results_is_not(shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    (x,) = inputs(shape)
    assert operations(simplify(graph(total(x, *axes)))) == {"sum": 1}


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from([1, 2, 3, 15, 16, 17, 64, 255, 256, 257, 512, 1000, 1024, 4097]), min_size=1), st.data()
)
def test_a_reduction_is_split_into_few_operations(sizes: list[int], data: st.DataObject) -> None:
    shape = tuple(sizes[:4])
    axes = data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1))
    (x,) = inputs(shape)
    assert sum(operations(simplify(graph(total(x, *sorted(axes))))).values()) <= 25


def test_a_split_sum_is_nearer_to_the_truth() -> None:
    (x,) = inputs((1 << 20,))
    array = np.random.default_rng(0).random(1 << 20, np.float32)
    found = results(simplify(graph(total(x, 0))), [array])[0]
    np.testing.assert_allclose(found, array.sum(dtype=np.float64), rtol=4 * np.finfo(np.float32).eps)


def test_operations_before_a_split_reduction_stay_in_its_loops() -> None:
    x, y = inputs((65536,), (65536,))
    found = simplify(graph(total(op("multiply", op("subtract", x, y), op("subtract", x, y)), 0)))
    # What is reshaped lies in memory.
    assert all(each.operands[0].op == "input" for each in found.values() if each.op == "reshape")


def test_splitting_is_simplified_to_itself() -> None:
    (x,) = inputs((20011, 3))
    found = simplify(graph(total(op("exp", x), 0, 1)))
    assert fingerprint(simplify(found)) == fingerprint(found)


# --- size -------------------------------------------------------------------------------------------------


def _sines(x: Value) -> Value:
    return op("add", op("sin", x), number(0.5, float32))


def _negations(x: Value) -> Value:
    return op("negative", x)


def _transposed(x: Value) -> Value:
    return op("sin", op("permute_dims", x, axes=(1, 0)))


def _square(x: Value) -> Value:
    return op("multiply", x, x)


@pytest.mark.parametrize(("make", "left"), [(_sines, 60001), (_negations, 0), (_transposed, 30000), (_square, 30000)])
def test_a_chain_of_many_thousand_operations_is_simplified(make: Callable[[Value], Any], left: int) -> None:
    (x,) = inputs((2, 2))
    value = x
    for _ in range(30000):
        value = make(value)
    assert len(simplify(graph(value, of=(x,))).values()) == left + 1


def test_a_sum_of_many_is_simplified() -> None:
    (x,) = inputs((2,), dtype=int64)
    terms = [op("multiply", x, number(place, int64)) for place in range(20000)]
    value = terms[0]
    for term in terms[1:]:
        value = op("add", value, term)
    assert numpy_dtype(simplify(graph(value)).outputs[0].dtype) == np.int64
