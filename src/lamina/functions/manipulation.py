"""Functions that rearrange, join and repeat elements."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Never

import numpy as np

from lamina.dtypes import Scalar, int64
from lamina.errors import DTypeError, ShapeError
from lamina.functions.operands import Axis, all_axes, common, fill_value, one_axis, tensor
from lamina.other_names import unexpected
from lamina.primitives import broadcasting, indexing, reductions, shaping, specs
from lamina.primitives.elementwise import astype
from lamina.primitives.operand import Operand
from lamina.primitives.primitive import Spec

if TYPE_CHECKING:
    from lamina.tensor import Tensor


def as_shape(name: str, shape: int | Sequence[int]) -> tuple[int, ...]:
    """Return a shape given as one length or a sequence of them."""
    try:
        lengths = (operator.index(shape),) if not isinstance(shape, Sequence) else tuple(map(operator.index, shape))
    except TypeError as error:
        raise ShapeError(f"{name}: expected a shape of integers, got {shape!r}") from error
    return lengths


def new_shape(name: str, shape: int | Sequence[int]) -> tuple[int, ...]:
    """Return the shape of something to be made, whose lengths are not negative."""
    lengths = as_shape(name, shape)
    if any(length < 0 for length in lengths):
        raise ShapeError(f"{name}: shape {list(lengths)} has a negative length")
    return lengths


def reshape(x: Tensor, /, shape: Sequence[int], *, copy: bool | None = None) -> Tensor:
    """Return the elements in row-major order in another shape; one length may be -1, to be worked out.

    Raises
    ------
    ShapeError
        When the numbers of elements differ.

    Examples
    --------
    >>> import lamina as la
    >>> la.reshape(la.arange(6), (2, -1))
    Tensor([[0, 1, 2],
            [3, 4, 5]], shape=[2, 3], dtype=int64)
    """
    x = tensor("reshape", x)
    lengths = as_shape("reshape", shape)
    if -1 in lengths:
        lengths = _worked_out(x, lengths)
    if any(length < 0 for length in lengths):
        raise ShapeError(f"reshape: {list(lengths)} has a negative length; at most one may be -1")
    return broadcasting.reshape(x, shape=lengths)


def _worked_out(x: Tensor, lengths: tuple[int, ...]) -> tuple[int, ...]:
    known = math.prod(length for length in lengths if length != -1)
    if lengths.count(-1) > 1 or known == 0 or x.size % known:
        raise ShapeError(f"reshape: shape {list(x.shape)} has {x.size} elements and does not fit {list(lengths)}")
    return tuple(x.size // known if length == -1 else length for length in lengths)


def flatten(x: Tensor, start_axis: int = 0, end_axis: int = -1, **elsewhere: Never) -> Tensor:
    """Return ``x`` with the axes from ``start_axis`` to ``end_axis`` made one."""
    if elsewhere:
        raise unexpected("flatten", elsewhere)
    x = tensor("flatten", x)
    if x.ndim == 0:
        return broadcasting.reshape(x, shape=(1,))
    first, last = one_axis("flatten", start_axis, x.ndim), one_axis("flatten", end_axis, x.ndim)
    if first > last:
        raise ShapeError(f"flatten: start_axis {start_axis} lies behind end_axis {end_axis}")
    middle = math.prod(x.shape[first : last + 1])
    return broadcasting.reshape(x, shape=(*x.shape[:first], middle, *x.shape[last + 1 :]))


def permute_dims(x: Tensor, /, axes: tuple[int, ...]) -> Tensor:
    """Return ``x`` with its axes in the order given."""
    x = tensor("permute_dims", x)
    if len(axes) != x.ndim:
        raise ShapeError(f"permute_dims: shape {list(x.shape)} has {x.ndim} axes, got the order {tuple(axes)}")
    return shaping.permute_dims(x, axes=all_axes("permute_dims", axes, x.ndim))


def moveaxis(x: Tensor, source: int | tuple[int, ...], destination: int | tuple[int, ...], /) -> Tensor:
    """Return ``x`` with the axes ``source`` moved to ``destination``, the others in their order."""
    x = tensor("moveaxis", x)
    sources, goals = all_axes("moveaxis", source, x.ndim), all_axes("moveaxis", destination, x.ndim)
    if len(sources) != len(goals):
        raise ShapeError(f"moveaxis: {len(sources)} sources for {len(goals)} destinations; give as many")
    order = [axis for axis in range(x.ndim) if axis not in sources]
    for goal, axis in sorted(zip(goals, sources, strict=True)):
        order.insert(goal, axis)
    return shaping.permute_dims(x, axes=tuple(order))


def expand_dims(x: Tensor, /, axis: int | tuple[int, ...] = 0) -> Tensor:
    """Return ``x`` with new axes of length one at the positions ``axis`` of the result."""
    x = tensor("expand_dims", x)
    count = 1 if isinstance(axis, int) else len(axis)
    axes = all_axes("expand_dims", axis, x.ndim + count)
    sizes = iter(x.shape)
    return broadcasting.reshape(x, shape=tuple(1 if at in axes else next(sizes) for at in range(x.ndim + count)))


def squeeze(x: Tensor, /, axis: Axis = None, **elsewhere: Never) -> Tensor:
    """Return ``x`` without the axes ``axis``, which must have length one; without all such axes for None."""
    if elsewhere:
        raise unexpected("squeeze", elsewhere)
    x = tensor("squeeze", x)
    if axis is None:
        axes = tuple(at for at, size in enumerate(x.shape) if size == 1)
    else:
        axes = all_axes("squeeze", axis, x.ndim)
    for at in axes:
        if x.shape[at] != 1:
            raise ShapeError(f"squeeze: axis {at} of shape {list(x.shape)} has length {x.shape[at]}, not 1")
    return broadcasting.reshape(x, shape=tuple(size for at, size in enumerate(x.shape) if at not in axes))


def broadcast_to(x: Tensor, /, shape: Sequence[int]) -> Tensor:
    """Return ``x`` repeated along axes of length one, and new leading axes, to ``shape``."""
    x = tensor("broadcast_to", x)
    wide = as_shape("broadcast_to", shape)
    specs.broadcast_to("broadcast_to", Spec(x.shape, x.dtype), shape=wide)
    return x._snapshot if wide == x.shape else broadcasting.broadcast_to(x, shape=wide)


def broadcast_arrays(*arrays: Tensor) -> list[Tensor]:
    """Return the tensors broadcast to one shape."""
    tensors = [tensor("broadcast_arrays", x) for x in arrays]
    shape = specs.broadcast_shapes("broadcast_arrays", *(x.shape for x in tensors))
    return [broadcast_to(x, shape) for x in tensors]


def flip(x: Tensor, /, axis: Axis = None, **elsewhere: Never) -> Tensor:
    """Return ``x`` with the order along ``axis`` reversed; along every axis for None."""
    if elsewhere:
        raise unexpected("flip", elsewhere)
    x = tensor("flip", x)
    return shaping.flip(x, axes=all_axes("flip", axis, x.ndim))


def concat(arrays: Sequence[Tensor], /, *, axis: int | None = 0, **elsewhere: Never) -> Tensor:
    """Return tensors joined along an existing axis; flattened first for None.

    Raises
    ------
    ShapeError
        When shapes differ in another axis than the one along which they are joined.

    Examples
    --------
    >>> import lamina as la
    >>> la.concat([la.ones((1, 2)), la.zeros((2, 2))])
    Tensor([[1., 1.],
            [0., 0.],
            [0., 0.]], shape=[3, 2], dtype=float32)
    """
    if elsewhere:
        raise unexpected("concat", elsewhere)
    tensors = common("concat", *arrays)
    if axis is None:
        tensors = tuple(flatten(x) for x in tensors)
        axis = 0
    return shaping.concat(*tensors, axis=one_axis("concat", axis, tensors[0].ndim))


def stack(arrays: Sequence[Tensor], /, *, axis: int = 0, **elsewhere: Never) -> Tensor:
    """Return tensors of one shape joined along a new axis.

    Raises
    ------
    ShapeError
        When shapes differ.

    Examples
    --------
    >>> import lamina as la
    >>> la.stack([la.zeros(2), la.ones(2)], axis=1)
    Tensor([[0., 1.],
            [0., 1.]], shape=[2, 2], dtype=float32)
    """
    if elsewhere:
        raise unexpected("stack", elsewhere)
    tensors = common("stack", *arrays)
    for x in tensors:
        if x.shape != tensors[0].shape:
            raise ShapeError(f"stack: shapes {list(tensors[0].shape)} and {list(x.shape)} differ; they must be equal")
    at = one_axis("stack", axis, tensors[0].ndim + 1)
    return shaping.concat(*[expand_dims(x, at) for x in tensors], axis=at)


def unstack(x: Tensor, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """Return the slices of ``x`` along ``axis``."""
    x = tensor("unstack", x)
    at = one_axis("unstack", axis, x.ndim)
    shape = (*x.shape[:at], *x.shape[at + 1 :])
    return tuple(broadcasting.reshape(each, shape=shape) for each in shaping.pieces(x, at, (1,) * x.shape[at]))


def split(x: Tensor, sections: int | Sequence[int], /, *, axis: int = 0) -> list[Tensor]:
    """Return ``x`` cut along ``axis`` into ``sections`` equal parts, or before each index given.

    Examples
    --------
    >>> import lamina as la
    >>> [part.tolist() for part in la.split(la.arange(5), [2, 4])]
    [[0, 1], [2, 3], [4]]
    """
    x = tensor("split", x)
    at = one_axis("split", axis, x.ndim)
    length = x.shape[at]
    if isinstance(sections, int):
        if sections < 1 or length % sections:
            raise ShapeError(f"split: axis {at} of length {length} does not divide into {sections} equal parts")
        borders = list(range(0, length + 1, length // sections)) if length else [0] * (sections + 1)
    else:
        borders = [0, *sections, length]
    if borders == sorted(borders):
        return list(shaping.pieces(x, at, tuple(stop - start for start, stop in pairwise(borders))))
    return [shaping.part(x, at, start, max(start, stop)) for start, stop in pairwise(borders)]


def roll(x: Tensor, /, shift: int | tuple[int, ...], *, axis: Axis = None, **elsewhere: Never) -> Tensor:
    """Return ``x`` with elements moved ``shift`` places along ``axis``, those pushed out coming in again."""
    if elsewhere:
        raise unexpected("roll", elsewhere)
    x = tensor("roll", x)
    if axis is None:
        total = shift if isinstance(shift, int) else sum(shift)
        return broadcasting.reshape(roll(flatten(x), total, axis=0), shape=x.shape)
    shifts = (shift,) if isinstance(shift, int) else tuple(shift)
    axes = tuple(one_axis("roll", each, x.ndim) for each in ((axis,) if isinstance(axis, int) else axis))
    if len(shifts) == 1:
        shifts *= len(axes)
    if len(shifts) != len(axes):
        raise ShapeError(f"roll: {len(shifts)} shifts for {len(axes)} axes; give as many, or one")
    for by, at in zip(shifts, axes, strict=True):
        length = x.shape[at]
        cut = -by % length if length else 0
        if cut:
            x = shaping.concat(shaping.part(x, at, cut, length), shaping.part(x, at, 0, cut), axis=at)
    return x._snapshot


def tile(x: Tensor, repetitions: Sequence[int], /) -> Tensor:
    """Return copies of ``x`` side by side, as many along each axis as ``repetitions`` says."""
    x = tensor("tile", x)
    counts = as_shape("tile", repetitions)
    ndim = max(len(counts), x.ndim)
    counts = (1,) * (ndim - len(counts)) + counts
    sizes = (1,) * (ndim - x.ndim) + x.shape
    spread = broadcasting.reshape(x, shape=tuple(part for size in sizes for part in (1, size)))
    wide = tuple(part for count, size in zip(counts, sizes, strict=True) for part in (count, size))
    return broadcasting.reshape(
        broadcasting.broadcast_to(spread, shape=wide),
        shape=tuple(count * size for count, size in zip(counts, sizes, strict=True)),
    )


def repeat(x: Tensor, repeats: int | Tensor, /, *, axis: int | None = None) -> Tensor:
    """Return ``x`` with each element repeated in place along ``axis``; flattened first for None.

    Parameters
    ----------
    x : Tensor
    repeats : int or Tensor of integers
        How often; a tensor holds a number for each element of the axis, or one for all. The shape of the
        result depends on its values then, which works eagerly only.
    axis : int, optional

    Examples
    --------
    >>> import lamina as la
    >>> la.repeat(la.asarray([1, 2]), la.asarray([3, 1]))
    Tensor([1, 1, 1, 2], shape=[4], dtype=int64)
    """
    x = tensor("repeat", x)
    if axis is None:
        x, at = flatten(x), 0
    else:
        at = one_axis("repeat", axis, x.ndim)
    if isinstance(repeats, Operand):
        return indexing.take(x, _repeated_positions(x.shape[at], repeats), axis=at)
    (count,) = as_shape("repeat", repeats)
    if count < 0:
        raise ShapeError(f"repeat: repeats must not be negative, got {count}")
    split = (*x.shape[: at + 1], 1, *x.shape[at + 1 :])
    wide = broadcasting.broadcast_to(
        broadcasting.reshape(x, shape=split), shape=(*split[: at + 1], count, *split[at + 2 :])
    )
    return broadcasting.reshape(wide, shape=(*x.shape[:at], x.shape[at] * count, *x.shape[at + 1 :]))


def _repeated_positions(length: int, repeats: Any) -> Tensor:
    if not repeats.dtype.integral:
        raise DTypeError(f"repeat: expected integer repeats, got {repeats.dtype.name}")
    if repeats.shape not in ((), (1,), (length,)):
        raise ShapeError(
            f"repeat: repeats of shape {list(repeats.shape)} must hold one number for each of the {length} "
            "elements of the axis, or one for all"
        )
    counts = broadcasting.broadcast_to(astype(repeats, dtype=int64), shape=(length,))
    if length and (least := reductions.min_(counts, axes=(0,), keepdims=False).item()) < 0:
        raise ShapeError(f"repeat: repeats must not be negative, got {least}")
    # Copy number n of all comes from the first element up to which there are more than n copies.
    ends = reductions.cumulative_sum(counts, axis=0)
    total = broadcasting.sum_(counts, axes=(0,), keepdims=False).item()
    copies = counts._constant(np.arange(total), int64)
    return indexing.searchsorted(ends, copies, side="right")


def pad(
    x: Tensor, /, pad_width: int | Sequence[int] | Sequence[Sequence[int]], *, constant_values: Scalar = 0
) -> Tensor:
    """Return ``x`` with ``constant_values`` added before and after each axis.

    Parameters
    ----------
    x : Tensor
    pad_width : int, (before, after), or one such pair for each axis
        How many elements to add; one number or pair serves every axis.
    constant_values : scalar, default 0
        What to add.

    Examples
    --------
    >>> import lamina as la
    >>> la.pad(la.asarray([1, 2]), (1, 2))
    Tensor([0, 1, 2, 0, 0], shape=[5], dtype=int64)
    """
    x = tensor("pad", x)
    fill_value("pad", x, constant_values)
    pairs = _pairs(pad_width, x.ndim)
    low, high = tuple(before for before, _ in pairs), tuple(after for _, after in pairs)
    if min((*low, *high), default=0) < 0:
        raise ShapeError(f"pad: widths must not be negative, got {pad_width!r}; slice to make a tensor smaller")
    return shaping.pad(x, low=low, high=high, interior=(0,) * x.ndim, value=constant_values)


def _pairs(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    if isinstance(pad_width, int):
        return [(pad_width, pad_width)] * ndim
    widths = list(pad_width)
    if len(widths) == 2 and all(isinstance(width, int) for width in widths):
        return [(widths[0], widths[1])] * ndim
    if len(widths) == 1:
        widths *= ndim
    if len(widths) != ndim or any(isinstance(pair, int) or len(pair) != 2 for pair in widths):
        raise ShapeError(f"pad: expected a pair for each of {ndim} axes, got {pad_width!r}")
    return [(int(before), int(after)) for before, after in widths]
