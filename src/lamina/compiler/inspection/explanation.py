"""What a compiled function became: its graph before and after, its kernels, its memory and its threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lamina.compiler.graph.ir import Graph
from lamina.compiler.graph.passes.simplify import simplify
from lamina.compiler.graph.printer import text
from lamina.compiler.inspection.kernels import FALLBACK, IN_PYTHON, KernelReport, reports
from lamina.compiler.inspection.tables import aligned, digits, duration, size
from lamina.compiler.lowering import Lowered, lower
from lamina.compiler.runtime.processor import host
from lamina.compiler.runtime.threads import get_num_threads

if TYPE_CHECKING:
    from rich.console import Group

_HEADINGS = ("", "phase", "kernel", "MFLOP", "memory", "operations")
_LEFT = (2, 5)


@dataclass(frozen=True)
class Explanation:
    """What a compiled function became for one signature; prints as a page.

    Attributes
    ----------
    name : str
        Of the function.
    inputs : tuple of str
        What the inputs of the graph are: arguments, variables, tensors from outside.
    before, after : str
        The graph as it was traced, and as it is after simplification.
    kernels : tuple of KernelReport
        In the order of running.
    arena, scratch : int
        Bytes of memory: for the values that live inside the program, and for each thread.
    threads : int
        How many threads run it, at the number of threads set now.
    phases : int
        Kernels of one phase run without a meeting of the threads.
    barriers : int
        How often the threads meet in a run.
    fallbacks : tuple of str
        The operations that Python computes.
    seconds : float
        How long it should take one thread, roughly: a guess from the kernels' arithmetic and memory.
    """

    name: str
    inputs: tuple[str, ...]
    before: str
    after: str
    kernels: tuple[KernelReport, ...]
    arena: int
    scratch: int
    threads: int
    phases: int
    barriers: int
    fallbacks: tuple[str, ...]
    seconds: float

    @property
    def summary(self) -> str:
        """The numbers of the whole program in a sentence or two."""
        threads = _number(self.threads, "thread")
        said = (
            f"{_number(len(self.kernels), 'kernel')} in {_number(self.phases, 'phase')}, {threads}, "
            f"{_number(self.barriers, 'barrier')}; arena {size(self.arena)}, scratch {size(self.scratch)} a thread; "
            f"roughly {duration(self.seconds)} of work"
        )
        if self.fallbacks:
            said += f"\nfalls back to Python for {', '.join(self.fallbacks)}"
        return said

    def __str__(self) -> str:
        return "\n\n".join(
            [
                f"{self.name}: {self.summary}",
                _section("inputs", "\n".join(self.inputs)),
                _section("graph as traced", self.before),
                _section("graph as compiled", self.after),
                _section("kernels", aligned([_HEADINGS, *map(_row, self.kernels)], _LEFT)),
            ]
        )

    __repr__ = __str__

    def __rich__(self) -> Group:
        from rich import box
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.HORIZONTALS, show_edge=False, pad_edge=False)
        for at, heading in enumerate(_HEADINGS):
            table.add_column(heading, justify="left" if at in _LEFT else "right", no_wrap=at not in _LEFT)
        for kernel in self.kernels:
            style = "bold yellow" if kernel.kind == FALLBACK else None
            table.add_row(*map(Text, _row(kernel)), style=style)
        return Group(Text(f"{self.name}: {self.summary}\n"), table)


def explained(name: str, graph: Graph, inputs: Sequence[str]) -> Explanation:
    """Return the explanation of a traced graph, for this machine.

    Parameters
    ----------
    name : str
    graph : Graph
    inputs : sequence of str
        Names of its inputs.
    """
    after = simplify(graph)
    made = lower(after, host())
    kernels = tuple(reports(made.schedule, inputs))
    phases = len({kernel.phase for kernel in kernels})
    return Explanation(
        name=name,
        inputs=tuple([f"%{at} {value.spec} {inputs[at]}" for at, value in enumerate(graph.inputs)]),
        before=text(graph),
        after=text(after),
        kernels=kernels,
        arena=made.layout.arena,
        scratch=made.layout.scratch,
        threads=min(made.layout.threads, get_num_threads()),
        phases=phases,
        barriers=_barriers(made, phases),
        fallbacks=tuple([kernel.head.removesuffix(IN_PYTHON) for kernel in kernels if kernel.kind == FALLBACK]),
        seconds=made.layout.nanoseconds * 1e-9,
    )


def _barriers(made: Lowered, phases: int) -> int:
    """Return how often threads meet: between phases, and at the end, before the next run reads what this one wrote."""
    if made.schedule.alone:
        return 0
    first = min(made.schedule.ordered.phases.values(), default=0)
    return phases + (first > 0)


def _row(kernel: KernelReport) -> tuple[str, ...]:
    operations = kernel.operations
    if kernel.kind == FALLBACK:
        operations += " (FALLBACK: computed by Python)"
    if kernel.updates:
        operations += f" -> {', '.join(kernel.updates)}"
    arithmetic = digits(kernel.flops / 1e6) if kernel.flops else ""
    return str(kernel.number), str(kernel.phase), kernel.head, arithmetic, size(kernel.bytes), operations


def _section(title: str, body: str) -> str:
    return f"{title}\n{'-' * len(title)}\n{body}"


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
