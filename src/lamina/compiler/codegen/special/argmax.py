"""Kernels that find positions: ``argmax`` and ``argmin``."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from lamina.compiler.codegen.elements import load_element
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.special.job import Job, bytes_at
from lamina.compiler.codegen.special.lines import COLUMNS, Walk, each_walk
from lamina.compiler.codegen.values import I32, I64, Type, Value, Variable
from lamina.compiler.target import Target
from lamina.dtypes import DType, bool_, uint8

_LONG = 4  # vectors from where on a single line is worth them


class _Best(NamedTuple):
    """The best element so far and its position, in every lane."""

    f: Emitter
    dtype: DType
    largest: bool
    element: Variable
    position: Variable

    def better(self, a: Value, b: Value) -> Value:
        """Tell whether ``a`` beats ``b``: strictly, and NaN beats every number."""
        f = self.f
        if self.dtype.floating:
            beats = f.fcmp("ugt" if self.largest else "ult", a, b)
            return f.binary("and", beats, f.fcmp("ord", b, b))
        sign = "s" if self.dtype.kind == "signed" else "u"
        return f.icmp(f"{sign}gt" if self.largest else f"{sign}lt", a, b)

    def put(self, condition: Value, element: Value, position: Value) -> None:
        """Take an element as the best where a condition holds."""
        f = self.f
        f.set(self.element, f.select(condition, element, f.get(self.element)))
        f.set(self.position, f.select(condition, position, f.get(self.position)))

    def see(self, element: Value, position: Value) -> None:
        """Look at an element that comes after those seen: the first of equals stays."""
        self.put(self.better(element, self.f.get(self.element)), element, position)


def _emit(job: Job, *, largest: bool) -> None:
    with each_walk(job) as walk:
        lanes = _lanes(job.f.module.target, walk.lines.length) if walk.lines.inner == 1 else 0
        position = _along(job, walk, lanes, largest) if lanes else _down(job, walk, largest)
        job.f.store(position, job.f.at(job.results[0], walk.line, I64))


emit_argmax = partial(_emit, largest=True)
emit_argmin = partial(_emit, largest=False)


def _lanes(target: Target, length: int) -> int:
    """Return how many elements of one line to look at together: several registers full where it is long."""
    return next((lanes for lanes in (target.vector_bytes, COLUMNS) if length >= _LONG * lanes), 0)


def _down(job: Job, walk: Walk, largest: bool) -> Value:
    """Return the positions for lines side by side, or for one line without vectors."""
    f = job.f
    best = _first(job, walk, walk.lanes, largest, f.integer(0, _position_type(walk).of(walk.lanes)))
    with f.loop(f.integer(1), f.integer(walk.lines.length)) as at:
        _look(job, walk, best, at, walk.lanes)
    return _widened(f, f.get(best.position))


def _along(job: Job, walk: Walk, lanes: int, largest: bool) -> Value:
    """Return the position for one long line: the best of every lane, the best of those, and the elements left."""
    f, length, kind = job.f, walk.lines.length, _position_type(walk)
    numbers = f.lane_numbers(lanes, kind)
    wide = _first(job, walk, lanes, largest, numbers)
    whole = length - length % lanes
    with f.loop(f.integer(lanes), f.integer(whole), lanes) as at:
        _look(job, walk, wide, at, lanes, numbers)
    elements, positions = f.slot(wide.element.type), f.slot(wide.position.type)
    f.store(f.get(wide.element), elements)
    f.store(f.get(wide.position), positions)
    element = wide.element.type.of(0)
    best = _Best(f, wide.dtype, largest, *map(f.variable, (f.load(element, elements), f.load(kind, positions))))
    with f.loop(f.integer(1), f.integer(lanes)) as lane:
        other, position = f.load(element, f.at(elements, lane, element)), f.load(kind, f.at(positions, lane, kind))
        held = f.get(best.element)
        earlier = f.icmp("slt", position, f.get(best.position))
        # Lanes hold elements of everywhere: among equals the smaller position wins.
        ties = f.binary("xor", best.better(held, other), f.integer(1, earlier.type))
        wins = f.binary("or", best.better(other, held), f.binary("and", earlier, ties))
        best.put(wins, other, position)
    if whole < length:
        with f.loop(f.integer(whole), f.integer(length)) as at:
            _look(job, walk, best, at, 0)
    return _widened(f, f.get(best.position))


def _first(job: Job, walk: Walk, lanes: int, largest: bool, position: Value) -> _Best:
    dtype = _dtype(job)
    element = load_element(job.f, dtype, bytes_at(job.f, job.operands[0], walk.start, dtype.itemsize), lanes)
    return _Best(job.f, dtype, largest, job.f.variable(element), job.f.variable(position))


def _look(job: Job, walk: Walk, best: _Best, at: Value, lanes: int, offsets: Value | None = None) -> None:
    """Look at the elements of a place along the axis."""
    f = job.f
    here = f.add(walk.start, f.mul(at, f.integer(walk.lines.inner)))
    element = load_element(f, best.dtype, bytes_at(f, job.operands[0], here, best.dtype.itemsize), lanes)
    kind = best.position.type.of(0)
    position = f.splat(f.convert("trunc", at, kind.scalar), lanes)
    best.see(element, position if offsets is None else f.add(position, offsets))


def _dtype(job: Job) -> DType:
    dtype: DType = job.value.operands[0].dtype
    return uint8 if dtype is bool_ else dtype


def _position_type(walk: Walk) -> Type:
    return I32 if walk.lines.length < 1 << 31 else I64


def _widened(f: Emitter, position: Value) -> Value:
    return f.convert("sext", position, "i64")
