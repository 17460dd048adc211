"""One run of a function on traced tensors, and what came of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from lamina.autodiff.trees import mapped
from lamina.compiler.graph import ir
from lamina.compiler.graph.fingerprint import fingerprint
from lamina.compiler.graph.ir import Graph, Update, Value
from lamina.compiler.tracing.inputs import Input
from lamina.compiler.tracing.loops import PARAMETER
from lamina.compiler.tracing.tracer import Tracer
from lamina.errors import TracingError
from lamina.tensor import Tensor
from lamina.variable import Variable


class Result:
    """The place of a tensor in the tree that a function returns.

    Attributes
    ----------
    output : int
        Which output of the graph it is.
    tracked : int or None
        Its place among the tracked results; None for a constant.
    """

    # No dataclass, which would be a branch of the tree.
    __slots__ = ("output", "tracked")

    def __init__(self, output: int, tracked: int | None) -> None:
        self.output = output
        self.tracked = tracked


class Replacement(NamedTuple):
    """Variables that get a new array, because in place it would change others that do not get this value."""

    variables: tuple[Variable, ...]
    output: int


@dataclass(frozen=True)
class Trace:
    """What a function does, as a graph, and how its inputs and outputs belong to the world outside.

    Attributes
    ----------
    graph : Graph
    inputs : tuple of Input
        The sources of the graph's inputs, in their order.
    tree : object
        What the function returned, with a `Result` for every tensor of the graph.
    replacements : tuple of Replacement
        Variables that are assigned outputs; all other assignments are updates in place.
    tracked : tuple of Tensor
        The traced results that gradients can flow through; empty where a trainable variable is assigned.
    tracked_outputs : tuple of int
        Which outputs these are.
    tracer : Tracer
        With which the trace can be continued, to differentiate it.
    """

    graph: Graph
    inputs: tuple[Input, ...]
    tree: Any
    replacements: tuple[Replacement, ...]
    tracked: tuple[Tensor, ...]
    tracked_outputs: tuple[int, ...]
    tracer: Tracer


def trace(function: Callable[[Tracer], Any], recording: bool, loops: bool = False) -> Trace:
    """Return the trace of a function that is told the tracer, of which it takes its arguments.

    With ``loops``, each loop with a state is one operation.
    """
    tracer = Tracer(loops)
    with tracer.active(recording):
        returned = function(tracer)
        trained = any(variable.trainable for variable in tracer.variables.assigned)
        results = Results(tracer, tracks=not trained)
        tree = mapped(results.place, returned)
    del returned
    tracer.variables.check_none_escaped()
    tracer.inputs.let_go()
    updates, replacements = _assignments(tracer, results)
    checks = tuple(ir.check(each, number, error) for number, (each, error) in enumerate(tracer.checks))
    graph = Graph(tuple(each.value for each in tracer.inputs), tuple(results.outputs), updates, checks, tracer.lines)
    _check_nothing_left_a_loop(graph)
    return Trace(graph, tuple(tracer.inputs), tree, replacements, *results.tracked_ones(), tracer)


def _check_nothing_left_a_loop(graph: Graph) -> None:
    if any(value.op == PARAMETER for value in graph.values()):
        raise TracingError(
            "scan: a tensor that was made inside of the function is used outside of the loop; return it, as "
            "part of the carry or of y"
        )


def _check_is_over(leaf: Any) -> None:
    """What runs later than the function would not be in the trace."""
    if isinstance(leaf, Iterator | AsyncIterator | Awaitable):
        if isinstance(leaf, Coroutine):
            leaf.close()
        raise TracingError(
            f"la.compile: the function returns a {type(leaf).__name__}, whose body runs only after the trace; return "
            "tensors, in a list for example"
        )


class Results:
    """Gathers the outputs of a graph and the tracked results."""

    def __init__(self, tracer: Tracer, tracks: bool) -> None:
        self.outputs: list[Value] = []
        self.tracked: list[Tensor] = []
        self._tracer = tracer
        self._tracks = tracks
        self._places: dict[Value, int] = {}
        self._by_node: dict[tuple[Value, Any], int] = {}

    def place(self, leaf: Any) -> Any:
        """Return what stands for a leaf of what the function returned."""
        if isinstance(leaf, Variable):
            if leaf._backend is self._tracer.backend:
                raise TracingError(
                    "la.compile: the function returns a variable that it made; return its value, w.value, "
                    "or make it outside"
                )
            return leaf
        if not isinstance(leaf, Tensor) or leaf._backend is not self._tracer.backend:
            _check_is_over(leaf)
            return leaf
        value, node = leaf._data.value, leaf._node
        output = self.output(value)
        if node is None or not self._tracks:
            return Result(output, None)
        tracked = self._by_node.setdefault((value, node), len(self.tracked))
        if tracked == len(self.tracked):
            self.tracked.append(leaf)
        return Result(output, tracked)

    def tracked_ones(self) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        """Return the tracked results, and which outputs they are."""
        return tuple(self.tracked), tuple(self._places[result._data.value] for result in self.tracked)

    def output(self, value: Value) -> int:
        """Return the number of the output that is this value."""
        found = self._places.setdefault(value, len(self.outputs))
        if found == len(self.outputs):
            self.outputs.append(value)
        return found


def _assignments(tracer: Tracer, results: Results) -> tuple[tuple[Update, ...], tuple[Replacement, ...]]:
    """Return what is written in place, and which variables get a new array."""
    updates, replacements = [], []
    for index, source in enumerate(tracer.inputs):
        finals: dict[Value, list[Variable]] = {}
        for variable in source.variables:
            final = tracer.variables.last(variable) if variable in tracer.variables.assigned else source.value
            finals.setdefault(final, []).append(variable)
        if len(finals) == 1:
            (final,) = finals
            if final is not source.value:
                updates.append(Update(index, final))
            continue
        for final, variables in finals.items():
            if final is not source.value:
                replacements.append(Replacement(tuple(variables), results.output(final)))
    return tuple(updates), tuple(replacements)


def continued(before: Trace, function: Callable[[Tracer], Sequence[Tensor]]) -> Trace:
    """Return a trace that goes on where another one ended, without its outputs and assignments.

    Its inputs are those of the other trace, followed by those that are new.
    """
    tracer = before.tracer
    first_new = len(tracer.inputs)
    with tracer.active(True):
        returned = function(tracer)
    tracer.inputs.let_go()
    results = Results(tracer, tracks=True)
    tree = tuple(results.place(each) for each in returned)
    inputs = (*before.inputs, *tracer.inputs[first_new:])
    graph = Graph(tuple(each.value for each in inputs), tuple(results.outputs), (), lines=tracer.lines)
    return Trace(renumbered(graph), inputs, tree, (), *results.tracked_ones(), tracer)


def renumbered(graph: Graph) -> Graph:
    """Return the graph with its inputs numbered by their places."""
    if all(value.params["index"] == place for place, value in enumerate(graph.inputs)):
        return graph
    new = {value: ir.input_value(place, value.spec) for place, value in enumerate(graph.inputs)}
    for value in graph.values():
        if value not in new:
            new[value] = value.remade([new[operand] for operand in value.operands])
    return graph.replaced(new)


def alike(first: Trace, second: Trace) -> bool:
    """Tell whether two traces compute the same from the same: graph, constants and tensors from outside."""
    if fingerprint(first.graph) != fingerprint(second.graph):
        return False
    pairs = zip(first.inputs, second.inputs, strict=True)
    return all(_same_values(one.captured, other.captured) for one, other in pairs)


def _same_values(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    return one._data is other._data or bool(one._data.tobytes() == other._data.tobytes())
