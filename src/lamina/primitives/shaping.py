"""The rows that move elements without changing them: permute, flip, slice, pad, concat.

``slice`` and ``pad`` (before, after and between elements) are each other's adjoints, and so are ``concat`` and
`pieces`.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from lamina.autodiff.node import Joint, Step, recorded
from lamina.backends.thread_state import STATE
from lamina.primitives import specs
from lamina.primitives.primitive import ANYTHING, Domain, Primitive, Shape

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


def _concat_rule(g: Tensor, y: Tensor, operands: tuple[Tensor, ...], *, axis: int) -> tuple[Tensor, ...]:
    return pieces(g, axis, tuple(operand.shape[axis] for operand in operands))


permute_dims: Primitive = Primitive(
    "permute_dims",
    specs.permute_dims,
    (lambda g, y, x, *, axes: permute_dims(g, axes=inverse(axes)),),
    Domain(ANYTHING),
)
flip: Primitive = Primitive("flip", specs.flip, (lambda g, y, x, *, axes: flip(g, axes=axes),), Domain(ANYTHING))
slice_: Primitive = Primitive("slice", specs.slice_, (_slice_rule,), Domain(ANYTHING))
pad: Primitive = Primitive("pad", specs.pad, (_pad_rule,), Domain(ANYTHING))
concat: Primitive = Primitive("concat", specs.concat, Joint(_concat_rule), Domain(ANYTHING))


# --- cutting up -------------------------------------------------------------------------------------------


def pieces(x: Tensor, axis: int, sizes: Shape) -> tuple[Tensor, ...]:
    """Return ``x`` cut up along an axis into pieces of these sizes.

    As many slices would do, but the cotangent of each slice is as large as ``x``; that of all pieces is one
    concatenation.
    """
    borders = pairwise(accumulate(sizes, initial=0))
    if x._node is None or not STATE.recording:
        return tuple(part(x, axis, start, stop) for start, stop in borders)
    x = x._snapshot
    constant = x._untracked
    cut = [part(constant, axis, start, stop) for start, stop in borders]
    whole = recorded(_CUT, (x,), {"axis": axis, "sizes": sizes}, x)
    return tuple(recorded(_PIECE, (whole,), {"index": index}, y) for index, y in enumerate(cut))


class _Pieces:
    """The cotangents of the pieces that have one, by number."""

    __slots__ = ("parts",)

    def __init__(self, parts: dict[int, Tensor]) -> None:
        self.parts = parts

    def __add__(self, other: _Pieces) -> _Pieces:
        # In place, for the sum of n pieces would take n**2 steps otherwise; the sweep uses a sum once.
        for index, part in other.parts.items():
            before = self.parts.get(index)
            self.parts[index] = part if before is None else before + part
        return self


def _piece_rule(g: Tensor, y: Tensor, whole: Tensor, *, index: int) -> _Pieces:
    return _Pieces({index: g})


def _cut_rule(g: _Pieces, y: Tensor, x: Tensor, *, axis: int, sizes: Shape) -> Tensor:
    rest = {size: x._full((*x.shape[:axis], size, *x.shape[axis + 1 :]), 0) for size in _missing(g, sizes)}
    parts = [g.parts[index] if index in g.parts else rest[size] for index, size in enumerate(sizes)]
    return concat(*parts, axis=axis)


def _missing(g: _Pieces, sizes: Shape) -> set[int]:
    return {size for index, size in enumerate(sizes) if index not in g.parts}


_CUT, _PIECE = Step("pieces", _cut_rule), Step("piece", _piece_rule)
