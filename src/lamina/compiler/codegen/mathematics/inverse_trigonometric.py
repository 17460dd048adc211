"""asin, acos, atan and atan2.

Near zero asin(x) = x + x^3 R(x^2); from 1/2 on pi/2 - 2 asin(sqrt((1 - x) / 2)). atan of a fraction is that of one
below tan(pi/8) plus a multiple of pi/4 (Muller, *Elementary Functions*, 3rd edition, 2016, section 11.3). The
polynomials have the least largest error.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from lamina.compiler.codegen.mathematics.lanes import Lanes, polynomial


class _Constants(NamedTuple):
    """Of a type: pi/2 in two parts, (asin(x) - x) / x^3 and (atan(x) - x) / x^3, and what may be added to itself."""

    half_pi: tuple[float, float]
    asin: tuple[float, ...]
    atan: tuple[float, ...]
    large: float


_SINGLE = _Constants(
    (1.5707963705062866, -4.3711390001862426e-08),
    # relative errors 2**-32 and 2**-30
    (
        0.166666598719029, 0.07500510917970027, 0.04451572011082241, 0.03181761342450288, 0.014402597474466363,
        0.037565214622488616,
    ),
    (
        -0.3333331550363876, 0.19998489329196725, -0.14243846567923998, 0.10595984535505311, -0.06083407930451447,
    ),
    2.0**126,
)  # fmt: skip
_DOUBLE = _Constants(
    (1.5707963267948966, 6.123233995736766e-17),
    # relative errors 2**-60 and 2**-59
    (
        0.16666666666666763, 0.07499999999970261, 0.044642857175121536, 0.03038194268358835, 0.022372215660971157,
        0.017351600081833504, 0.01398096155346537, 0.011397775257954514, 0.010786532733271131, 0.0036830291381301657,
        0.02176352861233357, -0.021077332079336236, 0.03267691378031554,
    ),
    (
        -0.333333333333332, 0.19999999999954074, -0.14285714280247666, 0.11111110786093317, -0.09090897835110244,
        0.07692061612377128, -0.06663120093177378, 0.05848006737771635, -0.05039835433909368, 0.038078058765078235,
        -0.017921985880083213,
    ),
    2.0**1022,
)  # fmt: skip


def asin(x: Lanes) -> Lanes:
    """Return the angle from -pi/2 to pi/2 whose sine is x; NaN beyond 1."""
    high, low = _constants(x).half_pi
    magnitude = abs(x)
    far, angle, _ = _asin_of_near(magnitude)
    return far.choose(high - (angle + angle - low), angle).with_sign_of(x)


def acos(x: Lanes) -> Lanes:
    """Return the angle from 0 to pi whose cosine is x; NaN beyond 1."""
    high, low = _constants(x).half_pi
    far, angle, rest = _asin_of_near(abs(x))
    twice = angle + angle
    negative = x < 0.0
    outer = negative.choose(2.0 * high - (twice - 2.0 * low), twice)
    # pi/2 - (x + rest), the small parts first.
    inner = high - (x - (low - rest.with_sign_of(x)))
    return far.choose(outer, inner)


def atan(x: Lanes) -> Lanes:
    """Return the angle from -pi/2 to pi/2 whose tangent is x."""
    return _angle(abs(x), x.constant(1.0)).with_sign_of(x)


def atan2(y: Lanes, x: Lanes) -> Lanes:
    """Return the angle of the point (x, y), from -pi to pi; of points at the origin by the signs of the zeros."""
    c = _constants(x)
    above, beside = abs(y), abs(x)
    same = above.equals(beside)
    # Both infinite or both zero as well: neither quotient is a number.
    above, beside = same.choose((above > 0.0).choose(x.constant(1.0), above), above), same.choose(1.0, beside)
    large = (above > c.large) | (beside > c.large)
    scale = large.choose(x.constant(0.25), 1.0)
    angle = _angle(above * scale, beside * scale)
    negative = x.bits() < 0
    angle = negative.choose(2.0 * c.half_pi[0] - (angle - 2.0 * c.half_pi[1]), angle)
    return angle.with_sign_of(y)


def _constants(x: Lanes) -> _Constants:
    return _DOUBLE if x.double else _SINGLE


def _asin_of_near(magnitude: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    """Return whether x is above 1/2, asin of sqrt((1 - x) / 2) there and of x elsewhere, and by what it differs."""
    far = magnitude > 0.5
    square = far.choose(0.5 - magnitude * 0.5, magnitude * magnitude)
    s = far.choose(square.sqrt(), magnitude)
    rest = s * square * polynomial(square, _constants(magnitude).asin)
    return far, s + rest, rest


def _angle(above: Lanes, beside: Lanes) -> Lanes:
    """Return atan(above / beside) of numbers that are not negative."""
    c = _constants(above)
    steep, middle = above > beside * (1.0 + math.sqrt(2.0)), above > beside * (math.sqrt(2.0) - 1.0)
    numerator = steep.choose(-beside, middle.choose(above - beside, above))
    denominator = steep.choose(above, middle.choose(above + beside, beside))
    t = numerator / denominator
    square = t * t
    half, quarter = c.half_pi, (c.half_pi[0] / 2.0, c.half_pi[1] / 2.0)
    zero = t.constant(0.0)
    high = steep.choose(half[0], middle.choose(quarter[0], zero))
    low = steep.choose(half[1], middle.choose(quarter[1], zero))
    return high + (t + (t * square).times_plus(polynomial(square, c.atan), low))
