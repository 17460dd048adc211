"""Loops in a graph: a step that has been traced once becomes the body of one operation, ``scan``.

Its operands are what the body reads from outside (constants of the loop), the first carries, and what it runs over;
its results the last carries and what each step gives, stacked. The body is a graph of its own: its inputs are the
constants, the carries and the elements of this step; the carries are updated, and the outputs are those of this step.
"""

from __future__ import annotations

from collections.abc import Sequence

from lamina.compiler.graph import ir
from lamina.compiler.graph.ir import Graph, Update, Value, in_order, reached
from lamina.primitives.primitive import Spec

PARAMETER = "parameter"
"""What stands for a carry or an element while a step is traced; in no graph in the end."""

_CHEAP = frozenset({"broadcast_to", "reshape"})


def recorded(
    parameters: Sequence[Value],
    results: Sequence[Value],
    carries: int,
    length: int,
    reverse: bool,
    given: Sequence[Value],
    keeps: bool,
    stop: Value | None = None,
) -> tuple[Value, ...]:
    """Return the results of a loop.

    Parameters
    ----------
    parameters : sequence of Value
        What stood for the carries, and then for the elements, in the step that was traced.
    results : sequence of Value
        What the step gave: the carries after it, and then the rest.
    carries : int
    length : int
    reverse : bool
    given : sequence of Value
        The first carries, and what the loop runs over.
    keeps : bool
        Whether what a step computes may be kept for the loop backwards.
    stop : Value, optional
        From which element on steps are left out, an int64; it is the first constant then.
    """
    inside, constants = _body(parameters, results)
    # What no step changes is read from outside like any other value.
    moving = [at for at in range(carries) if results[at] is not parameters[at]]
    still = [at for at in range(carries) if at not in moving]
    if stop is not None:
        constants = [stop, *(each for each in constants if each is not stop)]
    fixed = [*constants, *(parameters[at] for at in still)]
    inputs = [*fixed, *(parameters[at] for at in moving), *parameters[carries:]]
    body = _graph(inputs, inside, results[carries:], {len(fixed) + at: results[of] for at, of in enumerate(moving)})
    params = {
        "body": body,
        "length": length,
        "reverse": reverse,
        "constants": len(fixed),
        "carries": len(moving),
        "keeps": keeps,
        "stops": stop is not None,
    }
    operands = [*constants, *(given[at] for at in (*still, *moving)), *given[carries:]]
    specs = [results[at].spec for at in moving]
    specs += [Spec((length, *value.shape), value.dtype) for value in results[carries:]]
    loop = ir.operation(ir.SCAN, operands, tuple(specs), params)
    items = iter([ir.operation("item", (loop,), spec, {"index": index}) for index, spec in enumerate(specs)])
    return (*(given[at] if at in still else next(items) for at in range(carries)), *items)


def _graph(
    inputs: Sequence[Value], inside: Sequence[Value], outputs: Sequence[Value], after: dict[int, Value]
) -> Graph:
    """Return values as a graph of their own, with what its inputs are updated to."""
    leaves = [ir.input_value(place, value.spec) for place, value in enumerate(inputs)]
    new = dict(zip(inputs, leaves, strict=True))
    for value in inside:
        if value not in new:
            new[value] = value.remade([new[each] for each in value.operands])
    updates = tuple(Update(place, new[value]) for place, value in after.items())
    return Graph(tuple(leaves), tuple(new[value] for value in outputs), updates)


def _body(parameters: Sequence[Value], results: Sequence[Value]) -> tuple[list[Value], list[Value]]:
    """Return the values that a step computes, in order, and those that it reads from outside.

    What does not depend on the parameters is computed once, outside, unless it is a number.
    """
    first = min((value.number for value in parameters), default=0)
    seen = reached(results, lambda value: value.number > first)
    dependent = set(parameters)
    numbers: set[Value] = set()
    for value in in_order(seen):
        if any(each in dependent for each in value.operands):
            dependent.add(value)
        elif value.op == "full" or (value.op in _CHEAP and all(each in numbers for each in value.operands)):
            numbers.add(value)
    read = {each for value in dependent if value not in parameters for each in value.operands} | set(results)
    constants = in_order(read - dependent - numbers)
    known = {*parameters, *constants}
    inside = reached([*(dependent - set(parameters)), *(read & numbers)], lambda value: value not in known)
    return in_order(inside - known), constants
