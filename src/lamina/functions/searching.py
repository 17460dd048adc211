"""Sorting, searching, and sets of distinct values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from lamina.dtypes import bool_, int64
from lamina.errors import DataError
from lamina.functions.indexing import nonzero
from lamina.functions.manipulation import concat, flatten
from lamina.functions.operands import cast, common, one_axis, tensor
from lamina.functions.reductions import cumulative_sum
from lamina.primitives import indexing as rows
from lamina.primitives.broadcasting import reshape

if TYPE_CHECKING:
    from lamina.tensor import Tensor


def sort(x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """Return the elements in ascending or descending order along ``axis``.

    Examples
    --------
    >>> import lamina as la
    >>> la.sort(la.asarray([2, 3, 1]), descending=True)
    Tensor([3, 2, 1], shape=[3], dtype=int64)
    """
    x = tensor("sort", x)
    return rows.sort(x, axis=one_axis("sort", axis, x.ndim), descending=descending, stable=stable)


def argsort(x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """Return the positions of the elements in ascending or descending order along ``axis``."""
    x = tensor("argsort", x)
    return rows.argsort(x, axis=one_axis("argsort", axis, x.ndim), descending=descending, stable=stable)


class TopK(NamedTuple):
    """What `topk` returns."""

    values: Tensor
    indices: Tensor


def topk(x: Tensor, k: int, /, *, axis: int = -1, largest: bool = True) -> TopK:
    """Return the ``k`` largest elements along ``axis`` in descending order, and where they are.

    Of equal elements the first comes first; NaN counts as larger than any number.

    Parameters
    ----------
    x : Tensor
    k : int
        From 0 to the length of the axis.
    axis : int, default -1
    largest : bool, default True
        Without, the smallest in ascending order.

    Returns
    -------
    TopK
        ``values``, through which gradients flow, and ``indices``.

    Raises
    ------
    DataError
        When the axis has no ``k`` elements.

    Examples
    --------
    >>> import lamina as la
    >>> values, indices = la.topk(la.asarray([3.0, 1.0, 4.0, 1.0, 5.0]), 2)
    >>> values, indices
    (Tensor([5., 4.], shape=[2], dtype=float32), Tensor([4, 2], shape=[2], dtype=int64))
    """
    x = tensor("topk", x)
    axis = one_axis("topk", axis, x.ndim)
    length = x.shape[axis]
    if not isinstance(k, int) or isinstance(k, bool) or not 0 <= k <= length:
        raise DataError(f"topk: k must be a whole number from 0 to {length}, the length of axis {axis}; got {k!r}")
    order = rows.argsort(x, axis=axis, descending=largest, stable=True)
    indices = order[(*[slice(None)] * axis, slice(0, k))]
    return TopK(rows.take_along_axis(x, indices, axis=axis), indices)


def searchsorted(
    x1: Tensor, x2: Tensor, /, *, side: Literal["left", "right"] = "left", sorter: Tensor | None = None
) -> Tensor:
    """Return where each element of ``x2`` would go among the sorted elements of ``x1``.

    ``"left"`` is before equal elements, ``"right"`` behind them; ``sorter`` puts ``x1`` in order if it is not.

    Examples
    --------
    >>> import lamina as la
    >>> la.searchsorted(la.asarray([1.0, 3.0, 5.0]), la.asarray([0.0, 3.0, 9.0]))
    Tensor([0, 1, 3], shape=[3], dtype=int64)
    """
    if side not in ("left", "right"):
        raise DataError(f'searchsorted: side must be "left" or "right", got {side!r}')
    x1, x2 = common("searchsorted", x1, x2)
    if sorter is not None:
        x1 = rows.take(x1, tensor("searchsorted", sorter), axis=0)
    return rows.searchsorted(x1, x2, side=side)


class UniqueAll(NamedTuple):
    """What `unique_all` returns."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    """What `unique_counts` returns."""

    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    """What `unique_inverse` returns."""

    values: Tensor
    inverse_indices: Tensor


def unique_all(x: Tensor, /) -> UniqueAll:
    """Return the distinct values in order, where each stands first, which one each element is, and how many.

    NaN differs from itself, so every NaN counts as distinct.
    """
    x = tensor("unique_all", x)
    flat = flatten(x)
    if flat.size == 0:
        none = x._full((0,), 0, int64)
        return UniqueAll(flat, none, x._full(x.shape, 0, int64), none)
    order = argsort(cast(flat, int64) if flat.dtype.kind == "bool" else flat)
    ordered = rows.take(flat, order, axis=0)
    fresh = concat([x._full((1,), True, bool_), ordered[1:] != ordered[:-1]])
    (starts,) = nonzero(fresh)
    group = cumulative_sum(cast(fresh, int64)) - 1
    inverse = rows.take(group, argsort(order), axis=0)
    ends = concat([starts[1:], x._full((1,), flat.size, int64)])
    return UniqueAll(
        rows.take(ordered, starts, axis=0),
        rows.take(order, starts, axis=0),
        reshape(inverse, shape=x.shape),
        ends - starts,
    )


def unique_counts(x: Tensor, /) -> UniqueCounts:
    """Return the distinct values in order and how often each occurs.

    Examples
    --------
    >>> import lamina as la
    >>> values, counts = la.unique_counts(la.asarray([3, 1, 3]))
    >>> values.tolist(), counts.tolist()
    ([1, 3], [1, 2])
    """
    found = unique_all(x)
    return UniqueCounts(found.values, found.counts)


def unique_inverse(x: Tensor, /) -> UniqueInverse:
    """Return the distinct values in order and, for each element, which of them it is."""
    found = unique_all(x)
    return UniqueInverse(found.values, found.inverse_indices)


def unique_values(x: Tensor, /) -> Tensor:
    """Return the distinct values in order."""
    return unique_all(x).values
