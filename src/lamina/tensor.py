"""What a user computes with: `Tensor`, a value that never changes."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.autodiff.gradients import Gradients, backward
from lamina.backends.registry import get_backend
from lamina.backends.thread_state import STATE, quietly
from lamina.dtypes import DType, DTypeLike, as_dtype
from lamina.errors import DataError, DTypeError, ShapeError
from lamina.functions.conversion import as_numpy, common_dtype, holds_tensors, in_range, leaves, natural_dtype
from lamina.functions.manipulation import stack
from lamina.functions.methods import Methods
from lamina.functions.numpy_protocols import NumPyProtocols
from lamina.functions.operands import cast
from lamina.functions.operators import Operators
from lamina.functions.products import matrix_transpose
from lamina.other_names import TENSOR, Elsewhere
from lamina.primitives.operand import Operand
from lamina.primitives.shaping import permute_dims


class Tensor(Operators, Methods, NumPyProtocols, Operand):
    """An array of numbers of one type that knows how it was computed.

    A tensor never changes. Make one with `lamina.asarray`, `lamina.zeros` and the like; make a `Variable` to
    differentiate by. Operators, methods and functions are those of the Python array API standard 2024.12.

    Attributes
    ----------
    shape : tuple of int
    dtype : DType
    ndim, size : int
    device : str
    T : Tensor
        The transpose of a matrix.
    mT : Tensor
        Matrices in the last two axes, transposed.

    Examples
    --------
    >>> import lamina as la
    >>> x = la.asarray([[1.0, 2.0], [3.0, 4.0]])
    >>> (x @ x.T).sum(axis=0)
    Tensor([16., 36.], shape=[2], dtype=float32)
    """

    __slots__ = ()

    # --- attributes ---

    @property
    def device(self) -> str:
        """The device that holds the values, such as ``"cpu"``."""
        return self._backend.name

    @property
    def T(self) -> Tensor:
        """The transpose of a matrix; ``mT`` transposes batches of them."""
        if self.ndim != 2:
            raise ShapeError(f"T: expected a matrix, got shape {list(self.shape)}; use mT or permute_dims")
        return permute_dims(self, axes=(1, 0))

    @property
    def mT(self) -> Tensor:
        """Matrices in the last two axes, transposed."""
        return matrix_transpose(self)

    # --- differentiation ---

    def backward(self, cotangent: Tensor | None = None) -> Gradients:
        """Return the gradients of this tensor with respect to every trainable variable it depends on.

        Parameters
        ----------
        cotangent : Tensor, optional
            Of this tensor's shape: the gradient of something later with respect to this. Ones when not given,
            which for a scalar is the gradient itself.

        Raises
        ------
        TracingError
            When this depends on no trainable variable.
        ShapeError, DTypeError
            When the cotangent does not fit.

        Examples
        --------
        >>> import lamina as la
        >>> w = la.variable([1.0, 2.0], name="w")
        >>> grads = (w ** 3).sum().backward()
        >>> grads[w]
        Tensor([ 3., 12.], shape=[2], dtype=float32)
        """
        return backward(self._snapshot, cotangent)

    # --- types and devices ---

    def astype(self, dtype: DTypeLike) -> Tensor:
        """Return the values in another type; gradients flow between floating-point types only."""
        wanted = as_dtype(dtype)
        source = self._snapshot if wanted.floating else self._untracked
        return cast(source, wanted)

    def to(self, device: str) -> Tensor:
        """Return a copy of the values on another device, as a constant; this tensor itself if it is there.

        Data moves between devices only by this method, by `numpy` and by `item`.
        """
        backend = get_backend(device)
        if backend.name == self._backend.name:
            return self._snapshot
        return Tensor(backend.from_numpy(self._values("to"), self.dtype), backend)

    def to_device(self, device: str, /, *, stream: None = None) -> Tensor:
        """Return a copy of the values on another device (the array API's name for `to`)."""
        if stream is not None:
            raise DTypeError("to_device: streams are not supported; leave stream out")
        return self.to(device)

    def numpy(self) -> npt.NDArray[Any]:
        """Return the values as a NumPy array of its own memory."""
        return np.array(self._values("numpy"))

    def _values(self, operation: str) -> npt.NDArray[Any]:
        """Return the values as the backend hands them out; a tensor that is traced has none."""
        source = self._snapshot
        tracer = STATE.tracer
        if tracer is not None and not source._backend.has_values:
            raise tracer.without_values(operation, source)
        return source._backend.to_numpy(source._data)

    def item(self) -> bool | int | float:
        """Return the only element as a Python number."""
        if self.size != 1:
            raise ShapeError(f"item: expected one element, got shape {list(self.shape)}; tolist() gives them all")
        values = self._values("item")
        if self.dtype.name == "bfloat16":
            values = values.astype(np.float32)
        return values.item()  # type: ignore[no-any-return]

    def tolist(self) -> Any:
        """Return the values as nested lists of Python numbers."""
        return self._values("tolist").tolist()

    # --- protocols ---

    def __array_namespace__(self, *, api_version: str | None = None) -> ModuleType:
        """Return the namespace of functions for tensors: `lamina` itself."""
        if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12"):
            raise DataError(
                f"__array_namespace__: version {api_version!r} of the array API is not provided; use 2024.12"
            )
        # Not an import: the package stands above this module.
        return sys.modules["lamina"]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise DataError("__array__: tensors do not share their memory, so that they never change; use copy=None")
        values = self.numpy()
        return values if dtype is None else values.astype(dtype)

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[Any, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """Return a DLPack capsule of a copy: what another library does to it does not change the tensor.

        With ``copy=False`` the memory is shared, marked read-only as DLPack 1.0 can.
        """
        if copy is False:
            return self._shared_capsule(max_version, dl_device)
        data = self._snapshot._data
        source = data.copy() if hasattr(data, "copy") else self.numpy()
        return np.asarray(source).__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device)

    def _shared_capsule(self, max_version: tuple[int, int] | None, dl_device: tuple[Any, int] | None) -> Any:
        data = self._snapshot._data
        if not isinstance(data, np.ndarray) or max_version is None or max_version < (1, 0):
            raise BufferError(
                "__dlpack__: tensors share memory only read-only, which needs the cpu device and max_version=(1, 0) "
                "or later; use copy=None"
            )
        view = data.view()
        view.flags.writeable = False
        return view.__dlpack__(max_version=max_version, dl_device=dl_device, copy=False)

    def __dlpack_device__(self) -> tuple[Any, int]:
        return self._data.__dlpack_device__() if hasattr(self._data, "__dlpack_device__") else (1, 0)

    def _only(self, conversion: str) -> Any:
        if self.size != 1 or self.ndim > 0:
            raise ShapeError(
                f"{conversion}: a tensor of shape {list(self.shape)} is not one number; "
                "reduce it first, as with .any(), .all() or .sum()"
            )
        if STATE.tracer is not None:
            self._values(conversion)
        return self.item()

    def __bool__(self) -> bool:
        return bool(self._only("bool"))

    def __int__(self) -> int:
        return int(self._only("int"))

    def __round__(self, digits: int | None = None) -> int | float:
        return round(self._only("round"), digits)  # type: ignore[no-any-return]

    def __float__(self) -> float:
        return float(self._only("float"))

    def __complex__(self) -> complex:
        return complex(self._only("complex"))

    def __index__(self) -> int:
        if not self.dtype.integral:
            raise DTypeError(f"index: expected an integer tensor, got {self.dtype.name}")
        return int(self._only("index"))

    def __len__(self) -> int:
        if not self.shape:
            raise DTypeError("len: a tensor without axes has no length")
        return self.shape[0]

    def __iter__(self) -> Any:
        return (self[index] for index in range(len(self)))

    def __contains__(self, value: Any) -> bool:
        return bool((self == value).any())

    def __repr__(self) -> str:
        return f"Tensor({self._values_text('Tensor(')}, {self._description()})"

    def _description(self) -> str:
        device = "" if self.device == "cpu" else f", device={self.device!r}"
        return f"shape={list(self.shape)}, dtype={self.dtype.name}{device}"

    def _values_text(self, prefix: str) -> str:
        source = self._snapshot
        if not source._backend.has_values:
            return "traced"
        values = source._backend.to_numpy(source._data)
        if self.dtype.floating and self.dtype.bits < 32:
            values = values.astype(np.float32)
        return np.array2string(values, separator=", ", prefix=prefix, threshold=100, edgeitems=3, precision=4)

    def __format__(self, specification: str) -> str:
        # A scalar prints as the number it is: f"{loss:.3f}".
        return format(self.item() if self.ndim == 0 and specification else repr(self), specification)

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if name not in TENSOR]

    def __copy__(self) -> Tensor:
        return self._snapshot

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return self._untracked

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (self.numpy(), self.dtype.name, self.device)


