"""The smallest products: B held in registers, or nothing to sum."""

from __future__ import annotations

from lamina.compiler.codegen.elements import narrow
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.matmul.arithmetic import multiply_add
from lamina.compiler.codegen.matmul.plan import Resident
from lamina.compiler.codegen.matmul.product import Epilogue, Product, as_operand, load_operand
from lamina.compiler.codegen.values import Value
from lamina.compiler.target import Target


def emit_zeros(
    f: Emitter, product: Product, begin: Value, end: Value, first: Value, last: Value, epilogue: Epilogue
) -> None:
    """Write the code of sums of nothing."""
    with f.loop(begin, end) as row, f.loop(first, last) as column:
        epilogue(f, row, column, f.number(0, product.summed))


def emit_resident(
    f: Emitter,
    target: Target,
    product: Product,
    plan: Resident,
    a: Value,
    b: Value,
    begin: Value,
    end: Value,
    epilogue: Epilogue,
) -> None:
    """Write the code of a product whose B fits in registers: one row of A after the other, without loops along k."""
    columns = {start: _columns(f, product, b, start, lanes) for start, lanes in plan.pieces}
    with f.loop(begin, end) as row:
        line = f.at(a, f.mul(row, f.integer(product.a_strides[0])), product.stored)
        steps = [f.at(line, f.integer(k * product.a_strides[1]), product.stored) for k in range(product.k)]
        elements = [load_operand(f, product, step) for step in steps]
        for start, lanes in plan.pieces:
            total = f.number(0, product.summed.of(lanes))
            for k, element in enumerate(elements):
                total = multiply_add(f, target, f.splat(element, lanes), columns[start][k], total)
            epilogue(f, row, f.integer(start), narrow(f, product.dtype, total))


def _columns(f: Emitter, product: Product, b: Value, start: int, lanes: int) -> list[Value]:
    """Return, for each k, the vector of neighbours along n that begins at a column."""
    (along, across), depth = product.b_strides, product.k

    def at(k: int, lane: int) -> Value:
        return f.at(b, f.integer(k * along + (start + lane) * across), product.stored)

    if across == 1 or not lanes:
        return [load_operand(f, product, at(k, 0), lanes) for k in range(depth)]
    if along == 1 and across == depth and depth & (depth - 1) == 0:
        block = f.load(product.stored.of(depth * lanes), at(0, 0))
        picked = [f.shuffle(block, block, range(k, depth * lanes, depth)) for k in range(depth)]
        return [as_operand(f, product, column) for column in picked]
    found = []
    for k in range(depth):
        column = Value("poison", product.summed.of(lanes))
        for lane in range(lanes):
            column = f.insert(column, load_operand(f, product, at(k, lane)), lane)
        found.append(column)
    return found
