"""Lowering: from a graph to the text of a program, and what its caller must know to run it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NamedTuple

from lamina.compiler.codegen.elementwise import cost
from lamina.compiler.codegen.main_function import emit_program
from lamina.compiler.codegen.module import Module
from lamina.compiler.codegen.products import column_grain
from lamina.compiler.codegen.schedule import Schedule, lanes_in, may_fault, numbered
from lamina.compiler.codegen.special.kernel import SPECIAL
from lamina.compiler.graph.fallbacks import FALLBACKS
from lamina.compiler.graph.indexing import INDEXED
from lamina.compiler.graph.ir import CHECK, SCAN, Graph, Value, operation
from lamina.compiler.graph.passes.simplify import simplify
from lamina.compiler.schedule.costs import kernel_cost
from lamina.compiler.schedule.fused import COPY, Fused, Rules
from lamina.compiler.schedule.fusion import fuse
from lamina.compiler.schedule.kernels import Kernel
from lamina.compiler.schedule.memory import plan_memory
from lamina.compiler.schedule.order import Machine, order
from lamina.compiler.schedule.rounds import Rounds, rounds
from lamina.compiler.target import Target
from lamina.compiler.tracing.recomputation import has_failed_before
from lamina.dtypes import uint8
from lamina.primitives.primitive import Spec

WORTH_A_THREAD = 5000.0
"""Nanoseconds of work from which another thread is worth its part in the barriers."""
NEAR = 4
"""After how many times the second cache's bytes what was touched first is far away."""


INTERRUPTIBLE = 200e6
"""Nanoseconds of work from which a program looks, now and then, whether it is to end early.

A shorter one ends soon by itself, and running beside the thread that handles signals costs it its place in the caches:
7 % of a step of 30 ms.
"""


