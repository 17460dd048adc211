"""What a convolution is: its sizes, its type and where its elements lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

from lamina.compiler.codegen.elements import load_strided, memory_type, register_type, unpacked
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.matmul.arithmetic import advanced
from lamina.compiler.codegen.values import I32, Type, Value
from lamina.compiler.target import Target
from lamina.dtypes import DType

Shape = tuple[int, ...]
Epilogue = Callable[[Emitter, Sequence[Value], Value], None]
"""Writes code for ``(emitter, indices, value)``: an element of the result, or a vector of neighbours along the last
axis, and its index along every axis: image, channel and places."""
Ask = Callable[[Emitter, Sequence[Value], int], None]
"""Writes code that asks for the memory of an epilogue: that of so many neighbours, from an index on."""


class Convolution(NamedTuple):
    r"""A convolution of sizes known now, without padding.

    .. math:: y_{n,o,t} = \sum_{c,k} x_{n,\,c,\,s t + d k}\; w_{o,c,k}

    Attributes
    ----------
    images, groups, rows, depth : int
        How many images there are, how many groups of channels, and of each group the channels of the result and of x.
    places, window : tuple of int
        The sizes of the result and of the window along the axes of space.
    dtype : DType
        Half-precision types are summed in float32 and rounded once; integers wrap around.
    x_image, x_channel, w_row, w_channel : int
        How many elements apart neighbours lie along axes that are not of space.
    x_place, x_window, w_window : tuple of int
        The same along the axes of space, for a step of the result's place and for a step in the window.
    """

    images: int
    groups: int
    rows: int
    depth: int
    places: Shape
    window: Shape
    dtype: DType
    x_image: int
    x_channel: int
    x_place: Shape
    x_window: Shape
    w_row: int
    w_channel: int
    w_window: Shape

    @property
    def stored(self) -> Type:
        """The machine type of an element in memory."""
        return memory_type(self.dtype)

    @property
    def summed(self) -> Type:
        """The machine type of sums, and of operands in registers."""
        return register_type(self.dtype)

    @property
    def terms(self) -> int:
        """How many products each element is the sum of."""
        return self.depth * math.prod(self.window)


class Part(NamedTuple):
    """The part of a result that a thread computes: images, and channels counted through all groups, from and to."""

    first_image: Value
    last_image: Value
    first_row: Value
    last_row: Value


def has_masks(target: Target) -> bool:
    """Tell whether a vector's last lanes may be left out of a load, at no cost."""
    return "avx512vl" in target.known


def strided(f: Emitter, dtype: DType, pointer: Value, stride: int, lanes: int, mask: Value | None = None) -> Value:
    """Read elements so far apart: one, as a scalar, for no lanes. Of neighbours, a mask leaves some out, as zeros."""
    if mask is None:
        return load_strided(f, dtype, pointer, stride, lanes)
    stored = memory_type(dtype).of(lanes)
    align = Value(str(max(stored.bits // 8, 1)), I32)
    name = f"llvm.masked.load.{stored.suffix}.p0"
    return unpacked(f, dtype, f.call(name, stored, pointer, align, mask, f.number(0, stored)))


@contextmanager
def groups(f: Emitter, problem: Convolution, part: Part) -> Iterator[tuple[Value, Value, Value]]:
    """Go through the groups of channels: the group, and from where to where its rows are in the part."""
    count = f.integer(problem.groups)
    with f.loop(f.integer(0), count) if problem.groups > 1 else nullcontext(f.integer(0)) as group:
        before = f.mul(group, f.integer(problem.rows))
        first = f.intrinsic("smax", f.sub(part.first_row, before), f.integer(0))
        last = f.intrinsic("smin", f.sub(part.last_row, before), f.integer(problem.rows))
        yield group, first, last


@contextmanager
def rows_asked_for(f: Emitter, term: Value, terms: int, rows: int, height: Value) -> Iterator[Value]:
    """Go through the share of a tile's rows whose memory is asked for beside one of so many terms."""
    each = -(-rows // terms)
    start = f.mul(term, f.integer(each))
    with f.loop(start, f.intrinsic("smin", f.add(start, f.integer(each)), height)) as row:
        yield row


def place_in_image(f: Emitter, problem: Convolution, indices: Sequence[Value]) -> Value:
    """Return how far from an image's first element the window of a place begins."""
    total = f.integer(0)
    for index, stride in zip(indices, problem.x_place, strict=True):
        total = f.add(total, f.mul(index, f.integer(stride)))
    return total


def summed(
    f: Emitter,
    problem: Convolution,
    loops: Sequence[tuple[int, int, int]],
    w: Value,
    starts: list[Value],
    sums: list[Value],
    terms: Callable[[Value, list[Value], list[Value]], list[Value]],
    beside: Callable[[Value], None] | None = None,
) -> list[Value]:
    """Return sums with the terms of loops added; each has a size, and steps in w and in the windows of x.

    ``terms(w, starts, sums)`` adds what is inside of all loops, and ``beside`` is done in each round of the first.
    """
    if not loops:
        return terms(w, starts, sums)
    size, w_step, x_step = loops[0]
    with f.repeat(f.integer(0), f.integer(size), [w, *starts, *sums]) as round_:
        if beside is not None:
            beside(round_.index)
        weights, *rest = round_.values
        windows, inner = rest[: len(starts)], rest[len(starts) :]
        inner = summed(f, problem, loops[1:], weights, windows, inner, terms)
        steps = [(weights, w_step), *((each, x_step) for each in windows)]
        round_.values = [*(advanced(f, each, step, problem.stored) for each, step in steps), *inner]
    return round_.values[1 + len(starts) :]
