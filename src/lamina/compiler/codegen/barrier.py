"""The barrier at which the threads of a running program wait for one another, and what waits like it.

It lives in a block of memory that the threads share, of which every program has one for each run at a time:

======  ===========================================================================
offset  content, 8 bytes each
======  ===========================================================================
0       how many threads have arrived at the barrier
128     how many barriers all threads have passed
256     a fault that a thread reported, 0 for none
264     address of a function without arguments that offers the processor to others
272     not 0 when the caller of the program wants it to end early
280     not 0 after a barrier at which that was found
288     not 0 once a thread has left work out for it
======  ===========================================================================

`lamina.compiler.runtime.runtime_block` allocates it.
"""

from __future__ import annotations

from collections.abc import Callable

from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.values import I32, I64, PTR, VOID, Value

LINE = 128  # processors fetch cache lines in pairs; what different threads write lies this far apart
ARRIVED, GENERATION, FAULT, YIELD, SIZE = 0, LINE, 2 * LINE, 2 * LINE + 8, 3 * LINE
INTERRUPT, AGREED, CUT_SHORT = (YIELD + 8 * place for place in (1, 2, 3))
_SPINS = 127  # pauses before a waiting thread first offers its processor to others; some 3 us


def emit_barrier(f: Emitter, runtime: Value, threads: Value) -> None:
    """Write a barrier: no thread goes on before all have come, and each then sees what the others had written.

    Every thread of the program must come to every barrier. With one thread there is nothing to wait for.

    Parameters
    ----------
    f : Emitter
        Of a function of the program.
    runtime : Value
        Pointer to the `RuntimeBlock`.
    threads : Value
        How many threads run the program, as i64.
    """
    name = "lamina.barrier"
    if name not in f.module.functions:
        with f.module.function(name, [("runtime", PTR), ("threads", I64)], notes="noinline") as inner:
            inner.leave(inner.icmp("sle", inner.arguments["threads"], inner.integer(1)))
            _emit_meeting(inner, lambda: None)
    f.call_here(name, [runtime, threads])


def emit_interruptible_barrier(f: Emitter, runtime: Value, threads: Value) -> Value:
    """Write a barrier at which all threads learn the same: whether the program is to end early; return that.

    The last to come looks. What it saw stays until all have come to another barrier.
    """
    name = "lamina.interruptible_barrier"
    if name not in f.module.functions:
        with f.module.function(name, [("runtime", PTR), ("threads", I64)], notes="noinline", result=I64) as inner:
            _emit_agreement(inner)
    return f.icmp("ne", f.call_here(name, [runtime, threads], I64), f.integer(0))


def emit_interrupted(f: Emitter, runtime: Value) -> Value:
    """Return whether the program is to end early; if so, note that work is left out."""
    wanted = f.icmp("ne", f.load_atomic(f.offset(runtime, INTERRUPT), "monotonic"), f.integer(0))
    with f.when(wanted):
        f.store_atomic(f.integer(1), f.offset(runtime, CUT_SHORT), "monotonic")
    return wanted


def emit_pause(f: Emitter) -> None:
    """Write the instruction that tells a processor that this loop only waits."""
    if f.module.target.is_x86:
        f.call("llvm.x86.sse2.pause", VOID)
    elif f.module.target.is_arm:
        f.call("llvm.aarch64.hint", VOID, f.integer(1, I32))


def _emit_meeting(f: Emitter, at_last: Callable[[], None]) -> None:
    """Write a barrier of several threads; ``at_last()`` writes what the last to come does before it opens."""
    runtime, threads = f.arguments["runtime"], f.arguments["threads"]
    arrived, generation = f.offset(runtime, ARRIVED), f.offset(runtime, GENERATION)
    # Read before arriving: afterwards the last thread may have opened the barrier already.
    seen = f.load_atomic(generation)
    before = f.result(f"atomicrmw add ptr {arrived.text}, i64 1 acq_rel, align 8", I64)
    with f.when(f.icmp("eq", f.add(before, f.integer(1)), threads)):
        at_last()
        f.store_atomic(f.integer(0), arrived, "monotonic")
        f.store_atomic(f.add(seen, f.integer(1)), generation)
    emit_wait(f, runtime, lambda: f.icmp("eq", f.load_atomic(generation), seen))


def _emit_agreement(f: Emitter) -> None:
    runtime = f.arguments["runtime"]
    agreed = f.offset(runtime, AGREED)

    def look() -> None:
        wanted = f.load_atomic(f.offset(runtime, INTERRUPT), "monotonic")
        f.store_atomic(wanted, agreed, "monotonic")
        with f.when(f.icmp("ne", wanted, f.integer(0))):
            f.store_atomic(f.integer(1), f.offset(runtime, CUT_SHORT), "monotonic")

    alone = f.icmp("sle", f.arguments["threads"], f.integer(1))
    with f.when(alone):
        look()
    f.leave(alone, f.load_atomic(agreed, "monotonic"))
    _emit_meeting(f, look)
    f.returned = f.load_atomic(agreed, "monotonic")


def emit_wait(f: Emitter, runtime: Value, waiting: Callable[[], Value]) -> None:
    """Write a loop that lasts while ``waiting()`` finds it must; now and then others get the processor."""
    spins = f.variable(f.integer(0))
    with f.while_() as loop:
        loop.leave_unless(waiting())
        f.set(spins, f.add(f.get(spins), f.integer(1)))
        emit_pauses(f, runtime, f.get(spins))


def emit_pauses(f: Emitter, runtime: Value, spins: Value) -> None:
    """Write the pause of a loop that only waits.

    Where another thread of this process wants the same processor, the one that is waited for must get it soon.
    """
    emit_pause(f)
    with f.when(f.icmp("eq", f.binary("and", spins, f.integer(_SPINS)), f.integer(_SPINS))):
        give_way = f.load(PTR, f.offset(runtime, YIELD))
        f.write(f"call i32 {give_way.text}()")
