"""What each primitive must compute, in NumPy: by name where NumPy has it, written out where it has not."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.backends.protocol import numpy_dtype
from lamina.dtypes import DType, bfloat16
from lamina.errors import BackendError
from lamina.primitives import specs
from lamina.primitives.primitive import Primitive, Shape
from lamina.testing.philox import philox_words

NDArray = npt.NDArray[Any]
Reference = Callable[..., Any]


def slice_(x: NDArray, *, start: Shape, stop: Shape, step: Shape) -> NDArray:
    """Every ``step``-th element, gathered axis by axis."""
    for axis, places in enumerate(map(range, start, stop, step)):
        x = np.take(x, np.asarray(places, dtype=np.int64), axis=axis)
    return x


def pad(x: NDArray, *, low: Shape, high: Shape, interior: Shape, value: float) -> NDArray:
    """Axis by axis: each element followed by its interior, then both ends."""
    for axis in range(x.ndim):
        lines = np.moveaxis(x, axis, 0)
        fill = np.full(lines.shape[1:], value, dtype=x.dtype)
        spread: list[NDArray] = [fill] * low[axis]
        for at, line in enumerate(lines):
            spread += ([fill] * interior[axis] if at else []) + [line]
        spread += [fill] * high[axis]
        stacked = np.stack(spread) if spread else np.empty((0, *fill.shape), x.dtype)
        x = np.moveaxis(stacked, 0, axis)
    return x


def scatter_add(values: NDArray, indices: NDArray, *, axis: int, size: int) -> NDArray:
    """One slice after another."""
    result = np.zeros((*values.shape[:axis], size, *values.shape[axis + indices.ndim :]), values.dtype)
    before = (slice(None),) * axis
    for place in np.ndindex(indices.shape):
        target: tuple[Any, ...] = (*before, int(indices[place]))
        result[target] += values[(*before, *place)]
    return result


def _scattered(operation: Reference, least: bool) -> Reference:
    """One slice after another, from what no number is beyond."""

    def scattered(values: NDArray, indices: NDArray, *, axis: int, size: int) -> NDArray:
        kind = np.finfo(values.dtype) if values.dtype.kind == "f" else np.iinfo(values.dtype)
        start = kind.min if least else kind.max
        start = np.copysign(np.inf, start) if values.dtype.kind == "f" else start
        result = np.full((*values.shape[:axis], size, *values.shape[axis + indices.ndim :]), start, values.dtype)
        before = (slice(None),) * axis
        for place in np.ndindex(indices.shape):
            target: tuple[Any, ...] = (*before, int(indices[place]))
            result[target] = operation(result[target], values[(*before, *place)])
        return result

    return scattered


def matrix_exp(x: NDArray) -> NDArray:
    """Taylor's series of the matrix divided by a power of two, squared as often."""
    halvings = max(0, math.frexp(float(np.max(np.sum(np.abs(x), axis=-2), initial=0.0)))[1] + 1)
    scaled = x.astype(np.float64) / 2.0**halvings
    result = term = np.broadcast_to(np.eye(x.shape[-1]), x.shape)
    for k in range(1, 20):
        term = term @ scaled / k
        result = result + term
    for _ in range(halvings):
        result = result @ result
    return result.astype(x.dtype)


def put_rows(x: NDArray, rows: NDArray, indices: NDArray) -> NDArray:
    """One row after another."""
    result = x.copy()
    for row, index in zip(rows, indices.tolist(), strict=True):
        if 0 <= index < len(x):
            result[index] = row
    return result


def scatter_add_along_axis(values: NDArray, indices: NDArray, *, axis: int, size: int) -> NDArray:
    """One element after another."""
    result = np.zeros((*values.shape[:axis], size, *values.shape[axis + 1 :]), values.dtype)
    for place in np.ndindex(values.shape):
        result[(*place[:axis], int(indices[place]), *place[axis + 1 :])] += values[place]
    return result


def windows(x: NDArray, *, size: Shape, stride: Shape, dilation: Shape) -> NDArray:
    """Gathered axis by axis, the axis inside a window moved to the end."""
    first = x.ndim - len(size)
    for axis, (count, step, apart) in enumerate(zip(size, stride, dilation, strict=True), first):
        starts = np.arange(0, x.shape[axis] - apart * (count - 1), step)
        x = np.moveaxis(np.take(x, starts[:, None] + apart * np.arange(count), axis=axis), axis + 1, -1)
    return x


def convolution(x: NDArray, w: NDArray, *, stride: Shape, dilation: Shape, groups: int) -> NDArray:
    """One output channel and one window after another."""
    outputs, inner, *size = w.shape
    seen = windows(x, size=tuple(size), stride=stride, dilation=dilation)
    result = np.zeros((x.shape[0], outputs, *seen.shape[2 : x.ndim]), x.dtype)
    for to in range(outputs):
        first = to // (outputs // groups) * inner
        for place in np.ndindex(result.shape[2:]):
            terms = seen[(slice(None), slice(first, first + inner), *place)] * w[to]
            result[(slice(None), to, *place)] = terms.sum(axis=tuple(range(1, terms.ndim)), dtype=x.dtype)
    return result


