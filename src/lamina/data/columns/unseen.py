"""What is said of values that training did not have."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from lamina.data.table import Table, counted_name, listed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def warn_of_unseen(table: Table, column: str, rows: npt.NDArray[np.int64], known: list[str], effect: str) -> None:
    """Warn that a column holds values in these rows that training did not have, and name them."""
    found = table.texts(column)[rows]
    values = listed(list(dict.fromkeys("(missing)" if value is None else value for value in found)), most=5)
    place = f"{len(rows)} {counted_name(len(rows), 'row')}, first on line {table.lines[rows[0]]}"
    warnings.warn(
        f"{table.name}: column {column!r} holds {values}, which training did not have ({place}); {effect}; known are "
        f"{listed(known, most=10)}",
        UserWarning,
        stacklevel=2,
    )
