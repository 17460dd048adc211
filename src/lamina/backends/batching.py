"""A backend around a backend: what `lamina.vmap` computes with.

Its arrays are seen without the axis that is mapped over, and hold it in front: one of shape [3] that differs from
call to call is an array [size, 3] of the backend inside, one that does not is [3] there too. Every operation of the
protocol is expressed by operations of the backend inside, which may be a tracer's, or such a wrapper again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina.backends.elementwise import Elementwise
from lamina.backends.protocol import Array, Backend, NDArray, Shape
from lamina.backends.thread_state import quietly
from lamina.dtypes import DType, int64
from lamina.errors import TracingError

Inner = Callable[..., Any]
Params = dict[str, Any]


class Batched:
    """An array of the backend inside, with or without an axis in front for the calls.

    Attributes
    ----------
    shape : tuple of int
        As one call sees it.
    """

    __slots__ = ("data", "dtype", "is_mapped", "shape")

    def __init__(self, data: Array, is_mapped: bool) -> None:
        self.data = data
        self.dtype = data.dtype
        self.is_mapped = is_mapped
        self.shape: Shape = data.shape[1:] if is_mapped else data.shape


class BatchedProduct(Batched):
    """A product of matrices in every call, computed when it is looked at: often only the sum over the calls is.

    That is one product, and what the gradient of a matrix is that all calls share.
    """

    __slots__ = ("_each", "_factors", "_found", "_inner")

    def __init__(self, inner: Inner, each: Inner, a: Array, b: Array) -> None:
        self._inner, self._each, self._factors, self._found = inner, each, (a, b), None
        self.dtype = a.dtype
        self.is_mapped = True
        self.shape = (a.shape[1], b.shape[2])

    @property
    def data(self) -> Array:
        """The products, with the axis of the calls in front."""
        if self._found is None:
            self._found = quietly(self._each, *self._factors)
        return self._found

    def sum(self, batch: BatchingBackend) -> Array:
        """Return the sum of the products."""
        a, b = self._factors
        return quietly(self._inner, batch.joined(batch.moved(a, 0, 1), 1), batch.joined(b, 0))


def core(data: Any) -> Array:
    """Return the array inside of all."""
    while isinstance(data, Batched):
        data = data.data
    return data


def around(data: Any, inside: Array) -> Any:
    """Return an array like ``data``, with another one inside of all."""
    return Batched(around(data.data, inside), data.is_mapped) if isinstance(data, Batched) else inside


class Level:
    """One call of a mapped function.

    Parameters
    ----------
    size : int
        How many calls of the function it stands for.
    randomness : str
        What random numbers are; see `lamina.vmap`.
    """

    def __init__(self, size: int, randomness: str) -> None:
        self.size = size
        self.randomness = randomness
        self._over: dict[Backend, BatchingBackend] = {}

    def over(self, inner: Any) -> BatchingBackend:
        """Return the backend of this level around another one, always the same."""
        found = self._over.get(inner)
        if found is None:
            found = self._over[inner] = BatchingBackend(self, inner)
        return found


class BatchingBackend:
    """A `lamina.backends.protocol.Backend` whose arrays may have one axis more than one sees.

    Attributes
    ----------
    level : Level
    inner, base : Backend
        That inside, and the one inside of all.
    depth : int
        How many such backends there are, one inside another.
    """

    has_values = False

    def __init__(self, level: Level, inner: Any) -> None:
        self.level, self.inner = level, inner
        self.base: Any = inner.base if inner.__class__ is BatchingBackend else inner
        self.size = level.size
        self.name: str = inner.name
        self.dtypes: frozenset[DType] = inner.dtypes
        self.depth: int = 1 + (inner.depth if inner.__class__ is BatchingBackend else 0)
        self.scalars: dict[Any, Any] = {}

    def __getattr__(self, operation: str) -> Mapped:
        rule = RULES.get(operation)
        if rule is None:
            raise AttributeError(f"the batching backend has no operation {operation!r}")
        mapped = Mapped(self, operation, rule)
        setattr(self, operation, mapped)
        return mapped

    def from_numpy(self, array: NDArray, dtype: DType) -> Batched:
        """Return values that are the same in all calls."""
        return Batched(self.inner.from_numpy(array, dtype), False)

    def full(self, shape: Shape, value: bool | int | float, dtype: DType) -> Batched:
        """Return one number everywhere."""
        return Batched(self.inner.full(shape, value, dtype), False)

    def dtype_of(self, array: Batched) -> DType:
        """Return the type of an array."""
        return self.inner.dtype_of(array.data)  # type: ignore[no-any-return]

    def to_numpy(self, array: Batched) -> NDArray:
        """Return the values, if they are the same in all calls."""
        if not array.is_mapped:
            return self.inner.to_numpy(array.data)  # type: ignore[no-any-return]
        raise TracingError(
            f"vmap: a tensor of shape {list(array.shape)} has {self.size} values, one for each call, where the "
            "function needs one; choose between values with la.where, between computations with la.cond, and return "
            "what you want to look at"
        )

    def nonzero(self, x: Batched) -> tuple[Batched, ...]:
        """Raise a TracingError unless the values are the same in all calls: how many there are depends on them."""
        if not x.is_mapped:
            return tuple(Batched(places, False) for places in self.inner.nonzero(x.data))
        raise TracingError(
            f"vmap: nonzero of a tensor of shape {list(x.shape)} has another length in each of {self.size} calls; keep "
            "the shape, as with la.where"
        )

    # --- what rules are made of ---

    def aligned(self, x: Batched, ndim: int) -> Array:
        """Return an array so that it broadcasts against others that have up to ``ndim`` axes in one call."""
        missing = ndim - len(x.shape)
        if not x.is_mapped or missing <= 0:
            return x.data
        return self.inner.reshape(x.data, shape=(self.size, *[1] * missing, *x.shape))

    def all_of(self, x: Batched) -> Array:
        """Return an array of the backend inside that has the axis in front, also where all calls are alike."""
        return x.data if x.is_mapped else self.inner.broadcast_to(x.data, shape=(self.size, *x.shape))

    def one_of(self, x: Batched, call: int) -> Array:
        """Return what one call has."""
        if not x.is_mapped:
            return x.data
        rest = len(x.shape)
        cut = self.inner.slice(x.data, start=(call, *[0] * rest), stop=(call + 1, *x.shape), step=(1,) * (rest + 1))
        return self.inner.reshape(cut, shape=x.shape)

    def moved(self, data: Array, source: int, goal: int) -> Array:
        """Return an array with one axis somewhere else."""
        order = [axis for axis in range(len(data.shape)) if axis != source]
        order.insert(goal, source)
        return data if source == goal else self.inner.permute_dims(data, axes=tuple(order))

    def joined(self, data: Array, axis: int) -> Array:
        """Return an array with an axis and the next one as one."""
        shape = data.shape
        return self.inner.reshape(data, shape=(*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :]))

    def parted(self, data: Array, axis: int, first: int) -> Array:
        """Return an array with an axis as two, the first of which has this length."""
        shape = data.shape
        return self.inner.reshape(
            data, shape=(*shape[:axis], first, shape[axis] // first if first else 0, *shape[axis + 1 :])
        )

    def starts(self, length: int, ndim: int) -> Array:
        """Return where each call's part begins where all are one after another, with ``ndim`` axes."""
        first = np.arange(self.size).reshape(self.size, *[1] * (ndim - 1)) * length
        return self.inner.from_numpy(first, int64)

    def places(self, indices: Batched, length: int) -> Array:
        """Return indices into an axis of every call as those into all calls' axes, one after another.

        The first step looks at them: it counts negative ones from the end, and refuses those out of range.
        """
        numbers = self.inner.from_numpy(np.arange(length), int64)
        found = self.inner.take(numbers, indices.data, axis=0)
        return self.inner.add(found, self.starts(length, len(found.shape)))

    def __repr__(self) -> str:
        return f"<{self.size} calls on {self.inner!r}>"


