"""What fusion is told of operations, and what it makes of a graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from lamina.compiler.graph.ir import Graph, Value
from lamina.compiler.schedule.kernels import Kernel
from lamina.compiler.schedule.views import View

if TYPE_CHECKING:
    from lamina.compiler.schedule.accesses import Read

COPY = "copy"
"""An elementwise operation of the schedule's own: the operand as it is, in memory of its own."""


class Rules(NamedTuple):
    """What fusion must know of the operations.

    Attributes
    ----------
    cost : callable
        Instructions of an elementwise operation, by name; None for what is not elementwise.
    special : callable
        Whether a primitive has a kernel of its own.
    """

    cost: Callable[[str], int | None]
    special: Callable[[str], bool]


@dataclass(eq=False)
class Fused:
    """Kernels, and where each value that has a place is computed.

    Attributes
    ----------
    graph : Graph
        With every output and update a value of its own.
    kernels : list of Kernel
        In no particular order.
    home : dict of Value to list of Kernel
        Which kernels write a value: one, but for values put together from parts.
    views : dict of Value to View
        The values that are views of memory.
    arrays : dict of Value to Value
        For what a special kernel reads: the value that holds it in row-major order, itself or a copy.
    after : dict of Kernel to set of Kernel
        Which kernels a kernel is to come after, in a later phase, whatever it reads of them.
    expressions : dict of Kernel to list
        What is written into a kernel, kept by `lamina.compiler.schedule.accesses.expressions`.
    """

    graph: Graph
    kernels: list[Kernel] = field(default_factory=list)
    home: dict[Value, list[Kernel]] = field(default_factory=dict)
    views: dict[Value, View] = field(default_factory=dict)
    arrays: dict[Value, Value] = field(default_factory=dict)
    after: dict[Kernel, set[Kernel]] = field(default_factory=dict)
    expressions: dict[Kernel, list[Value | Read]] = field(default_factory=dict)

    @cached_property
    def given_bytes(self) -> int:
        """How much memory a program is given, its variables included."""
        return sum(value.nbytes for value in self.graph.inputs)
