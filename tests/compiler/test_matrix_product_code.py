"""Generated matrix products against NumPy, for every target, type, layout and share of the work."""

import ctypes
from dataclasses import replace
from functools import cache

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from lamina import dtypes
from lamina.compiler.codegen.matmul import Product, column_units, emit_product, scratch_bytes
from lamina.compiler.codegen.matmul.cells import Squares
from lamina.compiler.codegen.matmul.plan import plan
from lamina.compiler.codegen.module import Module
from lamina.compiler.codegen.values import I64, PTR, VOID
from lamina.compiler.runtime.loading import load
from lamina.compiler.runtime.machine_code import assemble, assembly
from lamina.compiler.runtime.processor import host
from lamina.compiler.target import AARCH64, AVX2, AVX512, BASELINE, Target
from lamina_tests.tile_registers import emulated

TARGETS = {"host": host(), "host, small caches": host(), "avx2": AVX2, "baseline": BASELINE}
TILE_REGISTERS = replace(host(), features=f"{host().features},+amx-tile,+amx-bf16")
ROUNDING = {
    **TARGETS,
    "tile registers, emulated": TILE_REGISTERS,
    "tile registers, small caches": TILE_REGISTERS,
}
SAPPHIRE_RAPIDS = replace(AVX512, features=f"{AVX512.features},+avx512bf16,+amx-tile,+amx-bf16")
COOPER_LAKE = replace(AVX512, features=f"{AVX512.features},+avx512bf16")
TYPES = [name for name, dtype in dtypes.DTYPES.items() if dtype is not dtypes.bool_]
FLOATS = [name for name in TYPES if dtypes.DTYPES[name].floating]
INTEGERS = [name for name in TYPES if dtypes.DTYPES[name].integral]


def target_of(product, name):
    """The processor of a name; small caches hold two panels of B, so that each is packed beside the sums before it."""
    return with_small_caches(product, ROUNDING[name]) if "small caches" in name else ROUNDING[name]


def with_small_caches(product, target):
    panel = product.k * 2 * target.vector_bytes
    return replace(target, l1=1024, l2=2 * panel)


def source(product, target, overlaps=False):
    """A function that stores a product and, beside it, how often each element was handed over."""
    module = Module(target)
    pointers = [(f"noalias {name}", PTR) for name in ("a", "b", "c", "count", "scratch")]
    integers = [(name, I64) for name in ("begin", "end", "first", "last")]
    with module.function("product", [*pointers, *integers], internal=False) as f:
        arguments = f.arguments

        def store(f, row, column, value):
            place = f.add(f.mul(row, f.integer(product.n)), column)
            f.store(value, f.at(arguments["c"], place, product.summed))
            for lane in range(max(value.type.lanes, 1)):
                counter = f.at(arguments["count"], f.add(place, f.integer(lane)), I64)
                f.store(f.add(f.load(I64, counter), f.integer(1)), counter)

        def ask(f, row, column, width):
            place = f.add(f.mul(row, f.integer(product.n)), column)
            f.call("llvm.prefetch.p0", VOID, f.at(arguments["c"], place, product.summed), extra="i32 0, i32 3, i32 1")

        rows, columns = (arguments["begin"], arguments["end"]), (arguments["first"], arguments["last"])
        a, b, scratch = (arguments[name] for name in ("a", "b", "scratch"))
        beside = (True, ask) if overlaps else ()
        emit_product(f, target, product, a, b, *rows, scratch, store, columns, *beside)
    return str(module)


def emulating(product, target, overlaps):
    if "avx512bf16" not in host().known:
        pytest.skip("this processor has no pairs of bfloat16, which the packing for tile registers needs")
    ir = source(product, target, overlaps)
    assert ("tdpbf16ps" in ir) == isinstance(getattr(plan(product, target), "cells", None), Squares)
    return assemble(emulated(ir), host())


@cache
def compiled(product, name, overlaps=False):
    if name in TARGETS and name not in ("host", "baseline") and not TARGETS[name].known <= host().known:
        pytest.skip(f"this processor is not an {name}")
    if name[:4] != "host" and ROUNDING[name].triple[:6] != host().triple[:6]:
        pytest.skip("this is another kind of processor")
    if name in TARGETS:
        loaded = load(assemble(source(product, target_of(product, name), overlaps), TARGETS[name]))
    else:
        loaded = load(emulating(product, target_of(product, name), overlaps))
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5, *[ctypes.c_int64] * 4)
    return loaded, kind(loaded.address("product"))


