"""Mathematical functions written as vector code, with a stated bound of their error."""

from __future__ import annotations

from collections.abc import Callable

from lamina.compiler.codegen.mathematics.error_function import erf
from lamina.compiler.codegen.mathematics.exponential import cosh, exp, expm1, sigmoid, sinh, tanh
from lamina.compiler.codegen.mathematics.inverse_hyperbolic import acosh, asinh, atanh
from lamina.compiler.codegen.mathematics.inverse_trigonometric import acos, asin, atan, atan2
from lamina.compiler.codegen.mathematics.lanes import Lanes
from lamina.compiler.codegen.mathematics.logarithm import log, log1p, log2, log10
from lamina.compiler.codegen.mathematics.power import pow
from lamina.compiler.codegen.mathematics.trigonometric import cos, sin, tan

FUNCTIONS: dict[str, Callable[..., Lanes]] = {
    function.__name__: function
    for function in (
        exp, expm1, log, log1p, log2, log10, sin, cos, tan, asin, acos, atan, atan2, sinh, cosh, tanh, asinh, acosh,
        atanh, erf, sigmoid, pow,
    )
}  # fmt: skip
"""Each takes and returns `Lanes` of ``float`` or ``double``, by the name of its primitive."""
