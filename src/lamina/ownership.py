"""Who holds the memory of variables, told by counts of references: what nobody else holds may be written in place."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np


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
    del data
    if not (flags.c_contiguous and flags.writeable and flags.aligned and flags.owndata):
        return False
    del flags  # it holds the array
    # Each further variable holds it twice: itself, and by its tensor.
    held = ALONE[0] + 2 * (len(variables) - 1)
    return all(_references(variable) == (held, ALONE[1]) for variable in variables)
