"""How much arithmetic there is in a model, which tells how long its steps take operation by operation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lamina.autodiff.trees import leaves, with_leaves
from lamina.training.pairs import Pairs, Samples
from lamina.training.sample_arrays import Tree, called, is_rows

if TYPE_CHECKING:
    from lamina.compiler.graph.ir import Graph
    from lamina.nn.module import Module

_PRODUCT = 5e6
"""How many multiplications of products take as long, with their derivatives, as the operations of a small step."""
_CONVOLUTION = 1e6
"""The same of convolutions, whose windows are laid out in memory first."""


def row_load(model: Module) -> float:
    """Return the same as `load` for samples that are rows of numbers: every parameter is used once."""
    return sum(parameter.size for parameter in model.parameters()) / _PRODUCT


def load(model: Module, samples: Samples) -> float:
    """Return how long a sample's arithmetic takes, as a part of the time of a small step operation by operation.

    Where a sample is a row of numbers, every parameter is used once. Of images and sequences, the model is traced for
    one sample: weights are used at many places.
    """
    if not isinstance(samples, Pairs) or not len(samples) or is_rows(samples.inputs):
        return row_load(model)
    return max(_traced(model, samples.inputs) or 0.0, row_load(model))


def _traced(model: Module, inputs: Tree) -> float | None:
    """Return the arithmetic of one sample; None for a model that cannot be traced, whose first step says why."""
    from lamina.compiler.tracing.environment import Environment
    from lamina.compiler.tracing.trace import trace
    from lamina.primitives.primitive import Spec

    if Environment([model]).stores:
        return None  # it would change now, and not in a step
    specs = [Spec((1, *each.shape[1:]), each.dtype) for each in leaves(inputs)]

    def answer(tracer: Any) -> Any:
        arguments = [tracer.argument(place, spec, False) for place, spec in enumerate(specs)]
        return called(model, with_leaves(inputs, arguments))

    try:
        found = trace(answer, recording=False, loops=True)
    except Exception:
        return None
    return _of_graph(found.graph)


def _of_graph(graph: Graph) -> float:
    from lamina.compiler.graph.ir import SCAN

    total = 0.0
    for value in graph.values():
        if value.op == "matmul":
            total += math.prod(value.shape) * value.operands[0].shape[-1] / _PRODUCT
        elif value.op == "convolution":
            total += math.prod(value.shape) * math.prod(value.operands[1].shape[1:]) / _CONVOLUTION
        elif value.op == SCAN:
            total += value.params["length"] * _of_graph(value.params["body"])
    return total
