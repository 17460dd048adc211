"""The rows that look at an axis through windows: all windows as they are, and weighted sums over each.

Both take places inside the axis only; padding, and zeros between elements, are the row ``pad`` before them. The
derivatives of ``convolution`` are convolutions, and that of ``windows`` is a sum of padded parts, so that they
have derivatives of any order.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING

from lamina.primitives import window_specs
from lamina.primitives.broadcasting import reshape
from lamina.primitives.primitive import ANYTHING, NUMBERS, Domain, Primitive, Shape
from lamina.primitives.shaping import concat, flip, pad, part, permute_dims, slice_

if TYPE_CHECKING:
    from lamina.tensor import Tensor


def _exchanged(x: Tensor) -> Tensor:
    """Return ``x`` with its first two axes exchanged."""
    return permute_dims(x, axes=(1, 0, *range(2, x.ndim)))


def backwards(w: Tensor, groups: int) -> Tensor:
    """Return weights [outputs, inputs of a group, *window] as those of the way back.

    They are [inputs, outputs of a group, *window], the window reversed.
    """
    outputs, inputs, *window = w.shape
    if groups > 1:
        turned = reshape(w, shape=(groups, outputs // groups, inputs, *window))
        turned = permute_dims(turned, axes=(0, 2, 1, *range(3, turned.ndim)))
        turned = reshape(turned, shape=(groups * inputs, outputs // groups, *window))
    else:
        turned = _exchanged(w)
    return flip(turned, axes=tuple(range(2, w.ndim)))


@dataclass(frozen=True)
class _Placed:
    """How windows lie over axes of ``sizes``, which are padded by ``low`` before: one number for each axis."""

    sizes: Shape
    low: Shape
    window: Shape
    stride: Shape
    dilation: Shape
    groups: int

    def count(self, axis: int, first: int) -> int:
        """Return how many elements there are from ``first`` on, a stride apart."""
        return max(0, -((first - self.sizes[axis]) // self.stride[axis]))

    def taps(self, axis: int, first: int) -> range:
        """Return which elements of windows such elements of the axis can be."""
        step, apart, size = self.stride[axis], self.dilation[axis], self.window[axis]
        every = step // gcd(step, apart)
        met = (tap for tap in range(min(every, size)) if (first + self.low[axis] - tap * apart) % step == 0)
        return range(next(met, size), size, every)

    def seen(self, axis: int, first: int, places: int) -> tuple[int, int, int, int, int] | None:
        """Return how a convolution of the windows' places gives these elements; None where no window reaches one.

        That is what is added before and after the places, the first weight of those that are read backwards, the
        step to the next, and how far apart the places are that they meet.
        """
        step, apart, taps = self.stride[axis], self.dilation[axis], self.taps(axis, first)
        if not taps:
            return None
        last, earliest = ((first + self.low[axis] - tap * apart) // step for tap in (taps[0], taps[-1]))
        before, after = -earliest, self.count(axis, first) + last - places
        if min(before, after) <= -places:
            return None
        return before, after, self.window[axis] - 1 - taps[-1], taps.step, apart * taps.step // step


def transposed(
    g: Tensor, w: Tensor, *, sizes: Shape, low: Shape, stride: Shape, dilation: Shape, groups: int
) -> Tensor:
    """Return what elements of axes of ``sizes`` receive from windows over them: the adjoint of a convolution.

    Elements a stride apart meet the same weights. So they are a convolution of stride 1 by these, and the elements
    between them are others.
    """
    placed = _Placed(sizes, low, w.shape[2:], stride, dilation, groups)
    return _in_turn(g, backwards(w, groups), (), placed)


def _in_turn(g: Tensor, w: Tensor, firsts: Shape, placed: _Placed) -> Tensor:
    """Return the elements that are whole strides after ``firsts`` along the first axes, and all along the others."""
    axis = len(firsts)
    if axis == len(placed.sizes):
        return _strides_apart(g, w, firsts, placed)
    step, size, at = placed.stride[axis], placed.sizes[axis], axis + 2
    each = [_in_turn(g, w, (*firsts, first), placed) for first in range(step)]
    if step == 1:
        return each[0]
    longest = placed.count(axis, 0)
    columns = [_spread(one, at, 0, longest - one.shape[at]) for one in each]
    columns = [reshape(one, shape=(*one.shape[: at + 1], 1, *one.shape[at + 1 :])) for one in columns]
    whole = concat(*columns, axis=at + 1)
    line = reshape(whole, shape=(*whole.shape[:at], longest * step, *whole.shape[at + 2 :]))
    return line if longest * step == size else part(line, at, 0, size)


def _strides_apart(g: Tensor, w: Tensor, firsts: Shape, placed: _Placed) -> Tensor:
    """Return the elements that are whole strides after ``firsts``; ``w`` is read backwards."""
    counts = tuple(placed.count(axis, first) for axis, first in enumerate(firsts))
    along = [placed.seen(axis, first, g.shape[axis + 2]) for axis, first in enumerate(firsts)]
    found = [each for each in along if each is not None]
    if len(found) < len(along) or 0 in counts:
        return g._full((g.shape[0], w.shape[0], *counts), 0)
    low, high, start, step, dilation = zip(*found, strict=True) if found else ((),) * 5
    if max(step, default=1) > 1:
        w = slice_(w, start=(0, 0, *start), stop=w.shape, step=(1, 1, *step))
    seen = widened(g, low, high, (0,) * len(low))
    return convolution(seen, w, stride=(1,) * len(firsts), dilation=dilation, groups=placed.groups)


def widened(x: Tensor, low: Shape, high: Shape, interior: Shape) -> Tensor:
    """Return ``x`` [batch, channels, *sizes] with so many zeros before, after and between the elements of each axis.

    Negative numbers take elements away.
    """
    before, after = (tuple(max(number, 0) for number in end) for end in (low, high))
    if any((*before, *after, *interior)):
        x = pad(x, low=(0, 0, *before), high=(0, 0, *after), interior=(0, 0, *interior), value=0)
    if min((*low, *high), default=0) < 0:
        start = tuple(max(-number, 0) for number in low)
        stop = tuple(size - max(-number, 0) for size, number in zip(x.shape[2:], high, strict=True))
        x = slice_(x, start=(0, 0, *start), stop=(*x.shape[:2], *stop), step=(1,) * x.ndim)
    return x


def _input_rule(g: Tensor, y: Tensor, x: Tensor, w: Tensor, *, stride: Shape, dilation: Shape, groups: int) -> Tensor:
    none = (0,) * len(stride)
    return transposed(g, w, sizes=x.shape[2:], low=none, stride=stride, dilation=dilation, groups=groups)


def weight_rule(g: Tensor, y: Tensor, x: Tensor, w: Tensor, *, stride: Shape, dilation: Shape, groups: int) -> Tensor:
    """A weight meets the input at every window's place: the cotangent is the window, and the batch is summed over."""
    batch, _, *sizes = x.shape
    outputs, inner, *window = w.shape
    if groups == 1:
        turned = _exchanged(x)
    else:
        split = reshape(x, shape=(batch, groups, inner, *sizes))
        turned = reshape(
            permute_dims(split, axes=(2, 1, 0, *range(3, split.ndim))), shape=(inner, groups * batch, *sizes)
        )
    by_places = convolution(turned, _exchanged(g), stride=dilation, dilation=stride, groups=groups)
    # What is left over at the end of an axis may have room for more places than the window has.
    if by_places.shape[2:] != tuple(window):
        by_places = slice_(by_places, start=(0,) * w.ndim, stop=(inner, outputs, *window), step=(1,) * w.ndim)
    return _exchanged(by_places)


