"""The rows that reduce or accumulate along axes (``sum`` stands with broadcasting, its adjoint)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lamina.primitives import specs
from lamina.primitives.broadcasting import reshape, sum_, unreduce
from lamina.primitives.elementwise import astype, equal, multiply_no_nan
from lamina.primitives.primitive import ANYTHING, NUMBERS, Domain, Primitive, Shape
from lamina.primitives.shaping import flip, inverse, pad, part, permute_dims

if TYPE_CHECKING:
    from lamina.tensor import Tensor


def _extremum_rule(g: Tensor, y: Tensor, x: Tensor, *, axes: Shape, keepdims: bool) -> Tensor:
    """Elements that tie for the maximum or minimum share its cotangent equally."""
    chosen = astype(equal(x, unreduce(y, x, axes, keepdims)), dtype=x.dtype)
    share = chosen / unreduce(sum_(chosen, axes=axes, keepdims=keepdims), x, axes, keepdims)
    return multiply_no_nan(unreduce(g, x, axes, keepdims), share)


max_: Primitive = Primitive("max", specs.nonempty_reduction, (_extremum_rule,), Domain(NUMBERS))
min_: Primitive = Primitive("min", specs.nonempty_reduction, (_extremum_rule,), Domain(NUMBERS))
any_: Primitive = Primitive("any", specs.bool_reduction, None, Domain(ANYTHING))
all_: Primitive = Primitive("all", specs.bool_reduction, None, Domain(ANYTHING))


def _shifted(x: Tensor, by: int, axis: int, fill: float) -> Tensor:
    """Return ``x`` moved ``by`` places towards the end of ``axis``, ``fill`` coming in at the start."""
    size, zeros = x.shape[axis], (0,) * x.ndim
    missing = tuple(min(by, size) if at == axis else 0 for at in range(x.ndim))
    return pad(part(x, axis, 0, max(size - by, 0)), low=missing, high=zeros, interior=zeros, value=fill)


def _product_before(x: Tensor, axis: int) -> Tensor:
    """Return, for each element, the product of those before it along ``axis``.

    A scan by doubling: multiplications only, so it is right where elements are zero, and so are its own
    derivatives to any order.
    """
    product, step = _shifted(x, 1, axis, 1), 1
    while step < x.shape[axis]:
        product = product * _shifted(product, step, axis, 1)
        step *= 2
    return product


def _prod_rule(g: Tensor, y: Tensor, x: Tensor, *, axes: Shape, keepdims: bool) -> Tensor:
    """The derivative by an element is the product of the others, with no division by the element."""
    kept = tuple(axis for axis in range(x.ndim) if axis not in axes)
    order = (*kept, *axes)
    moved = permute_dims(x, axes=order)
    flat = reshape(moved, shape=(*(x.shape[axis] for axis in kept), math.prod(x.shape[axis] for axis in axes)))
    last = flat.ndim - 1
    others = _product_before(flat, last) * flip(_product_before(flip(flat, axes=(last,)), last), axes=(last,))
    back = permute_dims(reshape(others, shape=moved.shape), axes=inverse(order))
    return multiply_no_nan(unreduce(g, x, axes, keepdims), back)


prod: Primitive = Primitive("prod", specs.reduction, (_prod_rule,), Domain(NUMBERS))


def _cumulative_sum_rule(g: Tensor, y: Tensor, x: Tensor, *, axis: int) -> Tensor:
    return flip(cumulative_sum(flip(g, axes=(axis,)), axis=axis), axes=(axis,))


def _cumulative_prod_rule(g: Tensor, y: Tensor, x: Tensor, *, axis: int) -> Tensor:
    """With P the product before i, the rule is P[i] * S[i], where S[i] = g[i] + x[i+1] * S[i+1].

    The recurrence runs backwards by doubling, on flipped arrays: S = total + factor * (S moved by one).
    """
    total = flip(g, axes=(axis,))
    factor, step = _shifted(flip(x, axes=(axis,)), 1, axis, 0), 1
    while step < x.shape[axis]:
        total = total + factor * _shifted(total, step, axis, 0)
        factor = factor * _shifted(factor, step, axis, 0)
        step *= 2
    return _product_before(x, axis) * flip(total, axes=(axis,))


cumulative_sum: Primitive = Primitive("cumulative_sum", specs.along_axis, (_cumulative_sum_rule,), Domain(NUMBERS))
cumulative_prod: Primitive = Primitive("cumulative_prod", specs.along_axis, (_cumulative_prod_rule,), Domain(NUMBERS))
