"""Comparisons, logic and bits, and choosing by a condition.

Each takes tensors (of two, one may be a Python number), promotes them, and broadcasts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lamina.dtypes import Scalar, bool_
from lamina.errors import DTypeError
from lamina.functions.operands import arithmetic, binary, floating, in_type_of, paired, tensor
from lamina.primitives import elementwise as rows
from lamina.primitives.operand import Operand
from lamina.primitives.primitive import Primitive

if TYPE_CHECKING:
    from lamina.tensor import Tensor

# --- comparisons ------------------------------------------------------------------------------------------


def equal(x1: Tensor | Scalar, x2: Tensor | Scalar, /) -> Tensor:
    """Return whether ``x1 == x2``."""
    return binary(rows.equal, x1, x2)


def not_equal(x1: Tensor | Scalar, x2: Tensor | Scalar, /) -> Tensor:
    """Return whether ``x1 != x2``."""
    return binary(rows.not_equal, x1, x2)


def less(x1: Tensor | Scalar, x2: Tensor | Scalar, /) -> Tensor:
    """Return whether ``x1 < x2``."""
    return binary(rows.less, x1, x2)


def less_equal(x1: Tensor | Scalar, x2: Tensor | Scalar, /) -> Tensor:
    """Return whether ``x1 <= x2``."""
    return binary(rows.less_equal, x1, x2)


def greater(x1: Tensor | Scalar, x2: Tensor | Scalar, /) -> Tensor:
    """Return whether ``x1 > x2``."""
    return binary(rows.less, x2, x1)


def greater_equal(x1: Tensor | Scalar, x2: Tensor | Scalar, /) -> Tensor:
    """Return whether ``x1 >= x2``."""
    return binary(rows.less_equal, x2, x1)


def isnan(x: Tensor, /) -> Tensor:
    """Return whether an element is NaN, the one value that differs from itself."""
    x = tensor("isnan", x)
    return rows.not_equal(x, x)


def isinf(x: Tensor, /) -> Tensor:
    """Return whether an element is infinite."""
    x = tensor("isinf", x)
    if not x.dtype.floating:
        return x._full(x.shape, False, bool_)
    return rows.equal(rows.abs_(x._untracked), x._scalar(math.inf))


def isfinite(x: Tensor, /) -> Tensor:
    """Return whether an element is neither infinite nor NaN."""
    x = tensor("isfinite", x)
    if not x.dtype.floating:
        return x._full(x.shape, True, bool_)
    return rows.less(rows.abs_(x._untracked), x._scalar(math.inf))


def signbit(x: Tensor, /) -> Tensor:
    """Return whether the sign bit is set, as it is for -0.0."""
    x = floating("signbit", x)
    return rows.less(rows.copysign(x._scalar(1.0), x), x._scalar(0.0))


# --- logic and bits ---------------------------------------------------------------------------------------


def _logical(primitive: Primitive, name: str, x1: Any, x2: Any) -> Tensor:
    x1, x2 = paired(name, x1, x2)
    if x1.dtype is not bool_:
        raise DTypeError(f"{name}: expected bool operands, got {x1.dtype.name}; compare first, as in x != 0")
    return primitive(x1, x2)


def logical_and(x1: Tensor | bool, x2: Tensor | bool, /) -> Tensor:
    """Return whether both are true."""
    return _logical(rows.bitwise_and, "logical_and", x1, x2)


def logical_or(x1: Tensor | bool, x2: Tensor | bool, /) -> Tensor:
    """Return whether at least one is true."""
    return _logical(rows.bitwise_or, "logical_or", x1, x2)


def logical_xor(x1: Tensor | bool, x2: Tensor | bool, /) -> Tensor:
    """Return whether exactly one is true."""
    return _logical(rows.bitwise_xor, "logical_xor", x1, x2)


def logical_not(x: Tensor, /) -> Tensor:
    """Return whether an element is false."""
    x = tensor("logical_not", x)
    if x.dtype is not bool_:
        raise DTypeError(f"logical_not: expected bool, got {x.dtype.name}; compare first, as in x == 0")
    return rows.bitwise_invert(x)


def bitwise_and(x1: Tensor | int, x2: Tensor | int, /) -> Tensor:
    """Return the bits set in both."""
    return binary(rows.bitwise_and, x1, x2)


def bitwise_or(x1: Tensor | int, x2: Tensor | int, /) -> Tensor:
    """Return the bits set in either."""
    return binary(rows.bitwise_or, x1, x2)


def bitwise_xor(x1: Tensor | int, x2: Tensor | int, /) -> Tensor:
    """Return the bits set in one but not both."""
    return binary(rows.bitwise_xor, x1, x2)


def bitwise_invert(x: Tensor, /) -> Tensor:
    """Return the bits that are not set."""
    return rows.bitwise_invert(tensor("bitwise_invert", x))


def bitwise_left_shift(x1: Tensor | int, x2: Tensor | int, /) -> Tensor:
    """Return the bits of ``x1`` moved up by ``x2``."""
    return arithmetic(rows.bitwise_left_shift, x1, x2)


def bitwise_right_shift(x1: Tensor | int, x2: Tensor | int, /) -> Tensor:
    """Return the bits of ``x1`` moved down by ``x2``, keeping the sign."""
    return arithmetic(rows.bitwise_right_shift, x1, x2)


# --- choice -----------------------------------------------------------------------------------------------


def where(condition: Tensor, x1: Tensor | Scalar, x2: Tensor | Scalar, /) -> Tensor:
    """Return ``x1`` where the condition holds and ``x2`` elsewhere.

    An element not chosen has a gradient of exactly zero, also where its own derivative is infinite.

    Examples
    --------
    >>> import lamina as la
    >>> x = la.asarray([-1.0, 4.0])
    >>> la.where(x > 0, la.sqrt(x), 0.0)
    Tensor([0., 2.], shape=[2], dtype=float32)
    """
    condition = tensor("where", condition)
    if condition.dtype is not bool_:
        raise DTypeError(f"where: expected a bool condition, got {condition.dtype.name}; compare it first")
    if not isinstance(x1, Operand) and not isinstance(x2, Operand):
        x1, x2 = condition._number("where", x1), condition._number("where", x2)
    x1, x2 = paired("where", x1, x2)
    return rows.where(condition, x1, x2)


def clip(x: Tensor, /, min: Tensor | Scalar | None = None, max: Tensor | Scalar | None = None) -> Tensor:
    """Return ``x`` limited to the range from ``min`` to ``max``, in the type of ``x``, which must hold both.

    The gradient is that of ``x`` inside the range (ends included) and zero outside. An end that is NaN gives NaN.

    Examples
    --------
    >>> import lamina as la
    >>> la.clip(la.asarray([-2.0, 0.5, 2.0]), -1.0, 1.0)
    Tensor([-1. ,  0.5,  1. ], shape=[3], dtype=float32)
    """
    x = tensor("clip", x)
    if min is not None:
        low = in_type_of("clip", x, min)
        x = rows.where(_beyond(rows.less(x, low), low, min), low, x)
    if max is not None:
        high = in_type_of("clip", x, max)
        x = rows.where(_beyond(rows.less(high, x), high, max), high, x)
    return x._snapshot


def _beyond(outside: Tensor, end: Tensor, given: Tensor | Scalar) -> Tensor:
    """Return where an element is outside of an end of its range, or the end is NaN, as no plain number is."""
    may_be_nan = end.dtype.floating and (isinstance(given, Operand) or given != given)
    return rows.bitwise_or(outside, rows.not_equal(end, end)) if may_be_nan else outside
