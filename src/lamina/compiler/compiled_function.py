"""A compiled function: it is traced for each signature, and then runs as one program."""

from __future__ import annotations

import inspect
import operator
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable
from itertools import count
from time import perf_counter
from typing import Any, Generic, ParamSpec, TypeVar

import numpy as np

from lamina.autodiff.trees import mapped
from lamina.backends.precision import get_matmul_precision
from lamina.backends.registry import get_backend
from lamina.backends.thread_state import STATE
from lamina.compiler.calling.arguments import Given
from lamina.compiler.calling.guard import install
from lamina.compiler.calling.hot_path import MISSED, HotPath, serves
from lamina.compiler.calling.object_layout import Planned
from lamina.compiler.inspectable import Inspectable
from lamina.compiler.signature import Arguments, Parts, difference, frozen, traced
from lamina.compiler.specialisation import Specialisation
from lamina.compiler.tracing.environment import Environment
from lamina.compiler.tracing.other_generators import told_apart
from lamina.compiler.tracing.trace import Trace, alike, trace
from lamina.compiler.tracing.tracer import Tracer
from lamina.compiler.wrapping import Wrapper
from lamina.dtypes import as_dtype
from lamina.errors import BackendError, DataError, RetraceWarning
from lamina.forking import fork_safe
from lamina.functions.manipulation import concat, stack
from lamina.primitives.primitive import Spec
from lamina.random import default_generator
from lamina.tensor import Tensor
from lamina.watched import REVISION

P = ParamSpec("P")
R = TypeVar("R")

_KEPT = 64
"""Signatures of one function that are kept, the least recently used dropped first."""
_HOT = 4
"""Signatures among which a function may go back and forth the short way."""
_OFTEN = 8
"""Traces after which, and after each doubling, it is said what made them necessary."""


class _Recent:
    """A specialisation, and what must be unchanged for it to be the right one for arguments that look the same."""

    __slots__ = ("environment", "revision", "specialisation")

    def __init__(self, specialisation: Specialisation, environment: Environment, revision: int) -> None:
        self.specialisation = specialisation
        self.environment = environment
        self.revision = revision


