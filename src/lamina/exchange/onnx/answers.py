"""From a model's outputs to what it says: classes with probabilities, or values in their units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lamina.data import ClassTarget
from lamina.dtypes import float32, float64
from lamina.errors import DataError
from lamina.exchange.onnx.batch import Operation
from lamina.exchange.onnx.proto import Described

if TYPE_CHECKING:
    from lamina.data import Target


def answer_names(target: Target) -> list[str]:
    """Return how the outputs are called."""
    return ["label", "probabilities"] if isinstance(target, ClassTarget) else ["value"]


def add_answers(
    described: Described,
    target: Target,
    names: Sequence[str],
    outputs: Sequence[tuple[str, Operation]],
    results: Sequence[str],
) -> None:
    """Add the nodes that turn the model's one result into the target's outputs, under these names."""
    if len(outputs) != 1 or len(outputs[0][1].shape) != 2 or outputs[0][1].shape[1] != target.outputs:
        shapes = ", ".join("[" + ", ".join(map(str, each.shape)) + "]" for _, each in outputs)
        raise DataError(
            f"export_onnx: the target {target.name!r} needs one output of shape [batch, {target.outputs}], and the "
            f"model returns {shapes}"
        )
    nodes, result, batch = described.nodes, results[0], outputs[0][1].shape[0]
    if isinstance(target, ClassTarget):
        chances = nodes.cast(nodes.add("Softmax", result, axis=1), float32)
        place = nodes.add("ArgMax", result, axis=1, keepdims=0)
        labels = nodes.add("Gather", nodes.constant(np.asarray(target.classes, object)), place, axis=0)
        described.add_output(names[0], labels, (batch,), None)
        described.add_output(names[1], chances, (batch, target.outputs), float32)
        return
    wide = nodes.add("Squeeze", nodes.cast(result, float64), nodes.vector([1]))
    scaled = nodes.add("Mul", wide, nodes.scalar(target.std, float64))
    described.add_output(names[0], nodes.add("Add", scaled, nodes.scalar(target.mean, float64)), (batch,), float64)
