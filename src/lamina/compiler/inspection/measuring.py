"""Measuring: a program runs many times on copies, and adds up the ticks of its own kernels."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.backends.protocol import numpy_dtype
from lamina.compiler.building import assembled, build, fallback_of
from lamina.compiler.codegen.main_function import tick_stride
from lamina.compiler.codegen.program_table import Slot
from lamina.compiler.graph.ir import Graph
from lamina.compiler.inspection.kernels import KernelReport, reports
from lamina.compiler.inspection.peak import clock, peak_flops
from lamina.compiler.inspection.profile import KernelTime, Profile
from lamina.compiler.lowering import Lowered
from lamina.compiler.runtime.loading import load
from lamina.compiler.runtime.native_program import SIGNALS, NativeProgram
from lamina.compiler.runtime.threads import get_num_threads

NDArray = npt.NDArray[Any]

_BATCH = 1e-3
"""Seconds of runs in a row that are measured as one, before the inputs are what they were again: a step that is
repeated for long leads to numbers, such as denormal ones, that no user's step computes with."""
_KEPT = 10
"""The fastest batch of so many counts: whatever else the machine does makes runs slower, never faster."""
_NOTHING = 0.005
"""The part of a run up to which it does not matter that kernels are measured."""
_LONG = 0.01
"""Seconds of a run from which it does not matter whether threads were asleep before."""
_OUTPUTS = 1 << 18
"""Bytes of outputs up to which runs are made in a row; more would leave the caches that a single run's stay in."""


def measured(name: str, graph: Graph, labels: Sequence[str], inputs: Sequence[NDArray], seconds: float) -> Profile:
    """Run a traced graph again and again, and return where its time goes.

    A program that measures its kernels says how long each takes. Where that makes a difference to the whole, the
    program as it is runs in turns with it, and gives the time of a run.

    Parameters
    ----------
    name : str
    graph : Graph
    labels : sequence of str
        Names of its inputs.
    inputs : sequence of array
        Its inputs, C-contiguous. Those that it updates are written to.
    seconds : float
        How long to go on.
    """
    made, objects = assembled(graph, profiled=True)
    bench = _Bench(graph, made, objects, inputs)
    batches = bench.batches(seconds)
    kept = -(-len(batches) // _KEPT)
    total = float(np.mean(sorted(each.plain for each in batches)[:kept]))
    fastest = sorted(batches, key=lambda each: each.measured)[:kept]
    ticks = np.mean([each.kernels for each in fastest], axis=0)
    kernels = np.maximum(ticks - clock().inside * (ticks > 0), 0.0) * bench.seconds_a_tick
    busiest = float(kernels.sum(axis=1).max())
    waiting = max(total - busiest, 0.0)
    found = [
        _timed(report, float(taken), busiest + waiting, bench.threads)
        for report, taken in zip(reports(made.schedule, labels), kernels.max(axis=0), strict=True)
    ]
    return Profile(name, tuple(found), total, waiting, bench.threads, peak_flops(32), kept * bench.repeat)


def _timed(report: KernelReport, seconds: float, total: float, threads: int) -> KernelTime:
    counted = report.flops and "float" in report.dtype
    peak = threads * peak_flops(64 if report.dtype == "float64" else 32) if counted else None
    known = {each.name: getattr(report, each.name) for each in fields(report)}
    return KernelTime(**known, seconds=seconds, share=seconds / total if total else 0.0, peak=peak)


@dataclass(frozen=True)
class _Batch:
    """Seconds of a run, as it is and when it is measured, and ticks of each kernel, thread by thread."""

    plain: float
    measured: float
    kernels: NDArray


class _Bench:
    """A program and its twin that measures itself, with memory to run on."""

    def __init__(self, graph: Graph, made: Lowered, objects: Sequence[bytes], inputs: Sequence[NDArray]) -> None:
        inside = NativeProgram(
            load(*objects),
            made.layout._asdict(),
            len(graph.inputs),
            len(graph.outputs),
            fallback_of(made),
        )
        self._programs: tuple[NativeProgram, ...] = build(graph), inside
        # Fixed now, as the ticks have room for so many.
        self.threads = min(made.layout.threads, get_num_threads())
        for program in self._programs:
            program.use_all_threads()
        self._kernels = len(made.schedule.ordered.kernels)
        self._room, self._ticks = _on_a_line(self.threads, tick_stride(self._kernels))
        inside.table[Slot.PROFILE] = self._ticks.ctypes.data
        self._restored = [(inputs[each.input], inputs[each.input].copy()) for each in graph.updates]
        self._specs = [(value.shape, numpy_dtype(value.dtype)) for value in graph.outputs]
        self._inputs = inputs
        self._wakes = True
        self.repeat, self.seconds_a_tick = 1, 0.0

    def batches(self, seconds: float) -> list[_Batch]:
        """Return measurements for so long, two at least."""
        self._make_room(1)
        self._programs[1].run(1)
        once = self._timed(self._programs[1])
        self._wakes = once < _LONG
        if self._kernels * clock().seconds < _NOTHING * once:
            self._programs = self._programs[1:]
        outputs = sum(math.prod(shape) * dtype.itemsize for shape, dtype in self._specs)
        self._make_room(max(1, min(int(_BATCH / max(once, 1e-9)), _OUTPUTS // max(outputs, 1))))
        found: list[_Batch] = []
        start, first = time.perf_counter(), clock().now()
        while len(found) < 2 or time.perf_counter() - start < seconds:
            found.append(self._batch())
        self.seconds_a_tick = (time.perf_counter() - start) / max(clock().now() - first, 1)
        return found

    def _make_room(self, repeat: int) -> None:
        self.repeat = repeat
        self._outputs = [np.zeros((repeat, *shape), dtype) for shape, dtype in self._specs]
        for program in self._programs:
            for place, array in enumerate([*self._inputs, *self._outputs], Slot.FIRST):
                program.table[place] = array.ctypes.data

    def _batch(self) -> _Batch:
        # The last is the one that measures itself; it may be the only one.
        times = [self._timed(program) for program in self._programs]
        return _Batch(times[0], times[-1], self._ticks[:, : self._kernels] / self.repeat)

    def _timed(self, program: NativeProgram) -> float:
        """Return the seconds of a run, from where the inputs began."""
        for array, first in self._restored:
            np.copyto(array, first)
        if self._wakes:
            # The threads, and what was restored: it comes into the caches.
            program.run(1, SIGNALS)
        self._ticks[:] = 0
        start = time.perf_counter()
        program.run(self.repeat, SIGNALS)
        return (time.perf_counter() - start) / self.repeat


def _on_a_line(threads: int, counts: int) -> tuple[NDArray, NDArray]:
    """Return memory, and in it the counts of each thread, which begin on a cache line."""
    room = np.zeros(threads * counts + 8, np.int64)
    first = -room.ctypes.data % 64 // 8
    return room, room[first : first + threads * counts].reshape(threads, counts)
