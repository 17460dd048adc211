"""Matrix products: transposes are absorbed, batches that only repeat or only stack rows are none.

A product reads its operands by strides, so a permutation of an operand costs nothing, and one of the result becomes
a product of the permuted operands in the other order.
"""

from __future__ import annotations

import math

from lamina.compiler.graph.ir import Value
from lamina.compiler.graph.passes.folding import ELEMENTWISE
from lamina.compiler.graph.passes.operands import broadcast
from lamina.compiler.graph.passes.rewriting import Builder, Pass, Shape
from lamina.primitives.primitive import Spec

PRODUCTS_OF_MATRICES = frozenset({"matmul", "matmul_bfloat16"})
DEPTH = 8
"""How many elementwise operations a permutation is taken through to reach a product."""


def swapped(ndim: int) -> Shape:
    """Return the order of axes that transposes matrices."""
    return (*range(ndim - 2), ndim - 1, ndim - 2)


def product(builder: Builder, like: Value, a: Value, b: Value) -> Value:
    """Return a matrix product, as precise as another one."""
    batch = broadcast([a.shape[:-2], b.shape[:-2]])
    return builder.operation(like.op, (a, b), Spec((*batch, a.shape[-2], b.shape[-1]), a.dtype))


# --- the product itself -----------------------------------------------------------------------------------


def batches(value: Value, builder: Builder) -> Value | None:
    """Leading axes of length one go, and so do repetitions of a whole operand: products broadcast themselves."""
    a, b = value.operands
    narrow_a, narrow_b = _matrices(a, builder), _matrices(b, builder)
    if narrow_a is a and narrow_b is b:
        return None
    return builder.broadcast_to(product(builder, value, narrow_a, narrow_b), value.shape)


def _matrices(x: Value, builder: Builder) -> Value:
    batch, matrix = x.shape[:-2], x.shape[-2:]
    if x.op == "broadcast_to" and batch:
        source = x.operands[0]
        return builder.broadcast_to(source, (*_without_ones(source.shape[:-2]), *matrix))
    kept = _without_ones(batch)
    return x if kept == batch else builder.reshape(x, (*kept, *matrix))


def _without_ones(batch: Shape) -> Shape:
    first = next((axis for axis, size in enumerate(batch) if size != 1), len(batch))
    return batch[first:]


def outer(value: Value, builder: Builder) -> Value | None:
    """A column times a row is an elementwise product; over nothing, a sum is zero."""
    a, b = value.operands
    if a.shape[-1] == 0:
        return builder.full(value.shape, value.dtype, 0)
    if a.shape[-1] != 1 or value.op != "matmul":
        return None
    return builder.added_to_zero(builder.operation("multiply", (a, b), value.spec))


def stacked_rows(value: Value, builder: Builder) -> Value | None:
    """Many matrices times the same one are one matrix of all their rows, if these follow each other in memory."""
    a, b = value.operands
    if len(b.shape) != 2 or len(a.shape) < 3:
        return None
    rows = builder.reshape(a, (math.prod(a.shape[:-1]), a.shape[-1]))
    return builder.reshape(product(builder, value, rows, b), value.shape) if _free(rows, a) else None


def _free(x: Value, instead: Value) -> bool:
    """Tell whether elements stay where they are: a reshape of a view may have to move them.

    It does not matter where it takes the place of another reshape.
    """
    if x.op != "reshape" or instead.op == "reshape":
        return True
    source = x.operands[0]
    if source.op == "slice":  # Rows cut short follow each other at the same distance.
        return source.shape[:-1] == source.operands[0].shape[:-1] and x.shape[-1] == source.shape[-1]
    return source.op not in ("permute_dims", "broadcast_to", "flip")


def column(value: Value, builder: Builder) -> Value | None:
    """A transposed matrix times a column is a row times the matrix, whose rows are read as they lie."""
    a, b = value.operands
    if b.shape[-1] != 1 or a.op != "permute_dims" or a.params["axes"] != swapped(len(a.shape)) or len(b.shape) != 2:
        return None
    row = product(builder, value, builder.reshape(b, (1, b.shape[0])), a.operands[0])
    return builder.reshape(row, value.shape)


def sum_of_products(value: Value, builder: Builder) -> Value | None:
    """The sum of a batch of products is one product over all the columns of the first operands side by side."""
    x = value.operands[0]
    if x.op not in PRODUCTS_OF_MATRICES or not builder.read_once(x) or (value.dtype.floating and value.dtype.bits < 32):
        return None
    a, b = x.operands
    batch = len(x.shape) - 2
    if not batch or value.params["axes"] != tuple(range(batch)) or a.shape[:-2] != b.shape[:-2]:
        return None
    count = math.prod(a.shape[:-2])
    beside = builder.permute_dims(a, (batch, *range(batch), batch + 1))
    wide = builder.reshape(beside, (a.shape[-2], count * a.shape[-1]))
    tall = builder.reshape(b, (count * b.shape[-2], b.shape[-1]))
    return product(builder, x, wide, tall) if _free(wide, a) and _free(tall, b) else None


# --- its transpose ----------------------------------------------------------------------------------------


def transposed(value: Value, builder: Builder) -> Value | None:
    """A permutation is taken to the products that a value is made of, if nothing else has to be moved for it."""
    x, axes = value.operands[0], value.params["axes"]
    if x.op not in PRODUCTS_OF_MATRICES and x.op not in ELEMENTWISE:
        return None
    return _permuted(x, axes, builder) if _absorbs(x, axes, builder, DEPTH) else None


def _line(x: Value) -> bool:
    """Tell whether one axis at most is longer than one, so that a permutation moves nothing."""
    return len(x.shape) - x.shape.count(1) < 2


def _absorbs(x: Value, axes: Shape, builder: Builder, depth: int) -> bool:
    """Tell whether a value can be computed with its axes permuted, as cheaply as without."""
    if _line(x):
        return True
    if x.op == "permute_dims":
        return tuple(x.params["axes"][axis] for axis in axes) == tuple(range(len(axes)))
    if x.op in PRODUCTS_OF_MATRICES:
        return axes == swapped(len(axes)) and builder.read_once(x)
    return (
        depth > 0
        and x.op in ELEMENTWISE
        and builder.read_once(x)
        and all(
            # Axes that an operand does not have are of length one in front of it.
            (len(each.shape) == len(axes) and _absorbs(each, axes, builder, depth - 1)) or _line(each)
            for each in x.operands
        )
    )


def _permuted(x: Value, axes: Shape, builder: Builder) -> Value:
    if _line(x):
        if len(x.shape) < len(axes) and x.shape:
            x = builder.reshape(x, (1,) * (len(axes) - len(x.shape)) + x.shape)
        return builder.permute_dims(x, axes) if x.shape else x
    if x.op == "permute_dims":
        return x.operands[0]
    spec = Spec(tuple([x.shape[axis] for axis in axes]), x.dtype)
    if x.op in PRODUCTS_OF_MATRICES:
        a, b = (builder.permute_dims(each, swapped(len(each.shape))) for each in x.operands)
        return builder.operation(x.op, (b, a), spec)
    return builder.operation(x.op, [_permuted(each, axes, builder) for each in x.operands], spec, x.params)


PRODUCTS = Pass(
    "matrix products",
    "transposes cost nothing where a product absorbs them, and one large product is faster than many small",
    {
        **dict.fromkeys(PRODUCTS_OF_MATRICES, (batches, outer, column, stacked_rows)),
        "permute_dims": (transposed,),
        "sum": (sum_of_products,),
    },
)
