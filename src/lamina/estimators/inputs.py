"""What is said about inputs that a network cannot take, or not learn from."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.exceptions import ConvergenceWarning

from lamina.data.table import listed
from lamina.errors import DataError

# Rows of a column of this size make steps that its weights cannot follow.
LARGE = 1e4

MOST_DENSE_BYTES = 2**31
"""Of a sparse matrix as an array. What is larger is not made unasked."""
BLOCK_BYTES = 2**24
"""Of the rows of a sparse matrix that are answered at a time."""


class TakesSparse:
    """An estimator that tells scikit-learn that its inputs may be a sparse matrix."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.sparse = True
        return tags


def dense(owner: str, X: Any) -> np.ndarray:
    """Return inputs to train on as an array, those of a sparse matrix too: networks see every number.

    Raises
    ------
    DataError
        When the array would be too large.
    """
    if not issparse(X):
        return X  # type: ignore[no-any-return]
    size = X.shape[0] * X.shape[1] * X.dtype.itemsize
    if size > MOST_DENSE_BYTES:
        raise DataError(
            f"{owner}: X is sparse, and as the array {list(X.shape)} that is trained on it takes {size / 2**30:.1f} "
            "GiB; reduce its columns (sklearn.decomposition.TruncatedSVD, sklearn.feature_selection.SelectKBest), give "
            "parts of its rows to partial_fit where there is one, or X.toarray() where that fits into memory"
        )
    return X.toarray()  # type: ignore[no-any-return]


def blocks(X: Any) -> Iterator[np.ndarray]:
    """Yield inputs to answer as arrays: those of a sparse matrix a block of rows after the other."""
    if not issparse(X):
        yield X
        return
    rows = max(1, BLOCK_BYTES // (X.shape[1] * X.dtype.itemsize))
    for start in range(0, X.shape[0], rows):
        yield X[start : start + rows].toarray()


@contextmanager
def explained(owner: str, X: Any) -> Iterator[None]:
    """Say which columns of a data frame are no numbers, where scikit-learn says that one of their cells is none."""
    try:
        yield
    except (TypeError, ValueError) as error:
        if type(X).__name__ == "LazyFrame":
            raise DataError(f"{owner}: X is a LazyFrame, which holds no rows yet; give X.collect()") from error
        columns = _of_no_numbers(X)
        if not columns:
            raise
        shown = ", ".join(f"{name!r} ({kind})" for name, kind in list(columns.items())[:8])
        more = ", ..." if len(columns) > 8 else ""
        raise DataError(
            f"{owner}: {len(columns)} of the columns of X hold no numbers: {shown}{more}; "
            f"make_pipeline(TableEncoder(), {owner}()) takes data frames as they are (lamina.estimators.TableEncoder), "
            "or encode them with scikit-learn's OneHotEncoder"
        ) from error


def _of_no_numbers(X: Any) -> dict[str, str]:
    """Return the columns of a data frame that are neither numbers nor truth values, with their types."""
    if not (hasattr(X, "columns") and hasattr(X, "dtypes")):
        return {}
    found: dict[str, str] = {}
    for name, dtype in zip(X.columns, list(X.dtypes), strict=False):
        numeric = dtype.is_numeric() or str(dtype) == "Boolean" if hasattr(dtype, "is_numeric") else (
            getattr(dtype, "kind", "O") in "biufc"
        )  # fmt: skip
        if not numeric:
            found[str(name)] = str(dtype)
    return found


def warn_of_scale(estimator: Any, inputs: np.ndarray) -> None:
    """Warn of columns so large that a network learns next to nothing from them."""
    largest = np.abs(inputs).max(axis=0)
    large = np.flatnonzero(largest > LARGE)
    if not large.size:
        return
    names = getattr(estimator, "feature_names_in_", None)
    shown = listed([str(names[i]) if names is not None else f"x{i}" for i in large], most=5)
    owner = type(estimator).__name__
    warnings.warn(
        f"{owner}: X reaches {largest.max():g} in {shown}; a network learns from columns of mean 0 and deviation 1: "
        f"use make_pipeline(StandardScaler(), {owner}())",
        ConvergenceWarning,
        stacklevel=5,
    )
