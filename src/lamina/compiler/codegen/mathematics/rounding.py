"""Rounding to integers that are floats.

x86 has instructions for it from SSE4.1 on; before, adding and taking away a number whose last bit is worth 1 rounds.
"""

from __future__ import annotations

from lamina.compiler.codegen.mathematics.lanes import Lanes


def to_even(x: Lanes) -> Lanes:
    """Return the nearest integer, the even one of two."""
    if _has_instructions(x):
        return x.like(x.f.intrinsic("roundeven", x.value))
    unit = 2.0**52 if x.double else 2.0**23
    magnitude = abs(x)
    rounded = (magnitude + unit) - unit
    return (magnitude < unit).choose(rounded.with_sign_of(x), x)


def floor(x: Lanes) -> Lanes:
    """Return the greatest integer not above."""
    if _has_instructions(x):
        return x.like(x.f.intrinsic("floor", x.value))
    rounded = to_even(x)
    return (rounded > x).choose(rounded - 1.0, rounded)


def ceil(x: Lanes) -> Lanes:
    """Return the least integer not below."""
    if _has_instructions(x):
        return x.like(x.f.intrinsic("ceil", x.value))
    return -floor(-x)


def trunc(x: Lanes) -> Lanes:
    """Return the nearest integer towards zero."""
    if _has_instructions(x):
        return x.like(x.f.intrinsic("trunc", x.value))
    return floor(abs(x)).with_sign_of(x)


def _has_instructions(x: Lanes) -> bool:
    target = x.f.module.target
    return target.is_arm or not target.known.isdisjoint({"sse4.1", "avx", "avx2"})
