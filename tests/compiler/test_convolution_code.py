"""Generated convolutions against NumPy, for every target, however they are cut and shared out."""

import ctypes
import itertools
import math
from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st

from lamina import dtypes
from lamina.compiler.codegen.convolution import Convolution, Part, emit_convolution, scratch_bytes
from lamina.compiler.codegen.convolution.boxes import boxes
from lamina.compiler.codegen.module import Module
from lamina.compiler.codegen.values import I64, PTR
from lamina.compiler.runtime.loading import load
from lamina.compiler.runtime.machine_code import assemble
from lamina.compiler.runtime.processor import host
from lamina.compiler.target import AARCH64, AVX2, AVX512, BASELINE

TARGETS = {"host": host(), "avx2": AVX2, "baseline": BASELINE}


def convolution(images, groups, rows, depth, places, window, *, stride=1, dtype="float32", w_order="rows first"):
    """A convolution of contiguous images, and of weights whose rows come first, last, or backwards."""
    size = [(at - 1) * stride + taps for at, taps in zip(places, window, strict=True)]
    steps = [math.prod(size[axis + 1 :]) for axis in range(len(size))]
    taps = [math.prod(window[axis + 1 :]) for axis in range(len(window))]
    whole, all_rows = math.prod(window), groups * rows
    row, channel = (depth * whole, whole) if w_order != "rows last" else (1, all_rows * whole)
    if w_order == "rows last":
        taps = [each * all_rows for each in taps]
    return Convolution(
        images=images, groups=groups, rows=rows, depth=depth, places=places, window=window,
        dtype=dtypes.DTYPES[dtype],
        x_image=groups * depth * math.prod(size), x_channel=math.prod(size),
        x_place=tuple(stride * each for each in steps), x_window=tuple(steps),
        w_row=row, w_channel=channel, w_window=tuple(-each if w_order == "backwards" else each for each in taps),
    )  # fmt: skip


def swapped(problem):
    """What the derivative by the weights is: images and channels exchanged, of x too."""
    return problem._replace(x_image=problem.x_channel, x_channel=problem.images * problem.x_channel)


def source(problem, target):
    """A function that stores a convolution and, beside it, how often each element was handed over."""
    module = Module(target)
    pointers = [(f"noalias {name}", PTR) for name in ("x", "w", "y", "count", "scratch")]
    integers = [(name, I64) for name in ("begin", "end", "first", "last")]
    sizes = (problem.images, problem.groups * problem.rows, *problem.places)
    with module.function("convolution", [*pointers, *integers], internal=False) as f:
        arguments = f.arguments

        def store(f, indices, value):
            place = f.integer(0)
            for index, size in zip(indices, sizes, strict=True):
                place = f.add(f.mul(place, f.integer(size)), index)
            f.store(value, f.at(arguments["y"], place, problem.summed))
            for lane in range(max(value.type.lanes, 1)):
                counter = f.at(arguments["count"], f.add(place, f.integer(lane)), I64)
                f.store(f.add(f.load(I64, counter), f.integer(1)), counter)

        x, w = arguments["x"], f.at(arguments["w"], f.integer(first_weight(problem)), problem.stored)
        part = Part(*(arguments[name] for name, _ in integers))
        emit_convolution(f, target, problem, x, w, part, store, arguments["scratch"])
    return str(module)


def first_weight(problem):
    return -sum(min(step, 0) * (size - 1) for size, step in zip(problem.window, problem.w_window, strict=True))


@cache
def compiled(problem, name):
    if name not in ("host", "baseline") and not TARGETS[name].known <= host().known:
        pytest.skip(f"this processor is not an {name}")
    if name != "host" and TARGETS[name].triple[:6] != host().triple[:6]:
        pytest.skip("this is another kind of processor")
    loaded = load(assemble(source(problem, TARGETS[name]), TARGETS[name]))
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5, *[ctypes.c_int64] * 4)
    return loaded, kind(loaded.address("convolution"))


def aligned(size):
    raw = np.full(size + 64, 0xFF, np.uint8)  # NaN: what is not written shows
    start = -raw.ctypes.data % 64
    return raw[start : start + size]


def seen(memory, offset, shape, strides):
    return np.lib.stride_tricks.as_strided(memory[offset:], shape, [each * memory.itemsize for each in strides])


