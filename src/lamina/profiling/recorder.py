"""Adding up what a watched thread did: by operation, by layer, and one after another."""

from __future__ import annotations

import weakref
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from time import perf_counter_ns
from typing import Any, NamedTuple

from lamina.autodiff.node import Node, next_order
from lamina.compiler.decorator import CompiledFunction
from lamina.compiler.differentiation import Derivative
from lamina.nn.module import Module
from lamina.optim.optimizer import Optimizer
from lamina.primitives.primitive import Primitive
from lamina.profiling.costs import ARITHMETIC, flops, of_program, traffic
from lamina.profiling.instrumentation import CompiledCall, Observer, Operands, Owner
from lamina.tensor import Tensor

FORWARD, BACKWARD, UPDATE, COMPILED, COMPILING = "forward", "backward", "update", "compiled", "compiling"
"""Passes: ``compiled`` is all that a compiled function does in a call, ``compiling`` a call for which it was traced."""

LAYER, LAYER_BACKWARD = "layer", "layer, backward"

MOST_EVENTS = 200_000
"""Events that are kept for the Chrome trace. What comes later is added up, and no more than that."""
_MOST_SPANS = 400_000


@dataclass
class Total:
    """What the calls of one operation in one pass add up to; bytes or arithmetic that are not known count as none."""

    calls: int = 0
    nanoseconds: int = 0
    bytes: int = 0
    flops: int = 0

    def add(self, calls: int, nanoseconds: int, bytes: int | None, flops: int | None) -> None:
        """Count some more."""
        self.calls += calls
        self.nanoseconds += nanoseconds
        self.bytes += bytes or 0
        self.flops += flops or 0


_numbers = count(-1, -1)
"""Keys of places whose layers are gone: no addresses."""


class Place:
    """A layer, as it was called by the layer around it; or an optimiser; or, at the root, what is outside of all.

    Attributes
    ----------
    name : str
        The attribute or position in the layer around it; empty where there is none.
    kind : str
        The name of its class.
    phase : str
        ``"update"`` of an optimiser, ``"forward"`` of all others.
    calls : int
    forward, backward, update : int
        Nanoseconds, those of the layers inside included.
    own : Total
        Of its operations, those of the layers inside not included.
    """

    def __init__(self, owner: Owner | None, around: Place | None, name: str) -> None:
        self.owner = None if owner is None else weakref.ref(owner)
        self.kind = type(owner).__name__
        self.phase = UPDATE if isinstance(owner, Optimizer) else FORWARD
        self.around = around
        self.name = name
        self.inside: dict[int, Place] = {}
        self.calls = self.forward = self.backward = self.update = 0
        self.own = Total()

    @property
    def label(self) -> str:
        """The names from the outermost layer down, such as ``"MLP.0 Linear"``."""
        if self.around is None:
            return ""
        names = [self.name]
        at = self.around
        while at.around is not None:
            names.append(at.name)
            at = at.around
        path = ".".join(reversed(names))
        return path if self.around.around is None else f"{path} {self.kind}"

    def within(self) -> Iterator[tuple[int, Place]]:
        """Yield the places inside with their depths, in the order of their first calls."""
        for each in self.inside.values():
            yield 0, each
            yield from ((depth + 1, place) for depth, place in each.within())

    def total(self) -> Total:
        """Return what the operations here and inside add up to."""
        found = Total()
        for each in (self, *(place for _, place in self.within())):
            found.add(each.own.calls, each.own.nanoseconds, each.own.bytes, each.own.flops)
        return found

    def child(self, owner: Owner) -> Place:
        """Return the place of a layer that is called here."""
        found = self.inside.get(id(owner))
        if found is not None and found.owner is not None and found.owner() is owner:
            return found
        # One that is made anew for each call, as a loss may be, is one place.
        kind = type(owner).__name__
        gone = next((key for key, each in self.inside.items() if each.kind == kind and each.gone()), None)
        if gone is not None:
            found = self.inside.pop(gone)
            found.owner = weakref.ref(owner)
        else:
            around = None if self.owner is None else self.owner()
            found = Place(owner, self, name_of(owner, around, {each.name for each in self.inside.values()}))
        if id(owner) in self.inside:
            # Of another class, at the address of one that is gone.
            self.inside[next(_numbers)] = self.inside.pop(id(owner))
        self.inside[id(owner)] = found
        return found

    def gone(self) -> bool:
        """Tell whether its layer is no more."""
        return self.owner is not None and self.owner() is None