class Mapped:
    """An operation as the batching backend has it."""

    __slots__ = ("_backend", "_name", "_rule")

    def __init__(self, backend: BatchingBackend, name: str, rule: Rule) -> None:
        self._backend, self._name, self._rule = backend, name, rule

    def __call__(self, *arrays: Any, **params: Any) -> Any:
        if self._name == "item":
            return arrays[0][params["index"]]
        inner = getattr(self._backend.inner, self._name)
        is_mapped = any(x.is_mapped for x in arrays)
        if is_mapped:
            found = self._rule(self._backend, inner, arrays, params)
        else:
            found = inner(*[x.data for x in arrays], **params)
        if isinstance(found, tuple):
            return tuple([Batched(each, is_mapped) for each in found])
        return found if found.__class__ is BatchedProduct else Batched(found, is_mapped)


# From the backend, the operation inside, arrays of which some are mapped, and parameters, to an array with the axis.
Rule = Callable[[BatchingBackend, Inner, Sequence[Batched], Params], Any]


def _elementwise(batch: BatchingBackend, inner: Inner, arrays: Sequence[Batched], params: Params) -> Any:
    """Operands broadcast in one call; the axis stands before all of their axes."""
    if len(arrays) == 1:
        return inner(arrays[0].data, **params)
    ndim = max([len(x.shape) for x in arrays])
    return inner(*[batch.aligned(x, ndim) for x in arrays], **params)


