"""Parquet and Arrow, which polars reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lamina.data.reading.arrow_check import MAGIC, check_arrow
from lamina.data.reading.columns import table_from
from lamina.data.reading.parquet_check import check_parquet
from lamina.data.reading.source import Source
from lamina.data.table import Table
from lamina.errors import DataError

if TYPE_CHECKING:
    import polars as pl


def read_parquet(source: Source) -> Table:
    """Read a Parquet file."""
    path = source.path
    import polars as pl

    check_parquet(path)
    with refusing(path, "a Parquet"):
        frame = pl.read_parquet(path, glob=False, hive_partitioning=False)
    return frame_table(str(path), frame)


def read_arrow(source: Source) -> Table:
    """Read an Arrow file (also called Feather, version 2) or stream."""
    path = source.path
    import polars as pl

    # The bytes are read before: a mapped file that another program shortens ends this one.
    data = path.read_bytes()
    check_arrow(path, data)
    read: Callable[..., pl.DataFrame] = pl.read_ipc if data[:6] == MAGIC else pl.read_ipc_stream
    with refusing(path, "an Arrow"):
        frame = read(data)
    return frame_table(str(path), frame)


def frame_table(name: str, frame: pl.DataFrame) -> Table:
    """Return the table of a polars data frame."""
    if not frame.width:
        raise DataError(f"{name}: there are no columns")
    return table_from(name, frame.get_columns())


@contextmanager
def refusing(path: Path, kind: str) -> Iterator[None]:
    """Turn what polars says of a damaged file into a `DataError`."""
    import polars as pl

    try:
        yield
    # Some damage is found by a check of polars that was meant for its own mistakes (a "panic").
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError, MemoryError) as error:
        message = str(error).partition("\n")[0]
        raise DataError(f"{path}: this is not {kind} file that can be read: {message}") from error
