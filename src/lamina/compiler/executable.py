"""What runs a graph: a function of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lamina.backends.protocol import numpy_dtype
from lamina.compiler.graph.ir import Graph
from lamina.forking import forks_wait

NDArray = npt.NDArray[Any]


class Executable(Protocol):
    """A program made of a graph.

    Attributes
    ----------
    nanoseconds : float
        How long a run should take one thread, roughly.
    """

    nanoseconds: float

    def __call__(self, inputs: Sequence[NDArray], outputs: Sequence[NDArray], repeat: int, attempt: int = 0) -> bool:
        """Run the program, and return whether that is done.

        Parameters
        ----------
        inputs : sequence of array
            C-contiguous, in the graph's order. Those that the graph updates are written in place, at the end: a run
            that fails changes nothing.
        outputs : sequence of array
            C-contiguous; with a leading axis of ``repeat`` when that is more than one.
        repeat : int
            How many times in a row to run; updates carry on from one run to the next.
        attempt : int
            How often it has been tried before: a long program is left for handlers of signals, which may assign what it
            reads, and runs again then. After a few attempts it is not.
        """


def build(graph: Graph) -> Executable:
    """Return the program of a graph as machine code."""
    # The code generator is loaded when there is something to compile.
    with forks_wait():
        from lamina.compiler import building

    return building.build(graph)


def empty_outputs(graph: Graph) -> list[tuple[tuple[int, ...], np.dtype[Any]]]:
    """Return the shape and NumPy type of every output."""
    return [(value.shape, numpy_dtype(value.dtype)) for value in graph.outputs]
