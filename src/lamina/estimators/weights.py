"""The weights of rows."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils import check_array, compute_sample_weight

from lamina.errors import DataError


def row_weights(owner: str, given: Any, rows: int, dtype: Any) -> np.ndarray | None:
    """Return one weight for each row, or None where all rows count the same.

    Raises
    ------
    DataError
        When there are more or fewer than rows, one is negative, or all are zero.
    """
    if given is None:
        return None
    if isinstance(given, Real):
        given = np.full(rows, given)
    weights = check_array(given, ensure_2d=False, dtype=dtype, input_name="sample_weight")
    if weights.shape != (rows,):
        raise DataError(
            f"{owner}: sample_weight has shape {list(weights.shape)}; it is one weight for each of {rows} rows"
        )
    if np.any(weights < 0):
        raise DataError(f"{owner}: sample_weight holds {weights.min()}; a weight is a number from zero")
    if not np.any(weights):
        raise DataError(f"{owner}: every sample_weight is zero; at least one row has to count")
    return weights  # type: ignore[no-any-return]


def with_class_weights(
    owner: str, weights: np.ndarray | None, class_weight: Any, y: Any, dtype: Any
) -> np.ndarray | None:
    """Return the weights of rows times those of their classes.

    Where classes are to be balanced, rows count by their weights, so that a weight of 2 is as two rows there too.

    Raises
    ------
    DataError
        When the weight of a class is negative or not finite, or no row counts.
    """
    if class_weight is None:
        return weights
    if isinstance(class_weight, str) and class_weight == "balanced" and weights is not None and y.ndim == 1:
        classes, numbers = np.unique(y, return_inverse=True)
        totals = np.bincount(numbers, weights)
        shares = np.divide(totals.sum(), len(classes) * totals, out=np.zeros_like(totals), where=totals > 0)
        of_classes = shares[numbers].astype(dtype)
    else:
        of_classes = compute_sample_weight(class_weight, y).astype(dtype)
    combined: np.ndarray = of_classes if weights is None else weights * of_classes
    if not np.all(of_classes >= 0) or not np.isfinite(combined).all() or not np.any(combined):
        raise DataError(
            f"{owner}: class_weight is {class_weight!r}; weights are finite numbers from zero, and at least one row "
            "that counts is of a class with one above it"
        )
    return combined
