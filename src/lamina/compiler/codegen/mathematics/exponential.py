"""exp, expm1 and what is made of them at once: sigmoid, tanh, sinh and cosh.

The argument is x = n ln 2 + r with an integer n and |r| <= ln(2) / 2; ln 2 is subtracted in two parts, of which the
first has so few bits that its product with n is exact (W. J. Cody and W. Waite, *Software Manual for the Elementary
Functions*, 1980, chapter 6). exp(r) is a polynomial whose largest relative error is least (E. Remez's exchange).
"""

from __future__ import annotations

from typing import NamedTuple

from lamina.compiler.codegen.mathematics.lanes import Lanes, polynomial


class _Constants(NamedTuple):
    """What belongs to a type.

    Attributes
    ----------
    shift : float
        1.5 times the power of two whose last bit is worth 1: adding it rounds, and leaves the integer in the lowest
        bits.
    mantissa, bias : int
        Bits of the fraction, and what is added to an exponent.
    high, low : float
        ln 2 in two parts.
    least, most : float
        Below and above, exp is 0 and infinity, and stays so a little beyond.
    one : float
        Where tanh has become 1.
    exp, expm1 : tuple of float
        (exp(r) - 1 - r) / r^2, fitted to the relative error of exp and of expm1.
    """

    shift: float
    mantissa: int
    bias: int
    high: float
    low: float
    least: float
    most: float
    one: float
    exp: tuple[float, ...]
    expm1: tuple[float, ...]


_SINGLE = _Constants(
    1.5 * 2.0**23, 23, 127, 0.693145751953125, 1.4286068203094173e-06, -104.5, 89.5, 10.0,
    # relative errors 2**-28 and 2**-26
    (0.4999999345786539, 0.16666520707764323, 0.04166838667587784, 0.008368709805281333, 0.001381463488668862),
    (0.5000000061918769, 0.16666543005191328, 0.04166628206035439, 0.00836658268932892, 0.0013946448459694666),
)  # fmt: skip
_DOUBLE = _Constants(
    1.5 * 2.0**52, 52, 1023, 0.6931471805598903, 5.497923018708371e-14, -746.0, 710.5, 20.0,
    # relative errors 2**-58 and 2**-62
    (
        0.5000000000000011, 0.16666666666666413, 0.041666666666530704, 0.00833333333349433, 0.0013888888943505945,
        0.00019841269506577498, 2.480149321417046e-05, 2.7557586558228633e-06, 2.7630210871205346e-07,
        2.4999959710820824e-08,
    ),
    (
        0.5, 0.16666666666666677, 0.0416666666666667, 0.008333333333321619, 0.0013888888888866843,
        0.00019841269886151436, 2.4801587360548367e-05, 2.7557244188493174e-06, 2.7557242765757903e-07,
        2.5109042756546026e-08, 2.0924441556337997e-09,
    ),
)  # fmt: skip
_LOG2_E = 1.4426950408889634
_LN2 = 0.6931471805599453


def exp(x: Lanes) -> Lanes:
    """Return e to the power of x."""
    c = _constants(x)
    return _exp(x.at_least(c.least).at_most(c.most))


def expm1(x: Lanes) -> Lanes:
    """Return exp(x) - 1, as ((exp(r) - 1) + (1 - 2^-n)) 2^n."""
    c = _constants(x)
    n, r = _reduced(x.at_least(-2.0 * c.one).at_most(c.most))
    exponent = _integer(n)
    # From n = bias on, 2^-n has no normal form, and has not mattered for long.
    small = (exponent < c.bias).choose(c.bias - exponent, 0) << c.mantissa
    total = _expm1_of_small(r) + (1.0 - small.as_float())
    total = total * ((exponent + (c.bias - 1)) << c.mantissa).as_float()
    return (total + total).with_sign_of(x)


def exp2(high: Lanes, low: Lanes, brief: bool = False) -> Lanes:
    """Return 2 to the power of high + low, where low is small; to 2^-27 if brief."""
    c = _constants(high)
    n = (high + c.shift) - c.shift
    r = ((high - n) + low) * _LN2
    power = (r * r).times_plus(polynomial(r, _SINGLE.exp if brief else c.exp), r) + 1.0
    return _times_power_of_two(power, n)


def sigmoid(x: Lanes) -> Lanes:
    """Return 1 / (1 + exp(-x)), by exp(-|x|), which does not overflow."""
    power = _exp((-abs(x)).at_least(_constants(x).least))
    return (x < 0.0).choose(power, 1.0) / (power + 1.0)


