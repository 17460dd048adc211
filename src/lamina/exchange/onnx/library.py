"""The onnx package, which is there only when it was asked for, and what its formats call the types."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from lamina.dtypes import DTYPES, DType
from lamina.errors import BackendError

OPSET = 18
"""The operator set of exported models: the oldest that has everything, so that older runtimes take them too."""
ML_OPSET = 2
"""The operator set ``ai.onnx.ml``, for exported models with text columns."""
IR_VERSION = 8
"""The version of the format that belongs to this operator set."""

OLDEST_OPSET, NEWEST_OPSET = 7, 28
"""The operator sets that models are imported from: from 7 on operands broadcast as they do here."""

LARGEST_FILE = 2**31 - 1
"""Bytes that a protocol buffer can have."""

STRING = 8
TYPE_NUMBERS: dict[DType, int] = {
    DTYPES["float32"]: 1,
    DTYPES["uint8"]: 2,
    DTYPES["int8"]: 3,
    DTYPES["uint16"]: 4,
    DTYPES["int16"]: 5,
    DTYPES["int32"]: 6,
    DTYPES["int64"]: 7,
    DTYPES["bool"]: 9,
    DTYPES["float16"]: 10,
    DTYPES["float64"]: 11,
    DTYPES["uint32"]: 12,
    DTYPES["uint64"]: 13,
    DTYPES["bfloat16"]: 16,
}
"""``TensorProto.DataType``."""
TYPES: dict[int, DType] = {number: dtype for dtype, number in TYPE_NUMBERS.items()}


def onnx_library(operation: str) -> ModuleType:
    """Return the onnx package.

    Raises
    ------
    BackendError
        When it is not installed.
    """
    try:
        return import_module("onnx")
    except ImportError as error:
        raise BackendError(
            f"{operation}: this needs the package onnx, which is not installed; pip install 'lamina[onnx]'"
        ) from error
