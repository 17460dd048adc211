"""`Stream`: what `fit` asks of data that do not fit into memory, and how pieces of a file are dealt out shuffled.

A file is read in pieces of neighbouring rows, because reading single rows is slow. The pieces come in a random order;
a window of several pieces is held in memory, and its rows are drawn in a random order. Every draw is addressed by
seed, epoch and window (Philox counts, it does not iterate), so that any batch of any epoch can be found without
dealing out those before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from lamina.errors import DataError

Array = npt.NDArray[Any]
Rows = npt.NDArray[np.int64]
Pair = tuple[Array, Array]

# About so many bytes of encoded rows are held in a window. While one is dealt out, the next one is read.
WINDOW_BYTES = 64 << 20
MOST_WINDOW_ROWS = 1 << 18


@runtime_checkable
class Stream(Protocol):
    """Samples that come in batches, in a new order each epoch.

    Attributes
    ----------
    name : str
        What to call it in messages.
    input_shape : tuple of int
        The shape of one sample's inputs.

    Examples
    --------
    >>> import numpy as np
    >>> from lamina.data import ArrayStream, Stream
    >>> stream = ArrayStream(np.zeros((10, 3), np.float32), np.zeros(10, np.int64))
    >>> isinstance(stream, Stream), len(stream), stream.input_shape
    (True, 10, (3,))
    """

    name: str

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one sample's inputs."""

    def __len__(self) -> int:
        """Return the number of samples."""

    def batches(self, batch_size: int, *, seed: int | None, epoch: int, start: int = 0) -> Iterator[Pair]:
        """Yield ``(inputs, targets)`` of ``batch_size`` samples and, last, of what is left.

        Parameters
        ----------
        batch_size : int
        seed : int or None
            The order is the same for the same seed and epoch; with None it is that of the data.
        epoch : int
            From 0.
        start : int, default 0
            How many batches to pass over, as a training does that goes on in the middle of an epoch.
        """


def check_counts(batch_size: int, seed: int | None, epoch: int, start: int) -> None:
    """Refuse arguments of `Stream.batches` that count nothing."""
    if batch_size < 1 or start < 0 or epoch < 0 or (seed is not None and seed < 0):
        raise DataError(
            f"batches: batch_size={batch_size} counts from 1, start={start}, epoch={epoch} and seed={seed} from 0"
        )


def deal(
    sizes: Sequence[int],
    read: Callable[[int], Pair],
    window_rows: int,
    batch_size: int,
    *,
    seed: int | None,
    epoch: int,
    start: int,
) -> Iterator[Pair]:
    """Yield the rows of pieces in batches.

    Parameters
    ----------
    sizes : sequence of int
        How many rows each piece has.
    read : callable
        Returns inputs and targets of the piece of this number.
    window_rows : int
        Pieces are held in memory, and their rows mixed, until there are so many.
    batch_size, seed, epoch, start
        As in `Stream.batches`.
    """
    check_counts(batch_size, seed, epoch, start)
    windows = _windows(sizes, window_rows, seed, epoch)
    first, skip = _position(sizes, windows, start * batch_size)
    held: list[Pair] = []
    lacking = batch_size
    with ThreadPoolExecutor(1, thread_name_prefix="lamina-stream") as pool:
        ahead = [pool.submit(_read, windows[first], read)] if first < len(windows) else []
        try:
            for number in range(first, len(windows)):
                inputs, targets = ahead.pop().result()
                if number + 1 < len(windows):
                    ahead.append(pool.submit(_read, windows[number + 1], read))
                order = _order(len(inputs), seed, epoch, number)
                while skip < len(order):
                    rows = order[skip : skip + lacking]
                    held.append((np.take(inputs, rows, axis=0), np.take(targets, rows, axis=0)))
                    skip += len(rows)
                    lacking -= len(rows)
                    if not lacking:
                        yield _joined(held)
                        held, lacking = [], batch_size
                skip = 0
                del inputs, targets
        finally:
            for reading in ahead:
                reading.cancel()
    if held:
        yield _joined(held)


def _windows(sizes: Sequence[int], window_rows: int, seed: int | None, epoch: int) -> list[list[int]]:
    """Return the numbers of the pieces in each window."""
    pieces = np.flatnonzero(sizes)
    if seed is not None:
        pieces = addressed(seed, epoch, 0).permutation(pieces)
    windows: list[list[int]] = []
    rows = window_rows
    for piece in pieces.tolist():
        if rows >= window_rows:
            windows.append([])
            rows = 0
        windows[-1].append(piece)
        rows += sizes[piece]
    return windows


def _position(sizes: Sequence[int], windows: list[list[int]], rows: int) -> tuple[int, int]:
    """Return the window in which a row lies, counted from the first one dealt out, and its place there."""
    for number, window in enumerate(windows):
        count = sum(sizes[piece] for piece in window)
        if rows < count:
            return number, rows
        rows -= count
    return len(windows), 0


def _read(window: list[int], read: Callable[[int], Pair]) -> Pair:
    return _joined([read(piece) for piece in window])


def _joined(pairs: list[Pair]) -> Pair:
    if len(pairs) == 1:
        return pairs[0]
    return np.concatenate([inputs for inputs, _ in pairs]), np.concatenate([targets for _, targets in pairs])


def _order(rows: int, seed: int | None, epoch: int, window: int) -> Any:
    return np.arange(rows) if seed is None else addressed(seed, epoch, window + 1).permutation(rows)


def addressed(seed: int, epoch: int, draw: int, sample: int = 0) -> np.random.Generator:
    """Return the generator of a draw, or of a sample within it."""
    # The upper words of the counter leave each of them 2^128 numbers before it meets the next one.
    key = np.array([seed % 2**64, epoch], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=np.array([0, 0, sample, draw], dtype=np.uint64)))
