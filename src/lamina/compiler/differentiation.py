"""Differentiating through a compiled function.

The results of a call carry a node whose inputs are all that the program read: arguments, variables and captured
tensors, as they were. Its derivative is a program too, made by continuing the trace with the engine's own sweep, so
it is differentiable again. It computes the forward values that it needs once more.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lamina.autodiff.node import Joint, Node
from lamina.autodiff.sweep import sweep
from lamina.backends.registry import CPU
from lamina.backends.thread_state import STATE
from lamina.compiler.tracing.inputs import Input
from lamina.compiler.tracing.trace import Trace, continued
from lamina.compiler.tracing.tracer import Tracer
from lamina.errors import TracingError
from lamina.primitives.batching import one_by_one
from lamina.primitives.multiple_results import Bundle, unpack
from lamina.primitives.primitive import Spec
from lamina.tensor import Tensor
from lamina.variable import Variable

if TYPE_CHECKING:
    from lamina.compiler.traced_program import TracedProgram

NDArray = npt.NDArray[Any]


def others(inputs: Sequence[Input]) -> list[Variable]:
    """Return trainable variables that share an input with another: each has a cotangent of its own."""
    return [variable for source in inputs for variable in source.variables[1:] if variable.trainable]


def _targets(inputs: Sequence[Input]) -> list[tuple[Any, Spec]]:
    """Return, for each operand of a node, where in the trace its cotangent arrives (None if nowhere), and its spec."""
    own = [
        (source.variables[0]._leaf if source.variables else source.tensor._node, source.value.spec) for source in inputs
    ]
    shared = {variable: source.value.spec for source in inputs for variable in source.variables}
    return own + [(variable._leaf, shared[variable]) for variable in others(inputs)]


def cotangent_places(trace: Trace) -> dict[int, int]:
    """Return, for each operand of a node that has a cotangent, which result of a derivative's program it is."""
    positions = [position for position, (node, _) in enumerate(_targets(trace.inputs)) if node is not None]
    return {position: place for place, position in enumerate(positions)}


class _Seeds(Bundle):
    """The cotangents with which the sweep begins; recorded, so that the result can be differentiated again."""

    tracked = True


class _Together:
    """Several results seen as one, from which a single sweep begins."""

    name = "results"
    derivatives = Joint(lambda g, y, results: g.parts)


def derivative_trace(trace: Trace, present: tuple[int, ...]) -> Trace:
    """Return the trace of the cotangents of a trace's operands, from those of the results that have one."""
    targets = _targets(trace.inputs)

    def pullback(tracer: Tracer) -> list[Tensor]:
        results = tuple(trace.tracked[place] for place in present)
        seeds = tuple(tracer.cotangent(result._data.value.spec) for result in results)
        node: Any = Node(_Together(), results, {}, tuple(result._data for result in results))
        together = Tensor(node.value, tracer.backend, node)
        ends = [node for node, _ in targets if node is not None]
        found = sweep(together, _Seeds(seeds), ends)  # type: ignore[arg-type]
        return [
            found[node]._snapshot if node in found else seeds[0]._full(spec.shape, 0, spec.dtype)
            for node, spec in targets
            if node is not None
        ]

    return continued(trace, pullback)


class Derivative:
    """A compiled call, as the operation of a node: rules by position that run one program for all.

    Parameters
    ----------
    program : TracedProgram
        The one that was called.
    """

    name = "function, compiled"

    def __init__(self, program: TracedProgram) -> None:
        self._program = program
        self._kept: tuple[weakref.ref[Any], list[Tensor]] | None = None

    @property
    def derivatives(self) -> Derivative:
        """The rules."""
        return self

    def __getitem__(self, position: int) -> Any:
        place = self._program.cotangent_places.get(position)
        if place is None:
            return None
        return lambda g, y, *operands: self._cotangents(g, operands)[place]

    def _cotangents(self, g: Any, operands: tuple[Tensor, ...]) -> list[Tensor]:
        """Return the cotangents of all operands; the sweep asks for them one by one with the same ``g``."""
        if self._kept is not None and self._kept[0]() is g:
            return self._kept[1]
        parts = g.parts if isinstance(g, Bundle) else (g,)
        present = tuple(place for place, part in enumerate(parts) if part is not None)
        cotangents: list[Tensor] = [part for part in parts if part is not None]
        if STATE.tracer is not None and not all(each._backend.has_values for each in cotangents):
            raise TracingError(
                "backward: a compiled function cannot be traced through a call that another compiled function made "
                "before; make that call inside, too"
            )
        program = self._program.derivative(present)
        found = one_by_one(lambda *parts: call(program, operands, list(parts)), *cotangents)
        self._kept = weakref.ref(g, self._forget), found
        return found

    def _forget(self, _: Any) -> None:
        self._kept = None


def call(program: TracedProgram, operands: tuple[Tensor, ...], cotangents: list[Tensor]) -> list[Tensor]:
    """Run a derivative on what its node held, followed by cotangents, and return tracked results."""
    inputs = program.trace.inputs
    count = len(operands) - len(others(inputs))
    new = inputs[count + len(cotangents) :]
    captured = [source.captured for source in new if source.captured is not None]
    complete = (*operands[:count], *cotangents, *captured)
    outputs = program.run(lambda: [np.ascontiguousarray(x._data) for x in complete])
    tracked = results(program, (*complete, *operands[count:]), outputs) if STATE.recording else []
    return [
        tracked[each.tracked] if tracked and each.tracked is not None else Tensor(outputs[each.output], CPU)
        for each in program.trace.tree
    ]


def results(program: TracedProgram, operands: tuple[Tensor, ...], outputs: Sequence[NDArray]) -> list[Tensor]:
    """Return the tracked results of a call, made from the operands."""
    if all(operand._node is None for operand in operands):
        return []
    arrays = tuple(outputs[place] for place in program.trace.tracked_outputs)
    value = arrays[0] if len(arrays) == 1 else arrays
    node = Node(Derivative(program), operands, {}, value)
    whole = Tensor(value, CPU, node)
    return [whole] if len(arrays) == 1 else list(unpack(whole, len(arrays)))
