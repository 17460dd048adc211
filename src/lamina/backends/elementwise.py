"""The elementwise part of the backend protocol: operands of one type, broadcast against each other."""

from __future__ import annotations

from typing import Any, Protocol

Array = Any


class Elementwise(Protocol):
    """What a machine must be able to do element by element; see `lamina.backends.protocol.Backend`."""

    # --- one operand ---

    def negative(self, x: Array, /) -> Array:
        """Return -x; unsigned integers wrap around."""

    def abs(self, x: Array, /) -> Array:
        """Return the magnitude; the smallest integer is its own."""

    def sign(self, x: Array, /) -> Array:
        """Return -1, 0 or 1; NaN for NaN."""

    def floor(self, x: Array, /) -> Array:
        """Return the greatest integer not above."""

    def ceil(self, x: Array, /) -> Array:
        """Return the least integer not below."""

    def trunc(self, x: Array, /) -> Array:
        """Return the nearest integer towards zero."""

    def round(self, x: Array, /) -> Array:
        """Return the nearest integer, the even one of two."""

    def bitwise_invert(self, x: Array, /) -> Array:
        """Return the bits that are not set; the opposite of a bool."""

    def exp(self, x: Array, /) -> Array:
        """Return e to the power of x."""

    def expm1(self, x: Array, /) -> Array:
        """Return exp(x) - 1, accurate near zero."""

    def log(self, x: Array, /) -> Array:
        """Return the natural logarithm."""

    def log1p(self, x: Array, /) -> Array:
        """Return log(1 + x), accurate near zero."""

    def log2(self, x: Array, /) -> Array:
        """Return the logarithm to base 2."""

    def log10(self, x: Array, /) -> Array:
        """Return the logarithm to base 10."""

    def sqrt(self, x: Array, /) -> Array:
        """Return the square root; NaN for negative numbers."""

    def sin(self, x: Array, /) -> Array:
        """Return the sine of radians."""

    def cos(self, x: Array, /) -> Array:
        """Return the cosine of radians."""

    def tan(self, x: Array, /) -> Array:
        """Return the tangent of radians."""

    def asin(self, x: Array, /) -> Array:
        """Return the inverse of the sine, from -pi/2 to pi/2."""

    def acos(self, x: Array, /) -> Array:
        """Return the inverse of the cosine, from 0 to pi."""

    def atan(self, x: Array, /) -> Array:
        """Return the inverse of the tangent, from -pi/2 to pi/2."""

    def sinh(self, x: Array, /) -> Array:
        """Return the hyperbolic sine."""

    def cosh(self, x: Array, /) -> Array:
        """Return the hyperbolic cosine."""

    def tanh(self, x: Array, /) -> Array:
        """Return the hyperbolic tangent."""

    def asinh(self, x: Array, /) -> Array:
        """Return the inverse of the hyperbolic sine."""

    def acosh(self, x: Array, /) -> Array:
        """Return the inverse of the hyperbolic cosine."""

    def atanh(self, x: Array, /) -> Array:
        """Return the inverse of the hyperbolic tangent."""

    def erf(self, x: Array, /) -> Array:
        """Return 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x."""

    def sigmoid(self, x: Array, /) -> Array:
        """Return 1 / (1 + exp(-x))."""

    def relu(self, x: Array, /) -> Array:
        """Return the larger of x and zero; NaN for NaN."""

    # --- two operands ---

    def add(self, x: Array, y: Array, /) -> Array:
        """Return x + y; integers wrap around."""

    def subtract(self, x: Array, y: Array, /) -> Array:
        """Return x - y; integers wrap around."""

    def multiply(self, x: Array, y: Array, /) -> Array:
        """Return x * y; integers wrap around."""

    def multiply_no_nan(self, x: Array, y: Array, /) -> Array:
        """Return x * y, but zero where x is zero and y is infinite or NaN."""

    def divide(self, x: Array, y: Array, /) -> Array:
        """Return x / y of floating-point numbers."""

    def pow(self, x: Array, y: Array, /) -> Array:
        """Return x to the power of y; integers wrap around, and a negative power of theirs is an error."""

    def floor_divide(self, x: Array, y: Array, /) -> Array:
        """Return x / y rounded down; zero for an integer divided by zero."""

    def remainder(self, x: Array, y: Array, /) -> Array:
        """Return x - y * floor(x / y), with the sign of y; zero for an integer divided by zero."""

    def atan2(self, x: Array, y: Array, /) -> Array:
        """Return the angle of the point with ordinate x and abscissa y, from -pi to pi."""

    def maximum(self, x: Array, y: Array, /) -> Array:
        """Return the larger; NaN where either is."""

    def minimum(self, x: Array, y: Array, /) -> Array:
        """Return the smaller; NaN where either is."""

    def copysign(self, x: Array, y: Array, /) -> Array:
        """Return the magnitude of x with the sign of y."""

    def nextafter(self, x: Array, y: Array, /) -> Array:
        """Return the number after x in the direction of y."""

    def equal(self, x: Array, y: Array, /) -> Array:
        """Return whether x == y, as bool."""

    def not_equal(self, x: Array, y: Array, /) -> Array:
        """Return whether x != y, as bool."""

    def less(self, x: Array, y: Array, /) -> Array:
        """Return whether x < y, as bool."""

    def less_equal(self, x: Array, y: Array, /) -> Array:
        """Return whether x <= y, as bool."""

    def bitwise_and(self, x: Array, y: Array, /) -> Array:
        """Return the bits set in both."""

    def bitwise_or(self, x: Array, y: Array, /) -> Array:
        """Return the bits set in either."""

    def bitwise_xor(self, x: Array, y: Array, /) -> Array:
        """Return the bits set in one only."""

    def bitwise_left_shift(self, x: Array, y: Array, /) -> Array:
        """Return the bits moved up by y, from 0 on; zero once all have left."""

    def bitwise_right_shift(self, x: Array, y: Array, /) -> Array:
        """Return the bits moved down by y, from 0 on, the sign coming in; zero or -1 once all have left."""

    # --- three operands ---

    def where(self, condition: Array, x: Array, y: Array, /) -> Array:
        """Return x where the condition, a bool, holds and y elsewhere."""
