"""Reductions: over views as over what is viewed, over each axis once, and not at all where there is one element."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lamina.backends.protocol import numpy_dtype
from lamina.compiler.graph.ir import Value
from lamina.compiler.graph.passes.facts import number
from lamina.compiler.graph.passes.rewriting import Builder, Pass, Rule
from lamina.compiler.graph.passes.views import groups
from lamina.dtypes import bool_
from lamina.primitives.primitive import Spec

REDUCTIONS = ("sum", "prod", "max", "min", "any", "all")


def reduced(builder: Builder, like: Value, x: Value, axes: Sequence[int]) -> Value:
    """Return a reduction of another operand by the same operation, without the axes."""
    axes = tuple(axes)
    shape = tuple([size for axis, size in enumerate(x.shape) if axis not in axes])
    return builder.operation(like.op, (x,), Spec(shape, like.dtype), {"axes": axes, "keepdims": False})


def of_truth_values(value: Value, builder: Builder) -> Value | None:
    """The largest of truth values is whether any holds, the least whether all do."""
    x = value.operands[0]
    return None if x.dtype is not bool_ else builder.operation(_OF_TRUTH[value.op], (x,), value.spec, value.params)


def short_axes(value: Value, builder: Builder) -> Value | None:
    """Axes are gone, not of length one, and none of length one is reduced over: a reshape is for that."""
    x, axes = value.operands[0], value.params["axes"]
    long = tuple(sorted(axis for axis in axes if x.shape[axis] != 1))
    if long == axes and not value.params["keepdims"]:
        return None if axes else _itself(value, builder)
    found = reduced(builder, value, x, long) if long else _itself(value, builder)
    return builder.reshape(found, value.shape)


def _itself(value: Value, builder: Builder) -> Value:
    """Return what a reduction is of single elements."""
    x = value.operands[0]
    if value.op == "sum":
        return builder.added_to_zero(x)
    if x.dtype is value.dtype:
        return x
    zero = builder.full((), x.dtype, 0)
    return builder.operation("not_equal", (x, zero), Spec(x.shape, bool_))


def of_number(value: Value, builder: Builder) -> Value | None:
    """Of one number everywhere."""
    given = number(value.operands[0])
    if given is None:
        return None
    count = value.operands[0].size // max(value.size, 1)
    if not count:
        return builder.full(value.shape, value.dtype, value.op in ("prod", "all"))
    if value.op == "prod" and given != 1:
        return None
    if value.op == "sum":
        native = np.asarray(given, numpy_dtype(value.dtype))
        if value.dtype.floating:
            return builder.full(value.shape, value.dtype, float(native) * count + 0.0) if _exact(count, value) else None
        wrapped = (int(given) * count) % (1 << value.dtype.bits)
        return builder.full(value.shape, value.dtype, np.uint64(wrapped).astype(native.dtype).item())
    return builder.full(value.shape, value.dtype, bool(given) if value.dtype is bool_ else given)


def _exact(count: int, value: Value) -> bool:
    """Tell whether a type holds a count."""
    if not value.dtype.floating:
        return bool(count < 1 << (value.dtype.bits - 1))
    return bool(float(np.asarray(float(count)).astype(numpy_dtype(value.dtype))) == count)


def of_broadcast(value: Value, builder: Builder) -> Value | None:
    """Of repeated elements: once, a sum times how often; axes that stay are repeated after."""
    x, axes = value.operands[0], value.params["axes"]
    if x.op != "broadcast_to":
        return None
    narrow = x.operands[0]
    narrow = builder.reshape(narrow, (1,) * (len(x.shape) - len(narrow.shape)) + narrow.shape)
    count = math.prod(x.shape[axis] for axis in axes if narrow.shape[axis] != x.shape[axis])
    if count != 1 and (value.op == "prod" or (value.op == "sum" and not _exact(count, value))):
        return None
    found = reduced(builder, value, narrow, axes)
    if value.op == "sum" and count != 1:
        found = builder.operation("multiply", (found, builder.full((), value.dtype, count)), found.spec)
    return builder.broadcast_to(found, value.shape)


def of_permuted(value: Value, builder: Builder) -> Value | None:
    """Of permuted axes: of the axes themselves, and what stays is permuted after."""
    x = value.operands[0]
    if x.op != "permute_dims":
        return None
    order, axes = x.params["axes"], value.params["axes"]
    kept = [order[axis] for axis in range(len(order)) if axis not in axes]
    found = reduced(builder, value, x.operands[0], sorted(order[axis] for axis in axes))
    rank = {axis: place for place, axis in enumerate(sorted(kept))}
    return builder.permute_dims(found, tuple([rank[axis] for axis in kept]))


def of_reshaped(value: Value, builder: Builder) -> Value | None:
    """Of axes that were split or joined, where all their parts are reduced over: before that."""
    x, axes = value.operands[0], value.params["axes"]
    if x.op != "reshape":
        return None
    source = x.operands[0]
    places = [axis for axis, size in enumerate(source.shape) if size != 1]
    found = groups(tuple([source.shape[axis] for axis in places]), x.shape)
    if found is None:
        return None
    inner: list[int] = []
    first = 0
    for start, stop, sizes in found:
        long = [axis for axis, size in enumerate(sizes, first) if size != 1]
        first += len(sizes)
        taken = sum(axis in axes for axis in long)
        if taken and taken != len(long):
            return None
        if taken:
            inner.extend(places[start:stop])
    return builder.reshape(reduced(builder, value, source, inner), value.shape)


def of_reduced(value: Value, builder: Builder) -> Value | None:
    """Of the same reduction: once over all axes.

    Sums of narrow types are left, which round, or overflow, in between.
    """
    x = value.operands[0]
    if x.op != value.op or not builder.read_once(x):
        return None
    if value.op in ("sum", "prod") and value.dtype.floating and value.dtype.bits < 32:
        return None
    source, inner = x.operands[0], x.params["axes"]
    kept = [axis for axis in range(len(source.shape)) if axis not in inner]
    outer = [kept[axis] for axis in value.params["axes"]]
    return reduced(builder, value, source, sorted((*inner, *outer)))


def position(value: Value, builder: Builder) -> Value | None:
    """The first of one element; the axis gone, not of length one."""
    x, axis = value.operands[0], value.params["axis"]
    if x.shape[axis] == 1:
        return builder.full(value.shape, value.dtype, 0)
    if not value.params["keepdims"]:
        return None
    shape = (*x.shape[:axis], *x.shape[axis + 1 :])
    found = builder.operation(value.op, (x,), Spec(shape, value.dtype), {"axis": axis, "keepdims": False})
    return builder.reshape(found, value.shape)


def along_one(value: Value, builder: Builder) -> Value | None:
    """Along an axis with one element."""
    x = value.operands[0]
    if x.shape[value.params["axis"]] != 1:
        return None
    return x if value.op != "argsort" else builder.full(value.shape, value.dtype, 0)


_OF_TRUTH = {"max": "any", "min": "all"}
_RULES: tuple[Rule, ...] = (short_axes, of_number, of_broadcast, of_permuted, of_reshaped, of_reduced)

REDUCING = Pass(
    "reductions",
    "a reduction reads what is viewed, not the view, and two in a row are one",
    {
        **dict.fromkeys(REDUCTIONS, _RULES),
        **dict.fromkeys(_OF_TRUTH, (of_truth_values, *_RULES)),
        "argmax": (position,),
        "argmin": (position,),
        **dict.fromkeys(("cumulative_sum", "cumulative_prod", "sort", "argsort"), (along_one,)),
    },
)
