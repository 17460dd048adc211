"""`TableEncoder`: data frames as people have them, as the numbers that estimators take."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from lamina.data.columns.categorical import MOST_CATEGORIES
from lamina.data.preprocessing import TablePreprocessing, sorted_columns
from lamina.data.schema import Kind
from lamina.data.settling import settled
from lamina.data.table import Table
from lamina.errors import DataError

# The types of columns of pandas and polars that say themselves that they are categories.
CATEGORIES = ("category", "Categorical", "Enum")


class TableEncoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Columns of a data frame as numbers, as a scikit-learn transformer: what `lamina train` does with a table.

    Numbers are standardised, categories and texts become one input each, truth values 0 and 1, and dates their parts;
    missing values are filled, with an input that says where if training had some. Names, identifiers and columns
    without values are left out with a warning. Before `LaminaClassifier`, a frame is trained on as it is.

    Parameters
    ----------
    kinds : mapping from str to str, optional
        What columns hold that do not look like it: ``{"zip": "categorical"}``, with the kinds of `ColumnSchema`.
        Columns of the type category of pandas or polars are categories.
    max_categories : int, default 100
        A column of more categories gets so many inputs; its rarest share one.
    min_frequency : int, default 1
        Categories in fewer rows share one input.

    Attributes
    ----------
    preprocessing_ : TablePreprocessing
        How each column becomes inputs.
    n_features_in_, feature_names_in_ : int and ndarray
        What the rows were; names only where they came in a data frame.

    Raises
    ------
    DataError
        In `fit`, when no column can be used; in `transform`, when a cell is not of its column's kind.

    Examples
    --------
    >>> import polars as pl
    >>> from sklearn.pipeline import make_pipeline
    >>> from lamina.estimators import LaminaClassifier, TableEncoder
    >>> houses = pl.DataFrame({"area": [80.5, None, 120.0] * 9, "town": ["Ulm", "Bonn", "Jena"] * 9})
    >>> model = make_pipeline(TableEncoder(), LaminaClassifier((8,), learning_rate_init=0.05, random_state=0))
    >>> model.fit(houses, ["low", "low", "high"] * 9).predict(houses[:3]).tolist()
    ['low', 'low', 'high']
    >>> model[0].get_feature_names_out().tolist()
    ['area', 'area=(missing)', 'town=Bonn', 'town=Jena', 'town=Ulm']
    """

    preprocessing_: TablePreprocessing

    def __init__(
        self, kinds: Mapping[str, Kind] | None = None, max_categories: int = MOST_CATEGORIES, min_frequency: int = 1
    ) -> None:
        self.kinds = kinds
        self.max_categories = max_categories
        self.min_frequency = min_frequency

    def fit(self, X: Any, y: Any = None) -> TableEncoder:
        """Find how each column becomes inputs.

        Parameters
        ----------
        X : data frame or array of shape [n, columns]
        y : ignored

        Returns
        -------
        TableEncoder
            This one.
        """
        table = settled(self._table(X, reset=True))
        kinds = _categories(X) | dict(self.kinds or {})
        table.require(list(kinds), "column", ", which kinds names")
        names, notes = sorted_columns(table, [name for name in table.columns if name not in kinds])
        for note in notes:
            warnings.warn(f"TableEncoder: {note}", UserWarning, stacklevel=2)
        used = [name for name in table.columns if name in kinds or name in names]
        if not used:
            raise DataError(f"TableEncoder: X has no column that can be used: {'; '.join(notes[:5])}")
        self.preprocessing_ = TablePreprocessing.fit(
            table, used, kinds=kinds, max_categories=self.max_categories, min_frequency=self.min_frequency
        )
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the inputs of rows, float32 of shape [n, inputs]."""
        check_is_fitted(self, "preprocessing_")
        return self.preprocessing_.encode(self._table(X, reset=False))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the name of each input."""
        check_is_fitted(self, "preprocessing_")
        return np.asarray(self.preprocessing_.feature_names, dtype=object)

    def _table(self, X: Any, reset: bool) -> Table:
        """Return rows as a table, their names and number of columns checked as scikit-learn does."""
        if hasattr(X, "columns") and hasattr(X, "dtypes"):
            validate_data(self, X, reset=reset, skip_check_array=True)
            return Table.of(X, name="X")
        rows = validate_data(self, X, reset=reset, dtype=None, ensure_all_finite="allow-nan")
        return Table.of({f"x{i}": column for i, column in enumerate(rows.T)}, name="X")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        return tags


def _categories(X: Any) -> dict[str, Kind]:
    """Return the columns of a data frame whose type says that they hold categories."""
    if not (hasattr(X, "columns") and hasattr(X, "dtypes")):
        return {}
    pairs = zip(X.columns, list(X.dtypes), strict=True)
    return {str(name): "categorical" for name, dtype in pairs if str(dtype).partition("(")[0] in CATEGORIES}
