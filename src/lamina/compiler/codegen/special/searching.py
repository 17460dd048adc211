"""``searchsorted``: a binary search for every value."""

from __future__ import annotations

import math

from lamina.compiler.codegen.elements import load_element
from lamina.compiler.codegen.emitter import I64, Value
from lamina.compiler.codegen.special.job import Job, bytes_at
from lamina.compiler.graph import ir
from lamina.dtypes import DType


def search_units(value: ir.Value) -> int:
    """One unit is a value to search for."""
    return math.prod(value.shape)


def emit_searchsorted(job: Job) -> None:
    """Where each value would go: before its equals (``"left"``) or behind them. NaN goes to the end."""
    f = job.f
    edges = job.value.operands[0]
    with f.loop(job.begin, job.end) as unit:
        wanted = _read(job, 1, unit)
        # Every search takes the same steps, so that there is no branch to guess: ``low`` moves or stays.
        low, size = f.variable(f.integer(0)), f.variable(f.integer(edges.shape[0]))
        with f.while_() as again:
            again.leave_unless(f.icmp("sgt", f.get(size), f.integer(0)))
            step = f.binary("lshr", f.add(f.get(size), f.integer(1)), f.integer(1))
            edge = _read(job, 0, f.sub(f.add(f.get(low), step), f.integer(1)))
            moves = f.convert("sext", _goes_behind(job, edge, wanted), "i64")
            f.set(low, f.add(f.get(low), f.binary("and", step, moves)))
            f.set(size, f.sub(f.get(size), step))
        f.store(f.get(low), f.at(job.results[0], unit, I64), align=8)


def _read(job: Job, which: int, position: Value) -> Value:
    dtype: DType = job.value.operands[which].dtype
    return load_element(job.f, dtype, bytes_at(job.f, job.operands[which], position, dtype.itemsize))


def _goes_behind(job: Job, edge: Value, wanted: Value) -> Value:
    """Tell whether a value belongs behind an edge: the edge is smaller, or on the right side not larger.

    NaN is larger than every number and equal to itself.
    """
    f, dtype, left = job.f, job.value.operands[0].dtype, job.value.params["side"] == "left"
    if not dtype.floating:
        return f.icmp(f"{'s' if dtype.kind == 'signed' else 'u'}{'lt' if left else 'le'}", edge, wanted)
    if left:
        return f.binary("and", f.fcmp("ult", edge, wanted), f.fcmp("ord", edge, edge))
    return f.binary("or", f.fcmp("ole", edge, wanted), f.fcmp("uno", wanted, wanted))
