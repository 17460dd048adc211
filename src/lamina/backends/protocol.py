"""The closed set of array operations that Lamina needs, and nothing else knows of a machine.

A backend's arrays are its own; the engine only reads their ``shape`` and ``dtype`` and hands them back. Every
parameter arrives canonical: axes are non-negative and complete, operands of one type. Results follow IEEE
754: infinities and NaN are values, never warnings. `lamina.testing.check_backend` runs all of it.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from lamina.backends.elementwise import Elementwise
from lamina.dtypes import DType

Array = Any
Shape = tuple[int, ...]
NDArray = npt.NDArray[Any]


class Backend(Elementwise, Protocol):
    """What a machine must be able to do."""

    name: str
    """The device string that chooses this backend, such as ``"cpu"``."""
    dtypes: frozenset[DType]
    """The types it can hold."""
    scalars: dict[Any, Any]
    """Constants made of Python numbers, kept by the engine for reuse; empty at first."""
    has_values: bool
    """Whether its arrays hold values that can be looked at, as they do but for a tracer's."""

    # --- in, out and types ---
    def from_numpy(self, array: NDArray, dtype: DType) -> Array:
        """Return a new array with these values and this type."""

    def to_numpy(self, array: Array) -> NDArray:
        """Return the values as a NumPy array; this is where they cross from the device."""

    def dtype_of(self, array: Array) -> DType:
        """Return the type of an array."""

    def full(self, shape: Shape, value: bool | int | float, dtype: DType) -> Array:
        """Return an array filled with one value."""

    def astype(self, x: Array, *, dtype: DType) -> Array:
        """Return the values in another type: towards zero when integers come from floats."""

    def alias(self, x: Array) -> Array:
        """Return the same array."""

    def item(self, x: tuple[Array, ...], *, index: int) -> Array:
        """Return one of the results of an operation that has several."""

    # --- reductions and scans ---
    def sum(self, x: Array, *, axes: Shape, keepdims: bool) -> Array:
        """Return the sum over axes, in the type of ``x``."""

    def prod(self, x: Array, *, axes: Shape, keepdims: bool) -> Array:
        """Return the product over axes, in the type of ``x``."""

    def max(self, x: Array, *, axes: Shape, keepdims: bool) -> Array:
        """Return the largest element over axes; NaN where there is one."""

    def min(self, x: Array, *, axes: Shape, keepdims: bool) -> Array:
        """Return the smallest element over axes; NaN where there is one."""

    def any(self, x: Array, *, axes: Shape, keepdims: bool) -> Array:
        """Return whether some element is true (not zero)."""

    def all(self, x: Array, *, axes: Shape, keepdims: bool) -> Array:
        """Return whether every element is true (not zero)."""

    def argmax(self, x: Array, *, axis: int, keepdims: bool) -> Array:
        """Return the first position of the largest element, of a NaN where there is one, as int64."""

    def argmin(self, x: Array, *, axis: int, keepdims: bool) -> Array:
        """Return the first position of the smallest element, of a NaN where there is one, as int64."""

    def cumulative_sum(self, x: Array, *, axis: int) -> Array:
        """Return running sums, in the type of ``x``."""

    def cumulative_prod(self, x: Array, *, axis: int) -> Array:
        """Return running products, in the type of ``x``."""

    # --- shape ---
    def reshape(self, x: Array, *, shape: Shape) -> Array:
        """Return the elements, in row-major order, in another shape."""

    def broadcast_to(self, x: Array, *, shape: Shape) -> Array:
        """Return the elements repeated to a wider shape."""

    def permute_dims(self, x: Array, *, axes: Shape) -> Array:
        """Return the axes in another order."""

    def flip(self, x: Array, *, axes: Shape) -> Array:
        """Return the axes given in reverse."""

    def slice(self, x: Array, *, start: Shape, stop: Shape, step: Shape) -> Array:
        """Return a regular part, all steps positive."""

    def pad(self, x: Array, *, low: Shape, high: Shape, interior: Shape, value: float) -> Array:
        """Return the elements with others of ``value`` before, after and between them."""

    def concat(self, *arrays: Array, axis: int) -> Array:
        """Return arrays joined along an axis."""

    # --- indexing, searching, sorting ---
    def take(self, x: Array, indices: Array, *, axis: int) -> Array:
        """Return slices by index; negative indices count from the end, others out of range are an error."""

    def scatter_add(self, values: Array, indices: Array, *, axis: int, size: int) -> Array:
        """Return zeros of ``size`` along an axis, with slices added at the indices."""

    def scatter_max(self, values: Array, indices: Array, *, axis: int, size: int) -> Array:
        """Return the largest of the slices at each of ``size`` indices, NaN where one is.

        Where there is none it is -infinity, or the smallest integer of the type.
        """

    def scatter_min(self, values: Array, indices: Array, *, axis: int, size: int) -> Array:
        """Return the smallest likewise; infinity, or the largest integer, where there is none."""

    def put_rows(self, x: Array, rows: Array, indices: Array) -> Array:
        """Return ``x`` with rows at the indices replaced, by the last where one repeats; other indices are no row's."""

    def take_along_axis(self, x: Array, indices: Array, *, axis: int) -> Array:
        """Return one element for each index along an axis."""

    def scatter_add_along_axis(self, values: Array, indices: Array, *, axis: int, size: int) -> Array:
        """Return zeros of ``size`` along an axis, with elements added at the indices."""

    def sort(self, x: Array, *, axis: int, descending: bool, stable: bool) -> Array:
        """Return the elements in order along an axis; NaN counts as the largest."""

    def argsort(self, x: Array, *, axis: int, descending: bool, stable: bool) -> Array:
        """Return the positions of the elements in order along an axis, equal ones in theirs, as int64."""

    def nonzero(self, x: Array) -> tuple[Array, ...]:
        """Return the positions of elements that are not zero, an int64 array for each axis.

        It is no primitive: how many there are depends on the values. A backend without values raises
        `TracingError`.
        """
        ...

    def searchsorted(self, sorted_values: Array, values: Array, *, side: Literal["left", "right"]) -> Array:
        """Return where each value would go among sorted ones, as int64."""

    # --- windows over the last axes, all inside; `stride` from one to the next, elements `dilation` apart ---
    def windows(self, x: Array, *, size: Shape, stride: Shape, dilation: Shape) -> Array:
        """Return every window: axes that count the windows in place of those seen, then axes inside a window."""

    def convolution(self, x: Array, w: Array, *, stride: Shape, dilation: Shape, groups: int) -> Array:
        """Return the sums of windows of ``x`` [batch, channels, ...] times ``w`` [outputs, channels of a group, ...].

        The window is not flipped. Outputs and channels are split into as many groups, each of which sees its own.
        """

    # --- linear algebra: matrices in the last two axes, batches before ---
    def matmul(self, a: Array, b: Array, /) -> Array:
        """Return the products of matrices; batches broadcast."""

    def matmul_bfloat16(self, a: Array, b: Array, /) -> Array:
        """Return the same of float32 matrices rounded to bfloat16, ties to even, summed in float32."""

    def cholesky(self, x: Array) -> Array:
        """Return the lower Cholesky factor."""

    def inv(self, x: Array) -> Array:
        """Return the inverse."""

    def matrix_exp(self, x: Array) -> Array:
        """Return the exponential, the sum of ``x^k / k!``."""

    def solve(self, a: Array, b: Array) -> Array:
        """Return the solutions of linear systems; ``b`` holds right-hand sides as columns."""

    def solve_triangular(self, a: Array, b: Array, *, upper: bool, unitriangular: bool) -> Array:
        """Return the same where ``a`` is one triangle, the rest not looked at, nor a diagonal of ones."""

    def slogdet(self, x: Array) -> tuple[Array, Array]:
        """Return the sign of the determinant and the logarithm of its magnitude."""

    def eigh(self, x: Array) -> tuple[Array, Array]:
        """Return ascending eigenvalues and eigenvectors of a symmetric matrix (its lower triangle)."""

    def qr(self, x: Array, *, mode: Literal["reduced", "complete"]) -> tuple[Array, Array]:
        """Return an orthonormal and an upper triangular factor."""

    def svd(self, x: Array, *, full_matrices: bool) -> tuple[Array, Array, Array]:
        """Return left vectors, descending singular values, and right vectors as rows."""

    # --- random numbers ---
    def random_bits(self, key: Array, counter: Array, *, size: int) -> Array:
        """Return ``size`` words of the Philox-4x32-10 stream of a 64-bit key, from a 64-bit block counter."""


def numpy_dtype(dtype: DType) -> np.dtype[Any]:
    """Return NumPy's form of a type; bfloat16 comes from ml_dtypes, loaded when first needed."""
    if dtype.name == "bfloat16":
        import ml_dtypes

        native: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return native
    return np.dtype(dtype.name)
