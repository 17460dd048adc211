"""What the tests of the compiler share."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np
import pytest

from lamina.backends.protocol import numpy_dtype
from lamina.compiler import traced_program
from lamina.compiler.graph.ir import Graph, Value
from lamina_tests.interpreter import interpret

_BEFORE = 6
"""Words of a program's own, before those of the inputs."""


class Interpreted:
    """A graph run operation by operation, by the eager backend."""

    nanoseconds = 1.0

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def __call__(self, inputs: Sequence[Any], outputs: Sequence[Any], repeat: int, attempt: int = 0) -> bool:
        assert attempt == 0  # it is always done at the first
        carried = list(inputs)
        results = []
        for _ in range(repeat):
            computed, updated = interpret(self._graph, carried)
            results.append([np.array(each) for each in computed])
            for update, new in zip(self._graph.updates, updated, strict=True):
                carried[update.input] = np.array(new)
        for place, output in enumerate(outputs):
            output[...] = results[0][place] if repeat == 1 else np.stack([each[place] for each in results])
        for update in self._graph.updates:
            inputs[update.input][...] = carried[update.input]
        return True


class Pointed:
    """A graph that is interpreted on the memory that a table points to, as a native program runs on it."""

    nanoseconds = 1.0

    def __init__(self, graph: Graph) -> None:
        self.lock = Lock()
        self.busy = False
        self._run = Interpreted(graph)
        self._values = (*graph.inputs, *graph.outputs)
        self._inputs = len(graph.inputs)
        self.table = (ctypes.c_void_p * (_BEFORE + len(self._values)))()
        self.runs = 0

    def __call__(self, inputs: Sequence[Any], outputs: Sequence[Any], repeat: int, attempt: int = 0) -> bool:
        return self._run(inputs, outputs, repeat, attempt)

    def run(self, repeat: int, attempt: int) -> bool:
        """Run on what the table points to; it is always done at the first attempt."""
        assert attempt == 0
        self.runs += 1
        arrays = [_array(self.table[_BEFORE + place], value) for place, value in enumerate(self._values)]
        self._run(arrays[: self._inputs], arrays[self._inputs :], repeat)
        return True


def _array(address: int, value: Value) -> Any:
    dtype = numpy_dtype(value.dtype)
    size = int(np.prod(value.shape)) * dtype.itemsize
    memory = (ctypes.c_char * size).from_address(address)
    return np.frombuffer(memory, dtype).reshape(value.shape) if size else np.empty(value.shape, dtype)


@pytest.fixture(params=["in order", "by pointers", "in machine code"])
def executables(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs are compiled, or interpreted: operation by operation, or on the memory that the machine code checks."""
    if request.param != "in machine code":
        monkeypatch.setattr(traced_program, "build", Interpreted if request.param == "in order" else Pointed)


@pytest.fixture
def by_pointers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs are interpreted on the memory that a table points to."""
    monkeypatch.setattr(traced_program, "build", Pointed)
