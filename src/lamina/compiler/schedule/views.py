"""Where the elements of a value lie: affine functions of loop indices, and views of memory.

An index is written by its coefficients: ``(c0, c1, ..., k)`` means ``c0 * i0 + c1 * i1 + ... + k`` for the indices of
a kernel's loops. Permuting, slicing, flipping, broadcasting and taking windows map affine indices to affine indices,
so none of them ever moves an element.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from lamina.compiler.graph.ir import Value

if TYPE_CHECKING:
    from lamina.compiler.schedule.kernels import Kernel

Shape = tuple[int, ...]
Affine = tuple[int, ...]
Index = tuple[Affine, ...]


def squeezed(shape: Shape) -> Shape:
    """Return a shape without axes of length one, along which there is nothing to loop over."""
    return tuple([size for size in shape if size != 1])


def renamed(value: Value) -> bool:
    """Tell whether a value is another with axes of length one added or removed."""
    return value.op == "reshape" and squeezed(value.shape) == squeezed(value.operands[0].shape)


def splits(value: Value) -> bool:
    """Tell whether a value is another reshaped so that each of its axes is one axis or a part of one."""
    if value.op != "reshape" or 0 in value.shape:
        return False
    sizes = iter(squeezed(value.shape))
    for size in squeezed(value.operands[0].shape):
        found = 1
        while found < size:
            found *= next(sizes)
        if found != size:
            return False
    return True


def identity(shape: Shape, dims: int, places: Sequence[int]) -> Index:
    """Return the index by which a value's axes, but those of length one, are loops, in order.

    Parameters
    ----------
    shape : tuple of int
        Of the value.
    dims : int
        How many loops there are.
    places : sequence of int
        Which loop each axis longer than one is.
    """
    order = iter(places)
    zero = (0,) * (dims + 1)
    return tuple([zero if size == 1 else unit(next(order), dims) for size in shape])


@cache
def unit(place: int, dims: int) -> Affine:
    """Return the index of one loop itself."""
    return (*(1 if each == place else 0 for each in range(dims)), 0)


def combined(index: Index, strides: Sequence[int], offset: int, dims: int) -> Affine:
    """Return ``offset + sum of stride * index``, the place in memory."""
    total = [0] * dims + [offset]
    for affine, stride in zip(index, strides, strict=True):
        if stride:
            for place, coefficient in enumerate(affine):
                total[place] += stride * coefficient
    return tuple(total)


def contiguous(shape: Shape) -> Shape:
    """Return the strides of row-major memory, in elements."""
    strides = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


@dataclass(frozen=True, slots=True)
class View:
    """A value as a part of the memory of another, ``base``: an offset and a stride for each axis, in elements."""

    base: Value
    strides: Shape
    offset: int
    after: tuple[Kernel, ...] = ()
    """The kernels that must have run before it is read, besides those that write it."""

    def seen(self, strides: Shape, offset: int) -> View:
        """Return a view of the same memory."""
        return View(self.base, strides, offset, self.after)


def whole(value: Value) -> View:
    """Return the view of a value's own memory."""
    return View(value, contiguous(value.shape), 0)


def viewed(value: Value, source: View) -> View | None:
    """Return a view operation's result as a view, given its operand's; None where elements must move."""
    operand = value.operands[0]
    strides, offset = source.strides, source.offset
    match value.op:
        case "alias":
            return source
        case "permute_dims":
            return source.seen(tuple(strides[axis] for axis in value.params["axes"]), offset)
        case "broadcast_to":
            added = len(value.shape) - len(strides)
            kept = zip(operand.shape, value.shape[added:], strides, strict=True)
            return source.seen((0,) * added + tuple(s if a == b else 0 for a, b, s in kept), offset)
        case "slice":
            start, step = value.params["start"], value.params["step"]
            offset += sum(low * stride for low, stride in zip(start, strides, strict=True))
            return source.seen(tuple(by * stride for by, stride in zip(step, strides, strict=True)), offset)
        case "flip":
            axes = value.params["axes"]
            offset += sum((operand.shape[axis] - 1) * strides[axis] for axis in axes)
            return source.seen(tuple(-s if axis in axes else s for axis, s in enumerate(strides)), offset)
        case "windows":
            before = len(operand.shape) - len(value.params["size"])
            moved = [
                tuple(by * stride for by, stride in zip(value.params[name], strides[before:], strict=True))
                for name in ("stride", "dilation")
            ]
            return source.seen((*strides[:before], *moved[0], *moved[1]), offset)
        case "reshape":
            found = _reshaped(operand.shape, strides, value.shape)
            return None if found is None else source.seen(found, offset)
    return None


