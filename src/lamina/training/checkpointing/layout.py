"""How an array lies in memory, kept in a file beside its numbers.

NumPy adds up the elements of an array in the order in which they lie in memory, so an array that comes back in another
order can give sums that differ in the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.data.record import Record
from lamina.errors import CheckpointError

Array = np.ndarray[Any, Any]


def packed(array: Array) -> tuple[Array, dict[str, Any] | None]:
    """Return the array without gaps and repetitions, and how to lay it out again; None for rows one after the other."""
    if array.flags.c_contiguous:
        return array, None
    repeated = [axis for axis, stride in enumerate(array.strides) if stride == 0 and array.shape[axis] > 1]
    once = array[tuple(slice(0, 1) if axis in repeated else slice(None) for axis in range(array.ndim))]
    axes = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
    stored = np.ascontiguousarray(once.transpose(axes))
    return stored, {"axes": axes, "shape": list(array.shape)}


def unpacked(stored: Array, layout: Record | None) -> Array:
    """Return a new array laid out as the one that `packed` was given.

    Raises
    ------
    CheckpointError
        When the layout is none of this array.
    """
    own = stored.copy()
    if layout is None:
        return own
    axes, shape = layout.wholes("axes"), layout.wholes("shape")
    if sorted(axes) != list(range(own.ndim)) or len(shape) != own.ndim:
        raise CheckpointError(f"{layout.place}: axes {list(axes)} do not fit an array of shape {list(own.shape)}")
    turned = own.transpose(np.argsort(axes))
    if any(have not in (1, want) for have, want in zip(turned.shape, shape, strict=True)):
        raise CheckpointError(f"{layout.place}: an array of shape {list(turned.shape)} cannot fill {list(shape)}")
    return turned if turned.shape == shape else np.broadcast_to(turned, shape)