class Layout(NamedTuple):
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
    interruptible : bool
        Whether it can be ended early.
    index_faults : list of str
        What may be wrong with indices, in the order of the numbers of the faults.
    """

    arena: int
    scratch: int
    threads: int
    nanoseconds: float
    faults: bool
    fallbacks: bool
    interruptible: bool
    index_faults: list[str]


class Lowered(NamedTuple):
    """A program as LLVM IR.

    Attributes
    ----------
    module : Module
    layout : Layout
    schedule : Schedule
        What it was written from.
    """

    module: Module
    layout: Layout
    schedule: Schedule

    @property
    def ir(self) -> str:
        """The module as one text."""
        return str(self.module)


def lower(
    graph: Graph,
    target: Target,
    most_threads: int = 1024,
    *,
    profiled: bool = False,
    ready: Callable[[str], None] = lambda _: None,
) -> Lowered:
    """Return the program of a simplified graph.

    Parameters
    ----------
    graph : Graph
    target : Target
    most_threads : int
        With 1, the program is written for one thread: no shares, no barriers.
    profiled : bool
        Whether the program measures each of its kernels.
    ready : callable, optional
        Is given the text in parts, each a module, as soon as it is written.
    """
    schedule, nanoseconds = scheduled(graph, target, most_threads, profiled=profiled)
    numbers = numbered(schedule)
    layout = Layout(
        schedule.memory.arena,
        schedule.scratch,
        _worth(nanoseconds, most_threads),
        nanoseconds,
        may_fault(schedule),
        bool(numbers.fallbacks),
        # Python, where it computes something, has signals handled meanwhile.
        nanoseconds >= INTERRUPTIBLE and not numbers.fallbacks,
        numbers.index_faults,
    )
    return Lowered(emit_program(schedule, interruptible=layout.interruptible, ready=ready), layout, schedule)


def scheduled(
    graph: Graph, target: Target, most_threads: int = 1024, *, profiled: bool = False, inside: bool = False
) -> tuple[Schedule, float]:
    """Return the schedule of a simplified graph, and how many nanoseconds it should take one thread.

    In the body of a loop nothing waits for faults: what it writes is the loop's own, and looked for behind that.
    """
    graph = _with_bodies(graph, target, most_threads)
    fused = fuse(graph, Rules(_cost, _is_special))
    machine = Machine(
        lambda kernel: lanes_in(kernel, fused, target),
        _units,
        lambda value: not inside and _may_fault(value),
        lambda kernel: column_grain(kernel, target),
        NEAR * target.l2,
        late=not inside and _cost_of(fused.kernels, fused, target) >= INTERRUPTIBLE,
    )
    ordered = order(fused, machine)
    nanoseconds = _cost_of(ordered.kernels, fused, target)
    alone = _worth(nanoseconds, most_threads) == 1
    # A program of one thread uses memory again as soon as a kernel has read it.
    turns = [Rounds((kernel,)) for kernel in ordered.kernels] if alone else rounds(ordered, target)
    memory = plan_memory(fused, ordered, turns, alone=alone)
    return Schedule(fused, ordered, turns, memory, target, alone, profiled), nanoseconds


def _cost_of(kernels: Iterable[Kernel], fused: Fused, target: Target) -> float:
    return sum(kernel_cost(kernel, fused, target, _cost) for kernel in kernels)


def _worth(nanoseconds: float, most_threads: int) -> int:
    """Return how many threads are worth using."""
    return max(1, min(most_threads, int(nanoseconds / WORTH_A_THREAD)))


def _with_bodies(graph: Graph, target: Target, most_threads: int) -> Graph:
    """Return a graph whose loops have the schedules of their bodies, and memory for these as a last result."""
    loops = [value for value in graph.values() if value.op == SCAN]
    if not loops:
        return graph
    read = {each: set[int]() for each in loops}
    for value in graph.values():
        if value.op == "item" and value.operands[0] in read:
            read[value.operands[0]].add(value.params["index"])
    new: dict[Value, Value] = {}
    places: dict[Value, dict[int, int]] = {}
    for value in graph.values():
        operands = tuple(new[each] for each in value.operands)
        if value.op == SCAN:
            new[value], places[new[value]] = _scheduled_loop(value, operands, read[value], target, most_threads)
        elif value.op == "item" and operands[0] in places:
            index = places[operands[0]][value.params["index"]]
            new[value] = operation("item", operands, value.spec, {"index": index})
        elif operands != value.operands:
            new[value] = value.remade(operands)
        else:
            new[value] = value
    return graph.replaced(new)


def _scheduled_loop(
    loop: Value, operands: tuple[Value, ...], read: set[int], target: Target, most_threads: int
) -> tuple[Value, dict[int, int]]:
    """Return a loop with the schedule of its body, and the new number of each result; what nobody reads is left out."""
    carries = loop.params["carries"]
    kept = [index for index in range(len(loop.spec)) if index < carries or index in read]
    body: Graph = loop.params["body"]
    body = simplify(replace(body, outputs=tuple(body.outputs[index - carries] for index in kept[carries:])))
    schedule, nanoseconds = scheduled(body, target, most_threads, inside=True)
    memory = Spec((max(schedule.memory.arena, 1),), uint8)
    params = {**loop.params, "schedule": schedule, "nanoseconds": nanoseconds}
    made = operation(SCAN, operands, (*(loop.spec[index] for index in kept), memory), params)
    return made, {index: place for place, index in enumerate(kept)}


def _cost(op: str) -> int | None:
    return 1 if op == COPY else cost(op)


def _is_special(op: str) -> bool:
    return op in SPECIAL or op in FALLBACKS or op == SCAN


def _units(value: Value) -> int:
    if value.op == SCAN:
        # One thread runs it, or all do and divide each kernel of the body.
        return 1 if value.params["schedule"].alone else 2
    return 1 if value.op in FALLBACKS else SPECIAL[value.op].units(value)


def _may_fault(value: Value) -> bool:
    if value.op == SCAN:
        return any(map(_may_fault, value.params["body"].values()))
    if value.op in _FAULTY:
        return not has_failed_before(value)
    return value.op == "pow" and bool(value.dtype.kind == "signed")


_FAULTY = FALLBACKS | INDEXED | {CHECK}
