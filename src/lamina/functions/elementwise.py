"""Arithmetic, rounding, exponentials and trigonometry, element by element.

Each takes tensors (of two, one may be a Python number), promotes them, and broadcasts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lamina.dtypes import Scalar
from lamina.functions.comparisons import isinf
from lamina.functions.operands import arithmetic, floating, floating_binary, numeric, paired, tensor
from lamina.primitives import elementwise as rows
from lamina.primitives.primitive import Primitive
from lamina.primitives.specs import broadcast_shapes

if TYPE_CHECKING:
    from lamina.tensor import Tensor

# --- arithmetic -------------------------------------------------------------------------------------------


def add(x1: Tensor | Scalar, x2: Tensor | Scalar, /) -> Tensor:
    """Return ``x1 + x2``."""
    return arithmetic(rows.add, x1, x2)


def subtract(x1: Tensor | Scalar, x2: Tensor | Scalar, /) -> Tensor:
    """Return ``x1 - x2``."""
    return arithmetic(rows.subtract, x1, x2)


def multiply(x1: Tensor | Scalar, x2: Tensor | Scalar, /) -> Tensor:
    """Return ``x1 * x2``."""
    return arithmetic(rows.multiply, x1, x2)


def divide(x1: Tensor | Scalar, x2: Tensor | Scalar, /) -> Tensor:
    """Return ``x1 / x2``, a floating-point number also for integers."""
    return floating_binary(rows.divide, x1, x2)


def pow(x1: Tensor | Scalar, x2: Tensor | Scalar, /) -> Tensor:
    """Return ``x1 ** x2``.

    The derivative by the base is ``x2 * x1**(x2 - 1)`` and that by the exponent ``x1**x2 * log(x1)``; both are
    zero where the power is constant, so that there is no NaN at a base of zero.
    """
    if x2.__class__ is int and x2 == 2:
        return square(x1)  # type: ignore[arg-type]
    return arithmetic(rows.pow_, x1, x2)


def floor_divide(x1: Tensor | Scalar, x2: Tensor | Scalar, /) -> Tensor:
    """Return ``x1 / x2`` rounded down."""
    return arithmetic(rows.floor_divide, x1, x2)


def remainder(x1: Tensor | Scalar, x2: Tensor | Scalar, /) -> Tensor:
    """Return what is left of ``x1`` after division by ``x2``, with the sign of ``x2``."""
    return arithmetic(rows.remainder, x1, x2)


def atan2(x1: Tensor | Scalar, x2: Tensor | Scalar, /) -> Tensor:
    """Return the angle in radians, from -pi to pi, of the point with ordinate ``x1`` and abscissa ``x2``."""
    return floating_binary(rows.atan2, x1, x2)


def maximum(x1: Tensor | Scalar, x2: Tensor | Scalar, /) -> Tensor:
    """Return the larger of two; where they tie, each receives half the gradient."""
    return arithmetic(rows.maximum, x1, x2)


def minimum(x1: Tensor | Scalar, x2: Tensor | Scalar, /) -> Tensor:
    """Return the smaller of two; where they tie, each receives half the gradient."""
    return arithmetic(rows.minimum, x1, x2)


def copysign(x1: Tensor | Scalar, x2: Tensor | Scalar, /) -> Tensor:
    """Return the magnitude of ``x1`` with the sign of ``x2``."""
    return floating_binary(rows.copysign, x1, x2)


def nextafter(x1: Tensor | Scalar, x2: Tensor | Scalar, /) -> Tensor:
    """Return the representable number after ``x1`` towards ``x2``; ``x2`` where they are equal."""
    return floating_binary(rows.nextafter, x1, x2)


def hypot(x1: Tensor | Scalar, x2: Tensor | Scalar, /) -> Tensor:
    """Return ``sqrt(x1**2 + x2**2)``, scaled so that no square overflows; its gradient at the origin is zero."""
    x1, x2 = paired("hypot", x1, x2)
    broadcast_shapes("hypot", x1.shape, x2.shape)
    a, b = abs(floating("hypot", x1)), abs(floating("hypot", x2))
    large = rows.maximum(a, b)
    one, zero = large._scalar(1.0), large._scalar(0.0)
    regular = rows.bitwise_and(rows.less(zero, large), rows.less(large, large._scalar(math.inf)))
    scale = rows.where(regular, large, one)._untracked
    total = square(a / scale) + square(b / scale)
    flat = rows.equal(total, zero)
    length = rows.where(flat, zero, rows.sqrt(rows.where(flat, one, total)) * scale)
    # An infinite side makes the hypotenuse infinite, whatever the other, NaN included.
    return rows.where(rows.bitwise_or(isinf(a), isinf(b)), large._scalar(math.inf), length)


def logaddexp(x1: Tensor | Scalar, x2: Tensor | Scalar, /) -> Tensor:
    """Return ``log(exp(x1) + exp(x2))``, computed from the larger one down so that nothing overflows."""
    x1, x2 = paired("logaddexp", x1, x2)
    broadcast_shapes("logaddexp", x1.shape, x2.shape)
    a, b = floating("logaddexp", x1), floating("logaddexp", x2)
    ordered = rows.less_equal(b, a)
    high, low = rows.where(ordered, a, b), rows.where(ordered, b, a)
    base = rows.where(isinf(high), high._scalar(0.0), high)._untracked
    # expm1 of the larger is zero, so that log1p sees the smaller to full precision.
    return base + rows.log1p(rows.expm1(high - base) + rows.exp(low - base))


def negative(x: Tensor, /) -> Tensor:
    """Return ``-x``."""
    return rows.negative(numeric("negative", x))


def positive(x: Tensor, /) -> Tensor:
    """Return ``x`` unchanged."""
    return numeric("positive", x)._snapshot


def abs(x: Tensor, /) -> Tensor:
    """Return the magnitude; its derivative at zero is zero."""
    return rows.abs_(numeric("abs", x))


def sign(x: Tensor, /) -> Tensor:
    """Return -1, 0 or 1 by the sign of ``x``, NaN for NaN."""
    return rows.sign(numeric("sign", x))


def square(x: Tensor, /) -> Tensor:
    """Return ``x * x``."""
    x = numeric("square", x)
    return rows.multiply(x, x)


def reciprocal(x: Tensor, /) -> Tensor:
    """Return ``1 / x``."""
    return divide(1.0, floating("reciprocal", x))


def conj(x: Tensor, /) -> Tensor:
    """Return ``x``: real numbers are their own conjugates."""
    return positive(x)


def real(x: Tensor, /) -> Tensor:
    """Return ``x``: real numbers have no other part."""
    return positive(x)


def imag(x: Tensor, /) -> Tensor:
    """Return zeros: real numbers have no imaginary part."""
    x = numeric("imag", x)
    return x._full(x.shape, 0)


# --- rounding: integers are already round -----------------------------------------------------------------


def _rounding(primitive: Primitive, x: Any) -> Tensor:
    x = numeric(primitive.name, x)
    return primitive(x) if x.dtype.floating else x._snapshot


def floor(x: Tensor, /) -> Tensor:
    """Return the greatest integer not above ``x``."""
    return _rounding(rows.floor, x)


def ceil(x: Tensor, /) -> Tensor:
    """Return the least integer not below ``x``."""
    return _rounding(rows.ceil, x)


def trunc(x: Tensor, /) -> Tensor:
    """Return the integer nearest ``x`` that is not farther from zero."""
    return _rounding(rows.trunc, x)


def round(x: Tensor, /) -> Tensor:
    """Return the nearest integer, the even one of two."""
    return _rounding(rows.round_, x)


# --- exponentials -----------------------------------------------------------------------------------------


def exp(x: Tensor, /) -> Tensor:
    """Return e to the power of ``x``."""
    return rows.exp(floating("exp", x))


def expm1(x: Tensor, /) -> Tensor:
    """Return ``exp(x) - 1``, accurate near zero."""
    return rows.expm1(floating("expm1", x))


def log(x: Tensor, /) -> Tensor:
    """Return the natural logarithm."""
    return rows.log(floating("log", x))


def log1p(x: Tensor, /) -> Tensor:
    """Return ``log(1 + x)``, accurate near zero."""
    return rows.log1p(floating("log1p", x))


def log2(x: Tensor, /) -> Tensor:
    """Return the logarithm to base 2."""
    return rows.log2(floating("log2", x))


def log10(x: Tensor, /) -> Tensor:
    """Return the logarithm to base 10."""
    return rows.log10(floating("log10", x))


def sqrt(x: Tensor, /) -> Tensor:
    """Return the square root; NaN for negative numbers."""
    return rows.sqrt(floating("sqrt", x))


# --- trigonometry, in radians -----------------------------------------------------------------------------


def sin(x: Tensor, /) -> Tensor:
    """Return the sine."""
    return rows.sin(floating("sin", x))


def cos(x: Tensor, /) -> Tensor:
    """Return the cosine."""
    return rows.cos(floating("cos", x))


def tan(x: Tensor, /) -> Tensor:
    """Return the tangent."""
    return rows.tan(floating("tan", x))


def asin(x: Tensor, /) -> Tensor:
    """Return the angle from -pi/2 to pi/2 whose sine is ``x``."""
    return rows.asin(floating("asin", x))


def acos(x: Tensor, /) -> Tensor:
    """Return the angle from 0 to pi whose cosine is ``x``."""
    return rows.acos(floating("acos", x))


def atan(x: Tensor, /) -> Tensor:
    """Return the angle from -pi/2 to pi/2 whose tangent is ``x``."""
    return rows.atan(floating("atan", x))


def sinh(x: Tensor, /) -> Tensor:
    """Return the hyperbolic sine."""
    return rows.sinh(floating("sinh", x))


def cosh(x: Tensor, /) -> Tensor:
    """Return the hyperbolic cosine."""
    return rows.cosh(floating("cosh", x))


def tanh(x: Tensor, /) -> Tensor:
    """Return the hyperbolic tangent."""
    return rows.tanh(floating("tanh", x))


def asinh(x: Tensor, /) -> Tensor:
    """Return the inverse of sinh."""
    return rows.asinh(floating("asinh", x))


def acosh(x: Tensor, /) -> Tensor:
    """Return the inverse of cosh."""
    return rows.acosh(floating("acosh", x))


def atanh(x: Tensor, /) -> Tensor:
    """Return the inverse of tanh."""
    return rows.atanh(floating("atanh", x))


def erf(x: Tensor, /) -> Tensor:
    """Return the error function, ``2/sqrt(pi)`` times the integral of ``exp(-t**2)`` from 0 to ``x``.

    Examples
    --------
    >>> import lamina as la
    >>> la.erf(la.asarray([0.0, 10.0]))
    Tensor([0., 1.], shape=[2], dtype=float32)
    """
    return rows.erf(floating("erf", x))


# --- gradients --------------------------------------------------------------------------------------------


def stop_gradient(x: Tensor, /) -> Tensor:
    """Return the same values as a constant: no gradient flows through.

    Examples
    --------
    >>> import lamina as la
    >>> la.grad(lambda x: x * la.stop_gradient(x))(la.asarray(3.0))
    Tensor(3., shape=[], dtype=float32)
    """
    return tensor("stop_gradient", x)._untracked
