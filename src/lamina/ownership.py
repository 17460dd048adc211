"""Who holds the memory of variables, told by counts of references: what nobody else holds may be written in place.

NumPy's arrays begin at multiples of 16 bytes. Vectors of 64 bytes then lie on two cache lines each, and two arrays on
one line, which threads that write them pull to and fro. So memory for variables can be made that begins with a line.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt

CACHE_LINE = 64
PAGE = 4096
_APART = 39 * CACHE_LINE  # an odd number of lines, near the golden section of a page
_NUMBERS = count()
LARGE = 1 << 18
"""Bytes from which on the place of an array in memory is worth more than finding it takes."""


class AlignedMemory(np.ndarray[Any, np.dtype[np.uint8]]):
    """The bytes of one array, the only one that has it for its base.

    NumPy gives views of that array the array for a base, since this is of another class: so whoever holds a view holds
    the array, as with arrays that own their memory.
    """


def place_in_page(number: int) -> int:
    """Return at which byte of a page memory begins, different for numbers that follow one another.

    A processor tells by an address within a page whether a load must wait for a store, so arrays that are walked
    through together should not begin alike.
    """
    return number * _APART % PAGE


def aligned_copy(data: npt.NDArray[Any], dtype: Any = None) -> npt.NDArray[Any]:
    """Return a copy, of another type if one is given, that begins with a cache line and shares none with anything else.

    Large copies begin at different places of a memory page, one after the other (`place_in_page`).
    """
    made = aligned_empty(data.shape, data.dtype if dtype is None else dtype)
    made[...] = data
    return made


def aligned_empty(shape: tuple[int, ...], dtype: Any) -> npt.NDArray[Any]:
    """Return an array whose values are not to be relied on, placed as `aligned_copy` places one."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    place = place_in_page(next(_NUMBERS)) if size >= PAGE else 0
    memory = AlignedMemory(size + (2 * PAGE if size >= PAGE else 2 * CACHE_LINE), np.uint8)
    start = (place - memory.ctypes.data) % (PAGE if size >= PAGE else CACHE_LINE)
    return np.ndarray(shape, dtype, memory, start)


class _Held:
    """Something with the attributes of a variable, or of its tensor, that holds an array."""

    def __init__(self, data: Any) -> None:
        self._data = data


def _cell() -> Any:
    cell: Any = _Held(np.zeros(2))
    cell._value = _Held(cell._data)
    return cell


def _references(variable: Any) -> tuple[int, int]:
    data = variable._data
    return sys.getrefcount(data), sys.getrefcount(variable._value)


ALONE = _references(_cell())
"""The counts for a variable of which nobody else holds anything; versions of Python differ by one."""


def reference_counts_tell() -> bool:
    """Tell whether counts of references say who holds an object, as they do under an interpreter lock."""
    return getattr(sys, "_is_gil_enabled", lambda: True)() and sys.implementation.name == "cpython"


def exclusive(variables: Sequence[Any]) -> bool:
    """Tell whether only these variables hold their array of NumPy's, so that writing to it changes nothing else."""
    if not reference_counts_tell():
        return False
    data = variables[0]._data
    flags = data.flags
    owned = flags.owndata or data.base.__class__ is AlignedMemory
    del data
    if not (owned and flags.c_contiguous and flags.writeable and flags.aligned):
        return False
    del flags  # it holds the array
    # Each further variable holds it twice: itself, and by its tensor.
    held = ALONE[0] + 2 * (len(variables) - 1)
    return all(_references(variable) == (held, ALONE[1]) for variable in variables)
