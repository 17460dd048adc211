"""Building: from a traced graph to a program that can be run, by way of the cache.

The code generator is loaded where there is something to compile: a second start finds its programs on disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.compiler.graph.fingerprint import fingerprint
from lamina.compiler.graph.ir import Graph
from lamina.compiler.runtime.cache import Entry, program
from lamina.compiler.runtime.fallback import Fallback
from lamina.compiler.runtime.llvm_library import load_meanwhile
from lamina.compiler.runtime.native_program import NativeProgram
from lamina.compiler.runtime.processor import host
from lamina.compiler.runtime.threads import get_num_threads
from lamina.compiler.target import Target
from lamina.forking import forks_wait

if TYPE_CHECKING:
    from lamina.compiler.lowering import Lowered


def lowered(graph: Graph, target: Target | None = None) -> Lowered:
    """Return the program of a traced graph as LLVM IR, with what it was written from."""
    _load_code_generator()
    from lamina.compiler.graph.passes.simplify import simplify
    from lamina.compiler.lowering import lower

    return lower(simplify(graph), target or host())


def assembled(
    graph: Graph, target: Target | None = None, *, profiled: bool = False
) -> tuple[Lowered, tuple[bytes, ...]]:
    """Return the program of a traced graph, and its object files."""
    load_meanwhile()
    _load_code_generator()
    from lamina.compiler.graph.passes.simplify import simplify
    from lamina.compiler.lowering import lower
    from lamina.compiler.runtime.machine_code import Assembler

    target = target or host()
    with Assembler(target, get_num_threads()) as assembler:
        made = lower(simplify(graph), target, profiled=profiled, ready=assembler.add)
    return made, tuple(assembler.objects)


def _load_code_generator() -> None:
    with forks_wait():
        import lamina.compiler.graph.passes.simplify
        import lamina.compiler.lowering
        import lamina.compiler.runtime.machine_code  # noqa: F401


def build(graph: Graph, target: Target | None = None) -> NativeProgram:
    """Return the program of a traced graph: from the cache, or compiled."""
    # Where nothing is known of this machine, nothing has been compiled for it.
    target = target or host(_load_code_generator)

    def compiled() -> Entry:
        made, objects = assembled(graph, target)
        return Entry(objects, made.layout._asdict())

    found = program([fingerprint(graph), target], compiled)
    fallback = fallback_of(lowered(graph, target)) if found.meta["fallbacks"] else None
    errors = [check.params["error"] for check in graph.checks]
    return NativeProgram(
        found.code, dict(found.meta), len(graph.inputs), len(graph.outputs), fallback, errors, graph.lines
    )


def fallback_of(made: Lowered) -> Fallback | None:
    """Return what Python computes for a program, if it computes anything.

    Which operations they are, with their parameters, is not kept: the same graph gives the same ones again.
    """
    from lamina.compiler.codegen.schedule import numbered

    values = numbered(made.schedule).fallbacks
    return Fallback(values) if values else None
