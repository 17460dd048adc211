"""Looking inside a program: what its kernels compute, and how long each takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from lamina.compiler.codegen.program import Schedule
from lamina.compiler.graph.ir import Value
from lamina.compiler.schedule.accesses import expressions
from lamina.compiler.schedule.costs import flops, traffic
from lamina.compiler.schedule.kernels import Kernel, Loops, MatrixProduct, Reduction, Special

KINDS = {MatrixProduct: "product", Reduction: "reduction", Special: "special", Loops: "loops"}


@dataclass(frozen=True)
class KernelReport:
    """What one kernel does.

    Attributes
    ----------
    number : int
        Its place in the order of running.
    kind : str
        ``"product"``, ``"reduction"``, ``"special"`` or ``"loops"``.
    phase : int
        The threads meet between phases.
    units : int
        Into how many shares the work can be divided; 1 is work for one thread.
    shapes : str
        The lengths of its loops; of a product, those of the matrices.
    operations : str
        What is computed, each operation with how often it stands in the code.
    flops : float
        Arithmetic of a matrix product; 0 for the rest.
    bytes : float
        Everything read and written, each value once.
    seconds : float or None
        How long it took, where that was measured: the slowest thread.
    """

    number: int
    kind: str
    phase: int
    units: int
    shapes: str
    operations: str
    flops: float
    bytes: float
    seconds: float | None = None

    @property
    def rate(self) -> float | None:
        """Arithmetic in a second, of a matrix product that was measured."""
        return self.flops / self.seconds if self.seconds and self.flops else None


def reports(schedule: Schedule, seconds: Iterable[float] | None = None) -> list[KernelReport]:
    """Return a report for each kernel, in the order in which they run."""
    ordered = schedule.ordered
    taken = list(seconds) if seconds is not None else [None] * len(ordered.kernels)
    return [
        KernelReport(
            number,
            KINDS[type(kernel)],
            ordered.phases[kernel],
            ordered.shares[kernel].units,
            _shapes(kernel),
            _operations(kernel, schedule),
            flops(kernel),
            traffic(kernel, schedule.fused),
            time,
        )
        for number, (kernel, time) in enumerate(zip(ordered.kernels, taken, strict=True))
    ]


def _shapes(kernel: Kernel) -> str:
    if isinstance(kernel, MatrixProduct) and kernel.value is not None:
        a, b = kernel.value.operands
        return f"{list(a.shape)} @ {list(b.shape)}"
    if isinstance(kernel, Reduction):
        over = [size for loop, size in enumerate(kernel.dims) if loop in kernel.reduced]
        return f"{list(kernel.dims)} over {over}"
    if isinstance(kernel, Special) and kernel.value is not None:
        return ", ".join(str(list(each.shape)) for each in kernel.value.operands)
    return str(list(kernel.dims))


def _operations(kernel: Kernel, schedule: Schedule) -> str:
    if isinstance(kernel, Special) and kernel.value is not None:
        return kernel.value.op
    written = [each for each in expressions(kernel, schedule.fused) if isinstance(each, Value)]
    anchors: list[Value] = kernel.values if isinstance(kernel, Reduction) else []
    if isinstance(kernel, MatrixProduct) and kernel.value is not None:
        anchors = [kernel.value]
    names = Counter(each.op for each in dict.fromkeys([*anchors, *written]) if each.op not in ("full", "alias"))
    return ", ".join(name if count == 1 else f"{count} {name}" for name, count in names.items())
