"""The error of generated mathematical functions in units in the last place, over the whole range of their operands."""

import ctypes
from functools import cache

import numpy as np
import pytest
from scipy import special

from lamina.compiler.codegen.mathematics import FUNCTIONS, ULP_BOUND
from lamina.compiler.codegen.mathematics.lanes import Lanes
from lamina.compiler.codegen.module import Module
from lamina.compiler.codegen.values import DOUBLE, FLOAT, I64, PTR
from lamina.compiler.runtime.loading import load
from lamina.compiler.runtime.machine_code import assemble
from lamina.compiler.runtime.processor import host
from lamina.compiler.target import AVX2, BASELINE

TARGETS = {"host": host(), "avx2": AVX2, "baseline": BASELINE}
TYPES = {"float32": (FLOAT, np.float32, np.float64), "float64": (DOUBLE, np.float64, np.longdouble)}
ALL_EXPONENTS = {"float32": 2000, "float64": 80}  # so many numbers for each
MANY = 30_000
PAIRS = ("pow", "atan2")


def stable_sigmoid(x):
    power = np.exp(-np.abs(x))
    return np.where(x < 0, power, 1) / (1 + power)


REFERENCES = {
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2, "asinh": np.arcsinh,
    "acosh": np.arccosh, "atanh": np.arctanh, "pow": np.power, "sigmoid": stable_sigmoid,
}  # fmt: skip


def long_erf(x):
    """The error function as long doubles, which SciPy does not have: the double nearest to it, and the rest."""
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workprec(150):
        exact = [mpmath.erf(mpmath.mpf(float(each))) for each in x]
        nearest = np.array([float(each) for each in exact])
        rest = np.array([float(each - mpmath.mpf(near)) for each, near in zip(exact, nearest.tolist(), strict=True)])
    return np.copysign(nearest.astype(np.longdouble) + rest, x)


def runs(target):
    return target.triple[:3] == host().triple[:3] and target.known <= host().known


@cache
def library(target, kind, lanes):
    """Every function over arrays, as one module."""
    module, scalar = Module(target), TYPES[kind][0]
    for name, function in FUNCTIONS.items():
        names = ["x", "y"][: 1 + (name in PAIRS)]
        parameters = [*((each, PTR) for each in names), ("out", PTR), ("count", I64)]
        with (
            module.function(f"all_{name}", parameters, internal=False) as f,
            f.loop(f.integer(0), f.arguments["count"], lanes or 1) as index,
        ):
            operands = [f.load(scalar.of(lanes), f.at(f.arguments[each], index, scalar)) for each in names]
            value = function(*[Lanes(f, operand) for operand in operands]).value
            f.store(value, f.at(f.arguments["out"], index, scalar))
    return load(assemble(str(module), target))


def computed(name, target, kind, arrays, lanes=None):
    lanes = target.lanes(32 if kind == "float32" else 64) if lanes is None else lanes
    kinds = [ctypes.c_void_p] * (len(arrays) + 1)
    function = ctypes.CFUNCTYPE(None, *kinds, ctypes.c_int64)(library(target, kind, lanes).address(f"all_{name}"))
    count = arrays[0].size
    padding = np.ones(-count % (lanes or 1), arrays[0].dtype)
    arrays = [np.concatenate([array, padding]) for array in arrays]
    out = np.empty_like(arrays[0])
    function(*(array.ctypes.data for array in arrays), out.ctypes.data, out.size)
    return out[:count]


