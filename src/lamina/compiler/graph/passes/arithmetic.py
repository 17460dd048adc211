"""Arithmetic: identities that hold for every number, NaN, the infinities and both zeros included."""

from __future__ import annotations

import math

import numpy as np

from lamina.backends.protocol import numpy_dtype
from lamina.compiler.graph.ir import Value
from lamina.compiler.graph.passes.facts import (
    finite,
    never_negative_zero,
    nowhere_zero,
    number,
    positive_or_zero,
    power_of_two,
)
from lamina.compiler.graph.passes.rewriting import Builder, Pass
from lamina.dtypes import float_info
from lamina.primitives.primitive import Spec


def _wide(x: Value, like: Value, builder: Builder) -> Value:
    """Return a value with the shape of the result that it is."""
    return builder.broadcast_to(x, like.shape)


def _is(x: Value, given: float) -> bool:
    """Tell whether a value is one number everywhere, the zeros being told apart."""
    found = number(x)
    return found is not None and found == given and math.copysign(1.0, found) == math.copysign(1.0, given)


# --- add and subtract -------------------------------------------------------------------------------------


def add(value: Value, builder: Builder) -> Value | None:
    """x + 0 is x where x is no negative zero, and x + -0 always; x + -y is x - y."""
    a, b = value.operands
    for x, other in ((a, b), (b, a)):
        if _is(other, -0.0) or (_is(other, 0.0) and (not value.dtype.floating or never_negative_zero(x))):
            return _wide(x, value, builder)
        if other.op == "negative":
            return builder.operation("subtract", (x, other.operands[0]), value.spec)
    return None


def subtract(value: Value, builder: Builder) -> Value | None:
    """x - 0 is x; -0 - x is -x; x - -y is x + y; x - x is 0 of integers."""
    a, b = value.operands
    if _is(b, 0.0):
        return _wide(a, value, builder)
    if _is(a, -0.0) or (not value.dtype.floating and number(a) == 0):
        return _wide(builder.operation("negative", (b,), b.spec), value, builder)
    if b.op == "negative":
        return builder.operation("add", (a, b.operands[0]), value.spec)
    if a is b and not value.dtype.floating:
        return builder.full(value.shape, value.dtype, 0)
    return None


# --- multiply and divide ----------------------------------------------------------------------------------


def multiply(value: Value, builder: Builder) -> Value | None:
    """x * 1 is x; x * -1 is -x; signs of both operands, or of one and a number, are joined; x * 0 is 0 of integers."""
    a, b = value.operands
    for x, other in ((a, b), (b, a)):
        given = number(other)
        if given is None:
            continue
        if given == 1:
            return _wide(x, value, builder)
        if given == -1:
            return _wide(builder.operation("negative", (x,), x.spec), value, builder)
        if given == 0 and not value.dtype.floating:
            return builder.full(value.shape, value.dtype, 0)
        if x.op == "negative" and value.dtype.kind != "unsigned":
            opposite = builder.operation("negative", (other,), other.spec)
            return builder.operation("multiply", (x.operands[0], opposite), value.spec)
    if a.op == b.op == "negative":
        return builder.operation("multiply", (a.operands[0], b.operands[0]), value.spec)
    return None


def multiply_no_nan(value: Value, builder: Builder) -> Value | None:
    """An ordinary product where the second operand is finite, or the first not zero."""
    x, y = value.operands
    if nowhere_zero(x) or finite(y):
        return builder.operation("multiply", (x, y), value.spec)
    return None


def divide(value: Value, builder: Builder) -> Value | None:
    """x / 1 is x; x / -1 is -x; by a power of two is times its inverse; signs of both are joined."""
    a, b = value.operands
    given = number(b)
    if given == 1:
        return _wide(a, value, builder)
    if given == -1:
        return _wide(builder.operation("negative", (a,), a.spec), value, builder)
    if given is not None and power_of_two(given) and _normal(1.0 / float(given), value):
        return builder.operation("multiply", (a, builder.full((), b.dtype, 1.0 / given)), value.spec)
    if a.op == b.op == "negative":
        return builder.operation("divide", (a.operands[0], b.operands[0]), value.spec)
    return None


def _normal(given: float, value: Value) -> bool:
    limits = float_info(value.dtype)
    return limits.smallest_normal <= abs(given) <= limits.max


def floor_divide(value: Value, builder: Builder) -> Value | None:
    """x // 1 is x, of integers; by a power of two a shift."""
    a, b = value.operands
    given = number(b)
    if value.dtype.floating or given is None:
        return None
    if given == 1:
        return _wide(a, value, builder)
    if given > 1 and power_of_two(given):
        by = builder.full((), b.dtype, int(given).bit_length() - 1)
        return builder.operation("bitwise_right_shift", (a, by), value.spec)
    return None


def remainder(value: Value, builder: Builder) -> Value | None:
    """x % 1 is 0, of integers; by a power of two its lowest bits."""
    a, b = value.operands
    given = number(b)
    if value.dtype.floating or given is None:
        return None
    if given == 1:
        return builder.full(value.shape, value.dtype, 0)
    if given > 1 and power_of_two(given):
        return builder.operation("bitwise_and", (a, builder.full((), b.dtype, int(given) - 1)), value.spec)
    return None


