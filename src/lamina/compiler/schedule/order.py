"""Order: which kernel runs after which, how each is shared out among threads, and where the threads must meet.

Every thread runs all kernels, each on its share of the units of work, mostly rows of the result. Two kernels need no
barrier between them where a thread reads only what it wrote itself: the same share of rows. Kernels are put into
phases; the threads meet between phases, and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from lamina.compiler.graph.indexing import looked_at_before
from lamina.compiler.graph.ir import Update, Value, operation
from lamina.compiler.schedule.accesses import Read, expressions, reads
from lamina.compiler.schedule.fused import COPY, Fused
from lamina.compiler.schedule.kernels import Contraction, Convolution, Kernel, Loops, MatrixProduct, Special
from lamina.compiler.schedule.phases import Ties, into_phases
from lamina.compiler.schedule.views import squeezed
from lamina.errors import BackendError

SMALL = 1 << 16
"""Up to how many elements an update of its own is put off to the end of a long program."""
CHUNKED = 2048
"""From how many elements a single loop is shared out in whole vectors, not in elements."""


class Share(NamedTuple):
    """How a kernel's work is divided.

    Attributes
    ----------
    units : int
        How many there are; 1 is work for one thread.
    loop : int or None
        The loop that the units divide; None for a primitive with units of its own.
    grain : int
        How many steps of that loop are a unit.
    """

    units: int
    loop: int | None
    grain: int = 1


@dataclass(eq=False)
class Ordered:
    """The kernels in the order in which they run.

    Attributes
    ----------
    kernels : list of Kernel
    shares : dict of Kernel to Share
    phases : dict of Kernel to int
        The threads meet before a kernel of a later phase.
    reads : dict of Kernel to set of Read
    after : dict of Kernel to set of Kernel
        Which others a kernel is in a later phase than, whatever it reads of them.
    in_place : list of Update
        The updates whose kernels write the input's memory themselves; all of them, after copies were added.
    check : int
        The phase before which faults are looked for: nothing is updated earlier.
    """

    kernels: list[Kernel]
    shares: dict[Kernel, Share]
    phases: dict[Kernel, int] = field(default_factory=dict)
    reads: dict[Kernel, list[Read]] = field(default_factory=dict)
    after: dict[Kernel, set[Kernel]] = field(default_factory=dict)
    in_place: list[Update] = field(default_factory=list)
    check: int = 0


class Machine(NamedTuple):
    """What the order depends on beside the graph.

    Attributes
    ----------
    lanes : callable
        How many elements a kernel works on at once.
    units : callable
        How many units of work a primitive with an algorithm of its own has.
    faults : callable
        Whether an operation may fail on its values.
    columns : callable
        How many columns of a product are a unit of work; 0 where it is better shared out by rows.
    room : float
        After how many bytes read and written what was read or written first is no longer near.
    late : bool
        Whether updates are put off to the end where that costs little: until then a program can be ended.
    """

    lanes: Callable[[Kernel], int]
    units: Callable[[Value], int]
    faults: Callable[[Value], bool]
    columns: Callable[[MatrixProduct], int] = lambda _: 0
    room: float = math.inf
    late: bool = False


def order(fused: Fused, machine: Machine) -> Ordered:
    """Return the kernels in order, with their shares and phases."""
    known = {kernel: reads(kernel, fused) for kernel in fused.kernels}
    faulty = _faulty(fused, machine)
    updates = [_settled(each, fused, known, faulty) for each in fused.graph.updates]
    while True:
        before = _edges(fused, known, updates, faulty)
        done, stuck = _sorted(fused.kernels, before)
        if not stuck:
            break
        circular = {each for each in updates if _writer(each, fused) in stuck}
        updates = [_copied(each, fused, known) if each in circular else each for each in updates]
        if not circular:
            raise BackendError("la.compile: kernels wait for each other in a circle; this is a mistake of Lamina's")
    shares = {kernel: share(kernel, machine) for kernel in done}
    _share_as_read(shares, fused, updates)
    ordered = Ordered(done, shares, reads=known, after=fused.after, in_place=updates)
    updating = {_writer(update, fused) for update in updates} if faulty else set()
    into_phases(ordered, fused, Ties(before, faulty, updating), machine.room)
    if machine.late:
        _put_off_updates(ordered, fused, before)
    return ordered


def share(kernel: Kernel, machine: Machine) -> Share:
    """Return how the work of a kernel is divided: by the first axis of its results, if there is one."""
    if isinstance(kernel, Special):
        return Share(machine.units(kernel.value), None)
    kept = list(kernel.kept)
    if not kept:
        return Share(1, None)
    size = kernel.dims[kept[0]]
    grain = machine.columns(kernel) if isinstance(kernel, MatrixProduct) else 0
    if grain:
        return Share(-(-kernel.dims[-1] // grain), len(kernel.dims) - 1, grain)
    if isinstance(kernel, Contraction):
        return _by_rows(kernel)
    if len(kept) > 1:
        return Share(size, kept[0])
    lanes = machine.lanes(kernel)
    # A single axis that is not the last loop is walked element by element.
    if size < CHUNKED or kept[0] != len(kernel.dims) - 1:
        return Share(size, kept[0])
    return Share(-(-size // lanes), kept[0], lanes)


def _by_rows(kernel: Contraction) -> Share:
    """Return the share of a contraction by the first axis of its results."""
    first = next(iter(kernel.kept))
    return Share(1, None) if _single_row(kernel) else Share(kernel.dims[first], first)


def _share_as_read(shares: dict[Kernel, Share], fused: Fused, updates: list[Update]) -> None:
    """Have rows of a weight updated by the thread that reads them in the next run, so that they stay in its caches.

    A product that is shared out by columns reads rows of a transposed weight. Were the weight's gradient shared out by
    columns too, half of each thread's part would be in the other's caches, twice in each run.
    """
    split = {kernel for kernel, found in shares.items() if isinstance(kernel, MatrixProduct) and found.grain > 1}
    rows_read = {kernel.b.base for kernel in split if kernel.b.strides[-1] != 1}
    for update in updates:
        writer = _writer(update, fused)
        if writer in split and fused.graph.inputs[update.input] in rows_read:
            shares[writer] = _by_rows(writer)


# --- what must come before what -------------------------------------------------------------------------------


def _writer(update: Update, fused: Fused) -> Kernel:
    return fused.home[update.value][0]


def _settled(update: Update, fused: Fused, known: dict[Kernel, list[Read]], faulty: set[Kernel]) -> Update:
    """Return an update that its kernel can write in place; one that would overwrite what it still reads is copied.

    So is one whose kernel may fail: it would write before that is known.
    """
    kernel, target = _writer(update, fused), fused.graph.inputs[update.input]
    if replaces_rows_of(update.value, target) and kernel not in faulty:
        return update
    if kernel.index_of(update.value) is None or kernel in faulty:
        return _copied(update, fused, known)
    place = kernel.stored_at(update.value)
    for read in known[kernel]:
        if read.base is target and read.place != place:
            return _copied(update, fused, known)
    return update


def replaces_rows_of(value: Value, target: Value | None) -> bool:
    """Tell whether a value is an input with some rows replaced: then these alone are written, into its memory."""
    return value.op == "put_rows" and value.operands[0] is target


def _copied(update: Update, fused: Fused, known: dict[Kernel, list[Read]]) -> Update:
    """Return an update that takes its value from memory of the program's own, at the end."""
    copy = operation(COPY, (update.value,), update.value.spec)
    kernel = Loops(squeezed(copy.shape), [copy])
    fused.kernels.append(kernel)
    fused.home[copy] = [kernel]
    known[kernel] = reads(kernel, fused)
    return Update(update.input, copy)


