"""Numbers that are given as arguments, checked."""

from __future__ import annotations

import math
import operator
from typing import Any

from lamina.dtypes import python_number
from lamina.errors import DataError


def check_count(operation: str, name: str, value: Any) -> int:
    """Return an integer from 1."""
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if isinstance(value, bool) or number < 1:
        raise DataError(f"{operation}: {name} is {value!r}; it is a whole number from 1")
    return number


def check_number(
    operation: str, name: str, value: Any, meaning: str, least: float, most: float = math.inf
) -> float | None:
    """Return a number between two others, both excluded; None stays None."""
    given = python_number(value)
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not least < given < most:
        raise DataError(f"{operation}: {name} is {value!r}; {meaning}")
    return float(given)
