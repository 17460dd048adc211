"""Products of rows by rows: vectors along k, whose lanes are added up at the end."""

from __future__ import annotations

from lamina.compiler.codegen.elements import load_element
from lamina.compiler.codegen.emitter import I1, Emitter, Value
from lamina.compiler.codegen.matmul.arithmetic import multiply_add, plus
from lamina.compiler.codegen.matmul.plan import Dots
from lamina.compiler.codegen.matmul.product import Epilogue, Product
from lamina.compiler.codegen.matmul.tiles import Drain, keep
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
        left = _starts(f, product, a, row, rows, plan.rows, product.a_strides[0])
        right = _starts(f, product, b, column, columns, plan.columns, product.b_strides[1])
        keep(f, product, _totals(f, _dots(f, target, product, plan, left, right)), buffer)
        if not remainder:
            drain.columns(f, row, rows, column, plan.columns)
        else:
            with f.when(f.icmp("sge", columns, f.integer(plan.columns))):
                drain.columns(f, row, rows, column, plan.columns)
            with f.when(f.icmp("slt", columns, f.integer(plan.columns))):
                drain.columns(f, row, rows, column, remainder)


def _starts(
    f: Emitter, product: Product, base: Value, first: Value, count: Value, most: int, stride: int
) -> list[Value]:
    """Return where lines begin; those that do not exist are the last that does."""
    start = f.at(base, f.mul(first, f.integer(stride)), product.stored)
    last = f.sub(count, f.integer(1)) if most > 1 else count
    lines = [f.intrinsic("smin", f.integer(line), last) for line in range(1, most)]
    return [start, *(f.at(start, f.mul(line, f.integer(stride)), product.stored) for line in lines)]


def _dots(
    f: Emitter, target: Target, product: Product, plan: Dots, left: list[Value], right: list[Value]
) -> list[Value]:
    """Return vectors of partial sums, for each of the lines on the left with each on the right."""
    lanes, depth = plan.lanes, product.k

    def added(k: Value, sums: list[Value], mask: Value | None = None) -> list[Value]:
        vectors = []
        for line in [*left, *right]:
            vector = load_element(f, product.dtype, f.at(line, k, product.stored), lanes)
            vectors.append(vector if mask is None else f.select(mask, vector, f.number(0, vector.type)))
        pairs = [(x, y) for x in vectors[: len(left)] for y in vectors[len(left) :]]
        return [multiply_add(f, target, x, y, total) for (x, y), total in zip(pairs, sums, strict=True)]

    zeros = [f.number(0, product.summed.of(lanes))] * (len(left) * len(right))
    with f.repeat(f.integer(0), f.integer(depth // lanes * lanes), zeros, lanes) as round_:
        round_.values = added(round_.index, round_.values)
    rest = depth % lanes
    if not rest:
        return round_.values
    # The last vector overlaps the one before it; what was counted already is 0 on both sides.
    mask = f.vector([lane >= lanes - rest for lane in range(lanes)], I1)
    return added(f.integer(depth - lanes), round_.values, mask)


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