def _edges(
    fused: Fused, known: dict[Kernel, list[Read]], updates: list[Update], faulty: set[Kernel]
) -> dict[Kernel, dict[Kernel, list[Read]]]:
    """Return, for each kernel, those before it: with the reads that tie the two, of either by the other's memory."""
    before: dict[Kernel, dict[Kernel, list[Read]]] = {kernel: {} for kernel in fused.kernels}
    readers: dict[Value, list[tuple[Kernel, Read]]] = {}
    for kernel, found in known.items():
        for read in found:
            readers.setdefault(read.base, []).append((kernel, read))
            for writer in fused.home.get(read.base, ()):
                if writer is not kernel:
                    before[kernel].setdefault(writer, []).append(read)
    for kernel, others in fused.after.items():
        for other in others:
            before[kernel].setdefault(other, [])
    for value, writers in fused.home.items():
        if value.op == "pad":
            before[writers[1]].setdefault(writers[0], []).append(Read(value, None))
    for update in updates:
        writer, target = _writer(update, fused), fused.graph.inputs[update.input]
        for kernel, read in readers.get(target, ()):
            if kernel is not writer:
                before[writer].setdefault(kernel, []).append(read)
        for kernel in faulty:
            if kernel is not writer:
                before[writer].setdefault(kernel, []).append(Read(target, None))
    return before


