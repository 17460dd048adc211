"""What an emitter of a special kernel is given, and what it promises."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.faults import FAULT_INDEX
from lamina.compiler.codegen.values import I8, VOID, Type, Value
from lamina.compiler.graph import ir
from lamina.dtypes import DType
from lamina.primitives.primitive import Shape


class Job(NamedTuple):
    """One operation, to be computed for a range of its units of work.

    Attributes
    ----------
    f : Emitter
    value : graph value
        The operation: its parameters, its shape and type, and those of its operands.
    operands, results : tuple of Value
        Pointers to C-contiguous arrays. Those of the results overlap no others, but where an update replaces rows of
        its input: then the first operand is the result.
    begin, end : Value
        The range of units, int64.
    scratch : Value
        Pointer to memory of this thread, aligned to 64 bytes.
    fault : Value
        Pointer to an int64.
    outside : int
        What is written there when an index lies outside its axis.
    """

    f: Emitter
    value: ir.Value
    operands: tuple[Value, ...]
    results: tuple[Value, ...]
    begin: Value
    end: Value
    scratch: Value
    fault: Value
    outside: int = FAULT_INDEX

    def fail(self, condition: Value, code: int) -> None:
        """Report a fault if a condition holds. Threads may do so at the same time."""
        with self.f.when(condition):
            self.f.store_atomic(self.f.integer(code), self.fault, "monotonic")


class SpecialKernel(NamedTuple):
    """How an operation is divided among threads, and how it is computed.

    Attributes
    ----------
    units : callable
        ``units(value)`` tells how many independent units of work an operation has. However they are divided into
        ranges, the result is the same to the bit.
    emit : callable
        ``emit(job)`` writes the code for a range.
    scratch : callable
        ``scratch(value)`` tells how many bytes of memory a thread needs for itself.
    """

    units: Callable[[ir.Value], int]
    emit: Callable[[Job], None]
    scratch: Callable[[ir.Value], int] = lambda _: 0


class Split(NamedTuple):
    """A shape seen from some neighbouring axes: those before, these, those after, each as one axis."""

    outer: int
    length: int
    inner: int


def split(shape: Shape, axis: int, axes: int = 1) -> Split:
    """Return a shape as three axes, the middle one made of ``axes`` axes from ``axis`` on."""
    middle = axis + axes
    return Split(math.prod(shape[:axis]), math.prod(shape[axis:middle]), math.prod(shape[middle:]))


def divide(f: Emitter, index: Value, divisor: int) -> tuple[Value, Value]:
    """Return the quotient and the remainder of an index that is not negative, without work where one is known."""
    if divisor <= 1:
        return index, f.integer(0)
    quotient = f.binary("udiv", index, f.integer(divisor))
    return quotient, f.binary("urem", index, f.integer(divisor))


def bytes_at(f: Emitter, base: Value, offset: Value, itemsize: int) -> Value:
    """Return a pointer to an element of an array whose elements have so many bytes."""
    return f.at(base, offset, Type(f"i{8 * itemsize}"))


def copy(f: Emitter, to: Value, source: Value, size: Value | int) -> None:
    """Copy bytes between arrays that do not overlap."""
    count = f.integer(size) if isinstance(size, int) else size
    f.call("llvm.memcpy.p0.p0.i64", VOID, to, source, count, extra="i1 false")


def clear(f: Emitter, pointer: Value, size: Value) -> None:
    """Fill bytes with zero."""
    f.call("llvm.memset.p0.i64", VOID, pointer, f.integer(0, I8), size, extra="i1 false")


def added(f: Emitter, dtype: DType, a: Value, b: Value) -> Value:
    """Return a sum in registers; of truth values, whether either is true."""
    if dtype.floating:
        return f.fadd(a, b)
    return f.binary("or" if dtype.kind == "bool" else "add", a, b)
