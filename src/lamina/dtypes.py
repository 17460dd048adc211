"""Data types and the rules by which they combine (Python array API standard 2024.12).

Complex types are not supported: ``as_dtype`` refuses them by name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np

from lamina.errors import DTypeError

Kind = Literal["bool", "signed", "unsigned", "floating"]
Scalar = bool | int | float

_KIND_ORDER: dict[Kind, int] = {"bool": 0, "unsigned": 1, "signed": 1, "floating": 2}


@dataclass(frozen=True, eq=False, slots=True)
class DType:
    """A data type. Each exists once, so types compare by identity.

    Parameters
    ----------
    name : str
        The standard's name, such as ``"float32"``.
    kind : {"bool", "signed", "unsigned", "floating"}
        The family.
    bits : int
        Width of one element in memory.
    """

    name: str
    kind: Kind
    bits: int

    @property
    def floating(self) -> bool:
        """Whether values of this type are floating-point numbers."""
        return self.kind == "floating"

    @property
    def integral(self) -> bool:
        """Whether values of this type are integers (``bool`` is not)."""
        return self.kind in ("signed", "unsigned")

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return max(self.bits // 8, 1)

    def __repr__(self) -> str:
        return f"lamina.{self.name}"

    def __reduce__(self) -> tuple[Any, ...]:
        return as_dtype, (self.name,)


bool_ = DType("bool", "bool", 8)
int8 = DType("int8", "signed", 8)
int16 = DType("int16", "signed", 16)
int32 = DType("int32", "signed", 32)
int64 = DType("int64", "signed", 64)
uint8 = DType("uint8", "unsigned", 8)
uint16 = DType("uint16", "unsigned", 16)
uint32 = DType("uint32", "unsigned", 32)
uint64 = DType("uint64", "unsigned", 64)
float16 = DType("float16", "floating", 16)
bfloat16 = DType("bfloat16", "floating", 16)
float32 = DType("float32", "floating", 32)
float64 = DType("float64", "floating", 64)

DTYPES: dict[str, DType] = {
    dtype.name: dtype
    for dtype in (
        bool_,
        int8,
        int16,
        int32,
        int64,
        uint8,
        uint16,
        uint32,
        uint64,
        float16,
        bfloat16,
        float32,
        float64,
    )
}

DTypeLike = DType | str
"""What names a type where a user gives one; `as_dtype` takes more."""

DEFAULT_FLOAT = float32
DEFAULT_INT = int64


def as_dtype(dtype: Any) -> DType:
    """Return the Lamina type that ``dtype`` means.

    Parameters
    ----------
    dtype : DType, str, type or NumPy dtype
        ``la.float32``, ``"float32"``, ``numpy.float32``, ``bool``, ``int`` or ``float``.

    Raises
    ------
    DTypeError
        When there is no such type here; complex types in particular.
    """
    if isinstance(dtype, DType):
        return dtype
    if dtype is bool:
        return bool_
    if dtype is int:
        return DEFAULT_INT
    if dtype is float:
        return DEFAULT_FLOAT
    name = dtype if isinstance(dtype, str) else _name_of(dtype)
    found = DTYPES.get(name)
    if found is None:
        if "complex" in str(name):
            raise DTypeError(
                f"dtype: {name} is not supported: Lamina has no complex numbers; "
                "keep the real and imaginary parts in two tensors"
            )
        raise DTypeError(f"dtype: {dtype!r} is not known; use one of {', '.join(DTYPES)}")
    return found


def _name_of(dtype: Any) -> str:
    return str(getattr(dtype, "name", None) or getattr(dtype, "__name__", dtype))


@cache
def promote(first: DType, second: DType) -> DType:
    """Return the type that holds values of both, as the array API's promotion table says.

    Where the standard leaves the result open (different kinds), the higher kind wins and keeps its width:
    bool, then integers, then floating point, so an integer tensor never widens a float one.

    Raises
    ------
    DTypeError
        For ``uint64`` with a signed type, which no type holds.
    """
    if first is second:
        return first
    if _KIND_ORDER[first.kind] != _KIND_ORDER[second.kind]:
        return max(first, second, key=lambda dtype: _KIND_ORDER[dtype.kind])
    if first.kind == second.kind:
        if first.bits == second.bits:  # float16 with bfloat16: neither holds the other
            return float32
        return max(first, second, key=lambda dtype: dtype.bits)
    signed, unsigned = (first, second) if first.kind == "signed" else (second, first)
    if signed.bits > unsigned.bits:
        return signed
    if unsigned.bits == 64:
        raise DTypeError(
            f"promotion: no type holds both {first.name} and {second.name}; cast one of them with astype first"
        )
    return DTYPES[f"int{2 * unsigned.bits}"]


def python_number(value: Any) -> Any:
    """Return a NumPy scalar as the Python number of its kind, which widens no tensor; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def promote_scalar(value: Scalar, dtype: DType) -> DType:
    """Return the type in which a Python scalar meets a tensor of ``dtype``; a scalar never widens it.

    A float with an integer tensor gives the default float type, an int with a bool tensor the default
    integer type: the tensor's kind cannot hold the value.
    """
    if isinstance(value, bool):
        return dtype
    if isinstance(value, int):
        return DEFAULT_INT if dtype.kind == "bool" else dtype
    if isinstance(value, float):
        return dtype if dtype.floating else DEFAULT_FLOAT
    if isinstance(value, complex):
        raise DTypeError(f"the complex number {value} cannot be used: Lamina has no complex numbers")
    raise DTypeError(f"expected a Python bool, int or float, got {type(value).__name__}")


