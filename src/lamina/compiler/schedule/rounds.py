"""Rounds: kernels that take turns over a few units of their work, so that what one leaves in cache the next finds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lamina.compiler.graph.ir import Value, in_order
from lamina.compiler.schedule.fused import Fused
from lamina.compiler.schedule.kernels import Contraction, Kernel, MatrixProduct, Special
from lamina.compiler.schedule.order import Ordered
from lamina.compiler.schedule.views import squeezed
from lamina.compiler.target import Target


class Rounds(NamedTuple):
    """Kernels that run one after the other.

    Attributes
    ----------
    kernels : tuple of Kernel
    units : int
        How many units of their share they work on before the next takes its turn; 0 for all of it.
    """

    kernels: tuple[Kernel, ...]
    units: int = 0


def rounds(ordered: Ordered, target: Target) -> list[Rounds]:
    """Return all kernels in order, those together that take turns.

    Kernels of one phase that divide the same loop depend on each other unit by unit: else a thread would have to wait
    for another between them.
    """
    return [_divided(group, ordered, target) for group in _groups(ordered)]


def _groups(ordered: Ordered) -> Iterator[list[Kernel]]:
    group: list[Kernel] = []
    for kernel in ordered.kernels:
        if group and not (_takes_turns(kernel, ordered) and _alike(group[0], kernel, ordered)):
            yield group
            group = []
        group.append(kernel)
        if not _takes_turns(kernel, ordered):
            yield group
            group = []
    if group:
        yield group


def _takes_turns(kernel: Kernel, ordered: Ordered) -> bool:
    """Tell whether a kernel loses nothing by being called again and again, and goes through memory as it goes on."""
    if isinstance(kernel, Special) or ordered.shares[kernel].loop != 0:
        return False
    if isinstance(kernel, MatrixProduct):
        return _varies(kernel)
    return not isinstance(kernel, Contraction)


def _varies(kernel: MatrixProduct) -> bool:
    """Tell whether the second operand differs from unit to unit: one for all would be packed at every turn."""
    shape, b = kernel.value.shape, kernel.b
    strides = (0,) * (len(shape) - len(b.strides)) + b.strides
    first = next((axis for axis, size in enumerate(shape) if size != 1), 0)
    return first < len(shape) - 2 and strides[first] != 0


def _alike(one: Kernel, other: Kernel, ordered: Ordered) -> bool:
    return ordered.phases[one] == ordered.phases[other] and ordered.shares[one] == ordered.shares[other]


def _divided(group: list[Kernel], ordered: Ordered, target: Target) -> Rounds:
    """Return how many units of what all kernels of a group read and write are in the second cache together."""
    share = ordered.shares[group[0]]
    if len(group) == 1 or share.grain > 1:
        return Rounds(tuple(group))
    values: set[Value] = set()
    for kernel in group:
        values.update(read.base for read in ordered.reads[kernel])
        values.update(kernel.computed)
    size = sum(each.nbytes for each in values)
    room = target.l2 // 2
    if size <= room:
        return Rounds(tuple(group))
    return Rounds(tuple(group), max(room * share.units // size, 1))


def passing(turns: Rounds, fused: Fused, ordered: Ordered) -> list[Value]:
    """Return the values that only kernels which take turns write and read, so that they are needed for a turn only."""
    if not turns.units:
        return []
    units = ordered.shares[turns.kernels[0]].units
    kernels = set(turns.kernels)
    read = {each.base for kernel in turns.kernels for each in ordered.reads[kernel]}
    others = {each.base for kernel in ordered.kernels if kernel not in kernels for each in ordered.reads[kernel]}
    roots = set(fused.graph.roots())
    found = [
        value
        for value in read - others - roots
        if value in fused.home and kernels.issuperset(fused.home[value]) and squeezed(value.shape)[:1] == (units,)
    ]
    return in_order(found)
