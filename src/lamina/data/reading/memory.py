"""Objects in memory as a table: pandas and polars data frames, mappings, arrays and data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.data.dataset import Dataset
from lamina.data.reading.columnar import frame_table
from lamina.data.reading.columns import array_columns, series_of, table_from
from lamina.data.table import Table
from lamina.errors import DataError

if TYPE_CHECKING:
    import polars as pl


def table_of(source: Any, name: str) -> Table:
    """Return the table of a data frame, a mapping, an array, a data set or a table."""
    try:
        return _table_of(source, name)
    except (ValueError, OverflowError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"Table.of: {name} holds what no table can: {error}") from error


def _table_of(source: Any, name: str) -> Table:
    import polars as pl

    if isinstance(source, Table):
        return source
    if isinstance(source, Dataset):
        return _dataset(source)
    if isinstance(source, pl.DataFrame):
        return frame_table(name, source)
    if isinstance(source, pl.LazyFrame):
        return frame_table(name, source.collect())
    if _comes_from("pandas", source) and hasattr(source, "columns"):
        return table_from(
            name, [_pandas_column(str(label), source.iloc[:, i]) for i, label in enumerate(source.columns)]
        )
    if isinstance(source, np.ndarray):
        return table_from(name, array_columns(name, {"x": source}))
    if isinstance(source, Mapping):
        return _mapping(name, source)
    if _comes_from("pyarrow", source) and hasattr(source, "schema"):
        frame = pl.from_arrow(source)
        if isinstance(frame, pl.DataFrame):
            return frame_table(name, frame)
    raise DataError(
        f"Table.of: a {type(source).__name__} is no table; give a pandas or polars data frame, a mapping from names to "
        "columns, or a NumPy array (read_table reads files)"
    )


def _comes_from(library: str, value: Any) -> bool:
    """Say whether a value is of a library's class, without loading the library."""
    return any(base.__module__.partition(".")[0] == library for base in type(value).__mro__)


def _dataset(data: Dataset) -> Table:
    names = data.feature_names
    flat = data.inputs.reshape(len(data), -1) if len(data) else data.inputs
    if len(names) != flat.shape[-1]:
        columns = array_columns(data.name, {"x": data.inputs})
    else:
        columns = array_columns(data.name, {name: flat[:, i] for i, name in enumerate(names)})
    targets = data.targets
    if data.classes is not None and targets.ndim == 1:
        targets = np.array(data.classes, dtype=object)[targets]
    return table_from(data.name, [*columns, *array_columns(data.name, {"target": targets})])


def _mapping(name: str, source: Mapping[Any, Any]) -> Table:
    import polars as pl

    columns: list[pl.Series] = []
    for label, values in source.items():
        title = str(label).strip()
        if isinstance(values, pl.Series):
            columns.append(values.alias(title))
        elif isinstance(values, np.ndarray):
            columns += array_columns(name, {title: values})
        elif _comes_from("pandas", values) and hasattr(values, "dtype"):
            columns.append(_pandas_column(title, values))
        elif isinstance(values, Sequence) and not isinstance(values, str | bytes):
            columns.append(series_of(title, [_plain(value) for value in values]))
        else:
            raise DataError(f"Table.of: column {title!r} is a {type(values).__name__}; it must be a list or an array")
    lengths = {column.name: len(column) for column in columns}
    if len(set(lengths.values())) > 1:
        raise DataError(f"Table.of: the columns differ in their number of rows: {lengths}")
    return table_from(name, columns)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _pandas_column(name: str, series: Any) -> pl.Series:
    """Return a pandas column without pyarrow, which pandas' own way to polars needs."""
    import polars as pl

    dtype = series.dtype
    kind = getattr(dtype, "kind", "O")
    name = name.strip()
    if str(dtype) == "category":
        series, kind = series.astype(object), "O"
    missing = series.isna().to_numpy()
    if kind in "iu":
        return pl.Series(name, series.to_numpy(dtype=f"{kind}8", na_value=0)).set(pl.Series(missing), None)
    if kind == "f":
        values = series.to_numpy(dtype=np.float64, na_value=np.nan)
        return pl.Series(name, values).set(pl.Series(missing), None)
    if kind == "M":
        if getattr(dtype, "tz", None) is not None:
            series = series.dt.tz_convert("UTC").dt.tz_localize(None)
        return pl.Series(name, series.to_numpy().astype("datetime64[us]"))
    values = [None if absent else _plain(value) for value, absent in zip(series.tolist(), missing, strict=True)]
    return series_of(name, values)
