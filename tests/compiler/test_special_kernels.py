"""Special kernels give what the eager NumPy backend gives, however their units are divided among threads."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from lamina.backends.numpy_backend import NumPyBackend
from lamina.compiler.codegen.faults import FAULT_INDEX
from lamina.compiler.codegen.module import Module
from lamina.compiler.codegen.special.job import Job
from lamina.compiler.codegen.special.kernel import SPECIAL
from lamina.compiler.codegen.values import I64, PTR
from lamina.compiler.graph import ir
from lamina.compiler.runtime.loading import load
from lamina.compiler.runtime.machine_code import assemble
from lamina.compiler.runtime.processor import host
from lamina.compiler.target import AARCH64, AVX2, BASELINE, Target
from lamina.dtypes import DTYPES, as_dtype
from lamina.primitives.primitive import Spec
from lamina.primitives.table import TABLE

EAGER = NumPyBackend()
SOME = ("bool", "int16", "float16", "float32")
NUMBERS = [name for name in DTYPES if name != "bool"]
FLOATS = ["float16", "bfloat16", "float32", "float64"]
INDICES = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


def native(name: str) -> Any:
    return EAGER.native(as_dtype(name))


def graph_value(op: str, arrays: list[Any], params: dict[str, Any]) -> ir.Value:
    specs = [Spec(each.shape, as_dtype(each.dtype)) for each in arrays]
    inputs = [ir.input_value(number, spec) for number, spec in enumerate(specs)]
    return ir.operation(op, inputs, TABLE[op].spec(op, *specs, **params), params)


def written(value: ir.Value, target: Target) -> str:
    """Return the module of a kernel: ``kernel(buffers, begin, end, scratch, fault)``."""
    module = Module(target)
    parameters = [("buffers", PTR), ("begin", I64), ("end", I64), ("scratch", PTR), ("fault", PTR)]
    with module.function("kernel", parameters, internal=False) as f:
        pointers = [
            f.load(PTR, f.at(f.arguments["buffers"], f.integer(at), PTR)) for at in range(1 + len(value.operands))
        ]
        operands, results = tuple(pointers[:-1]), tuple(pointers[-1:])
        begin, end, scratch, fault = (f.arguments[name] for name in ("begin", "end", "scratch", "fault"))
        SPECIAL[value.op].emit(Job(f, value, operands, results, begin, end, scratch, fault))
    return str(module)


@cache
def loaded(ir_text: str, target: Target) -> tuple[Any, Any]:
    code = load(assemble(ir_text, target))
    return code, ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, *[ctypes.c_void_p] * 2)(
        code.address("kernel")
    )


class Guarded:
    """Memory with known bytes around it, which a kernel must not change."""

    def __init__(self, size: int, fill: int = 0xA5) -> None:
        self._bytes = np.full(size + 192, fill, np.uint8)
        self._start = 64 + (-self._bytes.ctypes.data) % 64
        self._stop, self._fill = self._start + size, fill
        self.memory = self._bytes[self._start : self._stop]

    def array(self, shape: tuple[int, ...], dtype: Any) -> Any:
        return self.memory.view(dtype).reshape(shape)

    def untouched(self) -> bool:
        outside = np.concatenate([self._bytes[: self._start], self._bytes[self._stop :]])
        return bool((outside == self._fill).all())


def run(op: str, *arrays: Any, target: Target | None = None, cuts: int = 0, seed: int = 0, **params: Any) -> Any:
    """Return the result of a kernel and its fault code."""
    target = target or host()
    arrays = tuple(np.array(each, order="C") for each in arrays)
    value = graph_value(op, list(arrays), params)
    kernel = SPECIAL[op]
    _, function = loaded(written(value, target), target)
    result = Guarded(math.prod(value.shape) * value.dtype.itemsize)
    units, fault = kernel.units(value), np.zeros(1, np.int64)
    buffers = np.array([*(each.ctypes.data for each in arrays), result.memory.ctypes.data], np.uintp)
    rng = np.random.default_rng(seed)
    edges = [0, *sorted(rng.integers(0, units + 1, cuts)), units]
    ranges = list(pairwise(edges))
    rng.shuffle(ranges)
    for begin, end in ranges:
        scratch = Guarded(kernel.scratch(value))
        function(buffers.ctypes.data, int(begin), int(end), scratch.memory.ctypes.data, fault.ctypes.data)
        assert scratch.untouched()
    assert result.untouched()
    return result.array(value.shape, native(value.dtype.name)), int(fault[0])


def check(op: str, *arrays: Any, target: Target | None = None, **params: Any) -> None:
    """Compare with eager, to the bit, in one range and in several."""
    with np.errstate(all="ignore"):
        expected = np.asarray(getattr(EAGER, op)(*arrays, **params))
    for cuts in (0, 5):
        got, fault = run(op, *arrays, target=target, cuts=cuts, **params)
        assert fault == 0
        assert got.shape == expected.shape
        assert got.dtype == expected.dtype
        same = np.asarray(got).tobytes() == np.ascontiguousarray(expected).tobytes()
        assert same or equal_but_for_nan(got, expected), (got, expected)


def equal_but_for_nan(got: Any, expected: Any) -> bool:
    """Which NaN it is may differ; signs of zeros may not."""
    if expected.dtype.kind in "biu":
        return False
    a, b = got.astype(np.float64), expected.astype(np.float64)
    number = ~np.isnan(b)
    return bool((np.isnan(a) == ~number).all() and (a[number].view(np.int64) == b[number].view(np.int64)).all())


def draw(rng: np.random.Generator, name: str, shape: tuple[int, ...], *, special: bool = True) -> Any:
    """Return values with ties, and for floats with NaN, infinities and zeros of both signs."""
    dtype = native(name)
    if name == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        few = rng.integers(0, 5, shape).astype(dtype)
        return np.where(rng.random(shape) < 0.5, few, rng.integers(info.min, info.max, shape, dtype, endpoint=True))
    values = rng.normal(size=shape).round(1)
    if special:
        odd = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1.0])
        values = np.where(rng.random(shape) < 0.3, odd[rng.integers(0, len(odd), shape)], values)
    return np.asarray(values).astype(dtype)


SHAPES = [
    ((1,), 0),
    ((7,), 0),
    ((3, 5), 0),
    ((3, 5), 1),
    ((2, 3, 4), 1),
    ((4, 1, 37), 0),
    ((5, 200), 1),
    ((2, 3, 64), 1),
]


LINES = [*SHAPES, ((3, 130), 1), ((300,), 0), ((64, 3), 0), ((67,), 0), ((2, 5, 40), 1), ((0, 3), 1), ((3, 0), 0)]


def named(names: Iterable[str], shapes: list[tuple[tuple[int, ...], int]]) -> Any:
    """Every type with some shapes, and some types with every shape."""
    pairs = [
        (name, *case) for name in names for case in shapes if name in SOME or case in (((3, 5), 1), ((2, 3, 64), 1))
    ]
    return pytest.mark.parametrize(("name", "shape", "axis"), pairs)


# --- gathers ----------------------------------------------------------------------------------------------


@named(DTYPES, SHAPES)
def test_take_copies_rows(name: str, shape: tuple[int, ...], axis: int) -> None:
    rng = np.random.default_rng(1)
    size = shape[axis]
    for chosen in ((), (1,), (0,), (2, 3)):
        check("take", draw(rng, name, shape), rng.integers(-size, size, chosen), axis=axis)


@pytest.mark.parametrize("dtype", INDICES)
@pytest.mark.parametrize("op", ["take", "take_along_axis"])
def test_indices_are_of_any_integer_type(op: str, dtype: str) -> None:
    x = np.arange(40, dtype=np.float32).reshape(4, 10)
    low = -4 if dtype.startswith("i") else 0
    shape = (3,) if op == "take" else (3, 10)
    check(op, x, np.random.default_rng(2).integers(low, 4, shape).astype(dtype), axis=0)


@named(DTYPES, SHAPES)
def test_take_along_axis_gathers_elements(name: str, shape: tuple[int, ...], axis: int) -> None:
    rng = np.random.default_rng(3)
    for count in (1, 0, 5):
        wanted = (*shape[:axis], count, *shape[axis + 1 :])
        check("take_along_axis", draw(rng, name, shape), rng.integers(-shape[axis], shape[axis], wanted), axis=axis)


def test_an_index_outside_is_a_fault_and_reads_the_first_element() -> None:
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    for bad in (4, -5, 1 << 40, -(1 << 62)):
        got, fault = run("take", x, np.array([1, bad]), cuts=1, axis=0)
        assert fault == FAULT_INDEX
        assert got.tolist() == [[3, 4, 5], [0, 1, 2]]
        got, fault = run("take_along_axis", x, np.array([[1, bad, 0]]), axis=0)
        assert fault == FAULT_INDEX
        assert got.tolist() == [[3, 1, 2]]


def test_large_unsigned_indices_are_outside() -> None:
    _, fault = run("take", np.zeros(4, np.float32), np.array([2**64 - 1], np.uint64), axis=0)
    assert fault == FAULT_INDEX


# --- scattered additions ----------------------------------------------------------------------------------


@named(NUMBERS, SHAPES)
@pytest.mark.parametrize("op", ["scatter_add", "scatter_max", "scatter_min"])
def test_what_is_scattered_is_combined_in_the_order_of_the_values(
    op: str, name: str, shape: tuple[int, ...], axis: int
) -> None:
    rng = np.random.default_rng(4)
    for chosen in ((), (0,), (9,), (2, 3)):
        values = draw(rng, name, (*shape[:axis], *chosen, *shape[axis + 1 :]))
        size = shape[axis]
        check(op, values, rng.integers(-size, size, chosen), axis=axis, size=size)


@named(NUMBERS, SHAPES)
def test_scatter_add_along_axis_adds_in_the_order_of_the_values(name: str, shape: tuple[int, ...], axis: int) -> None:
    rng = np.random.default_rng(5)
    for size in (1, 6):
        values = draw(rng, name, shape)
        check("scatter_add_along_axis", values, rng.integers(-size, size, shape), axis=axis, size=size)


@pytest.mark.parametrize("name", DTYPES)
def test_rows_are_put_in_their_order_and_those_of_no_place_are_left_out(name: str) -> None:
    rng = np.random.default_rng(12)
    for shape in ((0, 2), (7,), (5, 3), (40, 2, 9)):
        for count in (0, 1, 6, 30):
            indices = rng.integers(-2, shape[0] + 2, count, np.int32)
            check("put_rows", draw(rng, name, shape), draw(rng, name, (count, *shape[1:])), indices)


def test_a_scattered_index_outside_is_a_fault() -> None:
    for bad in (3, -4):
        for op in ("scatter_add", "scatter_max", "scatter_min"):
            _, fault = run(op, np.ones((2, 5), np.float32), np.array([1, bad]), cuts=3, axis=0, size=3)
            assert fault == FAULT_INDEX
        _, fault = run("scatter_add_along_axis", np.ones(2), np.array([1, bad]), cuts=3, axis=0, size=3)
        assert fault == FAULT_INDEX


# --- positions --------------------------------------------------------------------------------------------


@named(DTYPES, LINES)
@pytest.mark.parametrize("op", ["argmax", "argmin"])
def test_the_position_is_that_of_the_first_best_element_and_nan_is_best(
    op: str, name: str, shape: tuple[int, ...], axis: int
) -> None:
    rng = np.random.default_rng(6)
    for special in (True, False):
        check(op, draw(rng, name, shape, special=special), axis=axis, keepdims=False)


# --- random bits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 4, 31, 32, 33, 1000])
def test_random_bits_are_those_of_eager(size: int) -> None:
    for key, counter in ((0, 0), (12345678901234567890, 7), (2**64 - 1, 2**64 - 3), (1, 2**32 - 5)):
        check("random_bits", np.array(key, np.uint64), np.array(counter, np.uint64), size=size)


# --- running sums and products ----------------------------------------------------------------------------


@named(NUMBERS, LINES)
@pytest.mark.parametrize("op", ["cumulative_sum", "cumulative_prod"])
def test_running_sums_and_products_are_those_of_eager(op: str, name: str, shape: tuple[int, ...], axis: int) -> None:
    rng = np.random.default_rng(7)
    for special in (True, False):
        check(op, draw(rng, name, shape, special=special), axis=axis)


# --- sorting ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("op", ["sort", "argsort"])
def test_sorting_is_stable_and_nan_is_the_largest(op: str, name: str, descending: bool) -> None:
    rng = np.random.default_rng(8)
    for shape, axis in (((1,), 0), ((3, 8), 1), ((17, 3), 0), ((2, 33, 2), 1), ((1000,), 0), ((0, 4), 0), ((2, 0), 1)):
        for special in (True, False):
            x = draw(rng, name, shape, special=special)
            check(op, x, axis=axis, descending=descending, stable=True)


@pytest.mark.parametrize("op", ["sort", "argsort"])
def test_lines_of_every_length_are_sorted(op: str) -> None:
    rng = np.random.default_rng(9)
    for length in [*range(1, 40), 63, 64, 65, 127, 129, 255, 257, 300]:
        x = rng.integers(0, length, (1, length)).astype(np.float32)
        expected = getattr(EAGER, op)(x, axis=1, descending=False, stable=True)
        got, _ = run(op, x, axis=1, descending=False, stable=True)
        assert got.tobytes() == expected.tobytes()


# --- searching --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", NUMBERS)
def test_searching_finds_the_place_before_or_behind_equals(name: str, side: str) -> None:
    rng = np.random.default_rng(10)
    for size in (0, 1, 5, 100):
        edges = EAGER.sort(draw(rng, name, (size,)), axis=0, descending=False, stable=True)
        for shape in ((), (0,), (3, 40)):
            check("searchsorted", edges, draw(rng, name, shape), side=side)


# --- processors -------------------------------------------------------------------------------------------


def example(op: str, name: str) -> tuple[list[Any], dict[str, Any]]:
    """Return operands, one axis of which is as long as any vector, and parameters."""
    rng = np.random.default_rng(11)
    x, indices = draw(rng, name, (3, 270)), rng.integers(-3, 3, (3, 270), np.int32)
    word = np.array(2**40 + 3, np.uint64)
    edges = EAGER.sort(x[0], axis=0, descending=False, stable=True)
    ordered = {"axis": 1, "descending": True, "stable": True}
    made: dict[str, tuple[list[Any], dict[str, Any]]] = {
        "take": ([x, indices[0, :5]], {"axis": 0}),
        "take_along_axis": ([x, indices], {"axis": 0}),
        "scatter_add": ([x, indices[:, 0]], {"axis": 0, "size": 3}),
        "scatter_max": ([x, indices[:, 0]], {"axis": 0, "size": 3}),
        "scatter_min": ([x, indices[:, 0]], {"axis": 0, "size": 3}),
        "scatter_add_along_axis": ([x, indices], {"axis": 0, "size": 3}),
        "put_rows": ([x, x[[2, 0]], np.array([1, 5])], {}),
        "argmax": ([x], {"axis": 1, "keepdims": True}),
        "argmin": ([x], {"axis": 0, "keepdims": False}),
        "cumulative_sum": ([x], {"axis": 0}),
        "cumulative_prod": ([x], {"axis": 1}),
        "sort": ([x], ordered),
        "argsort": ([x], ordered),
        "searchsorted": ([edges, x], {"side": "right"}),
        "random_bits": ([word, word], {"size": 300}),
    }
    return made[op]


EXAMPLES = [
    (op, name)
    for op in SPECIAL
    if op in TABLE
    for name in DTYPES
    if name != "bool" and (op != "random_bits" or name == "int8")
]


@pytest.mark.parametrize("target", [AVX2, BASELINE], ids=lambda target: target.cpu)
@pytest.mark.parametrize(("op", "name"), EXAMPLES)
def test_narrower_vectors_give_the_same(op: str, name: str, target: Target) -> None:
    arrays, params = example(op, name)
    check(op, *arrays, target=target, **params)


@pytest.mark.parametrize(("op", "name"), [each for each in EXAMPLES if each[1] in ("int8", "float16", "float64")])
def test_kernels_are_written_for_arm(op: str, name: str) -> None:
    arrays, params = example(op, name)
    assert assemble(written(graph_value(op, arrays, params), AARCH64), AARCH64)
