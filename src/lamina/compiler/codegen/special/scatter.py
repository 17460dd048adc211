"""Kernels that write at indices: ``scatter_add``, ``_max`` and ``_min``, ``scatter_add_along_axis`` and ``put_rows``.

A thread owns rows of the result, clears them, and looks through all values for those that belong to it. So nobody
else writes there, and every element is combined in the order of the values, as in a single thread.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from lamina.compiler.codegen.elements import literal, load_element, narrow, store_element
from lamina.compiler.codegen.elementwise import Types, emit_elementwise
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.special.indices import Indices
from lamina.compiler.codegen.special.job import Job, added, bytes_at, clear, copy, divide, split
from lamina.compiler.codegen.values import Type, Value
from lamina.compiler.graph import ir
from lamina.dtypes import ends


def scatter_units(value: ir.Value) -> int:
    """One unit is a row of the result: an index, and all of the axes behind."""
    result = split(value.shape, value.params["axis"])
    return result.outer * result.length


_EXTREMA = {"scatter_max": ("maximum", 0), "scatter_min": ("minimum", 1)}
"""Operations that choose: by what, and which end of the type's numbers they begin from."""


def emit_scatter(job: Job) -> None:
    """``result[o, indices[j], i] += values[o, j, i]``, or the like, for j from the first to the last."""
    f, value = job.f, job.value
    values, indices = value.operands
    source = split(values.shape, value.params["axis"], len(indices.shape))
    chosen = Indices(job, job.operands[1], indices.dtype, value.params["size"])

    def combine_rows(outer: Value, first: Value, stop: Value) -> None:
        with f.loop(f.integer(0), f.integer(source.length)) as position:
            index = chosen.read(position)
            with f.when(_between(f, index, first, stop)):
                row = f.add(f.mul(outer, f.integer(value.params["size"])), index)
                here = f.add(f.mul(outer, f.integer(source.length)), position)
                _each_of_row(job, source.inner, partial(_combine, job, row, here))

    _by_owner(job, combine_rows)
    chosen.report()


def emit_scatter_add_along(job: Job) -> None:
    """``result[o, indices[o, j, i], i] += values[o, j, i]`` for j from the first to the last."""
    f, value = job.f, job.value
    values, indices = value.operands
    source = split(values.shape, value.params["axis"])
    chosen = Indices(job, job.operands[1], indices.dtype, value.params["size"])

    def add_elements(outer: Value, first: Value, stop: Value) -> None:
        begin = f.mul(outer, f.integer(source.length * source.inner))
        with f.loop(f.integer(0), f.integer(source.length * source.inner)) as position:
            here = f.add(begin, position)
            index = chosen.read(here)
            with f.when(_between(f, index, first, stop)):
                row = f.add(f.mul(outer, f.integer(value.params["size"])), index)
                inner = divide(f, position, source.inner)[1]
                there = f.add(f.mul(row, f.integer(source.inner)), inner)
                _combine_elements(job, there, here)

    _by_owner(job, add_elements)
    chosen.report()


def put_units(value: ir.Value) -> int:
    """One unit is a row of the result."""
    return value.shape[0]


def emit_put_rows(job: Job) -> None:
    """``result = x``, if that is not the same memory; then ``result[indices[j]] = rows[j]`` from the first j on.

    Some indices are no row's.
    """
    f, value = job.f, job.value
    x, _, indices = value.operands
    row, kind = split(x.shape, 0).inner * x.dtype.itemsize, Type(f"i{indices.dtype.bits}")
    if row == 0:
        return
    if job.results[0] != job.operands[0]:
        start = f.mul(job.begin, f.integer(row))
        size = f.mul(f.sub(job.end, job.begin), f.integer(row))
        copy(f, bytes_at(f, job.results[0], start, 1), bytes_at(f, job.operands[0], start, 1), size)
    with f.loop(f.integer(0), f.integer(indices.shape[0])) as position:
        index = f.load(kind, f.at(job.operands[2], position, kind))
        index = f.convert("zext" if indices.dtype.kind == "unsigned" else "sext", index, "i64")
        with f.when(_between(f, index, job.begin, job.end)):
            there = bytes_at(f, job.results[0], f.mul(index, f.integer(row)), 1)
            copy(f, there, bytes_at(f, job.operands[1], f.mul(position, f.integer(row)), 1), row)


