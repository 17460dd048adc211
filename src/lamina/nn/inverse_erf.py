"""The inverse of the error function, which turns uniform numbers into normal ones."""

from __future__ import annotations

import math

from lamina.backends.special import horner
from lamina.dtypes import float64
from lamina.functions.comparisons import clip, where
from lamina.functions.elementwise import erf, exp, log, sqrt
from lamina.tensor import Tensor

# M. Giles, "Approximating the erfinv function", GPU Computing Gems 2, 2011, single-precision form: polynomials in
# w = -log(1 - x^2), highest power first.
_CENTRE = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503, -0.00417768164,
    0.246640727, 1.50140941,
)  # fmt: skip
_TAIL = (
    -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047,
    1.00167406, 2.83297682,
)  # fmt: skip


def inverse_erf(x: Tensor) -> Tensor:
    """Return the number whose error function is ``x``, for float32 or float64 in ±(1 - 2**-24), limited to those."""
    x = clip(x, -1.0 + 2.0**-24, 1.0 - 2.0**-24)
    w = -log((1.0 - x) * (1.0 + x))
    near = w < 5.0
    centre = horner(_CENTRE, where(near, w, 0.0) - 2.5)
    tail = horner(_TAIL, sqrt(where(near, 5.0, w)) - 3.0)
    first = where(near, centre, tail) * x
    if x.dtype is not float64:
        return first
    # Giles's form is good to 1e-7; one step of Newton's method squares that.
    return first - (erf(first) - x) * exp(first * first) * (math.sqrt(math.pi) / 2.0)
