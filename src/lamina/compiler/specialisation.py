"""A program for one signature, and the memory that it runs on: arguments, variables, captured tensors."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.autodiff.trees import mapped
from lamina.backends.protocol import numpy_dtype
from lamina.backends.registry import CPU
from lamina.compiler.differentiation import others, results
from lamina.compiler.traced_program import TracedProgram
from lamina.compiler.tracing.inputs import Input
from lamina.compiler.tracing.trace import Replacement, Result, Trace
from lamina.forking import fork_safe
from lamina.functions.manipulation import stack
from lamina.ownership import CACHE_LINE, aligned_copy, exclusive
from lamina.random import default_generator
from lamina.tensor import Tensor
from lamina.variable import Variable

NDArray = npt.NDArray[Any]

# Two programs may update the same variables, so one at a time: each uses all processors anyway.
updating = fork_safe(threading.RLock())


class Specialisation:
    """What a compiled function does for one signature.

    Parameters
    ----------
    trace : Trace
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.program = TracedProgram(trace)
        self.updated = frozenset(update.input for update in trace.graph.updates)
        self.assigns = bool(self.updated or trace.replacements)
        self._specs = [(value.shape, numpy_dtype(value.dtype)) for value in trace.graph.inputs]
        self._constant = _constant_tree(trace)
        self._leaves = [tuple(variable._leaf for variable in source.variables) for source in trace.inputs]
        self.arguments = sum(source.argument is not None for source in trace.inputs)
        self.others = others(trace.inputs)
        generator = default_generator()
        self.draws = any(
            variable is generator.key or variable is generator.counter
            for source in trace.inputs
            for variable in source.variables
        )

    def fits(self) -> bool:
        """Tell whether the variables are as when traced: where, of which type, in which memory, trainable or not."""
        for source, (shape, dtype), leaves in zip(self.trace.inputs, self._specs, self._leaves, strict=True):
            if not source.variables:
                continue
            data = source.variables[0]._data
            if data.shape != shape or data.dtype != dtype:
                return False
            for variable, leaf in zip(source.variables, leaves, strict=True):
                if variable._data is not data or variable._backend is not CPU or variable._leaf is not leaf:
                    return False
        return True

    @property
    def repeats(self) -> bool:
        """Whether the program can run many times in one call: nothing is to be done to tensors between two runs."""
        return not self.trace.tracked and not self.trace.replacements

    def __call__(self, leaves: Sequence[Any], times: int | None = None) -> Any:
        """Run on the traced leaves of the arguments, and return what the function returns.

        With ``times``, where it `repeats`, run so often in a row; tensors are stacked along a new first axis.
        """
        if not self.assigns:
            return self._run(leaves, times)
        with updating:
            return self._run(leaves, times)

    def _run(self, leaves: Sequence[Any], times: int | None) -> Any:
        operands: tuple[Tensor, ...] = ()

        def inputs() -> list[NDArray]:
            nonlocal operands
            # Taken before variables are updated: what is held is not written to.
            operands = self._operands(leaves) if self.trace.tracked else ()
            return [self._array(place, leaves) for place in range(len(self._specs))]

        outputs = self.program.run(inputs, times)
        for replacement in self.trace.replacements:
            self.replace(replacement, outputs)
        tracked = results(self.program, operands, outputs) if operands else []
        return self.tree(outputs, tracked, times)

    def _array(self, place: int, leaves: Sequence[Any]) -> NDArray:
        """Return the memory of an input; of a variable that is updated, memory that nobody else holds.

        What eager code computes may be a scalar of NumPy's, which has none.
        """
        source, dtype = self.trace.inputs[place], self._specs[place][1]
        if source.variables:
            suits = _writable if place in self.updated else _is_array
            if not suits(source.variables, dtype):
                fresh = aligned_copy(source.variables[0]._data, dtype)
                for variable in source.variables:
                    _put(variable, fresh)
            return source.variables[0]._data  # type: ignore[no-any-return]
        if source.argument is not None:
            leaf = leaves[source.argument]
            data = leaf._data if isinstance(leaf, Tensor) else leaf
        else:
            assert source.captured is not None
            data = source.captured._data
        return data if _fits(data, dtype) else np.array(data, dtype, order="C")

    def _operands(self, leaves: Sequence[Any]) -> tuple[Tensor, ...]:
        """Return all that the program reads as tensors, as they are now."""
        own = [_tensor(source, leaves) for source in self.trace.inputs]
        return (*own, *(variable._snapshot for variable in self.others))

    def replace(self, replacement: Replacement, outputs: Sequence[NDArray]) -> None:
        """Let variables hold an output."""
        for variable in replacement.variables:
            _put(variable, outputs[replacement.output])

    def tree(self, outputs: Sequence[NDArray], tracked: Sequence[Tensor], times: int | None = None) -> Any:
        """Return what the function returns, made of the outputs of a run, or of ``times`` of them."""

        def result(leaf: Any) -> Any:
            if leaf.__class__ is not Result:
                return stack([leaf] * times) if times is not None and leaf.__class__ is Tensor else leaf
            if tracked and leaf.tracked is not None:
                return tracked[leaf.tracked]
            return Tensor(outputs[leaf.output], CPU)

        tree = self.trace.tree
        return result(tree) if self._constant else mapped(result, tree)


def _constant_tree(trace: Trace) -> bool:
    """Tell whether what is returned is a single leaf."""
    return trace.tree is None or trace.tree.__class__ is Result


def _tensor(source: Input, leaves: Sequence[Any]) -> Tensor:
    if source.variables:
        return source.variables[0]._snapshot
    if source.argument is None:
        assert source.captured is not None
        return source.captured
    leaf = leaves[source.argument]
    return leaf if isinstance(leaf, Tensor) else Tensor(np.array(leaf, order="C"), CPU)


def _fits(data: Any, dtype: np.dtype[Any]) -> bool:
    """Tell whether a program can read an array where it is; NumPy has several objects for one type."""
    if not isinstance(data, np.ndarray):
        return False
    flags = data.flags
    return flags.c_contiguous and flags.aligned and (data.dtype is dtype or data.dtype == dtype)


def _is_array(variables: Sequence[Variable], dtype: np.dtype[Any]) -> bool:
    """Tell whether a program can read the array of these variables where it is."""
    return _fits(variables[0]._data, dtype)


def _writable(variables: Sequence[Variable], dtype: np.dtype[Any]) -> bool:
    """Tell whether a program may update the array of these variables where it is."""
    data = variables[0]._data
    place = data.ctypes.data % CACHE_LINE if _fits(data, dtype) else 1
    del data  # counted otherwise
    return place == 0 and exclusive(variables)


def _put(variable: Variable, data: NDArray) -> None:
    variable._put(Tensor(data, CPU, variable._leaf))