# --- negative, abs and what is done twice -----------------------------------------------------------------


def negative(value: Value, builder: Builder) -> Value | None:
    """-(-x) is x; the sign goes into a product with a number, or a quotient."""
    x = value.operands[0]
    if x.op == "negative":
        return x.operands[0]
    if x.op in ("multiply", "divide") and value.dtype.kind != "unsigned":
        a, b = x.operands
        for place, each in enumerate((a, b)):
            if number(each) is not None:
                opposite = builder.operation("negative", (each,), each.spec)
                return builder.operation(x.op, (opposite, b) if place == 0 else (a, opposite), value.spec)
    return None


def abs_(value: Value, builder: Builder) -> Value | None:
    """|-x| is |x|; what is never negative is its own magnitude."""
    x = value.operands[0]
    if x.op == "negative" and value.dtype.kind != "unsigned":
        return builder.operation("abs", x.operands, value.spec)
    if value.dtype.kind == "unsigned" or x.op == "abs" or (value.dtype.floating and positive_or_zero(x)):
        return x
    return None


def idempotent(value: Value, builder: Builder) -> Value | None:
    """What is done twice is done once."""
    x = value.operands[0]
    return x if x.op == value.op else None


_ROUNDED = frozenset({"floor", "ceil", "trunc", "round"})


def rounding(value: Value, builder: Builder) -> Value | None:
    """An integer is rounded to itself."""
    x = value.operands[0]
    return x if x.op in _ROUNDED else None


def extremum(value: Value, builder: Builder) -> Value | None:
    """The larger, or smaller, of a value and itself."""
    return value.operands[0] if value.operands[0] is value.operands[1] else None


# --- powers -----------------------------------------------------------------------------------------------


def pow_(value: Value, builder: Builder) -> Value | None:
    """Small powers are products, 1/x, and the square root of what is never negative."""
    x, exponent = value.operands
    given = number(exponent)
    if given is None:
        return None
    if given == 0:
        return builder.full(value.shape, value.dtype, 1)
    if given == 1:
        return _wide(x, value, builder)
    if given == 2:
        return _product(x, x, value, builder)
    if not value.dtype.floating or value.dtype.bits >= 32:
        if given == 3:
            return _product(_product(x, x, x, builder), x, value, builder)
        if given == 4:
            square = _product(x, x, x, builder)
            return _product(square, square, value, builder)
    if value.dtype.floating and given == -1:
        return builder.operation("divide", (builder.full((), x.dtype, 1.0), x), value.spec)
    if value.dtype.floating and given == 0.5 and positive_or_zero(x):
        return _wide(builder.operation("sqrt", (x,), x.spec), value, builder)
    return None


def _product(a: Value, b: Value, like: Value, builder: Builder) -> Value:
    product = builder.operation("multiply", (a, b), Spec(a.shape, a.dtype))
    return _wide(product, like, builder)


# --- bits -------------------------------------------------------------------------------------------------


def bits(value: Value, builder: Builder) -> Value | None:
    """x & x and x | x are x, x ^ x is 0; with all bits, or none, the other operand, its inverse or a number."""
    a, b = value.operands
    op = value.op
    if a is b:
        return builder.full(value.shape, value.dtype, 0) if op == "bitwise_xor" else a
    for x, other in ((a, b), (b, a)):
        given = number(other)
        if given is None:
            continue
        everything = bool(np.invert(np.asarray(given, numpy_dtype(value.dtype))) == 0)
        if op == "bitwise_xor" and everything:
            return _wide(builder.operation("bitwise_invert", (x,), x.spec), value, builder)
        if (op == "bitwise_and" and everything) or (op != "bitwise_and" and given == 0):
            return _wide(x, value, builder)
        if (op == "bitwise_and" and given == 0) or (op == "bitwise_or" and everything):
            return builder.full(value.shape, value.dtype, given)
    return None


def shift(value: Value, builder: Builder) -> Value | None:
    """A shift by nothing."""
    x, by = value.operands
    return _wide(x, value, builder) if number(by) == 0 else None


ARITHMETIC = Pass(
    "arithmetic",
    "identities of numbers, kept to those that hold for NaN, infinity and signed zero",
    {
        "add": (add,),
        "subtract": (subtract,),
        "multiply": (multiply,),
        "multiply_no_nan": (multiply_no_nan,),
        "divide": (divide,),
        "floor_divide": (floor_divide,),
        "remainder": (remainder,),
        "negative": (negative,),
        "abs": (abs_,),
        "sign": (idempotent,),
        "relu": (idempotent,),
        "floor": (rounding,),
        "ceil": (rounding,),
        "trunc": (rounding,),
        "round": (rounding,),
        "maximum": (extremum,),
        "minimum": (extremum,),
        "pow": (pow_,),
        "bitwise_and": (bits,),
        "bitwise_or": (bits,),
        "bitwise_xor": (bits,),
        "bitwise_left_shift": (shift,),
        "bitwise_right_shift": (shift,),
    },
)