def aligned(size):
    raw = np.full(size + 64, 0xFF, np.uint8)  # NaN in every float type: what is not written shows
    start = -raw.ctypes.data % 64
    return raw[start : start + size]


def numpy_type(product, summed=False):
    name = product.dtype.name
    if name in ("float16", "bfloat16") and summed:
        return np.dtype(np.float32)
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


def run(product, name, a, b, shares=None, overlaps=False):
    """Compute a product by shares of its rows and columns, each element once, and return it."""
    _, function = compiled(product, name, overlaps)
    kept = numpy_type(product, summed=True)
    c = aligned(product.m * product.n * kept.itemsize).view(kept).reshape(product.m, product.n)
    count = np.zeros(c.shape, np.int64)
    guard = 128
    scratch = aligned(scratch_bytes(product, target_of(product, name)) + guard)
    pointers = [each.ctypes.data for each in (a, b, c, count, scratch)]
    for share in shares or [(0, product.m, 0, product.n)]:
        function(*pointers, *share)
    assert (count == 1).all()
    assert (scratch[-guard:] == 0xFF).all()
    return c


def operands(product, seed=0):
    """A and B with the product's strides, somewhere in memory of random numbers."""
    rng = np.random.default_rng(seed)
    found = []
    for shape, strides in (((product.m, product.k), product.a_strides), ((product.k, product.n), product.b_strides)):
        spans = [max(extent - 1, 0) * stride for extent, stride in zip(shape, strides, strict=True)]
        size = 1 + sum(abs(span) for span in spans)
        if product.dtype.floating:
            memory = rng.standard_normal(size).astype(numpy_type(product))
        else:
            limits = np.iinfo(product.dtype.name)
            memory = rng.integers(limits.min, limits.max, size, dtype=product.dtype.name, endpoint=True)
        steps = [stride * memory.itemsize for stride in strides]
        found.append(np.lib.stride_tricks.as_strided(memory[-sum(min(span, 0) for span in spans) :], shape, steps))
    return found


def check(product, name, c, left, right):
    """Compare with NumPy: integers exactly, floats within the error of a sum of so many terms."""
    if not product.dtype.floating:
        np.testing.assert_array_equal(c, left @ right)
        return
    if product.rounded:
        left, right = (each.astype(ml_dtypes.bfloat16) for each in (left, right))
    wide = np.float64 if product.dtype.bits < 64 else np.longdouble
    left, right = left.astype(wide), right.astype(wide)
    unit = np.finfo(np.float64 if product.dtype.bits == 64 else np.float32).eps
    bound = unit * (product.k + 1) * (np.abs(left) @ np.abs(right))
    exact = left @ right
    if product.dtype.bits == 16:
        bound = bound * 1.01 + np.abs(exact) * float(ml_dtypes.finfo(numpy_type(product)).eps)
        bound += float(ml_dtypes.finfo(numpy_type(product)).smallest_subnormal)
        rounded = c.astype(numpy_type(product)).astype(np.float32)
        np.testing.assert_array_equal(c, rounded)
    assert (np.abs(c - exact) <= bound).all()


LAYOUTS = ("plain", "transposed", "spread", "reversed", "repeated along rows", "repeated along columns")


def strides(layout, rows, columns):
    return {
        "plain": (columns, 1),
        "transposed": (1, rows),
        "spread": (2 * columns + 3, 2),
        "reversed": (-columns, -1),
        "repeated along rows": (0, 1),
        "repeated along columns": (1, 0),
    }[layout]


@st.composite
def products(draw, types=("float32",), most=70):
    size = st.one_of(st.integers(0, 9), st.integers(10, most))
    m, n, k = draw(size), draw(size), draw(size)
    layouts = draw(st.tuples(st.sampled_from(LAYOUTS), st.sampled_from(LAYOUTS)))
    dtype = dtypes.DTYPES[draw(st.sampled_from(types))]
    rounded = dtype is dtypes.float32 and draw(st.booleans())
    return Product(m, n, k, dtype, strides(layouts[0], m, k), strides(layouts[1], k, n), rounded)


