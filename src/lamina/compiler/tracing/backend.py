"""The backend whose arrays are values of a graph: to apply an operation is to note it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lamina.backends.protocol import numpy_dtype
from lamina.compiler.graph import ir
from lamina.compiler.graph.indexing import INDEXED
from lamina.dtypes import DTYPES, DType, as_dtype
from lamina.primitives.primitive import Primitive, Shape, Spec
from lamina.primitives.table import TABLE

if TYPE_CHECKING:
    from lamina.compiler.tracing.tracer import Tracer


class Traced:
    """An array that is traced: its shape and type, and the value of the graph that it will be.

    ``dtype`` is NumPy's, so that tensors with and without values compare their types alike.
    """

    __slots__ = ("dtype", "shape", "value")

    def __init__(self, value: ir.Value) -> None:
        self.shape: Shape = value.shape
        self.dtype = numpy_dtype(value.dtype)
        self.value = value


class Recorder:
    """A primitive as the tracing backend has it."""

    __slots__ = ("_backend", "_primitive")

    def __init__(self, primitive: Primitive, backend: TracingBackend) -> None:
        self._primitive = primitive
        self._backend = backend

    def __call__(self, *arrays: Any, **params: Any) -> Any:
        tracer = self._backend.tracer
        tracer.check_active()
        primitive = self._primitive
        if primitive.name == "item":
            return arrays[0][params["index"]]
        operands = [array.value for array in arrays]
        if tracer.recomputation is not None:
            operands = tracer.recomputation.operands(primitive.name, operands)
        spec = primitive.spec(primitive.name, *[value.spec for value in operands], **params)
        value = ir.operation(primitive.name, operands, spec, params)
        if value.op in INDEXED:
            tracer.note_indices(value, arrays[1])
        if isinstance(spec, tuple):
            return tuple(
                Traced(ir.operation("item", (value,), each, {"index": index})) for index, each in enumerate(spec)
            )
        return Traced(value)


class TracingBackend:
    """A `lamina.backends.protocol.Backend` that notes operations in a graph; each trace has its own.

    Parameters
    ----------
    tracer : Tracer
    name : str
        The device that it stands for.
    """

    has_values = False
    dtypes = frozenset(DTYPES.values())

    def __init__(self, tracer: Tracer, name: str) -> None:
        self.tracer = tracer
        self.name = name
        self.scalars: dict[Any, Any] = {}
        self._full: dict[Any, Traced] = {}

    def __getattr__(self, operation: str) -> Recorder:
        primitive = TABLE.get(operation)
        if primitive is None:
            raise AttributeError(f"the tracing backend has no operation {operation!r}")
        recorder = Recorder(primitive, self)
        setattr(self, operation, recorder)
        return recorder

    def from_numpy(self, array: npt.NDArray[Any], dtype: DType) -> Traced:
        """Return values that are known."""
        return self.tracer.inputs.constant(np.array(array, numpy_dtype(dtype), order="C"))

    def full(self, shape: Shape, value: bool | int | float, dtype: DType) -> Traced:
        """Return one number everywhere; the same array for the same number."""
        key = shape, repr(value), dtype
        found = self._full.get(key)
        if found is None:
            # Through NumPy, which rounds the number to the type, or refuses one that is out of its range.
            number = np.asarray(value, numpy_dtype(dtype))
            plain = float(number) if dtype.floating else number.item()
            found = self._full[key] = Traced(ir.full(Spec(shape, dtype), plain))
        return found

    def dtype_of(self, array: Any) -> DType:
        """Return the type of an array."""
        return array.value.dtype if array.__class__ is Traced else as_dtype(array.dtype)

    def to_numpy(self, array: Any) -> npt.NDArray[Any]:
        """Raise a TracingError: there are no values."""
        self.tracer.check_active()
        raise self.tracer.no_values("this operation", f"a traced tensor of shape {list(array.shape)}")

    def nonzero(self, x: Any) -> tuple[Any, ...]:
        """Raise a TracingError: how many there are depends on the values."""
        self.tracer.check_active()
        raise self.tracer.no_values(
            "nonzero", f"the positions of a traced tensor of shape {list(x.shape)}, whose number depends on its values,"
        )

    def __repr__(self) -> str:
        return f"<tracing backend for {self.name}>"
