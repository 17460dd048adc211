"""`ArrayStream`: arrays larger than memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.data.streaming.stream import MOST_WINDOW_ROWS, WINDOW_BYTES, Pair, deal
from lamina.errors import DataError

Array = npt.NDArray[Any]

# Neighbouring rows that are read together: large enough for a disk, small enough to mix many in a window.
PIECE_BYTES = 4 << 20


class ArrayStream:
    """Inputs and targets from ``.npy`` files that are mapped into memory a piece at a time, or from arrays.

    Floats become float32, whole numbers keep their type. Nothing is scaled.

    Parameters
    ----------
    inputs : str, Path or array of shape [samples, ...]
        A ``.npy`` file in C order, or an array, such as a ``numpy.memmap``.
    targets : str, Path or array of shape [samples, ...]
    name : str, optional
        What to call it in messages; the file's path where it is None.

    Raises
    ------
    DataError
        When a file is missing, damaged or holds no numbers, or the numbers of samples differ.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from lamina.data import ArrayStream
    >>> with TemporaryDirectory() as folder:
    ...     np.save(Path(folder) / "x.npy", np.arange(20.0).reshape(10, 2))
    ...     np.save(Path(folder) / "y.npy", np.arange(10))
    ...     stream = ArrayStream(Path(folder) / "x.npy", Path(folder) / "y.npy")
    ...     [len(inputs) for inputs, targets in stream.batches(4, seed=0, epoch=0)]
    [4, 4, 2]
    """

    def __init__(self, inputs: str | Path | Array, targets: str | Path | Array, *, name: str | None = None) -> None:
        self._inputs, self._targets = _source("inputs", inputs), _source("targets", targets)
        self.name = name or (str(inputs) if isinstance(inputs, str | Path) else "arrays")
        if self._inputs.shape[0] != self._targets.shape[0]:
            raise DataError(
                f"ArrayStream: inputs of shape {list(self._inputs.shape)} but targets of shape "
                f"{list(self._targets.shape)}; the first axes must be equal"
            )
        row_bytes = max(1, int(np.prod(self.input_shape, dtype=np.int64)) * 4)
        self._piece_rows = max(1, min(PIECE_BYTES // row_bytes, MOST_WINDOW_ROWS // 4))
        self._window_rows = max(1, min(WINDOW_BYTES // row_bytes, MOST_WINDOW_ROWS))

    def __len__(self) -> int:
        return self._inputs.shape[0]

    def __repr__(self) -> str:
        return f"ArrayStream({self.name!r}, samples={len(self)}, input_shape={self.input_shape})"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one sample's inputs."""
        return self._inputs.shape[1:]

    def batches(self, batch_size: int, *, seed: int | None, epoch: int, start: int = 0) -> Iterator[Pair]:
        """Yield ``(inputs, targets)``, as `Stream.batches` says.

        Raises
        ------
        DataError
            When inputs or targets hold NaN or infinity.
        """
        starts = range(0, len(self), self._piece_rows)
        sizes = [min(self._piece_rows, len(self) - begin) for begin in starts]

        def read(piece: int) -> Pair:
            begin = starts[piece]
            return self._inputs.rows(begin, sizes[piece]), self._targets.rows(begin, sizes[piece])

        return deal(sizes, read, self._window_rows, batch_size, seed=seed, epoch=epoch, start=start)


@dataclass(frozen=True, eq=False)
class _Source:
    """An array, or where it lies in a file."""

    role: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    array: Array
    path: Path | None = None
    offset: int = 0

    def rows(self, begin: int, count: int) -> Array:
        """Return neighbouring rows, checked, as a new array."""
        if self.path is None:
            found = self.array[begin : begin + count]
        else:
            # A map of its own for each piece: what has been read leaves memory when the map is closed.
            row_bytes = self.dtype.itemsize * int(np.prod(self.shape[1:], dtype=np.int64))
            place = self.offset + begin * row_bytes
            try:
                found = np.memmap(self.path, self.dtype, "r", place, (count, *self.shape[1:]))
            except (OSError, ValueError) as error:
                raise DataError(f"{self.path}: the file has changed since the stream was opened: {error}") from error
        floating = self.dtype.kind == "f"
        made = np.array(found, dtype=np.float32 if floating else self.dtype.newbyteorder("="))
        if floating and not np.isfinite(made).all():
            wrong = ~np.isfinite(made.reshape(count, -1)).all(axis=1)
            raise DataError(
                f"ArrayStream: the {self.role} hold NaN or infinity in sample {begin + int(wrong.argmax())}; drop it"
            )
        return made


def _source(role: str, values: str | Path | Array) -> _Source:
    if isinstance(values, str | Path):
        source = _file(role, Path(values))
    elif isinstance(values, np.ndarray):
        source = _Source(role, values.shape, values.dtype, values)
    else:
        raise DataError(f"ArrayStream: the {role} are a {type(values).__name__}; give a .npy file or an array")
    if source.dtype.kind not in "biuf":
        raise DataError(f"ArrayStream: the {role} are of type {source.dtype}, not numbers")
    if not source.shape or not source.shape[0]:
        raise DataError(f"ArrayStream: the {role} have shape {list(source.shape)}; at least one sample is needed")
    return source


def _file(role: str, path: Path) -> _Source:
    try:
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    # NumPy parses the header as a Python literal, which can fail in every way that Python's parser knows.
    except Exception as error:
        raise DataError(f"{path}: this is not a .npy file that can be mapped into memory: {error}") from error
    if not isinstance(mapped, np.memmap):
        mapped.close()
        raise DataError(f"{path}: an archive cannot be mapped into memory; save each array as .npy")
    if not mapped.flags.c_contiguous:
        raise DataError(f"{path}: the array is in Fortran order; save numpy.ascontiguousarray of it")
    return _Source(role, mapped.shape, mapped.dtype, mapped[:0], path, int(mapped.offset))
