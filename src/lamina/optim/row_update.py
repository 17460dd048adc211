"""The next values of the rows of a table that were used, where the gradient names them."""

from __future__ import annotations

from dataclasses import dataclass

from lamina.tensor import Tensor
from lamina.variable import Variable


@dataclass(frozen=True, slots=True)
class Rows:
    """The next values of some rows of a variable."""

    indices: Tensor
    values: Tensor


Updates = list[tuple[Variable, Tensor | Rows]]


def assign(updates: Updates) -> None:
    """Assign all next values."""
    for variable, value in updates:
        if isinstance(value, Rows):
            variable.assign_rows(value.indices, value.values)
        else:
            variable.assign(value)
