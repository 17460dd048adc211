"""Loops of elementwise operations, vectors along the last one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack

from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.expressions import ZERO, Body, Step, nest, pieces
from lamina.compiler.codegen.values import Value
from lamina.compiler.schedule.kernels import Loops
from lamina.compiler.schedule.order import Share
from lamina.compiler.schedule.views import Affine, Shape

# Writes one step of a loop: (index of the first element, how many at once, 0 for one as a scalar).
StepWriter = Callable[[Value, int], None]
VectorsWriter = Callable[[Value, Value], None]
"""Writes whole vectors, from one element to another."""


def emit_loops(body: Body, share: Share, lanes: int, begin: Value, end: Value, places: Iterable[Affine]) -> None:
    """Write a kernel of elementwise operations for the units from ``begin`` to ``end``.

    Parameters
    ----------
    body : Body
    share : Share
    lanes : int
        How many elements a vector holds.
    begin, end : Value
    places : iterable of tuple of int
        Where the kernel reads, for neighbouring loops that all of memory runs through in one go are one.
    """
    kernel = body.kernel
    assert isinstance(kernel, Loops)
    if not kernel.dims:
        _run(Step(body, [], None, 0))
        return
    merged = merge(kernel.dims, [*places, *(place for _, _, place in body.stored(kernel.computed))], share.loop)
    last = merged[-1]
    size = math.prod(kernel.dims[loop] for loop in last)
    if len(merged) > 1 and size in (2, 4) and size < lanes and share.loop not in (*last, *merged[-2]):
        _emit_pairs(body, share, lanes, (begin, end), merged)
        return

    def write(loops: list[Value]) -> StepWriter:
        return lambda at, width: _run(Step(body, [*loops[:-1], at], len(kernel.dims) - 1, width))

    with ExitStack() as stack:
        loops = opened(stack, body.f, kernel.dims, merged, share, begin, end)
        if share.loop is not None and share.loop in last:
            walk_share(body.f, share, size, lanes, begin, end, write(loops))
        else:
            walk(body.f, ZERO, body.f.integer(size), lanes, write(loops), body.repeatable)


def _emit_pairs(body: Body, share: Share, lanes: int, part: tuple[Value, Value], merged: list[list[int]]) -> None:
    """Write loops of which the last is too short for a vector: vectors run through it and the one before."""
    f, dims = body.f, body.kernel.dims
    lane_loop, last = merged[-2][-1], len(dims) - 1
    length, rounds = (math.prod(dims[loop] for loop in group) for group in (merged[-1], merged[-2]))
    with ExitStack() as stack:
        loops = opened(stack, f, dims, [*merged[:-2], []], share, *part)

        def write(at: Value, width: int) -> None:
            there = list(loops)
            there[lane_loop] = f.binary("udiv", at, f.integer(length))
            _run(Step(body, there, lane_loop, width, (last, length)))

        walk(f, ZERO, f.integer(length * rounds), lanes, write, body.repeatable)


def _run(step: Step) -> None:
    step.compute(step.body.kernel.computed)
    step.keep(step.body.kernel.computed)


def merge(dims: Shape, places: Sequence[Affine], divided: int | None) -> list[list[int]]:
    """Return neighbouring loops in groups, each of which is one run through memory for all places.

    The loop that is divided among threads stays by itself, unless it is the only one.
    """
    groups = [[0]]
    for loop in range(1, len(dims)):
        before = groups[-1][-1]
        one = before != divided and all(place[before] == place[loop] * dims[loop] for place in places)
        if one:
            groups[-1].append(loop)
        else:
            groups.append([loop])
    return groups


def opened(
    stack: ExitStack, f: Emitter, dims: Shape, groups: list[list[int]], share: Share, begin: Value, end: Value
) -> list[Value]:
    """Open all loops but the last group's, and return the index of every loop."""
    loops = [ZERO] * len(dims)
    for group in groups[:-1]:
        size = math.prod(dims[loop] for loop in group)
        if share.loop in group:
            index = stack.enter_context(f.loop(begin, end))
        else:
            index = stack.enter_context(nest(f, [size]))[0]
        loops[group[-1]] = index
    return loops


def walk(
    f: Emitter,
    start: Value,
    stop: Value,
    lanes: int,
    write: StepWriter,
    repeatable: bool = False,
    together: VectorsWriter | None = None,
) -> None:
    """Step from ``start`` to ``stop`` by vectors; what is left by narrower ones, one that overlaps, or one by one.

    Where ``together`` is given it writes all the whole vectors.
    """

    def vectors(first: Value, last: Value) -> None:
        if together is not None:
            together(first, last)
            return
        with f.loop(first, last, lanes) as at:
            write(at, lanes)

    if start.literal == 0 and stop.literal is not None:
        size = stop.literal
        whole = size - size % lanes
        if whole:
            vectors(ZERO, f.integer(whole))
        for at_number, width in pieces(size, lanes, repeatable):
            write(f.integer(at_number), width if width > 1 else 0)
        return
    length = f.sub(stop, start)
    whole_length = f.sub(length, f.binary("srem", length, f.integer(lanes)))
    middle = f.add(start, whole_length)
    vectors(start, middle)
    with f.loop(middle, stop) as at:
        write(at, 0)


def walk_share(
    f: Emitter,
    share: Share,
    size: int,
    lanes: int,
    begin: Value,
    end: Value,
    write: StepWriter,
    together: VectorsWriter | None = None,
) -> None:
    """Step through a thread's units of a loop that is divided, of elements or of whole vectors."""
    if share.grain == 1:
        walk(f, begin, end, lanes, write, together=together)
        return
    start = f.mul(begin, f.integer(share.grain))
    whole = f.integer(size - size % lanes)
    stop = f.intrinsic("smin", f.mul(end, f.integer(share.grain)), whole)
    if together is not None:
        together(start, stop)
    else:
        with f.loop(start, stop, lanes) as at:
            write(at, lanes)
    if size % lanes:
        with f.when(f.icmp("eq", end, f.integer(share.units))):
            for number, width in pieces(size, lanes):
                write(f.integer(number), width if width > 1 else 0)
