"""Functions that make tensors from nothing, from data, or like another tensor."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lamina.backends.registry import get_backend
from lamina.backends.thread_state import quietly
from lamina.dtypes import DEFAULT_FLOAT, DType, DTypeLike, Scalar, as_dtype, bool_, python_number, scalar_default
from lamina.errors import DataError, DTypeError, ShapeError
from lamina.functions.comparisons import where
from lamina.functions.conversion import leaves
from lamina.functions.manipulation import broadcast_to, new_shape
from lamina.functions.operands import tensor
from lamina.tensor import Tensor, from_data
from lamina.variable import Variable


def asarray(
    obj: Any, /, *, dtype: DTypeLike | None = None, device: str | None = None, copy: bool | None = None
) -> Tensor:
    """Return a tensor with the values of ``obj``.

    Parameters
    ----------
    obj : Tensor, array, nested sequence or number
        NumPy arrays and anything with DLPack keep their type; Python floats become float32, ints int64.
    dtype : DType, optional
        The type wanted.
    device : str, optional
        Where to put it; a tensor stays where it is, other data goes to the default device.
    copy : bool, optional
        Memory is never shared with what is not a tensor, so ``False`` is an error there.

    Raises
    ------
    ShapeError
        When nested sequences are ragged.
    DTypeError
        When there are things that are not real numbers.

    Examples
    --------
    >>> import lamina as la
    >>> la.asarray([[1, 2], [3, 4]])
    Tensor([[1, 2],
            [3, 4]], shape=[2, 2], dtype=int64)
    """
    wanted = None if dtype is None else as_dtype(dtype)
    if copy is False:
        _check_no_copy("asarray", obj, wanted, device)
    return from_data(obj, wanted, device)


def _check_no_copy(name: str, obj: Any, dtype: DType | None, device: str | None) -> None:
    """Refuse what cannot be done without a copy; tensors never change, so a tensor can stand for itself."""
    if not isinstance(obj, Tensor):
        raise DataError(f"{name}: copy=False, but tensors never share memory with other objects; use copy=None")
    if dtype not in (None, obj.dtype) or device not in (None, obj.device):
        raise DataError(f"{name}: copy=False, but another type or device needs a copy; use copy=None")


constant = asarray


def variable(
    value: Any,
    *,
    name: str | None = None,
    trainable: bool = True,
    dtype: DTypeLike | None = None,
    device: str | None = None,
) -> Variable:
    """Return a new `Variable`: a named cell that gradients are taken by and that can be assigned.

    Parameters
    ----------
    value : Tensor, array, nested sequence or number
        The first value. Python integers become the default float type if the variable is to be trainable and no
        type is named; arrays and tensors keep theirs.
    name : str, optional
    trainable : bool, default True
        Whether `backward` gives a gradient for it. Variables of integers or bools never are trainable.
    dtype : DType, optional
        The type wanted.
    device : str, optional

    Examples
    --------
    >>> import lamina as la
    >>> la.variable([1.0, 2.0], name="w")
    Variable('w', [1., 2.], shape=[2], dtype=float32)
    """
    made = from_data(value, None if dtype is None else as_dtype(dtype), device)
    if trainable and dtype is None and made.dtype.integral and all(isinstance(each, int) for each in leaves(value)):
        made = made.astype(DEFAULT_FLOAT)
    return Variable(made._untracked, name, trainable)


def from_dlpack(x: Any, /, *, device: str | None = None, copy: bool | None = None) -> Tensor:
    """Return a tensor with the values of any object that has ``__dlpack__``: a copy, or the tensor itself."""
    if copy is False:
        _check_no_copy("from_dlpack", x, None, device)
    if isinstance(x, Tensor):
        return x._snapshot if device is None else x.to(device)
    if not hasattr(x, "__dlpack__"):
        raise DTypeError(f"from_dlpack: expected an object with __dlpack__, got {type(x).__name__}; use lamina.asarray")
    return from_data(x, None, device)


def full(
    shape: int | Sequence[int], fill_value: Scalar, *, dtype: DTypeLike | None = None, device: str | None = None
) -> Tensor:
    """Return a tensor filled with ``fill_value``.

    Examples
    --------
    >>> import lamina as la
    >>> la.full((2, 2), 7)
    Tensor([[7, 7],
            [7, 7]], shape=[2, 2], dtype=int64)
    """
    lengths = new_shape("full", shape)
    fill_value = python_number(fill_value)
    if not isinstance(fill_value, bool | int | float):
        raise DTypeError(f"full: expected a Python number, got {type(fill_value).__name__}")
    wanted = scalar_default(fill_value) if dtype is None else as_dtype(dtype)
    backend = get_backend(device)
    return Tensor(quietly(backend.full, lengths, fill_value, wanted), backend)


def zeros(shape: int | Sequence[int], *, dtype: DTypeLike | None = None, device: str | None = None) -> Tensor:
    """Return a tensor of zeros, float32 unless another type is named."""
    return full(shape, 0, dtype=dtype or DEFAULT_FLOAT, device=device)


def ones(shape: int | Sequence[int], *, dtype: DTypeLike | None = None, device: str | None = None) -> Tensor:
    """Return a tensor of ones, float32 unless another type is named."""
    return full(shape, 1, dtype=dtype or DEFAULT_FLOAT, device=device)


def empty(shape: int | Sequence[int], *, dtype: DTypeLike | None = None, device: str | None = None) -> Tensor:
    """Return a tensor whose values are not to be relied on; here they are zero."""
    return zeros(shape, dtype=dtype, device=device)


def full_like(x: Tensor, /, fill_value: Scalar, *, dtype: DTypeLike | None = None, device: str | None = None) -> Tensor:
    """Return a tensor of the shape, type and device of ``x``, filled with ``fill_value``."""
    x = tensor("full_like", x)
    return full(x.shape, fill_value, dtype=dtype or x.dtype, device=device or x.device)


def zeros_like(x: Tensor, /, *, dtype: DTypeLike | None = None, device: str | None = None) -> Tensor:
    """Return zeros of the shape, type and device of ``x``."""
    return full_like(x, 0, dtype=dtype, device=device)


def ones_like(x: Tensor, /, *, dtype: DTypeLike | None = None, device: str | None = None) -> Tensor:
    """Return ones of the shape, type and device of ``x``."""
    return full_like(x, 1, dtype=dtype, device=device)


def empty_like(x: Tensor, /, *, dtype: DTypeLike | None = None, device: str | None = None) -> Tensor:
    """Return a tensor like ``x`` whose values are not to be relied on; here they are zero."""
    return zeros_like(x, dtype=dtype, device=device)


def _from_numpy(array: Any, dtype: DType, device: str | None) -> Tensor:
    backend = get_backend(device)
    return Tensor(quietly(backend.from_numpy, array, dtype), backend)


def arange(
    start: int | float,
    /,
    stop: int | float | None = None,
    step: int | float = 1,
    *,
    dtype: DTypeLike | None = None,
    device: str | None = None,
) -> Tensor:
    """Return numbers from ``start`` (0 when only one is given) up to but not including ``stop``, ``step`` apart.

    Examples
    --------
    >>> import lamina as la
    >>> la.arange(1, 10, 3)
    Tensor([1, 4, 7], shape=[3], dtype=int64)
    """
    first, last = (0, start) if stop is None else (start, stop)
    if step == 0:
        raise ShapeError("arange: step is 0, which never arrives; use a step towards stop")
    integers = all(isinstance(value, int) for value in (first, last, step))
    wanted = scalar_default(0 if integers else 0.0) if dtype is None else as_dtype(dtype)
    if integers:
        values = np.arange(first, last, step)
    else:
        count = max(0, math.ceil((last - first) / step))
        values = first + step * np.arange(count, dtype=np.float64)
    return _from_numpy(values, wanted, device)


def linspace(
    start: int | float,
    stop: int | float,
    /,
    num: int,
    *,
    dtype: DTypeLike | None = None,
    device: str | None = None,
    endpoint: bool = True,
) -> Tensor:
    """Return ``num`` evenly spaced numbers from ``start`` to ``stop``, that included unless ``endpoint`` is false.

    Examples
    --------
    >>> import lamina as la
    >>> la.linspace(0.0, 1.0, 5)
    Tensor([0.  , 0.25, 0.5 , 0.75, 1.  ], shape=[5], dtype=float32)
    """
    wanted = DEFAULT_FLOAT if dtype is None else as_dtype(dtype)
    count = _point_count(num)
    return _from_numpy(np.linspace(start, stop, count, endpoint=endpoint, dtype=np.float64), wanted, device)


def _point_count(num: Any) -> int:
    try:
        count = operator.index(num)
    except TypeError as error:
        raise DTypeError(f"linspace: num is {num!r}; it is how many numbers to give, an integer from 0") from error
    if count < 0:
        raise DataError(f"linspace: num is {num}; it is how many numbers to give, an integer from 0")
    return count


def eye(
    n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: DTypeLike | None = None, device: str | None = None
) -> Tensor:
    """Return a matrix with ones on the ``k``-th diagonal and zeros elsewhere."""
    wanted = DEFAULT_FLOAT if dtype is None else as_dtype(dtype)
    rows, columns = new_shape("eye", (n_rows, n_rows if n_cols is None else n_cols))
    return _from_numpy(np.eye(rows, columns, operator.index(k)), wanted, device)


def _triangle(x: Tensor, keep: npt.NDArray[np.bool_]) -> Tensor:
    mask = x._constant(keep, bool_)
    return where(broadcast_to(mask, x.shape), x, x._full((), 0))


def tril(x: Tensor, /, *, k: int = 0) -> Tensor:
    """Return matrices with zeros above the ``k``-th diagonal."""
    rows, columns = _matrix_shape("tril", x)
    return _triangle(x, np.tri(rows, columns, operator.index(k), dtype=bool))


def triu(x: Tensor, /, *, k: int = 0) -> Tensor:
    """Return matrices with zeros below the ``k``-th diagonal."""
    rows, columns = _matrix_shape("triu", x)
    return _triangle(x, ~np.tri(rows, columns, operator.index(k) - 1, dtype=bool))


def _matrix_shape(name: str, x: Tensor) -> tuple[int, int]:
    shape = tensor(name, x).shape
    if len(shape) < 2:
        raise ShapeError(f"{name}: expected at least two axes, got shape {list(shape)}")
    return shape[-2], shape[-1]


def meshgrid(*arrays: Tensor, indexing: Literal["xy", "ij"] = "xy") -> list[Tensor]:
    """Return coordinate tensors of the grid that vectors of coordinates span.

    ``"ij"`` gives axes in the order of the vectors; ``"xy"`` exchanges the first two.

    Examples
    --------
    >>> import lamina as la
    >>> x, y = la.meshgrid(la.asarray([1, 2, 3]), la.asarray([10, 20]))
    >>> (x + y).tolist()
    [[11, 12, 13], [21, 22, 23]]
    """
    if indexing not in ("xy", "ij"):
        raise DataError(f'meshgrid: indexing must be "xy" or "ij", got {indexing!r}')
    vectors = [tensor("meshgrid", x) for x in arrays]
    if len({x.dtype for x in vectors}) > 1 or any(x.ndim != 1 for x in vectors):
        given = ", ".join(f"{x.dtype.name}{list(x.shape)}" for x in vectors)
        raise ShapeError(f"meshgrid: expected vectors of one type, got {given}")
    order = list(range(len(vectors)))
    if indexing == "xy" and len(order) > 1:
        order[:2] = [1, 0]
    sizes = tuple(vectors[at].size for at in order)
    lines = [
        x.reshape(tuple(x.size if order[at] == position else 1 for at in range(len(order))))
        for position, x in enumerate(vectors)
    ]
    return [broadcast_to(line, sizes) for line in lines]
