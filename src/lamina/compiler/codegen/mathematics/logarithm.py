"""log, log1p, log2 and log10.

x = 2^e m with sqrt(1/2) <= m < sqrt(2), so that e is 0 around 1 and nothing cancels; f = m - 1. In float32
log(1 + f) = f - f^2/2 + f^3 P(f); in float64 s = f / (2 + f), and log(1 + f) = f - (f^2/2 - s (f^2/2 + R(s^2)))
(P. T. P. Tang, *Table-driven implementation of the logarithm function in IEEE floating-point arithmetic*, ACM TOMS 16,
1990, for the series in s; J.-M. Muller, *Elementary Functions*, 3rd edition, 2016, for the splitting). P and R have
the least largest error.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from lamina.compiler.codegen.mathematics.lanes import Lanes, polynomial
from lamina.compiler.codegen.mathematics.pairs import Pair, exact_sum


class _Constants(NamedTuple):
    """What belongs to a type: bits, the smallest normal number, and logarithms of 2 in two parts."""

    mantissa: int
    bias: int
    root_half: int
    normal: float
    lift: int
    ln2: tuple[float, float]
    log10_2: tuple[float, float]
    fit: tuple[float, ...]


_SINGLE = _Constants(
    23, 127, 0x3F3504F3, 2.0**-126, 32,
    (0.693145751953125, 1.4286068203094173e-06), (0.301025390625, 4.605038981195214e-06),
    # relative error 2**-30
    (
        0.3333331059140514, -0.2499998654459705, 0.20002218622195858, -0.1666924940896185, 0.14218792103941785,
        -0.12384431042456394, 0.1187218526977407, -0.11789128602007166, 0.06916214887137542,
    ),
)  # fmt: skip
_DOUBLE = _Constants(
    52, 1023, 0x3FE6A09E667F3BCD, 2.0**-1022, 64,
    (0.6931471805598903, 5.497923018708371e-14), (0.30102999566395283, 2.8363394551044964e-14),
    # relative error 2**-58
    (
        0.6666666666666731, 0.39999999999435404, 0.2857142873853672, 0.22222198915796829, 0.18183548526251359,
        0.15314414929737538, 0.14792626162259948,
    ),
)  # fmt: skip


class _Scale(NamedTuple):
    """1 / log(base) for each type: half of the bits, and the rest."""

    single: tuple[float, float]
    double: tuple[float, float]


_LOG2_E = _Scale((1.4423828125, 0.00031222838896340733), (1.4426950216293335, 1.9259629911266175e-08))
_LOG10_E = _Scale((0.4342041015625, 9.038034075182765e-05), (0.4342944771051407, 4.798111141615973e-09))


def log(x: Lanes) -> Lanes:
    """Return the natural logarithm."""
    e, m = split(x)
    f = m - 1.0
    return _limits(x, _sum(e, f, rest_of_log1p(f), _constants(x).ln2))


def log2(x: Lanes) -> Lanes:
    """Return the logarithm to base 2; exact for powers of 2."""
    return _limits(x, _in_base(x, _LOG2_E, (1.0, 0.0)))


def log10(x: Lanes) -> Lanes:
    """Return the logarithm to base 10."""
    return _limits(x, _in_base(x, _LOG10_E, _constants(x).log10_2))


def log1p(x: Lanes) -> Lanes:
    """Return log(1 + x)."""
    total = exact_sum(x.constant(1.0), x)
    y = log_of_pair(total)
    y = (x < math.inf).choose(y, x)
    y = (x < -1.0).choose(math.nan, y)
    return x.equals(-1.0).choose(-math.inf, y).with_sign_of(x)


def log_of_pair(x: Pair, doublings: Lanes | float = 0.0) -> Lanes:
    """Return log(high + low) + doublings ln 2, for positive and finite numbers that are not subnormal."""
    c = _constants(x.high)
    bits = x.high.bits()
    e = (bits - c.root_half) >> c.mantissa
    shift = e << c.mantissa
    # The low part is scaled as the high one. From the largest exponents on it has not mattered for long.
    scale = c.bias - e
    scale = (scale > 0).choose(scale, 0) << c.mantissa
    f = ((bits - shift).as_float() - 1.0) + x.low * scale.as_float()
    return _sum(e.to_float() + doublings, f, rest_of_log1p(f), c.ln2)


# --- parts ---


def _constants(x: Lanes) -> _Constants:
    return _DOUBLE if x.double else _SINGLE


def split(x: Lanes) -> tuple[Lanes, Lanes]:
    """Return e, as a float, and m; any numbers where x is not positive or not finite."""
    c = _constants(x)
    tiny = x < c.normal
    bits = tiny.choose(x * 2.0**c.lift, x).bits()
    e = (bits - c.root_half) >> c.mantissa
    m = (bits - (e << c.mantissa)).as_float()
    exponent = e.to_float()
    return tiny.choose(exponent - float(c.lift), exponent), m


def rest_of_log1p(f: Lanes) -> Lanes:
    """Return log(1 + f) - f."""
    c = _constants(f)
    if not f.double:
        square = f * f
        return square.times_plus(-0.5, square * f * polynomial(f, c.fit))
    s = f / (f + 2.0)
    z = s * s
    half = 0.5 * f * f
    return s * (half + z * polynomial(z, c.fit)) - half


def _sum(e: Lanes, f: Lanes, rest: Lanes, ln2: tuple[float, float]) -> Lanes:
    """Return e ln 2 + f + rest, small terms first."""
    return e.times_plus(ln2[0], e.times_plus(ln2[1], rest) + f)


def _in_base(x: Lanes, scale: _Scale, log_of_2: tuple[float, float]) -> Lanes:
    """Return the logarithm whose scale is 1 / log(base); the product with the upper half of f is exact."""
    c = _constants(x)
    high, low = scale.double if x.double else scale.single
    e, m = split(x)
    f = m - 1.0
    head = (f.bits() & -(1 << (c.mantissa // 2 + 1))).as_float()
    tail = (f - head) + rest_of_log1p(f)
    small = e.times_plus(log_of_2[1], head.times_plus(low, tail * (high + low)))
    total = exact_sum(e * log_of_2[0], head * high)
    return total.high + (total.low + small)


def _limits(x: Lanes, y: Lanes) -> Lanes:
    """Return y where x is positive and finite, and what a logarithm is elsewhere."""
    y = (x < math.inf).choose(y, x)
    y = (x < 0.0).choose(math.nan, y)
    return x.equals(0.0).choose(-math.inf, y)