def check_against_numpy(problem, name, shares):
    """Compute a convolution of small whole numbers by shares, each element once, and compare with NumPy's."""
    _, function = compiled(problem, name)
    rng, dtype = np.random.default_rng(0), problem.dtype.name
    spans = [(problem.places, problem.x_place), (problem.window, problem.x_window)]
    reach = 1 + (problem.images - 1) * problem.x_image + (problem.groups * problem.depth - 1) * problem.x_channel
    reach += sum((size - 1) * step for sizes, steps in spans for size, step in zip(sizes, steps, strict=True))
    rows = problem.groups * problem.rows
    x = rng.integers(-4, 5, reach).astype(dtype)
    w = rng.integers(-4, 5, rows * problem.terms).astype(dtype)
    sizes = (problem.images, rows, *problem.places)
    y, count = aligned(math.prod(sizes) * x.itemsize).view(dtype).reshape(sizes), np.zeros(sizes, np.int64)
    scratch = aligned(scratch_bytes(problem, TARGETS[name]) + 128)
    for share in shares:
        function(*(each.ctypes.data for each in (x, w, y, count, scratch)), *share)
    assert (count == 1).all()
    assert (scratch[-128:] == 0xFF).all()

    axes = (problem.images, problem.groups, problem.depth, *problem.places, *problem.window)
    inside = problem.depth * problem.x_channel
    windows = seen(x, 0, axes, (problem.x_image, inside, problem.x_channel, *problem.x_place, *problem.x_window))
    weights = seen(
        w, first_weight(problem), (problem.groups, problem.rows, problem.depth, *problem.window),
        (problem.rows * problem.w_row, problem.w_row, problem.w_channel, *problem.w_window),
    )  # fmt: skip
    p, k = "pqr"[: len(problem.places)], "klm"[: len(problem.window)]
    expected = np.einsum(f"ngc{p}{k},goc{k}->ngo{p}", windows, weights, optimize=True)
    np.testing.assert_array_equal(y, expected.reshape(sizes))


def shares_of(problem, cuts):
    """The whole, cut along images, or along channels where there is one image."""
    size = problem.images if problem.images > 1 else problem.groups * problem.rows
    ends = [0, *sorted(min(each, size) for each in cuts), size]
    images, rows = (0, problem.images), (0, problem.groups * problem.rows)
    return [
        (begin, end, *rows) if problem.images > 1 else (*images, begin, end) for begin, end in itertools.pairwise(ends)
    ]


CASES = {
    "rows of places in one tile": convolution(3, 1, 64, 6, (14, 14), (3, 3)),
    "rows cut evenly": convolution(2, 1, 32, 6, (4, 28), (3, 3)),
    "rows cut with a rest": convolution(2, 1, 32, 8, (3, 27), (3, 3)),
    "several rows a tile": convolution(5, 1, 48, 6, (7, 5), (3, 3)),
    "rows too short for vectors": convolution(9, 1, 32, 8, (5, 3), (3, 3)),
    "images in a tile": convolution(150, 1, 32, 50, (1, 1), (1, 1)),
    "groups": convolution(3, 2, 24, 6, (9, 9), (3, 3)),
    "one image": convolution(1, 1, 80, 6, (14, 13), (3, 3)),
    "stride": convolution(4, 1, 32, 6, (9, 9), (3, 3), stride=2),
    "weights that run backwards": convolution(3, 1, 32, 6, (9, 9), (3, 3), w_order="backwards"),
    "weights with rows that are neighbours": convolution(3, 1, 37, 6, (9, 9), (3, 3), w_order="rows last"),
    "one axis": convolution(8, 1, 32, 20, (50,), (4,)),
    "three axes": convolution(2, 1, 32, 3, (5, 6, 7), (2, 3, 3)),
    "float64": convolution(3, 1, 32, 6, (9, 9), (3, 3), dtype="float64"),
    "integers": convolution(3, 1, 32, 6, (9, 9), (3, 3), dtype="int32"),
    "sums that wait": swapped(convolution(16, 1, 64, 48, (3, 3), (12, 14))),
    "sums of rows that wait": swapped(convolution(12, 1, 32, 64, (5, 5), (14, 14))),
}  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", CASES)
def test_convolutions_by_channels_are_numpys_whatever_their_shares(case, target):
    problem = CASES[case]
    assert boxes(problem, AVX512) is not None
    check_against_numpy(problem, target, shares_of(problem, []))
    check_against_numpy(problem, target, shares_of(problem, [1, 2]))


@pytest.mark.parametrize("case", ["sums that wait", "sums of rows that wait"])
def test_sums_wait_where_the_weights_of_all_channels_fill_the_cache(case):
    problem = CASES[case]
    assert boxes(problem, AVX512).channels < problem.depth


@settings(deadline=None, max_examples=15)
@given(
    st.integers(1, 5), st.integers(1, 2), st.integers(8, 40), st.integers(1, 8),
    st.lists(st.integers(1, 12), min_size=1, max_size=2), st.integers(1, 4), st.integers(1, 2),
    st.sampled_from(["rows first", "rows last", "backwards"]), st.lists(st.integers(0, 8), max_size=2),
)  # fmt: skip
def test_convolutions_of_any_size_are_numpys(images, groups, rows, depth, places, taps, stride, w_order, cuts):
    problem = convolution(
        images, groups, rows, depth, tuple(places), (taps,) * len(places), stride=stride, w_order=w_order
    )
    assume(w_order != "rows last" or groups == 1)
    check_against_numpy(problem, "host", shares_of(problem, cuts))


@pytest.mark.parametrize("case", CASES)
def test_code_for_other_machines_assembles(case):
    for target in (AVX512, AARCH64):
        assert assemble(source(CASES[case], target), target)
