"""Functions made of primitives whose derivative is better known as a whole.

A pseudo-inverse has a derivative wherever its rank is constant, but the singular vectors that it is computed
from do not where singular values coincide. A `Composite` computes by the parts and differentiates by its own
rule. A backend, and so the tracer, sees the parts only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lamina.autodiff.node import DerivativeRule, record, recorded
from lamina.backends.thread_state import STATE
from lamina.primitives.batching import inside

if TYPE_CHECKING:
    from lamina.tensor import Tensor


class Composite:
    """A function of one tensor with a derivative rule of its own.

    Parameters
    ----------
    name : str
    function : callable
        From a tensor and parameters to a tensor, by primitives.
    derivative : DerivativeRule
        As in `Primitive`: ``(cotangent, result, operand, **parameters)`` to the operand's cotangent.
    """

    __slots__ = ("derivatives", "function", "name")

    def __init__(self, name: str, function: Callable[..., Tensor], derivative: DerivativeRule) -> None:
        self.name = name
        self.function = function
        self.derivatives = (derivative,)

    def __call__(self, x: Tensor, **params: Any) -> Tensor:
        x = inside(x._snapshot)
        with record(False):
            result = self.function(x, **params)
        if x._node is None or not STATE.recording:
            return result
        return recorded(self, (x,), params, result)

    def __repr__(self) -> str:
        return f"<composite {self.name}>"
