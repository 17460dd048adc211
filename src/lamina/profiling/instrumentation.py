"""Telling observers what a thread does: operations, calls of layers and of compiled functions, reverse sweeps.

Nothing of this is in the way of a program that nobody watches. Operations already go through ``STATE.run``, which a
watch exchanges for its thread. Layers, optimisers and compiled functions are called by methods of their classes; these
are exchanged while any thread watches, and put back afterwards.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from time import perf_counter_ns
from typing import Any, cast

from lamina.autodiff.node import Node, next_order
from lamina.backends.thread_state import STATE, Deferred
from lamina.compiler.calling.guard import install
from lamina.compiler.calling.object_layout import offsets
from lamina.compiler.decorator import CompiledFunction
from lamina.compiler.differentiation import Derivative
from lamina.errors import TracingError
from lamina.nn.module import Module
from lamina.optim.optimizer import Optimizer
from lamina.primitives.primitive import Primitive
from lamina.tensor import Tensor
from lamina.watched import UNWATCHED

Operands = tuple[Tensor, ...]
Owner = Module | Optimizer


class Observer:
    """What is told; every method does nothing until it is overridden. Times are nanoseconds of ``perf_counter_ns``."""

    def operation(
        self, primitive: Primitive, operands: Operands, params: dict[str, Any], result: Tensor, start: int, end: int
    ) -> None:
        """Take note of a primitive that was applied, outside of compiled functions."""

    def enter(self, owner: Owner) -> None:
        """Take note that a layer is called, or an optimiser steps."""

    def leave(self, owner: Owner) -> None:
        """Take note that it has returned, or failed."""

    def compiled(self, call: CompiledCall, result: Any, start: int, end: int) -> None:
        """Take note of a call of a compiled function that has returned."""

    def sweep_begins(self) -> None:
        """Take note that a reverse sweep begins; one may begin inside another."""

    def visit(self, node: Node) -> None:
        """Take note that the sweep goes on to this node: what follows is its derivative."""

    def sweep_ends(self) -> None:
        """Take note that the innermost sweep has ended, or failed."""


class CompiledCall:
    """A call of a compiled function.

    Attributes
    ----------
    function : CompiledFunction
    args, kwargs : tuple and dict
    runs : int
        How often the program ran: more than once in `CompiledFunction.repeat`.
    order : int
        Nodes of the results have higher numbers, those of what was before lower ones.
    traced : bool
        Whether the function was traced, and so compiled, for it.
    """

    __slots__ = ("args", "function", "kwargs", "order", "runs", "traced")

    def __init__(self, function: CompiledFunction[..., Any], args: Any, kwargs: dict[str, Any], runs: int) -> None:
        self.function, self.args, self.kwargs, self.runs = function, args, kwargs, runs
        self.order = next_order()
        self.traced = False


class Watch:
    """What stands between one thread and its observers."""

    def __init__(self) -> None:
        self.observers: tuple[Observer, ...] = ()
        self._owners: list[Owner] = []

    def apply(self, primitive: Primitive, operands: Operands, params: dict[str, Any]) -> Tensor:
        """Apply a primitive; what it applies in turn is a part of it."""
        STATE.run = STATE.silent
        try:
            start = perf_counter_ns()
            result = primitive(*operands, **params)
            end = perf_counter_ns()
        except Exception as error:
            _forget_deferral(error)
            raise
        finally:
            STATE.run = cast(Any, _defer)
        for each in self.observers:
            each.operation(primitive, operands, params, result, start, end)
        return result

    def inside(self, owner: Owner, call: Callable[[], Any]) -> Any:
        """Call a layer, or let an optimiser step; its class may call that of its base, which is the same call."""
        if self._owners and self._owners[-1] is owner:
            return call()
        # Those of now: who begins inside of the call is not told of its end.
        observers = self.observers
        self._owners.append(owner)
        for each in observers:
            each.enter(owner)
        try:
            return call()
        finally:
            self._owners.pop()
            for each in observers:
                each.leave(owner)

    def run_compiled(self, found: CompiledCall, call: Callable[[], Any]) -> Any:
        """Call a compiled function; what it does is not told in parts."""
        traces, run = found.function.traces, STATE.run
        STATE.watch, STATE.run = None, STATE.silent
        try:
            start = perf_counter_ns()
            result = call()
            end = perf_counter_ns()
        finally:
            STATE.watch, STATE.run = self, run
        found.traced = found.function.traces != traces
        for each in self.observers:
            each.compiled(found, result, start, end)
        return result

    @contextmanager
    def sweep(self) -> Iterator[Callable[[Node], None]]:
        """Return what is to be called with each node before it is passed back."""
        observers, run = self.observers, STATE.run

        def visit(node: Node) -> None:
            # The derivative of a compiled function is one program.
            STATE.run = STATE.silent if isinstance(node.operation, Derivative) else run
            for each in observers:
                each.visit(node)

        for each in observers:
            each.sweep_begins()
        try:
            yield visit
        finally:
            STATE.run = run
            for each in observers:
                each.sweep_ends()


@contextmanager
def watching(operation: str, observer: Observer) -> Iterator[None]:
    """Tell an observer what this thread does inside; errors name the operation."""
    begin(operation, observer)
    try:
        yield
    finally:
        end(observer)


def begin(operation: str, observer: Observer) -> None:
    """Tell an observer what this thread does from now on, until `end` is called in the same thread.

    Raises
    ------
    TracingError
        Inside of a function that is being traced: what happens there happens once, and without values.
    """
    if STATE.tracer is not None:
        raise TracingError(f"{operation}: this is inside of a compiled function; do it outside, around its calls")
    _exchange_methods()
    if STATE.watch is None:
        STATE.watch, STATE.run = Watch(), cast(Any, _defer)
    STATE.watch.observers = (*STATE.watch.observers, observer)


def end(observer: Observer) -> None:
    """Tell it no more."""
    watch = STATE.watch
    watch.observers = tuple(each for each in watch.observers if each is not observer)
    if not watch.observers:
        STATE.watch, STATE.run = None, STATE.silent
    _put_methods_back()


def _defer(function: Any, *args: Any, **kwargs: Any) -> Any:
    raise Deferred


def _forget_deferral(error: BaseException) -> None:
    """Take the signal to this module out of what led to an error."""
    at = error
    while at.__context__ is not None:
        if isinstance(at.__context__, Deferred):
            at.__context__ = None
            return
        at = at.__context__


# --- methods ------------------------------------------------------------------------------------------------

_lock = threading.Lock()
_watches = 0
_exchanged: list[tuple[type[Any], str, Any]] = []
"""Classes, names of methods, and what they are when nobody watches."""


def _exchange_methods() -> None:
    global _watches
    with _lock:
        _watches += 1
        if _watches > 1:
            return
        if offsets() is not None:
            # Calls by machine code are put in now: put in meanwhile, they would keep what stands here.
            install(CompiledFunction)
        for kind in (Module, *_kinds_below(Module)):
            _exchange(kind, "__call__", _tell_of_owner)
        _exchanged.append((Module, "__init_subclass__", None))
        setattr(Module, "__init_subclass__", classmethod(_new_kind))  # noqa: B010 - only while somebody watches
        for kind in (Optimizer, *_kinds_below(Optimizer)):
            _exchange(kind, "step", _tell_of_owner)
        _exchange(CompiledFunction, "__call__", _tell_of_call)
        _exchange(CompiledFunction, "repeat", _tell_of_repeat)


def _put_methods_back() -> None:
    global _watches
    with _lock:
        _watches -= 1
        if _watches == 0:
            while _exchanged:
                kind, name, method = _exchanged.pop()
                if method is None:
                    delattr(kind, name)
                else:
                    setattr(kind, name, method)


def _new_kind(kind: type[Any], /, **kwargs: Any) -> None:
    """Exchange the method of a class that is made while somebody watches."""
    super(Module, kind).__init_subclass__(**kwargs)
    with _lock:
        if _watches:
            _exchange(kind, "__call__", _tell_of_owner)


def _kinds_below(kind: type[Any]) -> Iterator[Any]:
    for each in kind.__subclasses__():
        yield each
        yield from _kinds_below(each)


def _exchange(kind: type[Any], name: str, tell: Callable[..., Any]) -> None:
    method = vars(kind).get(name)
    # A class with several bases is met several times.
    if callable(method) and not hasattr(method, UNWATCHED):
        _exchanged.append((kind, name, method))
        setattr(kind, name, _told(method, tell))


def _told(method: Callable[..., Any], tell: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that lets whoever watches this thread run it."""

    @wraps(method)
    def told(self: Any, *args: Any, **kwargs: Any) -> Any:
        watch = STATE.watch
        if watch is None or STATE.tracer is not None:
            return method(self, *args, **kwargs)
        return tell(watch, lambda: method(self, *args, **kwargs), self, *args, **kwargs)

    setattr(told, UNWATCHED, method)
    return told


def _tell_of_owner(watch: Watch, run: Callable[[], Any], owner: Owner, /, *args: Any, **kwargs: Any) -> Any:
    return watch.inside(owner, run)


def _tell_of_call(
    watch: Watch, run: Callable[[], Any], function: CompiledFunction[..., Any], /, *args: Any, **kwargs: Any
) -> Any:
    return watch.run_compiled(CompiledCall(function, args, kwargs, 1), run)


def _tell_of_repeat(
    watch: Watch, run: Callable[[], Any], function: CompiledFunction[..., Any], times: Any, /, *args: Any, **kwargs: Any
) -> Any:
    return watch.run_compiled(CompiledCall(function, args, kwargs, times), run)
