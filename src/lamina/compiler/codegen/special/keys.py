"""Keys: signed integers in the order of the elements, so that sorting compares integers only.

A floating-point number is a sign and a magnitude; with the magnitude of the negative ones inverted, its bits are in
order as an integer. Both zeros have the key 0, and NaN the largest of all.
"""

from __future__ import annotations

from typing import NamedTuple

from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.values import I8, Type, Value
from lamina.dtypes import DType

_FRACTION = {"float16": 10, "bfloat16": 7, "float32": 23, "float64": 52}


class Keys(NamedTuple):
    """The keys of a type.

    Attributes
    ----------
    f : Emitter
    dtype : DType
    """

    f: Emitter
    dtype: DType

    @property
    def type(self) -> Type:
        """A signed integer as wide as an element."""
        return I8 if self.dtype.kind == "bool" else Type(f"i{self.dtype.bits}")

    @property
    def largest(self) -> int:
        """The largest key, whether an element has it or not."""
        return int((1 << (self.type.bits - 1)) - 1)

    def of(self, bits: Value) -> Value:
        """Return the key of an element, or those of a vector, which are given as bits."""
        f, kind = self.f, bits.type
        if self.dtype.kind == "unsigned":
            return f.binary("xor", bits, f.integer(-self.largest - 1, kind))
        if not self.dtype.floating:
            return bits
        magnitude = f.binary("and", bits, f.integer(self.largest, kind))
        infinity = f.integer(self.largest - (1 << _FRACTION[self.dtype.name]) + 1, kind)
        key = f.select(f.icmp("eq", magnitude, f.integer(0, kind)), magnitude, self._turned(bits))
        return f.select(f.icmp("ugt", magnitude, infinity), f.integer(self.largest, kind), key)

    def element(self, key: Value) -> Value:
        """Return the bits of an element that has a key: of both zeros the positive one."""
        if self.dtype.kind == "unsigned":
            return self.of(key)
        return self._turned(key) if self.dtype.floating else key

    def is_negative_zero(self, bits: Value) -> Value:
        """Tell whether an element is the zero that `element` does not give."""
        return self.f.icmp("eq", bits, self.f.integer(-self.largest - 1, self.type))

    def is_zero(self, bits: Value) -> Value:
        """Tell whether an element is one of the zeros."""
        magnitude = self.f.binary("and", bits, self.f.integer(self.largest, self.type))
        return self.f.icmp("eq", magnitude, self.f.integer(0, self.type))

    def _turned(self, bits: Value) -> Value:
        """Return bits with the magnitude inverted where the sign is set, which undoes itself."""
        f = self.f
        sign = f.binary("ashr", bits, f.integer(self.type.bits - 1, bits.type))
        return f.binary("xor", bits, f.binary("and", sign, f.integer(self.largest, bits.type)))
