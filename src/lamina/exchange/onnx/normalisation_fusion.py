"""Normalisations as ONNX knows them: by statistics that are kept, over the last axes, and over each channel."""

from __future__ import annotations

from lamina.dtypes import float16, float32, float64
from lamina.exchange.onnx.batch import Operation, Reads, Sizes

_FLOATING = (float16, float32, float64)


def batch_norm(total: Operation, reads: Reads) -> Operation | None:
    """``(x - mean) * (1 / sqrt(variance + eps)) * scale + bias``, with one number of each for a channel."""
    matched = _affine(total)
    if matched is None:
        return None
    normal, scale, bias = matched
    centred, inverse = normal.operands
    if centred.op != "subtract" or inverse.op != "divide":
        return None
    x, mean = centred.operands
    found = _under_root(inverse)
    if found is None or len(x.shape) < 2 or x.shape != total.shape:
        return None
    variance, epsilon = found
    vectors = [_per_channel(each, x.shape) for each in (scale, bias, mean, variance)]
    if any(each is None for each in vectors):
        return None
    return total.written_as("batch_norm", (x, *(each for each in vectors if each is not None)), {"epsilon": epsilon})


def standardised(total: Operation, reads: Reads) -> Operation | None:
    """Numbers less their mean by their deviation, scaled: over the last axes, or each channel of an image by itself."""
    matched = _affine(total)
    if matched is None:
        return None
    normal, scale, bias = matched
    found = _standardised(normal)
    if found is None:
        return None
    x, axes, epsilon = found
    ndim = len(x.shape)
    if x.shape != total.shape or axes != tuple(range(axes[0], ndim)):
        return None
    scales, biases = (_plain(each) for each in (scale, bias))
    if scales.shape == biases.shape == x.shape[axes[0] :]:
        return total.written_as("layer_norm", (x, scales, biases), {"epsilon": epsilon, "axis": axes[0]})
    vectors = _per_channel(scale, x.shape), _per_channel(bias, x.shape)
    if axes[0] == 2 and vectors[0] is not None and vectors[1] is not None:
        return total.written_as("instance_norm", (x, vectors[0], vectors[1]), {"epsilon": epsilon})
    return None


def _affine(total: Operation) -> tuple[Operation, Operation, Operation] | None:
    """Return what is scaled and moved, a product, with the numbers that it is scaled and moved by."""
    scaled, bias = total.operands
    if total.dtype not in _FLOATING or scaled.op != "multiply":
        return None
    normal, scale = scaled.operands
    return (normal, scale, bias) if normal.op == "multiply" and normal.shape == total.shape else None


def _standardised(normal: Operation) -> tuple[Operation, tuple[int, ...], float] | None:
    """Match what normalisations share: moments of numbers that are moved by a shift first, from which one is free."""
    centred, inverse = normal.operands
    if centred.op != "subtract" or centred.operands[0].op != "subtract":
        return None
    moved, rest = centred.operands
    under = _under_root(inverse)
    if under is None or under[0].op != "maximum":
        return None
    x, shift = moved.operands
    variance, nothing = under[0].operands
    if nothing.op != "full" or nothing.params["value"] != 0 or variance.op != "subtract":
        return None
    squares, square = variance.operands
    if square.op != "multiply" or square.operands != (rest, rest):
        return None
    first, second = _mean_over(rest), _mean_over(squares)
    if first is None or second is None or first[1] != second[1]:
        return None
    both = second[0]
    if both.op != "multiply" or not all(_is_moved(each, x, shift) for each in (first[0], *both.operands)):
        return None
    axes = first[1]
    # The shift falls out of the result if it is the same for all numbers of a mean.
    same = len(shift.shape) == len(x.shape) and all(shift.shape[axis] == 1 for axis in axes)
    return (x, axes, under[1]) if same else None


def _is_moved(operation: Operation, x: Operation, shift: Operation) -> bool:
    return operation.op == "subtract" and operation.operands == (x, shift)


def _mean_over(scaled: Operation) -> tuple[Operation, tuple[int, ...]] | None:
    """Return what this is the mean of, and over which axes."""
    if scaled.op != "multiply" or scaled.operands[0].op != "sum" or scaled.operands[1].op != "full":
        return None
    total, factor = scaled.operands
    (x,) = total.operands
    axes = tuple(sorted(total.params["axes"]))
    count = 1
    for axis in axes:
        size = x.shape[axis]
        if not isinstance(size, int):
            return None
        count *= size
    fits = total.params["keepdims"] and count > 0 and abs(factor.params["value"] * count - 1.0) < 1e-6
    return (x, axes) if fits and axes else None


def _under_root(inverse: Operation) -> tuple[Operation, float] | None:
    """Return the variance and what is added to it of ``1 / sqrt(variance + eps)``."""
    if inverse.op != "divide" or inverse.operands[0].op != "full" or inverse.operands[0].params["value"] != 1:
        return None
    root = inverse.operands[1]
    if root.op != "sqrt" or root.operands[0].op != "add":
        return None
    variance, epsilon = root.operands[0].operands
    return (variance, float(epsilon.params["value"])) if epsilon.op == "full" else None


def _per_channel(numbers: Operation, shape: Sizes) -> Operation | None:
    """Return the vector that this is, if it is one along the second axis."""
    if numbers.op != "reshape" or numbers.operands[0].shape != (shape[1],):
        return None
    return numbers.operands[0] if numbers.shape == (1, shape[1], *[1] * (len(shape) - 2)) else None


def _plain(numbers: Operation) -> Operation:
    """Return numbers without a reshape that changes nothing."""
    return numbers.operands[0] if numbers.op == "reshape" and numbers.operands[0].shape == numbers.shape else numbers