def multiply_no_nan(x: NDArray, y: NDArray) -> NDArray:
    """A product in which zero wins over infinity and NaN."""
    x, y = np.broadcast_arrays(x, y)
    return np.where((x == 0) & ~np.isfinite(y), np.zeros((), x.dtype), x * y)


def erf(x: NDArray) -> NDArray:
    """The error function of Python's ``math``."""
    flat = [math.erf(each) for each in x.ravel().tolist()]
    return np.asarray(flat, dtype=x.dtype).reshape(x.shape)


def sigmoid(x: NDArray) -> NDArray:
    """The logistic function, from the side on which ``exp`` does not overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0 / (1.0 + small), small / (1.0 + small))


def random_bits(key: NDArray, counter: NDArray, *, size: int) -> NDArray:
    """The stream of `philox_words`."""
    return np.asarray(philox_words(int(key), int(counter), size), dtype=np.uint32)


def argsort(x: NDArray, *, axis: int, descending: bool, stable: bool) -> NDArray:
    """Positions in order, equal elements in theirs; NaN counts as the largest."""

    def of_line(line: NDArray) -> NDArray:
        values = line.tolist()
        sign = -1 if descending else 1
        keys = [(sign * (each != each), 0 if each != each else sign * each) for each in values]
        return np.asarray(sorted(range(len(values)), key=keys.__getitem__), dtype=np.int64)

    return np.apply_along_axis(of_line, axis, x) if x.size else np.zeros(x.shape, np.int64)


def sort(x: NDArray, *, axis: int, descending: bool, stable: bool) -> NDArray:
    """The elements at the positions of `argsort`."""
    return np.take_along_axis(x, argsort(x, axis=axis, descending=descending, stable=stable), axis=axis)


def _astype(x: NDArray, *, dtype: DType) -> NDArray:
    return x if dtype.floating else x.astype(dtype.name)


def matmul_bfloat16(a: NDArray, b: NDArray) -> NDArray:
    """The product of operands rounded by ml_dtypes."""
    native = numpy_dtype(bfloat16)
    return np.matmul(*(each.astype(np.float32).astype(native).astype(each.dtype) for each in (a, b)))


def solve_triangular(a: NDArray, b: NDArray, *, upper: bool, unitriangular: bool) -> NDArray:
    """The solution of the system whose other elements are zeros."""
    triangle = np.triu(a, 1 if unitriangular else 0) if upper else np.tril(a, -1 if unitriangular else 0)
    return np.linalg.solve(triangle + np.eye(a.shape[-1]) if unitriangular else triangle, b)


WRITTEN: dict[str, Reference] = {
    "slice": slice_,
    "pad": pad,
    "scatter_add": scatter_add,
    "scatter_max": _scattered(np.maximum, least=True),
    "scatter_min": _scattered(np.minimum, least=False),
    "put_rows": put_rows,
    "matrix_exp": matrix_exp,
    "solve_triangular": solve_triangular,
    "scatter_add_along_axis": scatter_add_along_axis,
    "windows": windows,
    "convolution": convolution,
    "matmul_bfloat16": matmul_bfloat16,
    "multiply_no_nan": multiply_no_nan,
    "erf": erf,
    "sigmoid": sigmoid,
    "relu": lambda x: np.where(x < 0, np.zeros((), x.dtype), x),
    "random_bits": random_bits,
    "argsort": argsort,
    "sort": sort,
    "astype": _astype,
    "alias": lambda x: x,
    "concat": lambda *arrays, axis: np.concat(arrays, axis=axis),
    "flip": lambda x, *, axes: np.flip(x, axis=axes),
}


def _by_axes(operation: Reference) -> Reference:
    return lambda x, *, axes, keepdims: operation(x, axis=axes, keepdims=keepdims)


def _in_own_type(operation: Reference) -> Reference:
    return lambda x, *, axes, keepdims: operation(x, axis=axes, keepdims=keepdims, dtype=x.dtype)


def _scan(operation: Reference) -> Reference:
    return lambda x, *, axis: operation(x, axis=axis, dtype=x.dtype)


# How NumPy's function of the same name takes the parameters of a family.
_ADAPTERS: dict[Any, Callable[[Reference], Reference]] = {
    specs.reduction: _in_own_type,
    specs.nonempty_reduction: _by_axes,
    specs.bool_reduction: _by_axes,
    specs.along_axis: _scan,
}


def reference_of(primitive: Primitive) -> Reference:
    """Return the function of NumPy arrays that a primitive must agree with.

    Raises
    ------
    BackendError
        When there is none: NumPy has no function of that name, and none is written here.
    """
    if primitive.name in WRITTEN:
        return WRITTEN[primitive.name]
    operation = getattr(np, primitive.name, None) or getattr(np.linalg, primitive.name, None)
    if operation is None:
        raise BackendError(
            f"check_primitive: there is no reference for {primitive.name!r}: NumPy has no function of that name; "
            "add one to lamina.testing.references.WRITTEN"
        )
    adapter = _ADAPTERS.get(primitive.spec)
    return operation if adapter is None else adapter(operation)
