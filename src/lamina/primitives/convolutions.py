"""The rows that look at an axis through windows: all windows as they are, and weighted sums over each.

Both take places inside the axis only; padding, and zeros between elements, are the row ``pad`` before them. The
derivatives of ``convolution`` are convolutions, and that of ``windows`` is a sum of padded parts, so that they
have derivatives of any order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.primitives import window_specs
from lamina.primitives.broadcasting import reshape
from lamina.primitives.primitive import ANYTHING, NUMBERS, Domain, Primitive, Shape
from lamina.primitives.shaping import flip, pad, part, permute_dims, slice_

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


def _input_rule(g: Tensor, y: Tensor, x: Tensor, w: Tensor, *, stride: Shape, dilation: Shape, groups: int) -> Tensor:
    """Each element receives the cotangents of the windows it is in: the same weights, read backwards."""
    reach = [apart * (size - 1) for apart, size in zip(dilation, w.shape[2:], strict=True)]
    seen = [step * (count - 1) + far + 1 for step, count, far in zip(stride, g.shape[2:], reach, strict=True)]
    left = [size - end for size, end in zip(x.shape[2:], seen, strict=True)]
    spread = pad(
        g,
        low=(0, 0, *reach),
        high=(0, 0, *(far + rest for far, rest in zip(reach, left, strict=True))),
        interior=(0, 0, *(step - 1 for step in stride)),
        value=0,
    )
    return convolution(spread, backwards(w, groups), stride=(1,) * len(reach), dilation=dilation, groups=groups)


def _weight_rule(g: Tensor, y: Tensor, x: Tensor, w: Tensor, *, stride: Shape, dilation: Shape, groups: int) -> Tensor:
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


convolution: Primitive = Primitive(
    "convolution", window_specs.convolution, (_input_rule, _weight_rule), Domain(NUMBERS)
)


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
