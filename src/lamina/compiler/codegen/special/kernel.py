"""The table of special kernels: operations that are neither elementwise, views, reductions nor matrix products."""

from __future__ import annotations

from lamina.compiler.codegen.special.argmax import emit_argmax, emit_argmin
from lamina.compiler.codegen.special.check import check_units, emit_check
from lamina.compiler.codegen.special.cumulative import emit_cumulative_prod, emit_cumulative_sum
from lamina.compiler.codegen.special.gather import emit_take, emit_take_along, take_along_units, take_units
from lamina.compiler.codegen.special.job import SpecialKernel, no_scratch
from lamina.compiler.codegen.special.lines import line_units
from lamina.compiler.codegen.special.philox import emit_random_bits, random_units
from lamina.compiler.codegen.special.scatter import (
    emit_put_rows,
    emit_scatter_add,
    emit_scatter_add_along,
    put_units,
    scatter_units,
)
from lamina.compiler.codegen.special.searching import emit_searchsorted, search_units
from lamina.compiler.codegen.special.sorting import emit_argsorted, emit_sorted, sort_scratch, sort_units

SPECIAL: dict[str, SpecialKernel] = {
    "check": SpecialKernel(check_units, no_scratch, emit_check),
    "take": SpecialKernel(take_units, no_scratch, emit_take),
    "take_along_axis": SpecialKernel(take_along_units, no_scratch, emit_take_along),
    "scatter_add": SpecialKernel(scatter_units, no_scratch, emit_scatter_add),
    "scatter_add_along_axis": SpecialKernel(scatter_units, no_scratch, emit_scatter_add_along),
    "put_rows": SpecialKernel(put_units, no_scratch, emit_put_rows),
    "argmax": SpecialKernel(line_units, no_scratch, emit_argmax),
    "argmin": SpecialKernel(line_units, no_scratch, emit_argmin),
    "cumulative_sum": SpecialKernel(line_units, no_scratch, emit_cumulative_sum),
    "cumulative_prod": SpecialKernel(line_units, no_scratch, emit_cumulative_prod),
    "sort": SpecialKernel(sort_units, sort_scratch, emit_sorted),
    "argsort": SpecialKernel(sort_units, sort_scratch, emit_argsorted),
    "searchsorted": SpecialKernel(search_units, no_scratch, emit_searchsorted),
    "random_bits": SpecialKernel(random_units, no_scratch, emit_random_bits),
}
