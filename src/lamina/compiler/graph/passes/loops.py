"""Loops and their derivatives: what a step computed is kept for the loop backwards, instead of computed again.

A loop's derivative is traced as a loop that computes each step again, from the carry before it, and goes on from
there. What the two bodies have in common is found here, operation by operation. The values of it that the rest of the
second body reads become results of the first loop, over which the second runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from lamina.compiler.graph.ir import SCAN, Graph, Update, Value, in_order, input_value, operation, reached
from lamina.compiler.graph.passes.rewriting import value_key
from lamina.primitives.primitive import Spec

# What is as well read from where it was made.
_VIEWS = frozenset({"alias", "reshape", "permute_dims", "broadcast_to", "slice", "flip", "full"})


def kept_for_later(graph: Graph) -> Graph:
    """Return a graph in which no loop computes again what an earlier one may keep."""
    count = sum(value.op == SCAN for value in graph.values())
    for place in range(1, count):
        # In the same order as before: every value is made again, in order, when there is something to keep.
        loops = [value for value in graph.values() if value.op == SCAN]
        later = loops[place]
        earlier = next((each for each in loops[:place] if each.params["keeps"] and _follows(later, each)), None)
        if earlier is not None:
            graph = _kept(graph, earlier, later)
    return graph


def _follows(later: Value, earlier: Value) -> bool:
    """Tell whether a loop runs over results of another, step by step."""
    same_length = later.params["length"] == earlier.params["length"] and _stop(later) is _stop(earlier)
    return same_length and any(_stacked(each, earlier) for each in _over(later))


def _stop(loop: Value) -> Value | None:
    return loop.operands[0] if loop.params["stops"] else None


def _stacked(value: Value, loop: Value) -> bool:
    return value.op == "item" and value.operands[0] is loop and value.params["index"] >= loop.params["carries"]


def _first_over(loop: Value) -> int:
    return int(loop.params["constants"] + loop.params["carries"])


def _over(loop: Value) -> Sequence[Value]:
    """Return what a loop runs over."""
    return loop.operands[_first_over(loop) :]


# --- what two bodies have in common -----------------------------------------------------------------------


def _common(earlier: Value, later: Value) -> dict[Value, Value]:
    """Return, for the values of the later body that the earlier one computes too, those of the earlier one."""
    body: Graph = earlier.params["body"]
    known = {value_key(value): value for value in body.values()}
    same = _given(earlier, later)
    for value in later.params["body"].values():
        if value.op == "input" or any(each not in same for each in value.operands):
            continue
        operands = tuple(same[each] for each in value.operands)
        found = known.get(value_key(value.remade(operands)))
        if found is not None:
            same[value] = found
    return same


def _given(earlier: Value, later: Value) -> dict[Value, Value]:
    """Return which inputs of the later body are values of the earlier one."""
    body, inputs = earlier.params["body"], later.params["body"].inputs
    carries = range(earlier.params["constants"], _first_over(earlier))
    fixed = {each: body.inputs[at] for at, each in enumerate(earlier.operands) if at not in carries}
    found = {}
    for at, each in enumerate(later.operands):
        if at < later.params["constants"] or at >= _first_over(later):
            if _stacked(each, earlier) and at >= _first_over(later):
                found[inputs[at]] = body.outputs[each.params["index"] - earlier.params["carries"]]
            elif each in fixed:
                found[inputs[at]] = fixed[each]
    return found


def _frontier(body: Graph, same: dict[Value, Value]) -> list[Value]:
    """Return the values in common that others read, or what they are views of."""
    others = [value for value in body.values() if value not in same]
    waiting = [each for value in others for each in value.operands if each in same]
    waiting += [root for root in body.roots() if root in same]
    found: set[Value] = set()
    seen: set[Value] = set()
    while waiting:
        value = waiting.pop()
        if value in seen or value.op == "input":
            continue
        seen.add(value)
        if value.op in _VIEWS:
            waiting.extend(value.operands)
        else:
            found.add(value)
    return in_order(found)


# --- loops made again -------------------------------------------------------------------------------------


def _kept(graph: Graph, earlier: Value, later: Value) -> Graph:
    """Return the graph with both loops as they are when the first keeps what the second reads of the same values."""
    same = _common(earlier, later)
    frontier = _frontier(later.params["body"], same)
    if not frontier:
        return graph
    first: Graph = earlier.params["body"]
    added = [each for each in dict.fromkeys(same[value] for value in frontier) if each not in first.outputs]
    first = replace(first, outputs=(*first.outputs, *added))
    index = {value: earlier.params["carries"] + place for place, value in reversed(list(enumerate(first.outputs)))}
    stacked = [Spec((earlier.params["length"], *value.shape), value.dtype) for value in added]
    second, used = _reading(later, frontier)
    new: dict[Value, Value] = {}
    for value in graph.values():
        operands: Iterable[Value] = (new[each] for each in value.operands)
        params: dict[str, Any] = dict(value.params)
        spec = value.spec
        if value.op == "input":
            new[value] = value
            continue
        if value is earlier:
            params["body"], spec = first, (*spec, *stacked)
        elif value is later:
            params["body"] = second
            operands = [new[each] for each in value.operands]
            loop = new[earlier]
            places = [index[same[each]] for each in frontier]
            kept = [operation("item", (loop,), loop.spec[at], {"index": at}) for at in places]
            operands = [each for each, wanted in zip((*operands, *kept), used, strict=True) if wanted]
        new[value] = operation(value.op, tuple(operands), spec, params)
    return graph.replaced(new)


def _reading(loop: Value, frontier: Sequence[Value]) -> tuple[Graph, list[bool]]:
    """Return the body of a loop that is given some of its values, and which operands, these behind, it still needs."""
    body: Graph = loop.params["body"]
    read = reached(body.roots(), lambda value: value not in frontier)
    used = [at < _first_over(loop) or value in read for at, value in enumerate(body.inputs)] + [True] * len(frontier)
    everything = [*body.inputs, *frontier]
    left = [value for value, wanted in zip(everything, used, strict=True) if wanted]
    inputs = {value: input_value(place, value.spec) for place, value in enumerate(left)}
    new: dict[Value, Value] = dict(inputs)
    for value in body.values():
        if value in read and value not in new:
            new[value] = value.remade([new[each] for each in value.operands])
    updates = tuple(Update(each.input, new[each.value]) for each in body.updates)
    return Graph(tuple(inputs.values()), tuple(new[each] for each in body.outputs), updates), used
