"""The fingerprint of a program: equal for graphs that differ only in how their values are numbered."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from lamina.backends.protocol import numpy_dtype
from lamina.compiler.graph.ir import Graph, Value
from lamina.dtypes import DType


def fingerprint(graph: Graph) -> str:
    """Return a SHA-256 digest of what a graph computes, the same in every process, in hexadecimal.

    Values count in the order in which the outputs and updates reach them, constants by type, shape and bytes.
    """
    digest = hashlib.sha256()
    for part in canonical(graph):
        # Lengths go first, so that no two sequences of parts run together to the same bytes.
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def canonical(graph: Graph) -> Iterator[bytes]:
    """Yield a form of a graph in which numbering does not matter, in parts."""
    yield repr([str(each.spec) for each in graph.inputs]).encode()
    places: dict[Value, int] = {}
    for place, value in enumerate(_in_order(graph)):
        places[value] = place
        spec = value.spec
        yield repr(
            (
                value.op,
                [places[each] for each in value.operands],
                [str(each) for each in spec] if isinstance(spec, tuple) else str(spec),
                sorted((name, _param(each, value)) for name, each in value.params.items() if name != "array"),
            )
        ).encode()
        if value.op == "constant":
            yield np.ascontiguousarray(value.params["array"], dtype=numpy_dtype(value.dtype)).tobytes()
    yield repr([places[each] for each in graph.outputs]).encode()
    yield repr([(update.input, places[update.value]) for update in graph.updates]).encode()


def _in_order(graph: Graph) -> Iterator[Value]:
    """Yield values, operands before results, in the order in which a walk from the roots leaves them."""
    seen: set[Value] = set()
    for root in graph.roots():
        waiting = [(root, iter(root.operands))]
        while waiting:
            value, operands = waiting[-1]
            if value in seen:
                waiting.pop()
                continue
            fresh = next((each for each in operands if each not in seen), None)
            if fresh is None:
                seen.add(value)
                waiting.pop()
                yield value
            else:
                waiting.append((fresh, iter(fresh.operands)))


def _param(param: Any, value: Value) -> str:
    if isinstance(param, DType):
        return param.name
    if isinstance(param, Graph):
        return fingerprint(param)
    if value.op in ("full", "pad") and isinstance(param, bool | int | float):
        return number_text(param, value.dtype)
    return repr(param)


def number_text(number: bool | int | float, dtype: DType) -> str:
    """Return a number as it is in a type, exactly; NaN is one number, and the zeros are two."""
    if dtype.floating:
        rounded = float(np.asarray(number, numpy_dtype(dtype)))
        return "nan" if math.isnan(rounded) else rounded.hex()
    return repr(bool(number) if dtype.kind == "bool" else int(number))
