"""Views of views: chains of operations that only move elements become one, and those that move nothing go."""

from __future__ import annotations

from itertools import pairwise

from lamina.compiler.graph.ir import AFTER, Value
from lamina.compiler.graph.passes.rewriting import Builder, Pass, Shape
from lamina.primitives.primitive import Spec

_NUMBERS = frozenset({"full", "constant"})


def alias(value: Value, builder: Builder) -> Value | None:
    """The operand under another name."""
    return value.operands[0]


def after(value: Value, builder: Builder) -> Value | None:
    """A number, which lies nowhere; after what is no work; after nothing."""
    x, *others = value.operands
    left = tuple(each for each in others if each.op not in _NUMBERS)
    if x.op in _NUMBERS or not left:
        return x
    return builder.operation(value.op, (x, *left), value.spec, value.params) if len(left) < len(others) else None


# --- reshape ----------------------------------------------------------------------------------------------


def reshape(value: Value, builder: Builder) -> Value | None:
    """Of the same shape; of a reshape; of an element repeated; of axes that were permuted as a whole."""
    x = value.operands[0]
    shape = value.shape
    if x.shape == shape:
        return x
    if x.op == "reshape":
        return builder.reshape(x.operands[0], shape)
    if x.op == "broadcast_to" and x.operands[0].size == 1:
        return builder.broadcast_to(builder.reshape(x.operands[0], ()), shape)
    if x.op == "permute_dims":
        return _reshape_of_permuted(x, shape, builder)
    return None


def _reshape_of_permuted(x: Value, shape: Shape, builder: Builder) -> Value | None:
    """Split or join axes before they are permuted, where those joined are neighbours there too.

    Permutations then meet what absorbs them: matrix products, reductions, other permutations.
    """
    source, axes = x.operands[0], x.params["axes"]
    if 1 in source.shape:
        return None
    parts = groups(x.shape, shape)
    if parts is None:
        return None
    runs = [axes[start:stop] for start, stop, _ in parts]
    if any(run != tuple(range(run[0], run[0] + len(run))) for run in runs):
        return None
    order = sorted(range(len(parts)), key=lambda place: runs[place][0])
    first: dict[int, int] = {}
    inner: list[int] = []
    for place in order:
        first[place] = len(inner)
        inner.extend(parts[place][2])
    permuted = [first[place] + at for place, (_, _, sizes) in enumerate(parts) for at in range(len(sizes))]
    return builder.permute_dims(builder.reshape(source, tuple(inner)), tuple(permuted))


def groups(shape: Shape, wanted: Shape) -> list[tuple[int, int, Shape]] | None:
    """Return which ranges of axes become which sizes in a reshape, each range as short as possible.

    The axes have lengths of two at least; None where there are none.
    """
    found: list[tuple[int, int, Shape]] = []
    start = first = 0
    while start < len(shape):
        stop, taken, have, need = start + 1, first, shape[start], 1
        while have != need:
            if need < have:
                need *= wanted[taken]
                taken += 1
            else:
                have *= shape[stop]
                stop += 1
        found.append((start, stop, wanted[first:taken]))
        start, first = stop, taken
    if found:
        begin, end, last = found[-1]
        found[-1] = begin, end, (*last, *wanted[first:])
    return found or None


# --- permute_dims -----------------------------------------------------------------------------------------


def permute_dims(value: Value, builder: Builder) -> Value | None:
    """Of axes that stay; of a permutation; of a broadcast; a reshape where only axes of length one move."""
    x, axes = value.operands[0], value.params["axes"]
    long = [axis for axis in axes if x.shape[axis] != 1]
    if all(a < b for a, b in pairwise(long)):
        return builder.reshape(x, value.shape)
    if x.op == "permute_dims":
        inner = x.params["axes"]
        return builder.permute_dims(x.operands[0], tuple([inner[axis] for axis in axes]))
    if x.op == "broadcast_to":
        narrow = x.operands[0]
        ndim = len(axes)
        narrow = builder.reshape(narrow, (1,) * (ndim - len(narrow.shape)) + narrow.shape)
        return builder.broadcast_to(builder.permute_dims(narrow, axes), value.shape)
    return None


# --- broadcast_to -----------------------------------------------------------------------------------------


