"""The elementwise rows: arithmetic, exponentials, trigonometry, comparisons, bits, casts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from lamina.autodiff.node import DerivativeRule
from lamina.primitives import specs
from lamina.primitives.broadcasting import unbroadcast
from lamina.primitives.primitive import ANYTHING, BITS, NUMBERS, BinaryPrimitive, Domain, Primitive

if TYPE_CHECKING:
    from lamina.tensor import Tensor

# From the result and the operand of a function of one operand to its derivative there.
LocalDerivative = Callable[["Tensor", "Tensor"], "Tensor"]

# In each rule g is the cotangent of the result, y the result, x (or a, b) the operands.


def _local(derivative: LocalDerivative) -> DerivativeRule:
    """Return the rule ``g * derivative(y, x)`` of a function of one operand.

    A cotangent of exactly zero says that the element does not matter, as behind ``where``. It stays zero where
    the local derivative is infinite or NaN.
    """

    def rule(g: Tensor, y: Tensor, x: Tensor) -> Tensor:
        return multiply_no_nan(g, derivative(y, x))

    return rule


def _unary(name: str, derivative: LocalDerivative, *, low: float = -3.0, high: float = 3.0) -> Primitive:
    """A function of one floating-point operand, with its local derivative as a function of result and operand.

    The derivative is compared with differences on [low, high].
    """
    return Primitive(name, specs.floating_elementwise, (_local(derivative),), Domain(low=low, high=high))


# Where the first operand is zero the result does not depend on the second; where the cotangent is zero
# nothing depends on the result.
multiply_no_nan: Primitive = BinaryPrimitive(
    "multiply_no_nan",
    specs.floating_elementwise,
    (
        lambda g, y, a, b: unbroadcast(multiply_no_nan(g, b), a),
        lambda g, y, a, b: unbroadcast(multiply_no_nan(a, g), b),
    ),
)

# --- arithmetic -------------------------------------------------------------------------------------------

add: Primitive = BinaryPrimitive(
    "add",
    specs.numeric_elementwise,
    (lambda g, y, a, b: unbroadcast(g, a), lambda g, y, a, b: unbroadcast(g, b)),
    Domain(NUMBERS),
)
subtract: Primitive = BinaryPrimitive(
    "subtract",
    specs.numeric_elementwise,
    (lambda g, y, a, b: unbroadcast(g, a), lambda g, y, a, b: unbroadcast(negative(g), b)),
    Domain(NUMBERS),
)
multiply: Primitive = BinaryPrimitive(
    "multiply",
    specs.numeric_elementwise,
    (
        lambda g, y, a, b: unbroadcast(multiply_no_nan(g, b), a),
        lambda g, y, a, b: unbroadcast(multiply_no_nan(g, a), b),
    ),
    Domain(NUMBERS),
)
divide: Primitive = BinaryPrimitive(
    "divide",
    specs.floating_elementwise,
    (
        lambda g, y, a, b: unbroadcast(multiply_no_nan(g, divide(b._scalar(1.0), b)), a),
        lambda g, y, a, b: unbroadcast(negative(multiply_no_nan(g, divide(y, b))), b),
    ),
    Domain(low=0.5),
)


def _pow_base(g: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    zero, one = b._scalar(0.0), b._scalar(1.0)
    # a**0 is constant: without the mask 0 * 0**-1 would be NaN at a = 0.
    local = where(equal(b, zero), zero, b * pow_(a, b - one))
    return unbroadcast(multiply_no_nan(g, local), a)


def _pow_exponent(g: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    zero = a._scalar(0.0)
    # 0**b is constant for b >= 0: without the mask 0 * log(0) would be NaN.
    flat = bitwise_and(equal(a, zero), less_equal(zero, b))
    local = where(flat, zero, y * log(where(flat, a._scalar(1.0), a)))
    return unbroadcast(multiply_no_nan(g, local), b)


pow_: Primitive = BinaryPrimitive(
    "pow",
    specs.numeric_elementwise,
    (_pow_base, _pow_exponent),
    Domain(NUMBERS, low=0.3),
    failure="a negative power of an integer is no integer; cast the base to a floating-point type with astype",
)
floor_divide: Primitive = BinaryPrimitive("floor_divide", specs.numeric_elementwise, None, Domain(NUMBERS))
remainder: Primitive = BinaryPrimitive(
    "remainder",
    specs.numeric_elementwise,
    (
        lambda g, y, a, b: unbroadcast(g, a),
        lambda g, y, a, b: unbroadcast(negative(multiply_no_nan(g, floor_divide(a, b))), b),
    ),
    Domain(NUMBERS, low=0.5),
)


def _over_squares(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return ``x / (a**2 + b**2)`` for one of the two, scaled so that no square overflows; zero at the origin."""
    large = maximum(abs_(a), abs_(b))
    zero, one = large._scalar(0.0), large._scalar(1.0)
    regular = bitwise_and(less(zero, large), less(large, large._scalar(math.inf)))
    scale = where(regular, large, one)._untracked
    a, b = a / scale, b / scale
    total = a * a + b * b
    return x / scale / where(equal(total, zero), one, total) / scale


