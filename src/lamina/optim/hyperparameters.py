"""What a hyperparameter may be, and the error that says so.

Each check takes the optimiser's name, the hyperparameter's and the value given, and returns the value in the form
it is kept in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from lamina.dtypes import python_number
from lamina.errors import DataError, DTypeError

Check = Callable[[str, str, Any], Any]


def number(owner: str, name: str, value: Any) -> float:
    """Accept a finite number."""
    value = python_number(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DTypeError(f"{owner}: {name} is a Python number, got {type(value).__name__}")
    if not math.isfinite(value):
        raise DataError(f"{owner}: {name} must be finite, got {value}")
    return float(value)


def non_negative(owner: str, name: str, value: Any) -> float:
    """Accept a number from zero."""
    found = number(owner, name, value)
    if found < 0.0:
        raise DataError(f"{owner}: {name} must be zero or positive, got {found}")
    return found


def fraction(owner: str, name: str, value: Any) -> float:
    """Accept a number from zero to one."""
    found = number(owner, name, value)
    if not 0.0 <= found <= 1.0:
        raise DataError(f"{owner}: {name} must be from 0 to 1, got {found}")
    return found


def decay_rate(owner: str, name: str, value: Any) -> float:
    """Accept a number from zero to one, which it may not reach: a mean with rate one would never move."""
    found = number(owner, name, value)
    if not 0.0 <= found < 1.0:
        raise DataError(f"{owner}: {name} must be at least 0 and less than 1, got {found}")
    return found


def decay_rates(owner: str, name: str, value: Any) -> tuple[float, float]:
    """Accept two decay rates."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise DTypeError(f"{owner}: {name} is a pair of numbers such as (0.9, 0.999), got {value!r}")
    first, second = (decay_rate(owner, f"{name}[{place}]", each) for place, each in enumerate(value))
    return first, second


def flag(owner: str, name: str, value: Any) -> bool:
    """Accept True or False."""
    value = python_number(value)
    if not isinstance(value, bool):
        raise DTypeError(f"{owner}: {name} is True or False, got {value!r}")
    return value


def step_count(owner: str, name: str, value: Any, least: int = 1) -> int:
    """Accept a number of steps."""
    value = python_number(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise DTypeError(f"{owner}: {name} is a number of steps, an integer, got {value!r}")
    if value < least:
        raise DataError(f"{owner}: {name} must be at least {least}, got {value}")
    return value


def checked(owner: str, values: Mapping[str, Any], checks: Mapping[str, Check]) -> dict[str, Any]:
    """Return the values in the form they are kept in; every name must have its check."""
    unknown = [name for name in values if name not in checks]
    if unknown:
        raise DataError(f"{owner}: {', '.join(unknown)} is no hyperparameter here; use {', '.join(checks)}")
    return {name: checks[name](owner, name, value) for name, value in values.items()}
