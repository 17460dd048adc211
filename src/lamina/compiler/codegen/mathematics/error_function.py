"""erf.

Up to about 1 x + x P(x^2). Beyond, in float64 1 - exp(-x^2) Q(t) with t = (x - 3) / (x + 3) (M. M. Shepherd and
J. G. Laframboise, *Chebyshev approximation of (1 + 2x) exp(x^2) erfc x in 0 <= x < oo*, Mathematics of Computation 36,
1981, for the variable t), and in float32 1 - R(x)^-8 (M. Abramowitz and I. Stegun, *Handbook of Mathematical
Functions*, 7.1.27 and 7.1.28, for the form). The coefficients have the least largest error in the result.
"""

from __future__ import annotations

from lamina.compiler.codegen.mathematics.exponential import exp
from lamina.compiler.codegen.mathematics.lanes import Lanes, polynomial

# relative errors 2**-26 and 2**-28
_SINGLE_NEAR = (
    0.12837915749182288, -0.3761255046423687, 0.11282455329492502, -0.026791463018848778, 0.005032181287946916,
    -0.0006203254931550355,
)  # fmt: skip
_SINGLE_FAR = (
    1.0006680469192035, 0.13688691531733968, 0.1007472961412293, 0.007393454200845568, 0.019650242072506534,
    -0.008551233061507799, 0.00405607050862344, -0.0008407555525448832, 0.00010207008513294544,
)  # fmt: skip
# relative errors 2**-57
_NEAR = (
    0.12837916709551256, -0.3761263890318352, 0.11283791670944185, -0.02686617064311147, 0.005223977606118473,
    -0.0008548325929314498, 0.00012055293576901042, -1.492471230202065e-05, 1.644713157144076e-06,
    -1.6206313759916089e-07, 1.3710980404856665e-08, -7.779468502776188e-10,
)  # fmt: skip
_FAR = (
    0.1790011511813515, -0.3262335600460007, 0.24560380166396686, -0.1501159363115823, 0.07166585074921097,
    -0.024392322367049763, 0.004270382777430405, 0.0007132719286788668, -0.0005808849636598039, 7.667152469792259e-05,
    0.00010316334726722576, 1.5273431436129512e-05,
)  # fmt: skip


def erf(x: Lanes) -> Lanes:
    """Return 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    magnitude = abs(x).at_most(6.1 if x.double else 4.0)
    square = magnitude * magnitude
    near = magnitude.times_plus(polynomial(square, _NEAR if x.double else _SINGLE_NEAR), magnitude)
    if x.double:
        far = 1.0 - exp(-square) * polynomial((magnitude - 3.0) / (magnitude + 3.0), _FAR)
        return (magnitude < 1.0).choose(near, far).with_sign_of(x)
    root = polynomial(magnitude, _SINGLE_FAR)
    fourth = (root * root) * (root * root)
    far = 1.0 - 1.0 / (fourth * fourth)
    return (magnitude < 0.875).choose(near, far).with_sign_of(x)
