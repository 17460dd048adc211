"""Identities that simplification knows: what each expression becomes, and that it computes the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina.backends.protocol import numpy_dtype
from lamina.compiler.graph.fingerprint import fingerprint
from lamina.compiler.graph.ir import Value
from lamina.compiler.graph.passes.simplify import simplify
from lamina.compiler.graph.printer import text
from lamina.dtypes import as_dtype
from lamina_tests.graphs import apply as op, graph, inputs, number, results, same

Maker = Callable[..., Value]
SPECIAL = [0.0, -0.0, 1.0, -1.0, 2.5, -3.0, np.inf, -np.inf, np.nan, 1e-40, 3e38, -0.5]


def arrays(shapes: tuple[tuple[int, ...], ...], dtype: str) -> list[np.ndarray[Any, Any]]:
    """Every special number meets every other one, in arrays of several inputs, where there is room."""
    generator = np.random.default_rng(0)
    native = numpy_dtype(as_dtype(dtype))
    if native.kind in "iu":
        low, high = (0, 255) if native.kind == "u" else (-128, 127)
        return [generator.integers(low, high, shape).astype(native) for shape in shapes]
    if native.kind == "b":
        return [generator.random(shape) < 0.5 for shape in shapes]
    with np.errstate(over="ignore"):
        return [np.resize(generator.permutation(SPECIAL), shape).astype(native) for shape in shapes]


def c(x: Value, value: float, shape: tuple[int, ...] = ()) -> Value:
    return number(value, x.dtype, shape)


def check(before: Maker, after: Maker, shapes: tuple[tuple[int, ...], ...], dtype: str) -> None:
    given = inputs(*shapes, dtype=dtype)
    left, right = graph(before(*given), of=given), graph(after(*given), of=given)
    found = simplify(left)
    assert fingerprint(found) == fingerprint(right), f"{text(left)}\nbecame\n{text(found)}\nand not\n{text(right)}"
    values = arrays(shapes, dtype)
    for a, b in zip(results(left, values), results(found, values), strict=True):
        assert same(a, b)


def assert_stays(before: Maker, shapes: tuple[tuple[int, ...], ...], dtype: str) -> None:
    check(before, before, shapes, dtype)


X = ((3, 4),)
XY = ((3, 4), (3, 4))

FLOATS: list[tuple[str, Maker, Maker]] = [
    ("x + -0 is x", lambda x: op("add", x, c(x, -0.0)), lambda x: x),
    ("|x| + 0 is |x|", lambda x: op("add", op("abs", x), c(x, 0.0)), lambda x: op("abs", x)),
    ("x - 0 is x", lambda x: op("subtract", x, c(x, 0.0)), lambda x: x),
    ("-0 - x is -x", lambda x: op("subtract", c(x, -0.0), x), lambda x: op("negative", x)),
    (
        "x + -y is x - y",
        lambda x: op("add", x, op("negative", op("exp", x))),
        lambda x: op("subtract", x, op("exp", x)),
    ),
    ("x - -y is x + y", lambda x: op("subtract", x, op("negative", x)), lambda x: op("add", x, x)),
    ("x * 1 is x", lambda x: op("multiply", c(x, 1.0), x), lambda x: x),
    ("x * -1 is -x", lambda x: op("multiply", x, c(x, -1.0)), lambda x: op("negative", x)),
    (
        "-x * 3 is x * -3",
        lambda x: op("multiply", op("negative", x), c(x, 3.0)),
        lambda x: op("multiply", x, c(x, -3.0)),
    ),
    (
        "-(x * 3) is x * -3",
        lambda x: op("negative", op("multiply", x, c(x, 3.0))),
        lambda x: op("multiply", x, c(x, -3.0)),
    ),
    (
        "-x * -x is x * x",
        lambda x: op("multiply", op("negative", x), op("negative", x)),
        lambda x: op("multiply", x, x),
    ),
    ("--x is x", lambda x: op("negative", op("negative", x)), lambda x: x),
    ("|-x| is |x|", lambda x: op("abs", op("negative", x)), lambda x: op("abs", x)),
    ("||x|| is |x|", lambda x: op("abs", op("abs", x)), lambda x: op("abs", x)),
    ("|x * x| is x * x", lambda x: op("abs", op("multiply", x, x)), lambda x: op("multiply", x, x)),
    ("x / 1 is x", lambda x: op("divide", x, c(x, 1.0)), lambda x: x),
    ("x / -1 is -x", lambda x: op("divide", x, c(x, -1.0)), lambda x: op("negative", x)),
    ("x / 4 is x * 0.25", lambda x: op("divide", x, c(x, 4.0)), lambda x: op("multiply", x, c(x, 0.25))),
    ("x ** 1 is x", lambda x: op("pow", x, c(x, 1.0)), lambda x: x),
    ("x ** 0 is 1", lambda x: op("pow", x, c(x, 0.0)), lambda x: c(x, 1.0, x.shape)),
    ("x ** 2 is x * x", lambda x: op("pow", x, c(x, 2.0)), lambda x: op("multiply", x, x)),
    ("x ** -1 is 1 / x", lambda x: op("pow", x, c(x, -1.0)), lambda x: op("divide", c(x, 1.0), x)),
    ("|x| ** 0.5 is a root", lambda x: op("pow", op("abs", x), c(x, 0.5)), lambda x: op("sqrt", op("abs", x))),
    (
        "no NaN from a finite factor",
        lambda x: op("multiply_no_nan", x, c(x, 3.0)),
        lambda x: op("multiply", x, c(x, 3.0)),
    ),
    (
        "no NaN from a factor not zero",
        lambda x: op("multiply_no_nan", c(x, 3.0), x),
        lambda x: op("multiply", c(x, 3.0), x),
    ),
    ("floor of ceil is ceil", lambda x: op("floor", op("ceil", x)), lambda x: op("ceil", x)),
    ("the larger of x and x", lambda x: op("maximum", x, x), lambda x: x),
    ("relu of relu", lambda x: op("relu", op("relu", x)), lambda x: op("relu", x)),
    ("alias", lambda x: op("exp", op("alias", x)), lambda x: op("exp", x)),
    ("not x == y", lambda x: op("bitwise_invert", op("equal", x, c(x, 1.0))), lambda x: op("not_equal", x, c(x, 1.0))),
]


@pytest.mark.parametrize(("before", "after"), [pytest.param(*each[1:], id=each[0]) for each in FLOATS])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_identity_of_floating_point_numbers(before: Maker, after: Maker, dtype: str) -> None:
    check(before, after, X, dtype)


INTEGERS: list[tuple[str, Maker, Maker]] = [
    ("x + 0 is x", lambda x: op("add", x, c(x, 0)), lambda x: x),
    ("0 - x is -x", lambda x: op("subtract", c(x, 0), x), lambda x: op("negative", x)),
    ("x - x is 0", lambda x: op("subtract", x, x), lambda x: c(x, 0, x.shape)),
    ("x * 0 is 0", lambda x: op("multiply", x, c(x, 0)), lambda x: c(x, 0, x.shape)),
    ("x // 1 is x", lambda x: op("floor_divide", x, c(x, 1)), lambda x: x),
    ("x // 8 is a shift", lambda x: op("floor_divide", x, c(x, 8)), lambda x: op("bitwise_right_shift", x, c(x, 3))),
    ("x % 1 is 0", lambda x: op("remainder", x, c(x, 1)), lambda x: c(x, 0, x.shape)),
    ("x % 8 is a mask", lambda x: op("remainder", x, c(x, 8)), lambda x: op("bitwise_and", x, c(x, 7))),
    ("x & x is x", lambda x: op("bitwise_and", x, x), lambda x: x),
    ("x & 0 is 0", lambda x: op("bitwise_and", x, c(x, 0)), lambda x: c(x, 0, x.shape)),
    ("x | 0 is x", lambda x: op("bitwise_or", x, c(x, 0)), lambda x: x),
    ("x ^ x is 0", lambda x: op("bitwise_xor", x, x), lambda x: c(x, 0, x.shape)),
    ("~~x is x", lambda x: op("bitwise_invert", op("bitwise_invert", x)), lambda x: x),
    ("x << 0 is x", lambda x: op("bitwise_left_shift", x, c(x, 0)), lambda x: x),
    ("x == x", lambda x: op("equal", x, x), lambda x: number(True, as_dtype("bool"), x.shape)),
    ("x < x", lambda x: op("less", x, x), lambda x: number(False, as_dtype("bool"), x.shape)),
    ("not x < y", lambda x: op("bitwise_invert", op("less", x, c(x, 3))), lambda x: op("less_equal", c(x, 3), x)),
    ("x ** 3 is x * x * x", lambda x: op("pow", x, c(x, 3)), lambda x: op("multiply", op("multiply", x, x), x)),
]


@pytest.mark.parametrize(("before", "after"), [pytest.param(*each[1:], id=each[0]) for each in INTEGERS])
@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint8", "uint64"])
def test_identity_of_integers(before: Maker, after: Maker, dtype: str) -> None:
    check(before, after, X, dtype)


KEPT: list[tuple[str, Maker]] = [
    ("x + 0 makes a positive zero of a negative one", lambda x: op("add", x, c(x, 0.0))),
    ("0 - x is a positive zero at zero", lambda x: op("subtract", c(x, 0.0), x)),
    ("x - x is NaN at infinity", lambda x: op("subtract", x, x)),
    ("x * 0 is NaN at infinity", lambda x: op("multiply", x, c(x, 0.0))),
    ("x / x is NaN at zero", lambda x: op("divide", x, x)),
    ("x ** 0.5 is infinite at minus infinity", lambda x: op("pow", x, c(x, 0.5))),
    ("x / 3 is not x times a rounded third", lambda x: op("divide", x, c(x, 3.0))),
    ("x == x says whether x is a number", lambda x: op("equal", x, x)),
    ("not x < y holds for NaN", lambda x: op("bitwise_invert", op("less", x, c(x, 1.0)))),
    ("a factor may be infinite", lambda x: op("multiply_no_nan", x, op("exp", x))),
    (
        "a cast to a narrower type and back",
        lambda x: op("astype", op("astype", x, dtype=as_dtype("float16")), dtype=x.dtype),
    ),
]


@pytest.mark.parametrize("before", [pytest.param(each[1], id=each[0]) for each in KEPT])
def test_what_holds_for_ordinary_numbers_only_is_left(before: Maker) -> None:
    assert_stays(before, X, "float32")


BOOLS: list[tuple[str, Maker, Maker]] = [
    ("x and true", lambda x: op("bitwise_and", x, c(x, True)), lambda x: x),
    ("x or true", lambda x: op("bitwise_or", x, c(x, True)), lambda x: c(x, True, x.shape)),
    ("x xor true", lambda x: op("bitwise_xor", x, c(x, True)), lambda x: op("bitwise_invert", x)),
    ("true where x", lambda x: op("where", x, c(x, True), c(x, False)), lambda x: x),
    ("not not x", lambda x: op("bitwise_invert", op("bitwise_invert", x)), lambda x: x),
]


@pytest.mark.parametrize(("before", "after"), [pytest.param(*each[1:], id=each[0]) for each in BOOLS])
def test_identity_of_truth_values(before: Maker, after: Maker) -> None:
    check(before, after, X, "bool")


def positive(x: Value) -> Value:
    return op("less", c(x, 0.0), x)


def known(value: bool) -> Value:
    return number(value, as_dtype("bool"))


WHERE: list[tuple[str, Maker, Maker]] = [
    ("known to hold", lambda x, y: op("where", known(True), x, y), lambda x, y: x),
    ("known not to hold", lambda x, y: op("where", known(False), x, y), lambda x, y: y),
    ("equal branches", lambda x, y: op("where", positive(x), y, y), lambda x, y: y),
    (
        "inverted",
        lambda x, y: op("where", op("bitwise_invert", positive(x)), x, y),
        lambda x, y: op("where", positive(x), y, x),
    ),
    (
        "asked again where it holds",
        lambda x, y: op("where", positive(x), op("where", positive(x), x, y), y),
        lambda x, y: op("where", positive(x), x, y),
    ),
    (
        "asked again where it does not hold",
        lambda x, y: op("where", positive(x), x, op("where", positive(x), x, y)),
        lambda x, y: op("where", positive(x), x, y),
    ),
]


@pytest.mark.parametrize(("before", "after"), [pytest.param(*each[1:], id=each[0]) for each in WHERE])
def test_a_choice_that_is_decided_is_not_made(before: Maker, after: Maker) -> None:
    check(before, after, XY, "float32")


@pytest.mark.parametrize(
    ("start", "middle", "end"),
    [
        ("float32", "float64", "float16"),
        ("int8", "int32", "float32"),
        ("uint8", "int32", "int8"),
        ("int32", "float64", "float32"),
        ("bool", "int8", "float32"),
        ("uint8", "float32", "int32"),
    ],
)
def test_a_cast_that_loses_nothing_is_left_out(start: str, middle: str, end: str) -> None:
    check(
        lambda x: op("astype", op("astype", x, dtype=as_dtype(middle)), dtype=as_dtype(end)),
        lambda x: op("astype", x, dtype=as_dtype(end)),
        X,
        start,
    )


@pytest.mark.parametrize(("start", "middle", "end"), [("uint32", "float64", "int32"), ("int32", "float64", "int8")])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_float_that_is_out_of_range_stays_a_float_out_of_range(start: str, middle: str, end: str) -> None:
    x = np.asarray([3, 100, np.iinfo(start).max], start)

    def cast(x: la.Tensor) -> la.Tensor:
        return la.asarray(x).astype(middle).astype(end)

    np.testing.assert_array_equal(la.compile(cast)(x).numpy(), x.astype(middle).astype(end))


@pytest.mark.parametrize("dtype", ["float32", "int32", "bool"])
def test_a_cast_to_the_same_type_is_left_out(dtype: str) -> None:
    check(lambda x: op("astype", x, dtype=x.dtype), lambda x: x, X, dtype)


def test_a_broadcast_result_of_an_identity_keeps_its_shape() -> None:
    check(
        lambda x: op("add", x, c(x, -0.0, (2, 4))),
        lambda x: op("broadcast_to", x, shape=(2, 4)),
        ((4,),),
        "float32",
    )


def test_small_powers_of_narrow_types_round_once() -> None:
    assert_stays(lambda x: op("pow", x, c(x, 3.0)), X, "float16")


@pytest.mark.parametrize("exponent", [2.0, 3.0, 4.0, -1.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_power_as_product_is_as_near_as_the_power(exponent: float, dtype: str) -> None:
    x = np.concatenate([np.random.default_rng(0).lognormal(0, 4, 999), np.asarray(SPECIAL)]).astype(dtype)
    (given,) = inputs(x.shape, dtype=dtype)
    found = results(simplify(graph(op("pow", given, c(given, exponent)))), [x])[0]
    with np.errstate(all="ignore"):
        wanted = (x.astype(np.longdouble) ** int(exponent)).astype(dtype)
    # Two roundings more than the one of a correct result, each of half a unit.
    np.testing.assert_array_max_ulp(found[np.isfinite(wanted)], wanted[np.isfinite(wanted)], maxulp=2)
    np.testing.assert_array_equal(found[~np.isfinite(wanted)], wanted[~np.isfinite(wanted)])