def _by_owner(job: Job, add: Callable[[Value, Value, Value], None]) -> None:
    """Clear the rows of this job, then ``add(outer, first, stop)`` for every outer index and its range of rows."""
    f, result = job.f, split(job.value.shape, job.value.params["axis"])
    size = f.integer(result.length)
    if result.length == 0:
        return
    _begin_rows(job, result.inner)
    outer_begin, _ = divide(f, job.begin, result.length)
    outer_end, _ = divide(f, f.add(job.end, f.integer(result.length - 1)), result.length)
    # An empty range may not begin a line that is not its own.
    outer_end = f.select(f.icmp("slt", job.begin, job.end), outer_end, outer_begin)
    with f.loop(outer_begin, outer_end) as outer:
        line = f.mul(outer, size)
        first = f.intrinsic("smax", f.sub(job.begin, line), f.integer(0))
        stop = f.intrinsic("smin", f.sub(job.end, line), size)
        add(outer, first, stop)


def _between(f: Emitter, index: Value, first: Value, stop: Value) -> Value:
    return f.icmp("ult", f.sub(index, first), f.sub(stop, first))


def _begin_rows(job: Job, inner: int) -> None:
    """Fill the rows of this job with what changes nothing it is combined with."""
    f, dtype = job.f, job.value.dtype
    if job.value.op not in _EXTREMA:
        row = f.integer(inner * dtype.itemsize)
        start = bytes_at(f, job.results[0], f.mul(job.begin, row), 1)
        clear(f, start, f.mul(f.sub(job.end, job.begin), row))
        return
    number = ends(dtype)[_EXTREMA[job.value.op][1]]
    with f.loop(job.begin, job.end) as row:

        def fill(column: Value, lanes: int) -> None:
            there = f.add(f.mul(row, f.integer(inner)), column)
            to = bytes_at(f, job.results[0], there, dtype.itemsize)
            store_element(f, dtype, literal(f, dtype, number, lanes), to)

        _each_of_row(job, inner, fill)


def _each_of_row(job: Job, inner: int, act: Callable[[Value, int], None]) -> None:
    """``act(column, lanes)`` for the elements of a row: vectors, then what is left."""
    f = job.f
    lanes = f.module.target.lanes(max(job.value.dtype.bits, 16))
    whole = inner - inner % lanes
    for low, high, width in ((0, whole, lanes), (whole, inner, 0)):
        if low < high:
            with f.loop(f.integer(low), f.integer(high), width or 1) as column:
                act(column, width)


def _combine(job: Job, row: Value, here: Value, column: Value, lanes: int) -> None:
    """Combine elements of a row of the result with those of a row of the values."""
    f = job.f
    inner = f.integer(split(job.value.shape, job.value.params["axis"]).inner)
    _combine_elements(job, f.add(f.mul(row, inner), column), f.add(f.mul(here, inner), column), lanes)


def _combine_elements(job: Job, to: Value, here: Value, lanes: int = 0) -> None:
    """Combine elements of the result with some of the values; a narrow sum is rounded each time, as eager does."""
    f, dtype, op = job.f, job.value.dtype, job.value.op
    there = bytes_at(f, job.results[0], to, dtype.itemsize)
    more = load_element(f, dtype, bytes_at(f, job.operands[0], here, dtype.itemsize), lanes)
    total = load_element(f, dtype, there, lanes)
    if op in _EXTREMA:
        found = emit_elementwise(f, _EXTREMA[op][0], Types(dtype, dtype), [total, more])
    else:
        found = narrow(f, dtype, added(f, dtype, total, more))
    store_element(f, dtype, found, there)
