"""An NVIDIA GPU through CuPy, when it is installed and asked for."""

from __future__ import annotations

from typing import Any

from lamina.backends.array_api import ArrayAPIBackend
from lamina.backends.protocol import Array, NDArray
from lamina.dtypes import DType
from lamina.errors import BackendError

# The types that a GPU adds to memory in one step.
ATOMIC = frozenset({"int32", "uint32", "float32", "float64"})


def _usable_cupy() -> Any:
    """Return CuPy behind the array API's names, or say what keeps the GPU from being used."""
    try:
        import array_api_compat.cupy as namespace
        import cupy
    except ImportError as error:
        raise BackendError(
            f"cuda: this device needs CuPy and array-api-compat ({error}); pip install array-api-compat and "
            'cupy-cuda13x (or the package for your CUDA version), or use device="cpu"'
        ) from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:
        raise BackendError(f'cuda: CuPy finds no usable GPU ({error}); use device="cpu"') from error
    if count == 0:
        raise BackendError('cuda: this machine has no GPU that CuPy can use; use device="cpu"')
    return namespace


class CuPyBackend(ArrayAPIBackend):
    """`ArrayAPIBackend` over CuPy; it differs in how values cross to the host, and in scattering."""

    def __init__(self) -> None:
        super().__init__(_usable_cupy(), "cuda")
        import cupy

        self.cupy = cupy

    def from_numpy(self, array: NDArray, dtype: DType) -> Array:
        return self.cupy.asarray(array, dtype=self.native(dtype))

    def to_numpy(self, array: Array) -> NDArray:
        values: NDArray = self.cupy.asnumpy(array)
        return values

    def scatter_add(self, values: Array, indices: Array, *, axis: int, size: int) -> Array:
        if values.dtype.name not in ATOMIC:
            return super().scatter_add(values, indices, axis=axis, size=size)
        after = values.shape[axis + indices.ndim :]
        result = self.cupy.zeros((*values.shape[:axis], size, *after), dtype=values.dtype)
        indices = self._checked(indices, size, "scatter_add")
        self.cupy.add.at(result, (*[slice(None)] * axis, indices), values)
        return result
