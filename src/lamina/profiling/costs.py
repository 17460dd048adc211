"""What an operation costs besides time: bytes of memory and arithmetic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamina.compiler.decorator import CompiledFunction
from lamina.compiler.graph.ir import Graph, Value
from lamina.tensor import Tensor

Shape = Sequence[int]

_RESULT, _OPERAND, _PRODUCT = "result", "operand", "product"

ARITHMETIC: Mapping[str, str] = {
    **dict.fromkeys(("add", "subtract", "multiply", "divide", "negative", "abs", "sqrt"), _RESULT),
    **dict.fromkeys(("maximum", "minimum", "relu", "multiply_no_nan"), _RESULT),
    **dict.fromkeys(("sum", "prod", "max", "min", "cumulative_sum", "cumulative_prod"), _OPERAND),
    **dict.fromkeys(("matmul", "matmul_bfloat16"), _PRODUCT),
}
"""What the arithmetic of a primitive is counted by: one operation for each element of the result or of the operand, or
a multiplication and an addition for each term of a product. How much an ``exp`` is depends on the machine."""


def flops(name: str, operands: Sequence[Shape], result: Shape) -> int | None:
    """Return the floating-point operations of a primitive; None where they are not known.

    Examples
    --------
    >>> flops("matmul", [(64, 32), (32, 8)], (64, 8)), flops("sum", [(64, 8)], ()), flops("exp", [(3,)], (3,))
    (32768, 512, None)
    """
    counted = ARITHMETIC.get(name)
    if counted is None:
        return None
    if counted is _PRODUCT:
        return 2 * math.prod(result) * operands[0][-1]
    return math.prod(result if counted is _RESULT else operands[0])


def traffic(operands: Sequence[Tensor], result: Tensor) -> int:
    """Return the bytes that a primitive read and wrote: those of its operands and its result.

    A result that shares the memory of an operand, as a transposed matrix may, moves none.
    """
    made = result._data
    view = getattr(made, "base", None) is not None and isinstance(made, np.ndarray)
    total = _size(result)
    for operand in operands:
        data = operand._data
        if data is made or (view and isinstance(data, np.ndarray) and np.may_share_memory(made, data)):
            return 0
        total += _size(operand)
    return total


def _size(x: Tensor) -> int:
    data = x._data
    if isinstance(data, np.ndarray):
        return data.nbytes
    if isinstance(data, tuple):
        return sum(math.prod(each.shape) * x._backend.dtype_of(each).itemsize for each in data)
    return x.size * int(x.dtype.itemsize)


def of_program(function: CompiledFunction[..., Any]) -> tuple[int, int]:
    """Return bytes and floating-point operations of one run of the program that a compiled function used last.

    The bytes are those of what goes in, comes out and is updated: what is between stays in registers and caches.
    """
    used = next(reversed(function._traces.values()), None)
    if used is None:
        return 0, 0
    graph: Graph = used.trace.graph
    inputs = [each for each in graph.inputs if not isinstance(each.spec, tuple)]
    moved = [*inputs, *graph.outputs, *(each.value for each in graph.updates)]
    return sum(map(_bytes, moved)), sum(map(_arithmetic, graph.values()))


def _bytes(value: Value) -> int:
    return math.prod(value.shape) * int(value.dtype.itemsize)


def _arithmetic(value: Value) -> int:
    if value.op not in ARITHMETIC or not value.dtype.floating:
        return 0
    return flops(value.op, [each.shape for each in value.operands], value.shape) or 0
