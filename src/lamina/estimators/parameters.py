"""The parameters of estimators, checked when they are used, as scikit-learn has it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np

from lamina.errors import DataError


def count(owner: str, name: str, value: Any, least: int = 1) -> int:
    """Return a whole number from ``least``."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise DataError(f"{owner}: {name} is {value!r}; it is a whole number from {least}")
    return int(value)


def number(owner: str, name: str, value: Any, *, positive: bool = False, infinite: bool = False) -> float:
    """Return a number from 0, or above 0 where it has to be positive; infinity where it is one of the choices."""
    given = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    if not (given > 0 if positive else given >= 0) or (given == math.inf and not infinite):
        raise DataError(f"{owner}: {name} is {value!r}; it is a number {'above' if positive else 'from'} 0")
    return given


def share(owner: str, name: str, value: Any) -> float:
    """Return a number between 0 and 1."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < 1:
        raise DataError(f"{owner}: {name} is {value!r}; a share lies between 0 and 1")
    return float(value)


def truths(estimator: Any, *names: str) -> None:
    """Refuse parameters that are neither true nor false: texts and numbers would count as true."""
    for name in names:
        value = getattr(estimator, name)
        if not isinstance(value, bool | np.bool_):
            raise DataError(f"{type(estimator).__name__}: {name} is {value!r}; it is True or False")


def choice(owner: str, name: str, value: Any, choices: Iterable[str]) -> str:
    """Return one of the names there are."""
    named = list(choices)
    if not isinstance(value, str) or value not in named:
        raise DataError(f"{owner}: {name} is {value!r}; use one of {', '.join(named)}")
    return value


def widths(owner: str, value: Any) -> tuple[int, ...]:
    """Return the widths of hidden layers, given as one or as a sequence; an empty one gives a linear model."""
    each = [value] if isinstance(value, Integral) else value
    if isinstance(each, str) or not isinstance(each, Iterable):
        raise DataError(f"{owner}: hidden_layer_sizes is {value!r}; give a width or a sequence of widths, as (100, 50)")
    return tuple([count(owner, "hidden_layer_sizes", width) for width in each])


def batch(owner: str, value: Any, rows: int) -> int:
    """Return the rows of a batch; ``"auto"`` is 200, or all rows if they are fewer."""
    return min(200, rows) if isinstance(value, str) and value == "auto" else count(owner, "batch_size", value)


def patience(owner: str, value: Any) -> int | None:
    """Return the epochs to bear without a better result; None for infinity, which bears any number."""
    return None if value == math.inf else count(owner, "n_iter_no_change", value)
