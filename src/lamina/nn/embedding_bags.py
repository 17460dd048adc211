"""Sums, means and maxima of the rows of a table, without the rows one by one."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from lamina.dtypes import DTypeLike, int64
from lamina.errors import DataError, DTypeError, ShapeError
from lamina.functions.operands import cast, floating, tensor
from lamina.nn.embeddings import Embedding, embedding
from lamina.nn.init import Initializer
from lamina.nn.label_checks import require_all
from lamina.primitives.broadcasting import reshape
from lamina.primitives.elementwise import bitwise_and, equal, less, less_equal, maximum, not_equal, where
from lamina.primitives.indexing import scatter_add, searchsorted, take
from lamina.primitives.shaping import pad, part
from lamina.tensor import Tensor

Mode = Literal["sum", "mean", "max"]


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: Mode = "mean",
    sparse: bool = True,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Return the sum, the mean or the maximum of the rows of each bag of indices.

    Parameters
    ----------
    input : Tensor of integers, shape [bags, n] or [n]
        Indices: a bag in each row; or one bag after the other, beginning at ``offsets``.
    weight : Tensor of shape [rows, d]
    offsets : Tensor of integers, shape [bags], optional
        Where each bag begins; the first is 0. For an input with one axis only.
    max_norm, norm_type, scale_grad_by_freq, sparse
        As in `embedding`.
    mode : {"sum", "mean", "max"}, default "mean"
        An empty bag gives zeros.
    per_sample_weights : Tensor of the input's shape, optional
        What each row is multiplied by, for the mode ``"sum"``.
    include_last_offset : bool, default False
        Whether the last offset is where the last bag ends.
    padding_idx : int, optional
        An index that counts for nothing.

    Returns
    -------
    Tensor of shape [bags, d]

    Raises
    ------
    ShapeError, DTypeError, DataError
        When shapes or types do not fit, offsets are out of order, or there is no such mode.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> table = la.asarray([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    >>> nn.embedding_bag(la.asarray([0, 1, 2]), table, la.asarray([0, 2]), mode="sum")
    Tensor([[4., 6.],
            [5., 6.]], shape=[2, 2], dtype=float32)
    """
    name = "embedding_bag"
    input, weight = tensor(name, input), floating(name, weight)
    if mode not in ("sum", "mean", "max"):
        raise DataError(f"{name}: mode must be one of sum, mean, max, got {mode!r}")
    flat = reshape(input, shape=(input.size,))
    bag, bags = _bags(name, input, offsets, include_last_offset)
    rows = embedding(flat, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    counted = None
    if padding_idx is not None:
        counted = not_equal(flat, flat._scalar(padding_idx % weight.shape[0]))
    if per_sample_weights is not None:
        if mode != "sum":
            raise DataError(f"{name}: per_sample_weights are for mode='sum', got mode={mode!r}")
        if tensor(name, per_sample_weights).shape != input.shape:
            raise ShapeError(
                f"{name}: per_sample_weights have the shape of the input, {list(input.shape)}, "
                f"got {list(per_sample_weights.shape)}"
            )
        rows = rows * cast(reshape(per_sample_weights, shape=(flat.size, 1)), rows.dtype)
    if mode == "max":
        return _largest(rows, bag, bags, counted)
    if counted is not None:
        rows = where(reshape(counted, shape=(flat.size, 1)), rows, rows._scalar(0.0))
    total = scatter_add(rows, bag, axis=0, size=bags)
    if mode == "sum":
        return total
    ones = rows._full((flat.size,), 1) if counted is None else cast(counted, rows.dtype)
    count = scatter_add(ones, bag, axis=0, size=bags)
    return total / reshape(maximum(count, count._scalar(1.0)), shape=(bags, 1))


def _bags(name: str, input: Tensor, offsets: Tensor | None, include_last: bool) -> tuple[Tensor, int]:
    """Return which bag each index belongs to, and how many bags there are."""
    if input.ndim == 2 and offsets is None:
        bags, length = input.shape
        return input._constant(np.repeat(np.arange(bags), length), int64), bags
    if input.ndim != 1 or offsets is None:
        raise ShapeError(
            f"{name}: expected an input of shape [bags, n], or [n] with offsets; got {list(input.shape)} "
            f"{'without' if offsets is None else 'with'} offsets"
        )
    offsets, count = tensor(name, offsets), input.shape[0]
    if not offsets.dtype.integral or offsets.ndim != 1 or offsets.shape[0] <= include_last:
        raise DTypeError(f"{name}: offsets are integers of shape [bags], got {offsets.dtype.name}{list(offsets.shape)}")
    offsets, bags = cast(offsets, int64), offsets.shape[0] - include_last
    total = offsets.shape[0]
    rising = less_equal(part(offsets, 0, 0, total - 1), part(offsets, 0, 1, total))
    require_all(rising, DataError(f"{name}: offsets are in ascending order"))
    first, last = part(offsets, 0, 0, 1), part(offsets, 0, total - 1, total)
    within = bitwise_and(equal(first, first._scalar(0)), less_equal(last, last._scalar(count)))
    require_all(within, DataError(f"{name}: offsets begin with 0 and end at most at {count}"))
    places = offsets._constant(np.arange(count), int64)
    starts = part(offsets, 0, 0, bags)
    return searchsorted(starts, places, side="right") - 1, bags


def _largest(rows: Tensor, bag: Tensor, bags: int, counted: Tensor | None) -> Tensor:
    """Return the largest row of each bag, element by element: a scan in doubling steps that stops where bags end."""
    count, low = rows.shape[0], -math.inf
    if count == 0:
        return scatter_add(rows, bag, axis=0, size=bags)
    if counted is not None:
        rows = where(reshape(counted, shape=(count, 1)), rows, rows._scalar(low))
    step = 1
    while step < count:
        same = equal(part(bag, 0, step, count), part(bag, 0, 0, count - step))
        same = pad(same, low=(step,), high=(0,), interior=(0,), value=False)
        moved = pad(part(rows, 0, 0, count - step), low=(step, 0), high=(0, 0), interior=(0, 0), value=low)
        rows = maximum(rows, where(reshape(same, shape=(count, 1)), moved, rows._scalar(low)))
        step *= 2
    numbers = bag._constant(np.arange(bags), int64)
    last = searchsorted(bag, numbers, side="right") - 1
    inside = maximum(last, last._scalar(0))
    found = bitwise_and(less(last._scalar(-1), last), equal(take(bag, inside, axis=0), numbers))
    result = take(rows, inside, axis=0)
    found = bitwise_and(reshape(found, shape=(bags, 1)), not_equal(result, result._scalar(low)))
    return where(found, result, result._scalar(0.0))


class EmbeddingBag(Embedding):
    """Sums, means or maxima of rows of a table, of bags of indices; see `embedding_bag`.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
    max_norm, norm_type, scale_grad_by_freq, mode, sparse, include_last_offset, padding_idx
        As in `embedding_bag`.
    init, dtype
        As in `Embedding`.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.EmbeddingBag(10, 3, mode="sum")(la.asarray([[1, 2, 4], [4, 3, 9]])).shape
    (2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: Mode = "mean",
        sparse: bool = True,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        *,
        init: Initializer | str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(
            num_embeddings,
            embedding_dim,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            init=init,
            dtype=dtype,
        )
        self.mode: Mode = mode
        self.include_last_offset = include_last_offset

    def __call__(
        self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None
    ) -> Tensor:
        """Return a row for each bag."""
        return embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, mode={self.mode!r}"
