"""Generated elementwise operations against NumPy's, for every target, type and number of lanes."""

import ctypes
import itertools
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lamina as la
from lamina import dtypes
from lamina.backends.numpy_backend import NumPyBackend
from lamina.backends.protocol import numpy_dtype
from lamina.compiler.codegen.elements import literal, load_element, memory_type, narrow, store_element
from lamina.compiler.codegen.elementwise import ELEMENTWISE, Types, cost, emit_elementwise, emit_fault
from lamina.compiler.codegen.mathematics import FUNCTIONS, ULP_BOUND
from lamina.compiler.codegen.module import Module
from lamina.compiler.codegen.values import FLOAT, I64, PTR
from lamina.compiler.runtime.loading import load
from lamina.compiler.runtime.machine_code import assemble
from lamina.compiler.runtime.processor import host
from lamina.compiler.target import AARCH64, AVX2, BASELINE

BACKEND = NumPyBackend()
BACKEND.native(dtypes.bfloat16)  # known once it has been asked for
TARGETS = {"host": host(), "avx2": AVX2, "baseline": BASELINE}
SHAPES = [("host", 0), ("host", 1), ("host", 3), ("host", 16), ("avx2", 16), ("baseline", 0), ("baseline", 16)]
KINDS = {"floating": "floating", "signed": "signed", "unsigned": "unsigned", "bool": "boolean"}
COMPARISONS = ("equal", "not_equal", "less", "less_equal")
PAIRS = (
    *COMPARISONS, "add", "subtract", "multiply", "multiply_no_nan", "divide", "pow", "floor_divide", "remainder",
    "atan2", "maximum", "minimum", "copysign", "nextafter", "bitwise_and", "bitwise_or", "bitwise_xor",
    "bitwise_left_shift", "bitwise_right_shift",
)  # fmt: skip


def runs(target):
    return target.triple[:3] == host().triple[:3] and target.known <= host().known


def taken(op):
    """The types of operands that an operation takes."""
    return [dtype for dtype in dtypes.DTYPES.values() if getattr(ELEMENTWISE[op], KINDS[dtype.kind]) is not None]


def signatures(op):
    """The types of operands and of the result, for every way to call an operation."""
    if op == "astype":
        return [((source,), wanted) for source in taken(op) for wanted in taken(op)]
    if op == "where":
        return [((dtypes.bool_, dtype, dtype), dtype) for dtype in taken(op)]
    count = 2 if op in PAIRS else 1
    return [((dtype,) * count, dtypes.bool_ if op in COMPARISONS else dtype) for dtype in taken(op)]


def symbol(types, result):
    return "_".join(dtype.name for dtype in (*types, result))


def source(op, lanes, target):
    """For each signature a function that applies an operation to arrays, a vector at a time."""
    module = Module(target)
    for types, result in signatures(op):
        names = [f"x{place}" for place in range(len(types))]
        parameters = [*((name, PTR) for name in names), ("out", PTR), ("count", I64)]
        with (
            module.function(symbol(types, result), parameters, internal=False) as f,
            f.loop(f.integer(0), f.arguments["count"], lanes or 1) as index,
        ):
            operands = [
                load_element(f, dtype, f.at(f.arguments[name], index, memory_type(dtype)), lanes)
                for name, dtype in zip(names, types, strict=True)
            ]
            value = emit_elementwise(f, op, Types(types[-1], result), operands)
            store_element(f, result, value, f.at(f.arguments["out"], index, memory_type(result)))
    return str(module)


@cache
def library(op, lanes, target):
    return load(assemble(source(op, lanes, target), target))


def call(code, name, arrays, lanes, result):
    """Call a function over arrays of one length; the last vector reads ones beyond, which no operation minds."""
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (len(arrays) + 1), ctypes.c_int64)(code.address(name))
    count = arrays[0].size
    arrays = [np.concatenate([array, np.ones(-count % (lanes or 1), array.dtype)]) for array in arrays]
    out = np.empty(arrays[0].size, numpy_dtype(result))
    function(*(array.ctypes.data for array in arrays), out.ctypes.data, out.size)
    return out[:count]


def run(op, arrays, result, lanes, target):
    types = tuple(BACKEND.dtype_of(array) for array in arrays)
    return call(library(op, lanes, target), symbol(types, result), arrays, lanes, result)


