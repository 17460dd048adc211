"""`Nodes`: the nodes of an ONNX graph as they are added, each with names of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.backends.protocol import numpy_dtype
from lamina.dtypes import DType, float64, int64
from lamina.exchange.onnx.batch import OfBatch, Size, Sizes
from lamina.exchange.onnx.library import TYPE_NUMBERS


@dataclass
class Node:
    """One node: operator, operands and results by name, attributes."""

    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]
    domain: str = ""


@dataclass
class Nodes:
    """A graph that grows.

    Attributes
    ----------
    nodes : list of Node
        Operands before results.
    batch_of : str
        The name of an input whose first axis is the batch.
    taken : set of str
        All names.
    """

    batch_of: str = ""
    nodes: list[Node] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    _constants: dict[Any, str] = field(default_factory=dict)
    _computed: dict[Any, str] = field(default_factory=dict)

    def name(self, wanted: str) -> str:
        """Return a name that nothing has yet, like the one wanted."""
        found, number = wanted, 0
        while found in self.taken:
            number += 1
            found = f"{wanted}_{number}"
        self.taken.add(found)
        return found

    def add(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node of one result and return the name of that."""
        return self.add_several(1, op, *inputs, domain=domain, **attributes)[0]

    def add_several(self, count: int, op: str, *inputs: str, domain: str = "", **attributes: Any) -> list[str]:
        """Add a node and return the names of its results."""
        outputs = [self.name(op.lower()) for _ in range(count)]
        self.nodes.append(Node(op, list(inputs), outputs, attributes, domain))
        return outputs

    def concat(self, parts: Sequence[str], axis: int) -> str:
        """Return the name of parts one after the other; of a single one, its own."""
        return parts[0] if len(parts) == 1 else self.add("Concat", *parts, axis=axis)

    # --- constants ---

    def constant(self, array: npt.NDArray[Any]) -> str:
        """Return the name of values that are known; the same name for the same values."""
        array = np.asarray(array)
        key = array.dtype.str, array.dtype.name, array.shape, array.tobytes() if array.dtype != object else tuple(array)
        found = self._constants.get(key)
        if found is None:
            found = self._constants[key] = self.add("Constant", value=array)
        return found

    def scalar(self, value: Any, dtype: DType) -> str:
        """Return the name of one number, without axes; it may depend on the length of the batch."""
        if isinstance(value, OfBatch):
            return self._of_batch(value, dtype)
        return self.constant(np.asarray(value, numpy_dtype(dtype)))

    def vector(self, numbers: Sequence[int]) -> str:
        """Return the name of integers along one axis."""
        return self.constant(np.asarray(list(numbers), np.int64))

    def cast(self, x: str, dtype: DType) -> str:
        """Return the name of ``x`` in another type."""
        return self.add("Cast", x, to=TYPE_NUMBERS[dtype])

    # --- what depends on the length of the batch ---

    def sizes(self, sizes: Sizes) -> str:
        """Return the name of sizes along one axis, as operators take them."""
        fixed = [size for size in sizes if not isinstance(size, OfBatch)]
        if len(fixed) == len(sizes):
            return self.vector(fixed)
        return self._once(("sizes", sizes), lambda: self.concat([self._size(size) for size in sizes], axis=0))

    def numbers_to(self, count: Size) -> str:
        """Return the name of the integers from zero up to a size, along one axis."""
        if not isinstance(count, OfBatch):
            return self.vector(range(count))
        first, one = self.scalar(0, int64), self.scalar(1, int64)
        return self._once(("numbers", count), lambda: self.add("Range", first, self.scalar(count, int64), one))

    def _size(self, size: Size) -> str:
        if not isinstance(size, OfBatch):
            return self.vector([size])
        return self._once(("size", size), lambda: self._line(self._batch(), size, np.dtype(np.int64)))

    def _batch(self) -> str:
        """Return the name of the length of the batch, of shape [1]."""
        return self._once("batch", lambda: self.add("Shape", self.batch_of, start=0, end=1))

    def _line(self, batch: str, number: OfBatch, dtype: np.dtype[Any]) -> str:
        if number.scale != 1:
            batch = self.add("Mul", batch, self.constant(np.asarray(number.scale, dtype)))
        return self.add("Add", batch, self.constant(np.asarray(number.offset, dtype))) if number.offset else batch

    def _of_batch(self, number: OfBatch, dtype: DType) -> str:
        def made() -> str:
            batch = self.add("Squeeze", self._batch(), self.vector([0]))
            # In float64, as Python computes it while tracing.
            wide = self.add("Cast", batch, to=TYPE_NUMBERS[float64])
            line = self._line(wide, number, np.dtype(np.float64))
            if number.inverse:
                line = self.add("Div", self.constant(np.asarray(1.0)), line)
            return self.cast(line, dtype)

        return self._once(("number", number, dtype.name), made)

    def _once(self, key: Any, make: Any) -> str:
        found = self._computed.get(key)
        if found is None:
            found = self._computed[key] = make()
        return found
