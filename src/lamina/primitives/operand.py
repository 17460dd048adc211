"""What a primitive works on: an array, the backend it belongs to, and the node that made it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from lamina.backends.batching import BatchingBackend
from lamina.backends.thread_state import STATE, quietly
from lamina.dtypes import DType, Scalar, promote_scalar, python_number, scalar_default
from lamina.errors import BackendError, DTypeError
from lamina.primitives.batching import on_one_level

if TYPE_CHECKING:
    import numpy.typing as npt

    from lamina.autodiff.node import Leaf, Node
    from lamina.backends.protocol import Backend
    from lamina.tensor import Tensor


# Making a constant costs more than a small addition, and the same few recur in every step.
KEPT_SCALARS = 4096


class Operand:
    """The core of `lamina.Tensor`, which adds the operators and methods a user calls."""

    __slots__ = ("__weakref__", "_backend", "_data", "_node")

    _make: ClassVar[type[Tensor]]
    """The class of every result: Tensor, also where the operand is a Variable."""

    def __init__(self, data: Any, backend: Backend, node: Node | Leaf | None = None) -> None:
        self._data = data
        self._backend = backend
        self._node = node

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self._data.shape  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._data.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self._data.shape)

    @property
    def dtype(self) -> DType:
        """The type of the elements."""
        return self._backend.dtype_of(self._data)

    @property
    def tracked(self) -> bool:
        """Whether this depends on something a gradient can be taken by."""
        return self._node is not None

    @property
    def _snapshot(self) -> Tensor:
        """The value as it is now: a tensor is its own, a variable's may be assigned later."""
        return self  # type: ignore[return-value]

    @property
    def _untracked(self) -> Tensor:
        """The same value as a constant."""
        return self._make(self._data, self._backend)

    def _scalar(self, value: Scalar) -> Tensor:
        """Return a constant for use beside this tensor: same backend, and its type if that can hold the value."""
        kept = self._backend.scalars
        # Zero is written out because 0.0 == -0.0; the class because 1 == 1.0 == True.
        key = (value if value else repr(value), value.__class__, self._data.dtype)
        found = kept.get(key)
        if found is None:
            found = self._new_scalar(value)
            if len(kept) >= KEPT_SCALARS:
                kept.clear()
            kept[key] = found
        return found

    def _new_scalar(self, value: Scalar) -> Tensor:
        value = python_number(value)
        dtype = promote_scalar(value, self.dtype)
        try:
            return self._make(quietly(self._backend.full, (), value, dtype), self._backend)
        except OverflowError as error:
            raise DTypeError(f"the Python integer {value} is out of the range of {dtype.name}") from error

    def _number(self, name: str, value: Scalar) -> Tensor:
        """Return a Python number as a tensor of its own default type, on the same backend."""
        value = python_number(value)
        if not isinstance(value, bool | int | float):
            raise DTypeError(f"{name}: expected a Tensor or a Python number, got {type(value).__name__}")
        return self._full((), value, scalar_default(value))

    def _full(self, shape: tuple[int, ...], value: Scalar, dtype: DType | None = None) -> Tensor:
        """Return a constant of any shape, on the same backend, in the same type unless another is named."""
        return self._make(quietly(self._backend.full, shape, value, dtype or self.dtype), self._backend)

    def _constant(self, array: npt.NDArray[Any], dtype: DType) -> Tensor:
        """Return a constant with these values, on the same backend."""
        return self._make(self._backend.from_numpy(array, dtype), self._backend)

    def _unify(self, operation: str, operands: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return operands that share a backend, or say that data moves only when asked to."""
        if any(operand._backend.__class__ is BatchingBackend for operand in operands):
            return on_one_level(operands)
        tracer = STATE.tracer
        if tracer is not None:
            return tracer.lift(operation, operands)  # type: ignore[no-any-return]
        for operand in operands:
            if not operand._backend.has_values:
                operand._backend.to_numpy(operand._data)  # raises: it knows what to say about what a tracer made
        names = " and ".join(dict.fromkeys(operand._backend.name for operand in operands))
        raise BackendError(f"{operation}: operands are on different devices, {names}; move one with x.to(device)")
