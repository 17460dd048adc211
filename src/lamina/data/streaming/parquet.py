"""`ParquetStream`: tables larger than memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from lamina.data.decimals import POINT
from lamina.data.preprocessing import TablePreprocessing, usable_columns
from lamina.data.reading.columnar import refusing
from lamina.data.reading.columns import table_from
from lamina.data.reading.parquet_check import check_parquet
from lamina.data.schema import Kind, kinds_of
from lamina.data.streaming.stream import MOST_WINDOW_ROWS, WINDOW_BYTES, Pair, deal
from lamina.data.table import Table, listed
from lamina.data.targets import ClassTarget, Target, TargetFitting, Task
from lamina.errors import DataError

if TYPE_CHECKING:
    import polars as pl

# A piece has at most so many rows, and of a wide table about so many cells.
PIECE_ROWS = 1 << 17
PIECE_CELLS = 1 << 23


@dataclass(frozen=True)
class Piece:
    """Neighbouring rows of a file."""

    path: Path
    offset: int
    rows: int
    usable: int
    """How many of them have a target."""


class ParquetStream:
    """Rows of Parquet files, encoded and standardised as they are read.

    One pass over the files finds means, deviations, categories and the target; then every epoch reads the rows again,
    in another order, holding two windows of at most 262,144 rows each.

    Parameters
    ----------
    paths : str, Path, or sequence of them
        Files with the same columns.
    target : str
        The column to learn; rows without a value there are left out.
    columns : sequence of str, optional
        The columns to learn from; when None, all that a model can use, judged by the first piece.
    task : str, optional
        ``"classification"`` or ``"regression"``; when None, as `infer_task` says.
    kinds : mapping from str to str, optional
        What some columns hold, where it differs from what the first rows look like.
    like : ParquetStream, optional
        A stream of the training rows: nothing is fitted, everything is encoded as there.

    Attributes
    ----------
    name : str
    preprocessing : TablePreprocessing
    target : ClassTarget or NumericTarget
    notes : tuple of str
        What was left out.

    Raises
    ------
    DataError
        When a file is missing or damaged, has no usable rows or columns, or a column holds other things further down.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import polars as pl
    >>> from lamina.data import ParquetStream
    >>> frame = pl.DataFrame({"a": range(100), "b": ["x", "y"] * 50, "price": [i / 7 for i in range(100)]})
    >>> with TemporaryDirectory() as folder:
    ...     frame.write_parquet(Path(folder) / "t.parquet")
    ...     stream = ParquetStream(Path(folder) / "t.parquet", "price")
    ...     inputs, targets = next(stream.batches(32, seed=0, epoch=0))
    >>> len(stream), stream.input_shape, inputs.shape, targets.shape
    (100, (3,), (32, 3), (32, 1))
    """

    name: str
    preprocessing: TablePreprocessing
    target: Target
    notes: tuple[str, ...]

    def __init__(
        self,
        paths: str | Path | Sequence[str | Path],
        target: str | None = None,
        *,
        columns: Sequence[str] | None = None,
        task: Task | None = None,
        kinds: Mapping[str, Kind] | None = None,
        like: ParquetStream | None = None,
    ) -> None:
        files = [Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
        if not files:
            raise DataError("ParquetStream: there is no file to read")
        self.name = str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
        self.notes = ()
        if like is not None:
            self._pieces = _pieces(files, len(like.preprocessing.columns) + 1)
            self.preprocessing, self.target = like.preprocessing, like.target
            self._count_targets()
            return
        if target is None:
            raise DataError("ParquetStream: name the column to learn, target=")
        self._pieces = _pieces(files, len(columns) + 1 if columns else _width(files[0]))
        wanted = self._kinds(target, columns) | dict(kinds or {})
        self._fit(wanted, target, task)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one sample's inputs: (features,)."""
        return (len(self.preprocessing.feature_names),)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the inputs."""
        return self.preprocessing.feature_names

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of the classes, ``None`` when the targets are values."""
        return self.target.classes if isinstance(self.target, ClassTarget) else None

    def __len__(self) -> int:
        return sum(piece.usable for piece in self._pieces)

    def __repr__(self) -> str:
        return f"ParquetStream({self.name!r}, rows={len(self)}, input_shape={self.input_shape})"

    def batches(self, batch_size: int, *, seed: int | None, epoch: int, start: int = 0) -> Iterator[Pair]:
        """Yield ``(inputs, targets)``, as `Stream.batches` says.

        Inputs are float32 of shape [batch, features]; targets are the numbers of classes, int64 of shape [batch], or
        standardised values, float32 of shape [batch, 1], which ``target.decode`` brings back to the column's units.

        Raises
        ------
        DataError
            When a cell cannot be encoded, or a file has changed.
        """
        sizes = [piece.usable for piece in self._pieces]
        window = max(1, min(WINDOW_BYTES // (4 * max(1, self.input_shape[0])), MOST_WINDOW_ROWS))
        return deal(sizes, self._encoded, window, batch_size, seed=seed, epoch=epoch, start=start)

    def split(self, share: float, *, seed: int = 0) -> tuple[Self, Self]:
        """Return ``(the rest, the part)``, where the part holds a ``share`` of the rows, fitted to the rest only.

        The part takes neighbouring rows from one end of each piece of 131,072 rows, so that reading stays fast.

        Parameters
        ----------
        share : float
            Between 0 and 1, both excluded.
        seed : int, default 0
            Which end.

        Raises
        ------
        DataError
            When the share leaves one side without rows.
        """
        if not 0.0 < share < 1.0:
            raise DataError(f"split: the share must lie between 0 and 1, got {share}")
        ends = np.random.Generator(np.random.Philox(seed)).integers(0, 2, len(self._pieces))
        rest, part = self._copy(), self._copy()
        rest._pieces, part._pieces = [], []
        for piece, end in zip(self._pieces, ends, strict=True):
            taken = round(share * piece.rows)
            at_start, at_end = (taken, piece.rows) if end else (piece.rows - taken, piece.rows)
            first = replace(piece, rows=at_start)
            last = replace(piece, offset=piece.offset + at_start, rows=at_end - at_start)
            part._pieces.append(first if end else last)
            rest._pieces.append(last if end else first)
        kinds: dict[str, Kind] = {column.name: column.to_json()["kind"] for column in self.preprocessing.columns}
        rest._fit(kinds, self.target.name, "classification" if self.classes else "regression")
        if isinstance(self.target, ClassTarget):
            rest.target = self.target
        part.preprocessing, part.target = rest.preprocessing, rest.target
        part._count_targets()
        return rest, part

    def _copy(self) -> Self:
        made = type(self).__new__(type(self))
        made.__dict__.update(self.__dict__)
        return made

    # --- finding out what the columns are ---

    def _kinds(self, target: str, columns: Sequence[str] | None) -> dict[str, Kind]:
        """Return the columns to use and their kinds, judged by the first piece that has rows with a target."""
        self._check_columns([target, *(columns or ())])
        first = next((table for table in map(self._table, self._pieces) if table.frame[target].count()), None)
        if first is None:
            raise DataError(f"{self.name}: the target {target!r} has no value in any row")
        first = replace(first, decimal=POINT)
        import polars as pl

        numbers = [name for name in first.columns if name != target and first.frame[name].dtype.is_numeric()]
        if columns is None:
            # Whether a column of numbers is empty shows only at the end.
            known = first.frame.with_columns(pl.col(numbers).fill_null(0))
            columns, notes = usable_columns(replace(first, frame=known), target)
            self.notes = (*first.notes, *notes)
        else:
            first.require(columns, "column")
        found = kinds_of(first, columns)
        return {
            name: "numeric" if name in numbers else "categorical" if kind in ("empty", "text") else kind
            for name, kind in found.items()
        }

    def _check_columns(self, names: Sequence[str]) -> None:
        import polars as pl

        for path in dict.fromkeys(piece.path for piece in self._pieces):
            with refusing(path, "a Parquet"):
                present = pl.scan_parquet(path, glob=False, hive_partitioning=False).collect_schema().names()
            absent = [name for name in names if name not in present]
            if absent:
                raise DataError(f"{path}: there is no column {listed(absent)}; the columns are {listed(present)}")

    def _fit(self, kinds: Mapping[str, Kind], target: str, task: Task | None) -> None:
        """Pass over all rows once."""
        self._check_columns([target, *kinds])
        fitting = TargetFitting(target, task)
        usable: list[Piece] = []

        def tables() -> Iterator[Table]:
            for piece in self._pieces:
                table = _with_target(self._table(piece, [target, *kinds]), target) if piece.rows else None
                usable.append(replace(piece, usable=0 if table is None else len(table)))
                if table is not None:
                    fitting.add(table)
                    yield table

        self.preprocessing = TablePreprocessing.fit_pieces(tables(), kinds)
        self._pieces = usable
        if not len(self):
            raise DataError(f"{self.name}: the target {target!r} has no value in any row")
        self.target = fitting.target()

    def _count_targets(self) -> None:
        name = self.target.name
        self._check_columns([name, *(column.name for column in self.preprocessing.columns)])
        self._pieces = [
            replace(piece, usable=self._table(piece, [name]).frame[name].count() if piece.rows else 0)
            for piece in self._pieces
        ]
        if not len(self):
            raise DataError(f"{self.name}: the target {name!r} has no value in any row")

    # --- reading ---

    def _encoded(self, number: int) -> Pair:
        piece = self._pieces[number]
        names = [self.target.name, *(column.name for column in self.preprocessing.columns)]
        table = _with_target(self._table(piece, names), self.target.name)
        if table is None or len(table) != piece.usable:
            raise DataError(f"{piece.path}: the file has changed since the stream was opened")
        return self.preprocessing.encode(table), self.target.encode(table)

    def _table(self, piece: Piece, names: Sequence[str] | None = None) -> Table:
        import polars as pl

        with refusing(piece.path, "a Parquet"):
            rows: pl.LazyFrame = pl.scan_parquet(piece.path, glob=False, hive_partitioning=False)
            if names is not None:
                rows = rows.select(names)
            frame = rows.slice(piece.offset, piece.rows).collect()
        lines = np.arange(piece.offset + 1, piece.offset + 1 + frame.height)
        return table_from(str(piece.path), frame.get_columns(), lines)


def _with_target(table: Table, target: str) -> Table | None:
    """Return the rows that have a target, ``None`` if there are none."""
    present = table.frame[target].is_not_null()
    if present.all():
        return table
    rows = np.flatnonzero(present.to_numpy())
    return table.take(rows) if rows.size else None


def _width(path: Path) -> int:
    import polars as pl

    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    check_parquet(path)
    with refusing(path, "a Parquet"):
        return len(pl.scan_parquet(path, glob=False, hive_partitioning=False).collect_schema())


def _pieces(files: Sequence[Path], columns: int) -> list[Piece]:
    import polars as pl

    size = max(1, min(PIECE_ROWS, PIECE_CELLS // max(1, columns)))
    pieces: list[Piece] = []
    for path in files:
        if not path.is_file():
            raise DataError(f"{path}: there is no such file")
        check_parquet(path)
        with refusing(path, "a Parquet"):
            rows = pl.scan_parquet(path, glob=False, hive_partitioning=False).select(pl.len()).collect().item()
        pieces += [Piece(path, offset, min(size, rows - offset), 0) for offset in range(0, rows, size)]
    if not pieces:
        raise DataError(f"{', '.join(map(str, files[:3]))}: there are columns but no rows")
    return pieces
