"""Sequences of different lengths in one batch: padded to the longest, or packed without padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lamina.dtypes import int64
from lamina.errors import DataError, ShapeError, TracingError
from lamina.functions.creation import asarray
from lamina.functions.indexing import take
from lamina.functions.manipulation import broadcast_to, concat, permute_dims, reshape, stack
from lamina.functions.operands import fill_value, tensor
from lamina.tensor import Tensor

Lengths = Sequence[int] | Tensor
Indices = npt.NDArray[np.int64]


class PackedSequence(NamedTuple):
    """Sequences of different lengths without padding: all their first elements, then all second ones, and so on.

    Made by `pack_padded_sequence`; recurrent layers take and return it. All but ``data`` are Python numbers, so
    inside of a compiled function the lengths are fixed.

    Attributes
    ----------
    data : Tensor of shape [sum of lengths, ...]
    batch_sizes : tuple of int
        How many sequences have an element at each time.
    sorted_indices : tuple of int or None
        The sequences from the longest to the shortest, as they are packed; None if they came in that order.
    unsorted_indices : tuple of int or None
        The place of each sequence among these.
    """

    data: Tensor
    batch_sizes: tuple[int, ...]
    sorted_indices: tuple[int, ...] | None = None
    unsorted_indices: tuple[int, ...] | None = None

    @property
    def lengths(self) -> tuple[int, ...]:
        """The length of each sequence, in the order in which they came."""
        sizes = np.asarray(self.batch_sizes)
        packed = (sizes[None, :] > np.arange(sizes[0])[:, None]).sum(axis=1)
        return tuple(packed[list(self.unsorted_indices or range(len(packed)))].tolist())


def pack_padded_sequence(
    input: Tensor, lengths: Lengths, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Return padded sequences without their padding.

    Parameters
    ----------
    input : Tensor of shape [T, B, ...]
        Or [B, T, ...] with ``batch_first``.
    lengths : sequence of int, or Tensor
        Of each of the B sequences, from 1 to T. The values must be known, so they cannot be traced; where they are,
        recurrent layers take the padded sequences with ``lengths=``.
    batch_first : bool, default False
    enforce_sorted : bool, default True
        Whether to demand that lengths do not increase. Without, the sequences are packed in such an order, and
        come back in their own.

    Raises
    ------
    DataError
        When a length is not from 1 to T, or lengths increase.
    ShapeError
        When there is not one length for each sequence.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> padded = la.asarray([[1, 2, 3], [4, 0, 0]])
    >>> packed = nn.pack_padded_sequence(padded, [3, 1], batch_first=True)
    >>> packed.data, packed.batch_sizes
    (Tensor([1, 4, 2, 3], shape=[4], dtype=int64), (2, 1, 1))
    """
    x = time_first(tensor("pack_padded_sequence", input), batch_first)
    counts = _counts("pack_padded_sequence", lengths)
    if x.ndim < 2 or counts.shape != x.shape[1:2]:
        raise ShapeError(
            f"pack_padded_sequence: {len(counts)} lengths for an input of shape {list(input.shape)}; give one for each "
            "sequence of the batch"
        )
    if counts.size == 0 or counts.min() < 1 or counts.max() > x.shape[0]:
        raise DataError(f"pack_padded_sequence: lengths must be from 1 to {x.shape[0]}, got {counts.tolist()}")
    if enforce_sorted and (np.diff(counts) > 0).any():
        raise DataError(
            f"pack_padded_sequence: lengths must not increase, got {counts.tolist()}; sort the batch by length, or "
            "pass enforce_sorted=False"
        )
    order = np.arange(counts.size) if enforce_sorted else np.argsort(-counts, kind="stable")
    sizes = (counts[None, :] > np.arange(counts.max())[:, None]).sum(axis=1)
    rows = np.concatenate([t * x.shape[1] + order[:size] for t, size in enumerate(sizes)])
    data = take(reshape(x, (-1, *x.shape[2:])), _constant(x, rows), axis=0)
    arrangement = (None, None) if enforce_sorted else (tuple(order.tolist()), tuple(np.argsort(order).tolist()))
    return PackedSequence(data, tuple(sizes.tolist()), *arrangement)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return packed sequences with padding, and their lengths: what `pack_padded_sequence` undoes.

    Parameters
    ----------
    sequence : PackedSequence
    batch_first : bool, default False
    padding_value : float, default 0.0
    total_length : int, optional
        How long to make them; as long as the longest by default.

    Returns
    -------
    padded : Tensor of shape [T, B, ...]
        Or [B, T, ...] with ``batch_first``.
    lengths : Tensor of int64, shape [B]

    Raises
    ------
    DataError
        When ``total_length`` is shorter than a sequence.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> packed = nn.pack_padded_sequence(la.asarray([[1.0, 2.0], [3.0, 9.0]]), [2, 1], batch_first=True)
    >>> nn.pad_packed_sequence(packed, batch_first=True)
    (Tensor([[1., 2.],
            [3., 0.]], shape=[2, 2], dtype=float32), Tensor([2, 1], shape=[2], dtype=int64))
    """
    sizes = sequence.batch_sizes
    steps = len(sizes) if total_length is None else total_length
    if steps < len(sizes):
        raise DataError(f"pad_packed_sequence: total_length={total_length} is shorter than the longest, {len(sizes)}")
    data = tensor("pad_packed_sequence", sequence.data)
    # The row after the last is the padding.
    rows = np.full((steps, sizes[0]), sum(sizes))
    for t, (first, size) in enumerate(zip(np.cumsum((0, *sizes)), sizes, strict=False)):
        rows[t, :size] = first + np.arange(size)
    if sequence.unsorted_indices is not None:
        rows = rows[:, list(sequence.unsorted_indices)]
    padding = _padding("pad_packed_sequence", data, 1, padding_value)
    flat = take(concat((data, padding), axis=0), _constant(data, rows.reshape(-1)), axis=0)
    padded = reshape(flat, (steps, sizes[0], *data.shape[1:]))
    return time_first(padded, batch_first), asarray(np.asarray(sequence.lengths, np.int64), device=data.device)


def pack_again(padded: Tensor, like: PackedSequence) -> PackedSequence:
    """Return padded sequences [T, B, ...] in the arrangement of packed ones of the same lengths."""
    packed = pack_padded_sequence(padded, like.lengths, enforce_sorted=like.sorted_indices is None)
    return like._replace(data=packed.data)


def pad_sequence(sequences: Sequence[Tensor], batch_first: bool = False, padding_value: float = 0.0) -> Tensor:
    """Return sequences of shapes [length, ...] as one tensor [T, B, ...], each padded to the longest.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.pad_sequence([la.asarray([1, 2]), la.asarray([3])], batch_first=True)
    Tensor([[1, 2],
            [3, 0]], shape=[2, 2], dtype=int64)
    """
    given = [tensor("pad_sequence", x) for x in sequences]
    if not given or any(x.ndim == 0 or x.shape[1:] != given[0].shape[1:] for x in given):
        shapes = ", ".join(str(list(x.shape)) for x in given) or "none"
        raise ShapeError(f"pad_sequence: expected sequences that differ in their first axis only, got shapes {shapes}")
    steps = max(x.shape[0] for x in given)
    whole = []
    for x in given:
        padding = _padding("pad_sequence", x, steps - x.shape[0], padding_value)
        whole.append(concat((x, padding), axis=0))
    return stack(whole, axis=0 if batch_first else 1)


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Return sequences of shapes [length, ...] packed, as `pack_padded_sequence` does with padded ones.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.pack_sequence([la.asarray([1, 2]), la.asarray([3])]).data
    Tensor([1, 3, 2], shape=[3], dtype=int64)
    """
    padded = pad_sequence(sequences)
    return pack_padded_sequence(padded, [x.shape[0] for x in sequences], enforce_sorted=enforce_sorted)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Sequence[int] | Tensor, batch_first: bool = False
) -> list[Tensor]:
    """Return the sequences that `pad_sequence` has put together, each of its own length.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.unpad_sequence(la.asarray([[1, 2], [3, 0]]), [2, 1], batch_first=True)
    [Tensor([1, 2], shape=[2], dtype=int64), Tensor([3], shape=[1], dtype=int64)]
    """
    x, counts = time_first(tensor("unpad_sequence", padded_sequences), batch_first), _counts("unpad_sequence", lengths)
    if x.ndim < 2 or counts.shape != x.shape[1:2]:
        raise ShapeError(
            f"unpad_sequence: {len(counts)} lengths for an input of shape {list(padded_sequences.shape)}; give one for "
            "each sequence"
        )
    if np.any(counts < 0) or np.any(counts > x.shape[0]):
        raise DataError(f"unpad_sequence: lengths must be from 0 to {x.shape[0]}, got {counts.tolist()}")
    return [x[: int(count), at] for at, count in enumerate(counts)]


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """Return the sequences that `pack_sequence` has packed.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.unpack_sequence(nn.pack_sequence([la.asarray([1, 2]), la.asarray([3])]))
    [Tensor([1, 2], shape=[2], dtype=int64), Tensor([3], shape=[1], dtype=int64)]
    """
    return unpad_sequence(*pad_packed_sequence(packed_sequences))


def time_first(x: Tensor, batch_first: bool) -> Tensor:
    """Return ``x`` with its first two axes exchanged, if the batch comes first in it."""
    return permute_dims(x, (1, 0, *range(2, x.ndim))) if batch_first and x.ndim >= 2 else x


def _counts(name: str, lengths: Any) -> Indices:
    if isinstance(lengths, Tensor):
        if not lengths._snapshot._backend.has_values:
            raise TracingError(
                f"{name}: the lengths are traced, and packing needs their values; recurrent layers take the padded "
                "sequences with traced lengths, rnn(x, lengths=lengths), or pass Python numbers, for each of which the "
                "function is traced"
            )
        lengths = lengths.numpy()
    values = np.asarray(lengths)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise DataError(f"{name}: expected one integer for each sequence as lengths, got {values.tolist()!r}")
    return values.astype(np.int64)


def _padding(name: str, x: Tensor, length: int, value: float) -> Tensor:
    """Return elements of sequences, all of one number; 0.0 serves integers too."""
    number = int(value) if x.dtype.integral and float(value).is_integer() else value
    return broadcast_to(fill_value(name, x, number), (length, *x.shape[1:]))


def _constant(x: Tensor, rows: Indices) -> Tensor:
    return x._constant(rows, int64)
