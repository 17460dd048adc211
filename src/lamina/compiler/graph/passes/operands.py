"""Views that elementwise operations read: broadcasts are left to the operation, others are moved behind it.

An operation on values that were permuted, or reshaped, alike is the same operation on the values themselves, permuted
or reshaped after. So a view meets the view that undoes it, or a matrix product or reduction that absorbs it, and the
operation stays beside what made its operands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lamina.compiler.graph.ir import Value
from lamina.compiler.graph.passes.folding import ELEMENTWISE
from lamina.compiler.graph.passes.rewriting import Builder, Pass, Shape
from lamina.compiler.graph.passes.views import without_leading_ones
from lamina.primitives.primitive import Spec

_CARRIED = frozenset({"broadcast_to", "permute_dims", "reshape", "full"})
_IN_MEMORY = frozenset({"input", "constant"})
_REPEATED = frozenset({"broadcast_to", "permute_dims", "flip", "slice"})


def views_behind(value: Value, builder: Builder) -> Value | None:
    """Take views off the operands, and put them behind the operation."""
    operands = value.operands
    if not any(each.op in _CARRIED and each.shape for each in operands):
        return None
    return (
        _narrowed(value, builder)
        or _behind(value, builder, "permute_dims", _unpermuted)
        or _behind(value, builder, "reshape", _unreshaped)
    )


def _narrowed(value: Value, builder: Builder) -> Value | None:
    """Operands as they are before they are broadcast, numbers without axes."""
    operands = [_narrow(each, builder) for each in value.operands]
    if all(a is b for a, b in zip(operands, value.operands, strict=True)):
        return None
    shape = broadcast([each.shape for each in operands])
    narrow = builder.operation(value.op, operands, Spec(shape, value.dtype), value.params)
    return builder.broadcast_to(narrow, value.shape)


def _narrow(x: Value, builder: Builder) -> Value:
    if x.op == "broadcast_to":
        return x.operands[0]
    if x.op == "full" and x.shape:
        return builder.full((), x.dtype, x.params["value"])
    if x.op == "reshape" and x.shape[:1] == (1,):
        return without_leading_ones(x, builder)
    return x


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """Return the shape that shapes, known to fit each other, broadcast to."""
    longest = max(shapes, key=len)
    if all(shape == longest or not shape for shape in shapes):
        return longest
    ndim = len(longest)
    sizes = list(longest)
    for shape in shapes:
        for axis, size in enumerate(shape, ndim - len(shape)):
            if size != 1:
                sizes[axis] = size
    return tuple(sizes)


Undo = Callable[[Value, Value, Builder], Value | None]


def _behind(value: Value, builder: Builder, op: str, undo: Undo) -> Value | None:
    """Apply the operation before a view that all operands allow to be moved; the first of full shape says which."""
    for view in value.operands:
        if view.op == op and view.shape == value.shape:
            break
    else:
        return None
    operands = []
    for each in value.operands:
        found = undo(each, view, builder)
        if found is None:
            return None
        operands.append(found)
    inner = Spec(view.operands[0].shape, value.dtype)
    moved = builder.operation(value.op, operands, inner, value.params)
    return builder.operation(op, (moved,), value.spec, view.params)


def _unpermuted(x: Value, view: Value, builder: Builder) -> Value | None:
    """Return what gives an operand when it is permuted as the view is."""
    if x.op == "permute_dims" and x.params["axes"] == view.params["axes"]:
        return x.operands[0]
    return _one_element(x, builder)


def _one_element(x: Value, builder: Builder) -> Value | None:
    return builder.reshape(x, ()) if x.size == 1 else None


def _unreshaped(x: Value, view: Value, builder: Builder) -> Value | None:
    """Return what gives an operand when it is reshaped as the view is.

    An operand may broadcast along axes that the view takes apart or joins if it has none of them.
    """
    inner, outer = view.operands[0].shape, view.shape
    if x.op == "reshape" and x.shape == outer and x.operands[0].shape == inner:
        return x.operands[0]
    if len(x.shape) <= min(_same_end(inner, outer), len(inner)):
        return x
    # What lies in memory waits for what is computed, see below, not the other way.
    waits = view.operands[0].op in _IN_MEMORY and x.op not in _IN_MEMORY
    if _stacks_rows(inner, outer) and not waits and x.op not in _REPEATED and x.shape[:-1] == outer[:-1]:
        return builder.reshape(x, (inner[0], x.shape[-1]))
    # What lies in memory has any shape for nothing; of two such neither waits for the other. What is computed may be
    # read in any that only splits its axes, and spares the other a way through memory where its elements are moved.
    free = x.op in _IN_MEMORY and view.operands[0].op not in _IN_MEMORY
    if x.shape == outer and (free or (_moved(view.operands[0]) and x.op != "reshape")):
        return builder.reshape(x, inner)
    return _one_element(x, builder)


def _stacks_rows(inner: Shape, outer: Shape) -> bool:
    """Tell whether a view takes rows of one matrix apart, as of a product of many matrices with one.

    What is made of such a product stays a matrix, so that it can be computed where the product is.
    """
    return len(inner) == 2 and len(outer) > 2 and inner[-1] == outer[-1]


def _moved(x: Value) -> bool:
    """Tell whether elements that were just computed change their order."""
    return x.op == "permute_dims" and x.operands[0].op in ELEMENTWISE


def _same_end(a: Shape, b: Shape) -> int:
    """Return how many axes at the end two shapes share."""
    count = 0
    for first, second in zip(reversed(a), reversed(b), strict=False):
        if first != second:
            break
        count += 1
    return count


OPERANDS = Pass(
    "views behind operations",
    "broadcasts are never made, and permutations and reshapes meet what absorbs them",
    dict.fromkeys(sorted(ELEMENTWISE), (views_behind,)),
)
