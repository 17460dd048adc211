"""Operations at indices that may lie outside of their axis, and what to say then."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from lamina.compiler.graph.ir import Value

INDEXED = frozenset({"take", "take_along_axis", "scatter_add", "scatter_max", "scatter_min", "scatter_add_along_axis"})


def axis_length(value: Value) -> int:
    """Return the length of the axis that the indices of an operation go into."""
    params = value.params
    return int(params["size"] if "size" in params else value.operands[0].shape[params["axis"]])


def looked_at_before(values: Iterable[Value]) -> set[Value]:
    """Return the operations whose indices are in range if no other operation fails.

    One before them uses the same indices for an axis as long, as the lookup before the sum of its gradient does; or
    the indices are known.
    """
    seen: set[tuple[Value, int]] = set()
    found = set()
    for value in values:
        if value.op in INDEXED:
            indices, length = _reshaped(value.operands[1]), axis_length(value)
            given = indices
            if given.op == "minimum" and _is_in_range(given.operands[1], length):
                given = _reshaped(given.operands[0])
            if (given, length) in seen or _are_in_range(given, length):
                found.add(value)
            # Where the result is empty nobody looks.
            if 0 not in value.shape:
                seen.add((indices, length))
    return found


def _reshaped(value: Value) -> Value:
    while value.op == "reshape":
        value = value.operands[0]
    return value


def _is_in_range(bound: Value, length: int) -> bool:
    return bound.op == "full" and -length <= bound.params["value"] < length


def _are_in_range(indices: Value, length: int) -> bool:
    if indices.op != "constant":
        return False
    array = indices.params["array"]
    return bool(np.all((array >= -length) & (array < length)))


def out_of_range(value: Value) -> str:
    """Return what an index outside of its axis is told by: operation, axis and operands, the same for all alike."""
    given = ", ".join(str(each.spec) for each in value.operands)
    return (
        f"{value.op}: an index is out of range for axis {value.params['axis']} of length {axis_length(value)} "
        f"(given {given})"
    )
