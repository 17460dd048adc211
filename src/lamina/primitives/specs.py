"""Shape-and-dtype rules, shared by the rows of the table.

A rule takes the operation's name, the operands' specs and its parameters, and returns the result's spec, or
raises the error that a user reads: what was given, and what would have worked.
"""

from __future__ import annotations

import math

from lamina.dtypes import DEFAULT_INT, DType, bool_, float32, uint32, uint64
from lamina.errors import DTypeError, ShapeError
from lamina.primitives.primitive import Shape, Spec


def broadcast_shapes(name: str, *shapes: Shape) -> Shape:
    """Return the shape that all of ``shapes`` broadcast to."""
    ndim = max(len(shape) for shape in shapes)
    result = []
    for axis in range(-ndim, 0):
        sizes = {shape[axis] for shape in shapes if len(shape) >= -axis} - {1}
        if len(sizes) > 1:
            given = " and ".join(str(list(shape)) for shape in shapes)
            raise ShapeError(
                f"{name}: shapes {given} do not broadcast: axis {axis} has sizes "
                f"{' and '.join(map(str, sorted(sizes)))}, which must be equal or 1"
            )
        result.append(sizes.pop() if sizes else 1)
    return tuple(result)


def same_dtype(name: str, *specs: Spec) -> DType:
    """Return the one type of ``specs``."""
    if len({spec.dtype for spec in specs}) > 1:
        given = " and ".join(spec.dtype.name for spec in specs)
        raise DTypeError(f"{name}: expected operands of one type, got {given}; cast one with astype")
    return specs[0].dtype


def elementwise(name: str, *specs: Spec) -> Spec:
    """Operands broadcast; the result has their type."""
    return Spec(broadcast_shapes(name, *[spec.shape for spec in specs]), same_dtype(name, *specs))


def floating_elementwise(name: str, *specs: Spec) -> Spec:
    """Operands broadcast and are floating-point numbers."""
    result = elementwise(name, *specs)
    if not result.dtype.floating:
        raise DTypeError(f"{name}: expected floating-point operands, got {result.dtype.name}; cast with astype")
    return result


def numeric_elementwise(name: str, *specs: Spec) -> Spec:
    """Operands broadcast and are numbers."""
    result = elementwise(name, *specs)
    if result.dtype is bool_:
        raise DTypeError(f"{name}: expected numbers, got bool; cast with astype")
    return result


def bitwise(name: str, *specs: Spec) -> Spec:
    """Operands broadcast and are integers or bool."""
    result = elementwise(name, *specs)
    if result.dtype.floating:
        raise DTypeError(f"{name}: expected integer or bool operands, got {result.dtype.name}")
    return result


def shift(name: str, *specs: Spec) -> Spec:
    """Operands broadcast and are integers."""
    result = elementwise(name, *specs)
    if not result.dtype.integral:
        raise DTypeError(f"{name}: expected integer operands, got {result.dtype.name}")
    return result


def comparison(name: str, *specs: Spec) -> Spec:
    """Operands broadcast; the result is bool."""
    return Spec(elementwise(name, *specs).shape, bool_)


def where(name: str, condition: Spec, x: Spec, y: Spec) -> Spec:
    """The condition is bool; all broadcast; the result has the type of the branches."""
    if condition.dtype is not bool_:
        raise DTypeError(f"{name}: expected a bool condition, got {condition.dtype.name}; compare it first")
    return Spec(broadcast_shapes(name, condition.shape, x.shape, y.shape), same_dtype(name, x, y))


def astype(name: str, x: Spec, *, dtype: DType) -> Spec:
    """The same shape in another type."""
    return Spec(x.shape, dtype)


def identity(name: str, x: Spec) -> Spec:
    """The same shape and type."""
    return x


def _reduced(shape: Shape, axes: Shape, keepdims: bool) -> Shape:
    if keepdims:
        return tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    return tuple(size for axis, size in enumerate(shape) if axis not in axes)


