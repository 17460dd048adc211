"""The barrier at which the threads of a running program wait for one another, and what waits like it.

It lives in a block of memory that the threads share, of which every program has one for each run at a time:

======  ===========================================================================
offset  content, 8 bytes each
======  ===========================================================================
0       how many threads have arrived at the barrier
128     how many barriers all threads have passed
256     the first fault that a thread reported, 0 for none
264     address of a function without arguments that offers the processor to others
272     not 0 when the caller of the program wants it to end early
280     not 0 after a barrier at which that was found
288     not 0 once a thread has left work out for it
======  ===========================================================================

`lamina.compiler.runtime.runtime_block` allocates it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.module import Module
from lamina.compiler.codegen.values import I64, PTR, VOID, Value

if TYPE_CHECKING:
    from lamina.compiler.target import Target

LINE = 128  # processors fetch cache lines in pairs; what different threads write lies this far apart
ARRIVED, GENERATION, FAULT, YIELD, SIZE = 0, LINE, 2 * LINE, 2 * LINE + 8, 3 * LINE
INTERRUPT, AGREED, CUT_SHORT = (YIELD + 8 * place for place in (1, 2, 3))
_SPINS = 127  # pauses before a waiting thread first offers its processor to others; some 3 us


def emit_barrier(f: Emitter, target: Target, runtime: Value, threads: Value) -> None:
    """Write a barrier: no thread goes on before all have come, and each then sees what the others had written.

    Every thread of the program must come to every barrier. With one thread there is nothing to wait for.

    Parameters
    ----------
    f : Emitter
        Of a function of the program.
    target : Target
        Says how its processor pauses.
    runtime : Value
        Pointer to the `RuntimeBlock`.
    threads : Value
        How many threads run the program, as i64.
    """
    name = "lamina.barrier"
    if name not in f.module.functions:
        _define_barrier(f.module, name, target)
    f.write(f"call void @{name}(ptr {runtime.text}, i64 {threads.text})")


def emit_interruptible_barrier(f: Emitter, target: Target, runtime: Value, threads: Value) -> Value:
    """Write a barrier at which all threads learn the same: whether the program is to end early; return that.

    The last to come looks. What it saw stays until all have come to another barrier.
    """
    name = "lamina.interruptible_barrier"
    if name not in f.module.functions:
        with f.module.function(name, [("runtime", PTR), ("threads", I64)], notes="noinline", result=I64) as inner:
            _emit_agreement(inner, target)
    return f.icmp("ne", f.call_here(name, [runtime, threads], I64), f.integer(0))


def emit_interrupted(f: Emitter, runtime: Value) -> Value:
    """Return whether the program is to end early; if so, note that work is left out."""
    wanted = f.icmp("ne", load_atomic(f, offset(f, runtime, INTERRUPT), "monotonic"), f.integer(0))
    with f.when(wanted):
        store_atomic(f, f.integer(1), offset(f, runtime, CUT_SHORT), "monotonic")
    return wanted


def emit_fault(f: Emitter, runtime: Value, code: int) -> None:
    """Write the report of a fault, a number that is not 0; the first one stays.

    The thread goes on: the others wait for it at the next barrier.
    """
    place = offset(f, runtime, FAULT)
    f.write(f"cmpxchg ptr {place.text}, i64 0, i64 {code} monotonic monotonic, align 8")


def emit_pause(f: Emitter, target: Target) -> None:
    """Write the instruction that tells a processor that this loop only waits."""
    if target.triple.startswith(("x86_64", "amd64")):
        f.call("llvm.x86.sse2.pause", VOID)
    elif target.triple.startswith(("aarch64", "arm64")):
        f.call("llvm.aarch64.hint", VOID, Value("1", I64.with_scalar("i32")))


def offset(f: Emitter, base: Value, distance: int) -> Value:
    """Return a pointer so many bytes further."""
    return f.at(base, f.integer(distance), I64.with_scalar("i8"))


def load_atomic(f: Emitter, place: Value, order: str = "acquire") -> Value:
    """Return a word that other threads write."""
    return f.result(f"load atomic i64, ptr {place.text} {order}, align 8", I64)


def store_atomic(f: Emitter, value: Value, place: Value, order: str = "release") -> None:
    """Write a word that other threads read."""
    f.write(f"store atomic {value.type} {value.text}, ptr {place.text} {order}, align {value.type.bits // 8}")


def _define_barrier(module: Module, name: str, target: Target) -> None:
    parameters = [("runtime", PTR), ("threads", I64)]
    with module.function(name, parameters, notes="noinline") as f:
        f.leave(f.icmp("sle", f.arguments["threads"], f.integer(1)))
        _emit_meeting(f, target, lambda: None)


def _emit_meeting(f: Emitter, target: Target, at_last: Callable[[], None]) -> None:
    """Write a barrier of several threads; ``at_last()`` writes what the last to come does before it opens."""
    runtime, threads = f.arguments["runtime"], f.arguments["threads"]
    arrived, generation = offset(f, runtime, ARRIVED), offset(f, runtime, GENERATION)
    # Read before arriving: afterwards the last thread may have opened the barrier already.
    seen = load_atomic(f, generation)
    before = f.result(f"atomicrmw add ptr {arrived.text}, i64 1 acq_rel, align 8", I64)
    with f.when(f.icmp("eq", f.add(before, f.integer(1)), threads)):
        at_last()
        store_atomic(f, f.integer(0), arrived, "monotonic")
        store_atomic(f, f.add(seen, f.integer(1)), generation)
    emit_wait(f, target, runtime, lambda: f.icmp("eq", load_atomic(f, generation), seen))


def _emit_agreement(f: Emitter, target: Target) -> None:
    runtime = f.arguments["runtime"]
    agreed = offset(f, runtime, AGREED)

    def look() -> None:
        wanted = load_atomic(f, offset(f, runtime, INTERRUPT), "monotonic")
        store_atomic(f, wanted, agreed, "monotonic")
        with f.when(f.icmp("ne", wanted, f.integer(0))):
            store_atomic(f, f.integer(1), offset(f, runtime, CUT_SHORT), "monotonic")

    alone = f.icmp("sle", f.arguments["threads"], f.integer(1))
    with f.when(alone):
        look()
    f.leave(alone, load_atomic(f, agreed, "monotonic"))
    _emit_meeting(f, target, look)
    f.returned = load_atomic(f, agreed, "monotonic")


def emit_wait(f: Emitter, target: Target, runtime: Value, waiting: Callable[[], Value]) -> None:
    """Write a loop that lasts while ``waiting()`` finds it must; now and then others get the processor."""
    spins = f.variable(f.integer(0))
    with f.while_() as loop:
        loop.leave_unless(waiting())
        f.set(spins, f.add(f.get(spins), f.integer(1)))
        emit_pauses(f, target, runtime, f.get(spins))


def emit_pauses(f: Emitter, target: Target, runtime: Value, spins: Value) -> None:
    """Write the pause of a loop that only waits.

    Where another thread of this process wants the same processor, the one that is waited for must get it soon.
    """
    emit_pause(f, target)
    with f.when(f.icmp("eq", f.binary("and", spins, f.integer(_SPINS)), f.integer(_SPINS))):
        give_way = f.load(PTR, offset(f, runtime, YIELD))
        f.write(f"call i32 {give_way.text}()")
