"""Shape-and-dtype rules of windows and of sums over them; see `lamina.primitives.specs`."""

from __future__ import annotations

from lamina.dtypes import bool_
from lamina.errors import DTypeError, ShapeError
from lamina.primitives.primitive import Shape, Spec
from lamina.primitives.specs import same_dtype


def _counts(name: str, shape: Shape, sizes: Shape, window: Shape, stride: Shape, dilation: Shape) -> Shape:
    """Return how many windows there are along each axis of ``sizes``, the last ones of ``shape``."""
    given = (("the window", window), ("stride", stride), ("dilation", dilation))
    for what, numbers in given:
        if len(numbers) != len(sizes):
            raise ShapeError(
                f"{name}: {what} {list(numbers)} must have one number for each of the {len(sizes)} axes "
                f"{list(sizes)} of shape {list(shape)} that windows move along"
            )
        if min(numbers, default=1) < 1:
            raise ShapeError(f"{name}: {what} {list(numbers)} must be made of positive integers")
    counts = []
    for axis, (size, count, step, apart) in enumerate(zip(sizes, window, stride, dilation, strict=True)):
        reach = apart * (count - 1) + 1
        if reach > size:
            raise ShapeError(
                f"{name}: a window of {count} elements {apart} apart reaches over {reach}, and axis "
                f"{len(shape) - len(sizes) + axis} of shape {list(shape)} has {size}; pad it, or take a smaller window"
            )
        counts.append((size - reach) // step + 1)
    return tuple(counts)


def convolution(name: str, x: Spec, w: Spec, *, stride: Shape, dilation: Shape, groups: int) -> Spec:
    """Batches and channels first; one sum for each window and output channel."""
    dtype = same_dtype(name, x, w)
    if dtype is bool_:
        raise DTypeError(f"{name}: expected numbers, got bool; cast with astype")
    if len(x.shape) < 2 or len(x.shape) != len(w.shape):
        raise ShapeError(
            f"{name}: expected an input [batch, channels, *sizes] and weights [outputs, channels, *window] with as "
            f"many axes, got shapes {list(x.shape)} and {list(w.shape)}"
        )
    channels, (outputs, inner) = x.shape[1], w.shape[:2]
    if groups < 1 or channels % groups or outputs % groups:
        raise ShapeError(
            f"{name}: {groups} groups must divide the {channels} channels of shape {list(x.shape)} and the {outputs} "
            f"outputs of weights {list(w.shape)}"
        )
    if channels != inner * groups:
        raise ShapeError(
            f"{name}: an input of shape {list(x.shape)} has {channels} channels, {channels // groups} in each of "
            f"{groups} groups, and weights of shape {list(w.shape)} take {inner}; they must be as many"
        )
    counts = _counts(name, x.shape, x.shape[2:], w.shape[2:], stride, dilation)
    return Spec((x.shape[0], outputs, *counts), dtype)


def windows(name: str, x: Spec, *, size: Shape, stride: Shape, dilation: Shape) -> Spec:
    """The last axes become axes of places, and axes inside a window follow."""
    if len(size) > len(x.shape):
        raise ShapeError(f"{name}: a window {list(size)} has more axes than shape {list(x.shape)}")
    first = len(x.shape) - len(size)
    counts = _counts(name, x.shape, x.shape[first:], size, stride, dilation)
    return Spec((*x.shape[:first], *counts, *size), x.dtype)