@cache
@np.errstate(all="ignore")
def numbers(dtype):
    """Limits, zeros, ties, NaN; small numbers and any bits."""
    native, random = numpy_dtype(dtype), np.random.default_rng(dtype.bits)
    if dtype is dtypes.bool_:
        return np.array([False, True, True, False, True])
    anything = (
        random.integers(0, 1 << min(dtype.bits, 63), 40, dtype=np.uint64).astype(f"u{dtype.itemsize}").view(native)
    )
    if dtype.integral:
        low, high = np.iinfo(native).min, np.iinfo(native).max
        limits = [low, low + 1, high, high - 1, high // 2, 0, 1, 2, 3, 7, 8, dtype.bits - 1, dtype.bits % (high + 1)]
        signed = [-1, -2, -3, -7] if dtype.kind == "signed" else []
        return np.concatenate(
            [np.array([*limits, *signed], native), random.integers(0, 20, 10).astype(native), anything]
        )
    info = dtypes.float_info(dtype)
    tiny = info.smallest_normal
    some = [0, 0.5, 1, 1.5, 2, 2.5, 3, 7, 1e-3, 1e3, tiny, tiny * 0.75, tiny * info.eps, info.max, np.inf, np.nan]
    some = np.array(some).astype(native)
    return np.concatenate([some, -some, (random.normal(size=20) * 10).astype(native), anything])


def operands(types):
    """Every pair of numbers; for a choice, conditions in front."""
    values = numbers(types[-1])
    if len(types) == 1:
        return [values]
    pairs = [np.repeat(values, values.size), np.tile(values, values.size)]
    if len(types) == 2:
        return pairs
    return [np.random.default_rng(0).integers(0, 2, pairs[0].size).astype(bool), *pairs]


@np.errstate(all="ignore")
def same_bits(got, wanted):
    """Whether elements are equal to the last bit, or both NaN."""
    unsigned = f"u{got.dtype.itemsize}"
    equal = got.view(unsigned) == np.ascontiguousarray(wanted).view(unsigned)
    if got.dtype.kind in "biu":
        return equal
    return equal | (np.isnan(got.astype(np.float64)) & np.isnan(wanted.astype(np.float64)))


def check_exact(op, arrays, result, wanted):
    for name, lanes in SHAPES:
        if not runs(TARGETS[name]):
            continue
        got = run(op, arrays, result, lanes, TARGETS[name])
        same = same_bits(got, wanted)
        first = np.flatnonzero(~same)[:3]
        told = [[*(array[place] for array in arrays), got[place], wanted[place]] for place in first]
        assert same.all(), (name, lanes, told)


EXACT = [
    (op, types, result)
    for op in ELEMENTWISE
    if op not in ("astype", "alias")
    for types, result in signatures(op)
    if op not in FUNCTIONS or not result.floating
]


@pytest.mark.parametrize(("op", "types", "result"), EXACT, ids=[f"{op}-{types[-1].name}" for op, types, _ in EXACT])
def test_an_operation_gives_the_bits_of_numpy(op, types, result):
    arrays = operands(types)
    if op == "pow":
        arrays[1] = np.where(arrays[1] < 0, 5, arrays[1]).astype(arrays[1].dtype)  # a negative power is an error
    with np.errstate(all="ignore"):
        wanted = getattr(BACKEND, op)(*arrays)
    check_exact(op, arrays, result, wanted)


@pytest.mark.parametrize("dtype", taken("alias"), ids=lambda dtype: dtype.name)
def test_an_alias_is_the_operand(dtype):
    check_exact("alias", [numbers(dtype)], dtype, numbers(dtype))


@pytest.mark.parametrize("op", FUNCTIONS)
@pytest.mark.parametrize(
    "dtype", [each for each in dtypes.DTYPES.values() if each.floating], ids=lambda each: each.name
)
def test_a_function_is_close_to_that_of_a_wider_type(op, dtype):
    types, _ = next(each for each in signatures(op) if each[1] is dtype)
    arrays = operands(types)
    with np.errstate(all="ignore"):
        exact = getattr(BACKEND, op)(*(array.astype(np.float64) for array in arrays))
        wanted = exact.astype(numpy_dtype(dtype))
        unit = np.abs(np.spacing(wanted)).astype(np.float64)
    # Rounding to a narrow type adds half a unit; NumPy's own float64 functions may be 4 units off.
    bound = max(ULP_BOUND[op]) + 4 if dtype is dtypes.float64 else 1.0 if dtype.bits == 16 else ULP_BOUND[op][0] + 0.01
    for name, lanes in SHAPES:
        if not runs(TARGETS[name]):
            continue
        got = run(op, arrays, dtype, lanes, TARGETS[name])
        with np.errstate(all="ignore"):
            close = same_bits(got, wanted) | (np.abs(got.astype(np.float64) - exact) <= bound * unit)
        first = np.flatnonzero(~close)[:3]
        assert close.all(), (name, lanes, [[*(array[at] for array in arrays), got[at], exact[at]] for at in first])


# --- casts ---


@pytest.mark.parametrize("wanted", dtypes.DTYPES.values(), ids=lambda dtype: dtype.name)
@pytest.mark.parametrize("given", dtypes.DTYPES.values(), ids=lambda dtype: dtype.name)
def test_a_cast_of_what_fits_gives_the_bits_of_numpy(given, wanted):
    array = numbers(given)
    if given.floating and wanted.integral:
        with np.errstate(all="ignore"):
            info, wide = np.iinfo(wanted.name), np.trunc(array.astype(np.float64))
            array = array[(wide >= float(info.min)) & (wide < float(info.max))]
    with np.errstate(all="ignore"):
        expected = array.astype(numpy_dtype(wanted))
    check_exact("astype", [array], wanted, expected)


@pytest.mark.parametrize("given", ["float16", "bfloat16", "float32", "float64"])
def test_a_cast_of_what_does_not_fit_is_that_of_x86_on_every_target(given):
    given = dtypes.DTYPES[given]
    array = np.array([np.nan, np.inf, -np.inf, 300.0, -1.0]).astype(numpy_dtype(given))
    low32, low64 = -(2**31), -(2**63)
    for wanted, expected in {
        "int8": [0, 0, 0, 44, -1], "uint8": [0, 0, 0, 44, 255], "int16": [0, 0, 0, 300, -1],
        "uint16": [0, 0, 0, 300, 65535], "int32": [low32, low32, low32, 300, -1],
        "uint32": [0, 0, 0, 300, 2**32 - 1], "int64": [low64, low64, low64, 300, -1],
        "uint64": [2**63, 0, 2**63, 300, 2**64 - 1],
    }.items():  # fmt: skip
        check_exact("astype", [array], dtypes.DTYPES[wanted], np.array(expected, wanted))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(width=64, min_value=-70000, max_value=70000), min_size=1, max_size=40))
