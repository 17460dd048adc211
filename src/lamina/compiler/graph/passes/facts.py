"""What is known of the elements of a value, by looking at how it is made, a few steps deep."""

from __future__ import annotations

import math

import numpy as np

from lamina.compiler.graph.ir import Value
from lamina.dtypes import DType, float_info

DEPTH = 4
"""How many operations are looked through."""

MOVES = frozenset({"reshape", "permute_dims", "broadcast_to", "slice", "flip", "concat", "alias", "take", "sort"})
"""What moves elements without changing them (the first operand's, but for ``concat``)."""

_ROOTED = frozenset({"sigmoid", "exp", "cosh", "abs"})


def number(value: Value) -> bool | int | float | None:
    """Return the number that all elements are, if that is known."""
    return value.params["value"] if value.op == "full" else None


def finite(value: Value, depth: int = DEPTH) -> bool:
    """Tell whether no element can be infinite or NaN."""
    op = value.op
    if not value.dtype.floating:
        return True
    if op == "full":
        return math.isfinite(value.params["value"])
    if op == "constant":
        return bool(np.isfinite(value.params["array"].astype(np.float64)).all())
    if not depth:
        return False
    if op == "where":
        return finite(value.operands[1], depth - 1) and finite(value.operands[2], depth - 1)
    if op == "astype":
        source = value.operands[0].dtype
        return not source.floating and _holds(value.dtype, source)
    return op in MOVES and all(finite(each, depth - 1) for each in _moved(value))


def _holds(dtype: DType, source: DType) -> bool:
    """Tell whether every bool or integer of a type is finite in another."""
    return source.kind == "bool" or 2.0**source.bits < float_info(dtype).max


def _moved(value: Value) -> tuple[Value, ...]:
    return value.operands if value.op == "concat" else value.operands[:1]


def nowhere_zero(value: Value) -> bool:
    """Tell whether no element is zero."""
    if value.op == "full":
        return bool(value.params["value"] != 0)
    if value.op == "constant":
        return bool((value.params["array"] != 0).all())
    return value.op in ("broadcast_to", "reshape") and nowhere_zero(value.operands[0])


def positive_or_zero(value: Value, depth: int = DEPTH) -> bool:
    """Tell whether every element is NaN, positive, or the zero that is not negative."""
    op, operands = value.op, value.operands
    if op == "full":
        given = value.params["value"]
        return given != given or math.copysign(1.0, given) > 0.0
    if op in _ROOTED:
        return True
    if not depth:
        return False
    if op == "multiply":
        return operands[0] is operands[1] or all(positive_or_zero(each, depth - 1) for each in operands)
    if op in ("add", "divide"):
        return all(positive_or_zero(each, depth - 1) for each in operands)
    if op == "where":
        return all(positive_or_zero(each, depth - 1) for each in operands[1:])
    if op in ("sqrt", "sum"):
        return positive_or_zero(operands[0], depth - 1)
    if op == "astype":
        source = operands[0].dtype
        return not source.floating and source.kind != "signed"
    return op in MOVES and all(positive_or_zero(each, depth - 1) for each in _moved(value))


def never_negative_zero(value: Value) -> bool:
    """Tell whether no element is the negative zero."""
    if value.op == "add":
        return any(map(positive_or_zero, value.operands))
    return value.op == "sum" or positive_or_zero(value)


def lossless(source: DType, target: DType) -> bool:
    """Tell whether a type holds every value of another."""
    if source is target or source.kind == "bool":
        return True
    if target.kind == "bool":
        return False
    if source.floating:
        return target.floating and target.bits > source.bits
    if target.floating:
        return source.bits - (source.kind == "signed") <= _FRACTION[target.name]
    if source.kind == target.kind:
        return source.bits <= target.bits
    return source.kind == "unsigned" and source.bits < target.bits


# Digits of two that a floating-point number has, the hidden one included.
_FRACTION = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}


def power_of_two(given: bool | int | float) -> bool:
    """Tell whether a number is a power of two, of either sign, whose inverse is as exact."""
    return given != 0 and math.isfinite(given) and abs(math.frexp(given)[0]) == 0.5
