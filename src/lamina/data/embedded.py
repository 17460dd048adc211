"""The data sets that come with the package's dependencies and need no network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lamina.data.dataset import Dataset
from lamina.errors import DataError


def load_digits() -> Dataset:
    """Return 1,797 images of handwritten digits, 8 by 8 pixels each.

    ``inputs`` are float32 of shape [1797, 64], row by row, from 0 (paper) to 1 (ink); ``targets`` are the digits,
    int64 of shape [1797]. Reshape the inputs to [-1, 1, 8, 8] for layers that work on images.

    Returns
    -------
    Dataset

    Examples
    --------
    >>> import lamina as la
    >>> digits = la.data.load_digits()
    >>> digits
    Dataset('digits', inputs=[1797, 64], targets=10 classes)

    References
    ----------
    E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998:
    its test part, as scikit-learn ships it.
    """
    from sklearn.datasets import load_digits as load

    found = load()
    names = tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8))
    inputs = (found.data / 16.0).astype(np.float32)
    classes = tuple(str(digit) for digit in range(10))
    return Dataset(inputs, found.target.astype(np.int64), names, classes, "digits")


_EMBEDDED: dict[str, Callable[[], Dataset]] = {"digits": load_digits}


def embedded_names() -> list[str]:
    """Return the names that `load_embedded` takes."""
    return list(_EMBEDDED)


def load_embedded(name: str) -> Dataset:
    """Return the embedded data set of this name.

    Raises
    ------
    DataError
        When there is none of this name.

    Examples
    --------
    >>> import lamina as la
    >>> len(la.data.load_embedded("digits"))
    1797
    """
    if name not in _EMBEDDED:
        raise DataError(f"load_embedded: there is no data set {name!r}; there are {', '.join(_EMBEDDED)}")
    return _EMBEDDED[name]()