def tanh(x: Lanes) -> Lanes:
    """Return t / (t + 2) with t = expm1(2 |x|), and the sign of x."""
    c = _constants(x)
    half = abs(x).at_most(c.one)
    n, r = _reduced(half + half)
    power = ((_integer(n) + c.bias) << c.mantissa).as_float()
    t = power.times_plus(_expm1_of_small(r), power - 1.0)
    return (t / (t + 2.0)).with_sign_of(x)


def sinh(x: Lanes) -> Lanes:
    """Return (exp(x) - exp(-x)) / 2.

    With exp(|x|) = 2^n (1 + t) that is (P - Q) + (P t + Q t / (1 + t)), where P = 2^(n-1) and Q = 2^(-n-1): nothing
    cancels, and n = 0 leaves what is small.
    """
    magnitude = abs(x)
    t, p, q = _halves_of_powers(magnitude)
    total = (p - q) + p.times_plus(t, q * (t / (t + 1.0)))
    # Subnormal numbers have no bits left for Q t.
    tiny = magnitude < (2.0**-28 if x.double else 2.0**-13)
    return tiny.choose(x, (total + total).with_sign_of(x))


def cosh(x: Lanes) -> Lanes:
    """Return (exp(x) + exp(-x)) / 2."""
    t, p, q = _halves_of_powers(abs(x))
    power = t + 1.0
    total = p.times_plus(power, q / power)
    return total + total


# --- parts ---


def _constants(x: Lanes) -> _Constants:
    return _DOUBLE if x.double else _SINGLE


def _exp(x: Lanes) -> Lanes:
    n, r = _reduced(x)
    return _times_power_of_two(_exp_of_small(r), n)


def _reduced(x: Lanes) -> tuple[Lanes, Lanes]:
    """Return n, as a float, and r."""
    c = _constants(x)
    n = x.times_plus(_LOG2_E, c.shift) - c.shift
    return n, n.times_plus(-c.low, n.times_plus(-c.high, x))


def _halves_of_powers(x: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    """Return exp(r) - 1, 2^(n-2) and 2^(-n-2): half of what is wanted, which does not overflow."""
    c = _constants(x)
    n, r = _reduced(x.at_most(c.most))
    exponent = _integer(n)
    small = (c.bias - 2) - exponent
    small = (small > 0).choose(small, 0) << c.mantissa
    large = (exponent + (c.bias - 2)) << c.mantissa
    return _expm1_of_small(r), large.as_float(), small.as_float()


def _exp_of_small(r: Lanes) -> Lanes:
    return (r * r).times_plus(polynomial(r, _constants(r).exp), r) + 1.0


def _expm1_of_small(r: Lanes) -> Lanes:
    return (r * r).times_plus(polynomial(r, _constants(r).expm1), r)


def _integer(n: Lanes) -> Lanes:
    """Return a small integer that is a float as an integer of its width; anything for NaN."""
    c = _constants(n)
    shifted = (n + c.shift).bits()
    return shifted - _bits_of_shift(c)


def _bits_of_shift(c: _Constants) -> int:
    return ((c.bias + c.mantissa) << c.mantissa) + (1 << (c.mantissa - 1))


def _times_power_of_two(p: Lanes, n: Lanes) -> Lanes:
    """Return p 2^n for p near 1, rounded once where the result is subnormal."""
    c = _constants(p)
    if (scaled := _scaled(p, n)) is not None:
        return scaled
    # In two steps, for 2^n may have no normal form.
    integer = _integer(n)
    half = integer >> 1
    first = ((half + c.bias) << c.mantissa).as_float()
    return p * first * (((integer - half) + c.bias) << c.mantissa).as_float()


def _scaled(p: Lanes, n: Lanes) -> Lanes | None:
    """Return p 2^n by the instruction of AVX-512 for it; a vector of several registers one by one."""
    f, kind = p.f, p.value.type
    width = kind.lanes * kind.bits
    if not {"avx512f", "avx512vl"} <= f.module.target.known:
        return None
    if width > 512 and kind.lanes % 2 == 0:
        half = kind.lanes // 2
        sides = [range(half), range(half, kind.lanes)]
        parts = [_scaled(*(p.like(f.shuffle(each.value, each.value, side)) for each in (p, n))) for side in sides]
        low, high = parts
        return None if low is None or high is None else p.like(f.shuffle(low.value, high.value, range(kind.lanes)))
    if width not in (128, 256, 512):
        return None
    mask = f"i{max(kind.lanes, 8)} -1"
    rounding = ", i32 4" if width == 512 else ""
    name = f"llvm.x86.avx512.mask.scalef.p{'d' if p.double else 's'}.{width}"
    return p.like(f.call(name, kind, p.value, n.value, p.value, extra=mask + rounding))
