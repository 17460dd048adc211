"""The program: a function for each kernel, and the one that runs them in order in every thread.

A program is called with a table of pointers (see `lamina.compiler.runtime.table`), the number of the thread and the
number of threads. Every thread runs all of it, each on its share, and they meet at barriers between phases.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from lamina.compiler.codegen.clock import emit_clock
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.expressions import ZERO, Body
from lamina.compiler.codegen.loops import emit_loops
from lamina.compiler.codegen.module import Module
from lamina.compiler.codegen.products import emit_matrix_product, product_scratch
from lamina.compiler.codegen.reductions import emit_reduction
from lamina.compiler.codegen.special.job import Job
from lamina.compiler.codegen.special.kernel import SPECIAL
from lamina.compiler.codegen.values import I8, I64, PTR, Value
from lamina.compiler.graph import ir
from lamina.compiler.runtime.barrier import FAULT, emit_barrier
from lamina.compiler.runtime.fallback import FALLBACKS, emit_fallback
from lamina.compiler.runtime.table import Slot
from lamina.compiler.schedule.accesses import Read, expressions
from lamina.compiler.schedule.fused import Fused
from lamina.compiler.schedule.kernels import Kernel, Loops, MatrixProduct, Reduction, Special
from lamina.compiler.schedule.memory import Memory, Place
from lamina.compiler.schedule.order import Ordered, Share
from lamina.compiler.target import Target
from lamina.dtypes import bool_


@dataclass(frozen=True)
class Schedule:
    """All that code is written from."""

    fused: Fused
    ordered: Ordered
    memory: Memory
    target: Target
    alone: bool
    """Whether the program runs in one thread only."""
    profiled: bool = False
    """Whether the program measures each kernel."""

    @property
    def scratch(self) -> int:
        """Bytes of scratch memory that one thread needs."""
        return max([scratch_of(kernel, self.target) for kernel in self.ordered.kernels], default=0)


def scratch_of(kernel: Kernel, target: Target) -> int:
    """Return the bytes of scratch memory that one thread needs for a kernel, in whole cache lines."""
    if isinstance(kernel, MatrixProduct):
        size = product_scratch(kernel, target)
    elif isinstance(kernel, Special) and kernel.value is not None and kernel.value.op in SPECIAL:
        size = SPECIAL[kernel.value.op].scratch(kernel.value, target)
    else:
        return 0
    return -(-size // 64) * 64


def emit_program(schedule: Schedule) -> Module:
    """Return the module of a program; its function is ``program(table, thread, threads)``."""
    module = Module(schedule.target.triple, target=schedule.target)
    calls = [_KernelCall(module, schedule, kernel, number) for number, kernel in enumerate(schedule.ordered.kernels)]
    _emit_once(module, schedule, calls)
    _emit_repeated(module, schedule)
    return module


class _KernelCall:
    """The function of a kernel, and what it is called with."""

    def __init__(self, module: Module, schedule: Schedule, kernel: Kernel, number: int) -> None:
        self.kernel = kernel
        self.share = schedule.ordered.shares[kernel]
        self.memory = _memory_of(kernel, schedule)
        # One parameter for each place: a variable is read and written through one pointer.
        self.places = list(dict.fromkeys(self.memory.values()))
        self.name = self._write(module, schedule, f"kernel{number}")

    def _write(self, module: Module, schedule: Schedule, name: str) -> str:
        pointers = [(f"noalias p{at}", PTR) for at in range(len(self.places))]
        rest = [("begin", I64), ("end", I64), ("scratch", PTR), ("fault", PTR), ("callback", PTR)]
        with module.function(name, [*pointers, *rest], notes="noinline") as f:
            names = {place: f.arguments[f"p{at}"] for at, place in enumerate(self.places)}
            found = {value: names[place] for value, place in self.memory.items()}
            begin, end = f.arguments["begin"], f.arguments["end"]
            if schedule.alone:
                begin, end = ZERO, f.integer(self.share.units)
            body = Body(f, schedule.target, self.kernel, schedule.fused, found)
            self._emit(body, schedule, begin, end)
        # Layers of one shape need one function.
        return module.shared(name)

    def _emit(self, body: Body, schedule: Schedule, begin: Value, end: Value) -> None:
        kernel, f = self.kernel, body.f
        match kernel:
            case MatrixProduct():
                emit_matrix_product(body, self.share, begin, end, f.arguments["scratch"])
            case Reduction():
                emit_reduction(body, self.share, lanes_in(kernel, schedule.fused, schedule.target), begin, end)
            case Special():
                self._emit_special(body, begin, end)
            case Loops():
                places = [read.place for read in schedule.ordered.reads[kernel] if read.place is not None]
                emit_loops(body, self.share, lanes_in(kernel, schedule.fused, schedule.target), begin, end, places)

    def _emit_special(self, body: Body, begin: Value, end: Value) -> None:
        kernel, f = self.kernel, body.f
        assert isinstance(kernel, Special)
        assert kernel.value is not None
        operands = tuple(body.pointers[body.fused.arrays[each]] for each in kernel.value.operands)
        results = tuple(body.pointers[each] for each in kernel.results)
        if kernel.value.op in FALLBACKS:
            number = _fallback_number(body.fused, kernel.value)
            emit_fallback(f, f.arguments["callback"], number, operands, results, f.arguments["fault"])
            return
        SPECIAL[kernel.value.op].emit(
            Job(
                f,
                body.target,
                kernel.value,
                operands,
                results,
                begin,
                end,
                f.arguments["scratch"],
                f.arguments["fault"],
            )
        )


def fallbacks(fused: Fused) -> list[ir.Value]:
    """Return the operations that Python computes, in the order of their numbers."""
    return [
        kernel.value
        for kernel in fused.kernels
        if isinstance(kernel, Special) and kernel.value is not None and kernel.value.op in FALLBACKS
    ]


def _fallback_number(fused: Fused, value: ir.Value) -> int:
    return fallbacks(fused).index(value)


def _memory_of(kernel: Kernel, schedule: Schedule) -> dict[ir.Value, Place]:
    """Return what a kernel reads and writes in memory, with where it lies."""
    places = schedule.memory.places
    values: list[ir.Value] = sorted(
        {read.base for read in schedule.ordered.reads[kernel]}, key=lambda value: value.number
    )
    if isinstance(kernel, Special):
        values += kernel.results
    else:
        values += [value for value in kernel.computed if value in places]
        if isinstance(kernel, Loops) and kernel.into is not None:
            values.append(kernel.into.base)
    return {value: places[value] for value in values}


def lanes_in(kernel: Kernel, fused: Fused, target: Target) -> int:
    """Return how many elements a kernel works on at once: as many as a register holds of the widest it computes."""
    values = [each.base if isinstance(each, Read) else each for each in expressions(kernel, fused)]
    # Narrow floats are computed wide.
    widths = [max(value.dtype.bits, 32 if value.dtype.floating else 8) for value in values if value.dtype is not bool_]
    return min(target.lanes(max(widths, default=32)), target.lanes(32))


# --- in order -------------------------------------------------------------------------------------------------

_PARAMETERS = [("table", PTR), ("thread", I64), ("threads", I64)]


def _emit_once(module: Module, schedule: Schedule, calls: list[_KernelCall]) -> None:
    """Write the function that runs every kernel once; ``run`` says which repetition this is."""
    with module.function("once", [*_PARAMETERS, ("run", I64)], notes="noinline") as f:
        writer = _Caller(f, schedule)
        phase = 0
        checked = schedule.ordered.check == 0
        for call in calls:
            wanted = schedule.ordered.phases[call.kernel]
            if wanted > phase and not schedule.alone:
                emit_barrier(f, schedule.target, writer.runtime, f.arguments["threads"])
            if wanted >= schedule.ordered.check and not checked:
                f.leave(f.icmp("ne", f.load(I64, writer.fault), f.integer(0)))
                checked = True
            phase = wanted
            writer.call(call)


class _Caller:
    """Writes calls of kernels: loads pointers and computes shares when they are first needed."""

    def __init__(self, f: Emitter, schedule: Schedule) -> None:
        self.f = f
        self.schedule = schedule
        table = f.arguments["table"]
        slots = {slot: f.load(PTR, f.at(table, f.integer(slot), PTR)) for slot in (Slot.RUNTIME, Slot.ARENA)}
        self.runtime = slots[Slot.RUNTIME]
        self.fault = f.at(self.runtime, f.integer(FAULT // 8), I64)
        self.arena = slots[Slot.ARENA]
        scratch = f.load(PTR, f.at(table, f.integer(Slot.SCRATCH), PTR))
        own = f.mul(f.arguments["thread"], f.integer(schedule.scratch // 8))
        self.scratch = f.at(scratch, own, I64)
        self.callback = f.load(PTR, f.at(table, f.integer(Slot.CALLBACK), PTR))
        self.first = f.icmp("eq", f.arguments["thread"], f.integer(0))
        self.pointers = {place: self._pointer(place) for place in self._places()}
        self.shares: dict[int, tuple[Value, Value]] = {}
        self.ticks = self._ticks() if schedule.profiled else None
        if not schedule.alone:
            for kernel in schedule.ordered.kernels:
                self._share(schedule.ordered.shares[kernel])

    def _places(self) -> list[Place]:
        return list(
            dict.fromkeys(
                place
                for kernel in self.schedule.ordered.kernels
                for place in _memory_of(kernel, self.schedule).values()
            )
        )

    def _pointer(self, place: Place) -> Value:
        f, graph = self.f, self.schedule.fused.graph
        match place.kind:
            case "arena":
                return f.at(self.arena, f.integer(place.number // 8), I64)
            case "input":
                return f.load(PTR, f.at(f.arguments["table"], f.integer(Slot.FIRST + place.number), PTR))
            case "output":
                slot = Slot.FIRST + len(graph.inputs) + place.number
                value = graph.outputs[place.number]
                size = math.prod(value.shape) * value.dtype.itemsize
                base = f.load(PTR, f.at(f.arguments["table"], f.integer(slot), PTR))
                return f.at(base, f.mul(f.arguments["run"], f.integer(size)), I8)
        constants = [value for value in self.schedule.fused.views if value.op == "constant"]
        return f.module.data(constants[place.number].params["array"].tobytes())

    def _share(self, share: Share) -> tuple[Value, Value]:
        f, units = self.f, share.units
        if self.schedule.alone or units == 1:
            return ZERO, f.integer(units)
        if units not in self.shares:
            thread, threads = f.arguments["thread"], f.arguments["threads"]
            count = f.integer(units)
            begin = f.binary("udiv", f.mul(thread, count), threads)
            end = f.binary("udiv", f.mul(f.add(thread, f.integer(1)), count), threads)
            self.shares[units] = begin, end
        return self.shares[units]

    def call(self, call: _KernelCall) -> None:
        """Write the call of a kernel for this thread's share."""
        f = self.f
        begin, end = self._share(call.share)
        one = call.share.units == 1 and not self.schedule.alone
        given = [self.pointers[place] for place in call.places]
        with f.when(self.first) if one else nullcontext(), self._timed(call):
            rest = [begin, end, self.scratch, self.fault, self.callback]
            f.call_here(call.name, [*given, *rest])

    # --- measuring ---

    def _ticks(self) -> Value:
        """Return where this thread adds up the ticks of kernel 0, 1, ..."""
        f = self.f
        base = f.load(PTR, f.at(f.arguments["table"], f.integer(Slot.PROFILE), PTR))
        return f.at(base, f.mul(f.arguments["thread"], f.integer(tick_stride(len(self.schedule.ordered.kernels)))), I64)

    @contextmanager
    def _timed(self, call: _KernelCall) -> Iterator[None]:
        if self.ticks is None:
            yield
            return
        f = self.f
        before = emit_clock(f, self.schedule.target)
        yield
        place = f.at(self.ticks, f.integer(self.schedule.ordered.kernels.index(call.kernel)), I64)
        taken = f.binary("sub", emit_clock(f, self.schedule.target), before)
        f.store(f.binary("add", f.load(I64, place), taken), place)


