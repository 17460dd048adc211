"""The stock backend, written over any array API namespace."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.backends import exponential, segments, triangular, windows
from lamina.backends.philox import philox_words
from lamina.backends.protocol import Array, NDArray, Shape, numpy_dtype
from lamina.backends.rounding import rounded
from lamina.backends.special import erf, erf_single
from lamina.dtypes import DTYPES, DType, ends, float32, float64
from lamina.errors import BackendError, DTypeError

Unary = Callable[[Array], Array]
Binary = Callable[[Array, Array], Array]


class ArrayAPIBackend:
    """A `Backend` over a namespace of the Python array API standard.

    `Backend` says what each method does; those here, and those of backends made from this one, say how where that
    is not plain.

    Parameters
    ----------
    xp : namespace
        Such as ``numpy``, ``cupy`` or ``array_api_strict``.
    name : str
        The device string that chooses this backend.
    device : object, optional
        Passed as ``device=`` where arrays are made; the namespace's default when not given.
    """

    # The operations that the standard has under the same name, with the same operands.
    negative: Unary
    abs: Unary
    sign: Unary
    floor: Unary
    ceil: Unary
    trunc: Unary
    round: Unary
    bitwise_invert: Unary
    exp: Unary
    expm1: Unary
    log: Unary
    log1p: Unary
    log2: Unary
    log10: Unary
    sqrt: Unary
    sin: Unary
    cos: Unary
    tan: Unary
    asin: Unary
    acos: Unary
    atan: Unary
    sinh: Unary
    cosh: Unary
    tanh: Unary
    asinh: Unary
    acosh: Unary
    atanh: Unary
    add: Binary
    subtract: Binary
    multiply: Binary
    divide: Binary
    pow: Binary
    floor_divide: Binary
    remainder: Binary
    atan2: Binary
    maximum: Binary
    minimum: Binary
    copysign: Binary
    nextafter: Binary
    equal: Binary
    not_equal: Binary
    less: Binary
    less_equal: Binary
    bitwise_and: Binary
    bitwise_or: Binary
    bitwise_xor: Binary
    bitwise_left_shift: Binary
    bitwise_right_shift: Binary
    where: Any
    matmul: Binary

    def __init__(self, xp: Any, name: str, device: Any = None) -> None:
        self.xp = xp
        self.name = name
        self.device = device
        self.scalars: dict[Any, Any] = {}
        self.has_values = True
        for operation in ArrayAPIBackend.__annotations__:
            # A subclass may have a shorter way; one on the instance would hide it.
            if not hasattr(type(self), operation):
                setattr(self, operation, getattr(xp, operation))
        self._native = self._native_dtypes()
        # By what arrays say: NumPy and CuPy name their types by classes, and their arrays by other objects.
        self._by_native = {xp.empty(0, dtype=native).dtype: dtype for dtype, native in self._native.items()}
        self.dtypes = frozenset(self._native)

    def __repr__(self) -> str:
        return f"<{self.name} backend over {self.xp.__name__}>"

    def _native_dtypes(self) -> dict[DType, Any]:
        names = ((dtype, "bool_" if dtype.name == "bool" and not hasattr(self.xp, "bool") else dtype.name)
                 for dtype in DTYPES.values())  # fmt: skip
        return {dtype: getattr(self.xp, name) for dtype, name in names if hasattr(self.xp, name)}

    def native(self, dtype: DType) -> Any:
        """Return the namespace's own form of a type."""
        found = self._native.get(dtype)
        if found is None:
            raise DTypeError(
                f"{dtype.name}: the {self.name} backend has no such type; it has "
                f"{', '.join(sorted(known.name for known in self.dtypes))}"
            )
        return found

    # --- in, out and types ---

    def from_numpy(self, array: NDArray, dtype: DType) -> Array:
        return self.xp.asarray(array, dtype=self.native(dtype), device=self.device, copy=True)

    def to_numpy(self, array: Array) -> NDArray:
        if isinstance(array, np.ndarray | np.generic):
            return np.asarray(array)
        return np.from_dlpack(array) if array.size else np.empty(array.shape, numpy_dtype(self.dtype_of(array)))

    def dtype_of(self, array: Array) -> DType:
        found = self._by_native.get(array.dtype)
        if found is None:
            raise DTypeError(f"dtype: an array of type {array.dtype} came from the {self.name} backend")
        return found

    def full(self, shape: Shape, value: bool | int | float, dtype: DType) -> Array:
        return self.xp.full(shape, value, dtype=self.native(dtype), device=self.device)

    def astype(self, x: Array, *, dtype: DType) -> Array:
        return self.xp.astype(x, self.native(dtype))

    def alias(self, x: Array) -> Array:
        return x

    def item(self, x: tuple[Array, ...], *, index: int) -> Array:
        return x[index]

    # --- elementwise ---

    def erf(self, x: Array) -> Array:
        dtype = self.dtype_of(x)
        if dtype.bits > 16:
            return (erf if dtype.bits > 32 else erf_single)(self.xp, x)
        # Between the branches of the approximation narrow types have too few digits.
        return self.astype(self.erf(self.astype(x, dtype=float32)), dtype=dtype)

    def sigmoid(self, x: Array) -> Array:
        # Right at both ends: exp overflows to infinity, whose inverse is the limit.
        one = self.xp.ones((), dtype=x.dtype, device=self.device)
        return one / (one + self.xp.exp(-x))

    def relu(self, x: Array) -> Array:
        return self.xp.maximum(x, self.xp.zeros((), dtype=x.dtype, device=self.device))

    def multiply_no_nan(self, x: Array, y: Array) -> Array:
        product = x * y
        masked = (x == 0) & ~self.xp.isfinite(y)
        return self.xp.where(masked, self.xp.zeros((), dtype=x.dtype, device=self.device), product)

    # --- reductions and scans ---

    def sum(self, x: Array, *, axes: Shape, keepdims: bool) -> Array:
        return self.xp.sum(x, axis=axes, dtype=x.dtype, keepdims=keepdims)

    def prod(self, x: Array, *, axes: Shape, keepdims: bool) -> Array:
        return self.xp.prod(x, axis=axes, dtype=x.dtype, keepdims=keepdims)

    def max(self, x: Array, *, axes: Shape, keepdims: bool) -> Array:
        return self.xp.max(x, axis=axes, keepdims=keepdims)

    def min(self, x: Array, *, axes: Shape, keepdims: bool) -> Array:
        return self.xp.min(x, axis=axes, keepdims=keepdims)

    def any(self, x: Array, *, axes: Shape, keepdims: bool) -> Array:
        return self.xp.any(x, axis=axes, keepdims=keepdims)

    def all(self, x: Array, *, axes: Shape, keepdims: bool) -> Array:
        return self.xp.all(x, axis=axes, keepdims=keepdims)

    def argmax(self, x: Array, *, axis: int, keepdims: bool) -> Array:
        return self._positions(self.xp.argmax(x, axis=axis, keepdims=keepdims))

    def argmin(self, x: Array, *, axis: int, keepdims: bool) -> Array:
        return self._positions(self.xp.argmin(x, axis=axis, keepdims=keepdims))

    def _positions(self, x: Array) -> Array:
        return self.xp.astype(x, self.xp.int64, copy=False)

    def cumulative_sum(self, x: Array, *, axis: int) -> Array:
        return self.xp.cumulative_sum(x, axis=axis, dtype=x.dtype)

    def cumulative_prod(self, x: Array, *, axis: int) -> Array:
        return self.xp.cumulative_prod(x, axis=axis, dtype=x.dtype)

    # --- shape ---

    def reshape(self, x: Array, *, shape: Shape) -> Array:
        return self.xp.reshape(x, shape)

    def broadcast_to(self, x: Array, *, shape: Shape) -> Array:
        return self.xp.broadcast_to(x, shape)

    def permute_dims(self, x: Array, *, axes: Shape) -> Array:
        return self.xp.permute_dims(x, axes)

    def flip(self, x: Array, *, axes: Shape) -> Array:
        return self.xp.flip(x, axis=axes)

    def slice(self, x: Array, *, start: Shape, stop: Shape, step: Shape) -> Array:
        return x[tuple(map(slice, start, stop, step))]

    def pad(self, x: Array, *, low: Shape, high: Shape, interior: Shape, value: float) -> Array:
        """Make an array of the value, and write the elements at their places."""
        sizes = [
            before + size + max(size - 1, 0) * between + after
            for size, before, between, after in zip(x.shape, low, interior, high, strict=True)
        ]
        result = self.xp.full(tuple(sizes), value, dtype=x.dtype, device=self.device)
        places = zip(x.shape, low, interior, strict=True)
        where = tuple(
            slice(before, before + (size - 1) * (between + 1) + 1 if size else before, between + 1)
            for size, before, between in places
        )
        result[where] = x
        return result

    def concat(self, *arrays: Array, axis: int) -> Array:
        return self.xp.concat(arrays, axis=axis)

    # --- indexing, searching, sorting ---

    def take(self, x: Array, indices: Array, *, axis: int) -> Array:
        size = x.shape[axis]
        flat = self._checked(self.xp.reshape(indices, (-1,)), size, "take")
        taken = self.xp.take(x, flat, axis=axis)
        return self.xp.reshape(taken, (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))

    def _checked(self, indices: Array, size: int, operation: str) -> Array:
        """Return indices counted from the start; the standard leaves others to the library."""
        indices = self.xp.astype(indices, self.xp.int64, copy=False)
        if indices.size and not bool(self.xp.all((indices >= -size) & (indices < size))):
            raise IndexError(f"{operation}: an index lies outside an axis of size {size}")
        return self.xp.where(indices < 0, indices + size, indices)

    def scatter_add(self, values: Array, indices: Array, *, axis: int, size: int) -> Array:
        return self._scattered("scatter_add", operator.add, 0, values, indices, axis, size)

    def scatter_max(self, values: Array, indices: Array, *, axis: int, size: int) -> Array:
        return self._scattered("scatter_max", self.maximum, ends(self.dtype_of(values))[0], values, indices, axis, size)

    def scatter_min(self, values: Array, indices: Array, *, axis: int, size: int) -> Array:
        return self._scattered("scatter_min", self.minimum, ends(self.dtype_of(values))[1], values, indices, axis, size)

    def _scattered(
        self, name: str, combine: segments.Combine, start: float, values: Array, indices: Array, axis: int, size: int
    ) -> Array:
        """Combine rows: the indexed axes come first and are one."""
        xp = self.xp
        before, after = values.shape[:axis], values.shape[axis + len(indices.shape) :]
        count = indices.size
        flat = xp.reshape(values, (*before, count, *after))
        rows = xp.reshape(xp.moveaxis(flat, axis, 0), (count, -1 if count else math.prod((*before, *after))))
        places = self._checked(xp.reshape(indices, (-1,)), size, name)
        found = segments.combined(xp, combine, start, rows, places, size)
        return xp.moveaxis(xp.reshape(found, (size, *before, *after)), 0, axis)

    def put_rows(self, x: Array, rows: Array, indices: Array) -> Array:
        """Take for each row of ``x`` the last of the rows for it, found by sorting."""
        xp, size = self.xp, x.shape[0]
        if indices.size == 0 or x.size == 0:
            return xp.asarray(x, copy=True)
        places = xp.astype(indices, xp.int64, copy=False)
        order = self._positions(xp.argsort(places, stable=True))
        inside, found = segments.last_of_each(xp, xp.take(places, order, axis=0), size)
        new = xp.take(rows, xp.take(order, inside, axis=0), axis=0)
        return xp.where(xp.reshape(found, (size, *[1] * (len(x.shape) - 1))), new, x)

    def take_along_axis(self, x: Array, indices: Array, *, axis: int) -> Array:
        checked = self._checked(indices, x.shape[axis], "take_along_axis")
        return self.xp.take_along_axis(x, checked, axis=axis)

    def scatter_add_along_axis(self, values: Array, indices: Array, *, axis: int, size: int) -> Array:
        """Add up single numbers: all lines lie one after another, each with ``size`` places of its own."""
        xp = self.xp
        indices = self._checked(indices, size, "scatter_add_along_axis")
        other = math.prod(values.shape[:axis] + values.shape[axis + 1 :])
        shape = (*values.shape[:axis], *values.shape[axis + 1 :], size)
        last = xp.moveaxis(indices, axis, -1)
        line = xp.arange(other, dtype=xp.int64, device=self.device)[:, None] * size
        places = xp.reshape(xp.reshape(last, (other, values.shape[axis])) + line, (-1,))
        rows = xp.reshape(xp.moveaxis(values, axis, -1), (places.size, 1))
        summed = segments.combined(xp, operator.add, 0, rows, places, other * size)
        return xp.moveaxis(xp.reshape(summed, shape), -1, axis)

    def sort(self, x: Array, *, axis: int, descending: bool, stable: bool) -> Array:
        ordered = self.xp.sort(x, axis=axis, stable=True)
        return self.xp.flip(ordered, axis=axis) if descending else ordered

    def argsort(self, x: Array, *, axis: int, descending: bool, stable: bool) -> Array:
        """Descend by reversing before and after: equal elements keep their order, and NaN, the largest, is first.

        A library's own way to descend may lose that order, and not every one has it.
        """
        xp = self.xp
        if not descending:
            return self._positions(xp.argsort(x, axis=axis, stable=True))
        order = self._positions(xp.argsort(xp.flip(x, axis=axis), axis=axis, stable=True))
        return x.shape[axis] - 1 - xp.flip(order, axis=axis)

    def nonzero(self, x: Array) -> tuple[Array, ...]:
        return tuple(self._positions(places) for places in self.xp.nonzero(x))

    def searchsorted(self, sorted_values: Array, values: Array, *, side: Any) -> Array:
        return self._positions(self.xp.searchsorted(sorted_values, values, side=side))

    # --- windows ---

    def windows(self, x: Array, *, size: Shape, stride: Shape, dilation: Shape) -> Array:
        return windows.gathered(self.xp, x, size, stride, dilation, self.device)

    def convolution(self, x: Array, w: Array, *, stride: Shape, dilation: Shape, groups: int) -> Array:
        """Sum narrow floats in float32."""
        dtype = self.dtype_of(x)
        if dtype.floating and dtype.bits < 32:
            x, w = self.astype(x, dtype=float32), self.astype(w, dtype=float32)
        sums = windows.summed(self.xp, x, w, stride, dilation, groups)
        return self.astype(sums, dtype=dtype) if sums.dtype != self.native(dtype) else sums

    # --- linear algebra ---

    def matmul_bfloat16(self, a: Array, b: Array) -> Array:
        return self.xp.matmul(rounded(self.xp, a), rounded(self.xp, b))

    def cholesky(self, x: Array) -> Array:
        return self._decomposed("cholesky", x)

    def inv(self, x: Array) -> Array:
        return self._decomposed("inv", x)

    def matrix_exp(self, x: Array) -> Array:
        return exponential.matrix_exp(self.xp, x, self.dtype_of(x) is float64)

    def solve(self, a: Array, b: Array) -> Array:
        return self._decomposed("solve", a, b)

    def solve_triangular(self, a: Array, b: Array, *, upper: bool, unitriangular: bool) -> Array:
        self._linalg("solve_triangular")
        return triangular.solve_triangular(self.xp, a, b, upper, unitriangular)

    def slogdet(self, x: Array) -> tuple[Array, Array]:
        sign, logarithm = self._decomposed("slogdet", x)
        return sign, logarithm

    def eigh(self, x: Array) -> tuple[Array, Array]:
        values, vectors = self._decomposed("eigh", x)
        return values, vectors

    def qr(self, x: Array, *, mode: Any) -> tuple[Array, Array]:
        q, r = self._decomposed("qr", x, mode=mode)
        return q, r

    def svd(self, x: Array, *, full_matrices: bool) -> tuple[Array, Array, Array]:
        u, s, vh = self._decomposed("svd", x, full_matrices=full_matrices)
        return u, s, vh

    def _decomposed(self, operation: str, *arrays: Array, **options: Any) -> Any:
        return getattr(self._linalg(operation), operation)(*arrays, **options)

    def _linalg(self, operation: str) -> Any:
        linalg = getattr(self.xp, "linalg", None)
        if linalg is None:
            raise BackendError(f"linalg.{operation}: the {self.name} backend has no linear algebra extension")
        return linalg

    # --- random numbers ---

    def random_bits(self, key: Array, counter: Array, *, size: int) -> Array:
        return philox_words(self.xp, key, counter, size)
