"""What code is written from: kernels in their order, where values lie, and the processor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from lamina.compiler.codegen.products import product_scratch
from lamina.compiler.codegen.special.kernel import SPECIAL
from lamina.compiler.graph import ir
from lamina.compiler.graph.fallbacks import FALLBACKS
from lamina.compiler.graph.indexing import INDEXED, out_of_range
from lamina.compiler.schedule.accesses import Read, expressions
from lamina.compiler.schedule.fused import Fused
from lamina.compiler.schedule.kernels import Convolution, Kernel, Loops, MatrixProduct, Special
from lamina.compiler.schedule.memory import Memory, Place
from lamina.compiler.schedule.order import Ordered
from lamina.compiler.schedule.rounds import Rounds
from lamina.compiler.target import Target
from lamina.dtypes import bool_
from lamina.forking import forks_wait


@dataclass(frozen=True)
class Schedule:
    """All that code is written from."""

    fused: Fused
    ordered: Ordered
    turns: list[Rounds]
    memory: Memory
    target: Target
    alone: bool
    """Whether the program runs in one thread only."""
    profiled: bool = False
    """Whether the program measures each kernel."""

    @property
    def scratch(self) -> int:
        """Bytes of scratch memory that one thread needs: that of a kernel, and behind it passing values."""
        return self.passing + self.memory.passing

    @property
    def passing(self) -> int:
        """Where passing values begin in a thread's scratch memory."""
        return max([scratch_of(kernel, self.target) for kernel in self.ordered.kernels], default=0)


def scratch_of(kernel: Kernel, target: Target) -> int:
    """Return the bytes of scratch memory that one thread needs for a kernel, in whole cache lines."""
    if isinstance(kernel, MatrixProduct):
        size = product_scratch(kernel, target)
    elif isinstance(kernel, Convolution):
        # Their code takes a tenth of the generator's time to load, and few programs have any.
        with forks_wait():
            from lamina.compiler.codegen.convolutions import convolution_scratch

        size = convolution_scratch(kernel, target)
    elif is_loop(kernel):
        assert isinstance(kernel, Special)
        size = kernel.value.params["schedule"].scratch
    elif isinstance(kernel, Special) and kernel.value.op in SPECIAL:
        size = SPECIAL[kernel.value.op].scratch(kernel.value)
    else:
        return 0
    return -(-size // 64) * 64


def is_loop(kernel: Kernel) -> bool:
    """Tell whether a kernel is a loop with a state, which has a schedule of its own."""
    return isinstance(kernel, Special) and kernel.value.op == ir.SCAN


class Numbered(NamedTuple):
    """What a program names by numbers to its caller, also from inside of loops.

    Attributes
    ----------
    fallbacks : list of Value
        The operations that Python computes.
    index_faults : list of str
        What may be wrong with indices.
    """

    fallbacks: list[ir.Value]
    index_faults: list[str]


def numbered(schedule: Schedule) -> Numbered:
    """Return what a program names by numbers."""
    own = [kernel.value for kernel in schedule.fused.kernels if isinstance(kernel, Special)]
    found = Numbered(
        [value for value in own if value.op in FALLBACKS],
        [out_of_range(value) for value in schedule.fused.graph.values() if value.op in INDEXED],
    )
    for value in own:
        if value.op == ir.SCAN:
            inner = numbered(value.params["schedule"])
            found.fallbacks.extend(inner.fallbacks)
            found.index_faults.extend(inner.index_faults)
    return Numbered(found.fallbacks, list(dict.fromkeys(found.index_faults)))


def memory_of(kernel: Kernel, schedule: Schedule) -> dict[ir.Value, Place]:
    """Return what a kernel reads and writes in memory, with where it lies: in the order of its own operations.

    So the functions of two kernels have the same parameters if they do the same.
    """
    places = schedule.memory.places
    values: list[ir.Value] = [read.base for read in schedule.ordered.reads[kernel]]
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


def before_updates(schedule: Schedule) -> set[Kernel]:
    """Return the kernels that have run, in every thread, before the first that updates an input begins."""
    ordered = schedule.ordered
    writers = {schedule.fused.home[update.value][0] for update in ordered.in_place}
    first = next((number for number, kernel in enumerate(ordered.kernels) if kernel in writers), None)
    if first is None:
        return set(ordered.kernels)
    if schedule.alone:
        return set(ordered.kernels[:first])
    phase = ordered.phases[ordered.kernels[first]]
    return {kernel for kernel in ordered.kernels if ordered.phases[kernel] < phase}


def may_fault(schedule: Schedule) -> bool:
    """Tell whether a program can fail on its values."""
    return schedule.ordered.check > 0
