"""From the columns of a table to a model's inputs, inside of the ONNX model.

One row of `COLUMNS` for every kind of column of `lamina.data.preprocessing`: which type the input has, and the nodes
that compute its features, as the column's own ``encode`` does. Numbers are float64 all the way, as there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.data.preprocessing import CategoricalColumn, NumericColumn
from lamina.dtypes import DType, float64
from lamina.errors import DataError
from lamina.exchange.onnx.batch import Operation
from lamina.exchange.onnx.nodes import Nodes
from lamina.exchange.onnx.proto import Described

if TYPE_CHECKING:
    from lamina.data import TablePreprocessing

Encoder = Callable[[Nodes, Any, str], str]


def add_columns(
    described: Described, preprocessing: TablePreprocessing, names: Sequence[str], features: Operation
) -> str:
    """Add the inputs and the nodes of a preprocessing, and return the name of the features, [batch, features]."""
    encoded = []
    for name, column in zip(names, preprocessing.columns, strict=True):
        dtype, encoder = _row(column)
        described.add_input(name, (features.shape[0], 1), dtype)
        encoded.append(encoder(described.nodes, column, name))
    nodes = described.nodes
    joined = encoded[0] if len(encoded) == 1 else nodes.add("Concat", *encoded, axis=1)
    return nodes.cast(joined, features.dtype)


def _row(column: Any) -> tuple[DType | None, Encoder]:
    found = COLUMNS.get(type(column))
    if found is None:
        known = ", ".join(each.__name__ for each in COLUMNS)
        raise DataError(
            f"export_onnx: column {column.name!r} is a {type(column).__name__}, which ONNX cannot compute; the columns "
            f"that can be exported are {known}; export without preprocessing, and encode the table before"
        )
    return found


def _numeric(nodes: Nodes, column: NumericColumn, x: str) -> str:
    """``(x - mean) / std``, and 0 for a missing value."""
    zero = nodes.scalar(0.0, float64)
    if not column.std:
        return nodes.add("Mul", nodes.add("Cast", nodes.add("IsNaN", x), to=11), zero)
    scaled = nodes.add("Sub", x, nodes.scalar(column.mean, float64))
    scaled = nodes.add("Div", scaled, nodes.scalar(column.std, float64))
    return nodes.add("Where", nodes.add("IsNaN", x), zero, scaled)


def _categorical(nodes: Nodes, column: CategoricalColumn, x: str) -> str:
    """One feature for each category, 1 where it is this one; a missing value is the empty text."""
    texts = ["" if category is None else category for category in column.categories]
    place = nodes.add(
        "LabelEncoder",
        x,
        domain="ai.onnx.ml",
        keys_strings=texts,
        values_int64s=list(range(len(texts))),
        default_int64=-1,
    )
    # [batch, 1] against [categories]: one that is unknown is none of them.
    same = nodes.add("Equal", place, nodes.constant(np.arange(len(texts), dtype=np.int64)))
    return nodes.cast(same, float64)


COLUMNS: dict[type, tuple[DType | None, Encoder]] = {
    NumericColumn: (float64, _numeric),
    CategoricalColumn: (None, _categorical),
}
