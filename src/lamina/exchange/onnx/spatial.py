"""Convolutions, pooling and windows as ONNX has them: images [batch, channels, *sizes]."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamina.dtypes import bfloat16, float32, int64
from lamina.errors import TracingError
from lamina.exchange.onnx.batch import OfBatch, Operation, Size, Sizes
from lamina.exchange.onnx.nodes import Nodes

Shape = tuple[int, ...]


# --- convolutions -----------------------------------------------------------------------------------------


def convolution(nodes: Nodes, operation: Operation, x: str, w: str, *bias: str) -> str:
    """The operator for floating-point numbers, with the padding and the bias that `fusion` found."""
    params, dtype = operation.params, operation.dtype
    if operation.operands[1].shape[1] == 0:
        # Sums of nothing, over which runtimes may not end.
        return nodes.add("Expand", nodes.scalar(0, dtype), nodes.sizes(operation.shape))
    if not dtype.floating:
        return _by_products(nodes, operation, x, w)
    if dtype is bfloat16:
        # The operator set has no convolution of this type; sums are made in float32 here too.
        x, w = nodes.cast(x, float32), nodes.cast(w, float32)
    axes = len(params["stride"])
    if not axes:
        last = nodes.vector([2])
        x, w = nodes.add("Unsqueeze", x, last), nodes.add("Unsqueeze", w, last)
    attributes = {"strides": params["stride"], "dilations": params["dilation"]} if axes else {}
    if any(params.get("pads", ())):
        attributes["pads"] = params["pads"]
    found = nodes.add("Conv", x, w, *bias, group=params["groups"], **attributes)
    found = found if axes else nodes.add("Squeeze", found, nodes.vector([2]))
    return nodes.cast(found, dtype) if dtype is bfloat16 else found


def conv_transpose(nodes: Nodes, operation: Operation, x: str, w: str, *bias: str) -> str:
    """The operator, from a convolution over spread elements and reversed windows, which `fusion` found."""
    params = operation.params
    attributes = {key: params[key] for key in ("pads", "output_padding") if any(params[key])}
    return nodes.add(
        "ConvTranspose", x, w, *bias, group=params["groups"], strides=params["stride"], dilations=params["dilation"],
        **attributes,
    )  # fmt: skip


def _by_products(nodes: Nodes, operation: Operation, x: str, w: str) -> str:
    """A convolution of integers, of which ONNX has products of matrices only: windows times weights."""
    params, groups = operation.params, operation.params["groups"]
    batch, weights_shape = operation.shape[0], [size for size in operation.operands[1].shape if isinstance(size, int)]
    if len(weights_shape) < len(operation.operands[1].shape):
        raise TracingError(
            "export_onnx: ONNX has no convolution of integers, and it can be composed for weights of a fixed shape "
            "only; export the model for the length of the example with dynamic_batch=False"
        )
    outputs, inner, *size = weights_shape
    _, _, *counts = operation.shape
    wide = nodes.cast(x, int64)
    seen = _seen(nodes, wide, operation.operands[0].shape, tuple(size), params["stride"], params["dilation"])
    many, length = _product(counts), math.prod(size)
    split = _reshaped(nodes, seen, (batch, groups, inner, many, length))
    columns = _reshaped(
        nodes, nodes.add("Transpose", split, perm=(0, 1, 3, 2, 4)), (batch, groups, many, inner * length)
    )
    weights = _reshaped(nodes, nodes.cast(w, int64), (groups, outputs // groups, inner * length))
    product = nodes.add("MatMul", columns, nodes.add("Transpose", weights, perm=(0, 2, 1)))
    found = _reshaped(nodes, nodes.add("Transpose", product, perm=(0, 1, 3, 2)), operation.shape)
    return nodes.cast(found, operation.dtype)


def _product(sizes: Sequence[Size]) -> Size:
    """Return the product of sizes of which at most one depends on the batch."""
    fixed = math.prod(size for size in sizes if not isinstance(size, OfBatch))
    for size in sizes:
        if isinstance(size, OfBatch):
            return OfBatch(size.scale * fixed, size.offset * fixed)
    return fixed


def _reshaped(nodes: Nodes, x: str, shape: Sizes) -> str:
    return nodes.add("Reshape", x, nodes.sizes(shape), allowzero=1)


# --- windows ----------------------------------------------------------------------------------------------


def windows(nodes: Nodes, operation: Operation, x: str) -> str:
    """All windows as they are, gathered axis by axis."""
    params = operation.params
    return _seen(nodes, x, operation.operands[0].shape, params["size"], params["stride"], params["dilation"])


def _seen(nodes: Nodes, x: str, shape: Sizes, size: Shape, stride: Shape, dilation: Shape) -> str:
    if not size:
        return x
    before = len(shape) - len(size)
    for axis in reversed(range(len(size))):
        reach = dilation[axis] * (size[axis] - 1) + 1
        inside = np.arange(size[axis]) * dilation[axis]
        length = shape[before + axis]
        if isinstance(length, OfBatch):
            # A number of windows that grows evenly with the batch: the stride divides its steps.
            count = OfBatch(length.scale // stride[axis], (length.offset - reach) // stride[axis] + 1)
            starts = nodes.add("Mul", nodes.numbers_to(count), nodes.scalar(stride[axis], int64))
            chosen = nodes.add("Add", nodes.add("Unsqueeze", starts, nodes.vector([1])), nodes.constant(inside))
        else:
            first = np.arange((length - reach) // stride[axis] + 1) * stride[axis]
            chosen = nodes.constant(first[:, None] + inside)
        x = nodes.add("Gather", x, chosen, axis=before + axis)
    pairs = range(before, before + 2 * len(size), 2)
    return nodes.add("Transpose", x, perm=(*range(before), *pairs, *(at + 1 for at in pairs)))


# --- pooling, which `fusion` found ------------------------------------------------------------------------


def max_pool(nodes: Nodes, operation: Operation, x: str) -> str:
    """The largest element of every window."""
    if _is_global(operation):
        return _with_batch(nodes, operation, x, "GlobalMaxPool", {})
    return _with_batch(nodes, operation, x, "MaxPool", _settings(operation) | _dilations(operation))


def average_pool(nodes: Nodes, operation: Operation, x: str) -> str:
    """The mean of every window, with the zeros around or without them."""
    if _is_global(operation):
        return _with_batch(nodes, operation, x, "GlobalAveragePool", {})
    counted = {"count_include_pad": 1} if operation.params["counted"] and any(operation.params["pads"]) else {}
    return _with_batch(nodes, operation, x, "AveragePool", _settings(operation) | counted)


def sum_pool(nodes: Nodes, operation: Operation, x: str) -> str:
    """The sum of every window: its mean times the number of its elements."""
    mean = average_pool(nodes, operation, x)
    return nodes.add("Mul", mean, nodes.scalar(math.prod(operation.params["size"]), operation.dtype))


def _is_global(operation: Operation) -> bool:
    params = operation.params
    sizes = operation.operands[0].shape[-len(params["size"]) :]
    return params["size"] == sizes and not any(params["pads"])


def _settings(operation: Operation) -> dict[str, Any]:
    params = operation.params
    found = {"kernel_shape": params["size"], "strides": params["stride"]}
    return found | ({"pads": params["pads"]} if any(params["pads"]) else {})


def _dilations(operation: Operation) -> dict[str, Any]:
    apart = operation.params["dilation"]
    return {"dilations": apart} if max(apart) > 1 else {}


def _with_batch(nodes: Nodes, operation: Operation, x: str, op: str, attributes: Mapping[str, Any]) -> str:
    """Return a pooling of an input that may have no batch, which operators want."""
    first = nodes.vector([0])
    if len(operation.operands[0].shape) == len(operation.params["size"]) + 2:
        return nodes.add(op, x, **attributes)
    return nodes.add("Squeeze", nodes.add(op, nodes.add("Unsqueeze", x, first), **attributes), first)
