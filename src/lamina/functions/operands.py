"""From what a user passes to what a primitive takes: tensors of one type, axes in canonical form."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.dtypes import DEFAULT_FLOAT, DType, float32, promote, python_number
from lamina.errors import DTypeError, ShapeError, SubscriptError
from lamina.primitives.elementwise import astype
from lamina.primitives.operand import Operand
from lamina.primitives.primitive import Primitive

if TYPE_CHECKING:
    from lamina.tensor import Tensor

PYTHON_NUMBERS = (bool, int, float, complex)

Axis = int | Sequence[int] | None

# NumPy and CuPy calculate with bools, as logic or as int8, where the standard, and so every shape rule here,
# says that bools are no numbers. Other libraries refuse by themselves.
NUMPY_BOOL = np.dtype(bool)


def tensor(name: str, x: Any) -> Tensor:
    """Return ``x`` if it is a tensor, or say how to make one of it."""
    if isinstance(x, Operand):
        return x  # type: ignore[return-value]
    kind = type(x)
    given = f"{kind.__module__}.{kind.__name__}" if kind.__name__ == "Tensor" else kind.__name__
    raise DTypeError(f"{name}: expected a Tensor, got {given}; make one with lamina.asarray(x)")


def cast(x: Tensor, dtype: DType) -> Tensor:
    """Return ``x`` in ``dtype``; ``x`` itself where it has that type."""
    return x if x.dtype is dtype else astype(x, dtype=dtype)


def wide(x: Tensor) -> Tensor:
    """Return ``x`` with narrow floats as float32, in which squares can be added up and matrices factorised."""
    return cast(x, float32) if x.dtype.bits < 32 else x


def floating(name: str, x: Any) -> Tensor:
    """Return ``x`` as a tensor of floating-point numbers; integers become the default float type."""
    x = tensor(name, x)
    return x if x.dtype.floating else astype(x, dtype=DEFAULT_FLOAT)


def numeric(name: str, x: Any) -> Tensor:
    """Return ``x`` if it is a tensor of numbers, not of bools."""
    if isinstance(x, Operand) and x._data.dtype is NUMPY_BOOL:
        raise no_numbers(name)
    return tensor(name, x)


def no_numbers(name: str) -> DTypeError:
    """Return the error of an operation on numbers that got bools."""
    return DTypeError(f"{name}: expected numbers, got bool; cast with astype")


def fill_value(name: str, x: Tensor, value: Any) -> Tensor:
    """Return a Python number as a constant of the type of ``x``, which must be able to hold it."""
    constant = x._scalar(_python_number(name, value))
    if constant.dtype is not x.dtype:
        raise DTypeError(f"{name}: {value!r} does not fit into {x.dtype.name}; cast the tensor with astype")
    return constant


def in_type_of(name: str, x: Tensor, value: Any) -> Tensor:
    """Return a tensor cast to the type of ``x``, or a Python number that this type must be able to hold."""
    return cast(tensor(name, value), x.dtype) if isinstance(value, Operand) else fill_value(name, x, value)


def paired(name: str, x1: Any, x2: Any) -> tuple[Tensor, Tensor]:
    """Return two operands, one of which may be a Python scalar, as tensors of their common type."""
    if not isinstance(x2, Operand):
        return _beside_scalar(name, x1, x2)
    if not isinstance(x1, Operand):
        second, scalar = _beside_scalar(name, x2, x1)
        return scalar, second
    if x1._data.dtype is not x2._data.dtype:
        dtype = promote(x1.dtype, x2.dtype)
        return cast(tensor(name, x1), dtype), cast(tensor(name, x2), dtype)
    return x1, x2  # type: ignore[return-value]


def _beside_scalar(name: str, x: Any, value: Any) -> tuple[Tensor, Tensor]:
    """Return a tensor and a Python scalar as tensors of one type."""
    if not isinstance(value, PYTHON_NUMBERS):
        value = _python_number(name, value)
    x = tensor(name, x)
    scalar = x._scalar(value)
    return x if scalar._data.dtype is x._data.dtype else cast(x, scalar.dtype), scalar


def _python_number(name: str, value: Any) -> Any:
    """Return a NumPy scalar as a Python number; anything else is refused."""
    number = python_number(value)
    if not isinstance(number, PYTHON_NUMBERS):
        raise DTypeError(
            f"{name}: expected a Tensor or a Python number, got {type(value).__name__}; "
            "make a tensor of it with lamina.asarray(x)"
        )
    return number


def binary(primitive: Primitive, x1: Any, x2: Any) -> Tensor:
    """Apply a primitive of two operands after promotion."""
    if isinstance(x1, Operand) and isinstance(x2, Operand) and x1._data.dtype is x2._data.dtype:
        return primitive(x1, x2)  # type: ignore[arg-type]
    return primitive(*paired(primitive.name, x1, x2))


def arithmetic(primitive: Primitive, x1: Any, x2: Any) -> Tensor:
    """Apply a primitive of two operands that are numbers after promotion."""
    if isinstance(x1, Operand) and isinstance(x2, Operand):
        shared = x1._data.dtype
        if shared is x2._data.dtype and shared is not NUMPY_BOOL:
            return primitive(x1, x2)  # type: ignore[arg-type]
    x1, x2 = paired(primitive.name, x1, x2)
    if x1._data.dtype is NUMPY_BOOL:
        raise no_numbers(primitive.name)
    return primitive(x1, x2)


def floating_binary(primitive: Primitive, x1: Any, x2: Any) -> Tensor:
    """Apply a primitive of two floating-point operands; integers become the default float type."""
    if not (isinstance(x1, Operand) and isinstance(x2, Operand) and x1._data.dtype is x2._data.dtype):
        x1, x2 = paired(primitive.name, x1, x2)
    if not x1.dtype.floating:
        x1, x2 = astype(x1, dtype=DEFAULT_FLOAT), astype(x2, dtype=DEFAULT_FLOAT)
    return primitive(x1, x2)


def common(name: str, *arrays: Any) -> tuple[Tensor, ...]:
    """Return any number of tensors in their common type."""
    if not arrays:
        raise ShapeError(f"{name}: expected at least one tensor, got none")
    tensors = [tensor(name, x) for x in arrays]
    dtype = tensors[0].dtype
    for x in tensors[1:]:
        dtype = promote(dtype, x.dtype)
    return tuple(cast(x, dtype) for x in tensors)


def one_axis(name: str, axis: Any, ndim: int) -> int:
    """Return an axis counted from the start."""
    try:
        position = operator.index(axis)
    except TypeError as error:
        raise ShapeError(f"{name}: expected an integer axis, got {axis!r}") from error
    if not -ndim <= position < ndim:
        valid = f"-{ndim} to {ndim - 1}" if ndim else "none, for there are no axes"
        raise SubscriptError(f"{name}: axis {position} is out of range; the axes are {valid}")
    return position % ndim


def only_axis(name: str, axis: int | None, shape: tuple[int, ...]) -> int:
    """Return an axis counted from the start; for None the only one there is."""
    if axis is None:
        if len(shape) != 1:
            raise ShapeError(f"{name}: shape {list(shape)} has {len(shape)} axes; say which with axis=")
        return 0
    return one_axis(name, axis, len(shape))


def all_axes(name: str, axis: Axis, ndim: int) -> tuple[int, ...]:
    """Return axes counted from the start, without repeats; every axis for None."""
    if axis is None:
        return tuple(range(ndim))
    if isinstance(axis, int) or not isinstance(axis, Sequence):
        return (one_axis(name, axis, ndim),)
    axes = tuple(one_axis(name, each, ndim) for each in axis)
    if len(set(axes)) != len(axes):
        raise ShapeError(f"{name}: axis {tuple(axis)} names an axis twice")
    return axes
