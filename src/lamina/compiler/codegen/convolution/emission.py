"""The code of a convolution for a part of its result."""

from __future__ import annotations

import math

from lamina.compiler.codegen.convolution.boxes import boxes
from lamina.compiler.codegen.convolution.channels import Channels
from lamina.compiler.codegen.convolution.direct import Direct
from lamina.compiler.codegen.convolution.dots import Dots, suits
from lamina.compiler.codegen.convolution.problem import Ask, Convolution, Epilogue, Part
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.values import Value
from lamina.compiler.target import Target


def scratch_bytes(problem: Convolution, target: Target) -> int:
    """Return how much memory one thread needs, at an address that is a multiple of 64."""
    cut = boxes(problem, target)
    return 0 if cut is None else cut.scratch_bytes(problem)


def emit_convolution(
    f: Emitter,
    target: Target,
    problem: Convolution,
    x: Value,
    w: Value,
    part: Part,
    epilogue: Epilogue,
    scratch: Value,
    ask: Ask | None = None,
) -> None:
    """Write the code that computes a part of a convolution and hands each of its elements to the epilogue once.

    An element is summed in the same order whatever part it is in.

    Parameters
    ----------
    f : Emitter
        Of the function to write to.
    target : Target
    problem : Convolution
    x, w : Value
        Pointers to the first elements.
    part : Part
        The images and channels to compute.
    epilogue : Epilogue
        Writes the code for what becomes of an element, or of several neighbours in a vector.
    scratch : Value
        Pointer to `scratch_bytes` of memory that no other thread uses.
    ask : Ask, optional
        Asks for the memory of the epilogue, while sums are computed.
    """
    if not problem.images * problem.groups * problem.rows * math.prod(problem.places):
        return
    cut = boxes(problem, target)
    if cut is not None:
        Channels(f, target, problem, cut, x, w, part, epilogue, ask, scratch).write()
        return
    if suits(problem):
        Dots(f, target, problem, x, w, part, epilogue).write()
    else:
        Direct(f, target, problem, x, w, part, epilogue, ask).write()
