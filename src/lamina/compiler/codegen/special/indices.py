"""Indices: read as int64, counted from the start, checked."""

from __future__ import annotations

from lamina.compiler.codegen.special.job import Job
from lamina.compiler.codegen.values import I1, I64, Type, Value
from lamina.dtypes import DType


class Indices:
    """The indices of a job into an axis; whether one lay outside is told at the end.

    Parameters
    ----------
    job : Job
    pointer : Value
        To an array of indices.
    dtype : DType
        Of the indices, any integer type.
    size : int
        Length of the axis.
    """

    def __init__(self, job: Job, pointer: Value, dtype: DType, size: int) -> None:
        self._job, self._pointer, self._dtype, self._size = job, pointer, dtype, size
        self._outside = job.f.variable(Value("false", I1))

    def read(self, position: Value) -> Value:
        """Return an index from 0 up to the axis's length; 0 in place of one that lies outside."""
        f, size = self._job.f, self._job.f.integer(self._size)
        kind = Type(f"i{self._dtype.bits}")
        index = f.load(kind, f.at(self._pointer, position, kind))
        index = f.convert("zext" if self._dtype.kind == "unsigned" else "sext", index, "i64")
        if self._dtype.kind == "signed":
            index = f.select(f.icmp("slt", index, f.integer(0)), f.add(index, size), index)
        outside = f.icmp("uge", index, size)
        f.set(self._outside, f.binary("or", f.get(self._outside), outside))
        return f.select(outside, f.integer(0, I64), index)

    def report(self) -> None:
        """Report the fault if an index lay outside; of several operations', that of the first."""
        f = self._job.f
        with f.when(f.get(self._outside)):
            f.result(f"atomicrmw umax ptr {self._job.fault.text}, i64 {self._job.outside} monotonic, align 8", I64)
