"""Primitives that gather, scatter or put in order, composed of what ONNX has."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from lamina.dtypes import ends, int32, int64
from lamina.exchange.onnx.batch import OfBatch, Operation
from lamina.exchange.onnx.compositions import as_int64, narrow
from lamina.exchange.onnx.nodes import Nodes


def as_index(nodes: Nodes, operation: Operation, indices: str) -> str:
    """Return indices of a type that operators take."""
    return nodes.cast(indices, int64) if operation.operands[1].dtype not in (int32, int64) else indices


def scatter(reduction: str) -> Callable[..., str]:
    """Values combined at indices, in a way that ONNX names."""
    return partial(_scatter, reduction)


def _scatter(reduction: str, nodes: Nodes, operation: Operation, values: str, indices: str) -> str:
    """The axes of the indices go first, where ONNX wants them, and back."""
    axis, ndim = operation.params["axis"], len(operation.operands[0].shape)
    inner = len(operation.operands[1].shape)
    front = range(axis, axis + inner)
    order = (*front, *(at for at in range(ndim) if at not in front))
    shape = (operation.shape[axis], *operation.shape[:axis], *operation.shape[axis + 1 :])
    least, greatest = ends(operation.dtype) if reduction != "add" else (0, 0)
    start = nodes.scalar(greatest if reduction == "min" else least, operation.dtype)
    begun = nodes.add("Expand", start, nodes.sizes(shape))
    places = nodes.add("Unsqueeze", nodes.cast(indices, int64), nodes.vector([inner]))
    moved = nodes.add("Transpose", values, perm=order) if order != tuple(range(ndim)) else values
    found = nodes.add("ScatterND", begun, places, moved, reduction=reduction)
    back = (*range(1, axis + 1), 0, *range(axis + 1, len(shape)))
    return nodes.add("Transpose", found, perm=back) if axis else found


def scatter_add_along_axis(nodes: Nodes, operation: Operation, values: str, indices: str) -> str:
    """Values added at indices along one axis."""
    zeros = nodes.add("Expand", nodes.scalar(0, operation.dtype), nodes.sizes(operation.shape))
    places = as_index(nodes, operation, indices)
    return nodes.add("ScatterElements", zeros, places, values, axis=operation.params["axis"], reduction="add")


def put_rows(nodes: Nodes, operation: Operation, x: str, rows: str, indices: str) -> str:
    """Rows replaced by others, the last of several that have the same index; one out of range is no row's.

    Which of several values ONNX keeps is undefined, so that not the rows are scattered but their numbers among all
    rows, old and new, of which the largest is kept.
    """
    size, count = operation.shape[0], operation.operands[1].shape[0]
    one = OfBatch(size.scale, size.offset + 1) if isinstance(size, OfBatch) else size + 1
    whole = nodes.cast(indices, int64)
    first, end = nodes.scalar(0, int64), nodes.scalar(size, int64)
    inside = nodes.add("And", nodes.add("LessOrEqual", first, whole), nodes.add("Less", whole, end))
    places = nodes.add("Unsqueeze", nodes.add("Where", inside, whole, end), nodes.vector([1]))
    new = nodes.add("Add", nodes.numbers_to(count), end)
    chosen = nodes.add("ScatterND", nodes.numbers_to(one), places, new, reduction="max")
    chosen = nodes.add("Slice", chosen, nodes.vector([0]), nodes.sizes((size,)), nodes.vector([0]))
    return nodes.add("Gather", nodes.add("Concat", x, rows, axis=0), chosen, axis=0)


def _sorted(nodes: Nodes, operation: Operation, x: str) -> list[str]:
    """Return the elements in order and where they were; of equal ones the first comes first, as ONNX says."""
    axis = operation.params["axis"]
    (x,) = as_int64(nodes, operation.operands[0].dtype, x)
    count = nodes.sizes((operation.shape[axis],))
    return nodes.add_several(2, "TopK", x, count, axis=axis, largest=int(operation.params["descending"]), sorted=1)


def sort(nodes: Nodes, operation: Operation, x: str) -> str:
    """The elements in order."""
    found = _sorted(nodes, operation, x)[0]
    return nodes.cast(found, operation.dtype) if narrow(operation.dtype) else found


def argsort(nodes: Nodes, operation: Operation, x: str) -> str:
    """The places of the elements in their order."""
    return _sorted(nodes, operation, x)[1]


def searchsorted(nodes: Nodes, operation: Operation, ordered: str, values: str) -> str:
    """How many of the sorted values each value is behind."""
    dtype = operation.operands[0].dtype
    ordered, values = as_int64(nodes, dtype, ordered, values)
    last = len(operation.shape)
    each = nodes.add("Unsqueeze", values, nodes.vector([last]))
    before = nodes.add("Less" if operation.params["side"] == "left" else "LessOrEqual", ordered, each)
    return nodes.add("ReduceSum", nodes.cast(before, int64), nodes.vector([last]), keepdims=0)