Tensor._make = Tensor
# Not by __getattr__, with which every attribute of every tensor would be found more slowly.
for _name, _remedy in TENSOR.items():
    setattr(Tensor, _name, Elsewhere(_name, _remedy))


def _rebuilt(values: npt.NDArray[Any], dtype: str, device: str) -> Tensor:
    backend = get_backend(device)
    return Tensor(backend.from_numpy(values, as_dtype(dtype)), backend)


def from_data(value: Any, dtype: DType | None, device: str | None, default: DType | None = None) -> Tensor:
    """Return a new tensor from anything that holds numbers; what `lamina.asarray` and `variable` stand on.

    Parameters
    ----------
    value : Tensor, array, nested sequence or number
    dtype : DType or None
        The type wanted; when None, arrays keep theirs and Python floats become the default float type.
    device : str or None
        Where to put it; the default device when None.
    default : DType, optional
        The type of Python numbers, instead of the default ones.
    """
    if isinstance(value, Operand):
        source = value._snapshot
        moved = source if device is None else source.to(device)
        return moved if dtype is None else moved.astype(dtype)
    if holds_tensors(value):
        return _stacked(value, dtype or common_dtype(value), device)
    backend = get_backend(device)
    array = as_numpy(value)
    if dtype is None:
        dtype = natural_dtype(value, array, default)
    return Tensor(quietly(backend.from_numpy, in_range(value, array, dtype), dtype), backend)


def _stacked(values: Any, dtype: DType, device: str | None) -> Tensor:
    """Return a nested sequence that holds tensors as one tensor, through which gradients flow to them.

    Without a device all go where the first tensor is; tensors that are elsewhere are refused, not moved.
    """
    beside = device or next(each.device for each in leaves(values) if isinstance(each, Tensor))
    return stack([from_data(each, dtype, device if isinstance(each, Operand) else beside) for each in values])
