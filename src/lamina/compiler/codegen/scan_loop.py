"""A loop with a state: the kernels of its body, run once for each step.

The body is a schedule of its own. It finds its carries where the loop's results are, and updates them in place; what
the loop runs over, and what each step gives, lies one step after the other. Its arena is the loop's last result.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from contextlib import nullcontext

from lamina.compiler.codegen.calls import Called, Caller, Shared, constant_data, emit_calls
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.expressions import ZERO
from lamina.compiler.codegen.kernel_function import KernelFunction
from lamina.compiler.codegen.module import Module
from lamina.compiler.codegen.schedule import Numbered, Schedule, is_loop, memory_of
from lamina.compiler.codegen.special.job import clear, copy, least, most
from lamina.compiler.codegen.values import I8, I64, PTR, Value
from lamina.compiler.graph import ir
from lamina.compiler.schedule.kernels import Kernel, Special
from lamina.compiler.schedule.memory import Place


def functions_of(
    module: Module, schedule: Schedule, name: str, numbers: Numbered, early: Collection[Kernel]
) -> list[Called]:
    """Write the functions of all kernels, and return them in the order of their calls.

    Loops that are ``early`` may be left before their last step: nothing outside of them has been updated.
    """
    return [
        LoopFunction(module, schedule, kernel, f"{name}{number}", numbers, interruptible=kernel in early)
        if is_loop(kernel)
        else KernelFunction(module, schedule, kernel, f"{name}{number}", numbers)
        for number, kernel in enumerate(schedule.ordered.kernels)
    ]


class LoopFunction:
    """The function of a loop; see `lamina.compiler.codegen.calls.Called`."""

    together = True

    def __init__(
        self,
        module: Module,
        schedule: Schedule,
        kernel: Kernel,
        name: str,
        numbers: Numbered,
        *,
        interruptible: bool,
    ) -> None:
        assert isinstance(kernel, Special)
        assert kernel.value is not None
        self.kernel = kernel
        self.share = schedule.ordered.shares[kernel]
        self.name = name
        self._value = kernel.value
        self._body: Schedule = kernel.value.params["schedule"]
        memory = memory_of(kernel, schedule)
        self.places = list(dict.fromkeys(memory.values()))
        self._interruptible = interruptible
        calls = functions_of(
            module, self._body, f"{name}.", numbers, self._body.ordered.kernels if interruptible else ()
        )
        pointers = [(f"p{at}", PTR) for at in range(len(self.places))]
        rest = [("begin", I64), ("end", I64), ("scratch", PTR), ("fault", PTR), ("callback", PTR)]
        team = [("thread", I64), ("threads", I64), ("runtime", PTR)]
        with module.function(name, [*pointers, *rest, *team], notes="noinline") as f:
            names = {place: f.arguments[f"p{at}"] for at, place in enumerate(self.places)}
            self._operands: list[Value] = [names[memory[schedule.fused.arrays[each]]] for each in self._value.operands]
            self._results: list[Value] = [names[memory[each]] for each in kernel.results]
            self._emit(f, calls)

    def _emit(self, f: Emitter, calls: list[Called]) -> None:
        params, arguments = self._value.params, f.arguments
        shared = Shared(arguments["runtime"], arguments["fault"], arguments["scratch"], arguments["callback"])
        caller = Caller(f, self._body, shared, lambda place: self._pointer(f, place, step))
        length = f.integer(params["length"])
        count = most(f, least(f, f.load(I64, self._operands[0]), length), ZERO) if params["stops"] else length
        with nullcontext() if self._body.alone else f.when(caller.first):
            for place in range(params["carries"]):
                first = self._value.operands[params["constants"] + place]
                copy(f, self._results[place], self._operands[params["constants"] + place], _size(first))
            if params["stops"]:
                for place, value in enumerate(self._body.fused.graph.outputs):
                    size = f.integer(_size(value))
                    result = self._results[params["carries"] + place]
                    clear(f, f.at(result, f.mul(count, size), I8), f.mul(f.sub(length, count), size))
        caller.barrier()
        with f.loop(ZERO, count) as number:
            step = f.sub(f.sub(count, f.integer(1)), number) if params["reverse"] else number
            emit_calls(caller, calls)
            # The next step reads what this one wrote.
            if self._interruptible:
                caller.meet_or_leave()
            else:
                caller.barrier()

    def _pointer(self, f: Emitter, place: Place, step: Value) -> Value:
        params, graph = self._value.params, self._body.fused.graph
        constants, carries = int(params["constants"]), int(params["carries"])
        match place.kind:
            case "arena":
                return f.at(self._results[-1], f.integer(place.number // 8), I64)
            case "input":
                if place.number < constants:
                    return self._operands[place.number]
                if place.number < constants + carries:
                    return self._results[place.number - constants]
                return _at_step(f, self._operands[place.number], graph.inputs[place.number], step)
            case "output":
                return _at_step(f, self._results[carries + place.number], graph.outputs[place.number], step)
        return constant_data(f, self._body, place)


def _at_step(f: Emitter, pointer: Value, value: ir.Value, step: Value) -> Value:
    return f.at(pointer, f.mul(step, f.integer(_size(value))), I8)


def _size(value: ir.Value) -> int:
    return math.prod(value.shape) * int(value.dtype.itemsize)
