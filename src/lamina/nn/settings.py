"""Checks of what layers are made with."""

from __future__ import annotations

import operator
from typing import Any

from lamina.dtypes import DEFAULT_FLOAT, DType, DTypeLike, as_dtype
from lamina.errors import DataError, DTypeError, ShapeError


def positive_count(owner: str, name: str, value: Any) -> int:
    """Return how many there are of something, at least one."""
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if number < 1 or isinstance(value, bool):
        raise ShapeError(f"{owner}: {name} must be a positive integer, got {value!r}")
    return number


def parameter_dtype(owner: str, dtype: DTypeLike | None) -> DType:
    """Return the type of a layer's parameters."""
    wanted = DEFAULT_FLOAT if dtype is None else as_dtype(dtype)
    if not wanted.floating:
        raise DTypeError(f"{owner}: parameters are floating-point numbers, got dtype {wanted.name}")
    return wanted


def probability(owner: str, value: float) -> float:
    """Return the probability of zeroing something."""
    if not 0.0 <= value <= 1.0:
        raise DataError(f"{owner}: p is the probability of zeroing an element, from 0 to 1, got {value!r}")
    return value
