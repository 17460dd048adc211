"""A loop with a state: the kernels of its body, run once for each step.

The body is a schedule of its own. It finds its carries where the loop's results are, and updates them in place; what
the loop runs over, and what each step gives, lies one step after the other. Its arena is the loop's last result.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import nullcontext

from lamina.compiler.codegen.calls import (
    PARAMETERS,
    TOGETHER,
    Caller,
    KernelFunction,
    Shared,
    constant_data,
    emit_calls,
    places_in,
    pointers_to,
)
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.expressions import ZERO
from lamina.compiler.codegen.kernel_function import kernel_function
from lamina.compiler.codegen.module import Module
from lamina.compiler.codegen.schedule import Numbered, Schedule, is_loop, memory_of
from lamina.compiler.codegen.special.job import clear, copy
from lamina.compiler.codegen.values import I8, I64, PTR, Value
from lamina.compiler.graph import ir
from lamina.compiler.schedule.kernels import Kernel, Special
from lamina.compiler.schedule.memory import Place


def functions_of(
    module: Module, schedule: Schedule, name: str, numbers: Numbered, early: Collection[Kernel]
) -> list[KernelFunction]:
    """Write the functions of all kernels, and return them in the order of their calls.

    Loops that are ``early`` may be left before their last step: nothing outside of them has been updated.
    """
    return [
        _loop_function(module, schedule, kernel, f"{name}{number}", numbers, interruptible=kernel in early)
        if is_loop(kernel)
        else kernel_function(module, schedule, kernel, f"{name}{number}", numbers)
        for number, kernel in enumerate(schedule.ordered.kernels)
    ]


def _loop_function(
    module: Module, schedule: Schedule, kernel: Kernel, name: str, numbers: Numbered, *, interruptible: bool
) -> KernelFunction:
    assert isinstance(kernel, Special)
    loop, memory = kernel.value, memory_of(kernel, schedule)
    body: Schedule = loop.params["schedule"]
    calls = functions_of(module, body, f"{name}.", numbers, body.ordered.kernels if interruptible else ())
    places = places_in(memory)
    pointers = [(f"p{at}", PTR) for at in range(len(places))]
    with module.function(name, [*pointers, *PARAMETERS, *TOGETHER], notes="noinline") as f:
        found = pointers_to(f, memory)
        operands = [found[schedule.fused.arrays[each]] for each in loop.operands]
        _Loop(f, loop, operands, [found[each] for each in kernel.results]).write(calls, interruptible)
    return KernelFunction(kernel, schedule.ordered.shares[kernel], name, places, together=True)


class _Loop(Caller):
    """Writes the steps of a loop: calls of the kernels of its body, whose pointers come from the loop's own memory."""

    def __init__(self, f: Emitter, loop: ir.Value, operands: list[Value], results: list[Value]) -> None:
        shared = Shared(*(f.arguments[name] for name in ("runtime", "fault", "scratch", "callback")))
        super().__init__(f, loop.params["schedule"], shared)
        self._loop, self._operands, self._results = loop, operands, results
        self._constants, self._carries = int(loop.params["constants"]), int(loop.params["carries"])
        self._step = ZERO

    def write(self, calls: list[KernelFunction], interruptible: bool) -> None:
        """Write all of it."""
        f, params = self.f, self._loop.params
        length = count = f.integer(params["length"])
        if params["stops"]:
            count = f.intrinsic("smax", f.intrinsic("smin", f.load(I64, self._operands[0]), length), ZERO)
        with nullcontext() if self.schedule.alone else f.when(self.first):
            self._begin(length, count)
        self.barrier()
        with f.loop(ZERO, count) as number:
            self._step = f.sub(f.sub(count, f.integer(1)), number) if params["reverse"] else number
            emit_calls(self, calls)
            # The next step reads what this one wrote.
            if interruptible:
                self.meet_or_leave()
            else:
                self.barrier()

    def _begin(self, length: Value, count: Value) -> None:
        """Put the first carries where the last will be, and zeros where no step will be."""
        f = self.f
        for place in range(self._carries):
            first = self._constants + place
            copy(f, self._results[place], self._operands[first], self._loop.operands[first].nbytes)
        if self._loop.params["stops"]:
            for value, result in zip(self.schedule.fused.graph.outputs, self._results[self._carries :], strict=False):
                size = f.integer(value.nbytes)
                clear(f, f.at(result, f.mul(count, size), I8), f.mul(f.sub(length, count), size))

    def pointer(self, place: Place) -> Value:
        """Return where the body finds a value at this step."""
        graph, number = self.schedule.fused.graph, place.number
        match place.kind:
            case "arena":
                return self.f.at(self._results[-1], self.f.integer(number // 8), I64)
            case "input":
                if number < self._constants:
                    return self._operands[number]
                if number < self._constants + self._carries:
                    return self._results[number - self._constants]
                return self._at_step(self._operands[number], graph.inputs[number])
            case "output":
                return self._at_step(self._results[self._carries + number], graph.outputs[number])
        return constant_data(self.f, self.schedule, place)

    def _at_step(self, pointer: Value, value: ir.Value) -> Value:
        return self.f.at(pointer, self.f.mul(self._step, self.f.integer(value.nbytes)), I8)