atan2: Primitive = BinaryPrimitive(
    "atan2",
    specs.floating_elementwise,
    (
        lambda g, y, a, b: unbroadcast(multiply_no_nan(g, _over_squares(b, a, b)), a),
        lambda g, y, a, b: unbroadcast(negative(multiply_no_nan(g, _over_squares(a, a, b))), b),
    ),
    Domain(low=0.3),
)


def _chosen(g: Tensor, y: Tensor, this: Tensor, other: Tensor) -> Tensor:
    """The share of maximum or minimum: all where this operand was chosen, half in a tie."""
    half = where(equal(this, other), g._scalar(0.5), g._scalar(1.0))
    return unbroadcast(where(equal(this, y), g * half, g._scalar(0.0)), this)


_extremum = (lambda g, y, a, b: _chosen(g, y, a, b), lambda g, y, a, b: _chosen(g, y, b, a))
maximum: Primitive = BinaryPrimitive("maximum", specs.numeric_elementwise, _extremum, Domain(NUMBERS))
minimum: Primitive = BinaryPrimitive("minimum", specs.numeric_elementwise, _extremum, Domain(NUMBERS))
copysign: Primitive = BinaryPrimitive(
    "copysign",
    specs.floating_elementwise,
    # As that of the magnitude, which it is but for the sign: zero at zero.
    (lambda g, y, a, b: unbroadcast(g * (sign(a) * sign(y)), a), None),
)
nextafter: Primitive = BinaryPrimitive("nextafter", specs.floating_elementwise)

negative: Primitive = Primitive("negative", specs.numeric_elementwise, (lambda g, y, x: negative(g),), Domain(NUMBERS))
abs_: Primitive = Primitive("abs", specs.numeric_elementwise, (_local(lambda y, x: sign(x)),), Domain(NUMBERS))
sign: Primitive = Primitive("sign", specs.numeric_elementwise, None, Domain(NUMBERS))
floor: Primitive = Primitive("floor", specs.floating_elementwise)
ceil: Primitive = Primitive("ceil", specs.floating_elementwise)
trunc: Primitive = Primitive("trunc", specs.floating_elementwise)
round_: Primitive = Primitive("round", specs.floating_elementwise)

# --- exponentials -----------------------------------------------------------------------------------------

exp: Primitive = _unary("exp", lambda y, x: y)
expm1: Primitive = _unary("expm1", lambda y, x: exp(x))
log: Primitive = _unary("log", lambda y, x: 1.0 / x, low=0.3)
log1p: Primitive = _unary("log1p", lambda y, x: 1.0 / (x + 1.0), low=-0.7)
log2: Primitive = _unary("log2", lambda y, x: (1.0 / math.log(2.0)) / x, low=0.3)
log10: Primitive = _unary("log10", lambda y, x: (1.0 / math.log(10.0)) / x, low=0.3)
sqrt: Primitive = _unary("sqrt", lambda y, x: 0.5 / y, low=0.3)

