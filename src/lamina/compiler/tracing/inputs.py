"""The inputs of a graph: what a function that is traced is given, and what it meets from outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.backends.registry import CPU
from lamina.compiler.graph import ir
from lamina.compiler.tracing.backend import Traced, TracingBackend
from lamina.dtypes import as_dtype
from lamina.primitives.primitive import Spec
from lamina.tensor import Tensor
from lamina.variable import Variable

NDArray = npt.NDArray[Any]

# Values up to this many are written into the program; more are passed to it where they are.
_WRITTEN_OUT = 64


@dataclass(eq=False)
class Input:
    """One input of the graph, and where its memory comes from.

    Attributes
    ----------
    value : Value
        The leaf of the graph.
    tensor : Tensor
        The traced tensor that the function is given.
    argument : int or None
        For an argument: its place among them.
    variables : list of Variable
        For variables: all that held this array when they were read.
    captured : Tensor or None
        For a tensor from outside that is no variable: it.
    """

    value: ir.Value
    tensor: Tensor
    argument: int | None = None
    variables: list[Variable] = field(default_factory=list)
    captured: Tensor | None = None


class Inputs(list[Input]):
    """The inputs in their order, each array once.

    Parameters
    ----------
    backend : TracingBackend
        Of the traced tensors.
    """

    def __init__(self, backend: TracingBackend) -> None:
        super().__init__()
        self._backend: Any = backend
        self._by_array: dict[int, Input] = {}
        self._constants: dict[int, tuple[NDArray, Traced]] = {}
        self._held: list[NDArray] = []

    def new(self, spec: Spec, node: Any, **source: Any) -> Input:
        """Return one more input, whose traced tensor has a node."""
        value = ir.input_value(len(self), spec)
        made = Input(value, Tensor(Traced(value), self._backend, node), **source)
        self.append(made)
        return made

    def captured(self, x: Tensor) -> Input:
        """Return the input that is a tracked tensor from outside."""
        found = self._by_array.get(id(x._data))
        if found is None or found.tensor._node is not x._node:
            found = self._by_array[id(x._data)] = self.new(Spec(x.shape, x.dtype), x._node, captured=x)
        return found

    def of_array(self, variable: Variable) -> Input:
        """Return the input that is a variable's array, which others may hold too."""
        data = variable._data
        found = self._by_array.get(id(data))
        if found is None or not found.variables:
            found = self._by_array[id(data)] = self.new(Spec(data.shape, as_dtype(data.dtype)), None)
            # Held while tracing, so that the number that tells arrays apart is not given to another.
            self._held.append(data)
        found.variables.append(variable)
        return found

    def constant(self, array: NDArray) -> Traced:
        """Return values that are known: written into the program if they are few or equal, passed to it otherwise."""
        kept = self._constants.get(id(array))
        if kept is not None:
            return kept[1]
        spec = Spec(array.shape, as_dtype(array.dtype))
        value = ir.constant(array, spec)
        if value.op == "constant" and array.size > _WRITTEN_OUT:
            held = Tensor(np.ascontiguousarray(array), CPU)
            value = self.new(spec, None, captured=held).value
        made = Traced(value)
        self._constants[id(array)] = array, made
        return made

    def let_go(self) -> None:
        """Forget the arrays that were met; those that are passed to the program are held by its inputs."""
        self._by_array.clear()
        self._constants.clear()
        self._held.clear()
