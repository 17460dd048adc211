"""Special functions that the array API does not have, over any of its namespaces."""

from __future__ import annotations

from typing import Any

# W. J. Cody, "Rational Chebyshev approximations for the error function", Mathematics of Computation 23
# (1969), tables II and III (n = 4 and 8): numerator and denominator.
_NEAR = (
    (
        1.85777706184603153e-1,
        3.16112374387056560e0,
        1.13864154151050156e2,
        3.77485237685302021e2,
        3.20937758913846947e3,
    ),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
_MIDDLE = (
    (
        2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1,
        2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
        1.23033935479799725e3,
    ),
    (
        1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
        3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3,
    ),
)  # fmt: skip


ERF_NEAR = (
    -0.0005862095458046435, 0.004967510178992296, -0.026748867354355197, 0.11281320812239198, -0.37612445956384,
    0.1283791423223824,
)  # fmt: skip
ERF_FAR = (
    -0.0004397293800103473, 0.006636563081117992, -0.04428422550505007, 0.17342588626486943, -0.4471061862194966,
    0.8076383162677072, -1.0561943935276978, 0.9879073859998289,
)  # fmt: skip
"""For float32: below 0.95 ``x + x P(x^2)``, and beyond ``1 - exp(-x^2) Q(x)``, which is 1 from 4 on.

Their largest relative errors in the result are the least that so many coefficients have, 2**-25.4 and 2**-25.6.
"""


def horner(coefficients: tuple[float, ...], x: Any) -> Any:
    """Return a polynomial of an array or tensor, the coefficient of the highest power first."""
    result = coefficients[0] * x
    for coefficient in coefficients[1:-1]:
        result += coefficient
        result *= x
    result += coefficients[-1]
    return result


def erf_single(xp: Any, x: Any) -> Any:
    """Return the error function of float32, to 1.5 units in the last place."""
    magnitude = xp.clip(xp.abs(x), max=4.0)
    square = magnitude * magnitude
    near = horner(ERF_NEAR, square)
    near *= magnitude
    near += magnitude
    tail = horner(ERF_FAR, magnitude)
    tail *= xp.exp(-square)
    return xp.copysign(xp.where(magnitude < 0.95, near, 1.0 - tail), x)


def erf(xp: Any, x: Any) -> Any:
    """Return the error function of float64, 2/sqrt(pi) * integral of exp(-t^2) from 0 to x.

    Three ranges: a rational function of x^2 below 0.46875, exp(-x^2) times one of |x| up to 4; beyond 6 the
    result is 1 to the last bit of float64, and between the second form still holds to 1e-16.
    """
    magnitude = xp.abs(x)
    near = magnitude <= 0.46875
    # Each form is evaluated only where it holds; elsewhere at a harmless point.
    small = xp.where(near, x, xp.zeros_like(x))
    square = small * small
    inner = small * horner(_NEAR[0], square) / horner(_NEAR[1], square)
    capped = xp.where(magnitude < 6.0, magnitude, xp.full_like(x, 6.0))
    tail = xp.exp(-capped * capped) * horner(_MIDDLE[0], capped) / horner(_MIDDLE[1], capped)
    outer = xp.where(x < 0, tail - 1.0, 1.0 - tail)
    return xp.where(xp.isnan(x), x, xp.where(near, inner, outer))
