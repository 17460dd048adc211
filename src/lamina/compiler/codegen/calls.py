"""Calls of kernels, each on this thread's share, with barriers between phases."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple

from lamina.compiler.codegen.barrier import emit_barrier, emit_interrupted, emit_interruptible_barrier
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.expressions import ZERO
from lamina.compiler.codegen.schedule import Schedule
from lamina.compiler.codegen.values import I1, I8, I64, PTR, Value
from lamina.compiler.graph import ir
from lamina.compiler.schedule.kernels import Kernel
from lamina.compiler.schedule.memory import Place
from lamina.compiler.schedule.order import Share

PARAMETERS = [("begin", I64), ("end", I64), ("scratch", PTR), ("fault", PTR), ("callback", PTR)]
"""Of the function of every kernel, behind its pointers."""
TOGETHER = [("thread", I64), ("threads", I64), ("runtime", PTR)]
"""Further ones, of a function that all threads call."""


class KernelFunction(NamedTuple):
    """The function of a kernel, and what it is called with.

    Attributes
    ----------
    kernel : Kernel
    share : Share
    name : str
        Of the function; kernels that do the same share one.
    places : list of Place
        What its pointers lead to; see `places_in`.
    together : bool
        Whether all threads call it and divide its work themselves.
    """

    kernel: Kernel
    share: Share
    name: str
    places: list[Place]
    together: bool = False


def places_in(memory: Mapping[ir.Value, Place]) -> list[Place]:
    """Return what pointers a function is given: one for each place, as a variable is read and written through one."""
    return list(dict.fromkeys(memory.values()))


def pointers_to(f: Emitter, memory: Mapping[ir.Value, Place]) -> dict[ir.Value, Value]:
    """Return, inside of a function, the pointers to values."""
    number = {place: at for at, place in enumerate(places_in(memory))}
    return {value: f.arguments[f"p{number[place]}"] for value, place in memory.items()}


class Shared(NamedTuple):
    """Pointers that every kernel is given.

    Attributes
    ----------
    runtime, fault, callback : Value
        Those of the program.
    scratch : Value
        This thread's own.
    """

    runtime: Value
    fault: Value
    scratch: Value
    callback: Value


class Caller(ABC):
    """Writes calls of the kernels of a schedule, in a function that has ``thread`` and ``threads``.

    Parameters
    ----------
    f : Emitter
    schedule : Schedule
    shared : Shared
    """

    def __init__(self, f: Emitter, schedule: Schedule, shared: Shared) -> None:
        self.f = f
        self.schedule = schedule
        self.shared = shared
        self.first = f.icmp("eq", f.arguments["thread"], f.integer(0))
        self._passing = schedule.passing
        self.shares: dict[int, tuple[Value, Value]] = {}
        if not schedule.alone:
            for kernel in schedule.ordered.kernels:
                self._share(schedule.ordered.shares[kernel])

    @abstractmethod
    def pointer(self, place: Place) -> Value:
        """Return the address of a place.

        It is asked at each call: hundreds of addresses that are kept from the start of a program on take LLVM longer
        than all calls, and are read from the stack there.
        """

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

    def call(self, call: KernelFunction, part: tuple[Value, Value] | None = None) -> None:
        """Write the call of a kernel for this thread's share, or a part of that."""
        f, shared = self.f, self.shared
        begin, end = part or self._share(call.share)
        one = call.share.units == 1 and not self.schedule.alone
        given = [self._pointer_to(place, begin) for place in call.places]
        with f.when(self.first) if one else nullcontext(), self.timed(call):
            rest = [begin, end, shared.scratch, shared.fault, shared.callback]
            if call.together:
                rest += [f.arguments["thread"], f.arguments["threads"], shared.runtime]
            f.call_here(call.name, [*given, *rest])

    def _pointer_to(self, place: Place, first: Value) -> Value:
        if place.kind != "passing":
            return self.pointer(place)
        # Kernels count units from the first of all; of these there are only those of a turn.
        f = self.f
        here = f.sub(f.integer(self._passing + place.number), f.mul(first, f.integer(place.step)))
        return f.at(self.shared.scratch, here, I8)

    def by_turns(self, calls: Sequence[KernelFunction], units: int, *, early: bool = False) -> None:
        """Write calls of kernels that take turns over so many units of their share, which is the same for all.

        With ``early``, turns are left out if the program is to end early.
        """
        f = self.f
        begin, end = self._share(calls[0].share)
        with f.loop(begin, end, units) as first:
            part = first, f.intrinsic("smin", f.add(first, f.integer(units)), end)
            with self.unless_interrupted() if early else nullcontext():
                for call in calls:
                    self.call(call, part)

    def barrier(self) -> None:
        """Let the threads meet, where there are several."""
        if not self.schedule.alone:
            emit_barrier(self.f, self.shared.runtime, self.f.arguments["threads"])

    def meet_or_leave(self) -> None:
        """Leave the function if the program is to end early, all threads or none."""
        f, runtime = self.f, self.shared.runtime
        if self.schedule.alone:
            f.leave(emit_interrupted(f, runtime))
        else:
            f.leave(emit_interruptible_barrier(f, runtime, f.arguments["threads"]))

    @contextmanager
    def unless_interrupted(self) -> Iterator[None]:
        """Leave what is written inside out if the program is to end early; at the next barrier all threads leave."""
        with self.f.when(self.f.binary("xor", emit_interrupted(self.f, self.shared.runtime), self.f.integer(1, I1))):
            yield

    def timed(self, call: KernelFunction) -> AbstractContextManager[None]:
        """Surround the call of a kernel; nothing here."""
        return nullcontext()


def emit_calls(caller: Caller, calls: Sequence[KernelFunction], early: Collection[Kernel] = ()) -> None:
    """Write the calls of all kernels, in order; those that are ``early`` are left out if the program is to end."""
    f, schedule = caller.f, caller.schedule
    ordered = schedule.ordered
    phase = 0
    checked = ordered.check == 0
    found = {call.kernel: call for call in calls}
    for number, turns in enumerate(schedule.turns):
        wanted = ordered.phases[turns.kernels[0]]
        before = schedule.turns[number - 1].kernels[0] if number else None
        if before in early and (wanted > phase or schedule.alone):
            caller.meet_or_leave()
        elif wanted > phase:
            caller.barrier()
        if wanted >= ordered.check and not checked:
            f.leave(f.icmp("ne", f.load(I64, caller.shared.fault), f.integer(0)))
            checked = True
        phase = wanted
        group = [found[kernel] for kernel in turns.kernels]
        if turns.units:
            caller.by_turns(group, turns.units, early=turns.kernels[0] in early)
            continue
        for call in group:
            # What all threads do together, they leave together.
            apart = call.kernel in early and not call.together
            with caller.unless_interrupted() if apart else nullcontext():
                caller.call(call)


def constant_data(f: Emitter, schedule: Schedule, place: Place) -> Value:
    """Return a pointer to a constant of a schedule."""
    constants = [value for value in schedule.fused.views if value.op == "constant"]
    return f.module.data(constants[place.number].params["array"].tobytes())
