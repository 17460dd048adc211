"""Programs at random, compiled: they compute what eager code computes, to the last bit, in any number of threads."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from lamina.backends.protocol import numpy_dtype
from lamina.compiler import lowering
from lamina.compiler.codegen import expressions, main_function, products
from lamina.compiler.codegen.schedule import Schedule
from lamina.compiler.codegen.values import VOID
from lamina.compiler.graph.ir import Graph, Value, constant, full
from lamina.compiler.graph.passes.simplify import simplify
from lamina.compiler.lowering import lower
from lamina.compiler.runtime.machine_code import assemble
from lamina.compiler.runtime.processor import host
from lamina.compiler.runtime.threads import num_threads
from lamina.compiler.schedule import placing
from lamina.compiler.target import AARCH64, AVX2, AVX512, BASELINE, Target
from lamina.dtypes import DTYPES
from lamina.primitives.primitive import Spec
from lamina_tests.compiling import CompiledGraph, interpreted, joined, runs_here
from lamina_tests.graphs import apply, graph, inputs, same
from lamina_tests.random_graphs import LARGER_SHAPES, SHAPES, Program, program_at_random, programs

BATCH = 25
"""Programs that are compiled as one: calls of LLVM cost more than a few lines do, and kernels mix."""
X86 = [
    pytest.param(each, id=each.cpu, marks=pytest.mark.skipif(not runs_here(each), reason="another processor"))
    for each in (AVX512, AVX2, BASELINE)
]


def check(
    batch: Sequence[Program], threads: Sequence[int] = (1,), repeat: int = 1, target: Target | None = None
) -> None:
    """Compile programs together; compare what each returns and leaves with what eager code does, bit by bit."""
    # Numbers that are to stay whole and small would not, carried on from one run to the next.
    batch = [each for each in batch if repeat == 1 or each.kind != "whole"]
    given = [array for each in batch for array in each.inputs]
    compiled = CompiledGraph(joined([each.graph for each in batch]), target)
    assert compiled.lowered.layout.threads >= max(threads)
    wanted = [interpreted(each.graph, each.inputs, repeat) for each in batch]
    for number in threads:
        with num_threads(number):
            found = compiled(given, repeat)
        outputs, after = iter(found.outputs), iter(found.inputs)
        for each, eager in zip(batch, wanted, strict=True):
            mine = [next(outputs) for _ in eager.outputs] + [next(after) for _ in eager.inputs]
            for a, b in zip(mine, eager.arrays, strict=True):
                # Which zero the larger of the two is, or a sum of none, is not part of the meaning.
                assert same(a, b, zeros=each.kind != "whole"), f"{number} threads: {each}\ngot {a!r}\nnot {b!r}"


def at_random(first: int, possible: Sequence[tuple[int, ...]] = SHAPES, many: int = BATCH) -> list[Program]:
    return [program_at_random(seed, possible=possible) for seed in range(first, first + many)]


@pytest.fixture
def many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs are written for several threads, however small they are."""
    monkeypatch.setattr(lowering, "WORTH_A_THREAD", 1.0)


# --- values -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["integers", "whole", "special"])
def test_programs_that_hypothesis_draws_compute_what_eager_code_computes(kind: Any) -> None:
    @settings(max_examples=40)
    @given(st.lists(programs(kind), min_size=1, max_size=3))
    def agree(batch: list[Program]) -> None:
        check(batch)

    agree()


