"""Data as people have them: frames of texts and dates, missing labels, hardly any rows, numbers of any size."""

import pickle
from datetime import date
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from lamina.data import Table, TablePreprocessing
from lamina.errors import DataError
from lamina.estimators import LaminaClassifier, LaminaRegressor, LogisticRegression, TableEncoder

Classifier = partial(LaminaClassifier, hidden_layer_sizes=(8,), learning_rate_init=0.05, max_iter=25, random_state=0)
Regressor = partial(LaminaRegressor, hidden_layer_sizes=(8,), learning_rate_init=0.05, max_iter=25, random_state=0)
pytestmark = pytest.mark.filterwarnings("ignore:.*training still improved:sklearn.exceptions.ConvergenceWarning")

ROWS = 60
RANDOM = np.random.default_rng(0)
A = RANDOM.normal(size=ROWS)
TOWNS = ["Ulm", "Bonn", "Jena"] * 20
SOLD = np.where(np.array(TOWNS) == "Ulm", "yes", "no")
COLUMNS: dict[str, list[Any]] = {
    "area": [None if i % 7 == 0 else float(a) for i, a in enumerate(A)],
    "town": TOWNS,
    "garden": [True, False] * 30,
    "built": [date(2000 + i % 20, 1 + i % 12, 1 + i % 28) for i in range(ROWS)],
}
FRAMES = {
    "pandas": lambda: pd.DataFrame(COLUMNS),
    "pandas categories": lambda: pd.DataFrame(COLUMNS).astype({"town": "category"}),
    "polars": lambda: pl.DataFrame(COLUMNS),
    "polars categories": lambda: pl.DataFrame(COLUMNS).cast({"town": pl.Categorical}),
}


@pytest.mark.parametrize("weights", [{"no": 0, "yes": 0}, {"no": -1, "yes": 2}, {"no": np.nan, "yes": 1}])
@pytest.mark.parametrize("make", [Classifier, LogisticRegression])
def test_weights_of_classes_by_which_no_row_counts_are_refused(make: Any, weights: dict[str, float]) -> None:
    with pytest.raises(DataError, match=r"class_weight is .*weights are finite numbers from zero"):
        make(class_weight=weights).fit(A[:, None], SOLD)


# --- frames as they are ---


@pytest.mark.parametrize("frame", FRAMES)
def test_a_frame_is_trained_on_as_it_is(frame: str) -> None:
    X = FRAMES[frame]()
    model = make_pipeline(TableEncoder(), Classifier()).fit(X, SOLD)
    assert model.score(X, SOLD) == 1.0
    names = ["area", "area=(missing)", "town=Bonn", "town=Jena", "town=Ulm", "garden"]
    assert model[0].get_feature_names_out().tolist()[:6] == names
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_the_encoder_does_what_the_command_does() -> None:
    table = {name: COLUMNS[name] for name in ("area", "town", "garden")}
    expected = TablePreprocessing.fit(Table.of(table), list(table)).encode(Table.of(table))
    np.testing.assert_array_equal(TableEncoder().fit_transform(pd.DataFrame(table)), expected)


def test_types_of_categories_are_believed() -> None:
    X = pd.DataFrame({"zip": pd.Categorical([89073, 53111, 89073]), "rooms": [1, 2, 3]})
    assert TableEncoder().fit(X).get_feature_names_out().tolist() == ["zip=53111", "zip=89073", "rooms"]
    plain = X.astype({"zip": int})
    assert TableEncoder().fit(plain).get_feature_names_out().tolist() == ["zip", "rooms"]
    declared = TableEncoder({"zip": "categorical"}).fit(plain)
    assert declared.get_feature_names_out().tolist() == ["zip=53111", "zip=89073", "rooms"]


def test_the_encoder_goes_into_searches_and_columns() -> None:
    X, y = FRAMES["pandas"](), SOLD
    model = make_pipeline(TableEncoder(), Classifier())
    found = GridSearchCV(model, {"tableencoder__max_categories": [1, 9]}, cv=2).fit(X, y)
    assert found.best_params_["tableencoder__max_categories"] == 9
    assert cross_val_score(clone(model), X, y, cv=2).shape == (2,)
    columns = make_column_transformer((TableEncoder(), ["town", "garden"]), ("passthrough", ["area"]))
    assert columns.fit_transform(X).shape == (ROWS, 5)
    assert columns.get_feature_names_out()[0] == "tableencoder__town=Bonn"


def test_columns_that_name_rows_are_left_out_with_a_warning() -> None:
    X = pd.DataFrame({"id": [f"u{i}" for i in range(ROWS)], "a": A})
    with pytest.warns(UserWarning, match="TableEncoder: column 'id' holds 60 different texts in 60 rows"):
        assert TableEncoder().fit(X).get_feature_names_out().tolist() == ["a"]
    with (
        pytest.warns(UserWarning, match="column 'id'"),
        pytest.raises(DataError, match="X has no column that can be used: column 'id'"),
    ):
        TableEncoder().fit(X[["id"]])


