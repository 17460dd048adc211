"""Mathematical functions written as vector code, with a stated bound of their error."""

from __future__ import annotations

from collections.abc import Callable

from lamina.compiler.codegen.mathematics import exponential, logarithm
from lamina.compiler.codegen.mathematics.lanes import Lanes

FUNCTIONS: dict[str, Callable[..., Lanes]] = {
    "exp": exponential.exp,
    "expm1": exponential.expm1,
    "sigmoid": exponential.sigmoid,
    "tanh": exponential.tanh,
    "log": logarithm.log,
}
"""Each takes and returns `Lanes` of ``float`` or ``double``."""
