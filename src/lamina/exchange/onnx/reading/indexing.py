"""What ONNX's operators that gather and scatter mean here."""

from __future__ import annotations

import math
import operator

import lamina as la
from lamina.dtypes import int64
from lamina.errors import DataError
from lamina.exchange.onnx.reading.calls import Function
from lamina.exchange.onnx.reading.shapes import MOST_LISTED, MOST_MASKED, axis_of, check_size, numbers
from lamina.primitives import indexing
from lamina.tensor import Tensor


def _gather(x: Tensor, indices: Tensor, /, *, axis: int = 0) -> Tensor:
    return la.take(x, indices, axis=axis_of(axis, x.ndim)) if indices.ndim == 1 else _gathered(x, indices, axis)


def _gathered(x: Tensor, indices: Tensor, axis: int) -> Tensor:
    at = axis_of(axis, x.ndim)
    taken = la.take(x, indices.reshape((-1,)), axis=at)
    return taken.reshape((*x.shape[:at], *indices.shape, *x.shape[at + 1 :]))


def _gather_elements(x: Tensor, indices: Tensor, /, *, axis: int = 0) -> Tensor:
    return la.take_along_axis(x, indices, axis=axis)


def _gather_nd(x: Tensor, indices: Tensor, /, *, batch_dims: int = 0) -> Tensor:
    if indices.ndim < 1 or not 0 <= batch_dims < min(x.ndim, indices.ndim):
        raise DataError(f"{batch_dims} axes of batches do not fit {list(x.shape)} and {list(indices.shape)}")
    outer, count = x.shape[:batch_dims], indices.shape[-1]
    if indices.shape[:batch_dims] != outer or batch_dims + count > x.ndim:
        raise DataError(f"indices of shape {list(indices.shape)} do not fit {list(x.shape)}")
    rows = _row_numbers(indices, x.shape[batch_dims : batch_dims + count])
    # Each batch has its own rows: they follow those of the batches before it.
    size = math.prod(x.shape[batch_dims : batch_dims + count])
    check_size("the batches", outer, MOST_LISTED)
    starts = la.arange(math.prod(outer)).reshape((*outer, *[1] * (rows.ndim - batch_dims))) * size
    inner = x.shape[batch_dims + count :]
    whole = x.reshape((math.prod(outer) * size, *inner))
    return indexing.take(whole, rows + starts, axis=0)


def _row_numbers(indices: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """Return places [..., axes] along axes of these sizes as numbers of rows, counted from the start."""
    found = la.zeros(indices.shape[:-1], dtype=int64)
    for at, size in enumerate(sizes):
        one = indices[..., at].astype(int64)
        found = found * size + la.where(one < 0, one + size, one)
    return found


def _scatter_elements(
    x: Tensor, indices: Tensor, updates: Tensor, /, *, axis: int = 0, reduction: str = "none"
) -> Tensor:
    at = axis_of(axis, x.ndim)
    shape = indices.shape
    if updates.shape != shape or len(shape) != x.ndim:
        raise DataError(f"indices {list(shape)} and updates {list(updates.shape)} do not fit {list(x.shape)}")
    one = indices.astype(int64)
    along = la.where(one < 0, one + x.shape[at], one)
    if reduction == "add" and shape[:at] == x.shape[:at] and shape[at + 1 :] == x.shape[at + 1 :]:
        return x + la.scatter_add_along_axis(updates, along, size=x.shape[at], axis=at)
    flat = la.zeros((), dtype=int64)
    for each, (size, count) in enumerate(zip(x.shape, shape, strict=True)):
        check_size("the places", (count,), MOST_LISTED)
        place = along if each == at else la.arange(count).reshape([count if k == each else 1 for k in range(x.ndim)])
        flat = flat * size + place
    count = math.prod(shape)
    places = la.broadcast_to(flat, shape).reshape((count,))
    return _scattered(x.reshape((x.size,)), places, updates.reshape((count,)), reduction).reshape(x.shape)


def _scatter_nd(x: Tensor, indices: Tensor, updates: Tensor, /, *, reduction: str = "none") -> Tensor:
    if indices.ndim < 1 or not 0 < indices.shape[-1] <= x.ndim:
        raise DataError(f"indices of shape {list(indices.shape)} do not fit {list(x.shape)}")
    axes, outer = indices.shape[-1], indices.shape[:-1]
    inner = x.shape[axes:]
    if updates.shape != (*outer, *inner):
        raise DataError(f"updates of shape {list(updates.shape)} do not fit indices of shape {list(indices.shape)}")
    size, count = math.prod(x.shape[:axes]), math.prod(outer)
    rows = _row_numbers(indices, x.shape[:axes]).reshape((count,))
    whole, new = x.reshape((size, *inner)), updates.reshape((count, *inner))
    return _scattered(whole, rows, new, reduction).reshape(x.shape)


def _scattered(x: Tensor, rows: Tensor, updates: Tensor, reduction: str) -> Tensor:
    """Return ``x`` with rows replaced or joined with others."""
    if reduction == "none":
        return indexing.put_rows(x, updates.astype(x.dtype), rows)
    if reduction not in _JOINED:
        raise DataError(f"scattering with the reduction {reduction!r} is not supported; only none, add, max and min")
    join, scatter = _JOINED[reduction]
    joined: Tensor = join(x, scatter(updates, rows, size=x.shape[0]))
    return joined


_JOINED: dict[str, tuple[Function, Function]] = {
    "add": (la.add, la.scatter_add),
    "max": (la.maximum, la.scatter_max),
    "min": (la.minimum, la.scatter_min),
}


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


PLACES: dict[str, Function] = {
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "ScatterElements": _scatter_elements,
    "ScatterND": _scatter_nd,
    "OneHot": _one_hot,
    "Trilu": _trilu,
}