def reduction(name: str, x: Spec, *, axes: Shape, keepdims: bool) -> Spec:
    """The axes are gone, or of size one."""
    return Spec(_reduced(x.shape, axes, keepdims), x.dtype)


def nonempty_reduction(name: str, x: Spec, *, axes: Shape, keepdims: bool) -> Spec:
    """A reduction without a neutral element, which an empty axis therefore does not have."""
    if any(x.shape[axis] == 0 for axis in axes):
        raise ShapeError(f"{name}: no value over an empty axis: shape {list(x.shape)}, axes {list(axes)}")
    return reduction(name, x, axes=axes, keepdims=keepdims)


def bool_reduction(name: str, x: Spec, *, axes: Shape, keepdims: bool) -> Spec:
    """A reduction of truth values."""
    return Spec(_reduced(x.shape, axes, keepdims), bool_)


def arg_reduction(name: str, x: Spec, *, axis: int, keepdims: bool) -> Spec:
    """The position of an element along one axis."""
    if x.shape[axis] == 0:
        raise ShapeError(f"{name}: no position in an empty axis: shape {list(x.shape)}, axis {axis}")
    return Spec(_reduced(x.shape, (axis,), keepdims), DEFAULT_INT)


def along_axis(name: str, x: Spec, *, axis: int) -> Spec:
    """The same shape and type, computed along one axis."""
    return x


def sort(name: str, x: Spec, *, axis: int, descending: bool, stable: bool) -> Spec:
    """The same elements in another order."""
    return x


def argsort(name: str, x: Spec, *, axis: int, descending: bool, stable: bool) -> Spec:
    """The positions of the elements in their order."""
    return Spec(x.shape, DEFAULT_INT)


def searchsorted(name: str, sorted_values: Spec, values: Spec, *, side: str) -> Spec:
    """Where each value would go among sorted ones."""
    if len(sorted_values.shape) != 1:
        raise ShapeError(f"{name}: expected sorted values with one axis, got shape {list(sorted_values.shape)}")
    return Spec(values.shape, DEFAULT_INT)


def reshape(name: str, x: Spec, *, shape: Shape) -> Spec:
    """The same elements in another shape."""
    size, wanted = math.prod(x.shape), math.prod(shape)
    if size != wanted:
        raise ShapeError(
            f"{name}: shape {list(x.shape)} has {size} elements and does not fit {list(shape)}, which has {wanted}"
        )
    return Spec(shape, x.dtype)


def permute_dims(name: str, x: Spec, *, axes: Shape) -> Spec:
    """The axes in another order."""
    if sorted(axes) != list(range(len(x.shape))):
        raise ShapeError(f"{name}: axes {list(axes)} are no order of the {len(x.shape)} axes of shape {list(x.shape)}")
    return Spec(tuple(x.shape[axis] for axis in axes), x.dtype)


def broadcast_to(name: str, x: Spec, *, shape: Shape) -> Spec:
    """The elements repeated along axes of size one and new leading axes."""
    if len(shape) < len(x.shape) or broadcast_shapes(name, x.shape, shape) != shape:
        raise ShapeError(f"{name}: shape {list(x.shape)} does not broadcast to {list(shape)}")
    return Spec(shape, x.dtype)


def flip(name: str, x: Spec, *, axes: Shape) -> Spec:
    """The same shape, some axes reversed."""
    return x


