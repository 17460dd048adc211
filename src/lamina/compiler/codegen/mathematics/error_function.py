"""erf.

Up to about 1 x + x P(x^2), and beyond 1 - exp(-x^2) Q(t). In float32 t is |x|; in float64 (|x| - 3) / (|x| + 3) (M. M.
Shepherd and J. G. Laframboise, *Chebyshev approximation of (1 + 2x) exp(x^2) erfc x in 0 <= x < oo*, Mathematics of
Computation 36, 1981). The coefficients have the least largest error in the result; those of float32 are the eager
function's.

The derivative of erf has the same exp(-x^2). Where both are wanted, as of a GELU, LLVM computes it once.
"""

from __future__ import annotations

from lamina.backends.special import ERF_FAR, ERF_NEAR
from lamina.compiler.codegen.mathematics.exponential import exp
from lamina.compiler.codegen.mathematics.lanes import Lanes, polynomial

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
    magnitude, square = abs(x).at_most(6.1 if x.double else 4.0), x * x
    near = magnitude.times_plus(polynomial(square, _NEAR if x.double else ERF_NEAR[::-1]), magnitude)
    t = (magnitude - 3.0) / (magnitude + 3.0) if x.double else magnitude
    far = 1.0 - exp(-square) * polynomial(t, _FAR if x.double else ERF_FAR[::-1])
    return (magnitude < (1.0 if x.double else 0.95)).choose(near, far).with_sign_of(x)
