"""Sums and products with their rounding errors: unevaluated pairs of floats, twice as accurate as one.

T. J. Dekker, *A floating-point technique for extending the available precision*, Numerische Mathematik 18 (1971);
D. E. Knuth, *The Art of Computer Programming*, volume 2, section 4.2.2.
"""

from __future__ import annotations

from dataclasses import dataclass

from lamina.compiler.codegen.mathematics.lanes import Lanes


@dataclass(frozen=True, slots=True)
class Pair:
    """``high + low``, where high is that sum rounded."""

    high: Lanes
    low: Lanes

    def __add__(self, other: Pair) -> Pair:
        """Return the sum, for a number that is not smaller than the other."""
        total = ordered_sum(self.high, other.high)
        return ordered_sum(total.high, total.low + (self.low + other.low))

    def __mul__(self, other: Pair) -> Pair:
        product = exact_product(self.high, other.high)
        low = self.high.times_plus(other.low, self.low * other.high) + product.low
        return ordered_sum(product.high, low)


def exact_sum(a: Lanes, b: Lanes) -> Pair:
    """Return a + b."""
    total = a + b
    from_b = total - a
    return Pair(total, (a - (total - from_b)) + (b - from_b))


def ordered_sum(a: Lanes, b: Lanes) -> Pair:
    """Return a + b, where a is not the smaller one in magnitude."""
    total = a + b
    return Pair(total, b - (total - a))


def exact_product(a: Lanes, b: Lanes) -> Pair:
    """Return a b, for numbers whose product is neither near overflow nor near underflow."""
    product = a * b
    if a.f.module.target.fma:
        return Pair(product, a.like(a.f.fma(a.value, b.value, (-product).value)))
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    error = ((a_high * b_high - product) + a_high * b_low) + a_low * b_high
    return Pair(product, error + a_low * b_low)


def _halves(a: Lanes) -> tuple[Lanes, Lanes]:
    """Return two numbers with half of the bits each, whose sum it is (G. W. Veltkamp)."""
    scaled = a * (2.0**27 + 1.0 if a.double else 2.0**12 + 1.0)
    high = scaled - (scaled - a)
    return high, a - high
