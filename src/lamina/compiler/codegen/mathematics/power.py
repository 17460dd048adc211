"""pow.

x^y = 2^(y log2 x). The product is as large as 1100, and its error is that of the result: in float64 the logarithm is a
pair of doubles, from the series of 2 artanh(s) = log(1 + f) with s = f / (2 + f) whose first two terms are pairs
(Muller, *Elementary Functions*, 3rd edition, 2016, section 11.5). float32 is computed in float64.
"""

from __future__ import annotations

import math

from lamina.compiler.codegen.mathematics.exponential import exp2
from lamina.compiler.codegen.mathematics.lanes import Lanes, polynomial
from lamina.compiler.codegen.mathematics.logarithm import rest_of_log1p, split
from lamina.compiler.codegen.mathematics.pairs import Pair, exact_product, ordered_sum
from lamina.compiler.codegen.mathematics.rounding import floor

_LOG2_E = 1.4426950408889634
_TWICE_LOG2_E = (2.8853900817779268, 4.0710547481862066e-17)
_THIRD = (0.3333333333333333, 1.850371707708594e-17)
# relative error 2**-65
_TAIL = (
    0.20000000000000195, 0.14285714285454895, 0.11111111193584383, 0.09090897563099218, 0.07693147460354938,
    0.06633462240182778, 0.06553919413313378,
)  # fmt: skip


def pow(x: Lanes, y: Lanes) -> Lanes:
    """Return x to the power of y, as C's annex F has it at zeros, infinities, NaN and negative numbers."""
    if not x.double:
        wide = x.widened(), y.widened()
        return _limits(*wide, _power_of_float(abs(wide[0]), wide[1])).narrowed()
    return _limits(x, y, _power(abs(x), y))


def _power_of_float(x: Lanes, y: Lanes) -> Lanes:
    """Return the power of a positive number, both floats, to 2^-27."""
    e, m = split(x)
    f = m - 1.0
    # No other logarithm than that of 1 is below 2^-24. Beyond 1000 the result is 0 or infinity.
    y = y.at_least(-(2.0**40)).at_most(2.0**40)
    exponent = (y * ((f + rest_of_log1p(f)).times_plus(_LOG2_E, e))).at_least(-1000.0).at_most(1000.0)
    return exp2(exponent, exponent.constant(0.0), brief=True)


def _power(x: Lanes, y: Lanes) -> Lanes:
    """Return the power of a positive number."""
    # The logarithm of no number but 1 is below 2^-53: larger exponents give 0 or infinity all the same.
    y = y.at_least(-(2.0**66)).at_most(2.0**66)
    logarithm = _log2(x)
    product = exact_product(y, logarithm.high)
    high, low = product.high, product.low + y * logarithm.low
    beyond = abs(high) > 1100.0
    high = high.at_least(-1100.0).at_most(1100.0)
    return exp2(high, beyond.choose(0.0, low))


def _log2(x: Lanes) -> Pair:
    """Return the logarithm to base 2, to 2^-64."""
    e, m = split(x)
    s = _quotient(m - 1.0)
    square = s * s
    # artanh(s) / s - 1 = s^2/3 + s^4 (1/5 + ...)
    rest = square.high * square.high * polynomial(square.high, _TAIL)
    third = Pair(x.constant(_THIRD[0]), x.constant(_THIRD[1]))
    terms = square * third
    terms = ordered_sum(terms.high, terms.low + rest)
    scaled = s * Pair(x.constant(_TWICE_LOG2_E[0]), x.constant(_TWICE_LOG2_E[1]))
    total = scaled + scaled * terms
    whole = ordered_sum(e, total.high)
    return ordered_sum(whole.high, whole.low + total.low)


def _quotient(f: Lanes) -> Pair:
    """Return f / (2 + f)."""
    divisor = ordered_sum(f.constant(2.0), f)
    high = f / divisor.high
    back = exact_product(high, divisor.high)
    low = ((f - back.high) - back.low - high * divisor.low) / divisor.high
    return Pair(high, low)


def _limits(x: Lanes, y: Lanes, power: Lanes) -> Lanes:
    """Return x^y where |x|^y is right for numbers that are neither zero nor infinite."""
    magnitude = abs(x)
    zero, infinite = magnitude.equals(0.0), magnitude.equals(math.inf)
    up = infinite ^ (y < 0.0)
    power = (zero | infinite).choose(up.choose(x.constant(math.inf), 0.0), power)
    half = y * 0.5
    whole = floor(y).equals(y)
    odd = whole & ~floor(half).equals(half)
    power = (odd & (x.bits() < 0)).choose(-power, power)
    undefined = (x < 0.0) & ~whole & ~infinite
    power = undefined.choose(math.nan, power)
    power = x.is_nan().choose(x, y.is_nan().choose(y, power))
    return (y.equals(0.0) | x.equals(1.0)).choose(1.0, power)
