"""All passes in one sweep: what a graph is when the scheduler gets it."""

from __future__ import annotations

from lamina.compiler.graph.ir import Graph
from lamina.compiler.graph.passes.arithmetic import ARITHMETIC
from lamina.compiler.graph.passes.choices import CHOICES
from lamina.compiler.graph.passes.convolutions import CONVOLVING
from lamina.compiler.graph.passes.folding import FOLDING
from lamina.compiler.graph.passes.loops import kept_for_later
from lamina.compiler.graph.passes.operands import OPERANDS
from lamina.compiler.graph.passes.products import PRODUCTS
from lamina.compiler.graph.passes.reductions import REDUCING
from lamina.compiler.graph.passes.rewriting import Pass, merged, rewrite
from lamina.compiler.graph.passes.splitting import split_reductions
from lamina.compiler.graph.passes.views import VIEWS

PASSES: tuple[Pass, ...] = (FOLDING, VIEWS, OPERANDS, ARITHMETIC, CHOICES, REDUCING, PRODUCTS, CONVOLVING)
"""The passes whose rules look at a value and its operands; dead code and equal values go with any of them."""

_RULES = merged(PASSES)


def simplify(graph: Graph) -> Graph:
    """Return a graph that computes the same by fewer and cheaper operations.

    The rules keep NaN, infinity and signed zero, and every result but those of sums, products and matrix products,
    whose terms may be taken in another order, stays the same to the last bit.
    """
    return split_reductions(rewrite(kept_for_later(graph), _RULES))
