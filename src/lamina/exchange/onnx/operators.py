"""The table of export: for every primitive, the ONNX nodes that compute it.

A row is a function of the graph that grows, the operation and the names of its operands; it returns the name of the
result. What ONNX has under another name is ``node("Name")``; the rest is composed, here or in `compositions`.

Source: ONNX operator schemas, https://onnx.ai/onnx/operators/
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from lamina.dtypes import DType, bfloat16, bool_
from lamina.exchange.onnx import compositions as composed, indexing, spatial
from lamina.exchange.onnx.batch import Operation
from lamina.exchange.onnx.compositions import Row
from lamina.exchange.onnx.nodes import Nodes


def node(op: str) -> Row:
    """A primitive that ONNX has, with the same operands in the same order."""

    def row(nodes: Nodes, operation: Operation, *operands: str) -> str:
        return nodes.add(op, *operands)

    return row


def attributed(op: str) -> Row:
    """An operator that `fusion` found, whose attributes are the parameters."""

    def row(nodes: Nodes, operation: Operation, *operands: str) -> str:
        return nodes.add(op, *operands, **operation.params)

    return row


def numeric(op: str) -> Row:
    """The same, for numbers: integers that runtimes have no arithmetic for are computed in int64 and cast back."""
    return composed.through_int64(node(op))


def arithmetic(op: str) -> Row:
    """The same, for sums and products."""
    return composed.through_int64(node(op), composed.same_bits)


def comparison(op: str, *, negated: bool = False) -> Row:
    """A comparison of two operands; narrow integers are compared as int64."""

    def row(nodes: Nodes, operation: Operation, *operands: str) -> str:
        found = nodes.add(op, *composed.as_int64(nodes, operation.operands[0].dtype, *operands))
        return nodes.add("Not", found) if negated else found

    return row


def bits(of_bool: str, of_integers: str) -> Row:
    """An operation on bits, which ONNX calls otherwise for bool."""

    def row(nodes: Nodes, operation: Operation, *operands: str) -> str:
        return nodes.add(of_bool if operation.dtype is bool_ else of_integers, *operands)

    return row


def scaled(op: str, factor: float) -> Row:
    """A function that is another one times a number."""

    def row(nodes: Nodes, operation: Operation, x: str) -> str:
        return nodes.add("Mul", nodes.add(op, x), nodes.scalar(factor, operation.dtype))

    return row


def reduction(op: str, which: Callable[[DType], bool] = composed.narrow) -> Row:
    """A reduction over axes."""

    def row(nodes: Nodes, operation: Operation, x: str) -> str:
        axes, keepdims = operation.params["axes"], int(operation.params["keepdims"])
        return nodes.add(op, x, nodes.vector(axes), keepdims=keepdims) if axes else x

    return composed.through_int64(row, which)


def position(op: str) -> Row:
    """The place of an extremum along one axis, the first where it is reached."""

    def row(nodes: Nodes, operation: Operation, x: str) -> str:
        (x,) = composed.as_int64(nodes, operation.operands[0].dtype, x)
        return nodes.add(op, x, axis=operation.params["axis"], keepdims=int(operation.params["keepdims"]))

    return row


def _cast(nodes: Nodes, operation: Operation, x: str) -> str:
    return x if operation.operands[0].dtype is operation.dtype else nodes.cast(x, operation.dtype)


def _gather(nodes: Nodes, operation: Operation, x: str, indices: str) -> str:
    return nodes.add("Gather", x, indexing.as_index(nodes, operation, indices), axis=operation.params["axis"])


def _gather_along(nodes: Nodes, operation: Operation, x: str, indices: str) -> str:
    return nodes.add("GatherElements", x, indexing.as_index(nodes, operation, indices), axis=operation.params["axis"])


def _rounded_product(nodes: Nodes, operation: Operation, a: str, b: str) -> str:
    return nodes.add("MatMul", *[nodes.cast(nodes.cast(each, bfloat16), operation.dtype) for each in (a, b)])


_LN2, _LN10 = math.log(2.0), math.log(10.0)

OPERATORS: Mapping[str, Row] = {
    # --- arithmetic ---
    "add": arithmetic("Add"),
    "subtract": arithmetic("Sub"),
    "multiply": arithmetic("Mul"),
    "divide": node("Div"),
    "pow": numeric("Pow"),
    "floor_divide": composed.through_int64(composed.floor_divide),
    "remainder": composed.through_int64(composed.remainder),
    "atan2": composed.atan2,
    "maximum": numeric("Max"),
    "minimum": numeric("Min"),
    "copysign": composed.copysign,
    "multiply_no_nan": composed.multiply_no_nan,
    "negative": arithmetic("Neg"),
    "abs": numeric("Abs"),
    "sign": numeric("Sign"),
    "floor": node("Floor"),
    "ceil": node("Ceil"),
    "trunc": composed.trunc,
    "round": node("Round"),
    # --- exponentials ---
    "exp": node("Exp"),
    "expm1": composed.expm1,
    "log": node("Log"),
    "log1p": composed.log1p,
    "log2": scaled("Log", 1.0 / _LN2),
    "log10": scaled("Log", 1.0 / _LN10),
    "sqrt": node("Sqrt"),
    # --- trigonometry ---
    "sin": node("Sin"),
    "cos": node("Cos"),
    "tan": node("Tan"),
    "asin": node("Asin"),
    "acos": node("Acos"),
    "atan": node("Atan"),
    "sinh": node("Sinh"),
    "cosh": node("Cosh"),
    "tanh": node("Tanh"),
    "asinh": node("Asinh"),
    "acosh": node("Acosh"),
    "atanh": node("Atanh"),
    # --- of neural networks ---
    "erf": node("Erf"),
    "sigmoid": node("Sigmoid"),
    "relu": composed.through_int64(composed.relu),
    # --- comparisons and choice ---
    "equal": comparison("Equal"),
    "not_equal": comparison("Equal", negated=True),
    "less": comparison("Less"),
    "less_equal": comparison("LessOrEqual"),
    "where": composed.where,
    # --- bits ---
    "bitwise_and": bits("And", "BitwiseAnd"),
    "bitwise_or": bits("Or", "BitwiseOr"),
    "bitwise_xor": bits("Xor", "BitwiseXor"),
    "bitwise_invert": bits("Not", "BitwiseNot"),
    "bitwise_left_shift": composed.left_shift,
    "bitwise_right_shift": composed.right_shift,
    # --- casts and marks ---
    "astype": _cast,
    "alias": lambda nodes, operation, x: x,
    # --- reductions and scans ---
    "sum": reduction("ReduceSum", composed.same_bits),
    "prod": reduction("ReduceProd", composed.same_bits),
    "max": reduction("ReduceMax"),
    "min": reduction("ReduceMin"),
    "any": composed.any_,
    "all": composed.all_,
    "argmax": position("ArgMax"),
    "argmin": position("ArgMin"),
    "cumulative_sum": composed.through_int64(composed.cumulative_sum, composed.same_bits),
    "cumulative_prod": composed.through_int64(composed.cumulative_prod, composed.same_bits),
    # --- shape ---
    "reshape": composed.reshape,
    "broadcast_to": lambda nodes, operation, x: nodes.add("Expand", x, nodes.sizes(operation.shape)),
    "permute_dims": composed.permute_dims,
    "flip": composed.flip,
    "slice": composed.slice_,
    "pad": composed.pad,
    "concat": lambda nodes, operation, *each: nodes.add("Concat", *each, axis=operation.params["axis"]),
    # --- through windows ---
    "convolution": spatial.convolution,
    "windows": spatial.windows,
    # --- gathering, scattering, sorting ---
    "take": _gather,
    "take_along_axis": _gather_along,
    "put_rows": indexing.put_rows,
    "scatter_add": indexing.scatter("add"),
    "scatter_max": indexing.scatter("max"),
    "scatter_min": indexing.scatter("min"),
    "scatter_add_along_axis": indexing.scatter_add_along_axis,
    "sort": indexing.sort,
    "argsort": indexing.argsort,
    "searchsorted": indexing.searchsorted,
    # --- matrices ---
    "matmul": arithmetic("MatMul"),
    "matmul_bfloat16": _rounded_product,
    "slogdet": composed.slogdet,
    # --- leaves ---
    "constant": lambda nodes, operation: nodes.constant(operation.params["array"]),
    "full": composed.full,
    # --- what `fusion` finds ---
    "gemm": attributed("Gemm"),
    "softmax": attributed("Softmax"),
    "log_softmax": attributed("LogSoftmax"),
    "batch_norm": attributed("BatchNormalization"),
    "instance_norm": attributed("InstanceNormalization"),
    "layer_norm": attributed("LayerNormalization"),
    "conv_transpose": spatial.conv_transpose,
    "max_pool": spatial.max_pool,
    "sum_pool": spatial.sum_pool,
    "average_pool": spatial.average_pool,
}

REFUSED: Mapping[str, str] = {
    "nextafter": "ONNX has no neighbouring numbers",
    "random_bits": "ONNX has no generator with the same numbers; draw outside, and pass what was drawn as an input",
    "cholesky": "ONNX has no factorisations",
    "inv": "ONNX has no linear systems",
    "matrix_exp": "ONNX has no function of matrices",
    "solve": "ONNX has no linear systems",
    "solve_triangular": "ONNX has no linear systems",
    "eigh": "ONNX has no factorisations",
    "qr": "ONNX has no factorisations",
    "svd": "ONNX has no factorisations",
}
"""The primitives that have no meaning in ONNX, and why."""
