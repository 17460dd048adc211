"""Checks of labels. They read values, so they are made where there are values: not while a step is traced."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.errors import DataError
from lamina.tensor import Tensor


def concrete(x: Tensor) -> bool:
    """Tell whether a tensor has values now, so that they can be checked."""
    return x._snapshot._backend.has_values


def _values(x: Tensor) -> Any:
    return x._backend.to_numpy(x._data)


def check_class_labels(name: str, target: Tensor, classes: int, ignore_index: int) -> bool:
    """Return whether some label is the ignored one, after checking that all others are classes.

    Raises
    ------
    DataError
        When a label is neither in 0 to classes - 1 nor the ignored one.
    """
    values = _values(target)
    if values.size == 0:
        return False
    if np.minimum.reduce(values, axis=None) >= 0 and np.maximum.reduce(values, axis=None) < classes:
        return ignore_index >= 0 and bool((values == ignore_index).any())
    outside = values[(values < 0) | (values >= classes)]
    wrong = outside[outside != ignore_index]
    if wrong.size:
        raise DataError(
            f"{name}: the label {wrong[0]!s} is out of range: for {classes} classes labels are 0 to {classes - 1}, "
            f"or {ignore_index} (ignore_index) for what does not count"
        )
    return True


def check_unit_interval(name: str, target: Tensor) -> None:
    """Raise a DataError when a target is not a number from 0 to 1."""
    values = _values(target)
    if values.size and not (np.minimum.reduce(values, axis=None) >= 0 and np.maximum.reduce(values, axis=None) <= 1):
        wrong = values[~((values >= 0) & (values <= 1))]
        raise DataError(f"{name}: the target {wrong[0]!s} is out of range: targets are probabilities, from 0 to 1")


def check_signs(name: str, target: Tensor) -> None:
    """Raise a DataError when a label is neither 1 nor -1."""
    values = _values(target)
    wrong = values[np.abs(values) != 1]
    if wrong.size:
        raise DataError(f"{name}: the label {wrong[0]!s} is out of range: labels are 1 or -1")
