"""What each kernel of a program does, in words and numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lamina.compiler.codegen.schedule import Schedule
from lamina.compiler.graph.fallbacks import FALLBACKS
from lamina.compiler.graph.ir import SCAN, Value, in_order
from lamina.compiler.schedule.accesses import expressions
from lamina.compiler.schedule.costs import flops
from lamina.compiler.schedule.fused import COPY
from lamina.compiler.schedule.kernels import Contraction, Convolution, Kernel, Loops, MatrixProduct, Reduction, Special
from lamina.compiler.schedule.views import VIEWS, Shape

KINDS = {
    MatrixProduct: "product",
    Convolution: "convolution",
    Reduction: "reduction",
    Special: "special",
    Loops: "loops",
}
FALLBACK, IN_PYTHON = "fallback", " in Python"
_NAMED = 3
"""How many operations are in the name of a kernel; all are in its operations."""
_UNNAMED = frozenset({"full", "alias", "astype", COPY, *VIEWS})
"""What is no arithmetic, so that names do without it."""


@dataclass(frozen=True)
class KernelReport:
    """What one kernel does.

    Attributes
    ----------
    number : int
        Its place in the order of running.
    kind : str
        ``"product"``, ``"reduction"``, ``"special"`` for a primitive with an algorithm of its own, ``"loops"`` for
        elementwise operations alone, or ``"fallback"`` for what Python computes.
    head : str
        What it is and how large: a product by rows x columns x depth, its batch before them.
    phase : int
        The threads meet between phases.
    units : int
        Into how many shares the work can be divided; 1 is work for one thread.
    shapes : str
        The lengths of its loops; of a product, the shapes of the matrices.
    operations : str
        What is computed, each operation with how often it stands in the code.
    updates : tuple of str
        The variables that it writes.
    dtype : str
        The type that it computes.
    flops : float
        Arithmetic of a matrix product, a multiplication and an addition for each term; 0 for the rest.
    bytes : int
        Everything read and written in memory, each value once.
    """

    number: int
    kind: str
    head: str
    phase: int
    units: int
    shapes: str
    operations: str
    updates: tuple[str, ...]
    dtype: str
    flops: float
    bytes: int

    @property
    def name(self) -> str:
        """The head, the first operations that are fused with it, and the first variable that it updates."""
        found = [each.split()[-1] for each in self.operations.split(", ")]
        own = {"matmul", "matmul_bfloat16", *self.head.split()[0].split("/")}
        fused = [each for each in found if each and each not in _UNNAMED | own]
        text = self.head
        if fused and self.kind != FALLBACK:
            text += (": " if self.kind == "loops" else " + ") + _listed(fused, _NAMED)
        return f"{text} -> {_listed(self.updates, 1)}" if self.updates else text


def reports(schedule: Schedule, labels: Sequence[str] | None = None) -> list[KernelReport]:
    """Return a report for each kernel, in the order in which they run.

    Parameters
    ----------
    schedule : Schedule
    labels : sequence of str, optional
        Names of the graph's inputs; by default their numbers, as graphs are printed.
    """
    ordered = schedule.ordered
    names = labels or [f"%{number}" for number in range(len(schedule.fused.graph.inputs))]
    return [
        KernelReport(
            number,
            _kind(kernel),
            _head(kernel),
            ordered.phases[kernel],
            ordered.shares[kernel].units,
            _shapes(kernel),
            _operations(kernel, schedule),
            tuple([names[each.input] for each in ordered.in_place if kernel in schedule.fused.home[each.value]]),
            _result(kernel).dtype.name,
            flops(kernel),
            _bytes(kernel, schedule),
        )
        for number, kernel in enumerate(ordered.kernels)
    ]


def _listed(names: Sequence[str], most: int) -> str:
    return ", ".join([*names[:most], *(["..."] if len(names) > most else [])])


def by(shape: Shape) -> str:
    """Return lengths as they are said: 3x4; 1 for a number."""
    return "x".join(map(str, shape)) or "1"


def _primitive(kernel: Kernel) -> Value:
    assert isinstance(kernel, Contraction | Special)
    return kernel.value


def _result(kernel: Kernel) -> Value:
    return kernel.results[0] if isinstance(kernel, Special) else kernel.computed[0]


def _kind(kernel: Kernel) -> str:
    if isinstance(kernel, Special) and _primitive(kernel).op in FALLBACKS:
        return FALLBACK
    return KINDS[type(kernel)]


def _head(kernel: Kernel) -> str:
    if isinstance(kernel, MatrixProduct):
        value = _primitive(kernel)
        return f"product {by((*value.shape, value.operands[0].shape[-1]))}"
    if isinstance(kernel, Convolution):
        value = _primitive(kernel)
        return f"convolution {by(value.shape)} by {by(value.operands[1].shape[1:])}"
    if isinstance(kernel, Reduction):
        names = "/".join(dict.fromkeys(each.op for each in kernel.values))
        over = [size for loop, size in enumerate(kernel.dims) if loop in kernel.reduced]
        return f"{names} {by(kernel.dims)} over {by(tuple(over))}"
    if isinstance(kernel, Special):
        value = _primitive(kernel)
        if value.op == SCAN:
            count = len(value.params["schedule"].ordered.kernels)
            return f"scan {value.params['length']} times {count} kernels"
        shape = value.operands[0].shape if value.operands else _result(kernel).shape
        return f"{value.op} {by(shape)}" + (IN_PYTHON if value.op in FALLBACKS else "")
    return f"loops {by(kernel.dims)}"


def _shapes(kernel: Kernel) -> str:
    if isinstance(kernel, MatrixProduct):
        a, b = _primitive(kernel).operands
        return f"{list(a.shape)} @ {list(b.shape)}"
    if isinstance(kernel, Convolution):
        return " * ".join(str(list(each.shape)) for each in _primitive(kernel).operands)
    if isinstance(kernel, Reduction):
        over = [size for loop, size in enumerate(kernel.dims) if loop in kernel.reduced]
        return f"{list(kernel.dims)} over {over}"
    if isinstance(kernel, Special):
        return ", ".join(str(list(each.shape)) for each in _primitive(kernel).operands)
    return str(list(kernel.dims))


def _operations(kernel: Kernel, schedule: Schedule) -> str:
    if isinstance(kernel, Special):
        return _primitive(kernel).op
    written = [each for each in expressions(kernel, schedule.fused) if isinstance(each, Value)]
    anchors = kernel.values if isinstance(kernel, Reduction) else []
    if isinstance(kernel, Contraction):
        anchors = [_primitive(kernel)]
    # As they are computed; they were found from the results backwards.
    inner = in_order(written)
    names = Counter(each.op for each in dict.fromkeys([*anchors, *inner]) if each.op not in ("full", "alias"))
    return ", ".join(name if count == 1 else f"{count} {name}" for name, count in names.items())


def _bytes(kernel: Kernel, schedule: Schedule) -> int:
    values = {read.base for read in schedule.ordered.reads[kernel]}
    values.update(each for each in kernel.computed if each in schedule.memory.places)
    if isinstance(kernel, Special):
        values.update(kernel.results)
    total = sum(each.nbytes for each in values)
    if isinstance(kernel, Loops) and kernel.into is not None:
        total += math.prod(kernel.dims) * kernel.into.base.dtype.itemsize
    return total