convolution: Primitive = Primitive("convolution", window_specs.convolution, (_input_rule, weight_rule), Domain(NUMBERS))


def _spread(x: Tensor, axis: int, low: int, high: int, between: int = 0) -> Tensor:
    """Return ``x`` with zeros before, after and between the elements of one axis."""
    low_of, high_of, between_of = (
        tuple(number if at == axis else 0 for at in range(x.ndim)) for number in (low, high, between)
    )
    return pad(x, low=low_of, high=high_of, interior=between_of, value=0) if low or high or between else x


def _side_by_side(g: Tensor, place: int, length: int, stride: int) -> Tensor:
    """Return windows [..., count, ..., size] that do not overlap as one axis of ``length``, one after another."""
    last = g.ndim - 1
    moved = permute_dims(g, axes=(*range(place + 1), last, *range(place + 1, last)))
    moved = _spread(moved, place + 1, 0, stride - g.shape[last])
    line = reshape(moved, shape=(*g.shape[:place], g.shape[place] * stride, *g.shape[place + 1 : last]))
    short = length - line.shape[place]
    return part(line, place, 0, length) if short < 0 else _spread(line, place, 0, short)


def _tiled(g: Tensor, sizes: Shape, stride: Shape) -> Tensor:
    """Return windows [..., *places, *window] that overlap along no axis as axes of ``sizes``: they are moved once."""
    axes = len(sizes)
    first = g.ndim - 2 * axes
    pairs = [place for axis in range(axes) for place in (first + axis, first + axes + axis)]
    moved = permute_dims(g, axes=(*range(first), *pairs))
    for axis, step in enumerate(stride):
        place = first + 2 * axis + 1
        moved = _spread(moved, place, 0, step - moved.shape[place])
    lines = [count * step for count, step in zip(g.shape[first : first + axes], stride, strict=True)]
    whole = reshape(moved, shape=(*g.shape[:first], *lines))
    for axis, size in enumerate(sizes):
        short = size - lines[axis]
        whole = part(whole, first + axis, 0, size) if short < 0 else _spread(whole, first + axis, 0, short)
    return whole


def _overlapped(g: Tensor, place: int, length: int, stride: int, dilation: int) -> Tensor:
    """Return windows [..., count, ..., size] added up along one axis of ``length``, element by element of the size."""
    last = g.ndim - 1
    total = None
    for at in range(g.shape[last]):
        first = at * dilation
        after = length - (first + (g.shape[place] - 1) * stride + 1)
        one = _spread(reshape(part(g, last, at, at + 1), shape=g.shape[:last]), place, first, after, stride - 1)
        total = one if total is None else total + one
    assert total is not None
    return total


def added_windows(g: Tensor, sizes: Shape, stride: Shape, dilation: Shape) -> Tensor:
    """Return windows [..., *places, *window] added up where they overlap, over axes of ``sizes``.

    It is the adjoint of ``windows``, one axis after another from the last.
    """
    first = g.ndim - 2 * len(sizes)
    window = g.shape[first + len(sizes) :]
    if all(apart == 1 and count <= step for count, step, apart in zip(window, stride, dilation, strict=True)):
        return _tiled(g, sizes, stride)
    for axis in reversed(range(len(sizes))):
        place = first + axis
        if dilation[axis] == 1 and g.shape[-1] <= stride[axis]:
            g = _side_by_side(g, place, sizes[axis], stride[axis])
        else:
            g = _overlapped(g, place, sizes[axis], stride[axis], dilation[axis])
    return g


windows: Primitive = Primitive(
    "windows",
    window_specs.windows,
    (lambda g, y, x, *, size, stride, dilation: added_windows(g, x.shape[x.ndim - len(size) :], stride, dilation),),
    Domain(ANYTHING),
)
