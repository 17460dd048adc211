"""What ONNX's operators on shapes mean here.

Shapes are tensors there. They are computed from shapes and constants, whose values are known even while a function is
traced; a shape that depends on other values is refused.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import lamina as la
from lamina.backends.thread_state import STATE
from lamina.dtypes import int64
from lamina.errors import DataError
from lamina.exchange.onnx.reading.calls import Function, TextNumber, TextNumbers
from lamina.primitives import indexing
from lamina.tensor import Tensor

MOST_ELEMENTS = 2**31
"""No operator that is told a size makes more elements than this."""
MOST_LISTED = 2**22
"""The same where they are written down one by one, even while a function is traced."""
MOST_MASKED = 2**24
"""The same for triangles of matrices."""
MOST_KNOWN = 1024
"""A result with more elements is no shape, so that its values need not be known while a function is traced."""


def numbers(what: str, x: Tensor) -> list[int]:
    """Return integers whose values are known."""
    if x.dtype.floating or x.ndim > 1:
        raise DataError(f"{what} must be integers along one axis, got {x.dtype.name}{list(x.shape)}")
    if not x._backend.has_values:
        raise DataError(f"{what} must be known before the model runs, and here the values of the input decide")
    return [int(each) for each in x.numpy().reshape(-1)]


def check_size(what: str, shape: Any, most: int = MOST_ELEMENTS) -> tuple[int, ...]:
    """Return a shape that is not too large to be made."""
    sizes = tuple(shape)
    if any(size < 0 for size in sizes) or math.prod(sizes) > most:
        raise DataError(f"{what} would have the shape {list(sizes)}; at most {most} elements are made")
    return sizes


def put_off(*operands: Tensor, size: int = MOST_KNOWN + 1) -> tuple[Tensor, ...]:
    """Return operands of an operation with a large result so that it is not carried out while a function is traced."""
    tracer = STATE.tracer
    return operands if tracer is None or size <= MOST_KNOWN else tracer.lift("import_onnx", operands)


def axis_of(axis: int, ndim: int) -> int:
    """Return an axis counted from the start."""
    if not -ndim <= axis < max(ndim, 1):
        raise DataError(f"axis {axis} is out of range for {ndim} axes")
    return axis + ndim if axis < 0 else axis


def either(what: str, operand: Tensor | None, attribute: tuple[int, ...] | None) -> list[int] | None:
    """Return integers that are an operand, or were an attribute in older operator sets."""
    if operand is not None:
        return numbers(what, operand)
    return None if attribute is None else list(attribute)


# --- shape ------------------------------------------------------------------------------------------------


def _reshape(x: Tensor, shape: Tensor, /, *, allowzero: int = 0) -> Tensor:
    wanted = numbers("the shape", shape)
    if not allowzero:
        if any(size == 0 and at >= x.ndim for at, size in enumerate(wanted)):
            raise DataError(f"the shape {wanted} keeps an axis that {list(x.shape)} does not have")
        wanted = [x.shape[at] if size == 0 else size for at, size in enumerate(wanted)]
    return la.reshape(x, wanted)


def _flatten(x: Tensor, /, *, axis: int = 1) -> Tensor:
    if not -x.ndim <= axis <= x.ndim:
        raise DataError(f"axis {axis} is out of range for {x.ndim} axes")
    at = axis + x.ndim if axis < 0 else axis
    return la.reshape(x, (math.prod(x.shape[:at]), math.prod(x.shape[at:])))


def _transpose(x: Tensor, /, *, perm: tuple[int, ...] | None = None) -> Tensor:
    return la.permute_dims(x, tuple(reversed(range(x.ndim))) if perm is None else perm)


def _squeeze(x: Tensor, axes_operand: Tensor | None = None, /, *, axes: tuple[int, ...] | None = None) -> Tensor:
    given = either("the axes", axes_operand, axes)
    if given is None:
        given = [at for at, size in enumerate(x.shape) if size == 1]
    return la.squeeze(x, axis=tuple(given))


def _unsqueeze(x: Tensor, axes_operand: Tensor | None = None, /, *, axes: tuple[int, ...] | None = None) -> Tensor:
    given = either("the axes", axes_operand, axes) or []
    places = {axis_of(axis, x.ndim + len(given)) for axis in given}
    if len(places) < len(given):
        raise DataError(f"an axis is given twice: {given}")
    rest = iter(x.shape)
    return la.reshape(x, [1 if at in places else next(rest) for at in range(x.ndim + len(given))])


def _concat(first: Tensor, /, *more: Tensor, axis: int) -> Tensor:
    return la.concat((first, *more), axis=axis)


def _split(
    x: Tensor, lengths: Tensor | None = None, /, *, outputs: int, axis: int = 0, split: tuple[int, ...] | None = None,
    num_outputs: int | None = None,
) -> tuple[Tensor, ...]:  # fmt: skip
    at = axis_of(axis, x.ndim)
    given = either("the lengths", lengths, split)
    if given is None:
        each = -(-x.shape[at] // outputs)
        given = [each] * (outputs - 1) + [x.shape[at] - each * (outputs - 1)]
    if sum(given) != x.shape[at] or min(given) < 0:
        raise DataError(f"the lengths {given} do not add up to axis {at} of {list(x.shape)}")
    ends = np.cumsum(given).tolist()
    keys = [(*[slice(None)] * at, slice(end - length, end)) for end, length in zip(ends, given, strict=True)]
    return tuple(x[key] for key in keys)


def _slice(
    x: Tensor, start: Tensor | None = None, end: Tensor | None = None, axis: Tensor | None = None,
    step: Tensor | None = None, /, *, starts: tuple[int, ...] | None = None, ends: tuple[int, ...] | None = None,
    axes: tuple[int, ...] | None = None,
) -> Tensor:  # fmt: skip
    first, last = either("the starts", start, starts), either("the ends", end, ends)
    if first is None or last is None:
        raise DataError("starts and ends are missing")
    places = either("the axes", axis, axes) or list(range(len(first)))
    steps = [1] * len(first) if step is None else numbers("the steps", step)
    if not len(first) == len(last) == len(places) == len(steps):
        raise DataError("starts, ends, axes and steps are of different lengths")
    key = [slice(None)] * x.ndim
    for low, high, at, by in zip(first, last, places, steps, strict=True):
        if by == 0:
            raise DataError("a step is 0")
        place = axis_of(at, x.ndim)
        key[place] = _range(low, high, by, x.shape[place])
    return x[tuple(key)]


def _range(low: int, high: int, by: int, size: int) -> slice:
    """Return a slice with ends that are out of range moved into it, as the operator does."""
    low, high = (each + size if each < 0 else each for each in (low, high))
    if by > 0:
        return slice(min(max(low, 0), size), min(max(high, 0), size), min(by, max(size, 1)))
    low, high = min(max(low, 0), size - 1), min(max(high, -1), size - 1)
    return slice(low, None if high < 0 else high, max(by, -max(size, 1))) if size else slice(0, 0)


def _expand(x: Tensor, shape: Tensor, /) -> Tensor:
    """Broadcast in both directions."""
    wanted = check_size("the result", numbers("the shape", shape))
    wide = max(len(wanted), x.ndim)
    own, asked = (1,) * (wide - x.ndim) + x.shape, (1,) * (wide - len(wanted)) + wanted
    sizes = check_size("the result", [b if a == 1 else a for a, b in zip(own, asked, strict=True)])
    (x,) = put_off(x, size=math.prod(sizes))
    return la.broadcast_to(x, sizes)


def _tile(x: Tensor, repeats: Tensor, /) -> Tensor:
    times = numbers("the repeats", repeats)
    if len(times) != x.ndim:
        raise DataError(f"{len(times)} repeats do not fit {x.ndim} axes")
    shape = check_size("the result", [size * by for size, by in zip(x.shape, times, strict=True)])
    (x,) = put_off(x, size=math.prod(shape))
    return la.tile(x, times)


def _pad(
    x: Tensor, widths: Tensor | None = None, filling: Tensor | None = None, places: Tensor | None = None, /, *,
    mode: str = "constant", pads: tuple[int, ...] | None = None, value: float = 0.0,
) -> Tensor:  # fmt: skip
    given = either("the widths", widths, pads) or []
    axes = list(range(x.ndim)) if places is None else [axis_of(at, x.ndim) for at in numbers("the axes", places)]
    if len(given) != 2 * len(axes) or len(set(axes)) < len(axes):
        raise DataError(f"{len(given)} widths do not fit {len(axes)} axes")
    pairs = [(0, 0)] * x.ndim
    for at, low, high in zip(axes, given[: len(axes)], given[len(axes) :], strict=True):
        pairs[at] = low, high
    shape = [max(low + size + high, 0) for size, (low, high) in zip(x.shape, pairs, strict=True)]
    (x,) = put_off(x, size=math.prod(check_size("the result", shape)))
    if mode != "constant":
        return _padded_by_itself(x, pairs, mode)
    # What is cut off, at a negative width, is not padded.
    x = x[tuple(slice(max(-low, 0), size + min(high, 0)) for size, (low, high) in zip(x.shape, pairs, strict=True))]
    number: Any = value if filling is None else filling.item()
    widths_now = [(max(low, 0), max(high, 0)) for low, high in pairs]
    return la.pad(x, widths_now, constant_values=_of_kind(x, number))


def _padded_by_itself(x: Tensor, pairs: list[tuple[int, int]], mode: str) -> Tensor:
    """Return a tensor with elements of its own added around; a negative width takes elements away."""
    for axis, (low, high) in enumerate(pairs):
        if not low and not high:
            continue
        size = x.shape[axis]
        if size == 0:
            raise DataError(f"axis {axis} of the shape {list(x.shape)} has no elements to pad with")
        (count,) = check_size("the places", (max(size + low + high, 0),), MOST_LISTED)
        places = np.arange(count) - low
        if mode == "edge":
            places = np.clip(places, 0, size - 1)
        elif mode == "wrap":
            places %= size
        elif mode == "reflect":
            # There and back, the ends once.
            period = max(2 * size - 2, 1)
            places %= period
            places = np.minimum(places, period - places) if size > 1 else places
        else:
            raise DataError(f"there is no padding with the mode {mode!r}")
        x = indexing.take(x, x._constant(places, int64), axis=axis)
    return x


def _of_kind(x: Tensor, number: Any) -> Any:
    return float(number) if x.dtype.floating else bool(number) if x.dtype.kind == "bool" else int(number)


def _shape(x: Tensor, /, *, start: int = 0, end: int | None = None) -> Tensor:
    return la.asarray(np.asarray(x.shape[start:end], np.int64))


def _constant(
    *, value: Tensor | None = None, value_float: float | None = None, value_int: int | None = None,
    value_floats: tuple[float, ...] | None = None, value_ints: tuple[int, ...] | None = None,
    value_string: TextNumber | None = None, value_strings: TextNumbers | None = None,
) -> Tensor:  # fmt: skip
    if value is not None:
        return value
    whole = next((each for each in (value_int, value_ints, value_string, value_strings) if each is not None), None)
    if whole is not None:
        return la.asarray(np.asarray(whole, np.int64))
    if value_float is None and value_floats is None:
        raise DataError("a constant needs a value")
    return la.asarray(np.asarray(value_floats if value_float is None else value_float, np.float32))


def _constant_of_shape(shape: Tensor, /, *, value: Tensor | None = None) -> Tensor:
    wanted = check_size("the result", numbers("the shape", shape))
    filling = la.asarray(np.zeros(1, np.float32)) if value is None else value
    (number,) = put_off(filling.reshape(()), size=math.prod(wanted))
    return la.broadcast_to(number, wanted)


def _numbers_from(start: Tensor, limit: Tensor, delta: Tensor, /) -> Tensor:
    if not all(each._backend.has_values and each.size == 1 for each in (start, limit, delta)):
        raise DataError("the ends of a range must be single numbers that are known before the model runs")
    low, high, by = (each.reshape(()).item() for each in (start, limit, delta))
    if by == 0 or not all(math.isfinite(each) for each in (low, high, by)):
        raise DataError(f"there is no range from {low} to {high} by {by}")
    count = max(math.ceil((high - low) / by), 0)
    check_size("the range", (count,), MOST_LISTED)
    return la.arange(count, dtype=start.dtype) * start._scalar(by) + start._scalar(low)


def _depth_to_space(x: Tensor, /, *, blocksize: int, mode: str = "DCR") -> Tensor:
    _check_order(mode)
    (batch, channels, height, width), r = _image(x), blocksize
    if r < 1 or channels % (r * r):
        raise DataError(f"{channels} channels are no multiple of the square of the block size {r}")
    deep = channels // (r * r)
    if mode == "CRD":
        split, order = (batch, deep, r, r, height, width), (0, 1, 4, 2, 5, 3)
    else:
        split, order = (batch, r, r, deep, height, width), (0, 3, 4, 1, 5, 2)
    return la.permute_dims(x.reshape(split), order).reshape((batch, deep, height * r, width * r))


def _space_to_depth(x: Tensor, /, *, blocksize: int, mode: str = "DCR") -> Tensor:
    _check_order(mode)
    (batch, channels, height, width), r = _image(x), blocksize
    if r < 1 or height % r or width % r:
        raise DataError(f"{height} rows and {width} columns are no multiples of the block size {r}")
    split = x.reshape((batch, channels, height // r, r, width // r, r))
    order = (0, 1, 3, 5, 2, 4) if mode == "CRD" else (0, 3, 5, 1, 2, 4)
    return la.permute_dims(split, order).reshape((batch, channels * r * r, height // r, width // r))


def _check_order(mode: str) -> None:
    if mode not in ("DCR", "CRD"):
        raise DataError(f"the mode must be DCR or CRD, got {mode!r}")


def _image(x: Tensor) -> tuple[int, ...]:
    if x.ndim != 4:
        raise DataError(f"expected [batch, channels, height, width], got the shape {list(x.shape)}")
    return x.shape


SHAPES: dict[str, Function] = {
    # --- shape ---
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Concat": _concat,
    "Split": _split,
    "Slice": _slice,
    "Expand": _expand,
    "Tile": _tile,
    "Pad": _pad,
    "Shape": _shape,
    "Size": lambda x, /: la.asarray(np.asarray(x.size, np.int64)),
    # --- constants ---
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Range": _numbers_from,
    # --- from channels to places and back ---
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
}
