"""The main function: it runs the function of every kernel, in order and in every thread.

A program is called with a table of pointers (see `program_table`), the number of the thread and the number of
threads. Every thread runs all of it, each on its share, and they meet at barriers between phases.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext

from lamina.compiler.codegen.barrier import FAULT, emit_barrier
from lamina.compiler.codegen.calls import Caller, KernelFunction, Shared, constant_data, emit_calls
from lamina.compiler.codegen.clock import emit_clock
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.expressions import ZERO
from lamina.compiler.codegen.module import Module
from lamina.compiler.codegen.program_table import Slot
from lamina.compiler.codegen.scan_loop import functions_of
from lamina.compiler.codegen.schedule import Schedule, before_updates, may_fault, numbered
from lamina.compiler.codegen.values import I8, I64, PTR, Value
from lamina.compiler.schedule.kernels import Kernel
from lamina.compiler.schedule.memory import Place

MANY = 64
"""From how many calls on LLVM makes code of them as they are: improving them takes it longer than it ever saves."""
_PARAMETERS = [("table", PTR), ("thread", I64), ("threads", I64)]


def emit_program(
    schedule: Schedule, *, interruptible: bool = False, ready: Callable[[str], None] = lambda _: None
) -> Module:
    """Return the module of a program; its function is ``program(table, thread, threads)``.

    An interruptible one can be ended from outside until it begins to update its inputs. ``ready`` is given the module
    in parts, each as soon as it is written.
    """
    module = Module(schedule.target, ready)
    early = before_updates(schedule) if interruptible else set()
    _emit_once(module, schedule, functions_of(module, schedule, "kernel", numbered(schedule), early), early)
    _emit_repeated(module, schedule)
    module.close()
    return module


def _emit_once(module: Module, schedule: Schedule, calls: list[KernelFunction], early: Collection[Kernel]) -> None:
    """Write the function that runs every kernel once; ``run`` says which repetition this is."""
    notes = "noinline optnone" if len(calls) > MANY else "noinline"
    with module.function("once", [*_PARAMETERS, ("run", I64)], notes=notes) as f:
        emit_calls(_Caller(f, schedule), calls, early)


def _emit_repeated(module: Module, schedule: Schedule) -> None:
    """Write ``program``: run as many times as the table says, until a fault."""
    with module.function("program", _PARAMETERS, internal=False) as f:
        table, runtime = f.arguments["table"], _slot(f, Slot.RUNTIME)
        repeat = f.load(I64, f.at(table, f.integer(Slot.REPEAT), PTR))
        with f.loop(ZERO, repeat) as run:
            f.call_here("once", [table, f.arguments["thread"], f.arguments["threads"], run])
            # After the last run it is the launch that waits for all threads.
            with nullcontext() if schedule.alone else f.when(f.icmp("slt", f.add(run, f.integer(1)), repeat)):
                _emit_between_runs(f, schedule, runtime)


def _emit_between_runs(f: Emitter, schedule: Schedule, runtime: Value) -> None:
    """Write the meeting of all threads before the next run, which reads what this one wrote; none follows a fault."""
    if not schedule.alone:
        emit_barrier(f, runtime, f.arguments["threads"])
    if may_fault(schedule):
        wrong = f.icmp("ne", f.load(I64, f.at(runtime, f.integer(FAULT // 8), I64)), f.integer(0))
        if not schedule.alone:
            # None may begin the next run, and fail in it, before all have looked at this one.
            emit_barrier(f, runtime, f.arguments["threads"])
        f.leave(wrong)


class _Caller(Caller):
    """Writes calls of a program's kernels: pointers come from the table, and time may be taken."""

    def __init__(self, f: Emitter, schedule: Schedule) -> None:
        runtime, self.arena, scratch = (_slot(f, slot) for slot in (Slot.RUNTIME, Slot.ARENA, Slot.SCRATCH))
        own = f.mul(f.arguments["thread"], f.integer(schedule.scratch // 8))
        shared = Shared(
            runtime=runtime,
            fault=f.at(runtime, f.integer(FAULT // 8), I64),
            scratch=f.at(scratch, own, I64),
            callback=_slot(f, Slot.CALLBACK),
        )
        super().__init__(f, schedule, shared)
        self.ticks = self._ticks() if schedule.profiled else None

    def pointer(self, place: Place) -> Value:
        """Return where a value lies, by the table."""
        f, graph = self.f, self.schedule.fused.graph
        match place.kind:
            case "arena":
                return f.at(self.arena, f.integer(place.number // 8), I64)
            case "input":
                return _slot(f, Slot.FIRST + place.number)
            case "output":
                base = _slot(f, Slot.FIRST + len(graph.inputs) + place.number)
                size = graph.outputs[place.number].nbytes
                return f.at(base, f.mul(f.arguments["run"], f.integer(size)), I8)
        return constant_data(f, self.schedule, place)

    # --- measuring ---

    def _ticks(self) -> Value:
        """Return where this thread adds up the ticks of kernel 0, 1, ..."""
        f = self.f
        stride = f.integer(tick_stride(len(self.schedule.ordered.kernels)))
        return f.at(_slot(f, Slot.PROFILE), f.mul(f.arguments["thread"], stride), I64)

    @contextmanager
    def timed(self, call: KernelFunction) -> Iterator[None]:
        """Add up the ticks of a kernel, where they are asked for."""
        if self.ticks is None:
            yield
            return
        f = self.f
        before = emit_clock(f)
        yield
        place = f.at(self.ticks, f.integer(self.schedule.ordered.kernels.index(call.kernel)), I64)
        taken = f.binary("sub", emit_clock(f), before)
        f.store(f.binary("add", f.load(I64, place), taken), place)


def _slot(f: Emitter, number: int) -> Value:
    """Return what the table of pointers holds."""
    return f.load(PTR, f.at(f.arguments["table"], f.integer(number), PTR))


def tick_stride(kernels: int) -> int:
    """Return how many counts lie between those of one thread and those of the next: cache lines are not shared."""
    return -(-kernels // 8) * 8
