"""Memory: one arena for all values that live inside a program, planned by when each is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from lamina.compiler.graph.ir import Value, in_order
from lamina.compiler.schedule.fused import Fused
from lamina.compiler.schedule.kernels import Kernel, Special
from lamina.compiler.schedule.order import Ordered
from lamina.compiler.schedule.rounds import Rounds, passing
from lamina.ownership import CACHE_LINE, PAGE, place_in_page

ALIGNMENT = CACHE_LINE
"""Bytes: so that no two values share one, and every vector of a value's start is aligned."""


class Place(NamedTuple):
    """Where a value lies.

    Attributes
    ----------
    kind : {"input", "output", "arena", "constant", "passing"}
    number : int
        Which input, output or constant; bytes from the start of the arena, or of what a thread has for passing values.
    step : int
        Of a passing value, of which there are a few units only: bytes of each.
    """

    kind: Literal["input", "output", "arena", "constant", "passing"]
    number: int
    step: int = 0


@dataclass(eq=False)
class Memory:
    """The places of all values that lie in memory, the bytes of the arena, and of each thread's passing values."""

    places: dict[Value, Place] = field(default_factory=dict)
    arena: int = 0
    passing: int = 0


@dataclass(eq=False, slots=True)
class _Block:
    value: Value
    size: int
    first: int
    last: int
    offset: int = 0


def plan_memory(fused: Fused, ordered: Ordered, turns: Sequence[Rounds], *, alone: bool) -> Memory:
    """Return where every value lies.

    Values share memory where the last reading of one comes before the first writing of the other: in an earlier
    kernel when one thread runs ``alone``, in an earlier phase when threads run side by side.
    """
    memory = Memory()
    graph = fused.graph
    for number, value in enumerate(graph.inputs):
        memory.places[value] = Place("input", number)
    for number, value in enumerate(graph.outputs):
        memory.places[value] = Place("output", number)
    for update in ordered.in_place:
        memory.places[update.value] = Place("input", update.input)
    constants = 0
    for value in fused.views:
        if value.op == "constant":
            memory.places[value] = Place("constant", constants)
            constants += 1
    for each in turns:
        _let_pass(each, fused, ordered, memory)
    memory.arena = _arranged(_blocks(fused, ordered, memory, alone), memory)
    return memory


def _let_pass(turns: Rounds, fused: Fused, ordered: Ordered, memory: Memory) -> None:
    """Give what is needed for a turn only a small place, which stays in cache from turn to turn."""
    offset = 0
    for value in passing(turns, fused, ordered):
        step = value.nbytes // ordered.shares[turns.kernels[0]].units
        memory.places[value] = Place("passing", offset, step)
        offset += -(-step * turns.units // ALIGNMENT) * ALIGNMENT
    memory.passing = max(memory.passing, offset)


def _blocks(fused: Fused, ordered: Ordered, memory: Memory, alone: bool) -> list[_Block]:
    time = {kernel: at if alone else ordered.phases[kernel] for at, kernel in enumerate(ordered.kernels)}
    blocks: dict[Value, _Block] = {}

    def use(value: Value, kernel: Kernel) -> None:
        if value in memory.places:
            return
        block = blocks.get(value)
        if block is None:
            writers = [time[each] for each in fused.home[value]]
            size = -(-value.nbytes // ALIGNMENT) * ALIGNMENT
            block = blocks[value] = _Block(value, size, min(writers), max(writers))
        block.last = max(block.last, time[kernel])

    for kernel in ordered.kernels:
        # In an order that does not differ from run to run, so that the same graph gives the same program.
        for base in in_order({read.base for read in ordered.reads[kernel]}):
            use(base, kernel)
        if isinstance(kernel, Special):
            for result in kernel.results:
                use(result, kernel)
    return list(blocks.values())


def _arranged(blocks: list[_Block], memory: Memory) -> int:
    """Give every block its place, the largest first, each as low as those it lives with leave room.

    Those of a page and more begin at different places of a page: their sizes are often powers of two, and all would
    begin alike.
    """
    placed: list[_Block] = []
    total = 0
    for number, block in enumerate(sorted(blocks, key=lambda each: -each.size)):
        start = place_in_page(number) if block.size >= PAGE else 0
        period = PAGE if block.size >= PAGE else ALIGNMENT
        neighbours = sorted(
            (each for each in placed if each.first <= block.last and block.first <= each.last),
            key=lambda each: each.offset,
        )
        offset = start
        for each in neighbours:
            if offset + block.size <= each.offset:
                break
            end = max(offset, each.offset + each.size)
            offset = end + (start - end) % period
        block.offset = offset
        placed.append(block)
        total = max(total, offset + block.size)
        memory.places[block.value] = Place("arena", offset)
    return total
