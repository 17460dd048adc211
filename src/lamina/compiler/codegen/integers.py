"""Elementwise operations on integers that are not one instruction. Nothing here is undefined for any operands."""

from __future__ import annotations

from typing import Any

from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.mathematics.lanes import Lanes
from lamina.compiler.codegen.values import Value

# ``types`` stands in the signature of every emission; here the values' own types say enough.


def negative(f: Emitter, types: Any, x: Value) -> Value:
    """-x, wrapped around."""
    return f.binary("sub", f.integer(0, x.type), x)


def sign(f: Emitter, types: Any, x: Value) -> Value:
    """-1, 0 or 1."""
    positive = f.convert("zext", f.icmp("sgt", x, f.integer(0, x.type)), x.type.scalar)
    return f.binary("or", f.binary("ashr", x, f.integer(x.type.bits - 1, x.type)), positive)


def sign_unsigned(f: Emitter, types: Any, x: Value) -> Value:
    """0 or 1."""
    return f.convert("zext", f.icmp("ne", x, f.integer(0, x.type)), x.type.scalar)


def relu(f: Emitter, types: Any, x: Value) -> Value:
    """The larger of x and zero."""
    return f.intrinsic("smax", x, f.integer(0, x.type))


# --- shifts: by as many places as there are bits, or more, or a negative number, everything leaves ---


def shift_left(f: Emitter, types: Any, x: Value, places: Value) -> Value:
    """x 2^places."""
    return _shift(f, "shl", x, places)


def shift_right_unsigned(f: Emitter, types: Any, x: Value, places: Value) -> Value:
    """x / 2^places, rounded down."""
    return _shift(f, "lshr", x, places)


def shift_right(f: Emitter, types: Any, x: Value, places: Value) -> Value:
    """x / 2^places, rounded down: all that can leave are all bits but the sign."""
    most = f.integer(x.type.bits - 1, x.type)
    return f.binary("ashr", x, f.intrinsic("umin", places, most))


def _shift(f: Emitter, instruction: str, x: Value, places: Value) -> Value:
    zero, bits = f.integer(0, x.type), f.integer(x.type.bits, x.type)
    fits = f.icmp("ult", places, bits)
    return f.select(fits, f.binary(instruction, x, f.select(fits, places, zero)), zero)


# --- division: zero where the divisor is ---


def floor_divide(f: Emitter, types: Any, a: Value, b: Value) -> Value:
    """a / b rounded down; the smallest integer divided by -1 is itself."""
    quotient, rest, divisor = _divide_signed(f, a, b)
    below = f.convert("sext", _differ_in_sign(f, rest, divisor), a.type.scalar)
    return _unless_zero(f, b, _negated_for_minus_one(f, a, b, f.binary("add", quotient, below)))


def remainder(f: Emitter, types: Any, a: Value, b: Value) -> Value:
    """a - b floor(a / b)."""
    _, rest, divisor = _divide_signed(f, a, b)
    zero = f.integer(0, a.type)
    rest = f.binary("add", rest, f.select(_differ_in_sign(f, rest, divisor), divisor, zero))
    return _unless_zero(f, b, rest)


def divide_unsigned(f: Emitter, types: Any, a: Value, b: Value) -> Value:
    """a / b rounded down."""
    return _unless_zero(f, b, _quotient(f, a, _one_for(f, b, (0,)), signed=False))


def remainder_unsigned(f: Emitter, types: Any, a: Value, b: Value) -> Value:
    """a - b floor(a / b)."""
    divisor = _one_for(f, b, (0,))
    quotient = _quotient(f, a, divisor, signed=False)
    return _unless_zero(f, b, f.binary("sub", a, f.binary("mul", quotient, divisor)))


def _divide_signed(f: Emitter, a: Value, b: Value) -> tuple[Value, Value, Value]:
    """Return the quotient rounded towards zero, the rest, and the divisor: 1 for 0, and for -1, which overflows."""
    divisor = _one_for(f, b, (0, -1))
    quotient = _quotient(f, a, divisor, signed=True)
    return quotient, f.binary("sub", a, f.binary("mul", quotient, divisor)), divisor


def _quotient(f: Emitter, a: Value, b: Value, *, signed: bool) -> Value:
    """Return a / b rounded towards zero.

    Processors have no division of integer vectors. A float with twice the bits has the quotient: it is rounded by
    less than the distance, 1 / b at least, to the next integer.
    """
    if a.type.bits == 64 or not a.type.lanes:
        return f.binary("sdiv" if signed else "udiv", a, b)
    scalar = "float" if a.type.bits < 32 else "double"
    into, back = ("sitofp", "fptosi") if signed else ("uitofp", "fptoui")
    quotient = f.fdiv(f.convert(into, a, scalar), f.convert(into, b, scalar))
    return f.convert(back, quotient, a.type.scalar)


def _one_for(f: Emitter, x: Value, numbers: tuple[int, ...]) -> Value:
    one = f.integer(1, x.type)
    for number in numbers:
        x = f.select(f.icmp("eq", x, f.integer(number, x.type)), one, x)
    return x


def _unless_zero(f: Emitter, b: Value, value: Value) -> Value:
    zero = f.integer(0, b.type)
    return f.select(f.icmp("eq", b, zero), zero, value)


def _negated_for_minus_one(f: Emitter, a: Value, b: Value, value: Value) -> Value:
    return f.select(f.icmp("eq", b, f.integer(-1, b.type)), negative(f, None, a), value)


def _differ_in_sign(f: Emitter, rest: Value, divisor: Value) -> Value:
    """Whether a rest that is not zero has not the divisor's sign."""
    zero = f.integer(0, rest.type)
    differ = f.icmp("slt", f.binary("xor", rest, divisor), zero)
    return f.binary("and", differ, f.icmp("ne", rest, zero))


# --- power ---


def power(f: Emitter, types: Any, x: Value, exponent: Value) -> Value:
    """x^exponent, wrapped around, by squaring; the exponent is read as unsigned."""
    total = f.variable(f.integer(1, x.type))
    base, left = f.variable(x), f.variable(exponent)
    zero, one = f.integer(0, x.type), f.integer(1, x.type)
    with f.while_() as more:
        now = f.get(left)
        more.leave_unless(Lanes(f, f.icmp("ne", now, zero)).any().value)
        odd = f.icmp("ne", f.binary("and", now, one), zero)
        f.set(total, f.select(odd, f.binary("mul", f.get(total), f.get(base)), f.get(total)))
        f.set(base, f.binary("mul", f.get(base), f.get(base)))
        f.set(left, f.binary("lshr", now, one))
    return f.get(total)


def negative_exponent(f: Emitter, types: Any, x: Value, exponent: Value) -> Value:
    """Whether a power is no integer; NumPy looks at the exponent only."""
    return f.icmp("slt", exponent, f.integer(0, exponent.type))