def broadcast_to(value: Value, builder: Builder) -> Value | None:
    """To the same shape; of a broadcast; a reshape where nothing is repeated; without axes that only pad the rank."""
    x, shape = value.operands[0], value.shape
    if value.size == x.size:
        return builder.reshape(x, shape)
    if x.op == "broadcast_to":
        return builder.broadcast_to(x.operands[0], shape)
    narrow = without_leading_ones(x, builder)
    return None if narrow is x else builder.broadcast_to(narrow, shape)


def without_leading_ones(x: Value, builder: Builder) -> Value:
    """Return a value without the leading axes of length one that broadcasting would add."""
    shape = x.shape
    if not shape or shape[0] != 1:
        return x
    first = next((axis for axis, size in enumerate(shape) if size != 1), len(shape))
    return builder.reshape(x, shape[first:])


# --- slice and flip ---------------------------------------------------------------------------------------


def slice_(value: Value, builder: Builder) -> Value | None:
    """Of everything; of a slice; of one part of a concatenation; of what was padded; of a broadcast."""
    x, params = value.operands[0], value.params
    start, stop, step = params["start"], params["stop"], params["step"]
    if x.shape == value.shape:
        return x
    if x.op == "slice":
        lows, bys = x.params["start"], x.params["step"]
        inner = tuple(low + by * each for low, by, each in zip(lows, bys, start, strict=True))
        return sliced(builder, x.operands[0], inner, value.shape, tuple(a * b for a, b in zip(bys, step, strict=True)))
    if x.op == "concat":
        return _slice_of_concat(value, builder)
    if x.op == "pad":
        return _slice_of_pad(value, builder)
    if x.op == "broadcast_to":
        return _slice_of_broadcast(value, builder)
    if x.op == "permute_dims":
        axes = x.params["axes"]
        inverse = sorted(range(len(axes)), key=axes.__getitem__)
        moved = [tuple(each[place] for place in inverse) for each in (start, value.shape, step)]
        return builder.permute_dims(sliced(builder, x.operands[0], moved[0], moved[1], moved[2]), axes)
    if x.op == "reshape" and (found := _slice_of_stacked(value, builder)) is not None:
        return found
    ends = tuple(low + (size - 1) * by + 1 for low, size, by in zip(start, value.shape, step, strict=True))
    steps = tuple(1 if size == 1 else by for size, by in zip(value.shape, step, strict=True))
    if (ends, steps) != (stop, step):  # Slices that take the same elements are written alike.
        return sliced(builder, x, start, value.shape, steps)
    return None


def sliced(builder: Builder, x: Value, start: Shape, sizes: Shape, step: Shape) -> Value:
    """Return so many elements from a start on."""
    step = tuple(1 if size == 1 else by for size, by in zip(sizes, step, strict=True))
    stop = tuple(low + (size - 1) * by + 1 for low, size, by in zip(start, sizes, step, strict=True))
    params = {"start": tuple(start), "stop": stop, "step": step}
    return builder.operation("slice", (x,), Spec(tuple(sizes), x.dtype), params)


def _slice_of_concat(value: Value, builder: Builder) -> Value | None:
    x, axis = value.operands[0], value.operands[0].params["axis"]
    start, step = value.params["start"], value.params["step"]
    first = start[axis]
    last = first + (value.shape[axis] - 1) * step[axis]
    for part in x.operands:
        size = part.shape[axis]
        if first < size:
            if last >= size:
                return None
            return sliced(builder, part, (*start[:axis], first, *start[axis + 1 :]), value.shape, step)
        first, last = first - size, last - size
    return None


