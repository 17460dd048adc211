"""Large reductions in two steps: partial results first, then their own reduction.

A reduction is shared out among threads by the elements of its result, so one with few is cut into parts. How many
depends on the shape alone, never on the number of threads, so that results do not either; and a sum of partial sums
loses fewer digits than one long one.
"""

from __future__ import annotations

from lamina.compiler.graph.ir import Graph, Value
from lamina.compiler.graph.passes.folding import ELEMENTWISE
from lamina.compiler.graph.passes.reductions import REDUCTIONS, reduced
from lamina.compiler.graph.passes.rewriting import Builder, Pass, rewrite
from lamina.primitives.primitive import Spec

LARGE = 16384
"""From how many elements a reduction is worth sharing out."""
FEW, MANY = 16, 1024
"""Parts there should be: enough for many threads, but few to be reduced by one."""
PARTS = 256
"""Into how many parts at most an axis is cut."""
EXPRESSION = 64
"""How many elementwise operations a cut is taken through, so that they stay in the reduction's loops."""
CHEAP = frozenset(
    {
        "add", "subtract", "multiply", "negative", "abs", "relu", "maximum", "minimum", "where", "equal", "not_equal",
        "less", "less_equal", "astype", "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_invert",
    }
)  # fmt: skip
"""What may be computed twice, if others need it too."""

_COMBINED = {"sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum", "any": "bitwise_or"}


def split_reductions(graph: Graph) -> Graph:
    """Return a graph in which no large reduction has a small result, but for partial ones."""
    return rewrite(graph, SPLITTING.rules) if any(_large(each) for each in graph.values()) else graph


def _large(value: Value) -> bool:
    return value.op in REDUCTIONS and value.operands[0].size > LARGE and _units(value) < FEW


def _units(value: Value) -> int:
    """Return how many shares of the work there are: the first axis that stays, if there is one."""
    return next((size for size in value.shape if size != 1), 1)


def split(value: Value, builder: Builder) -> Value | None:
    """Reduce over other axes first, or cut an axis in parts that are reduced each."""
    x, axes = value.operands[0], value.params["axes"]
    if not _large(value):
        return None
    long = [axis for axis, size in enumerate(x.shape) if size != 1]
    leading = []
    for axis in long:
        if axis not in axes:
            break
        leading.append(axis)
    if not leading or value.size * FEW * FEW > x.size:
        return None
    for axis in leading:
        if FEW <= x.shape[axis] <= MANY and len(leading) > 1:
            return _in_two(value, x, axis, builder)
    axis = max(leading, key=x.shape.__getitem__)
    return _cut(value, x, axis, builder) if x.shape[axis] >= FEW * FEW else None


def _in_two(value: Value, x: Value, last: int, builder: Builder) -> Value:
    """Reduce over all axes but one, and over that one after."""
    axes = value.params["axes"]
    partial = reduced(builder, value, x, [axis for axis in axes if axis != last])
    place = last - sum(axis < last for axis in axes if axis != last)
    return builder.reshape(reduced(builder, value, partial, (place,)), value.shape)


def _cut(value: Value, x: Value, axis: int, builder: Builder) -> Value:
    """Reduce parts of an axis and all other axes, and the parts after; what is left over goes with the result."""
    size = x.shape[axis]
    most = min(PARTS, size // FEW)  # parts that are long: the reduction of their results is to be a small one
    parts = next((each for each in range(most, FEW - 1, -1) if size % each == 0), most)
    length = size // parts
    inside = _Cut(builder, len(x.shape) - axis, size, parts, length).taken(x)
    axes = [each + (each > axis) for each in value.params["axes"] if each != axis]
    partial = reduced(builder, value, inside, sorted((*axes, axis + 1)))
    result = reduced(builder, value, partial, (axis - sum(each < axis for each in axes),))
    if parts * length < size:
        rest = _sliced(builder, x, axis, parts * length, size)
        left = reduced(builder, value, rest, value.params["axes"])
        result = builder.operation(_COMBINED.get(value.op, "bitwise_and"), (result, left), result.spec)
    return builder.reshape(result, value.shape)


def _sliced(builder: Builder, x: Value, axis: int, start: int, stop: int) -> Value:
    params = {
        "start": tuple(start if each == axis else 0 for each in range(len(x.shape))),
        "stop": tuple(stop if each == axis else size for each, size in enumerate(x.shape)),
        "step": (1,) * len(x.shape),
    }
    shape = (*x.shape[:axis], stop - start, *x.shape[axis + 1 :])
    return builder.operation("slice", (x,), Spec(shape, x.dtype), params)


class _Cut:
    """An axis, counted from the end, in so many parts of a length.

    Elementwise operations are made on cut operands, so that they stay in the loops of the reduction; what else an
    expression is made of lies in memory, where a cut costs nothing.
    """

    def __init__(self, builder: Builder, back: int, size: int, parts: int, length: int) -> None:
        self.builder = builder
        self.back = back
        self.size = size
        self.parts = parts
        self.length = length
        self.known: dict[Value, Value] = {}

    def taken(self, x: Value) -> Value:
        """Return a value with the axis in two."""
        found = self.known.get(x)
        if found is None:
            found = self.known[x] = self._made(x)
        return found

    def _made(self, x: Value) -> Value:
        axis = len(x.shape) - self.back
        if axis < 0:
            return x
        before, after = x.shape[:axis], x.shape[axis + 1 :]
        if x.shape[axis] == 1:
            return self.builder.reshape(x, (*before, 1, 1, *after))
        inside = x.op in ELEMENTWISE and (x.op in CHEAP or self.builder.read_once(x))
        if inside and len(self.known) < EXPRESSION:
            operands = [self.taken(each) for each in x.operands]
            spec = Spec((*before, self.parts, self.length, *after), x.dtype)
            return self.builder.operation(x.op, operands, spec, x.params)
        if self.parts * self.length < self.size:
            x = _sliced(self.builder, x, axis, 0, self.parts * self.length)
        return self.builder.reshape(x, (*before, self.parts, self.length, *after))


SPLITTING = Pass(
    "large reductions",
    "partial results can be computed by all threads, and sum with smaller error",
    dict.fromkeys(REDUCTIONS, (split,)),
)