@pytest.mark.parametrize("first", range(0, 100, BATCH))
def test_programs_in_one_thread_compute_what_eager_code_computes(first: int) -> None:
    check(at_random(first), repeat=1 + first // BATCH % 3)


@pytest.mark.usefixtures("many_threads")
@pytest.mark.parametrize("first", range(1000, 1100, BATCH))
def test_programs_in_several_threads_compute_what_eager_code_computes(first: int) -> None:
    check(at_random(first), threads=(1, 2, 3), repeat=1 + first // BATCH % 3)


@pytest.mark.usefixtures("many_threads")
@pytest.mark.parametrize("first", range(2000, 2030, 10))
def test_programs_of_larger_arrays_compute_what_eager_code_computes(first: int) -> None:
    check(at_random(first, LARGER_SHAPES, 10), threads=(1, 2, 7))


@pytest.mark.usefixtures("many_threads")
@pytest.mark.parametrize("target", X86)
@pytest.mark.parametrize("first", [3000, 3000 + BATCH])
def test_programs_for_other_processors_compute_what_eager_code_computes(first: int, target: Target) -> None:
    check(at_random(first, (*SHAPES, *LARGER_SHAPES)), threads=(1, 2), target=target)


@pytest.mark.usefixtures("many_threads")
@pytest.mark.parametrize("limits", [(0, 64), (0, 8), (1, 3)], ids=str)
def test_programs_cut_into_kernels_anywhere_compute_what_eager_code_computes(
    limits: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, limit in zip(("RECOMPUTED", "EXPRESSION"), limits, strict=True):
        monkeypatch.setattr(placing, name, limit)
    monkeypatch.setattr(placing, "SMALL", 0)
    for first in range(4000, 4000 + 3 * BATCH, BATCH):
        check(at_random(first), threads=(1, 3))


@pytest.mark.usefixtures("many_threads")
def test_programs_that_may_be_ended_early_compute_what_eager_code_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lowering, "INTERRUPTIBLE", 0.0)
    for first in range(9000, 9000 + 2 * BATCH, BATCH):
        check(at_random(first), threads=(1, 3), repeat=1 + first // BATCH % 2)


@pytest.mark.slow
@pytest.mark.usefixtures("many_threads")
@pytest.mark.parametrize("possible", [SHAPES, (*SHAPES, *LARGER_SHAPES)], ids=["small", "larger"])
@pytest.mark.parametrize("first", range(10_000, 20_000, 1000))
def test_thousands_of_programs_compute_what_eager_code_computes(first: int, possible: Any) -> None:
    for seed in range(first, first + 1000, BATCH):
        check(at_random(seed, possible), threads=(1, 2, 3), repeat=1 + seed // BATCH % 2)


@pytest.mark.usefixtures("many_threads")
@pytest.mark.parametrize("seed", range(6))
def test_products_shared_out_by_columns_compute_what_eager_code_computes(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "PACKED", 1)
    generator = np.random.default_rng(seed)
    rows, depth, columns = int(generator.integers(1, 40)), int(generator.integers(1, 30)), (200, 333)[seed % 2]
    a, b, c = inputs((rows, depth), (depth, columns), (rows, columns))
    made = apply("maximum", apply("add", apply("matmul", a, b), c), apply("flip", c, axes=(0,)))
    turned = apply("matmul", apply("permute_dims", made, axes=(1, 0)), a)
    given = graph(
        made,
        turned,
        apply("sum", made, axes=(1,), keepdims=False),
        updates=[(2, apply("negative", made))],
        of=(a, b, c),
    )
    arrays = [generator.integers(-3, 4, each.shape).astype(np.float32) for each in given.inputs]
    for target in (host(), *(each for each in (AVX2, BASELINE) if runs_here(each))):
        compiled = CompiledGraph(given, target)
        assert any(share.grain > 1 for share in compiled.lowered.schedule.ordered.shares.values())
        for threads in (1, 2, 3, 7):
            with num_threads(threads):
                found = compiled(arrays)
            assert all(
                same(x, y, zeros=False) for x, y in zip(found.arrays, interpreted(given, arrays).arrays, strict=True)
            )


# --- threads ------------------------------------------------------------------------------------------------------


def late(call: Callable[..., None]) -> Callable[..., None]:
    """Return what writes the call of a kernel, so that some threads come to it long after the others."""

    numbers = count(1)

    def delayed(self: Any, kernel: Any) -> None:
        f = self.f
        thread = f.add(f.arguments["thread"], f.integer(7 * next(numbers)))
        mixed = f.binary("lshr", f.mul(thread, f.integer(0x1E3779B97F4A7C15)), f.integer(40))
        some = f.icmp("eq", f.binary("and", mixed, f.integer(3)), f.integer(0))
        with f.when(some), f.loop(f.integer(0), f.integer(500)):
            f.call("llvm.x86.sse2.pause", VOID)
        call(self, kernel)

    return delayed


@pytest.mark.usefixtures("many_threads")
@pytest.mark.skipif(not host().triple.startswith("x86_64"), reason="pauses as this processor does not")
@pytest.mark.parametrize("possible", [SHAPES, LARGER_SHAPES], ids=["small", "larger"])
def test_threads_that_are_late_change_nothing(possible: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main_function.Caller, "call", late(main_function.Caller.call))
    for first in range(5000, 5080, 10):
        check(at_random(first, possible, 10), threads=(2, 3, 3))


SUMS = {
    "rows": ((333, 70), (1,)),
    "columns": ((333, 70), (0,)),
    "everything": ((333, 70), (0, 1)),
    "a long vector": ((30_000,), (0,)),
    "two axes": ((9, 40, 33), (0, 2)),
}


@pytest.mark.usefixtures("many_threads")
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize(("shape", "axes"), SUMS.values(), ids=SUMS)
def test_results_are_the_same_to_the_last_bit_in_any_number_of_threads(
    shape: tuple[int, ...], axes: tuple[int, ...], dtype: str
) -> None:
    generator = np.random.default_rng(0)
    (x,) = inputs(shape, dtype=dtype)
    total = apply("sum", apply("exp", x), axes=axes, keepdims=True)
    softmax = apply("divide", apply("exp", x), total)
    flat = apply("reshape", softmax, shape=(shape[0], math.prod(shape[1:])))
    product = apply("matmul", apply("permute_dims", flat, axes=(1, 0)), apply("tanh", flat))
    given = graph(total, softmax, product, apply("cumulative_sum", softmax, axis=0), updates=[(0, softmax)], of=(x,))
    compiled = CompiledGraph(given)
    array = generator.normal(size=shape).astype(numpy_dtype(x.dtype))
    results = []
    for threads in (1, 2, 3, 7, 3):
        with num_threads(threads):
            results.append([each.tobytes() for each in compiled([array], repeat=2).arrays])
    assert all(each == results[0] for each in results)


def test_a_graph_is_written_the_same_way_every_time() -> None:
    for seed in range(6000, 6060):
        texts = {lower(simplify(program_at_random(seed).graph), host()).ir for _ in range(2)}
        assert len(texts) == 1


@pytest.mark.usefixtures("many_threads")
def test_every_read_that_is_written_was_foreseen_by_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    foreseen: dict[Any, Any] = {}
    load, emit = expressions.Step.load, main_function.emit_program

    def watched(schedule: Schedule, **options: Any) -> Any:
        foreseen.update(schedule.ordered.reads)
        return emit(schedule, **options)

    def checked(self: expressions.Step, base: Value, place: Any) -> Any:
        known = foreseen[self.body.kernel]
        assert any(read.base is base and read.place == place for read in known)
        return load(self, base, place)

    monkeypatch.setattr(lowering, "emit_program", watched)
    monkeypatch.setattr(expressions.Step, "load", checked)
    for seed in range(7000, 7100):
        lower(simplify(program_at_random(seed).graph), host())


# --- what is returned and what is updated -------------------------------------------------------------------------


def values_of(dtype: str, shape: tuple[int, ...], seed: int = 1) -> Any:
    return (
        np.random.default_rng(seed).integers(0, 2 if dtype == "bool" else 7, shape).astype(numpy_dtype(DTYPES[dtype]))
    )


def returned(shape: tuple[int, ...], dtype: str) -> Graph:
    x, y = inputs(shape, shape, dtype=dtype)
    axes = tuple(range(len(shape)))
    flipped = apply("flip", x, axes=axes)
    turned = apply("permute_dims", x, axes=axes[::-1])
    known = constant(values_of(dtype, (3, 2)), Spec((3, 2), DTYPES[dtype]))
    swapped = [(0, apply("permute_dims", apply("permute_dims", y, axes=axes[::-1]), axes=axes[::-1])), (1, flipped)]
    return graph(x, x, flipped, turned, flipped, known, full(Spec(shape, DTYPES[dtype]), 1), updates=swapped, of=(x, y))


@pytest.mark.usefixtures("many_threads")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (5,), (3, 4), (0, 3), (2, 1, 3), (67,)], ids=str)
def test_inputs_constants_views_and_the_same_value_twice_are_returned(shape: tuple[int, ...], dtype: str) -> None:
    given, arrays = returned(shape, dtype), [values_of(dtype, shape, seed) for seed in (1, 2)]
    for repeat in (1, 3):
        wanted = interpreted(given, arrays, repeat)
        compiled = CompiledGraph(given)
        for threads in (1, 2):
            with num_threads(threads):
                found = compiled(arrays, repeat)
            for a, b in zip(found.arrays, wanted.arrays, strict=True):
                assert same(a, b)


def shuffles(name: str) -> Graph:
    """Updates that read each other's variables, or their own elsewhere than they write."""
    a, b, c = inputs((6, 6), (6, 6), (6, 6))
    turned, flipped = (apply("permute_dims", a, axes=(1, 0)), apply("flip", a, axes=(0,)))
    row = apply("slice", a, start=(0, 0), stop=(1, 6), step=(1, 1))
    graphs = {
        "itself, turned": graph(apply("negative", a), updates=[(0, turned)]),
        "itself, and a row of it": graph(updates=[(0, apply("add", a, row))], of=(a,)),
        "in a circle": graph(apply("add", a, c), updates=[(0, b), (1, c), (2, a)]),
        "in a circle, shuffled": graph(
            apply("multiply", flipped, c),
            updates=[(0, apply("add", b, c)), (1, turned), (2, apply("subtract", flipped, b))],
        ),
        "a product of itself": graph(a, updates=[(0, apply("matmul", a, b)), (1, apply("matmul", b, turned))]),
        "a sum of what changes": graph(
            apply("sum", a, axes=(0, 1), keepdims=False),
            updates=[(0, apply("subtract", a, apply("sum", b, axes=(0,), keepdims=True))), (1, apply("add", a, b))],
        ),
        "sorted": graph(
            a, updates=[(0, apply("sort", a, axis=0, descending=False, stable=True)), (1, turned)], of=(b,)
        ),
        "a part of another": graph(
            updates=[(0, apply("concat", row, row, row, row, row, row, axis=0)), (1, a)], of=(b,)
        ),
    }
    return graphs[name]


SHUFFLES = (
    "itself, turned", "itself, and a row of it", "in a circle", "in a circle, shuffled", "a product of itself",
    "a sum of what changes", "sorted", "a part of another",
)  # fmt: skip


@pytest.mark.usefixtures("many_threads")
@pytest.mark.parametrize("name", SHUFFLES)
def test_updates_that_read_what_others_update_see_what_was_before(name: str) -> None:
    given = shuffles(name)
    arrays = [np.random.default_rng(place).integers(-2, 3, (6, 6)).astype(np.float32) for place in range(3)]
    arrays = arrays[: len(given.inputs)]
    compiled = CompiledGraph(given)
    for repeat in (1, 2, 3):
        wanted = interpreted(given, arrays, repeat)
        for threads in (1, 2, 3):
            with num_threads(threads):
                assert all(map(same, compiled(arrays, repeat).arrays, wanted.arrays))


# --- kernels that once waited for themselves, or read too late -----------------------------------------------------


def turned_and_used_again() -> Graph:
    x = inputs((3, 3))[0]
    wave = apply("exp", x)
    return graph(apply("permute_dims", wave, axes=(1, 0)), apply("abs", wave), apply("multiply", wave, wave))


def twice_after_a_column_sum() -> Graph:
    x = inputs((64, 64))[0]
    wave = apply("exp", apply("sum", x, axes=(0,), keepdims=False))
    return graph(apply("add", wave, wave), apply("negative", wave))


def sum_of_a_reshaped_input() -> Graph:
    x = inputs((2, 3, 2, 2))[0]
    return graph(apply("sum", apply("reshape", x, shape=(8, 3)), axes=(1,), keepdims=False))


def long_expression(length: int, views: int) -> Graph:
    x, y = inputs((3, 3), (3, 3))
    value = x
    for place in range(length):
        value = apply(("add", "subtract")[place % 2], value, y)
    for place in range(views):
        value = apply("flip", value, axes=(place % 2,)) if place % 3 else apply("permute_dims", value, axes=(1, 0))
    return graph(value, apply("sqrt", apply("negative", value)))


KNOWN = {
    "turned and used again": turned_and_used_again(),
    "twice after a column sum": twice_after_a_column_sum(),
    "sum of a reshaped input": sum_of_a_reshaped_input(),
    **{
        f"{length} operations, {views} views": long_expression(length, views) for length in (62, 64) for views in (1, 4)
    },
}


@pytest.mark.parametrize("name", KNOWN)
def test_schedules_that_are_easily_circular_or_endless_end(name: str) -> None:
    given = KNOWN[name]
    arrays = [np.random.default_rng(0).integers(-1, 2, each.shape).astype(np.float32) for each in given.inputs]
    for a, b in zip(CompiledGraph(given)(arrays).arrays, interpreted(given, arrays).arrays, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


# --- machines that are not here -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("many_threads")
@pytest.mark.parametrize("first", [8000, 8000 + BATCH])
def test_programs_become_machine_code_for_arm(first: int) -> None:
    given = joined([each.graph for each in at_random(first, (*SHAPES, *LARGER_SHAPES))])
    assert assemble(lower(simplify(given), AARCH64).ir, AARCH64)


@pytest.mark.parametrize("first", [8000, 8000 + BATCH])
def test_programs_become_modules_for_graphics_processors(first: int) -> None:
    """Every kernel is one of PTX too; what starts them in a grid is not written yet."""
    import llvmlite.binding as llvm

    ptx = Target("nvptx64-nvidia-cuda", "sm_80", "", 16, 32, True)
    given = joined([each.graph for each in at_random(first)])
    module = llvm.parse_assembly(lower(simplify(given), ptx).ir)
    module.verify()
    assert "asm" not in str(module)
    assert "llvm.x86" not in str(module)
