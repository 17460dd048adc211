"""What the loops of a product are made of: multiply and add, and pointers that move on."""

from __future__ import annotations

from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.values import Type, Value
from lamina.compiler.target import Target


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
