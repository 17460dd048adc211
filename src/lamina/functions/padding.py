"""Elements added around a tensor: of one value, mirrored, repeated or taken from the other end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from lamina.dtypes import Scalar
from lamina.errors import DataError, ShapeError
from lamina.functions.operands import fill_value, tensor
from lamina.primitives import shaping
from lamina.primitives.broadcasting import broadcast_to
from lamina.primitives.shaping import part

if TYPE_CHECKING:
    from lamina.tensor import Tensor

Shape = tuple[int, ...]
PaddingMode = Literal["constant", "reflect", "replicate", "circular"]
MODES = ("constant", "reflect", "replicate", "circular")


def pad(x: Tensor, /, pad: Sequence[int], mode: PaddingMode = "constant", value: Scalar = 0) -> Tensor:
    """Return ``x`` with elements added before and after its last axes.

    Parameters
    ----------
    x : Tensor
    pad : sequence of int
        ``(before, after)`` of the last axis, then of the one before it, and so on; as many pairs as axes to pad.
        A negative number takes elements away.
    mode : {"constant", "reflect", "replicate", "circular"}
        Elements of ``value``; mirrored at the end, which is not repeated; the end repeated; or from the other end.
    value : scalar, default 0

    Raises
    ------
    ShapeError
        When ``pad`` is no list of pairs or has too many, or an axis is too short to be mirrored or go round.
    DataError
        When there is no such mode.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.pad(la.asarray([1, 2, 3]), (2, 1), mode="reflect")
    Tensor([3, 2, 1, 2, 3, 2], shape=[6], dtype=int64)
    """
    x = tensor("pad", x)
    if mode not in MODES:
        raise DataError(f"pad: mode {mode!r} is not known; use one of {', '.join(MODES)}")
    if isinstance(pad, int) or len(pad) % 2 or len(pad) > 2 * x.ndim:
        raise ShapeError(
            f"pad: expected (before, after) of the last axis, then of the one before, for at most {x.ndim} axes of "
            f"shape {list(x.shape)}; got {pad!r}"
        )
    low, high = ((0,) * (x.ndim - len(pad) // 2) + tuple(pad[at::2])[::-1] for at in (0, 1))
    return padded("pad", x, low, high, mode, value)


def padded(name: str, x: Tensor, low: Shape, high: Shape, mode: str, value: Scalar = 0) -> Tensor:
    """Return ``x`` with ``low`` elements before and ``high`` after each axis, in one of the modes."""
    if mode == "constant":
        fill_value(name, x, value)
        return spread(name, x, low, high, (0,) * x.ndim, value)
    for axis, (before, after) in enumerate(zip(low, high, strict=True)):
        if before or after:
            x = _LONGER[mode](name, x, axis, max(before, 0), max(after, 0))
    return _cut(name, x, low, high)


def spread(name: str, x: Tensor, low: Shape, high: Shape, interior: Shape, value: Scalar = 0) -> Tensor:
    """Return ``x`` with elements of ``value`` before, after and between; negative numbers take elements away."""
    if any((*low, *high, *interior)):
        more, after = (tuple(max(number, 0) for number in end) for end in (low, high))
        if any((*more, *after, *interior)):
            x = shaping.pad(x, low=more, high=after, interior=interior, value=value)
        x = _cut(name, x, low, high)
    return x


def _cut(name: str, x: Tensor, low: Shape, high: Shape) -> Tensor:
    """Return ``x`` without as many elements at its ends as the numbers are negative."""
    if min((*low, *high), default=0) >= 0:
        return x
    start = tuple(max(-before, 0) for before in low)
    stop = tuple(size - max(-after, 0) for size, after in zip(x.shape, high, strict=True))
    if any(first > last for first, last in zip(start, stop, strict=True)):
        raise ShapeError(f"{name}: no element is left of shape {list(x.shape)} without {start} before and after it")
    return shaping.slice_(x, start=start, stop=stop, step=(1,) * x.ndim)


def _mirrored(name: str, x: Tensor, axis: int, before: int, after: int) -> Tensor:
    size = x.shape[axis]
    if max(before, after) >= max(size, 1):
        raise ShapeError(
            f"{name}: cannot mirror {max(before, after)} elements at an end of axis {axis} of shape {list(x.shape)}: "
            f"at most {max(size - 1, 0)}"
        )
    first = shaping.flip(part(x, axis, 1, before + 1), axes=(axis,))
    last = shaping.flip(part(x, axis, size - 1 - after, size - 1), axes=(axis,))
    return shaping.concat(first, x, last, axis=axis)


def _repeated(name: str, x: Tensor, axis: int, before: int, after: int) -> Tensor:
    size = x.shape[axis]
    if size == 0:
        raise ShapeError(f"{name}: axis {axis} of shape {list(x.shape)} has no end to repeat")
    first, last = part(x, axis, 0, 1), part(x, axis, size - 1, size)
    wide = [(*x.shape[:axis], count, *x.shape[axis + 1 :]) for count in (before, after)]
    ends = (broadcast_to(end, shape=shape) for end, shape in zip((first, last), wide, strict=True))
    return shaping.concat(next(ends), x, next(ends), axis=axis)


def _around(name: str, x: Tensor, axis: int, before: int, after: int) -> Tensor:
    size = x.shape[axis]
    if max(before, after) > size:
        raise ShapeError(
            f"{name}: cannot take {max(before, after)} elements from the other end of axis {axis} of shape "
            f"{list(x.shape)}: at most {size}"
        )
    return shaping.concat(part(x, axis, size - before, size), x, part(x, axis, 0, after), axis=axis)


_LONGER = {"reflect": _mirrored, "replicate": _repeated, "circular": _around}
