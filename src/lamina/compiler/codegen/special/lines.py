"""Lines: the elements along an axis, which some kernels walk from the first to the last.

Lines that lie side by side in memory are walked together, a vector at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from lamina.compiler.codegen.special.job import Job, Split, divide, split
from lamina.compiler.codegen.values import Value
from lamina.compiler.graph import ir

COLUMNS = 16  # lines walked together


def line_units(value: ir.Value) -> int:
    """One unit is a line, or several side by side."""
    lines = _lines(value)
    return lines.outer * _blocks(lines)


class Walk(NamedTuple):
    """A line, or the first of several.

    Attributes
    ----------
    lines : Split
        The operand's shape around the axis.
    start : Value
        Number of the line's first element in the operand; ``lines.inner`` lie from one element to the next.
    line : Value
        Number of the line, counted through the other axes.
    lanes : int
        How many lines are walked together; 0 for one, without vectors.
    """

    lines: Split
    start: Value
    line: Value
    lanes: int


@contextmanager
def each_walk(job: Job) -> Iterator[Walk]:
    """Repeat what is written inside for every unit of a job."""
    f, lines = job.f, _lines(job.value)
    lanes = COLUMNS if lines.inner >= COLUMNS else 0
    with f.loop(job.begin, job.end) as unit:
        outer, column = divide(f, unit, _blocks(lines))
        if lanes:
            # The last vector ends with the row: what it shares with the one before is computed twice, alike.
            column = f.intrinsic("smin", f.mul(column, f.integer(lanes)), f.integer(lines.inner - lanes))
        start = f.add(f.mul(outer, f.integer(lines.length * lines.inner)), column)
        yield Walk(lines, start, f.add(f.mul(outer, f.integer(lines.inner)), column), lanes)


def _lines(value: ir.Value) -> Split:
    return split(value.operands[0].shape, value.params["axis"])


def _blocks(lines: Split) -> int:
    return lines.inner if lines.inner < COLUMNS else -(-lines.inner // COLUMNS)
