"""One column, of a matrix whose neighbours lie along m: vectors along m."""

from __future__ import annotations

from lamina.compiler.codegen.elements import narrow
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.matmul.arithmetic import advanced, multiply_add
from lamina.compiler.codegen.matmul.plan import Column
from lamina.compiler.codegen.matmul.product import Epilogue, Product, load_operand
from lamina.compiler.codegen.matmul.tiles import keep
from lamina.compiler.codegen.values import I1, Value
from lamina.compiler.target import Target


def emit_column(
    f: Emitter,
    target: Target,
    product: Product,
    plan: Column,
    a: Value,
    b: Value,
    begin: Value,
    end: Value,
    epilogue: Epilogue,
) -> None:
    """Write the code of one column whose elements are neighbours in A: by vectors along m.

    The last vector of a share overlaps the one before it; a share of fewer rows than lanes goes row by row.
    """
    wide, lanes = plan.lanes * plan.vectors, f.integer(plan.lanes)
    buffer = f.slot(product.summed, wide)
    current, start, after = f.variable(begin), f.variable(begin), f.variable(begin)
    narrow_share = f.icmp("slt", f.sub(end, begin), lanes)

    def strip(row: Value, count: int, vectors: int, width: int) -> None:
        keep(f, product, _strip(f, target, product, f.at(a, row, product.stored), b, vectors, width), buffer)
        f.set(start, row)
        f.set(after, f.add(row, f.integer(count)))

    with f.while_() as loop:
        row = f.get(current)
        left = f.sub(end, row)
        loop.leave_unless(f.icmp("sgt", left, f.integer(0)))
        whole = f.icmp("sge", left, f.integer(wide))
        with f.when(whole):
            strip(row, wide, plan.vectors, plan.lanes)
        with f.when(f.icmp("eq", f.binary("or", whole, narrow_share), f.integer(0, I1))):
            strip(f.intrinsic("smin", row, f.sub(end, lanes)), plan.lanes, 1, plan.lanes)
        with f.when(narrow_share):
            strip(row, 1, 1, 0)
        stop = f.get(after)
        with f.loop(row, stop) as each:
            place = f.at(buffer, f.sub(each, f.get(start)), product.summed)
            epilogue(f, each, f.integer(0), narrow(f, product.dtype, f.load(product.summed, place)))
        f.set(current, stop)


def _strip(f: Emitter, target: Target, product: Product, a: Value, b: Value, vectors: int, lanes: int) -> list[Value]:
    """Return the sums of neighbouring rows: vectors of A along m, times elements of B."""
    sums = [f.number(0, product.summed.of(lanes))] * vectors
    with f.repeat(f.integer(0), f.integer(product.k), [a, b, *sums]) as round_:
        left, right, *sums = round_.values
        element = f.splat(load_operand(f, product, right), lanes)
        for place, total in enumerate(sums):
            rows = load_operand(f, product, f.at(left, f.integer(place * lanes), product.stored), lanes)
            sums[place] = multiply_add(f, target, rows, element, total)
        ahead = advanced(f, left, product.a_strides[1], product.stored)
        round_.values = [ahead, advanced(f, right, product.b_strides[0], product.stored), *sums]
    return round_.values[2:]
