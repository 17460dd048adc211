"""Costs: how long a kernel should take, roughly; enough to tell how many threads a program is worth."""

from __future__ import annotations

import math
from collections.abc import Callable

from lamina.compiler.graph.ir import SCAN, Value
from lamina.compiler.schedule.accesses import expressions, reads
from lamina.compiler.schedule.fused import Fused
from lamina.compiler.schedule.kernels import Contraction, Convolution, Kernel, Special
from lamina.compiler.target import Target

CYCLES = 3.0  # a nanosecond
BYTES = 12.0  # a nanosecond, from the caches that hold a small program's values
ELEMENT = 8.0  # nanoseconds for an element of a sort or a scatter


def flops(kernel: Kernel) -> float:
    """Return the arithmetic of a contraction, a multiplication and an addition for each term; 0 for the rest."""
    if not isinstance(kernel, Contraction):
        return 0.0
    a, b = kernel.value.operands
    terms = math.prod(b.shape[1:]) if isinstance(kernel, Convolution) else a.shape[-1]
    return 2.0 * kernel.value.size * terms


def traffic(kernel: Kernel, fused: Fused) -> float:
    """Return the bytes of everything that a kernel reads and writes, each value once."""
    values: set[Value] = set(kernel.computed)
    if isinstance(kernel, Special):
        values = {*kernel.value.operands, *kernel.results}
    else:
        values |= {each.base for each in reads(kernel, fused)}
    return float(sum(each.nbytes for each in values))


def kernel_cost(kernel: Kernel, fused: Fused, target: Target, cost: Callable[[str], int | None]) -> float:
    """Return the nanoseconds that a kernel should take one thread."""
    lanes = target.lanes(32)
    if isinstance(kernel, Special):
        if kernel.value.op == SCAN:
            return float(kernel.value.params["length"] * kernel.value.params["nanoseconds"])
        return ELEMENT * sum(each.size for each in _touched(kernel.value, kernel.results))
    operations = [each for each in expressions(kernel, fused) if isinstance(each, Value)]
    each_step = 1 + sum(cost(value.op) or 0 for value in operations)
    steps = math.prod(kernel.dims)
    arithmetic = flops(kernel) / (2 * lanes) + each_step * steps / lanes
    return max(arithmetic / CYCLES, traffic(kernel, fused) / BYTES) + 5.0


def _touched(value: Value, results: tuple[Value, ...]) -> list[Value]:
    """Return what a special kernel reads and writes all of; of a table, what is taken from it or put there counts."""
    if value.op == "take":
        return [*value.operands[1:], *results]
    return [*value.operands[1:]] if value.op == "put_rows" else [*value.operands, *results]
