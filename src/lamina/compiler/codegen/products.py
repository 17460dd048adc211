"""Matrix products with what is made of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise

from lamina.compiler.codegen.contractions import LONG, ask_for, finish, streamed
from lamina.compiler.codegen.elementwise import cost
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.expressions import ZERO, Body, Step, element_type, nest, offset, unravelled
from lamina.compiler.codegen.matmul import Prefetch, Product, column_units, emit_product, scratch_bytes
from lamina.compiler.codegen.values import Value
from lamina.compiler.graph import ir
from lamina.compiler.schedule.accesses import Read, expressions
from lamina.compiler.schedule.kernels import MatrixProduct
from lamina.compiler.schedule.order import Share
from lamina.compiler.schedule.views import Affine, Shape, View
from lamina.compiler.target import Target


class Layout:
    """How a kernel's product is computed: as one of matrices, or as a batch of them.

    Where the second operand is the same for the whole batch, and the first runs through memory in one go, all rows of
    the batch are the rows of one product.
    """

    def __init__(self, kernel: MatrixProduct) -> None:
        shape = kernel.value.shape
        self.a, self.b = _with_batch(kernel.a, shape), _with_batch(kernel.b, shape)
        batch, rows, columns = shape[:-2], shape[-2], shape[-1]
        depth = kernel.value.operands[0].shape[-1]
        outer = [(size, stride) for size, stride in zip((*batch, rows), self.a.strides[:-1], strict=True) if size != 1]
        together = all(a[1] == b[1] * b[0] for a, b in pairwise(outer))
        self.one = not any(size != 1 for size in batch) or (not any(self.b.strides[:-2]) and together)
        row_stride = outer[-1][1] if self.one and outer else self.a.strides[-2]
        self.product = Product(
            math.prod(batch) * rows if self.one else rows,
            columns,
            depth,
            kernel.value.dtype,
            (row_stride, self.a.strides[-1]),
            (self.b.strides[-2], self.b.strides[-1]),
            rounded=kernel.value.op == "matmul_bfloat16",
        )
        self.row_dims = kernel.dims if columns == 1 else kernel.dims[:-1]


def _with_batch(view: View, shape: Shape) -> View:
    """Return an operand with a stride for every batch axis of the result: 0 where it is broadcast."""
    added = len(shape) - len(view.strides)
    return View(view.base, (0,) * added + view.strides, view.offset)


def product_scratch(kernel: MatrixProduct, target: Target) -> int:
    """Return the bytes of scratch memory that one thread needs."""
    return scratch_bytes(Layout(kernel).product, target)


def emit_matrix_product(body: Body, share: Share, begin: Value, end: Value, scratch: Value) -> None:
    """Write a matrix product for the units of its rows, or of its batch, from ``begin`` to ``end``."""
    kernel, f = body.kernel, body.f
    assert isinstance(kernel, MatrixProduct)
    layout = Layout(kernel)
    if share.grain > 1:
        columns = f.mul(begin, f.integer(share.grain)), _least(f, f.mul(end, f.integer(share.grain)), layout.product.n)
        _emit_one(body, layout, [], (ZERO, f.integer(layout.product.m)), scratch, columns)
        return
    if layout.one:
        per_unit = layout.product.m // share.units if share.units else 0
        first, last = f.mul(begin, f.integer(per_unit)), f.mul(end, f.integer(per_unit))
        if not kernel.dims or share.loop is None or not layout.row_dims:
            first, last = ZERO, f.integer(layout.product.m)
        _emit_one(body, layout, [], (first, last), scratch)
        return
    batch = list(kernel.value.shape[:-2])
    with ExitStack() as stack:
        loops: list[Value] = []
        for size in batch:
            if size == 1:
                loops.append(ZERO)
            elif not any(each.text != "0" for each in loops) and share.loop == 0:
                loops.append(stack.enter_context(f.loop(begin, end)))
            else:
                loops.append(stack.enter_context(nest(f, [size]))[0])
        _emit_one(body, layout, loops, (ZERO, f.integer(layout.product.m)), scratch)


def _least(f: Emitter, a: Value, most: int) -> Value:
    return f.integer(min(a.literal, most)) if a.literal is not None else f.intrinsic("smin", a, f.integer(most))


def column_grain(kernel: MatrixProduct, target: Target) -> int:
    """Return how many columns are a unit of work; 0 where a product is better shared out by rows.

    Threads that share the rows each read all of the second operand, and pack it; that takes longer than it takes them
    to meet where it is large, and there are no more rows than columns.
    """
    layout = Layout(kernel)
    product = layout.product
    # Where A is transposed, rows of the result are made of all its rows, and threads meet before it in any case.
    transposed = product.a_strides[0] == 1
    if not layout.one or product.m > product.n or (not transposed and product.k * product.n < PACKED):
        return 0
    grain = column_units(product, target)
    return grain if 1 < grain <= product.n // 4 else 0


PACKED = 32768
"""From how many elements of its second operand on a product may be shared out by columns, for one meeting more."""


def _emit_one(
    body: Body,
    layout: Layout,
    batch: list[Value],
    rows: tuple[Value, Value],
    scratch: Value,
    columns: tuple[Value, Value] | None = None,
) -> None:
    kernel, f = body.kernel, body.f
    assert isinstance(kernel, MatrixProduct)
    pointers = []
    for view in (layout.a, layout.b):
        place = (*view.strides[: len(batch)], view.offset) if batch else (view.offset,)
        at = offset(f, place, batch)
        pointers.append(f.at(body.pointers[view.base], at, element_type(view.base)))
    shape = kernel.value.shape
    outer = [index for index, size in zip(batch, shape[:-2], strict=False) if size != 1] if batch else []

    def epilogue(f: Emitter, row: Value, column: Value, value: Value) -> None:
        places = [*outer, *([row] if shape[-2] != 1 else [])] if batch else unravelled(f, row, layout.row_dims)
        loops = places if shape[-1] == 1 else [*places, column]
        finish(Step(body, loops, None if shape[-1] == 1 else len(loops) - 1, value.type.lanes), value)

    a, b = pointers
    overlaps, prefetch = _beside(body, layout)
    emit_product(f, body.target, layout.product, a, b, rows[0], rows[1], scratch, epilogue, columns, overlaps, prefetch)


def _beside(body: Body, layout: Layout) -> tuple[bool, Prefetch | None]:
    """Return whether the epilogue is spread over the sums of the next tile, and what asks for its memory meanwhile.

    Spreading it writes its code twice. It is worth that where it computes much, or reads matrices.
    """
    kernel = body.kernel
    found = expressions(kernel, body.fused)
    lines = streamed(body, found, lambda read: _line(read, kernel.dims))
    if not lines:
        reads = any(isinstance(each, Read) and _line(each, kernel.dims) is not None for each in found)
        work = sum(cost(each.op) or 0 for each in found if isinstance(each, ir.Value))
        return reads or work >= MUCH, None
    if not layout.one or layout.product.k < LONG:
        return False, None

    def prefetch(f: Emitter, row: Value, column: Value, columns: int) -> None:
        for base, line in lines:
            ask_for(f, body, base, line, [row, column], columns)

    return True, prefetch


MUCH = 12
"""Instructions an element."""


def _line(read: Read, dims: Sequence[int]) -> Affine | None:
    """Return where a read is by row and column, if it goes through rows of neighbours that are evenly apart."""
    if read.place is None or read.reach or len(dims) < 2:
        return None
    *rows, column, start = read.place
    evenly = all(outer == inner * size for (outer, inner), size in zip(pairwise(rows), dims[1:], strict=False))
    return (rows[-1], column, start) if column == 1 and rows[-1] and evenly else None
