"""A trace that can be run, and differentiated."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lamina.backends.protocol import numpy_dtype
from lamina.compiler.differentiation import cotangent_places, derivative_trace
from lamina.compiler.graph.ir import Graph
from lamina.compiler.runtime.portions import Portions
from lamina.compiler.tracing.trace import Trace
from lamina.forking import fork_safe, forks_wait

if TYPE_CHECKING:
    from lamina.compiler.runtime.native_program import NativeProgram

NDArray = npt.NDArray[Any]


def build(graph: Graph) -> NativeProgram:
    """Return the program of a graph as machine code."""
    with forks_wait():
        from lamina.compiler import building

    return building.build(graph)


class TracedProgram:
    """A trace and the program made of its graph."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.execute = build(trace.graph)
        self.portions = Portions(self.execute.nanoseconds)
        self.outputs = [(value.shape, numpy_dtype(value.dtype)) for value in trace.graph.outputs]
        self.cotangent_places = cotangent_places(trace) if trace.tracked else {}
        self._derivatives: dict[tuple[int, ...], TracedProgram] = {}
        self._lock = fork_safe(threading.RLock())

    def run(self, inputs: Callable[[], Sequence[NDArray]], times: int | None = None) -> list[NDArray]:
        """Run on arrays that are C-contiguous, and return the outputs; updated inputs are written in place.

        They are asked for again where handlers of signals were called instead, which may have assigned variables.
        With ``times``, run so often in a row; each output has an axis of that length before the others.
        """
        axis = () if times is None else (times,)
        outputs = [np.empty((*axis, *shape), dtype) for shape, dtype in self.outputs]
        attempt = 0
        while not self.execute(inputs(), outputs, times or 1, attempt):
            attempt += 1
        return outputs

    def derivative(self, present: tuple[int, ...]) -> TracedProgram:
        """Return the program of the cotangents of the inputs, from the inputs and the cotangents of some results."""
        with self._lock:
            found = self._derivatives.get(present)
            if found is None:
                found = self._derivatives[present] = TracedProgram(derivative_trace(self.trace, present))
            return found
