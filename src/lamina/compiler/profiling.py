"""Profiling: the time of each kernel, measured by the program itself with the processor's clock."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.compiler.codegen.emitter import FLOAT, I64, PTR, Emitter, Module
from lamina.compiler.graph.ir import Graph
from lamina.compiler.graph.passes.simplify import simplify
from lamina.compiler.inspection import KernelReport, reports
from lamina.compiler.lowering import lower
from lamina.compiler.runtime.native import assemble, load
from lamina.compiler.runtime.native_program import NativeProgram
from lamina.compiler.runtime.table import Slot
from lamina.compiler.runtime.threads import get_num_threads
from lamina.compiler.target import Target, host

NDArray = npt.NDArray[Any]

_LONG_ENOUGH = 0.05
"""Seconds of running over which kernels are averaged."""


def profile(graph: Graph, inputs: Sequence[NDArray], outputs: Sequence[NDArray]) -> list[KernelReport]:
    """Run a program on arrays many times and return a report of each kernel, with its mean time.

    The arrays that it updates are changed: give it copies. A kernel's time is that of its slowest thread.
    """
    target = host()
    made = lower(simplify(graph), target, profiled=True)
    kernels = len(made.schedule.ordered.kernels)
    program = NativeProgram(
        load(assemble(made.ir, target)), made.layout.as_dict(), len(graph.inputs), len(graph.outputs)
    )
    ticks = np.zeros((max(get_num_threads(), 1), kernels), np.int64)
    program.table[Slot.PROFILE] = ticks.ctypes.data
    program(inputs, outputs, 1)
    ticks[:] = 0
    runs, start, first = 0, time.perf_counter(), _cycles()
    while time.perf_counter() - start < _LONG_ENOUGH:
        program(inputs, outputs, 1)
        runs += 1
    seconds_a_tick = (time.perf_counter() - start) / max(_cycles() - first, 1)
    return reports(made.schedule, ticks.max(axis=0) * seconds_a_tick / runs)


def _cycles() -> int:
    return int(_clock()())


_kept: list[Any] = []


def _clock() -> Any:
    """Return a native function that reads the processor's clock."""
    if not _kept:
        module = Module(host().triple)
        with module.function("clock", [("into", PTR)], internal=False) as f:
            f.store(f.call("llvm.readcyclecounter", I64), f.arguments["into"])
        code = load(assemble(str(module), host()))
        place = ctypes.c_int64()
        native = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(code.address("clock"))

        def read() -> int:
            native(ctypes.addressof(place))
            return place.value

        _kept.extend((read, code))
    return _kept[0]


# --- the machine's peak ---------------------------------------------------------------------------------------


def peak_flops(target: Target | None = None) -> float:
    """Return the float32 arithmetic that one core does in a second at most, measured: independent fused operations."""
    target = target or host()
    lanes, chains, steps = target.lanes(32), 14 if target.registers >= 32 else 10, 200_000
    module = Module(target.triple)
    with module.function("peak", [("into", PTR)], internal=False) as f:
        _emit_chains(f, lanes, chains, steps)
    code = load(assemble(str(module), target))
    native = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code.address("peak"))
    result = np.zeros(lanes, np.float32)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        native(result.ctypes.data)
        best = min(best, time.perf_counter() - start)
    return 2.0 * lanes * chains * steps / best


def _emit_chains(f: Emitter, lanes: int, chains: int, steps: int) -> None:
    wide = FLOAT.of(lanes)
    start = f.load(wide, f.arguments["into"])
    totals = [f.variable(start) for _ in range(chains)]
    with f.loop(f.integer(0), f.integer(steps)):
        for total in totals:
            f.set(total, f.multiply_add(f.get(total), f.floating(0.5, wide), start))
    result = f.get(totals[0])
    for total in totals[1:]:
        result = f.fadd(result, f.get(total))
    f.store(result, f.arguments["into"])
