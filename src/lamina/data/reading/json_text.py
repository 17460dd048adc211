"""JSON as records, as columns and in Iron Learn's form, and JSON with one object a line."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from lamina.data.reading.columns import array_columns, series_of, table_from
from lamina.data.reading.source import Source
from lamina.data.table import Table, listed, shortened
from lamina.errors import DataError

FORMS = "a list of objects (rows), an object of lists (columns), or an object with m, n, x and y"


def read_json(source: Source) -> Table:
    """Read a whole document."""
    path, name = source.path, source.part
    content = _parsed(str(path), source.text())
    if isinstance(content, dict) and {"m", "n", "x", "y"} <= content.keys():
        return _iron_learn(path, content, name or "train")
    if name is not None:
        raise DataError(f"{path}: name={name!r} was given, but only the form with m, n, x and y has named parts")
    if isinstance(content, list):
        return _records(path, enumerate(content, start=1))
    if isinstance(content, dict) and content and all(isinstance(column, list) for column in content.values()):
        return _columns(path, content)
    raise DataError(f"{path}: this JSON is no table; a table is {FORMS}")


def read_ndjson(source: Source) -> Table:
    """Read one object from each line that is not blank."""
    # Only these end a line in JSON; splitlines knows others, which may stand inside of a string.
    path = source.path
    lines = enumerate(source.text().replace("\r\n", "\n").split("\n"), start=1)
    return _records(path, ((n, _parsed(f"{path}: line {n}", line)) for n, line in lines if line.strip()))


def _parsed(place: str, text: str) -> Any:
    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) < len(pairs):
            keys = [key for key, _ in pairs]
            repeated = sorted({key for key in keys if keys.count(key) > 1})
            raise DataError(f"{place}: an object names {listed(repeated)} more than once")
        return content

    try:
        return json.loads(text, object_pairs_hook=distinct)
    except DataError:
        raise
    except ValueError as error:
        raise DataError(f"{place}: this is not JSON: {error}") from error
    except RecursionError as error:
        raise DataError(f"{place}: this JSON is nested too deeply to be a table") from error


def _records(path: Path, records: Iterable[tuple[int, Any]]) -> Table:
    columns: dict[str, list[Any]] = {}
    lines: list[int] = []
    for number, record in records:
        if not isinstance(record, dict):
            raise DataError(f"{path}: row {number} is {shortened(repr(record))}, but each row must be an object")
        for name in record.keys() - columns.keys():
            columns[name] = [None] * len(lines)
        lines.append(number)
        for name, column in columns.items():
            column.append(record.get(name))
        if len(lines) == 1:
            columns = {name: columns[name] for name in record}
    if not lines:
        raise DataError(f"{path}: there are no rows; a table in JSON is {FORMS}")
    series = [series_of(_name(path, name), column) for name, column in columns.items()]
    return table_from(str(path), series, np.array(lines, dtype=np.int64))


def _columns(path: Path, content: dict[str, list[Any]]) -> Table:
    lengths = {name: len(column) for name, column in content.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{shortened(name)}: {length}" for name, length in list(lengths.items())[:10])
        raise DataError(f"{path}: the columns differ in their number of rows ({shown})")
    return table_from(str(path), [series_of(_name(path, name), column) for name, column in content.items()])


def _name(path: Path, name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{path}: the column name {name!r:.60} is not text: {error.reason}") from error
    return name.strip()


# --- Iron Learn's form ---


def _iron_learn(path: Path, content: dict[str, Any], name: str) -> Table:
    if name not in ("train", "test"):
        raise DataError(f"{path}: there is no part {name!r}; the parts are 'train' and 'test'")
    end = "" if name == "train" else "_test"
    absent = [key + end for key in "mxy" if key + end not in content]
    if absent:
        raise DataError(f"{path}: the part {name!r} needs {listed(absent)}, which the file does not have")
    rows, columns = (_count(path, content, key) for key in ("m" + end, "n"))
    x = _numbers(path, content, "x" + end)
    y = _numbers(path, content, "y" + end)
    if len(x) != rows * columns:
        raise DataError(
            f"{path}: x{end} has {len(x)} numbers, but m{end}={rows} rows of n={columns} columns need {rows * columns}"
        )
    if len(y) % rows or not len(y):
        raise DataError(f"{path}: y{end} has {len(y)} numbers for m{end}={rows} rows")
    arrays = {"x": x.reshape(rows, columns), "y": y.reshape(rows, -1)}
    if columns == 1:
        arrays = {"x_0": arrays["x"], "y": arrays["y"]}
    return table_from(str(path), array_columns(str(path), arrays))


def _count(path: Path, content: dict[str, Any], key: str) -> int:
    value = content[key]
    if type(value) is not int or not 1 <= value < 2**53:
        raise DataError(f"{path}: {key} is {shortened(repr(value))}; it is a whole number from 1")
    return value


def _numbers(path: Path, content: dict[str, Any], key: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    values = content[key]
    if not isinstance(values, list):
        raise DataError(f"{path}: {key} is {shortened(repr(values))}; it is a flat list of numbers, row by row")
    for place, value in enumerate(values):
        if not (value is None or (type(value) in (int, float) and (type(value) is float or abs(value) < 10**308))):
            raise DataError(f"{path}: {key}[{place}] is {shortened(repr(value))}, but {key} is a flat list of numbers")
    return np.array([math.nan if value is None else float(value) for value in values], dtype=np.float64)
