"""Phases: where threads meet. Two kernels are in one where no thread reads what another has written."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from lamina.compiler.graph.ir import Value
from lamina.compiler.schedule.accesses import Read
from lamina.compiler.schedule.costs import traffic
from lamina.compiler.schedule.fused import Fused
from lamina.compiler.schedule.kernels import Kernel, Loops, MatrixProduct, Reduction
from lamina.compiler.schedule.views import squeezed

if TYPE_CHECKING:
    from lamina.compiler.schedule.order import Ordered, Share


class Ties(NamedTuple):
    """What must come before what.

    Attributes
    ----------
    before : dict of Kernel to dict of Kernel to list of Read
        For each kernel those before it, with the reads that tie the two, of either by the other's memory.
    faulty : set of Kernel
        Those that may fail on their values.
    updating : set of Kernel
        Those that write variables, and so come after all that may fail.
    """

    before: dict[Kernel, dict[Kernel, list[Read]]]
    faulty: set[Kernel]
    updating: set[Kernel]


def into_phases(ordered: Ordered, fused: Fused, ties: Ties, room: float) -> None:
    """Put each kernel into the first phase it can be in, unless that keeps others waiting for too long.

    What no other waits for, as a weight's gradient, comes first in the next phase, and reads what is made in this one.
    So where a chain of kernels has touched so much that this is no longer in cache, it goes on in the next phase too.
    """
    phases = ordered.phases
    ends = _ends(ordered.kernels, ties.before)
    place = {kernel: at for at, kernel in enumerate(ordered.kernels)}
    # Numbers that all share, as a learning rate, are soon there.
    awaited = {max(ties.before[kernel], key=lambda each: (bool(each.dims), place[each])) for kernel in ends}
    touched: dict[int, float] = {}
    for kernel in ordered.kernels:
        phase = _earliest(kernel, ordered, ties)
        goes_on = _of_one_matrix(kernel) and any(phases[each] == phase for each in ties.before[kernel])
        if goes_on and touched.get(phase, 0.0) > room:
            phase += 1
        phases[kernel] = phase
        if phase in touched or kernel in awaited:
            touched[phase] = touched.get(phase, 0.0) + traffic(kernel, fused)
    ordered.check = 1 + max((phases[kernel] for kernel in ties.faulty), default=-1)
    _raise_to_check(ordered, ties)
    at_once = {kernel for kernel in ends if all(phases[each] < phases[kernel] for each in ties.before[kernel])}
    ordered.kernels.sort(key=lambda kernel: (phases[kernel], kernel not in at_once))


def _earliest(kernel: Kernel, ordered: Ordered, ties: Ties) -> int:
    """Return the first phase a kernel can be in, by those before it."""
    return max(
        (
            ordered.phases[each] + (not _own(ordered, kernel, each, reads))
            for each, reads in ties.before[kernel].items()
        ),
        default=0,
    )


def _ends(kernels: list[Kernel], before: dict[Kernel, dict[Kernel, list[Read]]]) -> set[Kernel]:
    """Return the kernels that no other waits for, though they wait themselves: as those of weights' gradients."""
    needed = {each for kernel in kernels for each in before[kernel]}
    return {kernel for kernel in kernels if kernel not in needed and before[kernel]}


def _of_one_matrix(kernel: Kernel) -> bool:
    """Tell whether a kernel multiplies by the same matrix throughout, which begins afresh anyhow."""
    return isinstance(kernel, MatrixProduct) and len(kernel.b.strides) == 2


def _raise_to_check(ordered: Ordered, ties: Ties) -> None:
    """Move what updates variables behind the place where faults are looked for."""
    phases = ordered.phases
    for kernel in ordered.kernels:
        least = _earliest(kernel, ordered, ties)
        phases[kernel] = max(phases[kernel], least, ordered.check if kernel in ties.updating else 0)


def _own(ordered: Ordered, later: Kernel, earlier: Kernel, ties: list[Read]) -> bool:
    """Tell whether every thread depends only on its own share of the earlier kernel."""
    if earlier in ordered.after.get(later, ()):
        return False
    mine, theirs = ordered.shares[later], ordered.shares[earlier]
    if mine.units == 1 and theirs.units == 1:
        return True
    if (mine.units, mine.grain) != (theirs.units, theirs.grain) or mine.loop is None or theirs.loop is None:
        return False
    for kernel, divided in ((later, mine), (earlier, theirs)):
        for read in ties:
            if read in ordered.reads[kernel] and not _within_share(kernel, divided, read):
                return False
    if _writes_a_part(later) or _writes_a_part(earlier):
        return False
    if _by_columns(later, mine) or _by_columns(earlier, theirs):
        return False
    # What a reduction stores before it reduces has other axes than its results.
    return not any(_before_reduction(earlier, read.base) for read in ties) or theirs.loop == 0


def _by_columns(kernel: Kernel, divided: Share) -> bool:
    """Tell whether a kernel's share is not that of the first axis of its results."""
    return divided.loop != next(iter(kernel.kept), None)


def _before_reduction(kernel: Kernel, value: Value) -> bool:
    return isinstance(kernel, Reduction) and value in kernel.computed and kernel.index_of(value) is None


def _writes_a_part(kernel: Kernel) -> bool:
    return isinstance(kernel, Loops) and kernel.into is not None


def _within_share(kernel: Kernel, divided: Share, read: Read) -> bool:
    """Tell whether a step of the divided loop reads only the elements of the same step of the value read."""
    if read.place is None or divided.loop is None:
        return False
    sizes = squeezed(read.base.shape)
    length = kernel.dims[divided.loop]
    if not sizes or sizes[0] != length:
        return False
    row = math.prod(sizes[1:])
    *coefficients, offset = read.place
    if coefficients[divided.loop] != row or offset < 0:
        return False
    furthest = offset + read.reach
    for place, coefficient in enumerate(coefficients):
        if place != divided.loop:
            if coefficient < 0:
                return False
            furthest += coefficient * (kernel.dims[place] - 1)
    return furthest < row
