"""The default backend: NumPy, by its shortest calls, with bfloat16 from ml_dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends import convolving, strided
from lamina.backends.array_api import ArrayAPIBackend
from lamina.backends.protocol import Array, NDArray, Shape, numpy_dtype
from lamina.backends.rounding import rounded_by_bits
from lamina.dtypes import DTYPES, DType, bfloat16, ends
from lamina.ownership import LARGE, aligned_empty

# From how many elements on it is worth asking whether there is a faster way.
LONG = 4096
# Elements of a slice from which slices are worth being put in order.
WIDE = 8
PIECE = 65536
"""Elements of which what is computed on the way to a function stays in cache."""

_sum: Any = np.add.reduce
_largest: Any = np.maximum.reduce
_smallest: Any = np.minimum.reduce


class _Zeros(dict[Any, Array]):
    """The zero of each NumPy type, made when it is first asked for."""

    def __missing__(self, native: Any) -> Array:
        zero = self[native] = np.zeros((), native)
        return zero


class NumPyBackend(ArrayAPIBackend):
    """`ArrayAPIBackend` over NumPy.

    It overrides only where NumPy offers a shorter way to the same result: on the small arrays of small
    networks the call costs more than the arithmetic.
    """

    def __init__(self) -> None:
        super().__init__(np, "cpu")
        self._zeros = _Zeros()
        self.dtypes = frozenset(DTYPES.values())

    def _native_dtypes(self) -> dict[DType, Any]:
        return {dtype: np.dtype(dtype.name) for dtype in DTYPES.values() if dtype is not bfloat16}

    def native(self, dtype: DType) -> Any:
        if dtype is bfloat16 and dtype not in self._native:
            native = numpy_dtype(bfloat16)
            self._native[bfloat16] = native
            self._by_native[native] = bfloat16
        return super().native(dtype)

    # --- in, out and types ---

    def dtype_of(self, array: Array) -> DType:
        # Compiled programs make arrays of bfloat16 before this backend has made any.
        if array.dtype not in self._by_native and array.dtype == numpy_dtype(bfloat16):
            self.native(bfloat16)
        return super().dtype_of(array)

    def from_numpy(self, array: NDArray, dtype: DType) -> Array:
        native = self.native(dtype)
        if array.size * native.itemsize < LARGE:
            made = np.array(array, dtype=native, order="C")
            # Of an array that was pickled it keeps the type, which is equal but another object.
            return made if made.dtype is native else made.view(native)
        made = aligned_empty(array.shape, native)
        made[...] = array
        return made

    def to_numpy(self, array: Array) -> NDArray:
        return np.asarray(array)

    def full(self, shape: Shape, value: bool | int | float, dtype: DType) -> Array:
        native = self._native.get(dtype) or self.native(dtype)
        if not shape:
            return np.asarray(value, native)
        filled = np.empty(shape, native)
        if filled.nbytes >= LARGE:
            filled = aligned_empty(shape, native)
        filled.fill(value)
        return filled

    def astype(self, x: Array, *, dtype: DType) -> Array:
        return np.asarray(x).astype(self.native(dtype))

    def relu(self, x: Array) -> Array:
        return np.maximum(x, self._zeros[x.dtype])

    def erf(self, x: Array) -> Array:
        if x.size <= PIECE:
            return super().erf(x)
        flat = x.reshape(-1)
        result = np.empty_like(flat)
        for start in range(0, flat.size, PIECE):
            result[start : start + PIECE] = super().erf(flat[start : start + PIECE])
        return result.reshape(x.shape)

    def multiply_no_nan(self, x: Array, y: Array) -> Array:
        product = np.multiply(x, y)
        # Looking for NaN is cheaper than choosing, and there is hardly ever anything to choose. A sum has it all.
        total = _sum(product, axis=None)
        return product if total == total else super().multiply_no_nan(x, y)

    def nextafter(self, x: Array, y: Array) -> Array:
        found = np.nextafter(x, y)
        # Of equal numbers C and NumPy return the second, but NumPy before 2.5 the first of halves: zeros have signs.
        return np.where(np.equal(x, y), y, found) if found.dtype == np.float16 else found

    # --- reductions and scans: narrow floats accumulate in float32 ---

    def sum(self, x: Array, *, axes: Shape, keepdims: bool) -> Array:
        return _reduced(np.add, x, axes, keepdims)

    def prod(self, x: Array, *, axes: Shape, keepdims: bool) -> Array:
        return _reduced(np.multiply, x, axes, keepdims)

    def max(self, x: Array, *, axes: Shape, keepdims: bool) -> Array:
        if x.size >= LONG and strided.in_windows(x, axes):
            return strided.reduced(np.maximum, x, axes, keepdims)
        return _largest(x, axis=axes, keepdims=keepdims)

    def min(self, x: Array, *, axes: Shape, keepdims: bool) -> Array:
        if x.size >= LONG and strided.in_windows(x, axes):
            return strided.reduced(np.minimum, x, axes, keepdims)
        return _smallest(x, axis=axes, keepdims=keepdims)

    def cumulative_sum(self, x: Array, *, axis: int) -> Array:
        return np.add.accumulate(_wide(x), axis=axis, dtype=_wide(x).dtype).astype(x.dtype, copy=False)

    def cumulative_prod(self, x: Array, *, axis: int) -> Array:
        return np.multiply.accumulate(_wide(x), axis=axis, dtype=_wide(x).dtype).astype(x.dtype, copy=False)

    def matmul(self, a: Array, b: Array) -> Array:
        if a.dtype.itemsize == 2 and a.dtype.kind not in "iu":
            return np.matmul(_wide(a), _wide(b)).astype(a.dtype)
        # For a single element dot scales rows by it, and leaves out zero times infinity, which is NaN.
        return a.dot(b) if a.ndim == 2 == b.ndim and a.size > 1 < b.size else np.matmul(a, b)

    def matmul_bfloat16(self, a: Array, b: Array) -> Array:
        return self.matmul(rounded_by_bits(a), rounded_by_bits(b))

    # --- shape: methods, which skip NumPy's dispatch ---

    def reshape(self, x: Array, *, shape: Shape) -> Array:
        return x.reshape(shape)

    def permute_dims(self, x: Array, *, axes: Shape) -> Array:
        return x.transpose(axes)

    def broadcast_to(self, x: Array, *, shape: Shape) -> Array:
        wide = np.empty(shape, x.dtype)
        wide[...] = x
        return wide

    # --- indexing ---

    def take(self, x: Array, indices: Array, *, axis: int) -> Array:
        return x.take(indices, axis=axis)

    def scatter_add(self, values: Array, indices: Array, *, axis: int, size: int) -> Array:
        before, after = values.shape[:axis], values.shape[axis + indices.ndim :]
        result = np.zeros((*before, size, *after), values.dtype)
        if axis and values.size >= LONG and values.size >= 128 * indices.size:
            # Inside an array NumPy's own way takes every element by itself.
            slices = np.moveaxis(values.reshape(*before, indices.size, *after), axis, 0)
            into = np.moveaxis(result, axis, 0)
            for place, slice_ in zip(indices.ravel().tolist(), slices, strict=True):
                into[place] += slice_
            return result
        np.add.at(result, (*[slice(None)] * axis, indices), values)
        return result

    def scatter_max(self, values: Array, indices: Array, *, axis: int, size: int) -> Array:
        return self._extremes(np.maximum, ends(self.dtype_of(values))[0], values, indices, axis, size)

    def scatter_min(self, values: Array, indices: Array, *, axis: int, size: int) -> Array:
        return self._extremes(np.minimum, ends(self.dtype_of(values))[1], values, indices, axis, size)

    def _extremes(
        self, operation: np.ufunc, start: float, values: Array, indices: Array, axis: int, size: int
    ) -> Array:
        before, after = values.shape[:axis], values.shape[axis + indices.ndim :]
        result = np.full((*before, size, *after), start, values.dtype)
        if not indices.size or values.size < WIDE * indices.size:
            operation.at(result, (*[slice(None)] * axis, indices), values)
            return result
        # NumPy's own way takes every element by itself: slices of the same index are put together first.
        slices = np.moveaxis(values.reshape(*before, indices.size, *after), axis, 0)
        places = self._checked(indices.ravel(), size, operation.__name__)
        order = places.argsort(kind="stable")
        places = places[order]
        firsts = np.flatnonzero(np.concatenate(([True], places[1:] != places[:-1])))
        np.moveaxis(result, axis, 0)[places[firsts]] = operation.reduceat(slices[order], firsts, axis=0)
        return result

    def put_rows(self, x: Array, rows: Array, indices: Array) -> Array:
        result = x.copy()
        write_rows(result, rows, indices)
        return result

    def take_along_axis(self, x: Array, indices: Array, *, axis: int) -> Array:
        return np.take_along_axis(x, indices, axis=axis)

    def scatter_add_along_axis(self, values: Array, indices: Array, *, axis: int, size: int) -> Array:
        result = np.zeros((*values.shape[:axis], size, *values.shape[axis + 1 :]), values.dtype)
        grid: list[Any] = list(np.ogrid[tuple(map(slice, indices.shape))])
        grid[axis] = indices
        np.add.at(result, tuple(grid), values)
        return result

    def sort(self, x: Array, *, axis: int, descending: bool, stable: bool) -> Array:
        # In float32, where NaN has a place: last, for it counts as the largest.
        ordered = super().sort(_wide(x), axis=axis, descending=descending, stable=stable)
        return ordered.astype(x.dtype, copy=False)

    def argsort(self, x: Array, *, axis: int, descending: bool, stable: bool) -> Array:
        return super().argsort(_wide(x), axis=axis, descending=descending, stable=stable)

    def searchsorted(self, sorted_values: Array, values: Array, *, side: Any) -> Array:
        return np.searchsorted(_wide(sorted_values), _wide(values), side=side)

    # --- windows ---

    def windows(self, x: Array, *, size: Shape, stride: Shape, dilation: Shape) -> Array:
        return strided.windows(x, size, stride, dilation)

    def convolution(self, x: Array, w: Array, *, stride: Shape, dilation: Shape, groups: int) -> Array:
        return convolving.convolution(_wide(x), _wide(w), stride, dilation, groups).astype(x.dtype, copy=False)


def write_rows(x: Array, rows: Array, indices: Array) -> None:
    """Put rows into an array itself; `NumPyBackend.put_rows` leaves it as it is."""
    if rows.shape != (*indices.shape, *x.shape[1:]) or x.dtype != rows.dtype or indices.dtype.kind not in "iu":
        raise ValueError("the rows do not fit")
    if indices.size and (np.minimum.reduce(indices) < 0 or np.maximum.reduce(indices) >= x.shape[0]):
        inside = (indices >= 0) & (indices < x.shape[0])
        rows, indices = rows[inside], indices[inside]
    x[indices] = rows


def _wide(x: Array) -> Array:
    return x.astype(np.float32) if x.dtype.itemsize == 2 and x.dtype.kind not in "iu" else x


def _reduced(operation: np.ufunc, x: Array, axes: Shape, keepdims: bool) -> Array:
    if x.dtype.itemsize == 2 and x.dtype.kind not in "iu":
        return operation.reduce(x, axis=axes, keepdims=keepdims, dtype=np.float32).astype(x.dtype)
    if x.size >= LONG and strided.in_windows(x, axes):
        return strided.reduced(operation, x, axes, keepdims)
    return operation.reduce(x, axis=axes, keepdims=keepdims, dtype=x.dtype)
