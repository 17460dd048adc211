"""Convolutions with their padding and bias, transposed convolutions, and pooling, as ONNX knows them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lamina.dtypes import float16, float32, float64, int8, integer_info, uint8
from lamina.exchange.onnx.batch import OfBatch, Operation, Reads

Shape = tuple[int, ...]

_FLOATING = (float16, float32, float64)
_ORDERED = (*_FLOATING, int8, uint8)


# --- convolutions -----------------------------------------------------------------------------------------


def conv_transpose(product: Operation, reads: Reads) -> Operation | None:
    """A convolution at stride 1 over spread elements, by weights that are reversed: the operator of the way back."""
    x, turned = product.operands
    params = product.params
    axes = len(params["stride"])
    weights = _reversed_from(turned, params["groups"])
    if product.dtype not in _FLOATING or not axes or weights is None or 0 in weights.shape or max(params["stride"]) > 1:
        return None
    low = high = interior = (0,) * axes
    if _is_zeros_around(x):
        low, high, interior = (x.params[key][2:] for key in ("low", "high", "interior"))
        (x,) = x.operands
    size = [each for each in turned.shape[2:] if isinstance(each, int)]
    if len(size) < axes:
        return None
    reach = tuple(apart * (each - 1) for apart, each in zip(params["dilation"], size, strict=True))
    more = tuple(max(after - before, 0) for before, after in zip(low, high, strict=True))
    begin = tuple(far - before for far, before in zip(reach, low, strict=True))
    end = tuple(far - after + extra for far, after, extra in zip(reach, high, more, strict=True))
    stride = tuple(between + 1 for between in interior)
    if min((*begin, *end)) < 0 or any(
        extra >= max(step, apart) for extra, step, apart in zip(more, stride, params["dilation"], strict=True)
    ):
        return None
    found = {**params, "stride": stride, "pads": (*begin, *end), "output_padding": more}
    return product.written_as("conv_transpose", (x, weights), found)


def _reversed_from(turned: Operation, groups: int) -> Operation | None:
    """Return the weights that these are `lamina.primitives.convolutions.backwards` of."""
    ndim = len(turned.shape)
    if turned.op != "flip" or tuple(turned.params["axes"]) != tuple(range(2, ndim)):
        return None
    (exchanged,) = turned.operands
    if groups == 1:
        order = (1, 0, *range(2, ndim))
        return exchanged.operands[0] if exchanged.op == "permute_dims" and exchanged.params["axes"] == order else None
    if exchanged.op != "reshape" or exchanged.operands[0].op != "permute_dims":
        return None
    (moved,) = exchanged.operands
    (split,) = moved.operands
    if moved.params["axes"] != (0, 2, 1, *range(3, ndim + 1)) or split.op != "reshape" or split.shape[0] != groups:
        return None
    (weights,) = split.operands
    size = weights.shape[2:]
    _, outputs, inner, *_ = split.shape
    if not isinstance(outputs, int) or not isinstance(inner, int) or len(weights.shape) != ndim:
        return None
    fits = weights.shape[0] == groups * outputs and split.shape[3:] == size
    return weights if fits and exchanged.shape == (groups * inner, outputs, *size) else None


def padded_convolution(product: Operation, reads: Reads) -> Operation | None:
    """A convolution over what zeros are put around."""
    x, w = product.operands
    if product.dtype not in _FLOATING or not _is_zeros_around(x) or any(x.params["interior"]):
        return None
    pads = (*x.params["low"][2:], *x.params["high"][2:])
    return product.written_as("convolution", (x.operands[0], w), {**product.params, "pads": pads})


def _is_zeros_around(x: Operation) -> bool:
    if x.op != "pad" or x.params["value"] != 0 or len(x.shape) < 3:
        return False
    numbers = [x.params[key] for key in ("low", "high", "interior")]
    return not any(any(each[:2]) for each in numbers) and _fixed(*(number for each in numbers for number in each))


def biased(total: Operation, reads: Reads) -> Operation | None:
    """A convolution and one number more for each of its channels."""
    product, bias = total.operands
    if product.op not in ("convolution", "conv_transpose"):
        product, bias = bias, product
    if product.op not in ("convolution", "conv_transpose") or reads[product] > 1 or len(product.operands) > 2:
        return None
    ndim = len(product.shape)
    if bias.op != "reshape" or product.dtype not in _FLOATING or product.shape != total.shape or ndim < 3:
        return None
    (numbers,) = bias.operands
    channels = product.shape[1]
    if (
        product.operands[1].shape[1] == 0
        or numbers.shape != (channels,)
        or bias.shape != (channels,) + (1,) * (ndim - 2)
    ):
        return None
    return total.written_as(product.op, (*product.operands, numbers), dict(product.params))


# --- pooling ----------------------------------------------------------------------------------------------


def max_pool(largest: Operation, reads: Reads) -> Operation | None:
    """The largest element of every window."""
    (seen,) = largest.operands
    if largest.dtype not in _ORDERED or not _over_windows(largest, seen):
        return None
    lowest = -math.inf if largest.dtype.floating else integer_info(largest.dtype).min
    found = _pooled("max_pool", largest, seen, lowest)
    # Of nothing, runtimes have the lowest number in place of negative infinity.
    return found if found is not None and _all_see_something(found) else None


def sum_pool(total: Operation, reads: Reads) -> Operation | None:
    """The sum of every window, the zeros around it included."""
    (seen,) = total.operands
    if total.dtype not in _FLOATING or not _over_windows(total, seen) or max(seen.params["dilation"]) > 1:
        return None
    found = _pooled("sum_pool", total, seen, 0)
    return None if found is None else total.written_as(found.op, found.operands, {**found.params, "counted": True})


def average_pool(ratio: Operation, reads: Reads) -> Operation | None:
    """The sum of every window by the number of its elements, with the zeros around or without them."""
    total, divisor = ratio.operands
    if total.op != "sum_pool" or total.shape != ratio.shape:
        return None
    if divisor.op == "full" and divisor.params["value"] == math.prod(total.params["size"]):
        return ratio.written_as("average_pool", total.operands, total.params)
    if divisor.op != "constant" or not np.array_equal(divisor.params["array"], _counts(total)):
        return None
    return ratio.written_as("average_pool", total.operands, {**total.params, "counted": False})


def _over_windows(reduced: Operation, seen: Operation) -> bool:
    """Tell whether a reduction is over the elements of windows of images, with or without a batch."""
    if seen.op != "windows" or reduced.params["keepdims"] or not seen.params["size"]:
        return False
    axes, ndim = len(seen.params["size"]), len(seen.shape)
    sizes = seen.operands[0].shape
    return (
        sorted(reduced.params["axes"]) == list(range(ndim - axes, ndim))
        and len(sizes) in (axes + 1, axes + 2)
        and _fixed(*sizes[-axes:])
    )


def _pooled(op: str, reduced: Operation, seen: Operation, outside: float) -> Operation:
    """Return a pooling, of what is inside where elements that do not count are put around it."""
    (x,) = seen.operands
    params: dict[str, Any] = dict(seen.params)
    axes = len(params["size"])
    params["pads"] = (0,) * 2 * axes
    if x.op == "pad" and x.params["value"] == outside and not any(x.params["interior"]):
        low, high = x.params["low"], x.params["high"]
        reach = [apart * (size - 1) + 1 for apart, size in zip(params["dilation"], params["size"], strict=True)]
        pads = (*low[-axes:], *high[-axes:])
        before = (*low[:-axes], *high[:-axes])
        # Runtimes take windows that begin or end among the elements only.
        known = _fixed(*pads, *x.operands[0].shape[-axes:]) and not any(before)
        if known and all(number < far for number, far in zip(pads, reach * 2, strict=True)):
            x, params["pads"] = x.operands[0], pads
    return reduced.written_as(op, (x,), params)


def _inside(pooled: Operation) -> list[Any]:
    """Return for every axis how many elements of each window are none of those around."""
    params = pooled.params
    axes = len(params["size"])
    sizes, counts = pooled.operands[0].shape[-axes:], pooled.shape[-axes:]
    rows = zip(sizes, counts, params["size"], params["stride"], params["dilation"], params["pads"], strict=False)
    found = []
    for length, count, size, step, apart, low in rows:
        start = np.arange(count) * step - low
        first, last = np.maximum(-(start // apart), 0), np.minimum((length - 1 - start) // apart, size - 1)
        found.append(np.maximum(last - first + 1, 0))
    return found


def _all_see_something(pooled: Operation) -> bool:
    return not any(pooled.params["pads"]) or all(bool(each.all()) for each in _inside(pooled))


def _counts(pooled: Operation) -> Any:
    """Return how many elements of each window are none of those around."""
    found = np.ones((), np.int64)
    for each in _inside(pooled):
        found = np.multiply.outer(found, each)
    return found


def _fixed(*numbers: Any) -> bool:
    return not any(isinstance(number, OfBatch) for number in numbers)
