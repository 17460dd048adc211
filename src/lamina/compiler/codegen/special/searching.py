"""``searchsorted``: binary searches, several at a time."""

from __future__ import annotations

from lamina.compiler.codegen.special.job import Job
from lamina.compiler.codegen.special.keys import Keys
from lamina.compiler.codegen.values import I32, I64, Type, Value
from lamina.compiler.graph import ir

_SEARCHES = 8  # side by side: each waits for memory, and a vector has no branches to guess


def search_units(value: ir.Value) -> int:
    """One unit is a value to search for, or several."""
    return -(-value.size // _SEARCHES)


def emit_searchsorted(job: Job) -> None:
    """Where each value would go: before its equals (``"left"``) or behind them. NaN goes to the end.

    Every search takes the same steps, in which its lower end moves or stays.
    """
    f, count = job.f, job.value.size
    edges, lanes = job.value.operands[0], min(count, _SEARCHES)
    keys, size = Keys(f, edges.dtype), f.integer(edges.shape[0])
    position = (I32 if edges.shape[0] < 1 << 31 else I64).of(lanes)
    with f.loop(job.begin, job.end) as unit:
        # The last searches end with the last value: those shared with the ones before are done twice, alike.
        first = f.intrinsic("smin", f.mul(unit, f.integer(_SEARCHES)), f.integer(count - lanes))
        values = f.at(job.operands[1], first, keys.type)
        wanted = keys.of(f.load(keys.type.of(lanes), values))
        low, rest = f.variable(f.integer(0, position)), f.variable(size)
        with f.while_() as again:
            again.leave_unless(f.icmp("sgt", f.get(rest), f.integer(0)))
            step = f.binary("lshr", f.add(f.get(rest), f.integer(1)), f.integer(1))
            # The last edge of the step, seen from the lower end.
            base = f.at(job.operands[0], f.sub(step, f.integer(1)), keys.type)
            edge = keys.of(_gathered(job, base, f.get(low), keys.type))
            before = f.icmp("slt" if job.value.params["side"] == "left" else "sle", edge, wanted)
            moved = f.add(f.get(low), f.splat(f.convert("trunc", step, position.scalar), lanes))
            f.set(low, f.select(before, moved, f.get(low)))
            f.set(rest, f.sub(f.get(rest), step))
        f.store(f.convert("zext", f.get(low), "i64"), f.at(job.results[0], first, I64))


def _gathered(job: Job, base: Value, positions: Value, kind: Type) -> Value:
    """Return the elements at several positions."""
    f, lanes = job.f, positions.type.lanes
    found = Value("poison", kind.of(lanes))
    for lane in range(lanes):
        position = f.convert("zext", f.extract(positions, lane), "i64")
        found = f.insert(found, f.load(kind, f.at(base, position, kind)), lane)
    return found
