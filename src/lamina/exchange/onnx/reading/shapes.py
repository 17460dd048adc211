"""What ONNX's operators on shapes and places mean here.

Shapes are tensors there. They are computed from shapes and constants, whose values are known even while a function is
traced; a shape that depends on other values is refused.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

import lamina as la
from lamina.backends.thread_state import STATE
from lamina.errors import DataError
from lamina.exchange.onnx.reading.calls import Function
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
    if mode != "constant":
        raise DataError(f"padding with the mode {mode!r} is not supported; only with a constant")
    given = either("the widths", widths, pads) or []
    axes = list(range(x.ndim)) if places is None else [axis_of(at, x.ndim) for at in numbers("the axes", places)]
    if len(given) != 2 * len(axes) or len(set(axes)) < len(axes):
        raise DataError(f"{len(given)} widths do not fit {len(axes)} axes")
    pairs = [(0, 0)] * x.ndim
    for at, low, high in zip(axes, given[: len(axes)], given[len(axes) :], strict=True):
        pairs[at] = low, high
    shape = [max(low + size + high, 0) for size, (low, high) in zip(x.shape, pairs, strict=True)]
    (x,) = put_off(x, size=math.prod(check_size("the result", shape)))
    # What is cut off, at a negative width, is not padded.
    x = x[tuple(slice(max(-low, 0), size + min(high, 0)) for size, (low, high) in zip(x.shape, pairs, strict=True))]
    number: Any = value if filling is None else filling.item()
    widths_now = [(max(low, 0), max(high, 0)) for low, high in pairs]
    return la.pad(x, widths_now, constant_values=_of_kind(x, number))


def _of_kind(x: Tensor, number: Any) -> Any:
    return float(number) if x.dtype.floating else bool(number) if x.dtype.kind == "bool" else int(number)


def _shape(x: Tensor, /, *, start: int = 0, end: int | None = None) -> Tensor:
    return la.asarray(np.asarray(x.shape[start:end], np.int64))


def _constant(
    *, value: Tensor | None = None, value_float: float | None = None, value_int: int | None = None,
    value_floats: tuple[float, ...] | None = None, value_ints: tuple[int, ...] | None = None,
) -> Tensor:  # fmt: skip
    if value is not None:
        return value
    if value_int is not None or value_ints is not None:
        return la.asarray(np.asarray(value_ints if value_int is None else value_int, np.int64))
    if value_float is None and value_floats is None:
        raise DataError("a constant needs a value of numbers")
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


# --- places -----------------------------------------------------------------------------------------------


def _gather(x: Tensor, indices: Tensor, /, *, axis: int = 0) -> Tensor:
    return la.take(x, indices, axis=axis_of(axis, x.ndim)) if indices.ndim == 1 else _gathered(x, indices, axis)


def _gathered(x: Tensor, indices: Tensor, axis: int) -> Tensor:
    at = axis_of(axis, x.ndim)
    taken = la.take(x, indices.reshape((-1,)), axis=at)
    return taken.reshape((*x.shape[:at], *indices.shape, *x.shape[at + 1 :]))


def _gather_elements(x: Tensor, indices: Tensor, /, *, axis: int = 0) -> Tensor:
    return la.take_along_axis(x, indices, axis=axis)


def _scatter_elements(
    x: Tensor, indices: Tensor, updates: Tensor, /, *, axis: int = 0, reduction: str = "none"
) -> Tensor:
    _check_adds(reduction)
    at = axis_of(axis, x.ndim)
    return x + la.scatter_add_along_axis(updates, indices, size=x.shape[at], axis=at)


def _scatter_nd(x: Tensor, indices: Tensor, updates: Tensor, /, *, reduction: str = "none") -> Tensor:
    _check_adds(reduction)
    if indices.shape[-1:] != (1,):
        raise DataError(f"indices of shape {list(indices.shape)} are not supported; the last axis must be of length 1")
    if updates.shape != (*indices.shape[:-1], *x.shape[1:]):
        raise DataError(f"updates of shape {list(updates.shape)} do not fit indices of shape {list(indices.shape)}")
    count = indices.size
    rows = updates.reshape((count, *x.shape[1:]))
    return x + la.scatter_add(rows, indices.reshape((count,)), size=x.shape[0], axis=0)


def _check_adds(reduction: str) -> None:
    if reduction != "add":
        raise DataError(f"scattering with the reduction {reduction!r} is not supported; only with 'add'")


def _one_hot(indices: Tensor, depth: Tensor, values: Tensor, /, *, axis: int = -1) -> Tensor:
    count = operator.index(numbers("the depth", depth.astype("int64").reshape((-1,)))[0])
    check_size("the result", (*indices.shape, count), MOST_LISTED)
    at = axis_of(axis, indices.ndim + 1)
    whole = indices.astype("int64")
    places = la.where(whole < 0, whole + count, whole)
    shape = [count if each == at else 1 for each in range(indices.ndim + 1)]
    same = la.equal(la.expand_dims(places, axis=at), la.reshape(la.arange(count), shape))
    return la.where(same, values[1], values[0])


def _trilu(x: Tensor, diagonal: Tensor | None = None, /, *, upper: int = 1) -> Tensor:
    k = 0 if diagonal is None else numbers("the diagonal", diagonal.reshape((-1,)))[0]
    check_size("the matrix", x.shape[-2:], MOST_MASKED)
    k = max(min(k, x.shape[-1]), -x.shape[-2]) if x.ndim > 1 else k
    return la.triu(x, k=k) if upper else la.tril(x, k=k)


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
    # --- places ---
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "ScatterElements": _scatter_elements,
    "ScatterND": _scatter_nd,
    "OneHot": _one_hot,
    "Trilu": _trilu,
}
