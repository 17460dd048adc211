"""Lowering: from a graph to the text of a program, and what its caller must know to run it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from lamina.compiler.codegen.elementwise import ELEMENTWISE, cost
from lamina.compiler.codegen.main_function import emit_program
from lamina.compiler.codegen.products import column_grain
from lamina.compiler.codegen.schedule import Schedule, fallbacks, index_faults, lanes_in, may_fault
from lamina.compiler.codegen.special.kernel import SPECIAL
from lamina.compiler.graph.indexing import INDEXED
from lamina.compiler.graph.ir import CHECK, Graph, Value
from lamina.compiler.runtime.fallback import FALLBACKS
from lamina.compiler.schedule.costs import kernel_cost
from lamina.compiler.schedule.fused import COPY, Rules
from lamina.compiler.schedule.fusion import fuse
from lamina.compiler.schedule.memory import plan_memory
from lamina.compiler.schedule.order import Machine, order
from lamina.compiler.target import Target

WORTH_A_THREAD = 5000.0
"""Nanoseconds of work from which another thread is worth its part in the barriers."""


@dataclass(frozen=True)
class Layout:
    """What a caller must know of a program; kept with its machine code.

    Attributes
    ----------
    arena, scratch : int
        Bytes of memory: of the program, and of each of its threads.
    threads : int
        How many threads are worth using.
    nanoseconds : float
        How long it should take one thread, roughly.
    faults : bool
        Whether it may fail on its values.
    fallbacks : bool
        Whether Python computes some of it.
    index_faults : list of str
        What may be wrong with indices, in the order of the numbers of the faults.
    """

    arena: int
    scratch: int
    threads: int
    nanoseconds: float
    faults: bool
    fallbacks: bool
    index_faults: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Return the layout as JSON can hold it."""
        return asdict(self)


@dataclass(frozen=True)
class Lowered:
    """A program as LLVM IR.

    Attributes
    ----------
    ir : str
    layout : Layout
    schedule : Schedule
        What it was written from.
    """

    ir: str
    layout: Layout
    schedule: Schedule = field(repr=False)


def lower(graph: Graph, target: Target, most_threads: int = 1024, *, profiled: bool = False) -> Lowered:
    """Return the program of a simplified graph.

    Parameters
    ----------
    graph : Graph
    target : Target
    most_threads : int
        With 1, the program is written for one thread: no shares, no barriers.
    profiled : bool
        Whether the program measures each of its kernels.
    """
    fused = fuse(graph, Rules(_cost, _is_special))
    machine = Machine(
        lambda kernel: lanes_in(kernel, fused, target), _units, _may_fault, lambda kernel: column_grain(kernel, target)
    )
    ordered = order(fused, machine)
    nanoseconds = sum(kernel_cost(kernel, fused, target, _cost) for kernel in ordered.kernels)
    threads = max(1, min(most_threads, int(nanoseconds / WORTH_A_THREAD)))
    memory = plan_memory(fused, ordered, alone=threads == 1)
    schedule = Schedule(fused, ordered, memory, target, threads == 1, profiled)
    layout = Layout(
        memory.arena,
        schedule.scratch,
        threads,
        nanoseconds,
        may_fault(schedule),
        bool(fallbacks(fused)),
        index_faults(fused),
    )
    return Lowered(str(emit_program(schedule)), layout, schedule)


def _cost(op: str) -> int | None:
    return 1 if op == COPY else cost(op) if op in ELEMENTWISE else None


def _is_special(op: str) -> bool:
    return op in SPECIAL or op in FALLBACKS


def _units(value: Value) -> int:
    return 1 if value.op in FALLBACKS else SPECIAL[value.op].units(value)


def _may_fault(value: Value) -> bool:
    return value.op in _FAULTY or (value.op == "pow" and value.dtype.kind == "signed")


_FAULTY = FALLBACKS | INDEXED | {CHECK}