@pytest.mark.parametrize("frame", ["pandas", "polars"])
def test_other_columns_than_those_of_training_are_refused(frame: str) -> None:
    X = FRAMES[frame]()
    encoder = TableEncoder().fit(X)
    with pytest.raises(ValueError, match="feature names"):
        encoder.transform(X[["town", "area", "garden", "built"]])
    with pytest.warns(UserWarning, match="column 'town' holds 'Köln', which training did not have"):
        encoder.transform(FRAMES[frame]().head(1).pipe(_elsewhere))


def _elsewhere(frame: Any) -> Any:
    return frame.assign(town="Köln") if isinstance(frame, pd.DataFrame) else frame.with_columns(town=pl.lit("Köln"))


# --- what is no number ---


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("model", [Classifier(), Regressor()], ids=lambda each: type(each).__name__)
def test_frames_of_texts_are_refused_with_what_encodes_them(frame: str, model: Any) -> None:
    X = FRAMES[frame]()[["town"]]
    with pytest.raises(
        DataError, match=r"1 of the columns of X hold no numbers: 'town' \(.*make_pipeline\(TableEncoder"
    ):
        model.fit(X, A if isinstance(model, LaminaRegressor) else SOLD)


def test_a_frame_that_is_not_computed_is_refused() -> None:
    with pytest.raises(DataError, match=r"X is a LazyFrame, which holds no rows yet; give X.collect\(\)"):
        Classifier().fit(pl.DataFrame({"a": A}).lazy(), SOLD)


LABELS = {
    "none": ([None, *SOLD[1:]], "y has no label in 1 row, the first of them row 0"),
    "pandas": (pd.Series(["a", "b", None] * 20, dtype="string"), "y has no label in 20 rows, the first of them row 2"),
    "polars": (pl.Series(["a", None] * 30), "y has no label in 30 rows"),
    "mixed": (np.array([1, "b"] * 30, dtype=object), "y has labels of the types int, str; give all of them as texts"),
    "huge": ([2**70, 1] * 30, "y has labels beyond 64 bits, such as 1180591620717411303424"),
}


@pytest.mark.parametrize("case", LABELS)
def test_labels_that_cannot_be_learnt_are_named(case: str) -> None:
    y, message = LABELS[case]
    with pytest.raises(DataError, match=message):
        Classifier().fit(A[:, None], y)


@pytest.mark.parametrize("labels", [(np.uint64(3), np.uint64(2**63 + 5)), (np.int8(-128), np.int8(127)), (False, True)])
def test_labels_keep_their_type(labels: tuple[Any, Any]) -> None:
    y = np.where(A > 0, labels[1], labels[0])
    found = Classifier().fit(A[:, None], y).predict(A[:, None])
    assert found.dtype == y.dtype
    assert set(found.tolist()) <= set(y.tolist())


# --- few rows ---


def test_a_class_of_one_row_is_trained_on_where_some_are_held_out() -> None:
    y = np.array(["rare", *SOLD[1:]])
    model = Classifier(early_stopping=True).fit(A[:, None], y)
    assert model.classes_.tolist() == ["no", "rare", "yes"]
    assert len(model.validation_scores_) == model.n_iter_


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_too_few_rows_to_hold_some_out_are_refused(rows: int) -> None:
    with pytest.raises(DataError, match=r"LaminaRegressor: early_stopping holds .* set early_stopping=False"):
        Regressor(early_stopping=True).fit(A[:rows, None], A[:rows])
    assert Regressor().fit(A[:rows, None], A[:rows]).predict(A[:rows, None]).shape == (rows,)


# --- proportions ---


def test_large_inputs_are_said_to_need_scaling() -> None:
    X = pd.DataFrame({"a": A, "income": A * 1e6})
    with pytest.warns(ConvergenceWarning, match="X reaches .* in 'income'; .* make_pipeline\\(StandardScaler"):
        Classifier(max_iter=200, tol=0.1).fit(X, SOLD)


def test_targets_beyond_all_bounds_are_refused() -> None:
    with pytest.raises(DataError, match=r"y reaches .*e\+300, too far to standardise; give it in a larger unit"):
        Regressor().fit(A[:, None], A * 1e300)


def test_targets_of_very_different_scale_are_learnt_alike() -> None:
    X = A[:, None]
    both = np.stack([3.0 * A, 1e9 + 1e7 * A], axis=1)
    predicted = Regressor(max_iter=200).fit(X, both).predict(X)
    assert (np.abs(predicted - both).max(axis=0) < both.std(axis=0)).all()
