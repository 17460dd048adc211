"""asinh, acosh and atanh, by log1p of something that is small where they are; log(2 x) where x is large.

J.-M. Muller, *Elementary Functions*, 3rd edition, 2016, section 1.2.
"""

from __future__ import annotations

import math

from lamina.compiler.codegen.mathematics.lanes import Lanes
from lamina.compiler.codegen.mathematics.logarithm import log1p, log_of_pair
from lamina.compiler.codegen.mathematics.pairs import Pair, exact_sum


def asinh(x: Lanes) -> Lanes:
    """Return log(x + sqrt(x^2 + 1)), as log1p(|x| + x^2 / (1 + sqrt(x^2 + 1))) with the sign of x."""
    magnitude = abs(x)
    square = x * x
    small = magnitude + square / ((square + 1.0).sqrt() + 1.0)
    return _log1p_or_double(magnitude, small).with_sign_of(x)


def acosh(x: Lanes) -> Lanes:
    """Return log(x + sqrt(x^2 - 1)), as log1p(t + sqrt(t (t + 2))) with t = x - 1."""
    t = x - 1.0
    return (x < 1.0).choose(math.nan, _log1p_or_double(x, t + (t * (t + 2.0)).sqrt()))


def atanh(x: Lanes) -> Lanes:
    """Return log((1 + x) / (1 - x)) / 2, as log1p(2 |x| / (1 - |x|)) / 2 with the sign of x."""
    magnitude = abs(x)
    return (log1p((magnitude + magnitude) / (1.0 - magnitude)) * 0.5).with_sign_of(x)


def _log1p_or_double(x: Lanes, small: Lanes) -> Lanes:
    """Return log(1 + small), or log(2 x) where x is so large that both are the same."""
    large = x > (2.0**28 if x.double else 2.0**13)
    total = exact_sum(x.constant(1.0), small)
    number = Pair(large.choose(x, total.high), large.choose(0.0, total.low))
    y = log_of_pair(number, large.choose(x.constant(1.0), 0.0))
    return (x < math.inf).choose(y, x)
