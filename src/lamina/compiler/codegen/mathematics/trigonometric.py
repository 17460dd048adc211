"""sin, cos and tan: x = n pi/2 + r with |r| <= pi/4, and polynomials in r.

pi/2 is subtracted in parts of 33 bits, whose products with n are exact up to n = 2^20 (W. J. Cody and W. Waite,
*Software Manual for the Elementary Functions*, 1980, chapter 8); larger arguments take `huge_angle`. float32 is
computed in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from lamina.compiler.codegen.mathematics.huge_angle import replace_huge_angles
from lamina.compiler.codegen.mathematics.lanes import Lanes, polynomial
from lamina.compiler.codegen.mathematics.pairs import Pair, exact_sum, ordered_sum

_PARTS = (1.5707963267341256, 6.077100506303966e-11, 2.0222662487111665e-21, 8.4784276603689e-32)
_SHIFT = 1.5 * 2.0**52
_LARGEST = 2.0**20

# (sin(r) - r) / r^3 and (cos(r) - 1 + r^2/2) / r^4, with relative errors of 2**-28 and 2**-33, 2**-58 and 2**-64.
_SINGLE = (
    (-0.1666665494300119, 0.008332178100206549, -0.00019517292556003204),
    (0.041666646865258644, -0.0013887367455171114, 2.443844438216261e-05),
)
_DOUBLE = (
    (
        -0.16666666666666632, 0.008333333333322424, -0.00019841269829816042, 2.7557313694896815e-06,
        -2.505075859957439e-08, 1.5896824704249545e-10,
    ),
    (
        0.0416666666666666, -0.0013888888888874138, 2.4801587289490875e-05, -2.7557314354954353e-07,
        2.087572364374766e-09, -1.1359667682671323e-11,
    ),
)  # fmt: skip


def sin(x: Lanes) -> Lanes:
    """Return the sine of radians; NaN for infinity."""
    sine, cosine, n = _sine_and_cosine(x)
    y = _odd(n).choose(cosine, sine)
    return _finish(x, _negated_if(y, n << 62))


def cos(x: Lanes) -> Lanes:
    """Return the cosine of radians; NaN for infinity."""
    sine, cosine, n = _sine_and_cosine(x)
    y = _odd(n).choose(sine, cosine)
    y = _negated_if(y, (n + 1) << 62)
    return y if x.double else y.narrowed()


def tan(x: Lanes) -> Lanes:
    """Return the tangent of radians; NaN for infinity."""
    sine, cosine, n = _sine_and_cosine(x)
    odd = _odd(n)
    y = odd.choose(cosine, sine) / odd.choose(sine, cosine)
    return _finish(x, _negated_if(y, n << 63))


def _finish(x: Lanes, y: Lanes) -> Lanes:
    if not x.double:
        return y.narrowed()
    return x.equals(0.0).choose(x, y)  # the low part of r has taken the sign of a zero


def _odd(n: Lanes) -> Lanes:
    return (n & 1).equals(1)


def _negated_if(y: Lanes, sign: Lanes) -> Lanes:
    """Return y with its sign turned where the highest bit of an integer is set."""
    return (y.bits() ^ (sign & -(1 << 63))).as_float()


def _sine_and_cosine(x: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    """Return sin(r) and cos(r) as float64, and n, of which the two lowest bits are right."""
    if not x.double:
        r, n = _reduced(x.widened(), _subtract_briefly)
        square = r.high * r.high
        sine = r.high * square.times_plus(polynomial(square, _SINGLE[0]), 1.0)
        cosine = (square * square).times_plus(polynomial(square, _SINGLE[1]), 1.0 - 0.5 * square)
        return sine, cosine, n
    r, n = _reduced(x, _subtract)
    square = r.high * r.high
    sine = r.high + (r.high * square).times_plus(polynomial(square, _DOUBLE[0]), r.low)
    half = square * 0.5
    near = 1.0 - half
    rest = (square * square).times_plus(polynomial(square, _DOUBLE[1]), -(r.high * r.low))
    return sine, near + (((1.0 - near) - half) + rest), n


def _reduced(x: Lanes, subtract: Callable[[Lanes, Lanes], Pair]) -> tuple[Pair, Lanes]:
    """Return r and n; a branch takes the lanes, if there are any, that are too large."""
    f = x.f
    shifted = x.times_plus(2.0 / math.pi, _SHIFT)
    r = subtract(x, shifted - _SHIFT)
    parts = [f.variable(each.value) for each in (r.high, r.low, shifted.bits())]
    magnitude = abs(x)
    huge = (magnitude > _LARGEST) & (magnitude < math.inf)
    with f.when(huge.any().value):
        replace_huge_angles(x, parts, _LARGEST)
    high, low, n = (x.like(f.get(part)) for part in parts)
    return Pair(high, low), n


def _subtract(x: Lanes, n: Lanes) -> Pair:
    """Return x - n pi/2 to more than twice the accuracy of a double."""
    first, second, third, fourth = _PARTS
    a = exact_sum(n.times_plus(-first, x), n * -second)
    b = exact_sum(a.high, n * -third)
    return ordered_sum(b.high, (a.low + b.low) - n * fourth)


def _subtract_briefly(x: Lanes, n: Lanes) -> Pair:
    """Return x - n pi/2 for an x that was a float: none is close enough to a multiple to need more."""
    high = n.times_plus(-_PARTS[1], n.times_plus(-_PARTS[0], x))
    return Pair(high, x.constant(0.0))
