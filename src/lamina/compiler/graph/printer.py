"""Graphs as text: one line a value, numbered from zero, so that equal programs print equally."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lamina.compiler.graph.ir import Graph, Value
from lamina.dtypes import DType

SHOWN = 4
"""How many elements of a constant are printed."""


def text(graph: Graph) -> str:
    """Return a graph as text; the body of a loop stands below it, further in, with numbers of its own.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina.compiler.graph.ir import Graph, full, input_value, operation
    >>> from lamina.primitives.primitive import Spec
    >>> spec = Spec((2, 3), la.float32)
    >>> x = input_value(0, spec)
    >>> y = operation("multiply", (x, full(Spec((), la.float32), 2.0)), spec)
    >>> print(text(Graph((x,), (y,), ())))
    graph(%0 float32[2, 3]):
      %1 float32[] = full(value=2.0)
      %2 float32[2, 3] = multiply(%0, %1)
      return %2
    """
    values = [each for each in graph.values() if each.op != "input"]
    names = {value: f"%{number}" for number, value in enumerate((*graph.inputs, *values))}
    inputs = ", ".join(f"{names[each]} {each.spec}" for each in graph.inputs)
    lines = [f"graph({inputs}):"]
    for each in values:
        lines.append(f"  {names[each]} {_spec(each.spec)} = {_call(each, names)}")
        for name, param in each.params.items():
            if isinstance(param, Graph):
                lines += [f"    {line}" for line in text(param).replace("graph", name, 1).splitlines()]
    for update in graph.updates:
        lines.append(f"  {names[graph.inputs[update.input]]} <- {names[update.value]}")
    lines.append(f"  return {', '.join(names[each] for each in graph.outputs)}".rstrip())
    return "\n".join(lines)


def _spec(spec: Any) -> str:
    return f"({', '.join(map(str, spec))})" if isinstance(spec, tuple) else str(spec)


def _call(value: Value, names: Mapping[Value, str]) -> str:
    operands = [names[each] for each in value.operands]
    params = [f"{name}={_param(each)}" for name, each in value.params.items() if not isinstance(each, Graph)]
    return f"{value.op}({', '.join(operands + params)})"


def _param(param: Any) -> str:
    if isinstance(param, DType):
        return param.name
    if isinstance(param, tuple):
        return f"[{', '.join(map(str, param))}]"
    if isinstance(param, np.ndarray):
        shown = [str(each) for each in param.reshape(-1)[:SHOWN]]
        return f"[{', '.join(shown)}{', ...' if param.size > SHOWN else ''}]"
    return repr(param)
