"""The rest of a division of floats, exactly: C's fmod.

By long division: as long as the rest is not below the divisor, a multiple of the divisor is taken away whose factor
has few enough bits that nothing is rounded.
"""

from __future__ import annotations

import math

from lamina.compiler.codegen.mathematics.lanes import Lanes
from lamina.compiler.codegen.mathematics.rounding import floor

_DIGITS = 25
"""The quotient taken at once has at most one bit more; with half of the divisor's bits it makes an exact product."""
_LOWER_HALF = (1 << 27) - 1


def modulo(x: Lanes, y: Lanes) -> Lanes:
    """Return x - y trunc(x / y), with the sign of x; NaN for an infinite x and for y = 0."""
    if not x.double:
        return modulo(x.widened(), y.widened()).narrowed()
    f = x.f
    divisor = abs(y)
    rest = f.variable(abs(x).value)
    with f.while_() as more:
        now = x.like(f.get(rest))
        # Lanes with NaN, infinity or zero have nothing to do here.
        going = (now >= divisor) & (now < math.inf) & (divisor > 0.0)
        more.leave_unless(going.any().value)
        f.set(rest, going.choose(_step(now, going.choose(divisor, now)), now).value)
    result = x.like(f.get(rest)).with_sign_of(x)
    result = divisor.is_nan().choose(divisor, result)
    return (abs(x).equals(math.inf) | y.equals(0.0)).choose(math.nan, result)


def _step(rest: Lanes, divisor: Lanes) -> Lanes:
    """Return a rest less a multiple of a divisor that is not above it."""
    excess = _exponent(rest) - _exponent(divisor) - _DIGITS
    excess = (excess > 0).choose(excess, 0)
    # Up to 2**2072, between the smallest number and the largest: more than one factor holds.
    quarter = excess >> 2
    factor = _power_of_two(quarter)
    scaled = divisor * factor * factor * factor * _power_of_two(excess - 3 * quarter)
    upper = (scaled.bits() & ~_LOWER_HALF).as_float()
    quotient = floor(rest / scaled)
    # It may have been rounded up to an integer: then this is negative, and the last multiple goes back.
    left = (rest - quotient * upper) - quotient * (scaled - upper)
    return (left < 0.0).choose(left + scaled, left)


def _exponent(x: Lanes) -> Lanes:
    """Return the exponent and its bias, of subnormal numbers too."""
    tiny = x < 2.0**-1022
    field = tiny.choose(x * 2.0**64, x).bits() >> 52
    return tiny.choose(field - 64, field)


def _power_of_two(n: Lanes) -> Lanes:
    return ((n + 1023) << 52).as_float()
