"""Choices and casts: comparisons, ``where`` and ``astype`` that are decided, doubled or undone."""

from __future__ import annotations

from lamina.compiler.graph.ir import Value
from lamina.compiler.graph.passes.facts import lossless, number
from lamina.compiler.graph.passes.rewriting import Builder, Pass
from lamina.dtypes import bool_


def where(value: Value, builder: Builder) -> Value | None:
    """A condition that is known, inverted or met before; branches that are equal, or truth itself."""
    condition, x, y = value.operands
    decided = number(condition)
    if decided is not None:
        return builder.broadcast_to(x if decided else y, value.shape)
    if x is y:
        return builder.broadcast_to(x, value.shape)
    if condition.op == "bitwise_invert":
        return builder.operation("where", (condition.operands[0], y, x), value.spec)
    if x.op == "where" and x.operands[0] is condition:
        return builder.operation("where", (condition, x.operands[1], y), value.spec)
    if y.op == "where" and y.operands[0] is condition:
        return builder.operation("where", (condition, x, y.operands[2]), value.spec)
    if value.dtype is bool_ and number(x) is True and number(y) is False:
        return builder.broadcast_to(condition, value.shape)
    return None


def comparison(value: Value, builder: Builder) -> Value | None:
    """Of a value with itself, where there is no NaN."""
    a, b = value.operands
    if a is b and not a.dtype.floating:
        return builder.full(value.shape, bool_, value.op in ("equal", "less_equal"))
    return None


_OPPOSITES = {"equal": "not_equal", "not_equal": "equal"}
_REVERSED = {"less": "less_equal", "less_equal": "less"}


def invert(value: Value, builder: Builder) -> Value | None:
    """Of an inversion; of a comparison, the opposite one."""
    x = value.operands[0]
    if x.op == "bitwise_invert":
        return x.operands[0]
    if x.op in _OPPOSITES:
        return builder.operation(_OPPOSITES[x.op], x.operands, value.spec)
    if x.op in _REVERSED and not x.operands[0].dtype.floating:  # With NaN neither of the two holds.
        return builder.operation(_REVERSED[x.op], x.operands[::-1], value.spec)
    return None


def astype(value: Value, builder: Builder) -> Value | None:
    """To the type that it has; of a cast that lost nothing."""
    x = value.operands[0]
    if x.dtype is value.dtype:
        return x
    if x.op != "astype":
        return None
    source, middle, target = x.operands[0], x.dtype, value.dtype
    # What a float out of an integer's range becomes differs from type to type, and from what an integer becomes.
    within = target.floating or not middle.floating or (not source.dtype.floating and lossless(source.dtype, target))
    if within and lossless(source.dtype, middle):
        return builder.operation("astype", (source,), value.spec, value.params)
    return None


CHOICES = Pass(
    "choices",
    "what is decided when the program is compiled is not decided again when it runs",
    {
        "where": (where,),
        "equal": (comparison,),
        "not_equal": (comparison,),
        "less": (comparison,),
        "less_equal": (comparison,),
        "bitwise_invert": (invert,),
        "astype": (astype,),
    },
)