def test_a_double_is_rounded_once_on_its_way_to_float16(values):
    with np.errstate(all="ignore"):
        # Beside the middle between two neighbours, too close for float32 to tell.
        halves = np.array(values).astype(np.float16)
        middle = (halves.astype(np.float64) + np.nextafter(halves, np.float16(0)).astype(np.float64)) / 2
        array = np.concatenate([values, middle, np.nextafter(middle, np.inf), np.nextafter(middle, -np.inf)])
        expected = array.astype(np.float16)
    check_exact("astype", [array], dtypes.float16, expected)


# --- elements ---


@cache
def narrowing(dtype, target):
    """A function that stores floats rounded to a narrow type, still as floats."""
    module = Module(target)
    with (
        module.function("narrowed", [("x", PTR), ("out", PTR), ("count", I64)], internal=False) as f,
        f.loop(f.integer(0), f.arguments["count"], 8) as index,
    ):
        x = f.load(FLOAT.of(8), f.at(f.arguments["x"], index, FLOAT))
        f.store(narrow(f, dtype, x), f.at(f.arguments["out"], index, FLOAT))
    return load(assemble(str(module), target))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", [dtypes.float16, dtypes.bfloat16], ids=lambda dtype: dtype.name)
def test_narrow_rounds_to_nearest_even_like_a_cast(dtype, target):
    if not runs(TARGETS[target]):
        pytest.skip("this processor has no such instructions")
    native, random = numpy_dtype(dtype), np.random.default_rng(3)
    exact = np.arange(1 << 16, dtype=np.uint16).view(native).astype(np.float32)
    exact = np.sort(exact[np.isfinite(exact)])
    middle = exact[:-1] + (exact[1:] - exact[:-1]) / 2
    anything = random.integers(0, 1 << 32, 100_000, dtype=np.uint32).view(np.float32)
    special = np.array([np.inf, -np.inf, np.nan, 65519.996, 65520, 3.39e38, 3.4e38, 1e-45], np.float32)
    x = np.concatenate([special, exact, middle, np.nextafter(middle, np.float32(0)), anything])
    got = call(narrowing(dtype, TARGETS[target]), "narrowed", [x], 8, dtypes.float32)
    with np.errstate(all="ignore"):
        wanted = x.astype(native).astype(np.float32)
    assert same_bits(got, wanted).all()


@pytest.mark.parametrize(("target", "lanes"), SHAPES)
@pytest.mark.parametrize("dtype", [dtypes.float16, dtypes.bfloat16], ids=lambda dtype: dtype.name)
def test_every_narrow_number_survives_being_loaded_and_stored(dtype, target, lanes):
    if not runs(TARGETS[target]):
        pytest.skip("this processor has no such instructions")
    array = np.arange(1 << 16, dtype=np.uint16).view(numpy_dtype(dtype))
    got = run("alias", [array], dtype, lanes, TARGETS[target])
    assert same_bits(got, array).all()
    wide = run("astype", [array], dtypes.float32, lanes, TARGETS[target])
    assert same_bits(wide, array.astype(np.float32)).all()


