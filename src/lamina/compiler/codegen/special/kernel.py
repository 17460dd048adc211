"""The table of special kernels: operations that are neither elementwise, views, reductions nor matrix products."""

from __future__ import annotations

from lamina.compiler.codegen.special.gather import emit_take, emit_take_along, take_along_units, take_units
from lamina.compiler.codegen.special.job import FAULT_CALLBACK, FAULT_INDEX, Job, SpecialKernel, no_scratch
from lamina.compiler.codegen.special.lines import line_units
from lamina.compiler.codegen.special.philox import emit_random_bits, random_units
from lamina.compiler.codegen.special.positions import emit_argmax, emit_argmin
from lamina.compiler.codegen.special.scatter import emit_scatter_add, emit_scatter_add_along, scatter_units

SPECIAL: dict[str, SpecialKernel] = {
    "take": SpecialKernel(take_units, no_scratch, emit_take),
    "take_along_axis": SpecialKernel(take_along_units, no_scratch, emit_take_along),
    "scatter_add": SpecialKernel(scatter_units, no_scratch, emit_scatter_add),
    "scatter_add_along_axis": SpecialKernel(scatter_units, no_scratch, emit_scatter_add_along),
    "argmax": SpecialKernel(line_units, no_scratch, emit_argmax),
    "argmin": SpecialKernel(line_units, no_scratch, emit_argmin),
    "random_bits": SpecialKernel(random_units, no_scratch, emit_random_bits),
}

__all__ = ["FAULT_CALLBACK", "FAULT_INDEX", "SPECIAL", "Job", "SpecialKernel"]
