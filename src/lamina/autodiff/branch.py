"""A function of which a trace does not know whether it is the one that is taken, in derivatives."""

from __future__ import annotations

from typing import Any

from lamina.autodiff.checkpoint import from_outside, under_node
from lamina.autodiff.node import Joint
from lamina.autodiff.row_gradient import RowGradient
from lamina.autodiff.sweep import sweep_between
from lamina.backends.thread_state import STATE
from lamina.functions.comparisons import where
from lamina.primitives.multiple_results import Bundle
from lamina.primitives.repeated_product import Products
from lamina.tensor import Tensor


class Branch:
    """What one of two functions computed, as the operation of a node.

    Its results have cotangents of zero where it is not taken. A product sums over such, and makes NaN of zero times an
    operand that is not finite; so what leaves the function is chosen once more.

    Parameters
    ----------
    chosen : Tensor of bool without axes
        Which of the two is taken.
    when : bool
        Whether this one is, where ``chosen`` holds.
    computed : list
        The leaves of what the function returned.
    """

    name = "cond"

    def __init__(self, chosen: Tensor, when: bool, computed: list[Any]) -> None:
        self.derivatives = Joint(self._pull_back)
        self._chosen, self._when = chosen, when
        self.results = [at for at, x in enumerate(computed) if isinstance(x, Tensor) and x.tracked]
        self.inner: list[Tensor] = [computed[at] for at in self.results]

    def _pull_back(self, g: Any, y: Tensor, operands: tuple[Tensor, ...]) -> list[Any]:
        cotangents = g.parts if isinstance(g, Bundle) else (g,)
        pairs = [(x, each) for x, each in zip(self.inner, cotangents, strict=True) if each is not None]
        nodes = [x._node for x in operands]
        found = sweep_between(pairs, [node for node in nodes if node is not None])
        return [self._if_taken(found.get(node)) if node is not None else None for node in nodes]

    def _if_taken(self, g: Any) -> Any:
        if g is None:
            return None
        if isinstance(g, RowGradient):
            return RowGradient(g.indices, self._if_taken(g.rows), g.length, g.is_distinct)
        if isinstance(g, Products):
            return Products([(self._if_taken(x), self._if_taken(y)) for x, y in g.factors])
        return where(self._chosen, g, g._scalar(0)) if self._when else where(self._chosen, g._scalar(0), g)


def as_branch(chosen: Tensor, when: bool, computed: list[Any], start: int) -> list[Any]:
    """Return what a function computed since the number ``start``, under a node that knows when it is taken."""
    branch = Branch(chosen, when, computed)
    outside = STATE.tracer.lift("cond", tuple(from_outside(branch.inner, start)))
    return under_node(branch, outside, computed)
