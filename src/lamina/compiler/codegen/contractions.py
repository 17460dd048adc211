"""What becomes of the sums of a contraction."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.expressions import Body, Step, element_type, offset
from lamina.compiler.codegen.values import I8, VOID, Value
from lamina.compiler.graph import ir
from lamina.compiler.schedule.accesses import Read
from lamina.compiler.schedule.kernels import Contraction
from lamina.compiler.schedule.views import Affine
from lamina.ownership import CACHE_LINE

LONG = 64
"""From how many terms of a sum on there is time for memory to arrive before it is finished."""


def finish(step: Step, value: Value) -> None:
    """Compute what is made of finished sums, an element or a vector of them, and store what is to be kept."""
    kernel = step.body.kernel
    assert isinstance(kernel, Contraction)
    step.bind(kernel.value, value)
    step.compute(kernel.computed)
    step.keep(kernel.computed)


def streamed(
    body: Body, found: Sequence[ir.Value | Read], line_of: Callable[[Read], Affine | None]
) -> list[tuple[ir.Value, Affine]]:
    """Return the arrays that come from memory where finished sums are handed over; none if the cache holds them all.

    A tile's rows lie far apart, so the processor does not see by itself what comes next: what is not in cache must be
    asked for, or sums and epilogue wait for one another. A cache that does not hold all that a program is given has
    lost a variable from one run to the next, and an activation from its layer to the layer's gradient.

    Parameters
    ----------
    body : Body
    found : sequence of Value and Read
        The expressions of the kernel.
    line_of : callable
        Where the neighbours are that a read goes through; None for a read that is not to be asked for.
    """
    written = [Read(base, place) for _, base, place in body.stored(body.kernel.computed)]
    # A variable is read and written in one place.
    arrays = {
        body.pointers[each.base].text: (each.base, line)
        for each in (*found, *written)
        if isinstance(each, Read) and (line := line_of(each)) is not None
    }
    size = math.prod(body.kernel.dims) * sum(base.dtype.itemsize for base, _ in arrays.values())
    cold = max(size, body.fused.given_bytes) >= body.target.l2
    return list(arrays.values()) if cold else []


def ask_for(f: Emitter, body: Body, base: ir.Value, place: Affine, loops: Sequence[Value], elements: int) -> None:
    """Ask for the memory of so many neighbours of an array, the first where a place says."""
    start = f.at(body.pointers[base], offset(f, place, loops), element_type(base))
    for byte in range(0, elements * base.dtype.itemsize, CACHE_LINE):
        f.call("llvm.prefetch.p0", VOID, f.at(start, f.integer(byte), I8), extra="i32 0, i32 3, i32 1")
