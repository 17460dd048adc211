"""The function of a kernel, which computes a share of its work."""

from __future__ import annotations

from collections.abc import Mapping

from lamina.compiler.codegen.calls import PARAMETERS, KernelFunction, places_in, pointers_to
from lamina.compiler.codegen.expressions import ZERO, Body
from lamina.compiler.codegen.fallback import emit_fallback
from lamina.compiler.codegen.faults import FAULT_INDEX
from lamina.compiler.codegen.kernel_key import kernel_key
from lamina.compiler.codegen.loops import emit_loops
from lamina.compiler.codegen.module import Module
from lamina.compiler.codegen.products import emit_matrix_product
from lamina.compiler.codegen.reductions import emit_reduction
from lamina.compiler.codegen.schedule import Numbered, Schedule, lanes_in, memory_of
from lamina.compiler.codegen.special.job import Job
from lamina.compiler.codegen.special.kernel import SPECIAL
from lamina.compiler.codegen.values import PTR, Value
from lamina.compiler.graph import ir
from lamina.compiler.graph.fallbacks import FALLBACKS
from lamina.compiler.graph.indexing import INDEXED, out_of_range
from lamina.compiler.schedule.kernels import Convolution, Kernel, MatrixProduct, Reduction, Special
from lamina.compiler.schedule.memory import Place
from lamina.forking import forks_wait


def kernel_function(module: Module, schedule: Schedule, kernel: Kernel, name: str, numbers: Numbered) -> KernelFunction:
    """Return the function of a kernel: that of an earlier kernel which does the same, or a new one."""
    share, memory = schedule.ordered.shares[kernel], memory_of(kernel, schedule)
    key = kernel_key(kernel, schedule.fused, memory)
    whole = key, share, schedule.alone
    found = None if key is None else module.kernels.get(whole)
    if found is None:
        found = _write(module, schedule, kernel, name, memory, numbers)
        if key is not None:
            module.kernels[whole] = found
    return KernelFunction(kernel, share, found, places_in(memory))


def _write(
    module: Module, schedule: Schedule, kernel: Kernel, name: str, memory: Mapping[ir.Value, Place], numbers: Numbered
) -> str:
    pointers = [(f"noalias p{at}", PTR) for at in range(len(places_in(memory)))]
    with module.function(name, [*pointers, *PARAMETERS], notes="noinline") as f:
        begin, end = f.arguments["begin"], f.arguments["end"]
        if schedule.alone:
            begin, end = ZERO, f.integer(schedule.ordered.shares[kernel].units)
        body = Body(f, kernel, schedule.fused, pointers_to(f, memory))
        _emit(body, schedule, begin, end, numbers)
    # The same may have been written from something else.
    return module.shared(name)


def _emit(body: Body, schedule: Schedule, begin: Value, end: Value, numbers: Numbered) -> None:
    kernel, share, scratch = body.kernel, schedule.ordered.shares[body.kernel], body.f.arguments["scratch"]
    match kernel:
        case MatrixProduct():
            emit_matrix_product(body, share, begin, end, scratch)
        case Convolution():
            with forks_wait():
                from lamina.compiler.codegen.convolutions import emit_convolution_kernel

            emit_convolution_kernel(body, begin, end, scratch)
        case Special():
            _emit_special(body, kernel, begin, end, numbers)
        case _:
            emit = emit_reduction if isinstance(kernel, Reduction) else emit_loops
            places = [read.place for read in schedule.ordered.reads[kernel] if read.place is not None]
            emit(body, share, lanes_in(kernel, schedule.fused, schedule.target), begin, end, places)


def _emit_special(body: Body, kernel: Special, begin: Value, end: Value, numbers: Numbered) -> None:
    f, value = body.f, kernel.value
    operands = tuple(body.pointers[body.fused.arrays[each]] for each in value.operands)
    results = tuple(body.pointers[each] for each in kernel.results)
    fault = f.arguments["fault"]
    if value.op in FALLBACKS:
        emit_fallback(f, f.arguments["callback"], numbers.fallbacks.index(value), operands, results, fault)
        return
    job = Job(f, value, operands, results, begin, end, f.arguments["scratch"], fault)
    if value.op in INDEXED:
        job = job._replace(outside=FAULT_INDEX - numbers.index_faults.index(out_of_range(value)))
    SPECIAL[value.op].emit(job)