def _faulty(fused: Fused, machine: Machine) -> set[Kernel]:
    """Return the kernels that may fail on their values."""
    values = fused.graph.values()
    risky = {value for value in values if machine.faults(value)} - looked_at_before(values)
    if not risky:
        return set()
    found = {kernel for kernel in fused.kernels if isinstance(kernel, Special) and kernel.value in risky}
    others = (kernel for kernel in fused.kernels if not isinstance(kernel, Special))
    return found | {kernel for kernel in others if any(each in risky for each in expressions(kernel, fused))}


def _sorted(kernels: list[Kernel], before: dict[Kernel, dict[Kernel, list[Read]]]) -> tuple[list[Kernel], set[Kernel]]:
    """Return kernels in an order that respects what comes before what, and those that wait in circles."""
    waiting = {kernel: len(before[kernel]) for kernel in kernels}
    after: dict[Kernel, list[Kernel]] = {kernel: [] for kernel in kernels}
    for kernel in kernels:
        for needed in before[kernel]:
            after[needed].append(kernel)
    ready = [kernel for kernel in reversed(kernels) if not waiting[kernel]]
    done = []
    while ready:
        kernel = ready.pop()
        done.append(kernel)
        for each in after[kernel]:
            waiting[each] -= 1
            if not waiting[each]:
                ready.append(each)
    stuck = {kernel for kernel in kernels if waiting[kernel]}
    # Those that only wait for a circle are in none.
    wanted = {kernel: sum(each in stuck for each in after[kernel]) for kernel in stuck}
    free = [kernel for kernel in stuck if not wanted[kernel]]
    while free:
        kernel = free.pop()
        stuck.discard(kernel)
        for needed in before[kernel]:
            if needed in stuck:
                wanted[needed] -= 1
                if not wanted[needed]:
                    free.append(needed)
    return done, stuck


def _put_off_updates(ordered: Ordered, fused: Fused, before: dict[Kernel, dict[Kernel, list[Read]]]) -> None:
    """Move loops that do nothing but update something small, and for which none waits, behind everything else."""
    awaited = {needed for others in before.values() for needed in others}
    last = max(ordered.phases.values(), default=0)
    for kernel in {_writer(update, fused) for update in ordered.in_place}:
        if isinstance(kernel, Loops) and kernel not in awaited and math.prod(kernel.dims) <= SMALL:
            ordered.phases[kernel] = last + 1
    ordered.kernels.sort(key=ordered.phases.__getitem__)


def _single_row(kernel: Contraction) -> bool:
    """Tell whether there is nothing to share out: one row of a product, one channel of one image."""
    shape = kernel.value.shape
    return math.prod(shape[:2] if isinstance(kernel, Convolution) else shape[:-1]) == 1
