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
    """A function of tensors with derivative rules of its own.

    Parameters
    ----------
    name : str
    function : callable
        From tensors and parameters to a tensor, by primitives.
    *derivatives : DerivativeRule
        One for each tensor, as in `Primitive`: ``(cotangent, result, *operands, **parameters)`` to its cotangent.
    """

    __slots__ = ("derivatives", "function", "name")

    def __init__(self, name: str, function: Callable[..., Tensor], *derivatives: DerivativeRule) -> None:
        self.name = name
        self.function = function
        self.derivatives = derivatives

    def __call__(self, *operands: Tensor, **params: Any) -> Tensor:
        operands = tuple([inside(x._snapshot) for x in operands])
        first = operands[0]
        if any(x._backend is not first._backend for x in operands):
            operands = first._unify(self.name, operands)
        with record(False):
            result = self.function(*operands, **params)
        if not STATE.recording or all(x._node is None for x in operands):
            return result
        return recorded(self, operands, params, result)

    def __repr__(self) -> str:
        return f"<composite {self.name}>"