def _slice_of_pad(value: Value, builder: Builder) -> Value | None:
    """What lies inside, and, element by element, what skips the elements in between; neighbours with less around."""
    x = value.operands[0]
    source = x.operands[0]
    starts, sizes, steps, before, after = [], [], [], [], []
    for axis, size in enumerate(value.shape):
        gap, length = x.params["interior"][axis] + 1, source.shape[axis]
        low, by = value.params["start"][axis] - x.params["low"][axis], value.params["step"][axis]
        by = gap if size == 1 else by
        first, last = low, low + (size - 1) * by
        if first < 0 or last > (length - 1) * gap:
            if by != 1 or gap != 1 or not size or first >= length or last < 0 or not builder.read_once(x):
                return None
            first, last = max(first, 0), min(last, length - 1)
        if first % gap or by % gap:
            return None
        starts.append(first // gap)
        sizes.append((last - first) // by + 1)
        steps.append(by // gap)
        before.append((first - low) // by)
        after.append(size - sizes[-1] - before[-1])
    inside = sliced(builder, source, tuple(starts), tuple(sizes), tuple(steps))
    if tuple(sizes) == value.shape:
        return inside
    params = {"low": tuple(before), "high": tuple(after), "interior": (0,) * len(sizes), "value": x.params["value"]}
    return builder.operation("pad", (inside,), value.spec, params)


def _slice_of_stacked(value: Value, builder: Builder) -> Value | None:
    """Columns of rows of a matrix that were taken apart, of the matrix itself."""
    x = value.operands[0]
    source, columns = x.operands[0], x.shape[-1]
    if len(source.shape) != 2 or source.shape[-1] != columns or value.shape[:-1] != x.shape[:-1]:
        return None
    start, step = value.params["start"], value.params["step"]
    shape = source.shape[0], value.shape[-1]
    return builder.reshape(sliced(builder, source, (0, start[-1]), shape, (1, step[-1])), value.shape)


def _slice_of_broadcast(value: Value, builder: Builder) -> Value:
    source = value.operands[0].operands[0]
    added = len(value.shape) - len(source.shape)
    start, step = value.params["start"][added:], value.params["step"][added:]
    sizes = [1 if narrow == 1 else size for narrow, size in zip(source.shape, value.shape[added:], strict=True)]
    starts = [0 if narrow == 1 else low for narrow, low in zip(source.shape, start, strict=True)]
    return builder.broadcast_to(sliced(builder, source, tuple(starts), tuple(sizes), step), value.shape)


def flip(value: Value, builder: Builder) -> Value | None:
    """Of axes of length one; of a flip; of a broadcast along what it repeats; of a permutation, before it."""
    x = value.operands[0]
    axes = tuple(sorted(axis for axis in value.params["axes"] if x.shape[axis] != 1))
    if not axes:
        return x
    if x.op == "flip":
        return _flipped(builder, x.operands[0], tuple(sorted(set(axes) ^ set(x.params["axes"]))))
    if x.op == "broadcast_to":
        narrow = x.operands[0]
        added = len(x.shape) - len(narrow.shape)
        kept = tuple(axis - added for axis in axes if axis >= added)
        return builder.broadcast_to(_flipped(builder, narrow, kept), value.shape)
    if x.op == "permute_dims":
        order = x.params["axes"]
        return builder.permute_dims(_flipped(builder, x.operands[0], tuple(order[axis] for axis in axes)), order)
    return None if axes == value.params["axes"] else _flipped(builder, x, axes)


def _flipped(builder: Builder, x: Value, axes: Shape) -> Value:
    return builder.operation("flip", (x,), x.spec, {"axes": tuple(sorted(axes))}) if axes else x


# --- pad and concat ---------------------------------------------------------------------------------------


def pad(value: Value, builder: Builder) -> Value | None:
    """Nothing added; the same number around and between it."""
    x = value.operands[0]
    if x.shape == value.shape:
        return x
    if x.op == "full":
        around = builder.full((), value.dtype, value.params["value"])
        if around is builder.full((), value.dtype, x.params["value"]):
            return builder.full(value.shape, value.dtype, x.params["value"])
    return None


def concat(value: Value, builder: Builder) -> Value | None:
    """Of one; without the empty ones; of concatenations along the same axis; of the same number everywhere."""
    axis = value.params["axis"]
    parts: list[Value] = []
    for each in value.operands:
        if each.shape[axis]:
            nested = each.op == "concat" and each.params["axis"] == axis
            parts.extend(each.operands if nested else (each,))
    if len(parts) == 1:
        return parts[0]
    numbers = {builder.full((), each.dtype, each.params["value"]) if each.op == "full" else each for each in parts}
    if len(numbers) == 1 and parts[0].op == "full":
        return builder.full(value.shape, value.dtype, parts[0].params["value"])
    if len(parts) != len(value.operands) or any(a is not b for a, b in zip(parts, value.operands, strict=True)):
        return builder.operation("concat", parts, value.spec, value.params)
    return None


VIEWS = Pass(
    "views",
    "a chain of operations that only move elements is one, or none",
    {
        "alias": (alias,),
        AFTER: (after,),
        "reshape": (reshape,),
        "permute_dims": (permute_dims,),
        "broadcast_to": (broadcast_to,),
        "slice": (slice_,),
        "flip": (flip,),
        "pad": (pad,),
        "concat": (concat,),
    },
)
