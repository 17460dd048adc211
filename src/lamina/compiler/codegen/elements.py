"""Elements of every data type: in memory, in registers, and on the way between.

A bool is a byte in memory, 0 or 1, and one bit in a register. float16 and bfloat16 take two bytes in memory and are
``float`` in registers, where every operation's result is rounded to what two bytes hold. Other types are the same in
both places.
"""

from __future__ import annotations

import math

import numpy as np

from lamina.backends.protocol import numpy_dtype
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.values import DOUBLE, FLOAT, I1, Type, Value
from lamina.dtypes import DType, bfloat16, bool_, float16, float64


def register_type(dtype: DType) -> Type:
    """Return the type that an element has in a register."""
    if dtype is bool_:
        return I1
    if dtype.floating:
        return DOUBLE if dtype is float64 else FLOAT
    return Type(f"i{dtype.bits}")


def memory_type(dtype: DType) -> Type:
    """Return the type that an element has in memory; that of a narrow float is an integer, its bits."""
    if dtype.floating and dtype.bits > 16:
        return register_type(dtype)
    return Type(f"i{dtype.bits}")


def load_element(f: Emitter, dtype: DType, pointer: Value, lanes: int = 0) -> Value:
    """Read an element, or a vector of so many neighbours, into register form."""
    return unpacked(f, dtype, f.load(memory_type(dtype).of(lanes), pointer))


def load_strided(f: Emitter, dtype: DType, pointer: Value, stride: int, lanes: int) -> Value:
    """Read elements so far apart into register form; one, as a scalar, for no lanes or where all are the same."""
    if not lanes or stride == 0:
        return load_element(f, dtype, pointer)
    if stride == 1:
        return load_element(f, dtype, pointer, lanes)
    stored = memory_type(dtype)
    if stride == 2:
        # The second load begins one element early, lest it read behind the last one.
        low, high = (load_element(f, dtype, f.at(pointer, f.integer(at), stored), lanes) for at in (0, lanes - 1))
        return f.shuffle(low, high, [at if at < lanes else at + 1 for at in range(0, 2 * lanes, 2)])
    elements = [load_element(f, dtype, f.at(pointer, f.integer(lane * stride), stored)) for lane in range(lanes)]
    total = Value("poison", elements[0].type.of(lanes))
    for lane, element in enumerate(elements):
        total = f.insert(total, element, lane)
    return total


def store_element(f: Emitter, dtype: DType, value: Value, pointer: Value) -> None:
    """Write an element, or the lanes of a vector as neighbours. A narrow float must be rounded already."""
    f.store(packed(f, dtype, value), pointer)


def literal(f: Emitter, dtype: DType, number: bool | int | float, lanes: int = 0) -> Value:
    """Return a number, rounded to the type as NumPy does, in every lane."""
    kind = register_type(dtype).of(lanes)
    if not dtype.floating:
        return f.integer(int(bool(number)) if dtype is bool_ else int(number), kind)
    return f.floating(_rounded(float(number), dtype), kind)


def narrow(f: Emitter, dtype: DType, value: Value) -> Value:
    """Return a ``float`` rounded to float16 or bfloat16, the even one of two neighbours; other types as they are."""
    if dtype is bfloat16:
        return _narrow_bfloat16(f, value)
    if dtype is not float16:
        return value
    if converts_halves(f):
        return f.convert("fpext", f.convert("fptrunc", value, "half"), "float")
    return _narrow_float16(f, value)


def unpacked(f: Emitter, dtype: DType, stored: Value) -> Value:
    """Return the register form of an element as it lies in memory."""
    if dtype is bool_:
        return f.icmp("ne", stored, f.integer(0, stored.type))
    if not dtype.floating or dtype.bits > 16:
        return stored
    if dtype is bfloat16:
        wide = f.convert("zext", stored, "i32")
        return f.convert("bitcast", f.binary("shl", wide, f.integer(16, wide.type)), "float")
    if converts_halves(f):
        return f.convert("fpext", f.convert("bitcast", stored, "half"), "float")
    return _widen_float16(f, stored)


def packed(f: Emitter, dtype: DType, value: Value) -> Value:
    """Return an element as it lies in memory."""
    if dtype is bool_:
        return f.convert("zext", value, "i8")
    if not dtype.floating or dtype.bits > 16:
        return value
    if dtype is bfloat16:
        bits = f.convert("bitcast", value, "i32")
        return f.convert("trunc", f.binary("lshr", bits, f.integer(16, bits.type)), "i16")
    if converts_halves(f):
        return f.convert("bitcast", f.convert("fptrunc", value, "half"), "i16")
    return _pack_float16(f, value)


