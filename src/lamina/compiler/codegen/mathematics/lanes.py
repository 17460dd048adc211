"""Python's operators on the emitter's values, so that a formula reads like one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.values import Value


@dataclass(frozen=True, slots=True)
class Lanes:
    """A scalar or a vector in a function being written; operators write instructions.

    Numbers stand for a constant in every lane. Comparisons give bools, which ``&``, ``|`` and ``choose`` take; those
    of floats do not hold where an operand is NaN.
    """

    f: Emitter
    value: Value

    @property
    def double(self) -> bool:
        """Whether the elements are float64."""
        return self.value.type.scalar == "double"

    def like(self, value: Value) -> Lanes:
        """Return another value of the same function."""
        return Lanes(self.f, value)

    def constant(self, number: float) -> Lanes:
        """Return a number in every lane."""
        return self.like(self.f.number(number, self.value.type))

    def _with(self, other: Lanes | float) -> Value:
        return other.value if isinstance(other, Lanes) else self.f.number(other, self.value.type)

    def _binary(self, floating: str, integer: str, other: Lanes | float, swapped: bool = False) -> Lanes:
        operation = floating if self.value.type.floating else integer
        a, b = self.value, self._with(other)
        return self.like(self.f.binary(operation, b, a) if swapped else self.f.binary(operation, a, b))

    # --- arithmetic ---

    def __add__(self, other: Lanes | float) -> Lanes:
        return self._binary("fadd", "add", other)

    __radd__ = __add__

    def __sub__(self, other: Lanes | float) -> Lanes:
        return self._binary("fsub", "sub", other)

    def __rsub__(self, other: float) -> Lanes:
        return self._binary("fsub", "sub", other, swapped=True)

    def __mul__(self, other: Lanes | float) -> Lanes:
        return self._binary("fmul", "mul", other)

    __rmul__ = __mul__

    def __truediv__(self, other: Lanes | float) -> Lanes:
        return self._binary("fdiv", "udiv", other)

    def __rtruediv__(self, other: float) -> Lanes:
        return self._binary("fdiv", "udiv", other, swapped=True)

    def __neg__(self) -> Lanes:
        return self.like(self.f.fneg(self.value)) if self.value.type.floating else self.constant(0) - self

    def __abs__(self) -> Lanes:
        return self.like(self.f.intrinsic("fabs", self.value))

    def times_plus(self, factor: Lanes | float, term: Lanes | float) -> Lanes:
        """Return self * factor + term, rounded once or twice."""
        return self.like(self.f.multiply_add(self.value, self._with(factor), self._with(term)))

    def sqrt(self) -> Lanes:
        """Return the square root, rounded correctly."""
        return self.like(self.f.intrinsic("sqrt", self.value))

    def with_sign_of(self, other: Lanes) -> Lanes:
        """Return the magnitude with another's sign."""
        return self.like(self.f.intrinsic("copysign", self.value, other.value))

    def at_least(self, low: float) -> Lanes:
        """Return the larger of this and a number; NaN stays."""
        return (self < low).choose(low, self)

    def at_most(self, high: float) -> Lanes:
        """Return the smaller of this and a number; NaN stays."""
        return (self > high).choose(high, self)

    # --- bits ---

    def __and__(self, other: Lanes | float) -> Lanes:
        return self._binary("", "and", other)

    def __or__(self, other: Lanes | float) -> Lanes:
        return self._binary("", "or", other)

    def __xor__(self, other: Lanes | float) -> Lanes:
        return self._binary("", "xor", other)

    def __invert__(self) -> Lanes:
        return self ^ -1

    def __lshift__(self, places: Lanes | int) -> Lanes:
        return self._binary("", "shl", places)

    def __rshift__(self, places: Lanes | int) -> Lanes:
        """The sign comes in."""
        return self._binary("", "ashr", places)

    def bits(self) -> Lanes:
        """Return the bits of a float as an integer."""
        return self.like(self.f.convert("bitcast", self.value, f"i{self.value.type.bits}"))

    def as_float(self) -> Lanes:
        """Return the float that has an integer's bits."""
        return self.like(self.f.convert("bitcast", self.value, "double" if self.value.type.bits == 64 else "float"))

    def to_float(self) -> Lanes:
        """Return a signed integer as a float as wide."""
        return self.like(self.f.convert("sitofp", self.value, "double" if self.value.type.bits == 64 else "float"))

    def widened(self) -> Lanes:
        """Return a float32 as float64."""
        return self.like(self.f.convert("fpext", self.value, "double"))

    def narrowed(self) -> Lanes:
        """Return a float64 rounded to float32."""
        return self.like(self.f.convert("fptrunc", self.value, "float"))

    # --- comparison ---

    def _compare(self, floating: str, integer: str, other: Lanes | float) -> Lanes:
        b = self._with(other)
        if self.value.type.floating:
            return self.like(self.f.fcmp(floating, self.value, b))
        return self.like(self.f.icmp(integer, self.value, b))

    def __lt__(self, other: Lanes | float) -> Lanes:
        return self._compare("olt", "slt", other)

    def __le__(self, other: Lanes | float) -> Lanes:
        return self._compare("ole", "sle", other)

    def __gt__(self, other: Lanes | float) -> Lanes:
        return self._compare("ogt", "sgt", other)

    def __ge__(self, other: Lanes | float) -> Lanes:
        return self._compare("oge", "sge", other)

    def equals(self, other: Lanes | float) -> Lanes:
        """Return whether two are equal."""
        return self._compare("oeq", "eq", other)

    def is_nan(self) -> Lanes:
        """Return whether this is not a number."""
        return self.like(self.f.fcmp("uno", self.value, self.value))

    def choose(self, a: Lanes | float, b: Lanes | float) -> Lanes:
        """Return ``a`` where this bool holds and ``b`` elsewhere; at least one of them is no plain number."""
        if isinstance(a, Lanes):
            return self.like(self.f.select(self.value, a.value, a._with(b)))
        assert isinstance(b, Lanes)
        return self.like(self.f.select(self.value, b._with(a), b.value))

    def any(self) -> Lanes:
        """Return whether this bool holds in any lane, as a scalar."""
        if not self.value.type.lanes:
            return self
        return self.like(self.f.intrinsic("vector.reduce.or", self.value, result=self.value.type.of(0)))


def polynomial(x: Lanes, coefficients: Sequence[float]) -> Lanes:
    """Return c[0] + c[1] x + c[2] x^2 + ... by Horner's rule."""
    *rest, second, last = coefficients
    total = x.times_plus(last, second)
    for coefficient in reversed(rest):
        total = total.times_plus(x, coefficient)
    return total
