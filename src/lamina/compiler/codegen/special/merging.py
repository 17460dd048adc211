"""A stable merge sort of integer keys, each of which may carry an index.

Short runs are sorted by rank: every key counts those that belong before it, all keys of a run at once. A line is
filled up to a power of two of runs of equal length, so that every merge is one of equal halves. Such a merge is done
from both ends: half of the result is written forwards and half backwards, and since neither side can consume more
than one half, nothing has to be checked, and nothing is branched on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.values import Type, Value, Variable

_RUN = 16  # the longest run, and the lanes that rank one


class Runs(NamedTuple):
    """How a line of some length is divided: ``2**levels`` runs of one length."""

    run: int
    levels: int

    @property
    def size(self) -> int:
        """Length of the line with its filling."""
        return self.run << self.levels

    @property
    def capacity(self) -> int:
        """Elements to provide for a line, for the last run is read with all lanes."""
        return self.size + _RUN


def runs_of(length: int) -> Runs:
    """Return the division of a line: the fewest runs that are short enough."""
    levels = 0
    while (_RUN << levels) < length:
        levels += 1
    return Runs(-(-length >> levels), levels)


class Arrays(NamedTuple):
    """Parallel arrays: keys, and what each carries."""

    f: Emitter
    types: Sequence[Type]
    pointers: Sequence[Value]

    def key(self, at: Value) -> Value:
        """Return the key of a place."""
        return self.f.load(self.types[0], self.f.at(self.pointers[0], at, self.types[0]))

    def get(self, at: Value) -> list[Value]:
        """Return everything at a place."""
        pairs = zip(self.types, self.pointers, strict=True)
        return [self.f.load(kind, self.f.at(pointer, at, kind)) for kind, pointer in pairs]

    def put(self, at: Value, elements: Sequence[Value]) -> None:
        """Write everything at a place."""
        for kind, pointer, element in zip(self.types, self.pointers, elements, strict=True):
            self.f.store(element, self.f.at(pointer, at, kind))


def emit_sort(first: Arrays, second: Arrays, runs: Runs) -> Arrays:
    """Sort the first arrays, using the second; return those that hold the result."""
    f = first.f
    _rank_runs(first, second, runs)
    # The roles change at each level, so the places of the arrays are variables.
    source, target = ([f.variable(each) for each in arrays.pointers] for arrays in (second, first))
    width, size = f.variable(f.integer(runs.run)), f.integer(runs.size)
    with f.while_() as levels:
        levels.leave_unless(f.icmp("slt", f.get(width), size))
        before = Arrays(f, first.types, [f.get(each) for each in source])
        after = Arrays(f, first.types, [f.get(each) for each in target])
        base, half = f.variable(f.integer(0)), f.get(width)
        with f.while_() as pairs:
            pairs.leave_unless(f.icmp("slt", f.get(base), size))
            _merge(before, after, f.get(base), half)
            f.set(base, f.add(f.get(base), f.add(half, half)))
        f.set(width, f.add(half, half))
        for one, other, old, new in zip(source, target, before.pointers, after.pointers, strict=True):
            f.set(one, new)
            f.set(other, old)
    return first if runs.levels % 2 else second


def _rank_runs(source: Arrays, target: Arrays, runs: Runs) -> None:
    """Sort every run: the rank of a key is how many are smaller, or equal and before it."""
    f, kind = source.f, source.types[0]
    lanes = _RUN if runs.run > _RUN // 2 else _RUN // 2
    wide = kind.of(lanes)
    numbers, places = f.lane_numbers(lanes, kind), f.slot(wide)
    with f.loop(f.integer(0), f.integer(runs.size), runs.run) as base:
        keys = f.load(wide, f.at(source.pointers[0], base, kind))
        ranks = f.variable(f.integer(0, wide))
        with f.loop(f.integer(0), f.integer(runs.run)) as at:
            other = f.splat(source.key(f.add(base, at)), lanes)
            behind = f.icmp("slt", f.splat(f.convert("trunc", at, kind.scalar), lanes), numbers)
            tied = f.binary("and", f.icmp("eq", other, keys), behind)
            before = f.binary("or", f.icmp("slt", other, keys), tied)
            f.set(ranks, f.add(f.get(ranks), f.convert("zext", before, kind.scalar)))
        f.store(f.get(ranks), places)
        with f.loop(f.integer(0), f.integer(runs.run)) as at:
            rank = f.convert("zext", f.load(kind, f.at(places, at, kind)), "i64")
            target.put(f.add(base, rank), source.get(f.add(base, at)))


def _merge(source: Arrays, target: Arrays, base: Value, half: Value) -> None:
    """Merge two sorted halves of equal length; of equals, the one of the left half comes first."""
    f, one = source.f, source.f.integer(1)
    middle = f.add(base, half)
    last = f.sub(f.add(middle, half), one)
    left, right = f.variable(base), f.variable(middle)
    left_end, right_end = f.variable(f.sub(middle, one)), f.variable(last)
    with f.loop(f.integer(0), half) as step:
        _take(source, target, left, right, f.add(base, step), forwards=True)
        _take(source, target, left_end, right_end, f.sub(last, step), forwards=False)


def _take(source: Arrays, target: Arrays, left: Variable, right: Variable, to: Value, *, forwards: bool) -> None:
    """Move the next element from the front, or from the back, of one of two halves."""
    f = source.f
    a, b = source.get(f.get(left)), source.get(f.get(right))
    smaller = f.icmp("slt", b[0], a[0])
    from_right = smaller if forwards else f.binary("xor", smaller, Value("true", smaller.type))
    target.put(to, [f.select(from_right, y, x) for x, y in zip(a, b, strict=True)])
    moved = f.convert("zext", from_right, "i64")
    stayed = f.sub(f.integer(1), moved)
    operation = f.add if forwards else f.sub
    f.set(right, operation(f.get(right), moved))
    f.set(left, operation(f.get(left), stayed))
