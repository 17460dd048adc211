"""Programs compiled and run by themselves, without a cache: what the tests of the compiler compare with eager code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.backends.protocol import numpy_dtype
from lamina.backends.registry import CPU
from lamina.compiler.building import assembled
from lamina.compiler.codegen.schedule import numbered
from lamina.compiler.graph.ir import Graph, Update, Value, input_value
from lamina.compiler.lowering import Lowered
from lamina.compiler.runtime.fallback import Fallback
from lamina.compiler.runtime.loading import load
from lamina.compiler.runtime.native_program import NativeProgram
from lamina.compiler.runtime.processor import host
from lamina.compiler.target import Target
from lamina.dtypes import as_dtype
from lamina_tests.interpreter import interpret

NDArray = npt.NDArray[Any]

_GUARD = 128
_GARBAGE = 0xA5
"""As a float neither zero nor NaN, as a truth value neither true nor false."""


@dataclass(frozen=True)
class Ran:
    """What a program returned, and what every input holds after."""

    outputs: list[NDArray]
    inputs: list[NDArray]

    @property
    def arrays(self) -> list[NDArray]:
        """Both, in this order."""
        return [*self.outputs, *self.inputs]


def joined(graphs: Sequence[Graph]) -> Graph:
    """Return one graph that does what several do, each with inputs of its own."""
    inputs: list[Value] = []
    outputs: list[Value] = []
    updates: list[Update] = []
    for graph in graphs:
        first = len(inputs)
        new = {value: input_value(first + place, value.spec) for place, value in enumerate(graph.inputs)}
        inputs += new.values()
        for value in graph.values():
            if value not in new:
                new[value] = Value(value.op, tuple(new[each] for each in value.operands), value.params, value.spec)
        outputs += [new[each] for each in graph.outputs]
        updates += [Update(first + each.input, new[each.value]) for each in graph.updates]
    return Graph(tuple(inputs), tuple(outputs), tuple(updates))


class CompiledGraph:
    """A graph as machine code.

    Parameters
    ----------
    graph : Graph
    target : Target, optional
        The processor to write code for, one that this machine can stand in for; this machine when not given.
    """

    def __init__(self, graph: Graph, target: Target | None = None) -> None:
        self.graph = graph
        self.lowered: Lowered
        self.lowered, objects = assembled(graph, target)
        left = numbered(self.lowered.schedule).fallbacks
        self.program = NativeProgram(
            load(*objects),
            self.lowered.layout._asdict(),
            len(graph.inputs),
            len(graph.outputs),
            Fallback(left) if left else None,
        )
        self.program.use_all_threads()

    def __call__(self, arrays: Sequence[NDArray], repeat: int = 1) -> Ran:
        """Run on copies of arrays; memory that the program has not written yet is full of garbage."""
        guarded = [_Guarded(x.shape, x.dtype) for x in arrays]
        for place, x in zip(guarded, arrays, strict=True):
            place.array[...] = x
        results = []
        for value in self.graph.outputs:
            shape = value.shape if repeat == 1 else (repeat, *value.shape)
            results.append(_Guarded(shape, numpy_dtype(value.dtype)))
        self.program._arena[...] = _GARBAGE
        self.program([each.array for each in guarded], [each.array for each in results], repeat)
        for each in (*guarded, *results):
            each.check()
        return Ran([each.array for each in results], [each.array for each in guarded])


class _Guarded:
    """An array between bytes that nobody may write."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        size = math.prod(shape) * dtype.itemsize
        self._memory = np.full(size + 2 * _GUARD, _GARBAGE, np.uint8)
        self._end = _GUARD + size
        self.array: NDArray = self._memory[_GUARD : self._end].view(dtype).reshape(shape)

    def check(self) -> None:
        before, after = self._memory[:_GUARD], self._memory[self._end :]
        if not ((before == _GARBAGE).all() and (after == _GARBAGE).all()):
            raise AssertionError(f"the program wrote outside of an array of shape {list(self.array.shape)}")


def interpreted(graph: Graph, arrays: Sequence[NDArray], repeat: int = 1) -> Ran:
    """Return what eager code makes of a graph, run several times in a row on what the updates left."""
    carried = [CPU.from_numpy(x, as_dtype(x.dtype)) for x in arrays]
    results: list[list[NDArray]] = []
    for _ in range(repeat):
        outputs, updated = interpret(graph, carried)
        results.append([np.array(each) for each in outputs])
        for update, array in zip(graph.updates, updated, strict=True):
            carried[update.input] = np.array(array)
    stacked = results[0] if repeat == 1 else [np.stack(each) for each in zip(*results, strict=True)]
    return Ran(stacked, carried)


def runs_here(target: Target) -> bool:
    """Tell whether this machine can stand in for another."""
    family = target.triple.split("-")[0]
    return host().triple.split("-")[0] == family and target.known <= host().known
