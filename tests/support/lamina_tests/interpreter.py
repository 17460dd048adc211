"""Running a graph by the eager backend: what every pass and every compiled program must agree with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.backends.protocol import numpy_dtype
from lamina.backends.registry import CPU
from lamina.backends.thread_state import quietly
from lamina.compiler.graph.ir import AFTER, CHECK, Graph, Value

NDArray = npt.NDArray[Any]


def interpret(graph: Graph, inputs: Sequence[NDArray]) -> tuple[tuple[NDArray, ...], tuple[NDArray, ...]]:
    """Return the outputs of a graph and what its updates write, in their order.

    Parameters
    ----------
    graph : Graph
    inputs : sequence of numpy.ndarray
        One for each input, of its shape and type. They are not changed.
    """
    return quietly(_interpret, graph, inputs)  # type: ignore[no-any-return]


def _interpret(graph: Graph, inputs: Sequence[NDArray]) -> tuple[tuple[NDArray, ...], tuple[NDArray, ...]]:
    known: dict[Value, Any] = {}
    for value in graph.values():
        if value.op == "input":
            known[value] = inputs[value.params["index"]]
        else:
            known[value] = evaluate(value, [known[each] for each in value.operands])
    outputs = tuple(np.asarray(known[each]) for each in graph.outputs)
    return outputs, tuple(np.asarray(known[each.value]) for each in graph.updates)


def evaluate(value: Value, operands: Sequence[Any]) -> Any:
    """Return the result of one operation; floating-point warnings are the caller's to silence."""
    if value.op == "constant":
        return value.params["array"]
    if value.op == "full":
        return CPU.full(value.shape, value.params["value"], value.dtype)
    if value.op == CHECK:
        if not operands[0]:
            raise value.params["error"]
        return operands[0]
    if value.op == AFTER:
        return operands[0]
    if value.op == "scan":
        return _looped(value, operands)
    return getattr(CPU, value.op)(*operands, **value.params)


def _looped(value: Value, operands: Sequence[Any]) -> tuple[NDArray, ...]:
    """Return the results of a loop: the last carries, and what each step gives."""
    body, length, reverse = value.params["body"], value.params["length"], value.params["reverse"]
    first, last = value.params["constants"], value.params["constants"] + value.params["carries"]
    known, rows = list(operands[:last]), operands[last:]
    stacked = [np.empty(spec.shape, numpy_dtype(spec.dtype)) for spec in value.spec[value.params["carries"] :]]
    if value.params["stops"]:
        length = min(max(int(operands[0]), 0), length)
        for whole in stacked:
            whole[length:] = 0
    for t in range(length - 1, -1, -1) if reverse else range(length):
        outputs, after = _interpret(body, [*known, *(row[t] for row in rows)])
        for update, array in zip(body.updates, after, strict=True):
            known[update.input] = array
        for whole, output in zip(stacked, outputs, strict=True):
            whole[t] = output
    return (*known[first:last], *stacked)