class CompiledFunction(Inspectable, Wrapper, Planned, Generic[P, R]):
    """What `lamina.compile` returns."""

    def __init__(self, function: Callable[P, R], static: frozenset[int | str]) -> None:
        self._names = _parameter_names(function)
        # Without and with arguments by name, and what is called of them; plans are tried before.
        self._hot: tuple[tuple[HotPath, ...], tuple[HotPath, ...]] = (), ()
        self._calls: tuple[Callable[[tuple[Any, ...]], Any], ...] = ()
        self._calls_by_name: tuple[Callable[[tuple[Any, ...]], Any], ...] = ()
        self._recent: dict[Any, _Recent] = {}
        self._traces: OrderedDict[Parts, Specialisation] = OrderedDict()
        self._own: dict[tuple[int, str], Any] = {}
        self._traced = 0
        self._lock = fork_safe(threading.RLock())
        super().__init__(function, static)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function."""
        if kwargs:
            given: tuple[Any, ...] = (*args, kwargs)
            for call in self._calls_by_name:
                result = call(given)
                if result is not MISSED:
                    return result  # type: ignore[no-any-return]
        else:
            for call in self._calls:
                result = call(args)
                if result is not MISSED:
                    return result  # type: ignore[no-any-return]
        return self._long_way(args, kwargs)

    def _long_way(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
        if _is_inside():
            return self._function(*args, **kwargs)  # type: ignore[no-any-return]
        arguments = Arguments(args, kwargs, self._static)
        found, seen = self._specialised(args, kwargs, arguments)
        # What is called once is not worth a short way.
        path = self._shortened(found, args, kwargs) if seen else None
        if path is not None:
            result = path.call((*args, kwargs) if kwargs else args)
            if result is not MISSED:
                return result  # type: ignore[no-any-return]
        return found.specialisation(arguments.leaves)  # type: ignore[no-any-return]

    def repeat(self, times: int, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function many times in a row with the same arguments, in native code.

        Variables end as after so many calls, and the results are theirs. What differs from call to call comes from
        variables: a step can count its batches in one, and take its rows by that.

        Parameters
        ----------
        times : int
            From 1.
        *args, **kwargs
            Those of the function.

        Returns
        -------
        tree
            What the function returns, each tensor stacked along a new first axis of length ``times``; everything
            else as in the last call.

        Raises
        ------
        DataError
            When ``times`` is no number from 1.
        LaminaError
            What a call raises. The calls before the one that failed have been made.

        Notes
        -----
        Every tenth of a second it is in Python for a moment, where Ctrl-C and other signals are handled. The calls
        before have been made then.

        Examples
        --------
        >>> import lamina as la
        >>> w = la.variable(1.0)
        >>> @la.compile
        ... def halve():
        ...     w.assign(w / 2)
        ...     return w.value
        >>> halve.repeat(3)
        Tensor([0.5  , 0.25 , 0.125], shape=[3], dtype=float32)
        >>> w.value
        Tensor(0.125, shape=[], dtype=float32)
        """
        times = _count(times)
        if _is_inside():
            results = [self._function(*args, **kwargs) for _ in range(times)]
            return _combined(stack, results)  # type: ignore[no-any-return]
        parts = []
        while times:
            done, result = self._some(times, args, kwargs)
            parts.append(result)
            times -= done
        return parts[0] if len(parts) == 1 else _combined(concat, parts)  # type: ignore[no-any-return]

    def _some(self, times: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[int, Any]:
        """Return how many calls, of so many, have been made, and what they return together."""
        given = (*args, kwargs) if kwargs else args
        for path in self._hot[bool(kwargs)]:
            result = path.repeat(times, given)
            if result is not MISSED:
                return result  # type: ignore[no-any-return]
        return self._some_the_long_way(times, args, kwargs)

    def _some_the_long_way(self, times: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[int, Any]:
        arguments = Arguments(args, kwargs, self._static)
        found, seen = self._specialised(args, kwargs, arguments)
        if not found.specialisation.repeats:
            call: Any = self
            return times, _combined(stack, [call(*args, **kwargs) for _ in range(times)])
        if seen:
            self._shortened(found, args, kwargs)
        portions = found.specialisation.program.portions
        times = portions.of(times)
        began = perf_counter()
        result = found.specialisation(arguments.leaves, times)
        portions.took(perf_counter() - began, times)
        return times, result

    @property
    def traces(self) -> int:
        """How often the function has been traced."""
        return self._traced

    def same_again(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Tell whether the function, traced once more, does what the program used last does.

        It does not where numbers of Python's own decide what it does, such as a counter in a list or a random number:
        a program keeps what they were when it was traced.
        """
        used = next(reversed(self._traces.values()), None)
        return used is not None and alike(used.trace, self._trace(args, kwargs))

    def _shortened(self, found: _Recent, args: tuple[Any, ...], kwargs: dict[str, Any]) -> HotPath | None:
        """Return a new short way for this call and the next like it; None where there is one, or cannot be any."""
        given = Given(args, kwargs, self._static)
        if not serves(found.specialisation, found.environment, given):
            return None
        alive = [each for each in self._hot[bool(kwargs)] if each.alive()]
        if any(each.is_for(found.environment, given) for each in alive):
            return None
        path = HotPath(found.specialisation, found.environment, found.revision, given)
        paths = (path, *alive[: _HOT - 1])
        if kwargs:
            self._hot, self._calls_by_name = (self._hot[0], paths), tuple(each.call for each in paths)
            return path
        self._hot = paths, self._hot[1]
        rest = (each.call if each.plan is None else each.otherwise for each in paths)
        self._calls = tuple(each for each in rest if each is not None)
        self._plans = tuple(each.plan for each in paths if each.plan is not None)
        if self._plans:
            install(CompiledFunction)
        return path

    # --- which trace ---

    def _specialised(self, args: tuple[Any, ...], kwargs: dict[str, Any], arguments: Arguments) -> tuple[_Recent, bool]:
        """Return the specialisation for a call, traced now if there is none, and whether a call before had it."""
        key = arguments.parts, STATE.recording, STATE.matmul_precision, default_generator()
        found = self._recent.get(key)
        if (
            found is not None
            and found.revision == REVISION.number
            and found.environment.unchanged()
            and found.specialisation.fits()
        ):
            return found, True
        with self._lock:
            revision = REVISION.number
            environment = Environment([self._function, *arguments.objects], self._own)
            before = (*arguments.parts, *_circumstances())
            parts = (*before, *environment.parts())
            specialisation = self._traces.get(parts)
            if specialisation is None or not specialisation.fits():
                specialisation = Specialisation(self._trace(args, kwargs))
                environment.forget_own()
                parts = (*before, *environment.parts())
                self._note(parts)
                self._traces[parts] = specialisation
            self._traces.move_to_end(parts)
            while len(self._traces) > _KEPT:
                self._traces.popitem(last=False)
            if len(self._recent) >= _KEPT:
                self._recent.clear()
            found = self._recent[key] = _Recent(specialisation, environment, revision)
            return found, False

    def _note(self, parts: Parts) -> None:
        self._traced += 1
        doublings = self._traced // _OFTEN
        if self._traced % _OFTEN == 0 and doublings & (doublings - 1) == 0:
            warnings.warn(
                f"{self!r} has been traced {self._traced} times, which costs more than it saves; the last time "
                f"because of {difference(self._traces, parts, self._names)}. Pass numbers that vary as tensors, with "
                "la.asarray(x), and keep shapes equal",
                RetraceWarning,
                stacklevel=5,
            )

    def _trace(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Trace:
        def traced_call(tracer: Tracer) -> Any:
            places = count()

            def leaf(value: Any) -> Any:
                return _argument(tracer, next(places), value) if traced(value, False) else value

            positional = [each if at in self._static else mapped(leaf, each) for at, each in enumerate(args)]
            named = {name: each if name in self._static else mapped(leaf, each) for name, each in kwargs.items()}
            return self._function(*positional, **named)

        with told_apart(self, stacklevel=5):
            return trace(traced_call, STATE.recording, loops=True)


def _argument(tracer: Tracer, place: int, value: Any) -> Tensor:
    if isinstance(value, np.ndarray):
        return tracer.argument(place, Spec(value.shape, as_dtype(value.dtype)), False)
    if value.device != tracer.backend.name:
        raise BackendError(
            f"la.compile: an argument is on {value.device!r}, and compiled functions run on the cpu; move it with "
            "x.to('cpu'), or call the function without la.compile"
        )
    return tracer.argument(place, Spec(value.shape, value.dtype), value.tracked)


def _count(times: Any) -> int:
    try:
        count = 0 if isinstance(times, bool) else operator.index(times)
    except TypeError:
        count = 0
    if count < 1:
        raise DataError(f"repeat: times is {times!r}; a function is called a whole number of times, from 1")
    return count


def _combined(how: Callable[[list[Tensor]], Tensor], results: list[Any]) -> Any:
    """Return trees that are alike as one, in which each tensor is made of theirs."""
    leaves: list[list[Any]] = []
    for result in results:
        leaves.append([])
        mapped(leaves[-1].append, result)
    columns = zip(*leaves, strict=True)
    made = iter([how(list(each)) if each[-1].__class__ is Tensor else each[-1] for each in columns])
    return mapped(lambda _: next(made), results[-1])


def _is_inside() -> bool:
    """Tell whether a call is a part of something else: of a trace, a mapped function, a model with other parameters."""
    return STATE.tracer is not None or STATE.batching is not None or STATE.standing_for is not None


def _circumstances() -> Parts:
    """Return what a trace depends on beside arguments and settings."""
    return (
        (("recording",), (bool, STATE.recording)),
        (("default device",), (str, get_backend().name)),
        (("precision of products",), (str, get_matmul_precision())),
        (("random generator",), frozen(default_generator())),
    )


def _parameter_names(function: Callable[..., Any]) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()
