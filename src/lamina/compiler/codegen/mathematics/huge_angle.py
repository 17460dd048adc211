"""Large angles less multiples of pi/2, exactly: M. Payne and R. Hanek, *Radian reduction for trigonometric functions*,
SIGNUM Newsletter 18 (1983).

x = m 2^e with an integer m of 53 bits. Bits of 2/pi that make multiples of 4 with m 2^e do not matter; the 192 that
follow, times m, are x 2/pi modulo 4, to 137 bits behind the point. No double is closer to a multiple of pi/2 than
2^-62, so that 75 of them are left. It is so rare that one function does it, a lane at a time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.mathematics.lanes import Lanes
from lamina.compiler.codegen.mathematics.pairs import Pair
from lamina.compiler.codegen.module import Module
from lamina.compiler.codegen.values import DOUBLE, I64, PTR, Variable

_NAME = "huge_angle"

# The bits of 2/pi, from the 64 in front of the point on.
_TWO_OVER_PI = (
    0x0000000000000000, 0xA2F9836E4E441529, 0xFC2757D1F534DDC0, 0xDB6295993C439041, 0xFE5163ABDEBBC561,
    0xB7246E3A424DD2E0, 0x06492EEA09D1921C, 0xFE1DEB1CB129A73E, 0xE88235F52EBB4484, 0xE99C7026B45F7E41,
    0x3991D639835339F4, 0x9C845F8BBDF9283B, 0x1FF897FFDE05980F, 0xEF2F118B5A0A6D1F, 0x6D367ECF27CB09B7,
    0x4F463F669E5FEA2D, 0x7527BAC7EBE5F17B, 0x3D0739F78A5292EA, 0x6BFB5FB11F8D5D08, 0x56033046FC7B6BAB,
)  # fmt: skip
_HALF_PI = (1.5707963267948966, 6.123233995736766e-17)


def replace_huge_angles(x: Lanes, parts: Sequence[Variable], limit: float) -> None:
    """Put the right r and n into variables where x is finite and above a limit.

    Parameters
    ----------
    x : Lanes
        Angles, of type double.
    parts : sequence of Variable
        r in two doubles, and n, of which the two lowest bits matter, as i64.
    limit : float
        At least 1.
    """
    f, lanes = x.f, max(x.value.type.lanes, 1)
    _write_function(f.module, limit)
    given = f.slot(DOUBLE, lanes)
    f.store(x.value, given)
    slots = [f.slot(part.type.of(0), lanes) for part in parts]
    for part, slot in zip(parts, slots, strict=True):
        f.store(f.get(part), slot)
    f.call_here(_NAME, [given, *slots, f.integer(lanes)])
    for part, slot in zip(parts, slots, strict=True):
        f.set(part, f.load(part.type, slot))


def _write_function(module: Module, limit: float) -> None:
    """Write the function into a module, once."""
    if _NAME in module.functions:
        return
    parameters = [*((name, PTR) for name in ("x", "high", "low", "n")), ("lanes", I64)]
    with (
        module.function(_NAME, parameters, notes="noinline cold") as f,
        f.loop(f.integer(0), f.arguments["lanes"]) as lane,
    ):
        x = Lanes(f, f.load(DOUBLE, f.at(f.arguments["x"], lane, DOUBLE)))
        magnitude = abs(x)
        with f.when(((magnitude > limit) & (magnitude < math.inf)).value):
            r, n = _turned(x, *_reduced(magnitude))
            f.store(r.high.value, f.at(f.arguments["high"], lane, DOUBLE))
            f.store(r.low.value, f.at(f.arguments["low"], lane, DOUBLE))
            f.store(n.value, f.at(f.arguments["n"], lane, I64))


def _turned(x: Lanes, r: Pair, n: Lanes) -> tuple[Pair, Lanes]:
    negative = x < 0.0
    turned = Pair(negative.choose(-r.high, r.high), negative.choose(-r.low, r.low))
    return turned, negative.choose(-n, n)


def _reduced(x: Lanes) -> tuple[Pair, Lanes]:
    """Return r and n for a positive number."""
    turns = _turns(x)
    n = _shifted_right(turns + (1 << 125), 126)
    fraction = turns - (n << 126)
    negative = fraction < 0
    magnitude = negative.choose(-fraction, fraction)
    zeros = x.like(x.f.intrinsic("ctlz", magnitude.value, extra="i1 false"))
    # Two integers of 53 and 63 bits that begin with the first bit set.
    aligned = magnitude << zeros
    upper, lower = _as_i64(_shifted_right(aligned, 75)), _as_i64(_shifted_right(aligned, 12)) & ((1 << 63) - 1)
    exponent = 1023 - 51 - _as_i64(zeros)
    scale = (exponent << 52).as_float()
    quarter = Pair(x.constant(_HALF_PI[0]), x.constant(_HALF_PI[1]))
    r = Pair(upper.to_float(), lower.to_float() * 2.0**-63) * quarter
    scale = negative.choose(-scale, scale)
    return Pair(r.high * scale, r.low * scale), _as_i64(n)


def _turns(x: Lanes) -> Lanes:
    """Return x 2/pi modulo 4 as a fraction of 4, in 128 bits."""
    f, bits = x.f, x.bits()
    m = (bits & ((1 << 52) - 1)) | (1 << 52)
    # The first bit that matters makes 2 with m 2^e.
    first = (bits >> 52) - 1075 + 62
    words = _window(f, first)
    m = _as_i128(m)
    high, middle, low = (_as_i128(word) * m for word in words)
    return (high << 64) + middle + _shifted_right(low, 64)


def _window(f: Emitter, first: Lanes) -> list[Lanes]:
    """Return three words of 2/pi from a bit on."""
    table = f.module.table(I64, [f.integer(word) for word in _TWO_OVER_PI])
    start, within = first >> 6, first & 63
    words = [f.load(I64, f.at(table, (start + place).value, I64)) for place in range(4)]
    return [first.like(f.intrinsic("fshl", *neighbours, within.value)) for neighbours in pairwise(words)]


def _as_i128(x: Lanes) -> Lanes:
    """Return an integer without a sign as one of 128 bits."""
    return x.like(x.f.convert("zext", x.value, "i128"))


def _as_i64(x: Lanes) -> Lanes:
    return x.like(x.f.convert("trunc", x.value, "i64"))


def _shifted_right(x: Lanes, places: int) -> Lanes:
    """Return an integer shifted down, zeros coming in."""
    return x.like(x.f.binary("lshr", x.value, x.f.integer(places, x.value.type)))
