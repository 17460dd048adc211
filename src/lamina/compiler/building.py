"""Building: from a traced graph to a program that can be run, by way of the cache."""

from __future__ import annotations

from lamina.compiler.codegen.program import fallbacks
from lamina.compiler.graph.canonical import fingerprint
from lamina.compiler.graph.ir import Graph
from lamina.compiler.graph.passes.simplify import simplify
from lamina.compiler.lowering import Lowered, lower
from lamina.compiler.runtime.cache import Entry, program
from lamina.compiler.runtime.fallback import Fallback
from lamina.compiler.runtime.native import assemble
from lamina.compiler.runtime.native_program import NativeProgram
from lamina.compiler.target import Target, host


def lowered(graph: Graph, target: Target | None = None) -> Lowered:
    """Return the program of a traced graph as LLVM IR, with what it was written from."""
    return lower(simplify(graph), target or host())


def build(graph: Graph, target: Target | None = None) -> NativeProgram:
    """Return the program of a traced graph: from the cache, or compiled."""
    target = target or host()

    def compiled() -> Entry:
        made = lowered(graph, target)
        return Entry(assemble(made.ir, target), made.layout.as_dict())

    found = program([fingerprint(graph), target], compiled)
    fallback = None
    if found.meta["fallbacks"]:
        # Which operations they are, with their parameters, is not kept: the same graph gives the same ones again.
        fallback = Fallback(fallbacks(lowered(graph, target).schedule.fused))
    return NativeProgram(found.code, dict(found.meta), len(graph.inputs), len(graph.outputs), fallback)