def _batch_of_matrices(batch: BatchingBackend, inner: Inner, arrays: Sequence[Batched], params: Params) -> Any:
    """Axes are counted from the end."""
    return inner(arrays[0].data, **params)


def _along_axes(batch: BatchingBackend, inner: Inner, arrays: Sequence[Batched], params: Params) -> Any:
    """Axes are one further back, and all operands have the new one."""
    moved = {
        name: value + 1 if name == "axis" else tuple([axis + 1 for axis in value]) if name == "axes" else value
        for name, value in params.items()
    }
    return inner(*[batch.all_of(x) for x in arrays], **moved)


def _axis_by_axis(batch: BatchingBackend, inner: Inner, arrays: Sequence[Batched], params: Params) -> Any:
    """Parameters have a number for each axis, and so one more."""
    first = {"shape": batch.size, "start": 0, "stop": batch.size, "step": 1, "low": 0, "high": 0, "interior": 0}
    longer = {name: (first[name], *value) if name in first else value for name, value in params.items()}
    return inner(arrays[0].data, **longer)


def _permute_dims(batch: BatchingBackend, inner: Inner, arrays: Sequence[Batched], params: Params) -> Any:
    return inner(arrays[0].data, axes=(0, *[axis + 1 for axis in params["axes"]]))


def _broadcast_to(batch: BatchingBackend, inner: Inner, arrays: Sequence[Batched], params: Params) -> Any:
    shape = params["shape"]
    return inner(batch.aligned(arrays[0], len(shape)), shape=(batch.size, *shape))


def _product(batch: BatchingBackend, inner: Inner, arrays: Sequence[Batched], params: Params) -> Any:
    """Batches of products; one product of all rows where the second matrix is the same in all calls."""
    a, b = arrays
    if a.is_mapped and not b.is_mapped and len(b.shape) == 2 and len(a.shape) >= 2:
        rows = batch.inner.reshape(a.data, shape=(math.prod(a.data.shape[:-1]), a.shape[-1]))
        return batch.inner.reshape(inner(rows, b.data), shape=(*a.data.shape[:-1], b.shape[-1]))
    if a.is_mapped and b.is_mapped and len(a.shape) == len(b.shape) == 2 and a.shape[1] == b.shape[0]:
        # Libraries multiply many small matrices one after the other; a column and a row need no product of matrices.
        outer = b.shape[0] == 1 and batch.base.has_values and inner == batch.inner.matmul
        return BatchedProduct(inner, batch.inner.multiply if outer else inner, a.data, b.data)
    return _elementwise(batch, inner, arrays, params)


def _take(batch: BatchingBackend, inner: Inner, arrays: Sequence[Batched], params: Params) -> Any:
    x, indices, axis = arrays[0], arrays[1], params["axis"]
    if not indices.is_mapped:
        return inner(x.data, indices.data, axis=axis + 1)
    if not x.is_mapped:
        return batch.moved(inner(x.data, indices.data, axis=axis), axis, 0)
    lines = batch.joined(batch.moved(x.data, axis + 1, 1), 0)
    taken = inner(lines, batch.places(indices, x.shape[axis]), axis=0)
    first, count = 1 + len(indices.shape), len(taken.shape)
    order = (0, *range(first, first + axis), *range(1, first), *range(first + axis, count))
    return batch.inner.permute_dims(taken, axes=order)


def _scatter(batch: BatchingBackend, inner: Inner, arrays: Sequence[Batched], params: Params) -> Any:
    values, indices, axis, size = arrays[0], arrays[1], params["axis"], params["size"]
    if not indices.is_mapped:
        return inner(values.data, indices.data, axis=axis + 1, size=size)
    data = batch.all_of(values)
    behind = 1 + axis + len(indices.shape)
    order = (0, *range(1 + axis, behind), *range(1, 1 + axis), *range(behind, len(data.shape)))
    lines = batch.inner.permute_dims(data, axes=order)
    found = inner(lines, batch.places(indices, size), axis=0, size=batch.size * size)
    return batch.moved(batch.parted(found, 0, batch.size), 1, 1 + axis)


