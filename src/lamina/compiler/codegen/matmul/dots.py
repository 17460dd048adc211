"""Products of rows by rows: vectors along k, whose lanes are added up at the end."""

from __future__ import annotations

from typing import NamedTuple

from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.matmul.arithmetic import advanced, plus
from lamina.compiler.codegen.matmul.plan import Dots
from lamina.compiler.codegen.matmul.product import Epilogue, Product
from lamina.compiler.codegen.matmul.tiles import Drain, keep
from lamina.compiler.codegen.values import Value
from lamina.compiler.target import Target


def emit_dots(
    f: Emitter,
    target: Target,
    product: Product,
    plan: Dots,
    a: Value,
    b: Value,
    begin: Value,
    end: Value,
    first: Value,
    last: Value,
    epilogue: Epilogue,
) -> None:
    """Write the code of a product of rows by rows, both contiguous along k."""
    buffer = f.slot(product.summed, -(-plan.rows * plan.columns // 4) * 4)
    drain = Drain(product, epilogue, buffer, plan.columns, 1 << (plan.columns.bit_length() - 1))
    remainder = product.n % plan.columns
    with f.loop(first, last, plan.columns) as column, f.loop(begin, end, plan.rows) as row:
        rows = f.intrinsic("smin", f.sub(end, row), f.integer(plan.rows))
        columns = f.sub(last, column)
        left = _lines(f, product, a, row, rows, plan.rows, product.a_strides[0])
        right = _lines(f, product, b, column, columns, plan.columns, product.b_strides[1])
        keep(f, product, _totals(f, _dots(f, target, product, plan, left, right)), buffer)
        if not remainder:
            drain.columns(f, row, rows, column, plan.columns)
        else:
            with f.when(f.icmp("sge", columns, f.integer(plan.columns))):
                drain.columns(f, row, rows, column, plan.columns)
            with f.when(f.icmp("slt", columns, f.integer(plan.columns))):
                drain.columns(f, row, rows, column, remainder)


class _Lines(NamedTuple):
    """Lines contiguous along k: a pointer to the first, and how far away each begins."""

    start: Value
    offsets: list[Value]


def _lines(f: Emitter, product: Product, base: Value, first: Value, count: Value, most: int, stride: int) -> _Lines:
    """Return so many lines; those that do not exist are the last that does."""
    start = f.at(base, f.mul(first, f.integer(stride)), product.stored)
    last = f.sub(count, f.integer(1))
    lines = [f.intrinsic("smin", f.integer(line), last) for line in range(1, most)]
    return _Lines(start, [f.integer(0), *(f.mul(line, f.integer(stride)) for line in lines)])


def _dots(f: Emitter, target: Target, product: Product, plan: Dots, left: _Lines, right: _Lines) -> list[Value]:
    """Return vectors of partial sums, for each of the lines on the left with each on the right."""
    lanes, cells = plan.lanes, plan.cells
    step, depth = lanes * cells.per_cell, product.k

    def vectors(lines: _Lines, start: Value) -> list[Value]:
        places = [f.at(start, offset, product.stored) for offset in lines.offsets]
        return [cells.read(f, place, lanes, "along k", 1) for place in places]

    def added(x: list[Value], y: list[Value], sums: list[Value]) -> list[Value]:
        pairs = [(a, b) for a in x for b in y]
        return [cells.multiply_add(f, target, a, b, total) for (a, b), total in zip(pairs, sums, strict=True)]

    zeros = [f.number(0, product.summed.of(lanes))] * (plan.rows * plan.columns)
    whole = f.integer(depth // step * step)
    with f.repeat(f.integer(0), whole, [left.start, right.start, *zeros], step) as round_:
        x, y, *sums = round_.values
        ahead = [advanced(f, each, step, product.stored) for each in (x, y)]
        round_.values = [*ahead, *added(vectors(left, x), vectors(right, y), sums)]
    sums = round_.values[2:]
    rest = depth % step
    if not rest:
        return sums
    # The last vector overlaps the one before it; what was counted already is 0 on both sides.
    ends = [vectors(lines, f.at(lines.start, f.integer(depth - step), product.stored)) for lines in (left, right)]
    last = [[cells.last(f, each, rest) for each in line] for line in ends]
    return added(last[0], last[1], sums)


def _totals(f: Emitter, partial: list[Value]) -> list[Value]:
    """Return the sums of the lanes of vectors, in vectors of four of them; each is added up in the same order."""
    size = min(4, 1 << (len(partial) - 1).bit_length())
    padded = partial + partial[-1:] * (-len(partial) % size)
    return [_four(f, padded[start : start + size]) for start in range(0, len(padded), size)]


def _four(f: Emitter, vectors: list[Value]) -> Value:
    """Fold vectors in halves and put them side by side, until there is one lane of each."""
    segment = vectors[0].type.lanes
    while len(vectors) > 1:
        vectors = [_folded(f, segment, x, y) for x, y in zip(vectors[::2], vectors[1::2], strict=True)]
        segment = max(segment // 2, 1)
    while segment > 1:
        vectors = [_folded(f, segment, vectors[0])]
        segment //= 2
    return vectors[0]


def _folded(f: Emitter, segment: int, *vectors: Value) -> Value:
    """Add the upper half of each segment of vectors to its lower half; segments of one lane are only joined."""
    lanes = range(len(vectors) * vectors[0].type.lanes)
    if segment == 1:
        return f.shuffle(vectors[0], vectors[-1], lanes)
    low = [lane for lane in lanes if lane % segment < segment // 2]
    halves = [[lane + offset for lane in low] for offset in (0, segment // 2)]
    return plus(f, *(f.shuffle(vectors[0], vectors[-1], half) for half in halves))
