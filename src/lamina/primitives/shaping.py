"""The rows that move elements without changing them: permute, flip, slice, pad, concat.

``slice`` and ``pad`` (before, after and between elements) are each other's adjoints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.primitives import specs
from lamina.primitives.primitive import ANYTHING, Domain, Primitive, Same, Shape

if TYPE_CHECKING:
    from lamina.tensor import Tensor


def inverse(axes: Shape) -> Shape:
    """Return the order of axes that undoes ``axes``."""
    places = [0] * len(axes)
    for position, axis in enumerate(axes):
        places[axis] = position
    return tuple(places)


def part(x: Tensor, axis: int, start: int, stop: int) -> Tensor:
    """Return the elements from ``start`` up to ``stop`` along one axis."""
    return slice_(
        x,
        start=tuple(start if at == axis else 0 for at in range(x.ndim)),
        stop=tuple(stop if at == axis else size for at, size in enumerate(x.shape)),
        step=(1,) * x.ndim,
    )


def _slice_rule(g: Tensor, y: Tensor, x: Tensor, *, start: Shape, stop: Shape, step: Shape) -> Tensor:
    if g.size == 0:
        return x._full(x.shape, 0)
    taken = [low + (size - 1) * by + 1 for low, size, by in zip(start, g.shape, step, strict=True)]
    return pad(
        g,
        low=start,
        high=tuple(size - end for size, end in zip(x.shape, taken, strict=True)),
        interior=tuple(by - 1 for by in step),
        value=0,
    )


def _pad_rule(g: Tensor, y: Tensor, x: Tensor, *, low: Shape, high: Shape, interior: Shape, value: float) -> Tensor:
    step = tuple(between + 1 for between in interior)
    sizes = zip(low, x.shape, step, strict=True)
    # An empty axis has no last element to stop behind.
    stop = tuple(before + (size - 1) * by + 1 if size else before for before, size, by in sizes)
    return slice_(g, start=low, stop=stop, step=step)


def _concat_rule(position: int, g: Tensor, y: Tensor, *operands: Tensor, axis: int) -> Tensor:
    before = sum(operand.shape[axis] for operand in operands[:position])
    start = tuple(before if at == axis else 0 for at in range(g.ndim))
    stop = tuple(begin + size for begin, size in zip(start, operands[position].shape, strict=True))
    return slice_(g, start=start, stop=stop, step=(1,) * g.ndim)


permute_dims: Primitive = Primitive(
    "permute_dims",
    specs.permute_dims,
    (lambda g, y, x, *, axes: permute_dims(g, axes=inverse(axes)),),
    Domain(ANYTHING),
)
flip: Primitive = Primitive("flip", specs.flip, (lambda g, y, x, *, axes: flip(g, axes=axes),), Domain(ANYTHING))
slice_: Primitive = Primitive("slice", specs.slice_, (_slice_rule,), Domain(ANYTHING))
pad: Primitive = Primitive("pad", specs.pad, (_pad_rule,), Domain(ANYTHING))
concat: Primitive = Primitive("concat", specs.concat, Same(_concat_rule), Domain(ANYTHING))
