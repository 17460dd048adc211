"""The mean and standard deviation that put a column on a common scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.errors import DataError

# The square of anything larger is not a finite float64, so it has no standard deviation.
LARGEST = 1e150


def mean_and_std(place: str, values: npt.NDArray[Any]) -> tuple[float, float]:
    """Return the mean and the standard deviation of finite values; 0 for the latter if they are all the same.

    Raises
    ------
    DataError
        When the values are too large; the message begins with ``place``.
    """
    largest = values[np.abs(values).argmax()]
    if abs(largest) > LARGEST:
        raise DataError(f"{place}: {largest:g} is too large to standardise; give the numbers in a larger unit")
    if np.all(values == values[0]):
        return float(values[0]), 0.0
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(values[:, None])
    return float(scaler.mean_[0]), float(scaler.scale_[0])
