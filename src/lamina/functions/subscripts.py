"""Subscripts: ``x[key]`` with NumPy's meaning, and ``x`` with something else there."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lamina.backends.thread_state import STATE
from lamina.dtypes import as_dtype, bool_, int64
from lamina.errors import DTypeError, ShapeError, SubscriptError
from lamina.functions.conversion import as_numpy
from lamina.functions.indexing import nonzero
from lamina.functions.manipulation import broadcast_to, flatten
from lamina.functions.operands import cast, in_type_of
from lamina.primitives import indexing as rows, shaping, specs
from lamina.primitives.batching import everything
from lamina.primitives.broadcasting import reshape
from lamina.primitives.elementwise import bitwise_or, less, less_equal, where
from lamina.primitives.operand import Operand

if TYPE_CHECKING:
    from lamina.tensor import Tensor

Key = Any


def getitem(x: Tensor, key: Key) -> Tensor:
    """Return ``x[key]`` with NumPy's meaning: integers, slices, ``None``, an ellipsis, masks and integer tensors.

    Lists and arrays of integers or bools stand for tensors. Integer tensors and masks stand side by side, with
    anything before and behind them; NumPy's way with those that do not, whose axes it moves to the front, is refused.
    """
    parts = [_as_tensor(x, part) for part in (key if isinstance(key, tuple) else (key,))]
    if any(isinstance(part, Operand) and not _is_scalar(part) for part in parts):
        return _by_tensors(x, parts)
    if any(isinstance(part, Operand) for part in parts):
        x, parts = _gathered(x, [_read_scalar(part) for part in parts])
    return _basic(x, _without_ellipsis(x, parts))


def _as_tensor(x: Tensor, part: Any) -> Any:
    """A list or array of integers or bools stands for the tensor; anything else is returned as it is."""
    if part.__class__ is list or isinstance(part, np.ndarray):
        array = as_numpy(part)
        if array.size == 0 and part.__class__ is list:
            array = array.astype(np.int64)
        if array.dtype.kind in "biu":
            return x._constant(array, as_dtype(array.dtype))
    return part


def _read_scalar(part: Any) -> Any:
    """A subscript that is an integer tensor without axes stands for its value."""
    if _is_scalar(part) and part._snapshot._backend.has_values:
        return int(part)
    return part


def _is_scalar(part: Any) -> bool:
    return isinstance(part, Operand) and part.ndim == 0 and part.dtype.integral


def _gathered(x: Tensor, parts: list[Any]) -> tuple[Tensor, list[Any]]:
    """Take at the subscripts without axes whose values are not known, as while tracing; return what is left to do."""
    if not any(_is_scalar(part) for part in parts):
        return x, parts
    left: list[Any] = []
    axis = 0
    for part in _without_ellipsis(x, parts):
        if _is_scalar(part):
            x = rows.take(x, cast(part, int64), axis=axis)
            continue
        left.append(part)
        axis += part is not None
    return x, left


def _without_ellipsis(x: Tensor, parts: list[Any]) -> list[Any]:
    """Return one subscript for each axis, and None for each new one."""
    used = sum(1 for part in parts if part is not None and part is not Ellipsis)
    dots = [at for at, part in enumerate(parts) if part is Ellipsis]
    if len(dots) > 1:
        raise SubscriptError("getitem: a subscript can hold one ellipsis only")
    if used > x.ndim:
        raise SubscriptError(f"getitem: {used} subscripts for the {x.ndim} axes of shape {list(x.shape)}")
    at = dots[0] if dots else len(parts)
    whole = [slice(None)] * (x.ndim - used)
    return parts[:at] + whole + parts[at + 1 :]


def _basic(x: Tensor, parts: list[Any]) -> Tensor:
    """Apply integers, slices and new axes: one regular slice, flips for negative steps, one reshape."""
    start, stop, step, flipped, shape = [], [], [], [], []
    axis = 0
    for part in parts:
        if part is None:
            shape.append(1)
            continue
        size = x.shape[axis]
        if isinstance(part, slice):
            first, last, by, length = _regular(part, size)
            if _index(part.step, 1) < 0:
                flipped.append(axis)
            shape.append(length)
        else:
            first = _position(part, axis, x.shape)
            last, by = first + 1, 1
        start.append(first)
        stop.append(last)
        step.append(by)
        axis += 1
    if any(start) or tuple(stop) != x.shape or any(by != 1 for by in step):
        x = shaping.slice_(x, start=tuple(start), stop=tuple(stop), step=tuple(step))
    if flipped:
        x = shaping.flip(x, axes=tuple(flipped))
    return x._snapshot if tuple(shape) == x.shape else reshape(x, shape=tuple(shape))


def _index(value: Any, missing: int) -> int:
    return missing if value is None else operator.index(value)


def _regular(part: slice, size: int) -> tuple[int, int, int, int]:
    """Return start, stop and positive step of the elements of a slice in ascending order, and their number."""
    try:
        chosen = range(*part.indices(size))
    except (TypeError, ValueError) as error:
        raise SubscriptError(f"getitem: the slice {part} is not usable: {error}") from error
    if len(chosen) == 0:
        return 0, 0, 1, 0
    low, high = min(chosen[0], chosen[-1]), max(chosen[0], chosen[-1])
    return low, high + 1, abs(chosen.step), len(chosen)


def _position(part: Any, axis: int, shape: tuple[int, ...]) -> int:
    size = shape[axis]
    if isinstance(part, bool):
        raise DTypeError(f"getitem: {part} chooses no index; use None for a new axis, and la.where to choose by a bool")
    try:
        index = operator.index(part)
    except TypeError as error:
        raise DTypeError(
            f"getitem: cannot subscript with {type(part).__name__}; use integers, slices, None, ..., a bool mask "
            "or integer tensors"
        ) from error
    if not -size <= index < size:
        raise SubscriptError(f"getitem: index {index} is out of range for axis {axis} of shape {list(shape)}")
    return index % size


def _by_tensors(x: Tensor, parts: list[Any]) -> Tensor:
    """Apply a key with integer tensors or masks: what stands around them first, then one gather."""
    first = parts[0]
    if len(parts) == 1 and first.dtype is bool_:
        return _masked(x, first)
    parts = _without_ellipsis(x, _without_masks(x, parts))
    at = [place for place, part in enumerate(parts) if part is not None and not isinstance(part, slice)]
    if at[-1] - at[0] >= len(at):
        raise ShapeError(
            "getitem: integer tensors, masks and integers must stand side by side; reorder the axes with permute_dims"
        )
    axis = at[0]
    chosen = parts[axis : at[-1] + 1]
    # Whole axes in the places of the chosen ones, behind which new axes and slices count on.
    x = _basic(x, [*parts[:axis], *[slice(None)] * len(at), *parts[at[-1] + 1 :]])
    return _by_integers(x, [_wrapped(x, part, axis + place) for place, part in enumerate(chosen)], axis)


def _without_masks(x: Tensor, parts: list[Any]) -> list[Any]:
    """Return subscripts where masks are the positions at which they are true, as integer tensors."""
    shown: list[Any] = []
    for place, part in enumerate(parts):
        if not isinstance(part, Operand) or part.dtype is not bool_:
            shown.append(part)
            continue
        behind = sum(_axes_of(each) for each in parts[place + 1 :])
        axis = x.ndim - behind - part.ndim if Ellipsis in _plain(parts[:place]) else sum(map(_axes_of, parts[:place]))
        if part.ndim == 0 or part.shape != x.shape[axis : axis + part.ndim]:
            raise SubscriptError(
                f"getitem: a mask of shape {list(part.shape)} does not fit the axes from {axis} on of shape "
                f"{list(x.shape)}"
            )
        shown.extend(nonzero(part))  # type: ignore[arg-type]
    return shown


def _plain(parts: list[Any]) -> list[Any]:
    return [part for part in parts if not isinstance(part, Operand)]


def _axes_of(part: Any) -> int:
    """How many axes a subscript stands for."""
    if part is None or part is Ellipsis:
        return 0
    return part.ndim if isinstance(part, Operand) and part.dtype is bool_ else 1


def _wrapped(x: Tensor, part: Any, axis: int) -> Tensor:
    """Return the indices of one axis as a tensor of positions counted from the start."""
    if not isinstance(part, Operand):
        return x._full((), _position(part, axis, x.shape), int64)
    if not part.dtype.integral:
        raise DTypeError(f"getitem: expected integer or bool tensors as subscripts, got {part.dtype.name}")
    return cast(part, int64)  # type: ignore[arg-type]


def _from_start(indices: Tensor, size: int) -> Tensor:
    return where(less(indices, indices._scalar(0)), indices + size, indices)


def _by_integers(x: Tensor, indices: list[Tensor], axis: int) -> Tensor:
    """Return ``x[..., i, j, ...]`` by one gather: the indexed axes made one, positions in it worked out."""
    shape = specs.broadcast_shapes("getitem", *(each.shape for each in indices))
    if len(indices) == 1:
        return rows.take(x, indices[0], axis=axis)
    indexed = x.shape[axis : axis + len(indices)]
    lead = math.prod(indexed)
    place = outside = None
    for size, each in zip(indexed, indices, strict=True):
        position = _from_start(each, size)
        beyond = bitwise_or(less(position, position._scalar(0)), less_equal(position._scalar(size), position))
        place = position if place is None else place * size + position
        outside = beyond if outside is None else bitwise_or(outside, beyond)
    assert place is not None
    assert outside is not None
    # An index outside its own axis must not become a place in the next row: it goes outside the whole.
    place = where(outside, place._scalar(lead), place)
    flat = reshape(x, shape=(*x.shape[:axis], lead, *x.shape[axis + len(indices) :]))
    return rows.take(flat, broadcast_to(place, shape), axis=axis)


def _masked(x: Tensor, mask: Tensor) -> Tensor:
    # The standard lets an axis of a mask be empty; such a mask chooses nothing.
    if mask.ndim > x.ndim or any(size not in (0, of_x) for size, of_x in zip(mask.shape, x.shape, strict=False)):
        raise SubscriptError(
            f"getitem: a mask of shape {list(mask.shape)} does not fit the leading axes of shape {list(x.shape)}"
        )
    if mask.size == 0:
        return x._full((0, *x.shape[mask.ndim :]), 0)
    (places,) = nonzero(flatten(mask))
    flat = reshape(x, shape=(mask.size, *x.shape[mask.ndim :]))
    return rows.take(flat, places, axis=0)


def replaced(x: Tensor, key: Key, value: Any) -> Tensor:
    """Return ``x`` with ``value`` at ``key``: the functional form of ``x[key] = value``.

    Examples
    --------
    >>> import lamina as la
    >>> la.asarray([1.0, 2.0, 3.0]).replaced(0, 9.0)
    Tensor([9., 2., 3.], shape=[3], dtype=float32)
    """
    places = x._constant(_counting(x.shape), int64)
    chosen = getitem(places, key)
    inserted = in_type_of("replaced", x, value)
    if specs.broadcast_shapes("replaced", inserted.shape, chosen.shape) != chosen.shape:
        raise ShapeError(
            f"replaced: a value of shape {list(inserted.shape)} does not fit what the key chooses, which has shape "
            f"{list(chosen.shape)}"
        )
    inserted = broadcast_to(inserted, chosen.shape)
    count, size = chosen.size, x.size
    flat_places = reshape(chosen, shape=(count,))
    marks = rows.scatter_add(x._full((count,), 1, int64), flat_places, axis=0, size=size)
    if _has_tensors(key) and marks.size:
        _check_once(marks)
    spread = rows.scatter_add(reshape(inserted, shape=(count,)), flat_places, axis=0, size=size)
    flat = where(marks > 0, spread, reshape(x, shape=(size,)))
    return reshape(flat, shape=x.shape)


def _check_once(marks: Tensor) -> None:
    """Refuse keys that name an element twice; while tracing, have the program refuse them."""
    error, marks = ShapeError("replaced: the key names an element twice"), everything(marks)
    if not marks._backend.has_values and STATE.tracer is not None:
        STATE.tracer.require(marks.max() <= 1, error)
    elif int(marks.max()) > 1:
        raise error


def _has_tensors(key: Key) -> bool:
    return any(isinstance(part, Operand | list | np.ndarray) for part in (key if isinstance(key, tuple) else (key,)))


def _counting(shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    return np.arange(math.prod(shape)).reshape(shape)