def plain(m, n, k, dtype=dtypes.float32, a="plain", b="plain", rounded=False):
    return Product(m, n, k, dtype, strides(a, m, k), strides(b, k, n), rounded)


@pytest.mark.parametrize("name", TARGETS)
@given(product=products(types=("float32", "float64")))
@settings(deadline=None, max_examples=60)
def test_a_product_is_the_sum_that_numpy_computes(name, product):
    a, b = operands(product)
    check(product, name, run(product, name, a, b), a, b)


@pytest.mark.parametrize("name", TARGETS)
@given(product=products(types=("float16", "bfloat16"), most=40))
@settings(deadline=None, max_examples=25)
def test_half_precision_is_summed_in_single_and_rounded_once(name, product):
    a, b = operands(product)
    check(product, name, run(product, name, a, b), a, b)


@pytest.mark.parametrize("name", TARGETS)
@given(product=products(types=INTEGERS, most=40))
@settings(deadline=None, max_examples=25)
def test_integers_wrap_around(name, product):
    a, b = operands(product)
    check(product, name, run(product, name, a, b), a, b)


@pytest.mark.parametrize("name", TARGETS)
@given(product=products(types=("float32", "float64", "float16")), data=st.data())
@settings(deadline=None, max_examples=40)
def test_shares_of_the_work_give_the_same_bits_as_the_whole(name, product, data):
    a, b = operands(product)
    whole = run(product, name, a, b)
    column_unit = column_units(product, target_of(product, name))
    row = data.draw(st.integers(0, product.m))
    column = min(data.draw(st.integers(0, product.n)) // column_unit * column_unit, product.n)
    parts = [(0, row), (row, product.m)], [(0, column), (column, product.n)]
    shares = [(*rows, *columns) for rows in parts[0] for columns in parts[1]]
    np.testing.assert_array_equal(run(product, name, a, b, shares).view(np.uint8), whole.view(np.uint8))


LARGE = {
    "square": plain(130, 150, 200),
    "forward": plain(64, 250, 784, b="transposed"),
    "input gradient": plain(64, 300, 128),
    "weight gradient": plain(250, 784, 33, a="transposed"),
    "many columns": plain(100, 1100, 700),
    "many columns, both transposed": plain(70, 1100, 1027, a="transposed", b="transposed"),
    "blocks of rows and columns": plain(100, 401, 3000, b="transposed"),
    "blocks of transposed rows": plain(100, 390, 3000, a="transposed"),
    "long sums": plain(30, 40, 40_000),
    "long sums by lines": plain(5, 9, 40_001, b="transposed"),
    "in double": plain(200, 610, 300, dtypes.float64, b="transposed"),
    "in half": plain(100, 610, 300, dtypes.float16, b="transposed"),
    "in bytes": plain(50, 300, 90, dtypes.int8, a="transposed", b="transposed"),
    "reversed": plain(100, 610, 300, a="reversed", b="reversed"),
    "column": plain(500, 1, 300),
    "row": plain(1, 500, 300),
    "column of a transposed matrix": plain(301, 1, 200, a="transposed"),
}


def check_whole_and_in_shares(product, name):
    """Check a product, and that two shares of its rows have the same bits."""
    a, b = operands(product)
    c = run(product, name, a, b)
    check(product, name, c, a, b)
    third = product.m // 3
    halves = run(product, name, a, b, [(0, third, 0, product.n), (third, product.m, 0, product.n)])
    np.testing.assert_array_equal(c, halves)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("product", LARGE.values(), ids=LARGE)
def test_blocks_for_the_cache_change_nothing(name, product):
    check_whole_and_in_shares(product, name)


@pytest.mark.parametrize("name", TARGETS)
@given(
    product=st.builds(
        lambda m, n, k, dtype, a, b: plain(m, n, k, dtypes.DTYPES[dtype], a, b),
        st.integers(1, 80),
        st.integers(5, 80),
        st.integers(8, 80),
        st.sampled_from(("float32", "float64", "bfloat16")),
        *[st.sampled_from(("plain", "transposed"))] * 2,
    ),
    data=st.data(),
)
@settings(deadline=None, max_examples=25)
def test_an_epilogue_beside_the_next_sums_gets_the_same_bits(name, product, data):
    a, b = operands(product)
    row = data.draw(st.integers(0, product.m))
    shares = [(0, row, 0, product.n), (row, product.m, 0, product.n)]
    beside = run(product, name, a, b, shares, overlaps=True)
    np.testing.assert_array_equal(beside.view(np.uint8), run(product, name, a, b).view(np.uint8))


@pytest.mark.parametrize("name", [name for name in TARGETS if "small caches" not in name])
@pytest.mark.parametrize("n", [256, 330])
def test_short_panels_are_copied_beside_an_epilogue_and_the_sums_have_the_same_bits(name, n):
    product = plain(37, n, 41, a="transposed")
    target = target_of(product, name)
    assert plan(product, target).packs_ahead(True) == plan(product, target).spreads
    assert not plan(product, target).packs_ahead(False)
    assert not plan(plain(37, n, 41, b="transposed"), target).packs_ahead(True)
    a, b = operands(product)
    half = column_units(product, target)
    shares = [(0, 11, 0, n), (11, 37, 0, half), (11, 37, half, n)]
    beside = run(product, name, a, b, shares, overlaps=True)
    np.testing.assert_array_equal(beside.view(np.uint8), run(product, name, a, b).view(np.uint8))


def test_elements_are_operands_in_memory_where_a_processor_looks_further_ahead_for_it() -> None:
    product = plain(64, 64, 64)
    zen = replace(AVX512, cpu="znver4")
    embedded = {
        (target.cpu, overlaps): assembly(source(product, target, overlaps), target).count("{1to16}")
        for target in (zen, AVX512)
        for overlaps in (False, True)
    }
    rounded = plain(64, 64, 64, rounded=True)
    assert "{1to16}" not in assembly(source(rounded, zen, True), zen)
    assert embedded == {("znver4", True): 16, ("znver4", False): 0, (AVX512.cpu, True): 0, (AVX512.cpu, False): 0}


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("b", ["plain", "transposed"])
@pytest.mark.parametrize("size", [2, 5, 33])
def test_what_is_not_a_number_stays_in_its_row_and_column(name, b, size):
    product = plain(size, size, size, b=b)
    left, right = operands(product)
    left[1, size - 1], right[0, 1] = np.inf, np.nan
    c = run(product, name, left, right)
    wrong = ~np.isfinite(c)
    assert wrong[1].all()
    assert wrong[:, 1].all()
    assert wrong.sum() == 2 * size - 1


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("value", [65519.0, 65520.0, 70000.0, 2.0**-14, 2.0**-25, 1.5 * 2.0**-24, 2.0**-26, 0.1, -0.1])
def test_a_half_is_rounded_as_numpy_rounds_it(name, value):
    product = plain(1, 1, 3, dtypes.float16)
    parts = np.float32(value).astype(np.float64)
    with np.errstate(over="ignore"):
        high = np.clip(parts, -60000, 60000).astype(np.float16)
        a = np.array([high, np.float16((parts - np.float64(high)) * 1024.0), 0], np.float16)
        b = np.array([1, 2.0**-10, 0], np.float16)
        exact = np.float32(a.astype(np.float64) @ b.astype(np.float64))
        want = exact.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(run(product, name, a, b)[0, 0], want)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int8", "uint64"])
@pytest.mark.parametrize(
    ("m", "n", "k", "b"),
    [(40, 70, 50, "plain"), (40, 70, 50, "transposed"), (3, 9, 40, "transposed"), (4, 8, 2, "plain")],
)
def test_code_for_another_processor_is_accepted(dtype, m, n, k, b):
    for target in (AARCH64, AVX512, COOPER_LAKE, SAPPHIRE_RAPIDS):
        for rounded in (False, True) if dtype == "float32" else (False,):
            product = plain(m, n, k, dtypes.DTYPES[dtype], b=b, rounded=rounded)
            assert assemble(source(product, with_small_caches(product, target)), target)


@pytest.mark.parametrize("b", ["plain", "transposed"])
@pytest.mark.parametrize("rounded", [False, True])
def test_panels_are_packed_ahead_where_two_fit_in_the_cache_and_the_operand_does_not(b, rounded):
    product = plain(120, 256, 785, b=b, rounded=rounded)
    for target in (AARCH64, AVX2, AVX512, COOPER_LAKE, SAPPHIRE_RAPIDS):
        two = with_small_caches(product, target)
        assert plan(product, two).packs_ahead(False)
        assert not plan(product, replace(two, l2=two.l2 // 4)).packs_ahead(False)
        assert not plan(product, replace(two, l2=1 << 20)).packs_ahead(False)
        assert assemble(source(product, two), target)


# --- operands rounded to bfloat16 -------------------------------------------------------------------------

ROUNDED = {
    "square": plain(130, 150, 201, rounded=True),
    "forward": plain(64, 250, 785, b="transposed", rounded=True),
    "input gradient": plain(65, 300, 127, rounded=True),
    "weight gradient": plain(250, 784, 33, a="transposed", rounded=True),
    "both transposed": plain(70, 100, 102, a="transposed", b="transposed", rounded=True),
    "blocks": plain(100, 401, 3001, b="transposed", rounded=True),
    "blocks of transposed rows": plain(300, 390, 3000, a="transposed", rounded=True),
    "spread": plain(47, 49, 99, a="spread", b="spread", rounded=True),
    "sums by lines": plain(5, 9, 4001, b="transposed", rounded=True),
    "column": plain(500, 1, 300, rounded=True),
    "one column left": plain(40, 65, 40, rounded=True),
    "few rows, two columns left": plain(3, 66, 10, rounded=True),
    "in bfloat16": plain(100, 300, 129, dtypes.bfloat16, a="transposed", b="transposed"),
}


@pytest.mark.parametrize("name", ROUNDING)
@pytest.mark.parametrize("product", ROUNDED.values(), ids=ROUNDED)
def test_rounded_operands_are_multiplied_in_blocks_and_shares_as_others_are(name, product):
    check_whole_and_in_shares(product, name)


@pytest.mark.parametrize(
    "name", ["host", "host, small caches", "tile registers, emulated", "tile registers, small caches"]
)
@pytest.mark.parametrize("product", ["square", "forward"])
def test_an_epilogue_beside_the_next_sums_of_rounded_operands_gets_the_same_bits(name, product):
    a, b = operands(ROUNDED[product])
    beside, after = (run(ROUNDED[product], name, a, b, overlaps=overlaps) for overlaps in (True, False))
    np.testing.assert_array_equal(beside, after)


@given(product=products(types=("float32", "bfloat16")), data=st.data())
@settings(deadline=None, max_examples=40)
def test_tile_registers_sum_what_numpy_sums(product, data):
    product = product._replace(rounded=product.dtype is dtypes.float32)
    name = "tile registers, emulated"
    a, b = operands(product)
    whole = run(product, name, a, b)
    check(product, name, whole, a, b)
    row = data.draw(st.integers(0, product.m))
    shares = [(0, row, 0, product.n), (row, product.m, 0, product.n)]
    np.testing.assert_array_equal(run(product, name, a, b, shares).view(np.uint8), whole.view(np.uint8))


@pytest.mark.parametrize("name", ROUNDING)
@pytest.mark.parametrize("b", ["plain", "transposed"])
@pytest.mark.parametrize("size", [2, 33])
def test_what_is_not_a_number_stays_in_its_row_and_column_when_rounded(name, b, size):
    product = plain(size, size, size, b=b, rounded=True)
    left, right = operands(product)
    left[1, size - 1], right[0, 1] = np.inf, np.nan
    wrong = ~np.isfinite(run(product, name, left, right))
    assert wrong[1].all()
    assert wrong[:, 1].all()
    assert wrong.sum() == 2 * size - 1


@pytest.mark.parametrize(("m", "packed"), [(128, False), (512, False), (1024, True)])
def test_a_transposed_operand_is_packed_only_where_its_lines_lie_far_apart(m: int, packed: bool) -> None:
    product = Product(m, 512, 1024, dtypes.float32, (1, m), (512, 1))
    assert plan(product, AVX512).pack_a == packed


@pytest.mark.parametrize("target", [AVX512, AVX2, BASELINE, AARCH64], ids=lambda target: target.cpu)
def test_a_product_of_any_size_is_planned_without_going_through_its_columns(target: Target) -> None:
    size = 2**40
    assert plan(Product(size, size, size, dtypes.float32, (size, 1), (size, 1)), target).lanes > 1