def name_of(owner: Owner, around: Owner | None, taken: set[str]) -> str:
    """Return what a layer is called by the layer around it; its class, numbered if need be, where it does not say."""
    if isinstance(around, Module):
        known = next((name for name, each in around.named_modules() if each is owner and name), None)
        if known is not None and known not in taken:
            return known
    kind = type(owner).__name__
    numbered = (kind, *(f"{kind}#{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in numbered if name not in taken)


class _Sweep:
    """A reverse sweep, and the node that it is at."""

    __slots__ = ("compiled", "entered", "place", "start", "visited")

    def __init__(self, place: Place, start: int) -> None:
        self.start = self.entered = start
        self.place = place
        self.visited: int | None = None
        self.compiled: str | None = None


class Event(NamedTuple):
    """Something that began and ended, in nanoseconds of ``perf_counter_ns``; a layer goes by the label of its place."""

    name: str | None
    category: str
    start: int
    end: int
    place: Place
    shapes: tuple[tuple[int, ...], ...] = ()
    bytes: int | None = None
    flops: int | None = None


class Recorder(Observer):
    """Adds up what it is told.

    Attributes
    ----------
    operations : dict
        A `Total` for each name and pass.
    outside : Place
        What is outside of all layers; the layers are inside it.
    events : list of Event
    dropped : int
        Events that were not kept.
    last_calls : dict
        The last call of each compiled function, if they are wanted; they hold its arguments.
    """

    def __init__(self, keeps_calls: bool = False) -> None:
        self.operations: dict[tuple[Any, ...], Total] = {}
        self.outside = Place(None, None, "")
        self.events: list[Event] = []
        self.dropped = 0
        self.last_calls: dict[CompiledFunction[..., Any], CompiledCall] = {}
        self._keeps_calls = keeps_calls
        self._here = self.outside
        self._phase = FORWARD
        self._starts: list[int] = []
        self._sweeps: list[_Sweep] = []
        # Where nodes were made: from a node's number on, in this place and by this compiled function.
        self._orders: list[int] = []
        self._places: list[tuple[Place, str | None]] = []

    # --- operations ---

    def operation(
        self, primitive: Primitive, operands: Operands, params: dict[str, Any], result: Tensor, start: int, end: int
    ) -> None:
        # Between two operations that are measured, so it is kept short.
        shapes = tuple([_shape(each) for each in (*operands, result)])
        moved, arithmetic = traffic(operands, result), None
        if primitive.name in ARITHMETIC and result.dtype.floating:
            arithmetic = flops(primitive.name, shapes[:-1], shapes[-1])
        sweeps = self._sweeps
        place, phase = (sweeps[-1].place, BACKWARD) if sweeps else (self._here, self._phase)
        self._add(Event(primitive.name, phase, start, end, place, shapes, moved, arithmetic), 1)
        place.own.add(1, end - start, moved, arithmetic)
        if place is self.outside and not sweeps:
            place.forward += end - start

    def compiled(self, call: CompiledCall, result: Any, start: int, end: int) -> None:
        name = self._name_of(call.function)
        bytes, arithmetic = (each * call.runs for each in of_program(call.function))
        category = COMPILING if call.traced else COMPILED
        self._add(Event(name, category, start, end, self._here, (), bytes, arithmetic), call.runs)
        self._here.own.add(call.runs, end - start, bytes, arithmetic)
        if self._here is self.outside:
            self.outside.forward += end - start
        self._span(call.order, name)
        self._span(next_order(), None)
        if self._keeps_calls:
            self.last_calls[call.function] = call

    def _name_of(self, function: CompiledFunction[..., Any]) -> str:
        if self._phase is UPDATE:
            return f"{self._here.kind}.step"
        return str(getattr(function, "__name__", "function"))

    def _add(self, event: Event, calls: int) -> None:
        key = event[:2]
        total = self.operations.get(key)
        if total is None:
            total = self.operations[key] = Total()
        total.add(calls, event.end - event.start, event.bytes, event.flops)
        self._keep(event)

    def _keep(self, event: Event) -> None:
        if len(self.events) < MOST_EVENTS:
            self.events.append(event)
        else:
            self.dropped += 1

    # --- layers ---

    def enter(self, owner: Owner) -> None:
        self._here = self._here.child(owner)
        self._phase = self._here.phase
        self._span(next_order(), None)
        self._starts.append(perf_counter_ns())

    def leave(self, owner: Owner) -> None:
        end = perf_counter_ns()
        start, place = self._starts.pop(), self._here
        place.calls += 1
        if place.phase is UPDATE:
            place.update += end - start
        else:
            place.forward += end - start
        assert place.around is not None
        self._here = place.around
        self._phase = self._here.phase
        self._span(next_order(), None)
        self._keep(Event(None, LAYER if place.phase is FORWARD else UPDATE, start, end, place))

    def _span(self, order: int, compiled: str | None) -> None:
        self._orders.append(order)
        self._places.append((self._here, compiled))
        if len(self._orders) > _MOST_SPANS:
            # Of what is so long ago, hardly anything is differentiated any more.
            del self._orders[: _MOST_SPANS // 2], self._places[: _MOST_SPANS // 2]

    def _made_in(self, node: Node) -> tuple[Place, str | None]:
        at = bisect_right(self._orders, node.order) - 1
        return self._places[at] if at >= 0 else (self.outside, None)

    # --- sweeps ---

    def sweep_begins(self) -> None:
        self._sweeps.append(_Sweep(self.outside, perf_counter_ns()))

    def visit(self, node: Node) -> None:
        sweep, now = self._sweeps[-1], perf_counter_ns()
        self._end_visit(sweep, now)
        place, name = self._made_in(node)
        sweep.compiled = (name or "function") if isinstance(node.operation, Derivative) else None
        sweep.visited = now
        if place is not sweep.place:
            self._end_layer(sweep, now)
            sweep.place, sweep.entered = place, now

    def sweep_ends(self) -> None:
        sweep, now = self._sweeps.pop(), perf_counter_ns()
        self._end_visit(sweep, now)
        self._end_layer(sweep, now)
        self._keep(Event("backward", BACKWARD, sweep.start, now, self.outside))

    def _end_visit(self, sweep: _Sweep, now: int) -> None:
        if sweep.visited is None:
            return
        taken = now - sweep.visited
        for place in _outwards(sweep.place):
            place.backward += taken
        if sweep.compiled is not None:
            self._add(Event(sweep.compiled, BACKWARD, sweep.visited, now, sweep.place), 1)
            sweep.place.own.add(1, taken, None, None)

    def _end_layer(self, sweep: _Sweep, now: int) -> None:
        if sweep.place is not self.outside:
            self._keep(Event(None, LAYER_BACKWARD, sweep.entered, now, sweep.place))


def _outwards(place: Place) -> Iterator[Place]:
    """Yield a place and the layers around it; what is outside of all of them only for itself."""
    yield place
    while place.around is not None and place.around.around is not None:
        place = place.around
        yield place


def _shape(x: Tensor) -> tuple[int, ...]:
    return () if isinstance(x._data, tuple) else x.shape
