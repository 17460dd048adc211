"""What instructions work on: machine types, values and variables, as LLVM IR writes them."""

from __future__ import annotations

import struct
from typing import NamedTuple


class Type(NamedTuple):
    """A machine type: a scalar, or a vector where ``lanes`` is not 0.

    Attributes
    ----------
    scalar : str
        LLVM's name, such as ``"float"``, ``"i64"`` or ``"ptr"``.
    lanes : int
        How many elements a vector has; 0 for a scalar. A vector of one lane is a vector.
    """

    scalar: str
    lanes: int = 0

    def __str__(self) -> str:
        return f"<{self.lanes} x {self.scalar}>" if self.lanes else self.scalar

    def of(self, lanes: int) -> Type:
        """Return the vector of so many of this type's elements; the scalar for 0."""
        return Type(self.scalar, lanes)

    def with_scalar(self, scalar: str) -> Type:
        """Return a type as wide, of other elements."""
        return Type(scalar, self.lanes)

    @property
    def floating(self) -> bool:
        """Whether the elements are floating-point numbers."""
        return self.scalar in ("float", "double", "half", "bfloat")

    @property
    def bits(self) -> int:
        """Width of an element."""
        return _BITS[self.scalar] if self.scalar in _BITS else int(self.scalar[1:])

    @property
    def suffix(self) -> str:
        """How the names of LLVM's overloaded intrinsics end for this type."""
        short = _SUFFIXES.get(self.scalar, self.scalar)
        return f"v{self.lanes}{short}" if self.lanes else short


_BITS = {"float": 32, "double": 64, "half": 16, "bfloat": 16, "ptr": 64}
_SUFFIXES = {"float": "f32", "double": "f64", "half": "f16", "bfloat": "bf16", "ptr": "p0"}

VOID, PTR, I1, I8, I32, I64 = (Type(name) for name in ("void", "ptr", "i1", "i8", "i32", "i64"))
FLOAT, DOUBLE = Type("float"), Type("double")


class Value(NamedTuple):
    """The result of an instruction, an argument or a literal."""

    text: str
    type: Type

    @property
    def literal(self) -> int | None:
        """The number, where this is an integer known now."""
        return int(self.text) if self.text.lstrip("-").isdigit() else None


class Variable(NamedTuple):
    """A stack slot that holds one value of a type; read and written by the emitter's ``get`` and ``set``."""

    slot: str
    type: Type


def float_literal(value: float, scalar: str) -> str:
    """Return LLVM's text of a float: the bits of the double that equals it, which every type can be given by."""
    if scalar == "float":
        try:
            value = struct.unpack("f", struct.pack("f", value))[0]
        except OverflowError:
            value = float("inf") if value > 0 else float("-inf")
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"