def _reshaped(shape: Shape, strides: Shape, wanted: Shape) -> Shape | None:
    """Return the strides of the same elements in another shape, if there are any."""
    if 0 in wanted:
        return (0,) * len(wanted)
    old = [(size, stride) for size, stride in zip(shape, strides, strict=True) if size != 1]
    # Neighbouring axes that memory runs through in one go.
    runs: list[tuple[int, int]] = []
    for size, stride in old:
        if runs and runs[-1][1] == size * stride:
            runs[-1] = (runs[-1][0] * size, stride)
        else:
            runs.append((size, stride))
    result: list[int] = []
    runs.reverse()
    left, stride = runs.pop() if runs else (1, 1)
    for size in wanted:
        if size == 1:
            result.append(0)
            continue
        if left == 1:
            if not runs:
                return None
            left, stride = runs.pop()
        if left % size:
            return None
        left //= size
        result.append(stride * left)
    return tuple(result)


VIEWS = frozenset({"alias", "permute_dims", "broadcast_to", "slice", "flip", "reshape", "windows"})


def operand_index(value: Value, position: int, index: Index, dims: int) -> Index:
    """Return where an operand of an elementwise or view operation is read for an element of the result.

    A reshape is followed only where it adds or removes axes of length one, or splits axes; others are views of memory.
    """
    operand = value.operands[position]
    if value.op not in VIEWS and operand.shape == value.shape:
        return index
    zero = (0,) * (dims + 1)
    match value.op:
        case "permute_dims":
            axes = value.params["axes"]
            found = [zero] * len(axes)
            for place, axis in enumerate(axes):
                found[axis] = index[place]
            return tuple(found)
        case "slice":
            return tuple(
                _shifted(affine, by, low)
                for affine, low, by in zip(index, value.params["start"], value.params["step"], strict=True)
            )
        case "flip":
            axes = value.params["axes"]
            return tuple(
                _shifted(affine, -1, size - 1) if axis in axes else affine
                for axis, (affine, size) in enumerate(zip(index, operand.shape, strict=True))
            )
        case "windows":
            axes = len(value.params["size"])
            before = len(operand.shape) - axes
            by, apart = value.params["stride"], value.params["dilation"]
            places = [_shifted(each, step, 0) for each, step in zip(index[before : before + axes], by, strict=True)]
            inside = [_shifted(each, step, 0) for each, step in zip(index[before + axes :], apart, strict=True)]
            return (*index[:before], *(_sum(*each) for each in zip(places, inside, strict=True)))
        case "reshape":
            kept = iter([(affine, size) for affine, size in zip(index, value.shape, strict=True) if size != 1])
            return tuple([_joined(kept, size, zero) for size in operand.shape])
    added = len(value.shape) - len(operand.shape)
    return tuple([zero if size == 1 else affine for size, affine in zip(operand.shape, index[added:], strict=True)])


def _joined(parts: Iterator[tuple[Affine, int]], size: int, zero: Affine) -> Affine:
    """Return the index of an axis of a length that was split into the next parts."""
    found, length = zero, 1
    while length < size:
        affine, part = next(parts)
        found, length = _sum(_shifted(found, part, 0), affine), length * part
    return found


def walk(starts: Iterable[tuple[Value, Index]], dims: int, enter: Callable[[Value, Index], bool]) -> None:
    """Visit the expressions of values backwards, each value once at each place where it is read.

    Parameters
    ----------
    starts : iterable of (Value, Index)
        What to begin with.
    dims : int
        How many loops there are.
    enter : callable
        Is called with a value and its place; tells whether to go on to the operands.
    """
    waiting = list(starts)
    seen = set()
    while waiting:
        each = waiting.pop()
        if each in seen:
            continue
        seen.add(each)
        value, index = each
        if enter(value, index):
            for position, operand in enumerate(value.operands):
                waiting.append((operand, operand_index(value, position, index, dims)))


def _sum(a: Affine, b: Affine) -> Affine:
    return tuple([x + y for x, y in zip(a, b, strict=True)])


def _shifted(affine: Affine, factor: int, offset: int) -> Affine:
    scaled = [factor * coefficient for coefficient in affine]
    scaled[-1] += offset
    return tuple(scaled)
