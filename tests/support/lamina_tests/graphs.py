"""Graphs written by hand and compared by what they compute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.compiler.graph.ir import Graph, Update, Value, full, input_value, operation
from lamina.dtypes import DType, DTypeLike, as_dtype
from lamina.primitives.primitive import Spec
from lamina.primitives.table import TABLE
from lamina_tests.interpreter import interpret

NDArray = npt.NDArray[Any]


def apply(name: str, *operands: Value, **params: Any) -> Value:
    """Return the result of a primitive, its shape and type by the table's rule.

    Examples
    --------
    >>> from lamina_tests.graphs import apply, inputs
    >>> (x,) = inputs((2, 3))
    >>> apply("sum", x, axes=(1,), keepdims=False).spec
    Spec(shape=(2,), dtype=lamina.float32)
    """
    spec = TABLE[name].spec(name, *[value.spec for value in operands], **params)
    return operation(name, operands, spec, params)


def inputs(*shapes: tuple[int, ...], dtype: DTypeLike = "float32") -> tuple[Value, ...]:
    """Return the inputs of a graph, of one type."""
    return tuple(input_value(place, Spec(shape, as_dtype(dtype))) for place, shape in enumerate(shapes))


def number(value: float, dtype: DType, shape: tuple[int, ...] = ()) -> Value:
    """Return one number everywhere."""
    return full(Spec(shape, dtype), value)


def graph(*outputs: Value, updates: Sequence[tuple[int, Value]] = (), of: Sequence[Value] = ()) -> Graph:
    """Return the graph of some results, with all inputs that they are made of and those given."""
    found = Graph((), outputs, tuple(Update(*each) for each in updates))
    leaves = {value.params["index"]: value for value in (*of, *found.values()) if value.op == "input"}
    return Graph(tuple(leaves[index] for index in sorted(leaves)), found.outputs, found.updates)


def results(given: Graph, arrays: Sequence[NDArray]) -> list[NDArray]:
    """Return what is returned, and what every input holds after."""
    outputs, updates = interpret(given, arrays)
    after = list(arrays)
    for update, array in zip(given.updates, updates, strict=True):
        after[update.input] = array
    return [*outputs, *after]


def same(a: NDArray, b: NDArray, *, zeros: bool = True) -> bool:
    """Tell whether two arrays agree in shape, type and every element, NaN being equal to NaN.

    Parameters
    ----------
    a, b : numpy.ndarray
    zeros : bool, default True
        Whether the two zeros are told apart.
    """
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind not in "fV":
        return bool(np.array_equal(a, b))
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    zero = (wide_a == 0) & zeros
    return bool(
        np.array_equal(wide_a, wide_b, equal_nan=True)
        and np.array_equal(np.signbit(wide_a[zero]), np.signbit(wide_b[zero]))
    )
