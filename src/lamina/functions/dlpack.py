"""Arrays of other libraries as NumPy's, by DLPack, with bfloat16, which NumPy itself does not take."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.backends.protocol import numpy_dtype
from lamina.dtypes import bfloat16
from lamina.errors import BackendError

UNSIGNED, BFLOAT = 1, 4
"""Codes of kinds of numbers in DLPack."""


class _Type(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16))


class _Array(ctypes.Structure):
    """The beginning of what a capsule named ``dltensor`` points to, a DLTensor."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("type", _Type),
    )


class _AsIntegers:
    """An array of bfloat16 that is handed over as one of 16-bit integers."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __dlpack_device__(self) -> tuple[int, int]:
        device: tuple[int, int] = self.value.__dlpack_device__()
        return device

    def __dlpack__(self, **_: Any) -> Any:
        capsule = self.value.__dlpack__()
        _described(capsule).code = UNSIGNED
        return capsule


def through_dlpack(value: Any) -> npt.NDArray[Any]:
    """Return an array of another library that is in NumPy's reach, without a copy where it can.

    Raises
    ------
    BackendError
        When the library does not hand it over, or it lies on another device.
    """
    try:
        return np.from_dlpack(value)
    except (BufferError, RuntimeError) as error:
        if _holds_bfloat16(value):
            return np.from_dlpack(_AsIntegers(value)).view(numpy_dtype(bfloat16))
        raise BackendError(
            f"asarray: DLPack could not hand over a {type(value).__name__}: {error} "
            "(what is taken is detached data on the cpu)"
        ) from error


def _holds_bfloat16(value: Any) -> bool:
    try:
        # Of its own, since the one that failed may be used up, and alive until it has been read.
        capsule = value.__dlpack__()
        kind = _described(capsule)
    except (BufferError, RuntimeError, ValueError):
        return False
    return (kind.code, kind.bits, kind.lanes) == (BFLOAT, 16, 1)


def _described(capsule: Any) -> _Type:
    """Return the type that a capsule says its numbers have, to read and to change."""
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    kind: _Type = _Array.from_address(pointer(capsule, b"dltensor")).type
    return kind
