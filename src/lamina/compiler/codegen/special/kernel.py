"""The table of special kernels: operations that are neither elementwise, views, reductions nor matrix products."""

from __future__ import annotations

from lamina.compiler.codegen.special.argmax import emit_argmax, emit_argmin
from lamina.compiler.codegen.special.check import emit_check
from lamina.compiler.codegen.special.cumulative import emit_cumulative_prod, emit_cumulative_sum
from lamina.compiler.codegen.special.gather import emit_take, emit_take_along, take_along_units, take_units
from lamina.compiler.codegen.special.job import SpecialKernel
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
    "check": SpecialKernel(lambda _: 1, emit_check),
    "take": SpecialKernel(take_units, emit_take),
    "take_along_axis": SpecialKernel(take_along_units, emit_take_along),
    "scatter_add": SpecialKernel(scatter_units, emit_scatter_add),
    "scatter_add_along_axis": SpecialKernel(scatter_units, emit_scatter_add_along),
    "put_rows": SpecialKernel(put_units, emit_put_rows),
    "argmax": SpecialKernel(line_units, emit_argmax),
    "argmin": SpecialKernel(line_units, emit_argmin),
    "cumulative_sum": SpecialKernel(line_units, emit_cumulative_sum),
    "cumulative_prod": SpecialKernel(line_units, emit_cumulative_prod),
    "sort": SpecialKernel(sort_units, emit_sorted, sort_scratch),
    "argsort": SpecialKernel(sort_units, emit_argsorted, sort_scratch),
    "searchsorted": SpecialKernel(search_units, emit_searchsorted),
    "random_bits": SpecialKernel(random_units, emit_random_bits),
}
