"""Operations at indices that may lie outside of their axis, and what to say then."""

from __future__ import annotations

from lamina.compiler.graph.ir import Value

INDEXED = frozenset({"take", "take_along_axis", "scatter_add", "scatter_add_along_axis"})


def axis_length(value: Value) -> int:
    """Return the length of the axis that the indices of an operation go into."""
    params = value.params
    return int(params["size"] if "size" in params else value.operands[0].shape[params["axis"]])


def out_of_range(value: Value) -> str:
    """Return what an index outside of its axis is told by: operation, axis and operands, the same for all alike."""
    given = ", ".join(str(each.spec) for each in value.operands)
    return (
        f"{value.op}: an index is out of range for axis {value.params['axis']} of length {axis_length(value)} "
        f"(given {given})"
    )
