"""Primitives that ONNX does not have as one operator, composed of those that it has."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lamina.dtypes import DType, bool_, int32, int64, uint64
from lamina.errors import TracingError
from lamina.exchange.onnx.batch import OfBatch, Operation, Size
from lamina.exchange.onnx.library import TYPE_NUMBERS
from lamina.exchange.onnx.nodes import Nodes

Row = Callable[..., Any]

_LARGEST = 2**63 - 1


def narrow(dtype: DType) -> bool:
    """Tell whether runtimes lack operators for a type of integers, which int64 holds."""
    return dtype.integral and dtype not in (int32, int64, uint64)


def same_bits(dtype: DType) -> bool:
    """Tell the same, for sums and products: those of int64 have the bits of those of uint64."""
    return narrow(dtype) or dtype is uint64


# --- arithmetic -------------------------------------------------------------------------------------------


def as_int64(nodes: Nodes, dtype: DType, *operands: str) -> tuple[str, ...]:
    """Return operands as int64 where the type is one that few operators of ONNX take; else as they are."""
    return tuple(nodes.cast(each, int64) for each in operands) if narrow(dtype) else operands


def through_int64(row: Row, which: Callable[[DType], bool] = narrow) -> Row:
    """A row for numbers: of some types of integers, all is computed in int64 and cast back."""

    def wide(nodes: Nodes, operation: Operation, *operands: str) -> str:
        if not which(operation.dtype):
            return str(row(nodes, operation, *operands))
        found = row(nodes, replace(operation, dtype=int64), *[nodes.cast(each, int64) for each in operands])
        return nodes.cast(found, operation.dtype)

    return wide


def remainder(nodes: Nodes, operation: Operation, a: str, b: str) -> str:
    """The remainder with the sign of the divisor; of floating-point numbers ONNX has that of the dividend only."""
    dtype = operation.dtype
    if not dtype.floating:
        return nodes.add("Mod", a, b)
    zero = nodes.scalar(0.0, dtype)
    left = nodes.add("Mod", a, b, fmod=1)
    apart = nodes.add("Xor", nodes.add("Less", left, zero), nodes.add("Less", b, zero))
    other = nodes.add("And", apart, nodes.add("Not", nodes.add("Equal", left, zero)))
    return nodes.add("Where", other, nodes.add("Add", left, b), left)


def floor_divide(nodes: Nodes, operation: Operation, a: str, b: str) -> str:
    """The quotient rounded down; ONNX rounds that of integers towards zero."""
    dtype = operation.dtype
    if dtype.floating:
        even = nodes.add("Sub", a, remainder(nodes, operation, a, b))
        rounded = nodes.add("Round", nodes.add("Div", even, b))
        nothing = nodes.add("Equal", b, nodes.scalar(0.0, dtype))
        return nodes.add("Where", nothing, nodes.add("Div", a, b), rounded)
    zero = nodes.scalar(0, dtype)
    uneven = nodes.add("Not", nodes.add("Equal", nodes.add("Mod", a, b), zero))
    below = nodes.add("And", uneven, nodes.add("Xor", nodes.add("Less", a, zero), nodes.add("Less", b, zero)))
    return nodes.add("Sub", nodes.add("Div", a, b), nodes.cast(below, dtype))


def atan2(nodes: Nodes, operation: Operation, a: str, b: str) -> str:
    """The angle of the point (b, a), from the arc tangent of the slope and the quadrant."""
    dtype = operation.dtype
    zero = nodes.scalar(0.0, dtype)
    slope = nodes.add("Atan", nodes.add("Div", a, b))
    turn = _signed(nodes, dtype, nodes.scalar(math.pi, dtype), a)
    turned = nodes.add("Where", _negative(nodes, dtype, b), nodes.add("Add", slope, turn), slope)
    upright = nodes.add("Mul", nodes.add("Sign", a), nodes.scalar(math.pi / 2.0, dtype))
    on_axis = nodes.add("And", nodes.add("Equal", b, zero), nodes.add("Not", nodes.add("Equal", a, zero)))
    # At the origin the slope is undefined, and the signs of the zeros decide.
    flat = nodes.add("Where", _negative(nodes, dtype, b), turn, a)
    at_origin = nodes.add("And", nodes.add("Equal", b, zero), nodes.add("Equal", a, zero))
    return nodes.add("Where", at_origin, flat, nodes.add("Where", on_axis, upright, turned))


def _negative(nodes: Nodes, dtype: DType, x: str) -> str:
    """Tell where the sign is negative, that of zero included: one over negative zero is negative infinity."""
    zero = nodes.scalar(0.0, dtype)
    return nodes.add("Less", nodes.add("Where", nodes.add("Equal", x, zero), nodes.add("Reciprocal", x), x), zero)


def _signed(nodes: Nodes, dtype: DType, magnitude: str, sign: str) -> str:
    return nodes.add("Where", _negative(nodes, dtype, sign), nodes.add("Neg", magnitude), magnitude)


def copysign(nodes: Nodes, operation: Operation, a: str, b: str) -> str:
    """The magnitude of one operand with the sign of the other."""
    return _signed(nodes, operation.dtype, nodes.add("Abs", a), b)


def multiply_no_nan(nodes: Nodes, operation: Operation, a: str, b: str) -> str:
    """The product, and zero where the first operand is zero whatever the second is."""
    zero = nodes.scalar(0.0, operation.dtype)
    return nodes.add("Where", nodes.add("Equal", a, zero), zero, nodes.add("Mul", a, b))


def trunc(nodes: Nodes, operation: Operation, x: str) -> str:
    """The integer towards zero."""
    below = nodes.add("Less", x, nodes.scalar(0.0, operation.dtype))
    return nodes.add("Where", below, nodes.add("Ceil", x), nodes.add("Floor", x))


def expm1(nodes: Nodes, operation: Operation, x: str) -> str:
    """``tanh(x/2) * (exp(x) + 1)``, which is ``exp(x) - 1`` and exact for small numbers too."""
    half = nodes.add("Tanh", nodes.add("Mul", x, nodes.scalar(0.5, operation.dtype)))
    return nodes.add("Mul", half, nodes.add("Add", nodes.add("Exp", x), nodes.scalar(1.0, operation.dtype)))


def log1p(nodes: Nodes, operation: Operation, x: str) -> str:
    """``log(u)`` for ``u = 1 + x``, less what rounding ``u`` changed, ``((u - 1) - x) / u``, for small numbers."""
    one = nodes.scalar(1.0, operation.dtype)
    u = nodes.add("Add", x, one)
    logarithm = nodes.add("Log", u)
    lost = nodes.add("Div", nodes.add("Sub", nodes.add("Sub", u, one), x), u)
    small = nodes.add("Less", nodes.add("Abs", x), nodes.scalar(0.5, operation.dtype))
    return nodes.add("Where", small, nodes.add("Sub", logarithm, lost), logarithm)


def relu(nodes: Nodes, operation: Operation, x: str) -> str:
    """``max(x, 0)``."""
    if operation.dtype.floating:
        return nodes.add("Relu", x)
    return nodes.add("Max", x, nodes.scalar(0, operation.dtype))


def where(nodes: Nodes, operation: Operation, condition: str, x: str, y: str) -> str:
    """A choice; of truth values by logic."""
    dtype = operation.dtype
    if dtype is bool_:
        chosen = nodes.add("And", condition, x)
        return nodes.add("Or", chosen, nodes.add("And", nodes.add("Not", condition), y))
    found = nodes.add("Where", condition, *as_int64(nodes, dtype, x, y))
    return nodes.cast(found, dtype) if narrow(dtype) else found


# --- bits -------------------------------------------------------------------------------------------------


def _shifted(nodes: Nodes, direction: str, x: str, by: str) -> str:
    """Return bits shifted; ONNX shifts unsigned integers only."""
    return nodes.add("BitShift", nodes.cast(x, uint64), nodes.cast(by, uint64), direction=direction)


def left_shift(nodes: Nodes, operation: Operation, x: str, by: str) -> str:
    """Bits moved up, the same for either sign."""
    return nodes.cast(nodes.cast(_shifted(nodes, "LEFT", x, by), int64), operation.dtype)


def right_shift(nodes: Nodes, operation: Operation, x: str, by: str) -> str:
    """Bits moved down; a negative number is shifted as its complement, so that the sign stays."""
    dtype = operation.dtype
    if dtype.kind == "unsigned":
        return nodes.cast(_shifted(nodes, "RIGHT", x, by), dtype)
    wide = nodes.cast(x, int64)
    below = nodes.add("Less", wide, nodes.scalar(0, int64))
    moved = nodes.cast(
        _shifted(nodes, "RIGHT", nodes.add("Where", below, nodes.add("BitwiseNot", wide), wide), by), int64
    )
    return nodes.cast(nodes.add("Where", below, nodes.add("BitwiseNot", moved), moved), dtype)


# --- reductions and scans ---------------------------------------------------------------------------------


def _counted(nodes: Nodes, operation: Operation, truth: str) -> str:
    """Return how many truth values hold, by the axes of a reduction."""
    numbers = nodes.cast(truth, int64)
    axes = operation.params["axes"]
    if not axes:
        return numbers
    return nodes.add("ReduceSum", numbers, nodes.vector(axes), keepdims=int(operation.params["keepdims"]))


def _truth(nodes: Nodes, operation: Operation, x: str) -> str:
    return x if operation.operands[0].dtype is bool_ else nodes.add("Cast", x, to=TYPE_NUMBERS[bool_])


def any_(nodes: Nodes, operation: Operation, x: str) -> str:
    """Whether more than none holds."""
    return nodes.add("Less", nodes.scalar(0, int64), _counted(nodes, operation, _truth(nodes, operation, x)))


def all_(nodes: Nodes, operation: Operation, x: str) -> str:
    """Whether none does not hold."""
    fails = nodes.add("Not", _truth(nodes, operation, x))
    return nodes.add("Equal", nodes.scalar(0, int64), _counted(nodes, operation, fails))


def cumulative_sum(nodes: Nodes, operation: Operation, x: str) -> str:
    """Sums of all elements up to each."""
    return nodes.add("CumSum", x, nodes.scalar(operation.params["axis"], int64))


def cumulative_prod(nodes: Nodes, operation: Operation, x: str) -> str:
    """Products of all elements up to each, by doubling: the product of ``k`` elements with the ``k`` before those."""
    axis = operation.params["axis"]
    length = operation.shape[axis]
    if isinstance(length, OfBatch):
        raise TracingError(
            "export_onnx: ONNX has no cumulative products, and they can be composed for a fixed length only, not "
            "along the batch; export the model for the length of the example with dynamic_batch=False"
        )
    one, step = nodes.scalar(1, operation.dtype), 1
    while step < length:
        before = nodes.add("Slice", x, nodes.vector([0]), nodes.vector([length - step]), nodes.vector([axis]))
        low = [step if at == axis else 0 for at in range(len(operation.shape))]
        moved = nodes.add("Pad", before, nodes.vector([*low, *[0] * len(low)]), one)
        x = nodes.add("Mul", x, moved)
        step *= 2
    return x


# --- shape ------------------------------------------------------------------------------------------------


def reshape(nodes: Nodes, operation: Operation, x: str) -> str:
    """Another shape; one length that depends on the batch is left to be worked out, more are computed."""
    shape = operation.shape
    if shape == operation.operands[0].shape:
        return x
    unknown = [size for size in shape if isinstance(size, OfBatch)]
    if len(unknown) == 1 and 0 not in shape:
        return nodes.add("Reshape", x, nodes.vector([-1 if isinstance(size, OfBatch) else size for size in shape]))
    return nodes.add("Reshape", x, nodes.sizes(shape), allowzero=1)


def permute_dims(nodes: Nodes, operation: Operation, x: str) -> str:
    """The axes in another order."""
    axes = operation.params["axes"]
    return nodes.add("Transpose", x, perm=axes) if axes else x


def flip(nodes: Nodes, operation: Operation, x: str) -> str:
    """Some axes from the last element to the first."""
    axes = operation.params["axes"]
    if not axes:
        return x
    start, stop, step = [-1] * len(axes), [-_LARGEST] * len(axes), [-1] * len(axes)
    return nodes.add("Slice", x, *[nodes.vector(each) for each in (start, stop, axes, step)])


def slice_(nodes: Nodes, operation: Operation, x: str) -> str:
    """Every so-manyth element between two places, along the axes where that is not all."""
    params, shape = operation.params, operation.operands[0].shape
    cut = [
        (axis, start, stop, step)
        for axis, (start, stop, step, size) in enumerate(
            zip(params["start"], params["stop"], params["step"], shape, strict=True)
        )
        if (start, stop, step) != (0, size, 1)
    ]
    if not cut:
        return x
    axes, starts, stops, steps = zip(*cut, strict=True)
    return nodes.add("Slice", x, nodes.sizes(starts), nodes.sizes(stops), nodes.vector(axes), nodes.vector(steps))


def pad(nodes: Nodes, operation: Operation, x: str) -> str:
    """Elements added before, after and, by a new axis that is made one with its neighbour, between."""
    params, shape = operation.params, list(operation.operands[0].shape)
    if not shape:
        return x
    value = nodes.scalar(params["value"], operation.dtype)
    high = list(params["high"])
    for axis, between in enumerate(params["interior"]):
        if between and shape[axis] != 0:
            widths = [0] * (2 * len(shape) + 2)
            widths[-(len(shape) - axis)] = between
            apart = nodes.add("Pad", nodes.add("Unsqueeze", x, nodes.vector([axis + 1])), nodes.vector(widths), value)
            shape[axis] = _times(shape[axis], between + 1)
            x = nodes.add("Reshape", apart, nodes.sizes(tuple(shape)), allowzero=1)
            # Behind the last element nothing is between.
            high[axis] = _less(high[axis], between)
    return nodes.add("Pad", x, nodes.sizes((*params["low"], *high)), value)


def _times(size: Size, factor: int) -> Size:
    return OfBatch(size.scale * factor, size.offset * factor) if isinstance(size, OfBatch) else size * factor


def _less(size: Size, by: int) -> Size:
    return OfBatch(size.scale, size.offset - by) if isinstance(size, OfBatch) else size - by


def full(nodes: Nodes, operation: Operation) -> str:
    """One number everywhere."""
    number = nodes.scalar(operation.params["value"], operation.dtype)
    return nodes.add("Expand", number, nodes.sizes(operation.shape)) if operation.shape else number


# --- matrices ---------------------------------------------------------------------------------------------


def slogdet(nodes: Nodes, operation: Operation, x: str) -> tuple[str, str]:
    """The sign and the logarithm of the determinant, of which ONNX has the value."""
    value = nodes.add("Det", x)
    return nodes.add("Sign", value), nodes.add("Log", nodes.add("Abs", value))
