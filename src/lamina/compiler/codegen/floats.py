"""Elementwise operations on floats that are not one instruction."""

from __future__ import annotations

from typing import Any

from lamina.compiler.codegen.elements import packed, unpacked
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.mathematics.lanes import Lanes
from lamina.compiler.codegen.mathematics.modulo import modulo
from lamina.compiler.codegen.mathematics.rounding import floor
from lamina.compiler.codegen.values import Value
from lamina.dtypes import bfloat16, float16

# --- choice ---


def sign(f: Emitter, types: Any, x: Value) -> Value:
    """-1, 0 or 1, NaN for NaN; a negative zero becomes positive, but for bfloat16."""
    zero = f.floating(0.0, x.type)
    other = x if types.operand is bfloat16 else f.fadd(x, zero)
    other = f.select(f.fcmp("olt", x, zero), f.floating(-1.0, x.type), other)
    return f.select(f.fcmp("ogt", x, zero), f.floating(1.0, x.type), other)


def relu(f: Emitter, types: Any, x: Value) -> Value:
    """The larger of x and zero, NaN for NaN; zero for a negative zero, but for float16."""
    zero = f.floating(0.0, x.type)
    return f.select(f.fcmp("olt" if types.operand is float16 else "ole", x, zero), zero, x)


def maximum(f: Emitter, types: Any, a: Value, b: Value) -> Value:
    """The larger, NaN where either is. Of equal ones, which may be zeros, the second; the first for float16."""
    return _extremum(f, "oge" if types.operand is float16 else "ogt", a, b)


def minimum(f: Emitter, types: Any, a: Value, b: Value) -> Value:
    """The smaller, NaN where either is. Of equal ones, which may be zeros, the second; the first for float16."""
    return _extremum(f, "ole" if types.operand is float16 else "olt", a, b)


def _extremum(f: Emitter, relation: str, a: Value, b: Value) -> Value:
    # Where b is NaN the comparison does not hold, and b is taken.
    chosen = f.select(f.fcmp(relation, a, b), a, b)
    return f.select(f.fcmp("uno", a, a), a, chosen)


def multiply_no_nan(f: Emitter, types: Any, x: Value, y: Value) -> Value:
    """x y, but zero where x is zero and the product is NaN, which it is if y is infinite or NaN."""
    product = f.fmul(x, y)
    zero = f.floating(0.0, x.type)
    masked = f.binary("and", f.fcmp("oeq", x, zero), f.fcmp("uno", product, product))
    return f.select(masked, zero, product)


# --- division ---


def remainder(x: Lanes, y: Lanes) -> Lanes:
    """x - y floor(x / y), with the sign of y, zero or not; NaN for y = 0."""
    return _signed_rest(modulo(x, y), y)[0]


def floor_divide(x: Lanes, y: Lanes) -> Lanes:
    """x / y rounded down, from the exact rest of the division, as Python does; x / y for y = 0."""
    rest = modulo(x, y)
    _, moved = _signed_rest(rest, y)
    quotient = (x - rest) / y
    quotient = moved.choose(quotient - 1.0, quotient)
    below = floor(quotient)
    nearest = (quotient - below > 0.5).choose(below + 1.0, below)
    nearest = quotient.equals(0.0).choose(x.constant(0.0).with_sign_of(x / y), nearest)
    return y.equals(0.0).choose(x / y, nearest)


def _signed_rest(rest: Lanes, y: Lanes) -> tuple[Lanes, Lanes]:
    """Return a rest between 0 and y, and whether it was on the other side of 0."""
    negative, below = rest < 0.0, y < 0.0
    moved = ((rest > 0.0) & below) | (negative & (y > 0.0))
    signed = moved.choose(rest + y, rest)
    return rest.equals(0.0).choose(rest.with_sign_of(y), signed), moved


# --- neighbours ---


def nextafter(f: Emitter, types: Any, x: Value, y: Value) -> Value:
    """The number after x in the direction of y; y if they are equal.

    The bits of floats of one sign, read as integers, are in the order of their magnitudes.
    """
    dtype = types.operand
    stored = packed(f, dtype, x)
    bits = f.convert("bitcast", stored, f"i{dtype.bits}")
    one = f.integer(1, bits.type)
    zero = f.floating(0.0, x.type)
    up = f.icmp("eq", f.fcmp("ogt", y, x), f.fcmp("ogt", x, zero))
    stepped = f.binary("add", bits, f.select(up, one, f.integer(-1, bits.type)))
    least = f.select(f.fcmp("olt", y, zero), f.integer((1 << (dtype.bits - 1)) + 1, bits.type), one)
    stepped = f.select(f.fcmp("oeq", x, zero), least, stepped)
    value = unpacked(f, dtype, f.convert("bitcast", stepped, stored.type.scalar))
    value = f.select(f.fcmp("oeq", x, y), y, value)
    return f.select(f.fcmp("uno", x, y), f.fadd(x, y), value)
