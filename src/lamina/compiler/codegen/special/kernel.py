"""The table of special kernels: operations that are neither elementwise, views, reductions nor matrix products."""

from __future__ import annotations

from lamina.compiler.codegen.later import later
from lamina.compiler.codegen.special.job import SpecialKernel


def _of(*functions: str) -> SpecialKernel:
    """Return a kernel by its functions, each with its module."""
    return SpecialKernel(*(later(f"special.{each}") for each in functions))


SPECIAL: dict[str, SpecialKernel] = {
    "check": SpecialKernel(lambda _: 1, later("special.check.emit_check")),
    "take": _of("gather.take_units", "gather.emit_take"),
    "take_along_axis": _of("gather.take_along_units", "gather.emit_take_along"),
    "scatter_add": _of("scatter.scatter_units", "scatter.emit_scatter"),
    "scatter_max": _of("scatter.scatter_units", "scatter.emit_scatter"),
    "scatter_min": _of("scatter.scatter_units", "scatter.emit_scatter"),
    "scatter_add_along_axis": _of("scatter.scatter_units", "scatter.emit_scatter_add_along"),
    "put_rows": _of("scatter.put_units", "scatter.emit_put_rows"),
    "argmax": _of("lines.line_units", "argmax.emit_argmax"),
    "argmin": _of("lines.line_units", "argmax.emit_argmin"),
    "cumulative_sum": _of("lines.line_units", "cumulative.emit_cumulative_sum"),
    "cumulative_prod": _of("lines.line_units", "cumulative.emit_cumulative_prod"),
    "sort": _of("sorting.sort_units", "sorting.emit_sorted", "sorting.sort_scratch"),
    "argsort": _of("sorting.sort_units", "sorting.emit_argsorted", "sorting.sort_scratch"),
    "searchsorted": _of("searching.search_units", "searching.emit_searchsorted"),
    "random_bits": _of("philox.random_units", "philox.emit_random_bits"),
}
