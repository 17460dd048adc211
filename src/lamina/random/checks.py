"""What can be drawn, checked before the first word is, so that a failed call leaves the stream where it was."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Sequence

import numpy as np

from lamina.backends.protocol import numpy_dtype
from lamina.backends.registry import get_backend
from lamina.dtypes import DEFAULT_FLOAT, DType, DTypeLike, as_dtype, float64, integer_info
from lamina.errors import DataError, DTypeError
from lamina.functions.manipulation import broadcast_to
from lamina.tensor import Tensor

ShapeLike = int | Sequence[int]


def key_of(seed: int | None) -> int:
    """Return the 64 bits that a seed stands for."""
    if seed is None:
        return int.from_bytes(os.urandom(8))
    try:
        number = operator.index(seed)
    except TypeError as error:
        raise DTypeError(f"seed: expected an integer or None, got {type(seed).__name__}") from error
    if number < 0:
        raise DataError(f"seed: {number} is negative; use an integer from 0")
    if number < 2**64:
        return number
    from hashlib import sha256  # which takes 4 ms to load

    digest = sha256(number.to_bytes(-(-number.bit_length() // 8), "little")).digest()
    return int.from_bytes(digest[:8], "little")


def float_type(name: str, dtype: DTypeLike | None, device: str | None) -> DType:
    """Return a floating-point type that the device has."""
    wanted = type_there(name, dtype, DEFAULT_FLOAT, device)
    if not wanted.floating:
        raise DTypeError(f"{name}: expected a floating-point type, got {wanted.name}; integers() draws integers")
    return wanted


def type_there(name: str, dtype: DTypeLike | None, default: DType, device: str | None) -> DType:
    """Return a type that the device has."""
    wanted = default if dtype is None else as_dtype(dtype)
    backend = get_backend(device)
    if wanted not in backend.dtypes:
        raise DTypeError(f"{name}: the {backend.name} backend has no {wanted.name}")
    return wanted


def check_finite(name: str, **values: float) -> None:
    """Refuse what is not a finite number."""
    for argument, value in values.items():
        if not isinstance(value, int | float | np.number):
            raise DTypeError(f"{name}: expected a number as {argument}, got {type(value).__name__}")
        if not math.isfinite(value):
            raise DataError(f"{name}: {argument} is {value}; it must be finite")


def rounded_range(low: float, high: float, dtype: DType) -> tuple[float, float, float]:
    """Return the ends as ``dtype`` holds them, the upper one as the last number before it, and their distance."""
    native = numpy_dtype(dtype)
    with np.errstate(over="ignore"):
        first, end = np.asarray(low).astype(native), np.asarray(high).astype(native)
        span = float(end) - float(first)
        widest = native if dtype is float64 else np.dtype("float32")
        if not np.isfinite(np.asarray(span).astype(widest)):
            raise DataError(f"uniform: the range from {low} to {high} is too wide for {dtype.name}")
    last = np.nextafter(end, first)
    return float(first), float(last), span


def integer_range(low: int, high: int, dtype: DType) -> tuple[int, int]:
    """Return the ends of a range of integers that is not empty and fits the type."""
    if not dtype.integral:
        raise DTypeError(f"integers: expected an integer type, got {dtype.name}; cast the result with astype")
    try:
        first, end = operator.index(low), operator.index(high)
    except TypeError as error:
        raise DTypeError(f"integers: expected integers as low and high, got {low!r} and {high!r}") from error
    if first >= end:
        raise DataError(f"integers: no integer lies in [{first}, {end}); high, which is excluded, must exceed low")
    limits = integer_info(dtype)
    if first < limits.min or end - 1 > limits.max:
        raise DataError(
            f"integers: [{first}, {end}) does not fit {dtype.name}, which holds {limits.min} to {limits.max}"
        )
    return first, end


def probabilities(p: Tensor, lengths: tuple[int, ...]) -> Tensor:
    """Return a tensor of probabilities, broadcast to the shape to draw."""
    if not p.dtype.floating:
        raise DTypeError(f"bernoulli: expected floating-point probabilities, got {p.dtype.name}")
    return broadcast_to(p._untracked, lengths)