# --- trigonometry -----------------------------------------------------------------------------------------

sin: Primitive = _unary("sin", lambda y, x: cos(x))
cos: Primitive = _unary("cos", lambda y, x: negative(sin(x)))
tan: Primitive = _unary("tan", lambda y, x: y * y + 1.0, low=-1.2, high=1.2)
asin: Primitive = _unary("asin", lambda y, x: 1.0 / sqrt((1.0 - x) * (x + 1.0)), low=-0.9, high=0.9)
acos: Primitive = _unary("acos", lambda y, x: -1.0 / sqrt((1.0 - x) * (x + 1.0)), low=-0.9, high=0.9)
atan: Primitive = _unary("atan", lambda y, x: 1.0 / (x * x + 1.0))
sinh: Primitive = _unary("sinh", lambda y, x: cosh(x))
cosh: Primitive = _unary("cosh", lambda y, x: sinh(x))
tanh: Primitive = _unary("tanh", lambda y, x: 1.0 - y * y)
asinh: Primitive = _unary("asinh", lambda y, x: 1.0 / sqrt(x * x + 1.0))
acosh: Primitive = _unary("acosh", lambda y, x: 1.0 / sqrt((x - 1.0) * (x + 1.0)), low=1.3, high=4.0)
atanh: Primitive = _unary("atanh", lambda y, x: 1.0 / ((1.0 - x) * (x + 1.0)), low=-0.9, high=0.9)

# --- of neural networks -----------------------------------------------------------------------------------

erf: Primitive = _unary("erf", lambda y, x: exp(negative(x * x)) * (2.0 / math.sqrt(math.pi)))
sigmoid: Primitive = _unary("sigmoid", lambda y, x: y * (1.0 - y))
relu: Primitive = Primitive(
    "relu",
    specs.numeric_elementwise,
    (lambda g, y, x: where(less(y._scalar(0.0), y), g, g._scalar(0.0)),),
    Domain(NUMBERS),
)

# --- comparisons and choice -------------------------------------------------------------------------------

equal: Primitive = BinaryPrimitive("equal", specs.comparison, None, Domain(ANYTHING))
not_equal: Primitive = BinaryPrimitive("not_equal", specs.comparison, None, Domain(ANYTHING))
less: Primitive = BinaryPrimitive("less", specs.comparison, None, Domain(NUMBERS))
less_equal: Primitive = BinaryPrimitive("less_equal", specs.comparison, None, Domain(NUMBERS))
where: Primitive = Primitive(
    "where",
    specs.where,
    (
        None,
        lambda g, y, condition, a, b: unbroadcast(where(condition, g, g._scalar(0.0)), a),
        lambda g, y, condition, a, b: unbroadcast(where(condition, g._scalar(0.0), g), b),
    ),
    Domain(ANYTHING),
)

# --- bits -------------------------------------------------------------------------------------------------

bitwise_and: Primitive = BinaryPrimitive("bitwise_and", specs.bitwise, None, Domain(BITS))
bitwise_or: Primitive = BinaryPrimitive("bitwise_or", specs.bitwise, None, Domain(BITS))
bitwise_xor: Primitive = BinaryPrimitive("bitwise_xor", specs.bitwise, None, Domain(BITS))
bitwise_invert: Primitive = Primitive("bitwise_invert", specs.bitwise, None, Domain(BITS))
bitwise_left_shift: Primitive = BinaryPrimitive("bitwise_left_shift", specs.shift, None, Domain(("integer",)))
bitwise_right_shift: Primitive = BinaryPrimitive("bitwise_right_shift", specs.shift, None, Domain(("integer",)))

# --- casts and marks --------------------------------------------------------------------------------------

astype: Primitive = Primitive(
    "astype", specs.astype, (lambda g, y, x, *, dtype: astype(g, dtype=x.dtype),), Domain(ANYTHING)
)
# The same value under a new node: where a function being differentiated begins.
alias: Primitive = Primitive("alias", specs.identity, (lambda g, y, x: g,), Domain(ANYTHING))
