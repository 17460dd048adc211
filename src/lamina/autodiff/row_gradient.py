"""The gradient of a table of which few rows were used: those rows, and which they are."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lamina.autodiff.node import Step, record, recorded
from lamina.backends.thread_state import STATE
from lamina.dtypes import DType, DTypeLike, bool_, int64
from lamina.functions.indexing import nonzero
from lamina.functions.operands import PYTHON_NUMBERS, cast
from lamina.primitives.batching import inside, is_batched
from lamina.primitives.broadcasting import reshape
from lamina.primitives.elementwise import equal, less, maximum, minimum, not_equal, where
from lamina.primitives.indexing import argsort, scatter_add, take
from lamina.primitives.operand import Operand
from lamina.primitives.reductions import cumulative_sum
from lamina.primitives.shaping import concat, part
from lamina.tensor import Tensor

if TYPE_CHECKING:
    from lamina.backends.protocol import Backend


class RowGradient(Tensor):
    """A gradient that is zero outside of some rows, held as these rows and their indices.

    It is a `Tensor` of the table's shape like any other gradient: whatever does not know of rows, such as a sum with
    the gradient of another use of the table, finds the dense values, which are computed when they are first asked
    for. Sums with its like, products with numbers, clipping and most optimisers stay with the rows.

    Parameters
    ----------
    indices : Tensor of int64, shape [n]
        From 0 up to ``length``. One may stand several times: the gradient of its row is the sum. One that equals
        ``length`` names no row, and has zeros as its row: so a program can hold fewer rows than it has room for.
    rows : Tensor of shape [n, ...]
    length : int
        How many rows the table has.
    is_distinct : bool, default False
        Whether no row is named twice.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> table = nn.Embedding(1000, 2)
    >>> g = table(la.asarray([3, 5, 3])).sum().backward()[table.weight]
    >>> g
    RowGradient(3 rows, shape=[1000, 2], dtype=float32)
    >>> g.distinct().indices, g.distinct().rows
    (Tensor([3, 5], shape=[2], dtype=int64), Tensor([[2., 2.],
            [1., 1.]], shape=[2, 2], dtype=float32))
    >>> g[3]
    Tensor([2., 2.], shape=[2], dtype=float32)
    """

    # No slots: the dense form is kept in the instance's dict.

    def __init__(self, indices: Tensor, rows: Tensor, length: int, is_distinct: bool = False) -> None:
        self.indices = indices
        self.rows = rows
        self.length = length
        self.is_distinct = is_distinct

    # --- as rows ---

    def distinct(self) -> RowGradient:
        """Return the same gradient with no row named twice: the rows of equal indices are added up, in their order.

        Of a traced one the number of rows cannot depend on the values: places that are left over name no row.
        """
        if self.is_distinct or self.indices.shape[0] == 0:
            return RowGradient(self.indices, self.rows, self.length, is_distinct=True)
        return self._by_table() if self.indices.shape[0] >= self.length else self._by_order()

    def _by_order(self) -> RowGradient:
        """Find equal indices by putting them in order."""
        indices, length, count = self.indices, self.length, self.indices.shape[0]
        order = argsort(indices, axis=0, descending=False, stable=True)
        ordered = take(indices, order, axis=0)
        differ = not_equal(part(ordered, 0, 1, count), part(ordered, 0, 0, count - 1))
        first = concat(ordered._full((1,), True, bool_), differ, axis=0)
        group = cumulative_sum(cast(first, int64), axis=0) - ordered._scalar(1)
        kept = where(first, ordered - ordered._scalar(length), ordered._scalar(0))
        chosen, rows = scatter_add(kept, group, axis=0, size=count) + ordered._scalar(length), self.rows
        if not indices._backend.has_values:
            places = scatter_add(group, order, axis=0, size=count)
            return RowGradient(chosen, scatter_add(rows, places, axis=0, size=count), length, is_distinct=True)
        groups = int(group[-1]) + 1
        if groups == count:
            return RowGradient(ordered, take(rows, order, axis=0), length, is_distinct=True)
        places = scatter_add(group, order, axis=0, size=count)
        rows = scatter_add(rows, places, axis=0, size=groups)
        return RowGradient(part(chosen, 0, 0, groups), rows, length, is_distinct=True)

    def _by_table(self) -> RowGradient:
        """Add everything up in a table, which is no longer than the list of rows."""
        numbers = self.indices._constant(np.arange(self.length), int64)
        used = cast(less(self.indices, self.indices._scalar(self.length)), int64)
        touched = less(numbers._scalar(0), scatter_add(used, self._inside, axis=0, size=self.length))
        dense = self.dense()
        if not self.indices._backend.has_values:
            return RowGradient(where(touched, numbers, numbers._scalar(self.length)), dense, self.length, True)
        (places,) = nonzero(touched)
        return RowGradient(places, take(dense, places, axis=0), self.length, is_distinct=True)

    @property
    def _inside(self) -> Tensor:
        """The indices, some row instead of none."""
        return minimum(self.indices, self.indices._scalar(self.length - 1))

    def of(self, table: Tensor) -> Tensor:
        """Return the rows of a table of this shape that this is the gradient of."""
        return take(table, self._inside, axis=0)

    def map_rows(self, function: Callable[[Tensor], Tensor]) -> RowGradient:
        """Return the gradient with a function applied to every element, which must leave zero as it is."""
        found = self.distinct()
        return RowGradient(found.indices, function(found.rows), self.length, is_distinct=True)

    def _scaled(self, function: Callable[[Tensor], Tensor]) -> RowGradient:
        """Return the gradient with a linear function applied to every element."""
        return RowGradient(self.indices, function(self.rows), self.length, self.is_distinct)

    # --- as a tensor ---

    def dense(self) -> Tensor:
        """Return the gradient with all of its zeros."""
        return self._dense

    @cached_property
    def _dense(self) -> Tensor:
        with record(True):  # also where it is first asked for by something that is not recorded
            return scatter_add(self.rows, self._inside, axis=0, size=self.length)

    @property
    def _data(self) -> Any:
        return self._dense._data

    @property
    def _node(self) -> Any:  # type: ignore[override]
        return self._dense._node

    @property
    def _backend(self) -> Backend:  # type: ignore[override]
        return self.rows._backend

    @property
    def _snapshot(self) -> Tensor:
        return self._dense

    @property
    def _untracked(self) -> Tensor:
        return self._dense._untracked

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.length, *self.rows.shape[1:])

    @property
    def ndim(self) -> int:
        return self.rows.ndim

    @property
    def dtype(self) -> DType:
        return self.rows.dtype

    @property
    def tracked(self) -> bool:
        return self.rows.tracked

    def astype(self, dtype: DTypeLike) -> Tensor:
        return self._scaled(lambda rows: rows.astype(dtype))

    def __neg__(self) -> Tensor:
        return self._scaled(lambda rows: -rows)

    def __add__(self, other: Any) -> Tensor:
        if not isinstance(other, RowGradient) or other.shape != self.shape or other.dtype is not self.dtype:
            total: Tensor = self._dense + other
            return total
        indices = concat(self.indices, other.indices, axis=0)
        return RowGradient(indices, concat(self.rows, other.rows, axis=0), self.length)

    def __radd__(self, other: Any) -> Tensor:
        total: Tensor = other + self._dense
        return total

    def __mul__(self, other: Any) -> Tensor:
        return self._scaled(lambda rows: rows * other) if _is_number(other) else self._dense * other

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Tensor:
        return self._scaled(lambda rows: rows / other) if _is_number(other) else self._dense / other

    def __copy__(self) -> Tensor:
        return self

    def __repr__(self) -> str:
        return f"RowGradient({self.indices.shape[0]} rows, {self._description()})"


def _is_number(x: Any) -> bool:
    return isinstance(x, PYTHON_NUMBERS) or (isinstance(x, Operand) and x.shape == ())


# --- where it comes from ----------------------------------------------------------------------------------


class _Use(NamedTuple):
    """How rows were gathered, for the gradient."""

    indices: Tensor
    shape: tuple[int, ...]
    ignored: int | None
    by_frequency: bool
    dense: bool

    def gradient(self, g: Tensor) -> Tensor:
        """Return the gradient of the table from that of the rows."""
        count, length = self.indices.size, self.shape[0]
        indices = cast(reshape(self.indices, shape=(count,)), int64)
        rows = reshape(g, shape=(count, *self.shape[1:]))
        if self.ignored is not None:
            none = equal(indices, indices._scalar(self.ignored))
            indices = where(none, indices._scalar(length), indices)
            rows = where(reshape(none, shape=(count, *[1] * (rows.ndim - 1))), rows._scalar(0.0), rows)
        found = RowGradient(indices, rows, length)
        if self.by_frequency:
            found = _over_frequencies(found)
        return found.dense() if self.dense else found


def _over_frequencies(found: RowGradient) -> RowGradient:
    """Return the gradient of each row over how often the row was used."""
    count, size = found.indices.shape[0], math.prod(found.rows.shape[1:])
    flat = reshape(found.rows, shape=(count, size))
    # A place that names no row counts for none: its numbers are zeros, and so is its count.
    used = reshape(less(found.indices, found.indices._scalar(found.length)), shape=(count, 1))
    counted = RowGradient(found.indices, concat(flat, cast(used, flat.dtype), axis=1), found.length).distinct()
    sums, times = part(counted.rows, 1, 0, size), part(counted.rows, 1, size, size + 1)
    rows = sums / maximum(times, times._scalar(1.0))
    rows = reshape(rows, shape=(counted.indices.shape[0], *found.rows.shape[1:]))
    return RowGradient(counted.indices, rows, found.length, is_distinct=True)


_GATHERED = Step("gather_rows", lambda g, y, table, *, use: use.gradient(g))


def gather_rows(
    table: Tensor, indices: Tensor, *, ignored: int | None = None, by_frequency: bool = False, dense: bool = False
) -> Tensor:
    """Return the rows of a table at indices that are not negative, so that its gradient is a `RowGradient`.

    The record of it does not hold the table's values, which the gradient does not need: so an optimiser may write
    the new ones in their place while the loss still lives.

    Parameters
    ----------
    table : Tensor of shape [length, ...]
    indices : Tensor of integers, shape [...]
    ignored : int, optional
        A row that gets no gradient.
    by_frequency : bool, default False
        Whether the gradient of a row is divided by how often it was used.
    dense : bool, default False
        Whether the gradient is a plain tensor.
    """
    table, indices = inside(table._snapshot), inside(indices._untracked)
    with record(False):
        rows = take(table, indices, axis=0)
    if table._node is None or not STATE.recording:
        return rows
    backend = table._backend
    operand = Tensor(table._scalar(0)._data, backend, table._node) if backend.has_values else table
    use = _Use(indices, table.shape, ignored, by_frequency, dense or is_batched(table))
    return recorded(_GATHERED, (operand,), {"use": use}, rows)
