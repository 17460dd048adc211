"""From anything that holds numbers to a NumPy array, and the type that a tensor made of it has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.dtypes import DEFAULT_FLOAT, DEFAULT_INT, DType, as_dtype, promote, promote_scalar, uint64
from lamina.errors import DTypeError, ShapeError
from lamina.functions.dlpack import through_dlpack
from lamina.primitives.operand import Operand


def as_numpy(value: Any) -> npt.NDArray[Any]:
    """Return numbers as a NumPy array, of objects where they are integers that no type of NumPy's holds together."""
    if hasattr(value, "__dlpack__") and not isinstance(value, np.ndarray):
        return through_dlpack(value)
    try:
        array = _without_rounding(np.asarray(value), value)
    except (ValueError, TypeError) as error:
        raise ShapeError(f"asarray: cannot make a tensor of {type(value).__name__}: {error}") from error
    if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
        if array.dtype.kind == "c":
            as_dtype(array.dtype)  # raises: it knows what to say about complex numbers
        if array.dtype.kind == "O" and all(isinstance(each, int) for each in array.flat):
            return array
        raise DTypeError(f"asarray: expected numbers, got {_refused(value, array)}")
    return array


def _refused(value: Any, array: npt.NDArray[Any]) -> str:
    """Return what was given instead of numbers, and what would have worked."""
    kind = type(value).__name__
    if value is None:
        return "None; give a number, an array or a nested list, or la.zeros(shape) for a tensor to start from"
    if array.ndim == 0 and isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return f"{kind}, which is no sequence; make one of it with list(x)"
    return f"{kind} of {array.dtype}; give a number, an array or a nested list of numbers"


def _without_rounding(array: npt.NDArray[Any], value: Any) -> npt.NDArray[Any]:
    """Keep Python integers beyond int64 exact where NumPy, seeing small ones beside them, makes all of them floats."""
    if array.dtype.kind != "f" or not isinstance(value, list | tuple) or not np.any(np.abs(array) >= 2.0**63):
        return array
    exact = np.asarray(value, dtype=object)
    return exact if all(isinstance(each, int) for each in exact.flat) else array


def leaves(value: Any) -> Iterator[Any]:
    """Yield what nested sequences hold."""
    if isinstance(value, list | tuple):
        for each in value:
            yield from leaves(each)
    else:
        yield value


def holds_tensors(value: Any) -> bool:
    """Tell whether this is a nested sequence with a tensor in it."""
    return isinstance(value, list | tuple) and any(isinstance(each, Operand) for each in leaves(value))


def common_dtype(value: Any) -> DType:
    """Return the type of a nested sequence that holds tensors, which Python numbers beside them do not widen."""
    held = list(leaves(value))
    typed = [as_dtype(each.dtype) for each in held if isinstance(each, Operand | np.ndarray)]
    numbers = [each for each in held if isinstance(each, bool | int | float)]
    return reduce(lambda dtype, number: promote_scalar(number, dtype), numbers, reduce(promote, typed))


def natural_dtype(value: Any, array: npt.NDArray[Any], default: DType | None) -> DType:
    """Return the type of a tensor made of ``value``: an array's own; for Python numbers ``default``, or by kind."""
    if _has_type(value):
        return as_dtype(array.dtype)
    if default is not None:
        return default
    if array.dtype.kind == "f":
        return DEFAULT_FLOAT
    if array.dtype.kind in "uO":
        return uint64
    return DEFAULT_INT if array.dtype.kind == "i" else as_dtype(array.dtype)


def _has_type(value: Any) -> bool:
    """Tell whether this is an array, or another thing whose memory says which type its numbers have."""
    try:
        return hasattr(value, "dtype") or memoryview(value) is not None
    except TypeError:
        return False


def in_range(value: Any, array: npt.NDArray[Any], dtype: DType) -> npt.NDArray[Any]:
    """Return the array of ``value`` without objects; Python integers must fit into ``dtype``, arrays are cast."""
    objects = array.dtype.kind == "O"
    if not objects and (array.dtype.kind not in "iu" or not dtype.integral or _has_type(value)):
        return array
    if dtype.integral and array.size:
        limits, low, high = np.iinfo(dtype.name), array.min(), array.max()
        if low < limits.min or high > limits.max:
            wrong = low if low < limits.min else high
            raise DTypeError(
                f"asarray: the integer {wrong} is out of the range of {dtype.name}, {limits.min} to {limits.max}"
            )
    return array.astype(dtype.name) if objects else array
