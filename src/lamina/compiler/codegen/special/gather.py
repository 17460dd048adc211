"""Kernels that read at indices: ``take`` and ``take_along_axis``."""

from __future__ import annotations

from lamina.compiler.codegen.special.indices import Indices
from lamina.compiler.codegen.special.job import Job, bytes_at, copy, divide, split
from lamina.compiler.codegen.values import Type
from lamina.compiler.graph import ir


def take_units(value: ir.Value) -> int:
    """One unit is a row of the axes behind those of the indices."""
    x, indices = value.operands
    return split(x.shape, value.params["axis"]).outer * indices.size


def emit_take(job: Job) -> None:
    """``result[o, j, i] = x[o, indices[j], i]``: rows are copied whole."""
    f, value = job.f, job.value
    x, indices = value.operands
    source = split(x.shape, value.params["axis"])
    itemsize = x.dtype.itemsize
    chosen = Indices(job, job.operands[1], indices.dtype, source.length)
    with f.loop(job.begin, job.end) as unit:
        outer, position = (f.integer(0), unit) if source.outer == 1 else divide(f, unit, indices.size)
        row = f.add(f.mul(outer, f.integer(source.length)), chosen.read(position))
        here = f.mul(row, f.integer(source.inner))
        there = f.mul(unit, f.integer(source.inner))
        if source.inner == 1:
            kind = Type(f"i{8 * itemsize}")
            f.store(f.load(kind, f.at(job.operands[0], here, kind)), f.at(job.results[0], there, kind))
        elif source.inner:
            to, at = (bytes_at(f, *each, itemsize) for each in ((job.results[0], there), (job.operands[0], here)))
            copy(f, to, at, source.inner * itemsize)
    chosen.report()


def take_along_units(value: ir.Value) -> int:
    """One unit is an element of the result."""
    return value.size


def emit_take_along(job: Job) -> None:
    """``result[o, j, i] = x[o, indices[o, j, i], i]``."""
    f, value = job.f, job.value
    x, indices = value.operands
    axis = value.params["axis"]
    source, wanted = split(x.shape, axis), split(indices.shape, axis)
    chosen = Indices(job, job.operands[1], indices.dtype, source.length)
    kind = Type(f"i{8 * x.dtype.itemsize}")
    with f.loop(job.begin, job.end) as unit:
        row, inner = divide(f, unit, wanted.inner)
        outer = f.integer(0) if wanted.outer == 1 else divide(f, row, wanted.length)[0]
        line = f.add(f.mul(outer, f.integer(source.length)), chosen.read(unit))
        here = f.add(f.mul(line, f.integer(source.inner)), inner)
        f.store(f.load(kind, f.at(job.operands[0], here, kind)), f.at(job.results[0], unit, kind))
    chosen.report()
