"""From the call of a compiled function to its graph, and to copies of what it would run on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.autodiff.trees import branches, in_words
from lamina.backends.protocol import numpy_dtype
from lamina.backends.thread_state import STATE
from lamina.compiler.building import lowered
from lamina.compiler.compiled_function import CompiledFunction
from lamina.compiler.inspection.explanation import Explanation, explained
from lamina.compiler.inspection.measuring import measured
from lamina.compiler.inspection.profile import Profile
from lamina.compiler.runtime import machine_code
from lamina.compiler.runtime.processor import host
from lamina.compiler.signature import Arguments, traced
from lamina.compiler.specialisation import updating
from lamina.compiler.target import Target
from lamina.compiler.tracing.inputs import Input
from lamina.compiler.tracing.trace import Trace
from lamina.errors import DataError, DTypeError, TracingError
from lamina.ownership import aligned_copy
from lamina.tensor import Tensor
from lamina.variable import Variable

NDArray = npt.NDArray[Any]


@dataclass(frozen=True)
class Call:
    """A call that is looked into instead of made.

    Attributes
    ----------
    name : str
        Of the function.
    trace : Trace
        Made for this; the function keeps none of it.
    labels : tuple of str
        Names of the graph's inputs.
    leaves : tuple of Tensor or array
        The arguments that are traced.
    """

    name: str
    trace: Trace
    labels: tuple[str, ...]
    leaves: tuple[Any, ...]

    @classmethod
    def of(cls, what: str, function: CompiledFunction[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """Return the call of a function with arguments; ``what`` is asked of it."""
        name = getattr(function, "__name__", "function")
        if STATE.tracer is not None:
            raise TracingError(f"{name}.{what}: this is inside of a compiled function; ask for it outside")
        with function._lock:
            trace = function._trace(args, kwargs)
        places = list(_places(function, args, kwargs))
        labels = tuple([_label(source, places) for source in trace.inputs])
        return cls(name, trace, labels, tuple(Arguments(args, kwargs, function._static).leaves))

    def copies(self) -> list[NDArray]:
        """Return copies of all that the program reads, so that it may write to them, placed as variables are."""
        with updating:
            return [
                aligned_copy(np.asarray(self._data(source), numpy_dtype(source.value.dtype)))
                for source in self.trace.inputs
            ]

    def _data(self, source: Input) -> Any:
        if source.variables:
            return source.variables[0]._data
        leaf = source.captured if source.argument is None else self.leaves[source.argument]
        return leaf._data if isinstance(leaf, Tensor) else leaf


def explain(function: CompiledFunction[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Explanation:
    """Return what a call would run."""
    call = Call.of("explain", function, args, kwargs)
    return explained(call.name, call.trace.graph, call.labels)


def llvm_ir(
    function: CompiledFunction[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    target: Target | None,
    optimised: bool,
) -> str:
    """Return the LLVM IR of what a call would run."""
    target = _target("llvm_ir", target)
    ir = lowered(Call.of("llvm_ir", function, args, kwargs).trace.graph, target).ir
    return machine_code.optimised_ir(ir, target) if optimised else ir


def assembly(
    function: CompiledFunction[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], target: Target | None
) -> str:
    """Return the instructions of what a call would run."""
    target = _target("assembly", target)
    return machine_code.assembly(lowered(Call.of("assembly", function, args, kwargs).trace.graph, target).ir, target)


def profile(
    function: CompiledFunction[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], seconds: float
) -> Profile:
    """Measure what a call would run, on copies."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise DTypeError(f"profile: seconds must be a number, got {type(seconds).__name__}; {_BY_POSITION}")
    if not (math.isfinite(seconds) and seconds > 0):
        raise DataError(f"profile: seconds must be positive and finite, got {seconds}")
    call = Call.of("profile", function, args, kwargs)
    return measured(call.name, call.trace.graph, call.labels, call.copies(), seconds)


_BY_POSITION = "an argument of the function's own with this name is passed by position here"


def _target(what: str, target: Target | None) -> Target:
    if target is not None and not isinstance(target, Target):
        raise DTypeError(
            f"{what}: target must be a lamina.compiler.target.Target, got {type(target).__name__}; {_BY_POSITION}"
        )
    return target or host()


# --- names of inputs ------------------------------------------------------------------------------------------


def _places(function: CompiledFunction[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[str]:
    """Yield the names of the arguments that are traced, in their order."""
    names = function._names
    positional = [names[at] if at < len(names) else f"argument {at}" for at in range(len(args))]
    keys, roots, values = (*range(len(args)), *kwargs), (*positional, *kwargs), (*args, *kwargs.values())
    for key, root, value in zip(keys, roots, values, strict=True):
        if key not in function._static:
            yield from _leaf_places(root, (), value)


def _leaf_places(root: str, path: tuple[Any, ...], value: Any) -> Iterator[str]:
    if traced(value, False):
        yield in_words(root, path)
        return
    found = None if isinstance(value, Variable) else branches(value)
    for name, child in found[1] if found else ():
        yield from _leaf_places(root, (*path, name), child)


def _label(source: Input, places: list[str]) -> str:
    if source.variables:
        first, *more = source.variables
        return (first.name or "variable") + (f" (and {len(more)} more)" if more else "")
    return "from outside" if source.argument is None else places[source.argument]
