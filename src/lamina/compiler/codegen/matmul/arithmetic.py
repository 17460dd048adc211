"""Elements of a product in registers: read and widened, multiplied and added, rounded at the end."""

from __future__ import annotations

from lamina.compiler.codegen.emitter import Emitter, Type, Value
from lamina.compiler.codegen.matmul.product import Product
from lamina.compiler.target import Target


def load(f: Emitter, target: Target, product: Product, pointer: Value, lanes: int = 0) -> Value:
    """Read an element, or a vector of neighbours, as the type in which sums are kept."""
    return widen(f, target, product, f.load(product.stored.of(lanes), pointer))


def widen(f: Emitter, target: Target, product: Product, stored: Value) -> Value:
    """Return stored elements as the type in which sums are kept."""
    if product.dtype.name == "bfloat16":
        wide = f.convert("zext", stored, "i32")
        return f.convert("bitcast", f.binary("shl", wide, f.integer(16, wide.type)), "float")
    if product.dtype.name != "float16":
        return stored
    if _converts_halves(target):
        return f.convert("fpext", f.convert("bitcast", stored, "half"), "float")
    wide = f.convert("zext", stored, "i32")
    sign = f.binary("shl", f.binary("and", wide, f.integer(0x8000, wide.type)), f.integer(16, wide.type))
    rest = f.binary("shl", f.binary("and", wide, f.integer(0x7FFF, wide.type)), f.integer(13, wide.type))
    # Scaling corrects the bias of the exponent, of subnormal numbers too; infinity and NaN come out from 2**16 on.
    scaled = f.convert("bitcast", rest, "float")
    scaled = f.fmul(scaled, f.floating(2.0**112, scaled.type))
    beyond = f.fcmp("oge", scaled, f.floating(65536.0, scaled.type))
    bits = f.convert("bitcast", scaled, "i32")
    bits = f.select(beyond, f.binary("or", bits, f.integer(0x7F800000, bits.type)), bits)
    return f.convert("bitcast", f.binary("or", bits, sign), "float")


def rounded(f: Emitter, target: Target, product: Product, value: Value) -> Value:
    """Return a finished sum rounded to the product's type, in the form that type has in registers."""
    if product.dtype.name == "bfloat16":
        return _rounded_to_bfloat16(f, value)
    if product.dtype.name != "float16":
        return value
    if _converts_halves(target):
        return f.convert("fpext", f.convert("fptrunc", value, "half"), "float")
    return _rounded_to_float16(f, value)


def multiply_add(f: Emitter, target: Target, a: Value, b: Value, total: Value) -> Value:
    """Return a * b + total: rounded once where the machine has that instruction, in every lane and tile alike."""
    if not a.type.floating:
        return f.add(f.binary("mul", a, b), total)
    return f.fma(a, b, total) if target.fma else f.fadd(f.fmul(a, b), total)


def plus(f: Emitter, a: Value, b: Value) -> Value:
    """Return a sum of two partial sums."""
    return f.fadd(a, b) if a.type.floating else f.binary("add", a, b)


def advanced(f: Emitter, pointer: Value, elements: int, type: Type) -> Value:
    """Return where a pointer carried through a loop is in the next round.

    LLVM's reduction of address strengths takes longer than all its other passes over the many addresses of a tile
    and gains nothing, as they are one register and a constant each. It does not look through this intrinsic.
    """
    return f.intrinsic("strip.invariant.group", f.at(pointer, f.integer(elements), type))


def _converts_halves(target: Target) -> bool:
    return "f16c" in target.known or target.triple.startswith(("aarch64", "arm64"))


def _rounded_to_bfloat16(f: Emitter, value: Value) -> Value:
    bits = f.convert("bitcast", value, "i32")
    odd = f.binary("and", f.binary("lshr", bits, f.integer(16, bits.type)), f.integer(1, bits.type))
    up = f.binary("add", f.binary("add", bits, f.integer(0x7FFF, bits.type)), odd)
    kept = f.convert("bitcast", f.binary("and", up, f.integer(-0x10000, bits.type)), "float")
    return f.select(f.fcmp("uno", value, value), value, kept)


def _rounded_to_float16(f: Emitter, value: Value) -> Value:
    """Round to 11 bits, to infinity from 65520 on, and to multiples of 2**-24 below 2**-14."""
    bits = f.convert("bitcast", value, "i32")
    sign = f.binary("and", bits, f.integer(-0x80000000, bits.type))
    magnitude_bits = f.binary("and", bits, f.integer(0x7FFFFFFF, bits.type))
    magnitude = f.convert("bitcast", magnitude_bits, "float")
    odd = f.binary("and", f.binary("lshr", bits, f.integer(13, bits.type)), f.integer(1, bits.type))
    up = f.binary("add", f.binary("add", magnitude_bits, f.integer(0xFFF, bits.type)), odd)
    normal = f.convert("bitcast", f.binary("and", up, f.integer(-0x2000, bits.type)), "float")
    normal = f.select(
        f.fcmp("oge", normal, f.floating(65536.0, value.type)), f.floating(float("inf"), value.type), normal
    )
    half = f.floating(0.5, value.type)  # its neighbours are 2**-24 away
    small = f.fsub(f.fadd(magnitude, half), half)
    chosen = f.select(f.fcmp("olt", magnitude, f.floating(2.0**-14, value.type)), small, normal)
    chosen = f.select(f.fcmp("uno", value, value), magnitude, chosen)
    return f.convert("bitcast", f.binary("or", f.convert("bitcast", chosen, "i32"), sign), "float")