def tick_stride(kernels: int) -> int:
    """Return how many counts lie between those of one thread and those of the next: cache lines are not shared."""
    return -(-kernels // 8) * 8


def _emit_repeated(module: Module, schedule: Schedule) -> None:
    """Write ``program``: run as many times as the table says, until a fault."""
    with module.function("program", _PARAMETERS, internal=False) as f:
        table = f.arguments["table"]
        runtime = f.load(PTR, f.at(table, f.integer(Slot.RUNTIME), PTR))
        repeat = f.load(I64, f.at(table, f.integer(Slot.REPEAT), PTR))
        fault = f.at(runtime, f.integer(FAULT // 8), I64)
        with f.loop(ZERO, repeat) as run:
            f.call_here("once", [table, f.arguments["thread"], f.arguments["threads"], run])
            if not schedule.alone:
                # The next run reads what this one wrote; and a fault must be seen by all threads alike.
                emit_barrier(f, schedule.target, runtime, f.arguments["threads"])
            if may_fault(schedule):
                wrong = f.icmp("ne", f.load(I64, fault), f.integer(0))
                if not schedule.alone:
                    # None may begin the next run, and fail in it, before all have looked at this one.
                    with f.when(f.icmp("slt", f.add(run, f.integer(1)), repeat)):
                        emit_barrier(f, schedule.target, runtime, f.arguments["threads"])
                f.leave(wrong)


def may_fault(schedule: Schedule) -> bool:
    """Tell whether a program can fail on its values."""
    return schedule.ordered.check > 0
