"""Broadcasting and its undoing: the rows ``sum``, ``broadcast_to`` and ``reshape``, each other's adjoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.primitives import specs
from lamina.primitives.primitive import ANYTHING, NUMBERS, Domain, Primitive, Shape

if TYPE_CHECKING:
    from lamina.tensor import Tensor


def unbroadcast(cotangent: Tensor, operand: Tensor) -> Tensor:
    """Return ``cotangent`` summed to the shape of ``operand``, which was broadcast to make the result.

    An element used many times receives the sum of the cotangents of its uses. Every derivative rule whose
    operands broadcast ends with this.
    """
    shape = operand.shape
    wide = cotangent.shape
    if wide == shape:
        return cotangent
    added = len(wide) - len(shape)
    stretched = [added + axis for axis, size in enumerate(shape) if size == 1 and wide[added + axis] != 1]
    axes = (*range(added), *stretched)
    summed = sum_(cotangent, axes=axes, keepdims=False) if axes else cotangent
    return summed if summed.shape == shape else reshape(summed, shape=shape)


def unreduce(reduced: Tensor, operand: Tensor, axes: Shape, keepdims: bool) -> Tensor:
    """Return the result or cotangent of a reduction broadcast to the shape of the operand that was reduced."""
    shape = operand.shape
    if not keepdims and reduced.shape:
        reduced = reshape(reduced, shape=tuple(1 if axis in axes else size for axis, size in enumerate(shape)))
    return reduced if reduced.shape == shape else broadcast_to(reduced, shape=shape)


sum_: Primitive = Primitive(
    "sum", specs.reduction, (lambda g, y, x, *, axes, keepdims: unreduce(g, x, axes, keepdims),), Domain(NUMBERS)
)
broadcast_to: Primitive = Primitive(
    "broadcast_to", specs.broadcast_to, (lambda g, y, x, *, shape: unbroadcast(g, x),), Domain(ANYTHING)
)
reshape: Primitive = Primitive(
    "reshape", specs.reshape, (lambda g, y, x, *, shape: reshape(g, shape=x.shape),), Domain(ANYTHING)
)
