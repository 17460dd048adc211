"""The means and standard deviations that put columns on a common scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.errors import DataError

# The square of anything larger is not a finite float64, so it has no standard deviation.
LARGEST = 1e150


class Scaling:
    """Finds mean and standard deviation of columns whose rows come in pieces, by scikit-learn's ``StandardScaler``.

    Parameters
    ----------
    columns : int
    """

    def __init__(self, columns: int) -> None:
        self._least = np.full(columns, np.inf)
        self._most = np.full(columns, -np.inf)
        self._scaler: Any = None

    def add(self, place: str, values: npt.NDArray[np.float64]) -> None:
        """Look at more rows, shape [rows, columns]; NaN is passed over.

        Raises
        ------
        DataError
            When a value is too large; the message begins with ``place``.
        """
        from sklearn.preprocessing import StandardScaler

        least = np.fmin.reduce(values, axis=0, initial=np.inf)
        most = np.fmax.reduce(values, axis=0, initial=-np.inf)
        for largest in (*least[np.isfinite(least)], *most[np.isfinite(most)]):
            if abs(largest) > LARGEST:
                raise DataError(f"{place}: {largest:g} is too large to standardise; give the numbers in a larger unit")
        self._least, self._most = np.fmin(self._least, least), np.fmax(self._most, most)
        if np.isfinite(least).all():
            self._scaler = (self._scaler or StandardScaler()).partial_fit(values)

    def found(self) -> list[tuple[float, float]]:
        """Return mean and standard deviation of each column; 0 for the latter if all values are the same.

        A column without values has 0 for both.
        """
        if self._scaler is None:
            return [(0.0, 0.0)] * len(self._least)
        constant = self._least == self._most
        means = np.where(constant, self._least, self._scaler.mean_)
        stds = np.where(constant, 0.0, self._scaler.scale_)
        return list(zip(means.tolist(), stds.tolist(), strict=True))