@cache
@np.errstate(all="ignore")
def operands(name, kind):
    """Specials, every exponent of both signs, and where functions change their formula or overflow."""
    _, dtype, _ = TYPES[kind]
    random = np.random.default_rng(len(name))
    limits, bits = np.finfo(dtype), np.dtype(dtype).itemsize * 8
    unsigned = np.dtype(f"u{bits // 8}").type
    specials = [0, np.inf, np.nan, 1, 2, 3, 0.5, limits.tiny, limits.smallest_subnormal, limits.max]
    edges = [
        0.5, 1, 2, np.pi / 4, np.pi / 2, np.pi, 0.875, 10, 20, 88.72, 103.97, 89.41, 709.78, 710.47, 745.1, 2.0**13,
        2.0**20, 2.0**28,
    ]  # fmt: skip
    specials = np.array(specials, dtype)
    specials = np.concatenate([specials, -specials])
    close = np.concatenate([np.nextafter(dtype(edge), np.array([0, edge, np.inf], dtype)) for edge in edges])
    exponents = np.arange(1 << (bits - 1 - limits.nmant), dtype=unsigned)
    mantissas = random.integers(0, 1 << limits.nmant, (ALL_EXPONENTS[kind], exponents.size), dtype=unsigned)
    everywhere = ((exponents << unsigned(limits.nmant)) | mantissas).reshape(-1).view(dtype)
    usual = [random.uniform(0, high, MANY).astype(dtype) for high in (1, 10, 100, 750)]
    turns = (random.integers(1, 1 << 20, MANY // 10) * (np.pi / 2)).astype(dtype)
    parts = [close.astype(dtype), everywhere, *usual, turns]
    x = np.concatenate([specials, *parts]) * random.choice(np.array([-1, 1], dtype), sum(map(len, [specials, *parts])))
    if name not in PAIRS:
        return (x,)
    y = random.permutation(x)
    if name == "pow":
        # Moderate exponents, half of them integers; else every result is 0, 1 or infinity.
        y[: x.size // 2] = random.uniform(-20, 20, x.size // 2)
        y[: x.size // 4] = np.round(y[: x.size // 4])
        x[: x.size // 4] = np.abs(x[: x.size // 4]) ** 0.125 * np.sign(x[: x.size // 4])
    grid = np.concatenate([specials, np.array([2.5, -2.5, 1e5, -1e5, 4, -3], dtype)])
    return (
        np.concatenate([np.repeat(grid, grid.size), x]),
        np.concatenate([np.tile(grid, grid.size), y]),
    )


@cache
def truth(name, kind):
    """The operands and what the function is there, in a wider type."""
    arrays = operands(name, kind)
    wide = TYPES[kind][2]
    if name == "erf" and kind == "float64":
        x = np.concatenate([arrays[0][:2000], np.random.default_rng(0).uniform(-6.2, 6.2, 5000)])
        return (x,), long_erf(x)
    reference = special.erf if name == "erf" else REFERENCES.get(name) or getattr(np, name)
    with np.errstate(all="ignore"):
        return arrays, reference(*(array.astype(wide) for array in arrays))


def errors_in_ulp(got, wanted):
    """Return how many units in the last place numbers are from others of a wider type; infinity for another limit."""
    dtype = got.dtype.type
    with np.errstate(all="ignore"):
        rounded = wanted.astype(dtype)
        unit = np.spacing(np.minimum(np.abs(rounded), np.finfo(dtype).max))
        error = np.abs(got.astype(wanted.dtype) - wanted) / unit
    same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
    return np.where(same, np.where(np.isfinite(error), error, 0), np.where(np.isfinite(error), error, np.inf))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_error_of_a_function_is_within_its_bound(name, kind, target):
    if not runs(TARGETS[target]):
        pytest.skip("this processor has no such instructions")
    if np.finfo(TYPES[kind][2]).nmant < TYPES[kind][0].bits // 2 + 16:
        pytest.skip("no wider type here to compare with")
    arrays, wanted = truth(name, kind)
    got = computed(name, TARGETS[target], kind, arrays)
    error = errors_in_ulp(got, wanted)
    worst = int(np.argmax(error))
    where = [array[worst] for array in arrays]
    assert error[worst] <= ULP_BOUND[name][kind == "float64"], (where, got[worst], wanted[worst])
    signs = np.isnan(got) | (np.signbit(got) == np.signbit(wanted))
    assert signs.all(), [array[~signs][:3] for array in arrays]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_scalar_is_computed_like_the_lanes_of_a_vector(name, kind, target):
    if not runs(TARGETS[target]):
        pytest.skip("this processor has no such instructions")
    arrays = [array[:2000] for array in operands(name, kind)]
    of_vectors = computed(name, TARGETS[target], kind, arrays)
    of_scalars = computed(name, TARGETS[target], kind, arrays, lanes=0)
    np.testing.assert_array_equal(of_scalars, of_vectors)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["exp", "erf", "tanh"])
def test_a_vector_of_two_registers_is_computed_like_two(name, target):
    if not runs(TARGETS[target]):
        pytest.skip("this processor has no such instructions")
    arrays = [array[:2000] for array in operands(name, "float32")]
    of_one = computed(name, TARGETS[target], "float32", arrays)
    of_two = computed(name, TARGETS[target], "float32", arrays, lanes=2 * TARGETS[target].lanes(32))
    np.testing.assert_array_equal(of_two, of_one)


# The doubles nearest to multiples of pi/2, relative to their size, and the largest: J.-M. Muller, "Elementary
# Functions", 3rd edition, 2016, section 11.1.
@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
@pytest.mark.parametrize("x", [6381956970095103.0 * 2.0**797, 1e22, 2.0**1023, 1.7976931348623157e308, 2.0**20 + 0.25])
def test_angles_of_any_size_lose_nothing(name, x):
    mpmath = pytest.importorskip("mpmath")
    (got,) = computed(name, host(), "float64", [np.array([x])])
    with mpmath.workprec(1500):
        wanted = float(getattr(mpmath, name)(mpmath.mpf(x)))
    assert abs(got - wanted) <= 3 * np.spacing(abs(wanted))


@pytest.mark.parametrize("kind", TYPES)
def test_the_logarithm_of_a_power_of_the_base_is_an_integer(kind):
    dtype = TYPES[kind][1]
    exponents = np.arange(np.finfo(dtype).minexp - np.finfo(dtype).nmant, np.finfo(dtype).maxexp)
    np.testing.assert_array_equal(computed("log2", BASELINE, kind, [np.ldexp(dtype(1), exponents)]), exponents)
    tens = np.arange(11 if kind == "float32" else 23)
    np.testing.assert_array_equal(computed("log10", host(), kind, [(10.0**tens).astype(dtype)]), tens)


def test_every_function_has_a_bound():
    assert ULP_BOUND.keys() == FUNCTIONS.keys()
    assert all(single <= 4 and double <= 4 for single, double in ULP_BOUND.values())
