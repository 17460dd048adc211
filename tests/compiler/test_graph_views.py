"""Views in graphs: what chains of them become, alone and around operations, products and reductions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lamina.compiler.graph.fingerprint import fingerprint
from lamina.compiler.graph.ir import Graph, Value
from lamina.compiler.graph.passes.simplify import simplify
from lamina.compiler.graph.printer import text
from lamina_tests.graphs import apply as op, graph, inputs, number, results

Maker = Callable[..., Value]
Shapes = tuple[tuple[int, ...], ...]


def whole_numbers(shapes: Shapes, dtype: str = "float32") -> list[np.ndarray[Any, Any]]:
    """Numbers whose sums and products are exact."""
    generator = np.random.default_rng(0)
    return [generator.integers(-3, 4, shape).astype(dtype) for shape in shapes]


def agree(before: Graph, after: Graph, shapes: Shapes, dtype: str = "float32") -> None:
    values = whole_numbers(shapes, dtype)
    for a, b in zip(results(before, values), results(after, values), strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


def check(before: Maker, after: Maker, *shapes: tuple[int, ...], dtype: str = "float32") -> None:
    given = inputs(*shapes, dtype=dtype)
    left, right = graph(before(*given), of=given), graph(after(*given), of=given)
    found = simplify(left)
    assert fingerprint(found) == fingerprint(right), f"{text(left)}\nbecame\n{text(found)}\nand not\n{text(right)}"
    agree(left, found, shapes, dtype)


def operations(found: Graph) -> Counter[str]:
    return Counter(value.op for value in found.values() if value.op not in ("input", "full"))


def reshape(x: Value, *shape: int) -> Value:
    return op("reshape", x, shape=shape)


def permute(x: Value, *axes: int) -> Value:
    return op("permute_dims", x, axes=axes)


def broadcast(x: Value, *shape: int) -> Value:
    return op("broadcast_to", x, shape=shape)


def flip(x: Value, *axes: int) -> Value:
    return op("flip", x, axes=axes)


def cut(x: Value, *ranges: tuple[int, int, int]) -> Value:
    start, stop, step = zip(*ranges, strict=True)
    return op("slice", x, start=start, stop=stop, step=step)


def total(x: Value, *axes: int, name: str = "sum", keepdims: bool = False) -> Value:
    return op(name, x, axes=axes, keepdims=keepdims)


def c(x: Value, value: float, *shape: int) -> Value:
    return number(value, x.dtype, shape)


# --- chains of views --------------------------------------------------------------------------------------

CHAINS: list[tuple[str, tuple[int, ...], Maker, Maker]] = [
    ("reshape to the same shape", (2, 3), lambda x: reshape(x, 2, 3), lambda x: x),
    ("reshape of a reshape", (2, 3), lambda x: reshape(reshape(x, 6), 3, 2), lambda x: reshape(x, 3, 2)),
    ("permutation that moves nothing", (2, 3), lambda x: permute(x, 0, 1), lambda x: x),
    ("permutation undone", (2, 3, 4), lambda x: permute(permute(x, 1, 2, 0), 2, 0, 1), lambda x: x),
    (
        "permutation of a permutation",
        (2, 3, 4),
        lambda x: permute(permute(x, 1, 2, 0), 0, 2, 1),
        lambda x: permute(x, 1, 0, 2),
    ),
    ("permutation of axes of length one", (2, 1, 3), lambda x: permute(x, 1, 0, 2), lambda x: reshape(x, 1, 2, 3)),
    (
        "reshape of neighbours that were permuted together",
        (2, 3, 4),
        lambda x: reshape(permute(x, 2, 0, 1), 4, 6),
        lambda x: permute(reshape(x, 6, 4), 1, 0),
    ),
    (
        "permutation of a broadcast",
        (3,),
        lambda x: permute(broadcast(x, 2, 3), 1, 0),
        lambda x: broadcast(reshape(x, 3, 1), 3, 2),
    ),
    ("broadcast to the same shape", (2, 3), lambda x: broadcast(x, 2, 3), lambda x: x),
    (
        "broadcast of a broadcast",
        (3, 1),
        lambda x: broadcast(broadcast(x, 3, 4), 2, 3, 4),
        lambda x: broadcast(x, 2, 3, 4),
    ),
    ("broadcast that only adds axes", (3,), lambda x: broadcast(x, 1, 3), lambda x: reshape(x, 1, 3)),
    ("slice of everything", (4, 3), lambda x: cut(x, (0, 4, 1), (0, 3, 1)), lambda x: x),
    (
        "slice of a slice",
        (12,),
        lambda x: cut(cut(x, (1, 12, 2)), (1, 6, 3)),
        lambda x: cut(x, (3, 10, 6)),
    ),
    (
        "slice of columns of rows that were taken apart",
        (10, 3),
        lambda x: cut(reshape(x, 2, 5, 3), (0, 2, 1), (0, 5, 1), (1, 3, 1)),
        lambda x: reshape(cut(x, (0, 10, 1), (1, 3, 1)), 2, 5, 2),
    ),
    (
        "slice of one part of a concatenation",
        (4, 2),
        lambda x: cut(op("concat", x, op("exp", x), axis=0), (5, 7, 1), (0, 2, 1)),
        lambda x: cut(op("exp", x), (1, 3, 1), (0, 2, 1)),
    ),
    (
        "slice of what was padded",
        (4,),
        lambda x: cut(op("pad", x, low=(2,), high=(1,), interior=(1,), value=0), (2, 9, 2)),
        lambda x: x,
    ),
    ("flip of a flip", (2, 3), lambda x: flip(flip(x, 0, 1), 1), lambda x: flip(x, 0)),
    ("flip of axes of length one", (1, 3), lambda x: flip(x, 0), lambda x: x),
    ("flip of a broadcast", (3,), lambda x: flip(broadcast(x, 2, 3), 0), lambda x: broadcast(x, 2, 3)),
    ("padding by nothing", (3,), lambda x: op("pad", x, low=(0,), high=(0,), interior=(0,), value=1), lambda x: x),
    ("concatenation of one", (3,), lambda x: op("concat", x, axis=0), lambda x: x),
    (
        "concatenation of concatenations",
        (3,),
        lambda x: op("concat", op("concat", x, flip(x, 0), axis=0), x, axis=0),
        lambda x: op("concat", x, flip(x, 0), x, axis=0),
    ),
    (
        "concatenation with nothing",
        (3,),
        lambda x: op("concat", x, cut(x, (1, 1, 1)), flip(x, 0), axis=0),
        lambda x: op("concat", x, flip(x, 0), axis=0),
    ),
]


@pytest.mark.parametrize(("shape", "before", "after"), [pytest.param(*each[1:], id=each[0]) for each in CHAINS])
def test_a_chain_of_views_is_one_view_or_none(shape: tuple[int, ...], before: Maker, after: Maker) -> None:
    check(before, after, shape)


FULL: list[tuple[str, Maker, tuple[int, ...]]] = [
    ("reshape", lambda x: reshape(x, 30, 1000), (30, 1000)),
    ("permute_dims", lambda x: permute(x, 1, 0), (10000, 3)),
    ("broadcast_to", lambda x: broadcast(x, 2, 3, 10000), (2, 3, 10000)),
    ("slice", lambda x: cut(x, (0, 2, 1), (0, 10000, 2)), (2, 5000)),
    ("flip", lambda x: flip(x, 1), (3, 10000)),
    ("pad", lambda x: op("pad", x, low=(1, 0), high=(0, 0), interior=(0, 0), value=2), (4, 10000)),
    ("concat", lambda x: op("concat", x, x, axis=0), (6, 10000)),
    ("exp", lambda x: op("floor", x), (3, 10000)),
    ("sum", lambda x: op("sum", x, axes=(1,), keepdims=False), (3,)),
    ("max", lambda x: op("max", x, axes=(1,), keepdims=True), (3, 1)),
]


@pytest.mark.parametrize(("make", "shape"), [pytest.param(*each[1:], id=each[0]) for each in FULL])
def test_one_number_everywhere_stays_one_number(make: Maker, shape: tuple[int, ...]) -> None:
    (x,) = inputs((1,))
    found = simplify(graph(make(c(x, 2.0, 3, 10000)))).outputs[0]
    assert (found.op, found.shape) == ("full", shape)


# --- around elementwise operations ------------------------------------------------------------------------


def test_broadcasts_are_left_to_the_operation() -> None:
    check(lambda x, y: op("add", broadcast(x, 4, 3), y), lambda x, y: op("add", x, y), (3,), (4, 3))


def test_an_operation_on_broadcasts_alone_is_done_before() -> None:
    check(
        lambda x: op("exp", op("multiply", broadcast(x, 4, 3), c(x, 2.0, 4, 3))),
        lambda x: broadcast(op("exp", op("multiply", x, c(x, 2.0))), 4, 3),
        (3,),
    )


def test_a_permutation_of_all_operands_is_done_after() -> None:
    check(
        lambda x, y: op("add", permute(x, 1, 0), op("exp", permute(y, 1, 0))),
        lambda x, y: permute(op("add", x, op("exp", y)), 1, 0),
        (2, 3),
        (2, 3),
    )


def test_transposed_twice_around_operations_is_not_transposed() -> None:
    check(
        lambda x: permute(op("multiply", op("exp", permute(x, 1, 0)), c(x, 3.0)), 1, 0),
        lambda x: op("multiply", op("exp", x), c(x, 3.0)),
        (2, 3),
    )


def test_rows_stay_stacked_from_layer_to_layer() -> None:
    def before(x: Value, w: Value, b: Value) -> Value:
        return op("matmul", op("relu", op("add", op("matmul", x, w), b)), w)

    def after(x: Value, w: Value, b: Value) -> Value:
        rows = op("relu", op("add", op("matmul", reshape(x, 10, 3), w), b))
        return reshape(op("matmul", rows, w), 2, 5, 3)

    check(before, after, (2, 5, 3), (3, 3), (3,))


def test_what_is_added_to_stacked_rows_is_stacked_too() -> None:
    def before(x: Value, w: Value) -> Value:
        return op("add", op("exp", x), op("matmul", x, w))

    def after(x: Value, w: Value) -> Value:
        return reshape(op("add", reshape(op("exp", x), 10, 3), op("matmul", reshape(x, 10, 3), w)), 2, 5, 3)

    check(before, after, (2, 5, 3), (3, 3))


def test_one_number_a_row_is_one_for_stacked_rows_too() -> None:
    def before(x: Value, w: Value, v: Value) -> Value:
        return op("multiply", op("matmul", x, w), op("exp", v))

    def after(x: Value, w: Value, v: Value) -> Value:
        return reshape(op("multiply", op("matmul", reshape(x, 10, 3), w), reshape(op("exp", v), 10, 1)), 2, 5, 3)

    check(before, after, (2, 5, 3), (3, 3), (2, 5, 1))


# --- around matrix products -------------------------------------------------------------------------------


def test_a_transposed_product_is_a_product_of_transposes() -> None:
    check(
        lambda a, b: permute(op("matmul", a, b), 1, 0),
        lambda a, b: op("matmul", permute(b, 1, 0), permute(a, 1, 0)),
        (4, 2),
        (2, 3),
    )


def test_the_gradient_of_a_weight_is_computed_as_the_weight_lies() -> None:
    # PyTorch's layout: the weight is [outputs, inputs], and is transposed before the product.
    check(
        lambda x, g: permute(op("matmul", permute(x, 1, 0), g), 1, 0),
        lambda x, g: op("matmul", permute(g, 1, 0), x),
        (4, 2),
        (4, 3),
    )


def test_a_transpose_reaches_products_through_operations() -> None:
    def before(a: Value, b: Value, v: Value) -> Value:
        both = op("add", op("matmul", a, b), op("multiply", op("matmul", b, a), c(a, 0.5)))
        return permute(op("add", both, v), 1, 0)

    def after(a: Value, b: Value, v: Value) -> Value:
        at, bt = permute(a, 1, 0), permute(b, 1, 0)
        both = op("add", op("matmul", bt, at), op("multiply", op("matmul", at, bt), c(a, 0.5)))
        return op("add", both, reshape(v, 3, 1))

    check(before, after, (3, 3), (3, 3), (3,))


def test_a_product_that_is_read_otherwise_too_is_not_computed_twice() -> None:
    a, b = inputs((4, 2), (2, 3))
    product = op("matmul", a, b)
    found = simplify(graph(permute(product, 1, 0), op("exp", product)))
    assert operations(found) == {"matmul": 1, "permute_dims": 1, "exp": 1}


def test_a_batch_that_repeats_a_matrix_is_no_batch() -> None:
    check(
        lambda a, b: op("matmul", broadcast(a, 5, 2, 3), b),
        lambda a, b: op("matmul", a, b),
        (2, 3),
        (5, 3, 4),
    )


def test_a_batch_of_one_is_no_batch() -> None:
    check(
        lambda a, b: op("matmul", a, b),
        lambda a, b: reshape(op("matmul", reshape(a, 2, 3), reshape(b, 3, 4)), 1, 2, 4),
        (1, 2, 3),
        (1, 3, 4),
    )


def test_many_matrices_times_one_are_one_product() -> None:
    check(
        lambda a, b: op("matmul", a, b),
        lambda a, b: reshape(op("matmul", reshape(a, 10, 3), b), 5, 2, 4),
        (5, 2, 3),
        (3, 4),
    )


def test_the_gradient_of_a_weight_over_a_batch_is_one_product() -> None:
    check(
        lambda x, g: total(op("matmul", permute(x, 0, 2, 1), g), 0),
        lambda x, g: op("matmul", permute(reshape(x, 10, 3), 1, 0), reshape(g, 10, 4)),
        (5, 2, 3),
        (5, 2, 4),
    )


def test_a_column_times_a_row_is_elementwise() -> None:
    check(lambda a, b: op("matmul", a, b), lambda a, b: plus_zero(op("multiply", a, b)), (4, 1), (1, 3))


def test_a_product_over_nothing_is_zero() -> None:
    a, b = inputs((2, 0), (0, 3))
    assert simplify(graph(op("matmul", a, b))).outputs[0].op == "full"


def plus_zero(x: Value) -> Value:
    """What a sum of one term is: a negative zero becomes a positive one, as in a sum that begins with zero."""
    return op("add", x, c(x, 0.0)) if x.dtype.floating else x


# --- around reductions ------------------------------------------------------------------------------------

REDUCED: list[tuple[str, tuple[int, ...], Maker, Maker]] = [
    ("over axes of length one", (3, 1), lambda x: total(x, 1), lambda x: reshape(plus_zero(x), 3)),
    ("over no axes", (3, 2), lambda x: total(x), lambda x: plus_zero(x)),
    ("axes kept", (3, 2), lambda x: total(x, 1, keepdims=True), lambda x: reshape(total(x, 1), 3, 1)),
    ("of a permutation", (2, 3, 4), lambda x: total(permute(x, 2, 0, 1), 0), lambda x: total(x, 2)),
    (
        "of a permutation of what stays",
        (2, 3, 4),
        lambda x: total(permute(x, 2, 0, 1), 1),
        lambda x: permute(total(x, 0), 1, 0),
    ),
    ("of axes that were split", (6, 5), lambda x: total(reshape(x, 2, 3, 5), 0, 1), lambda x: total(x, 0)),
    (
        "of axes beside those split",
        (6, 5),
        lambda x: total(reshape(x, 2, 3, 5), 2),
        lambda x: reshape(total(x, 1), 2, 3),
    ),
    ("of a reduction", (2, 3, 4), lambda x: total(total(x, 1), 1), lambda x: total(x, 1, 2)),
    (
        "of what is repeated",
        (3, 1),
        lambda x: total(broadcast(x, 3, 4), 1),
        lambda x: reshape(op("multiply", plus_zero(x), c(x, 4.0)), 3),
    ),
    ("the largest of what is repeated", (3,), lambda x: total(broadcast(x, 4, 3), 0, name="max"), lambda x: x),
    ("of what stays repeated", (3,), lambda x: total(broadcast(x, 4, 3), 1), lambda x: broadcast(total(x, 0), 4)),
    ("running sums of one", (3, 1), lambda x: op("cumulative_sum", x, axis=1), lambda x: x),
    ("sorting one", (3, 1), lambda x: op("sort", x, axis=1, descending=False, stable=True), lambda x: x),
]


@pytest.mark.parametrize(("shape", "before", "after"), [pytest.param(*each[1:], id=each[0]) for each in REDUCED])
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_a_reduction_reads_what_is_viewed(shape: tuple[int, ...], before: Maker, after: Maker, dtype: str) -> None:
    check(before, after, shape, dtype=dtype)


def test_whether_any_of_one_holds_is_whether_it_holds() -> None:
    check(lambda x: total(x, 1, name="any"), lambda x: reshape(op("not_equal", x, c(x, 0.0)), 3), (3, 1))


def test_a_partial_sum_that_is_read_otherwise_too_is_kept() -> None:
    (x,) = inputs((2, 3))
    rows = total(x, 1)
    assert operations(simplify(graph(op("exp", rows), total(rows, 0)))) == {"sum": 2, "exp": 1}


def test_sums_of_narrow_types_round_in_between() -> None:
    check(lambda x: total(total(x, 1), 0), lambda x: total(total(x, 1), 0), (2, 3), dtype="float16")


def test_a_count_that_a_narrow_type_does_not_hold_is_no_factor() -> None:
    check(lambda x: total(broadcast(x, 3, 2049), 1), lambda x: total(broadcast(x, 3, 2049), 1), (3, 1), dtype="float16")