def slice_(name: str, x: Spec, *, start: Shape, stop: Shape, step: Shape) -> Spec:
    """Every ``step``-th element from ``start`` up to ``stop``, along each axis."""
    sizes = zip(start, stop, step, strict=True)
    return Spec(tuple(max(0, -((low - high) // by)) for low, high, by in sizes), x.dtype)


def pad(name: str, x: Spec, *, low: Shape, high: Shape, interior: Shape, value: float) -> Spec:
    """Elements added before, after and between, along each axis."""
    sizes = zip(x.shape, low, high, interior, strict=True)
    return Spec(
        tuple(before + size + max(size - 1, 0) * between + after for size, before, after, between in sizes), x.dtype
    )


def concat(name: str, *specs: Spec, axis: int) -> Spec:
    """Operands one after another along one axis; the other axes agree."""
    first = specs[0].shape
    for spec in specs[1:]:
        if len(spec.shape) != len(first) or any(
            size != other for at, (size, other) in enumerate(zip(spec.shape, first, strict=True)) if at != axis
        ):
            given = " and ".join(str(list(each.shape)) for each in specs)
            raise ShapeError(f"{name}: shapes {given} must agree on every axis but {axis}")
    total = sum(spec.shape[axis] for spec in specs)
    return Spec((*first[:axis], total, *first[axis + 1 :]), same_dtype(name, *specs))


def _check_indices(name: str, indices: Spec) -> None:
    if not indices.dtype.integral:
        raise DTypeError(f"{name}: expected integer indices, got {indices.dtype.name}")


def take(name: str, x: Spec, indices: Spec, *, axis: int) -> Spec:
    """One axis is replaced by the axes of the indices."""
    _check_indices(name, indices)
    size = x.shape[axis]
    if size == 0 and 0 not in indices.shape:
        raise ShapeError(f"{name}: nothing to take from axis {axis} of shape {list(x.shape)}, which is empty")
    return Spec((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]), x.dtype)


def scatter(name: str, values: Spec, indices: Spec, *, axis: int, size: int) -> Spec:
    """The shape of take's adjoint: the axes of the indices are replaced by one of ``size``."""
    _check_indices(name, indices)
    ndim = len(indices.shape)
    if values.shape[axis : axis + ndim] != indices.shape:
        raise ShapeError(
            f"{name}: values of shape {list(values.shape)} do not hold indices of shape {list(indices.shape)} "
            f"at axis {axis}"
        )
    return Spec((*values.shape[:axis], size, *values.shape[axis + ndim :]), values.dtype)


def take_along_axis(name: str, x: Spec, indices: Spec, *, axis: int) -> Spec:
    """One element for each index; the other axes agree."""
    _check_indices(name, indices)
    _check_along(name, x.shape, indices.shape, axis)
    return Spec(indices.shape, x.dtype)


def scatter_add_along_axis(name: str, values: Spec, indices: Spec, *, axis: int, size: int) -> Spec:
    """The adjoint of take_along_axis: each value is added at its index."""
    _check_indices(name, indices)
    if values.shape != indices.shape:
        raise ShapeError(
            f"{name}: values of shape {list(values.shape)} need indices of the same shape, got {list(indices.shape)}"
        )
    return Spec((*values.shape[:axis], size, *values.shape[axis + 1 :]), values.dtype)


def put_rows(name: str, x: Spec, rows: Spec, indices: Spec) -> Spec:
    """One row, of the shape of those of ``x``, for each index."""
    _check_indices(name, indices)
    dtype = same_dtype(name, x, rows)
    if not x.shape or len(indices.shape) != 1 or rows.shape != (*indices.shape, *x.shape[1:]):
        wanted = ", ".join(["n", *map(str, x.shape[1:])])
        raise ShapeError(
            f"{name}: rows of shape {list(rows.shape)} and indices of shape {list(indices.shape)} do not fit "
            f"{list(x.shape)}: for indices of shape [n], rows have shape [{wanted}]"
        )
    return Spec(x.shape, dtype)


def _check_along(name: str, shape: Shape, indices: Shape, axis: int) -> None:
    if len(shape) != len(indices) or any(
        size != other for at, (size, other) in enumerate(zip(shape, indices, strict=True)) if at != axis
    ):
        raise ShapeError(
            f"{name}: indices of shape {list(indices)} must have the shape of the values, {list(shape)}, "
            f"on every axis but {axis}"
        )


def matmul(name: str, a: Spec, b: Spec) -> Spec:
    """Matrices in the last two axes; the leading axes broadcast."""
    dtype = same_dtype(name, a, b)
    if dtype is bool_:
        raise DTypeError(f"{name}: expected numbers, got bool; cast with astype")
    if len(a.shape) < 2 or len(b.shape) < 2 or a.shape[-1] != b.shape[-2]:
        raise ShapeError(
            f"{name}: shapes {list(a.shape)} and {list(b.shape)} do not fit: the last axis of the first must be "
            f"as long as the last but one of the second; transpose one with .mT"
        )
    try:
        batch = broadcast_shapes(name, a.shape[:-2], b.shape[:-2])
    except ShapeError as error:
        raise ShapeError(f"{error}; these are the batches of {list(a.shape)} and {list(b.shape)}") from error
    return Spec((*batch, a.shape[-2], b.shape[-1]), dtype)


def matmul_bfloat16(name: str, a: Spec, b: Spec) -> Spec:
    """The same, of float32 alone."""
    found = matmul(name, a, b)
    if found.dtype is not float32:
        raise DTypeError(f"{name}: expected float32, got {found.dtype.name}; other types have one precision")
    return found


def _check_matrix(name: str, x: Spec) -> None:
    if not x.dtype.floating:
        raise DTypeError(f"{name}: expected floating-point matrices, got {x.dtype.name}; cast with astype")
    if len(x.shape) < 2:
        raise ShapeError(f"{name}: expected matrices, at least two axes, got shape {list(x.shape)}")


def _check_square(name: str, x: Spec) -> None:
    _check_matrix(name, x)
    if x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{name}: expected square matrices, got shape {list(x.shape)}")


def square_matrix(name: str, x: Spec) -> Spec:
    """A square matrix for a square matrix."""
    _check_square(name, x)
    return x


def solve(name: str, a: Spec, b: Spec) -> Spec:
    """A linear system with a matrix of right-hand sides."""
    _check_square(name, a)
    if len(b.shape) < 2 or a.shape[-1] != b.shape[-2]:
        raise ShapeError(f"{name}: a matrix of shape {list(a.shape)} does not fit right-hand sides {list(b.shape)}")
    batch = broadcast_shapes(name, a.shape[:-2], b.shape[:-2])
    return Spec((*batch, *b.shape[-2:]), same_dtype(name, a, b))


def solve_triangular(name: str, a: Spec, b: Spec, *, upper: bool, unitriangular: bool) -> Spec:
    """A linear system with a triangular matrix."""
    return solve(name, a, b)


def slogdet(name: str, x: Spec) -> tuple[Spec, Spec]:
    """The sign and the logarithm of a determinant."""
    _check_square(name, x)
    return Spec(x.shape[:-2], x.dtype), Spec(x.shape[:-2], x.dtype)


def eigh(name: str, x: Spec) -> tuple[Spec, Spec]:
    """Eigenvalues and eigenvectors."""
    _check_square(name, x)
    return Spec(x.shape[:-1], x.dtype), x


def qr(name: str, x: Spec, *, mode: str) -> tuple[Spec, Spec]:
    """An orthonormal and an upper triangular factor."""
    _check_matrix(name, x)
    *batch, rows, columns = x.shape
    inner = rows if mode == "complete" else min(rows, columns)
    return Spec((*batch, rows, inner), x.dtype), Spec((*batch, inner, columns), x.dtype)


def svd(name: str, x: Spec, *, full_matrices: bool) -> tuple[Spec, Spec, Spec]:
    """Left vectors, singular values, right vectors."""
    _check_matrix(name, x)
    *batch, rows, columns = x.shape
    inner = min(rows, columns)
    left, right = (rows, columns) if full_matrices else (inner, inner)
    return (
        Spec((*batch, rows, left), x.dtype),
        Spec((*batch, inner), x.dtype),
        Spec((*batch, right, columns), x.dtype),
    )


def item(name: str, x: tuple[Spec, ...], *, index: int) -> Spec:
    """One result of a primitive that has several."""
    return x[index]


def random_bits(name: str, key: Spec, counter: Spec, *, size: int) -> Spec:
    """``size`` words of 32 random bits."""
    for operand, role in ((key, "key"), (counter, "counter")):
        if operand.shape != () or operand.dtype is not uint64:
            raise DTypeError(f"{name}: expected the {role} as one uint64, got {operand}")
    return Spec((size,), uint32)
