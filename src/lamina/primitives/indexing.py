"""The rows that gather by integer indices, their adjoints that scatter, and searching and sorting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.primitives import specs
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
    specs.scatter_add,
    (lambda g, y, values, indices, *, axis, size: take(g, indices, axis=axis), None),
    Domain(NUMBERS),
)
take_along_axis: Primitive = Primitive(
    "take_along_axis",
    specs.take_along_axis,
    (
        lambda g, y, x, indices, *, axis: scatter_add_along_axis(g, indices, axis=axis, size=x.shape[axis]),
        None,
    ),
    Domain(ANYTHING),
)
scatter_add_along_axis: Primitive = Primitive(
    "scatter_add_along_axis",
    specs.scatter_add_along_axis,
    (lambda g, y, values, indices, *, axis, size: take_along_axis(g, indices, axis=axis), None),
    Domain(NUMBERS),
)


def _sort_rule(g: Tensor, y: Tensor, x: Tensor, *, axis: int, descending: bool, stable: bool) -> Tensor:
    order = argsort(x, axis=axis, descending=descending, stable=stable)
    return scatter_add_along_axis(g, order, axis=axis, size=x.shape[axis])


sort: Primitive = Primitive("sort", specs.sort, (_sort_rule,), Domain(NUMBERS))
argsort: Primitive = Primitive("argsort", specs.argsort, None, Domain(NUMBERS))
argmax: Primitive = Primitive("argmax", specs.arg_reduction, None, Domain(NUMBERS))
argmin: Primitive = Primitive("argmin", specs.arg_reduction, None, Domain(NUMBERS))
searchsorted: Primitive = Primitive("searchsorted", specs.searchsorted, None, Domain(NUMBERS))