def scalar_default(value: Scalar) -> DType:
    """Return the type of a tensor made from a Python scalar alone."""
    if isinstance(value, bool):
        return bool_
    return DEFAULT_INT if isinstance(value, int) else DEFAULT_FLOAT


@dataclass(frozen=True)
class FloatInfo:
    """Machine limits of a floating-point type, as ``finfo`` returns them."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: DType


@dataclass(frozen=True)
class IntegerInfo:
    """Machine limits of an integer type, as ``iinfo`` returns them."""

    bits: int
    max: int
    min: int
    dtype: DType


def ends(dtype: DType) -> tuple[int | float, int | float]:
    """Return what no number of a type is below, and what none is above: infinities where there are."""
    if dtype.floating:
        return -math.inf, math.inf
    limits = integer_info(dtype)
    return limits.min, limits.max


# name: (exponent bits, fraction bits) of the IEEE 754 layout
_LAYOUTS = {"float16": (5, 10), "bfloat16": (8, 7), "float32": (8, 23), "float64": (11, 52)}


def float_info(dtype: DType) -> FloatInfo:
    """Return the limits of a floating-point type, from its exponent and fraction widths."""
    if not dtype.floating:
        raise DTypeError(f"finfo: expected a floating-point type, got {dtype.name}; iinfo takes integers")
    exponent, fraction = _LAYOUTS[dtype.name]
    bias = 2 ** (exponent - 1) - 1
    largest = (2.0 - 2.0**-fraction) * 2.0**bias
    return FloatInfo(dtype.bits, 2.0**-fraction, largest, -largest, 2.0 ** (1 - bias), dtype)


def integer_info(dtype: DType) -> IntegerInfo:
    """Return the limits of an integer type."""
    if not dtype.integral:
        raise DTypeError(f"iinfo: expected an integer type, got {dtype.name}; finfo takes floating-point types")
    if dtype.kind == "unsigned":
        return IntegerInfo(dtype.bits, 2**dtype.bits - 1, 0, dtype)
    return IntegerInfo(dtype.bits, 2 ** (dtype.bits - 1) - 1, -(2 ** (dtype.bits - 1)), dtype)
