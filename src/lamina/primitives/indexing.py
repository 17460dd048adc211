"""The rows that gather by integer indices, their adjoints that scatter, and searching and sorting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lamina.dtypes import float32, int64
from lamina.primitives import specs
from lamina.primitives.broadcasting import reshape
from lamina.primitives.elementwise import astype, bitwise_and, equal, less, less_equal, multiply_no_nan, where
from lamina.primitives.primitive import ANYTHING, NUMBERS, Domain, Primitive

if TYPE_CHECKING:
    from lamina.tensor import Tensor

take: Primitive = Primitive(
    "take",
    specs.take,
    (lambda g, y, x, indices, *, axis: scatter_add(g, indices, axis=axis, size=x.shape[axis]), None),
    Domain(ANYTHING),
)
scatter_add: Primitive = Primitive(
    "scatter_add",
    specs.scatter,
    (lambda g, y, values, indices, *, axis, size: take(g, indices, axis=axis), None),
    Domain(NUMBERS),
)


def _scatter_extremum_rule(g: Tensor, y: Tensor, values: Tensor, indices: Tensor, *, axis: int, size: int) -> Tensor:
    """Elements that tie for the maximum or minimum of their index share its cotangent equally."""
    counted = values.dtype if values.dtype.bits >= 32 else float32  # where many ties are no number of a narrow type
    chosen = astype(equal(values, take(y, indices, axis=axis)), dtype=counted)
    ties = take(scatter_add(chosen, indices, axis=axis, size=size), indices, axis=axis)
    return multiply_no_nan(take(g, indices, axis=axis), astype(chosen / ties, dtype=values.dtype))


scatter_max: Primitive = Primitive("scatter_max", specs.scatter, (_scatter_extremum_rule, None), Domain(NUMBERS))
scatter_min: Primitive = Primitive("scatter_min", specs.scatter, (_scatter_extremum_rule, None), Domain(NUMBERS))
take_along_axis: Primitive = Primitive(
    "take_along_axis",
    specs.take_along_axis,
    (lambda g, y, x, indices, *, axis: scatter_add_along_axis(g, indices, axis=axis, size=x.shape[axis]), None),
    Domain(ANYTHING),
)
scatter_add_along_axis: Primitive = Primitive(
    "scatter_add_along_axis",
    specs.scatter_add_along_axis,
    (lambda g, y, values, indices, *, axis, size: take_along_axis(g, indices, axis=axis), None),
    Domain(NUMBERS),
)


def _kept_rows_rule(g: Tensor, y: Tensor, x: Tensor, rows: Tensor, indices: Tensor) -> Tensor:
    return put_rows(g, rows._full(rows.shape, 0), indices)


def _put_rows_rule(g: Tensor, y: Tensor, x: Tensor, rows: Tensor, indices: Tensor) -> Tensor:
    """What became of each row: nothing, where its index is no row's or a later row took the place."""
    size, count = x.shape[0], rows.shape[0]
    if size == 0:
        return rows._full(rows.shape, 0)
    places = astype(indices, dtype=int64)
    numbers = places._constant(np.arange(count), int64)
    winners = put_rows(places._full((size,), -1), numbers, places)
    inside = bitwise_and(less_equal(places._scalar(0), places), less(places, places._scalar(size)))
    safe = where(inside, places, places._scalar(0))
    there = bitwise_and(inside, equal(take(winners, safe, axis=0), numbers))
    there = reshape(there, shape=(count, *[1] * (len(rows.shape) - 1)))
    return where(there, take(g, safe, axis=0), g._scalar(0.0))


put_rows: Primitive = Primitive("put_rows", specs.put_rows, (_kept_rows_rule, _put_rows_rule, None), Domain(ANYTHING))


def _sort_rule(g: Tensor, y: Tensor, x: Tensor, *, axis: int, descending: bool, stable: bool) -> Tensor:
    order = argsort(x, axis=axis, descending=descending, stable=stable)
    return scatter_add_along_axis(g, order, axis=axis, size=x.shape[axis])


sort: Primitive = Primitive("sort", specs.sort, (_sort_rule,), Domain(NUMBERS))
argsort: Primitive = Primitive("argsort", specs.argsort, None, Domain(NUMBERS))
argmax: Primitive = Primitive("argmax", specs.arg_reduction, None, Domain(NUMBERS))
argmin: Primitive = Primitive("argmin", specs.arg_reduction, None, Domain(NUMBERS))
searchsorted: Primitive = Primitive("searchsorted", specs.searchsorted, None, Domain(NUMBERS))
