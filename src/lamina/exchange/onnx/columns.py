"""From the columns of a table to a model's inputs, inside of the ONNX model.

One row of `ROWS` for every kind of column of `lamina.data`: what its input holds, and the nodes that compute its
features as the column's own ``encode`` does. Numbers are float64 all the way, as there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lamina.data import BooleanColumn, CategoricalColumn, DateColumn, NumericColumn, cells
from lamina.dtypes import DType, float64
from lamina.errors import DataError
from lamina.exchange.onnx.batch import Operation
from lamina.exchange.onnx.dates import date_parts
from lamina.exchange.onnx.nodes import Nodes
from lamina.exchange.onnx.proto import Described

if TYPE_CHECKING:
    from lamina.data import Table, TablePreprocessing


@dataclass(frozen=True)
class Row:
    """How one kind of column is computed.

    Attributes
    ----------
    dtype : DType or None
        Of its input, None for texts.
    holds : str
        What its input holds.
    features : callable
        From the graph, the column and the name of the input, [batch, 1], to the name of the features.
    values : callable
        From a column and a table to what the input is given.
    """

    dtype: DType | None
    holds: str
    features: Callable[[Nodes, Any, str], str]
    values: Callable[[Any, Table], npt.NDArray[Any]]


def add_columns(
    described: Described, preprocessing: TablePreprocessing, names: Sequence[str], features: Operation
) -> str:
    """Add the inputs and the nodes of a preprocessing, and return the name of the features, [batch, features]."""
    encoded = []
    for name, column in zip(names, preprocessing.columns, strict=True):
        row = _row(column)
        described.add_input(name, (features.shape[0], 1), row.dtype)
        encoded.append(row.features(described.nodes, column, name))
    return described.nodes.cast(described.nodes.concat(encoded, axis=1), features.dtype)


def holdings(preprocessing: TablePreprocessing) -> dict[str, str]:
    """Return what every input holds, in words."""
    return {column.name: _row(column).holds for column in preprocessing.columns}


def onnx_inputs(preprocessing: TablePreprocessing, table: Table) -> dict[str, npt.NDArray[Any]]:
    """Return the columns of a table as a model that `export_onnx` wrote with this preprocessing takes them.

    Parameters
    ----------
    preprocessing : TablePreprocessing
    table : Table

    Returns
    -------
    dict of str to array
        By column, of shape [rows, 1]: float64 for numbers (NaN where one is missing) and for dates (seconds since
        1970-01-01), texts for the others (empty where one is missing).

    Raises
    ------
    DataError
        When a column is missing, or a cell is not of its kind.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina.data import Table, TablePreprocessing
    >>> table = Table.of({"rooms": [2, 4], "town": ["Ulm", None]})
    >>> la.exchange.onnx_inputs(TablePreprocessing.fit(table, ["rooms", "town"]), table)["town"].tolist()
    [['Ulm'], ['']]
    """
    table.require([column.name for column in preprocessing.columns], "column", ", which the model was trained with")
    return {column.name: _row(column).values(column, table)[:, None] for column in preprocessing.columns}


def _row(column: Any) -> Row:
    found = ROWS.get(type(column))
    if found is None:
        known = ", ".join(each.__name__ for each in ROWS)
        raise DataError(
            f"export_onnx: column {column.name!r} is a {type(column).__name__}, which is not exported; the columns "
            f"that are: {known}; export without preprocessing, and encode the table before"
        )
    return found


# --- numbers ----------------------------------------------------------------------------------------------


def _numeric(nodes: Nodes, column: NumericColumn, x: str) -> str:
    """``(x - mean) / std``, 0 for a missing value, and whether it is missing."""
    absent = nodes.add("IsNaN", x)
    return _with_indicator(nodes, _standardised(nodes, x, column.mean, column.std, absent), absent, column.missing)


def _standardised(nodes: Nodes, x: str, mean: float, std: float, absent: str) -> str:
    zero = nodes.scalar(0.0, float64)
    if not std:
        return nodes.add("Mul", nodes.cast(absent, float64), zero)
    scaled = nodes.add("Div", nodes.add("Sub", x, nodes.scalar(mean, float64)), nodes.scalar(std, float64))
    return nodes.add("Where", absent, zero, scaled)


def _with_indicator(nodes: Nodes, features: str, absent: str, wanted: bool) -> str:
    return nodes.add("Concat", features, nodes.cast(absent, float64), axis=1) if wanted else features


def _date(nodes: Nodes, column: DateColumn, x: str) -> str:
    """Each part, standardised."""
    absent = nodes.add("IsNaN", x)
    values = date_parts(nodes, x)
    scaled = [_standardised(nodes, values[each.part], each.mean, each.std, absent) for each in column.parts]
    return _with_indicator(nodes, nodes.concat(scaled, axis=1), absent, column.missing)


def _seconds(column: DateColumn, table: Table) -> npt.NDArray[Any]:
    import polars as pl

    table = table.without_blanks(column.name)
    found = cells.dates(table.frame[column.name], column.order)
    wanted = f"write the date as {column.order}, or leave the cell empty if it is missing"
    table.check(column.name, found.is_null().to_numpy(), "holds dates", wanted)
    return (found.cast(pl.Int64).cast(pl.Float64) / 1e6).to_numpy().astype(np.float64)


# --- texts ------------------------------------------------------------------------------------------------


def _categorical(nodes: Nodes, column: CategoricalColumn, x: str) -> str:
    """One feature for each category, 1 where it is this one; those that are rare share the last."""
    places: dict[str | None, int] = {category: at for at, category in enumerate(column.categories)}
    places |= dict.fromkeys(column.infrequent, len(column.categories))
    place = _looked_up(nodes, x, {category or "": at for category, at in places.items()})
    # [batch, 1] against [categories]: a text that is unknown is none of them.
    return nodes.cast(nodes.add("Equal", place, nodes.vector(range(len(column.feature_names)))), float64)


def _boolean(nodes: Nodes, column: BooleanColumn, x: str) -> str:
    """1 for true and 0 for false, written in any case, and what training had more often for anything else."""
    words = {
        "".join(letters): int(truth)
        for word, truth in cells.TRUTH_WORDS.items()
        for letters in product(*({letter, letter.upper()} for letter in word))
    }
    place = _looked_up(nodes, x, dict(sorted(words.items())))
    absent = nodes.add("Less", place, nodes.vector([0]))
    truth = nodes.add("Where", absent, nodes.vector([int(column.usual)]), place)
    return _with_indicator(nodes, nodes.cast(truth, float64), absent, column.missing)


def _looked_up(nodes: Nodes, x: str, places: Mapping[str, int]) -> str:
    """Return the number of each text, -1 for one that has none."""
    return nodes.add(
        "LabelEncoder",
        x,
        domain="ai.onnx.ml",
        keys_strings=list(places),
        values_int64s=list(places.values()),
        default_int64=-1,
    )


def _texts(column: CategoricalColumn, table: Table) -> npt.NDArray[Any]:
    found = table.texts(column.name)
    return np.array(["" if text is None else text for text in found], object)


def _truth_texts(column: BooleanColumn, table: Table) -> npt.NDArray[Any]:
    values = cells.truths(table.frame[column.name])
    return np.array(["" if value != value else "true" if value else "false" for value in values], object)


ROWS: dict[type, Row] = {
    NumericColumn: Row(float64, "numbers", _numeric, lambda column, table: column.numbers(table)),
    DateColumn: Row(float64, "seconds since 1970-01-01 00:00", _date, _seconds),
    BooleanColumn: Row(None, "texts: true or false", _boolean, _truth_texts),
    CategoricalColumn: Row(None, "texts", _categorical, _texts),
}
