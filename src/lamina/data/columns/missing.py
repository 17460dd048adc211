"""The input that says that a value is missing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def missing_name(name: str) -> str:
    """Return the name of the input."""
    return f"{name}=(missing)"


def with_indicator(inputs: Floats, absent: npt.NDArray[np.bool_], wanted: bool) -> Floats:
    """Return inputs of shape [rows, n], and where ``wanted`` one more that is 1 where the value is absent."""
    return np.concatenate([inputs, absent[:, None]], axis=1, dtype=np.float64) if wanted else inputs
