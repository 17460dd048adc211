"""Gathering and scattering by integer indices, and the positions that are not zero."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.dtypes import DTypeLike, as_dtype, int64
from lamina.errors import DTypeError, ShapeError
from lamina.functions.manipulation import broadcast_to
from lamina.functions.operands import cast, floating, one_axis, only_axis, tensor, wide
from lamina.primitives import indexing as rows, specs
from lamina.primitives.broadcasting import reshape
from lamina.primitives.elementwise import equal, maximum

if TYPE_CHECKING:
    from lamina.tensor import Tensor


def nonzero(x: Tensor, /) -> tuple[Tensor, ...]:
    """Return the positions of elements that are not zero, one tensor of indices for each axis.

    How many there are depends on the values, so this works eagerly only.
    """
    x = tensor("nonzero", x)._snapshot
    if x.ndim == 0:
        raise ShapeError("nonzero: expected at least one axis, got shape []")
    return tuple(x._make(places, x._backend) for places in x._backend.nonzero(x._data))


def _indices(name: str, indices: Any) -> Tensor:
    x = tensor(name, indices)
    if not x.dtype.integral:
        raise DTypeError(f"{name}: expected integer indices, got {x.dtype.name}")
    return x


def take(x: Tensor, indices: Tensor, /, *, axis: int | None = None) -> Tensor:
    """Return the slices of ``x`` at ``indices`` along ``axis``, which may be left out where there is one axis.

    Negative indices count from the end. The gradient adds up the cotangents of slices taken repeatedly.

    Examples
    --------
    >>> import lamina as la
    >>> la.take(la.asarray([[1, 2], [3, 4], [5, 6]]), la.asarray([-1, 0]), axis=0)
    Tensor([[5, 6],
            [1, 2]], shape=[2, 2], dtype=int64)
    """
    x, indices = tensor("take", x), _indices("take", indices)
    return rows.take(x, indices, axis=only_axis("take", axis, x.shape))


def take_along_axis(x: Tensor, indices: Tensor, /, *, axis: int = -1) -> Tensor:
    """Return, for each index, the element of ``x`` at that position along ``axis``; other axes broadcast.

    Examples
    --------
    >>> import lamina as la
    >>> scores = la.asarray([[0.1, 0.9], [0.7, 0.3]])
    >>> la.take_along_axis(scores, la.asarray([[1], [0]]), axis=1)
    Tensor([[0.9],
            [0.7]], shape=[2, 1], dtype=float32)
    """
    x, indices = tensor("take_along_axis", x), _indices("take_along_axis", indices)
    at = one_axis("take_along_axis", axis, x.ndim)
    if x.ndim == indices.ndim:
        others = specs.broadcast_shapes("take_along_axis", _without(x.shape, at), _without(indices.shape, at))
        x = broadcast_to(x, (*others[:at], x.shape[at], *others[at:]))
        indices = broadcast_to(indices, (*others[:at], indices.shape[at], *others[at:]))
    return rows.take_along_axis(x, indices, axis=at)


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]


def scatter_add_along_axis(values: Tensor, indices: Tensor, /, *, size: int, axis: int = -1) -> Tensor:
    """Return zeros, ``size`` long along ``axis``, with each value added at its index: take_along_axis's adjoint.

    Examples
    --------
    >>> import lamina as la
    >>> la.scatter_add_along_axis(la.asarray([1.0, 2.0, 3.0]), la.asarray([0, 2, 0]), size=4)
    Tensor([4., 0., 2., 0.], shape=[4], dtype=float32)
    """
    values, indices = tensor("scatter_add_along_axis", values), _indices("scatter_add_along_axis", indices)
    at = one_axis("scatter_add_along_axis", axis, values.ndim)
    return rows.scatter_add_along_axis(values, indices, axis=at, size=size)


def scatter_add(values: Tensor, indices: Tensor, /, *, size: int, axis: int = 0) -> Tensor:
    """Return zeros, ``size`` long along ``axis``, with slices of ``values`` added at ``indices``: take's adjoint.

    Examples
    --------
    >>> import lamina as la
    >>> la.scatter_add(la.asarray([1.0, 2.0, 3.0]), la.asarray([0, 2, 0]), size=4)
    Tensor([4., 0., 2., 0.], shape=[4], dtype=float32)
    """
    values, indices = tensor("scatter_add", values), _indices("scatter_add", indices)
    return rows.scatter_add(values, indices, axis=one_axis("scatter_add", axis, values.ndim), size=size)


def scatter_max(values: Tensor, indices: Tensor, /, *, size: int, axis: int = 0) -> Tensor:
    """Return the largest of the slices of ``values`` at each index from 0 to ``size - 1``, element by element.

    Where an index has none it is -infinity, or the smallest integer of the type. Elements that tie for the maximum
    share its gradient equally, as in `max`.

    Parameters
    ----------
    values : Tensor, shape [..., *indices.shape, ...]
        The axes of the indices begin at ``axis``.
    indices : Tensor of integers
        To which segment each slice belongs; negative ones count from the end.
    size : int
        The number of segments.
    axis : int, default 0

    Returns
    -------
    Tensor, shape [..., size, ...]

    Examples
    --------
    >>> import lamina as la
    >>> la.scatter_max(la.asarray([1.0, 2.0, 3.0]), la.asarray([0, 2, 0]), size=3)
    Tensor([  3., -inf,   2.], shape=[3], dtype=float32)

    Source: ``segment_max`` of JAX and TensorFlow.
    """
    values, indices = tensor("scatter_max", values), _indices("scatter_max", indices)
    return rows.scatter_max(values, indices, axis=one_axis("scatter_max", axis, values.ndim), size=size)


def scatter_min(values: Tensor, indices: Tensor, /, *, size: int, axis: int = 0) -> Tensor:
    """Return the smallest of the slices of ``values`` at each index from 0 to ``size - 1``, element by element.

    Where an index has none it is infinity, or the largest integer of the type. Otherwise as `scatter_max`.

    Examples
    --------
    >>> import lamina as la
    >>> la.scatter_min(la.asarray([1.0, 2.0, 3.0]), la.asarray([0, 2, 0]), size=3)
    Tensor([ 1., inf,  2.], shape=[3], dtype=float32)
    """
    values, indices = tensor("scatter_min", values), _indices("scatter_min", indices)
    return rows.scatter_min(values, indices, axis=one_axis("scatter_min", axis, values.ndim), size=size)


def scatter_mean(values: Tensor, indices: Tensor, /, *, size: int, axis: int = 0) -> Tensor:
    """Return the mean of the slices of ``values`` at each index from 0 to ``size - 1``, element by element.

    Where an index has none it is 0. Integers become float32. Parameters are those of `scatter_max`.

    Examples
    --------
    >>> import lamina as la
    >>> la.scatter_mean(la.asarray([1.0, 2.0, 3.0]), la.asarray([0, 2, 0]), size=3)
    Tensor([2., 0., 2.], shape=[3], dtype=float32)
    """
    values, indices = floating("scatter_mean", values), _indices("scatter_mean", indices)
    at, x = one_axis("scatter_mean", axis, values.ndim), wide(values)
    sums = rows.scatter_add(x, indices, axis=at, size=size)
    counts = rows.scatter_add(x._full(indices.shape, 1), indices, axis=0, size=size)
    shape = [size if each == at else 1 for each in range(sums.ndim)]
    return cast(sums / reshape(maximum(counts, x._scalar(1.0)), shape=tuple(shape)), values.dtype)


def one_hot(indices: Tensor, /, num_classes: int, *, dtype: DTypeLike | None = None, axis: int = -1) -> Tensor:
    """Return, for each class index, a row with one at that class and zero elsewhere.

    Parameters
    ----------
    indices : Tensor of integers, shape [...]
    num_classes : int
        Length of the new axis. Indices outside give a row of zeros.
    dtype : DType, default float32
    axis : int, default -1
        Where the new axis stands in the result.

    Examples
    --------
    >>> import lamina as la
    >>> la.one_hot(la.asarray([0, 2]), 3)
    Tensor([[1., 0., 0.],
            [0., 0., 1.]], shape=[2, 3], dtype=float32)
    """
    indices = _indices("one_hot", indices)
    at = one_axis("one_hot", axis, indices.ndim + 1)
    line = [1] * (indices.ndim + 1)
    line[at] = num_classes
    # In int64, since a narrow type of the indices may not hold every class.
    classes = indices._constant(np.arange(num_classes).reshape(line), int64)
    wide = reshape(cast(indices, int64), shape=(*indices.shape[:at], 1, *indices.shape[at:]))
    return cast(equal(wide, classes), as_dtype(dtype or "float32"))