@pytest.mark.parametrize("dtype", dtypes.DTYPES.values(), ids=lambda dtype: dtype.name)
def test_a_literal_is_rounded_as_numpy_rounds(dtype):
    given = [0, 1, 100] if dtype.kind != "floating" else [0.1, -0.0, 1e30, 1 / 3, 65519.99, np.inf, np.nan, 1e-45]
    if dtype.kind == "signed":
        given += [-1, np.iinfo(dtype.name).min]
    module = Module(host())
    with module.function("fill", [("out", PTR)], internal=False) as f:
        for place, number in enumerate(given):
            pointer = f.at(f.arguments["out"], f.integer(2 * place), memory_type(dtype))
            store_element(f, dtype, literal(f, dtype, number, 2), pointer)
    out = np.zeros(2 * len(given), numpy_dtype(dtype))
    code = load(assemble(str(module), host()))
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code.address("fill"))(out.ctypes.data)
    with np.errstate(all="ignore"):
        wanted = np.repeat(np.array(given), 2).astype(numpy_dtype(dtype))
    assert same_bits(out, wanted).all(), (out, wanted)


# --- faults, and the table ---


@pytest.mark.parametrize("lanes", [0, 4])
def test_a_negative_power_of_an_integer_is_a_fault_of_its_lane(lanes):
    module, dtype = Module(host()), dtypes.int32
    with (
        module.function("faults", [("x", PTR), ("y", PTR), ("out", PTR), ("count", I64)], internal=False) as f,
        f.loop(f.integer(0), f.arguments["count"], lanes or 1) as index,
    ):
        given = [load_element(f, dtype, f.at(f.arguments[name], index, memory_type(dtype)), lanes) for name in "xy"]
        fault = emit_fault(f, "pow", Types(dtype, dtype), given)
        store_element(f, dtypes.bool_, fault, f.at(f.arguments["out"], index, memory_type(dtypes.bool_)))
    x, y = np.array([2, 1, 0, 3], np.int32), np.array([-1, -2, 0, 3], np.int32)
    out = call(load(assemble(str(module), host())), "faults", [x, y], lanes, dtypes.bool_)
    assert out.tolist() == [True, True, False, False]


def test_only_signed_powers_have_faults():
    with Module(host()).function("nothing", []) as f:
        for op, dtype in itertools.product(ELEMENTWISE, [dtypes.uint8, dtypes.float32]):
            assert emit_fault(f, op, Types(dtype, dtype), []) is None
        assert emit_fault(f, "add", Types(dtypes.int8, dtypes.int8), []) is None
        assert not f.lines


@pytest.mark.parametrize("lanes", [0, 3])
@pytest.mark.parametrize("op", ELEMENTWISE)
def test_an_operation_assembles_for_aarch64(op, lanes):
    assert assemble(source(op, lanes, AARCH64), AARCH64)


def test_every_operation_of_the_protocol_has_a_row():
    from lamina.backends.elementwise import Elementwise

    promised = {name for name in vars(Elementwise) if not name.startswith("_")}
    assert promised | {"astype", "alias"} == ELEMENTWISE.keys()


def test_what_is_not_elementwise_has_no_cost():
    assert cost("matmul") is None
    assert cost("alias") == 0 < cost("add") < cost("divide") < cost("exp") < cost("pow")


IN_DOUBLE = {
    "tan": la.tan,
    "sin": la.sin,
    "pow": lambda x: la.abs(x) ** 1.5,
    "remainder": lambda x: x % 0.75,
    "a cast": lambda x: x.astype(la.float64).sum(axis=1, keepdims=True).astype(la.float32).astype(la.float16) * x,
}
WITH_SIGN = {
    **{name: getattr(la, name) for name in ("tanh", "sinh", "asinh", "atan", "erf", "expm1", "log1p")},
    "copysign": lambda x: la.copysign(x * 0.5, x),
    "tanhshrink": lambda x: x - la.tanh(x),
}


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (2, 67)])
@pytest.mark.parametrize("outer", WITH_SIGN)
@pytest.mark.parametrize("inner", IN_DOUBLE)
def test_signs_of_halves_that_were_doubles_need_no_library(inner, outer, shape):
    def function(x):
        return WITH_SIGN[outer](IN_DOUBLE[inner](x))

    x = la.asarray(np.random.default_rng(0).uniform(-0.4, 0.4, shape), dtype=la.float16)
    np.testing.assert_allclose(
        la.compile(function)(x).numpy().astype(float), function(x).numpy().astype(float), rtol=4e-3, atol=1e-3
    )