def converts_halves(f: Emitter) -> bool:
    """Whether the machine converts between float16 and float32; elsewhere LLVM would call a library."""
    return "f16c" in f.module.target.known or f.module.target.is_arm


# --- float16 by the bits of float32 ---
#
# A float16 has 5 bits of exponent and 10 of fraction. Moved up by 13 bits, these are the exponent and the fraction of
# a float32 that is too small by 2**(127 - 15), the difference of the biases: one multiplication puts it right, for
# subnormal numbers too.

_BIAS = 2.0**112
_SIGN = 1 << 31


def _widen_float16(f: Emitter, stored: Value) -> Value:
    wide = f.convert("zext", stored, "i32")
    kind = wide.type
    rest = f.binary("shl", f.binary("and", wide, f.integer(0x7FFF, kind)), f.integer(13, kind))
    sign = f.binary("shl", f.binary("and", wide, f.integer(0x8000, kind)), f.integer(16, kind))
    scaled = f.convert("bitcast", rest, "float")
    scaled = f.fmul(scaled, f.floating(_BIAS, scaled.type))
    # Infinity and NaN have come out as 2**16 and more: all bits of the exponent are set for them.
    special = f.fcmp("oge", scaled, f.floating(65536.0, scaled.type))
    filled = f.select(special, f.integer(0x7F800000, kind), f.integer(0, kind))
    bits = f.binary("or", f.convert("bitcast", scaled, "i32"), filled)
    return f.convert("bitcast", f.binary("or", bits, sign), "float")


def _pack_float16(f: Emitter, value: Value) -> Value:
    bits = f.convert("bitcast", value, "i32")
    kind = bits.type
    magnitude = f.convert("bitcast", f.binary("and", bits, f.integer(~_SIGN, kind)), "float")
    # The value is a float16 already, so nothing is lost; infinity gets an exponent that does not overflow.
    scaled = f.fmul(magnitude, f.floating(1.0 / _BIAS, value.type))
    fitted = f.binary("lshr", f.convert("bitcast", scaled, "i32"), f.integer(13, kind))
    infinite = f.fcmp("oge", magnitude, f.floating(65536.0, value.type))
    fitted = f.select(infinite, f.integer(0x7C00, kind), fitted)
    fitted = f.select(f.fcmp("uno", value, value), f.integer(0x7E00, kind), fitted)
    sign = f.binary("and", f.binary("lshr", bits, f.integer(16, kind)), f.integer(0x8000, kind))
    return f.convert("trunc", f.binary("or", fitted, sign), "i16")


def _narrow_float16(f: Emitter, value: Value) -> Value:
    """Round to 11 significant bits, of which the last is worth 2**-24 or more.

    Adding and taking away 2**13 times the power of two below a number leaves its upper 11 bits, rounded.
    """
    magnitude = f.intrinsic("fabs", value)
    most, least = f.floating(65536.0, value.type), f.floating(2.0**-14, value.type)
    capped = f.select(f.fcmp("olt", magnitude, most), magnitude, most)
    base = f.select(f.fcmp("ogt", capped, least), capped, least)
    bits = f.convert("bitcast", base, "i32")
    power = f.binary("and", bits, f.integer(0x7F800000, bits.type))
    large = f.convert("bitcast", f.binary("add", power, f.integer(13 << 23, bits.type)), "float")
    rounded = f.fsub(f.fadd(capped, large), large)
    beyond = f.fcmp("oge", rounded, f.floating(65536.0, value.type))
    rounded = f.select(beyond, f.floating(math.inf, value.type), rounded)
    rounded = f.select(f.fcmp("uno", value, value), value, rounded)
    return f.intrinsic("copysign", rounded, value)


def _narrow_bfloat16(f: Emitter, value: Value) -> Value:
    """Round the lower 16 bits away: half of the last bit kept, less one where that bit is even, carries into it."""
    bits = f.convert("bitcast", value, "i32")
    kind = bits.type
    odd = f.binary("and", f.binary("lshr", bits, f.integer(16, kind)), f.integer(1, kind))
    up = f.binary("add", f.binary("add", bits, f.integer(0x7FFF, kind)), odd)
    # A NaN keeps its upper bits, with the quiet one, lest carries make it a number.
    quiet = f.binary("or", bits, f.integer(1 << 22, kind))
    up = f.select(f.fcmp("uno", value, value), quiet, up)
    return f.convert("bitcast", f.binary("and", up, f.integer(-1 << 16, kind)), "float")


def _rounded(number: float, dtype: DType) -> float:
    """Return a number as the type holds it."""
    if dtype.bits > 16 or math.isnan(number):
        return number  # the literal of a float32 is rounded where it is written
    with np.errstate(over="ignore"):
        return float(np.float64(number).astype(numpy_dtype(dtype)))
