"""The reverse sweep: from the cotangent of a result to the cotangents of what it was made from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

from lamina.autodiff.node import Joint, Leaf, Node, record
from lamina.backends.thread_state import STATE

if TYPE_CHECKING:
    from lamina.tensor import Tensor

Cotangents = dict[Node | Leaf, "Tensor"]


def sweep(output: Tensor, cotangent: Tensor, targets: Collection[Node | Leaf] | None = None) -> Cotangents:
    """Return the cotangent of every leaf that ``output`` was made from, or of every target.

    Nodes are visited in the reverse of the order in which they were made, so each is reached after all its
    uses, and its cotangent, complete by then, is dropped as soon as it is passed on. Nothing recurses: a
    chain of any length works.

    Parameters
    ----------
    output : Tensor
        The end of the computation.
    cotangent : Tensor
        Of the shape of ``output``.
    targets : collection of Node or Leaf, optional
        The sweep ends at these, and computes only what lies on a path to them; it ends at the leaves, all of
        them, where none are given.
    """
    if output._node is None:
        return {}
    nodes = ancestors(output._node)
    ends = set(targets if targets is not None else [node for node in nodes if node.__class__ is Leaf])
    wanted = None if targets is None else leading_to(targets, nodes)
    again = cotangent.tracked or _may_be_differentiated_again(nodes, targets)
    watch = STATE.watch if STATE.tracer is None else None
    start = {output._node: cotangent}
    with record(STATE.recording and again):
        if watch is None:
            return _pass_back(start, output._make, nodes, ends, wanted)
        with watch.sweep() as visit:
            return _pass_back(start, output._make, nodes, ends, wanted, visit)


def sweep_between(results: Iterable[tuple[Tensor, Tensor]], targets: Collection[Node | Leaf]) -> Cotangents:
    """Return the cotangents of targets from those of several results, without a look at what is behind the targets.

    This is a part of a sweep: of what was computed again in the middle of one, which decides about recording.
    """
    cotangents: Cotangents = {}
    make = None
    for result, cotangent in results:
        node = result._node
        if node is not None:
            make = result._make
            before = cotangents.get(node)
            cotangents[node] = cotangent if before is None else before + cotangent
    if make is None:
        return {}
    nodes = ancestors(*cotangents, until=targets)
    return _pass_back(cotangents, make, nodes, set(targets), leading_to(targets, nodes))


def _pass_back(
    cotangents: Cotangents,
    make: type[Tensor],
    nodes: list[Node | Leaf],
    ends: set[Node | Leaf],
    wanted: set[Node | Leaf] | None,
    visit: Callable[[Node], None] | None = None,
) -> Cotangents:
    for node in reversed(nodes):
        if node in ends or node not in cotangents:
            continue
        assert isinstance(node, Node)
        if visit is not None:
            visit(node)
        rules = node.operation.derivatives
        assert rules is not None
        g = cotangents.pop(node)
        # Of the node, not of the output: a traced result may have been made from one that has values.
        y = make(node.value, node.inputs[0]._backend, node)
        parts = rules.rule(g, y, node.inputs, **node.params) if rules.__class__ is Joint else None
        for position, operand in enumerate(node.inputs):
            parent = operand._node
            if parent is None or (wanted is not None and parent not in wanted):
                continue
            if parts is not None:
                part = parts[position]
            else:
                rule = rules[position]
                part = None if rule is None else rule(g, y, *node.inputs, **node.params)
            if part is None:
                continue
            before = cotangents.get(parent)
            cotangents[parent] = part if before is None else before + part
    return cotangents


def ancestors(*nodes: Node | Leaf, until: Collection[Node | Leaf] = (), before: int = -1) -> list[Node | Leaf]:
    """Return ``nodes`` and all they were made from, operands before results.

    What is behind the nodes of ``until``, and behind those made before the number ``before``, is left out.
    """
    seen = set(nodes)
    waiting = list(nodes)
    ends = set(until)
    while waiting:
        current = waiting.pop()
        if isinstance(current, Leaf) or current in ends or current.order < before:
            continue
        for operand in current.inputs:
            parent = operand._node
            if parent is not None and parent not in seen:
                seen.add(parent)
                waiting.append(parent)
    return sorted(seen, key=_order)


def _order(node: Node | Leaf) -> int:
    return node.order


def leading_to(targets: Collection[Node | Leaf], nodes: list[Node | Leaf]) -> set[Node | Leaf]:
    """Return those of ``nodes`` (operands before results) that were made from a target."""
    reached: set[Node | Leaf] = set(targets)
    for node in nodes:
        if isinstance(node, Node) and any(operand._node in reached for operand in node.inputs):
            reached.add(node)
    return reached


def _may_be_differentiated_again(nodes: list[Node | Leaf], targets: Collection[Node | Leaf] | None) -> bool:
    """Tell whether the sweep's own steps must be recorded, because something outside can ask for more.

    A sweep towards the inputs of a function is recorded when the function also used tracked values from
    outside (an enclosing derivative's input, or a variable): the gradient depends on those. A sweep to
    variables is recorded when it happens inside a function that is being differentiated.
    """
    leaves = [node for node in nodes if isinstance(node, Leaf)]
    if targets is not None:
        return any(leaf not in targets for leaf in leaves)
    return any(leaf.variable is None for leaf in leaves)