def _put_rows(batch: BatchingBackend, inner: Inner, arrays: Sequence[Batched], params: Params) -> Any:
    """An index that is no row's in its call must not become a row of the next one."""
    use = batch.inner
    data, rows, indices = (batch.all_of(x) for x in arrays)
    length = data.shape[1]
    found = use.astype(indices, dtype=int64)
    low, high = (use.full((), bound, int64) for bound in (0, length))
    inside = use.bitwise_and(use.less_equal(low, found), use.less(found, high))
    nowhere = use.full((), batch.size * length, int64)
    found = use.where(inside, use.add(found, batch.starts(length, 2)), nowhere)
    put = inner(batch.joined(data, 0), batch.joined(rows, 0), batch.joined(found, 0))
    return use.reshape(put, shape=data.shape)


def _convolution(batch: BatchingBackend, inner: Inner, arrays: Sequence[Batched], params: Params) -> Any:
    """Inputs are more of a batch, weights are more outputs, and both are more groups."""
    (x, w), groups, size = arrays, params["groups"], batch.size
    if not w.is_mapped:
        return batch.parted(inner(batch.joined(x.data, 0), w.data, **params), 0, size)
    if x.is_mapped:
        channels = batch.joined(batch.moved(x.data, 0, 1), 1)
        found = inner(channels, batch.joined(w.data, 0), **{**params, "groups": groups * size})
        return batch.moved(batch.parted(found, 1, size), 1, 0)
    # Outputs of a group stand together: [groups, calls, outputs of a group].
    weights = batch.joined(batch.joined(batch.moved(batch.parted(w.data, 1, groups), 0, 1), 0), 0)
    found = batch.parted(batch.parted(inner(x.data, weights, **params), 1, groups), 2, size)
    return batch.joined(batch.moved(found, 2, 0), 2)


def _searchsorted(batch: BatchingBackend, inner: Inner, arrays: Sequence[Batched], params: Params) -> Any:
    if arrays[0].is_mapped:
        return _one_by_one(batch, inner, arrays, params)
    return inner(arrays[0].data, arrays[1].data, **params)


def _one_by_one(batch: BatchingBackend, inner: Inner, arrays: Sequence[Batched], params: Params) -> Any:
    """Return the results of a loop over the calls, for what takes one at a time."""
    use = batch.inner
    if batch.size == 0:
        one = inner(*[use.full(x.shape, 0, batch.dtype_of(x)) for x in arrays], **params)
        return use.full((0, *one.shape), 0, use.dtype_of(one))
    found = [inner(*[batch.one_of(x, call) for x in arrays], **params) for call in range(batch.size)]
    return use.concat(*[use.reshape(each, shape=(1, *each.shape)) for each in found], axis=0)


RULES: dict[str, Rule] = {
    **dict.fromkeys([name for name in vars(Elementwise) if not name.startswith("_")], _elementwise),
    **dict.fromkeys(["astype", "alias", "item", "solve", "solve_triangular"], _elementwise),
    **dict.fromkeys(["sum", "prod", "max", "min", "any", "all", "argmax", "argmin"], _along_axes),
    **dict.fromkeys(["cumulative_sum", "cumulative_prod", "flip", "concat", "sort", "argsort"], _along_axes),
    **dict.fromkeys(["take_along_axis", "scatter_add_along_axis"], _along_axes),
    **dict.fromkeys(["reshape", "slice", "pad"], _axis_by_axis),
    **dict.fromkeys(["windows", "cholesky", "inv", "matrix_exp", "slogdet", "eigh", "qr", "svd"], _batch_of_matrices),
    **dict.fromkeys(["matmul", "matmul_bfloat16"], _product),
    "broadcast_to": _broadcast_to,
    "permute_dims": _permute_dims,
    "take": _take,
    **dict.fromkeys(["scatter_add", "scatter_max", "scatter_min"], _scatter),
    "put_rows": _put_rows,
    "convolution": _convolution,
    "searchsorted": _searchsorted,
    "random_bits": _one_by_one,
}  # fmt: skip
