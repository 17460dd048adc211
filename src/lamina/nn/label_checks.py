"""Checks of labels. They read values; while a step is traced they become a part of the program."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.thread_state import STATE
from lamina.errors import DataError, DTypeError, LaminaError, SubscriptError
from lamina.functions.comparisons import logical_and, logical_or
from lamina.functions.elementwise import abs
from lamina.functions.reductions import all
from lamina.primitives.batching import everything
from lamina.tensor import Tensor


def concrete(x: Tensor) -> bool:
    """Tell whether a tensor has values now, so that they can be checked."""
    return x._snapshot._backend.has_values


def _values(x: Tensor) -> Any:
    return x._backend.to_numpy(x._data)


def _outside(values: Any, least: float, most: float) -> Any:
    """Return what does not lie between two numbers, NaN included; quickly where everything does."""
    if values.size == 0 or (
        np.minimum.reduce(values, axis=None) >= least and np.maximum.reduce(values, axis=None) <= most
    ):
        return values.ravel()[:0]
    return values[~((values >= least) & (values <= most))]


def _require(condition: Tensor, error: LaminaError) -> None:
    """Have a condition, a bool without axes, looked at when the program that is being traced runs."""
    tracer = STATE.tracer
    if tracer is not None:
        tracer.require(condition, error)
    elif not all(everything(condition)).item():
        raise error


def require_all(condition: Tensor, error: LaminaError) -> None:
    """Raise an error unless all of a condition holds; while tracing, have the program raise it."""
    holds = all(condition)
    if not concrete(holds):
        _require(holds, error)
    elif not holds.item():
        raise error


def check_class_labels(name: str, target: Tensor, classes: int, ignore_index: int) -> bool:
    """Return whether some label is the ignored one, after checking that all others are classes.

    While tracing, the program checks them, and some may be the ignored one.

    Raises
    ------
    DataError
        When a label is neither in 0 to classes - 1 nor the ignored one.
    """
    expected = (
        f"for {classes} classes labels are 0 to {classes - 1}, or {ignore_index} (ignore_index) for what does not count"
    )
    if not concrete(target):
        inside = logical_and(target >= 0, target < classes)
        _require(
            all(logical_or(inside, target == ignore_index)), DataError(f"{name}: a label is out of range: {expected}")
        )
        return True
    values = _values(target)
    outside = _outside(values, 0, classes - 1)
    if not outside.size:
        return ignore_index >= 0 and bool((values == ignore_index).any())
    wrong = outside[outside != ignore_index]
    if wrong.size:
        raise DataError(f"{name}: the label {wrong[0]!s} is out of range: {expected}")
    return True


def check_rows(name: str, indices: Tensor, length: int) -> None:
    """Check that all indices are rows of a table.

    Raises
    ------
    DTypeError
        When they are no integers.
    SubscriptError
        When one is negative, or the table ends before it.
    """
    if not indices.dtype.integral:
        raise DTypeError(f"{name}: expected integers, got {indices.dtype.name}; cast them with astype")
    expected = f"a table of {length} rows has the indices 0 to {length - 1}"
    if not concrete(indices):
        # Others are refused by the operation that takes the rows.
        _require(all(indices >= 0), SubscriptError(f"{name}: an index is out of range: {expected}"))
        return
    wrong = _outside(_values(indices._snapshot), 0, length - 1)
    if wrong.size:
        raise SubscriptError(f"{name}: the index {wrong[0]!s} is out of range: {expected}")


def check_unit_interval(name: str, target: Tensor, what: str = "target") -> None:
    """Raise a DataError when a target, or what else is a probability, is not a number from 0 to 1."""
    if not concrete(target):
        inside = all(logical_and(target >= 0, target <= 1))
        _require(inside, DataError(f"{name}: one {what} is out of range: {what}s are probabilities, from 0 to 1"))
        return
    wrong = _outside(_values(target), 0, 1)
    if wrong.size:
        raise DataError(f"{name}: the {what} {wrong[0]!s} is out of range: {what}s are probabilities, from 0 to 1")


def check_signs(name: str, target: Tensor) -> None:
    """Raise a DataError when a label is neither 1 nor -1."""
    if not concrete(target):
        _require(all(abs(target) == 1), DataError(f"{name}: a label is out of range: labels are 1 or -1"))
        return
    values = _values(target)
    wrong = values[np.abs(values) != 1]
    if wrong.size:
        raise DataError(f"{name}: the label {wrong[0]!s} is out of range: labels are 1 or -1")
