"""Values of one data type as another: ``astype``.

A float that is out of the range of an integer type, or NaN, has no meaning there. It becomes what x86 makes of it, on
every machine: the smallest integer of 32 or 64 bits, of which narrower types and uint32 keep the lowest bits. So it is
in NumPy, but for uint32, where it also gives 2**31: that depends on where in an array a number is.
"""

from __future__ import annotations

from lamina.compiler.codegen.elements import register_type
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.values import Value
from lamina.dtypes import DType, bool_, float16


def converted(f: Emitter, x: Value, source: DType, wanted: DType) -> Value:
    """Return a value in register form as another type, but for the rounding of a narrow float."""
    if source is wanted:
        return x
    if wanted is bool_:
        zero = f.number(0, x.type)
        return f.fcmp("une", x, zero) if source.floating else f.icmp("ne", x, zero)
    scalar = register_type(wanted).scalar
    if source.floating:
        if not wanted.floating:
            return _float_to_integer(f, x, wanted)
        return _float_to_float(f, x, wanted, scalar)
    signed = source.kind == "signed"
    if wanted.floating:
        return f.convert("sitofp" if signed else "uitofp", x, scalar)
    if wanted.bits < source.bits:
        return _cut(f, x, scalar)
    return f.convert("sext" if signed else "zext", x, scalar)


def _cut(f: Emitter, x: Value, scalar: str) -> Value:
    """Return the lowest bits of an integer.

    LLVM 22 fails to cut three numbers of 64 bits to 8 for ARM; a power of two of them it can.
    """
    lanes = x.type.lanes
    if lanes & (lanes - 1) == 0:
        return f.convert("trunc", x, scalar)
    more = f.shuffle(x, x, [*range(lanes), *[0] * ((1 << lanes.bit_length()) - lanes)])
    cut = f.convert("trunc", more, scalar)
    return f.shuffle(cut, cut, range(lanes))


def _float_to_float(f: Emitter, x: Value, wanted: DType, scalar: str) -> Value:
    if x.type.scalar == scalar:
        return x
    if scalar == "double":
        return f.convert("fpext", x, scalar)
    return _to_odd(f, x) if wanted is float16 else f.convert("fptrunc", x, scalar)


def _to_odd(f: Emitter, x: Value) -> Value:
    """Return a double as the float whose last bit is odd unless nothing is lost.

    Rounding that float again gives what rounding once would (S. Boldo and G. Melquiond, *When double rounding is
    odd*, 2005).
    """
    near = f.convert("fptrunc", x, "float")
    bits = f.convert("bitcast", near, "i32")
    back = f.convert("fpext", near, "double")
    magnitude, kept = f.intrinsic("fabs", x), f.intrinsic("fabs", back)
    even = f.icmp("eq", f.binary("and", bits, f.integer(1, bits.type)), f.integer(0, bits.type))
    down = f.convert("sext", f.fcmp("ogt", kept, magnitude), "i32")
    up = f.convert("zext", f.fcmp("olt", kept, magnitude), "i32")
    moved = f.binary("add", bits, f.binary("or", down, up))
    return f.convert("bitcast", f.select(even, moved, bits), "float")


def _float_to_integer(f: Emitter, x: Value, wanted: DType) -> Value:
    if wanted.name == "uint64":
        return _float_to_uint64(f, x)
    wide = 32 if wanted.bits < 32 or wanted.name == "int32" else 64
    return _cut(f, _truncated(f, x, wide), f"i{wanted.bits}")


def _truncated(f: Emitter, x: Value, bits: int) -> Value:
    """Return a float rounded towards zero, or the smallest integer."""
    scalar, bound = f"i{bits}", 2.0 ** (bits - 1)
    above = f.fcmp("oge", x, f.floating(-bound, x.type))
    within = f.binary("and", above, f.fcmp("olt", x, f.floating(bound, x.type)))
    inside = f.select(within, x, f.floating(0.0, x.type))
    whole = f.convert("fptosi", inside, scalar)
    return f.select(within, whole, f.integer(-1 << (bits - 1), whole.type))


def _float_to_uint64(f: Emitter, x: Value) -> Value:
    """Return the integer modulo 2**64, for what is above -2**63 and below 2**64."""
    half = f.floating(2.0**63, x.type)
    upper = f.fcmp("oge", x, half)
    low = _truncated(f, f.select(upper, f.fsub(x, half), x), 64)
    return f.select(upper, f.binary("xor", low, f.integer(-1 << 63, low.type)), low)
