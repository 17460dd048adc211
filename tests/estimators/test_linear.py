"""The linear models: the solutions of scikit-learn's, found by gradients."""

from itertools import pairwise

import numpy as np
import pytest
import sklearn.linear_model as oracle
from hypothesis import given, strategies as st
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from lamina.errors import DataError
from lamina.estimators import LinearRegression, LogisticRegression

CLASSES = {"iris": load_iris, "wine": load_wine, "cancer": load_breast_cancer}


def off(found: np.ndarray, true: np.ndarray) -> float:
    """Return the largest difference, relative to the largest number."""
    return float(np.max(np.abs(found - true)) / np.max(np.abs(true)))


# --- least squares ---


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("alpha", [0.0, 0.1, 10.0])
def test_coefficients_are_those_of_least_squares_and_ridge(scaled, alpha) -> None:
    X, y = load_diabetes(return_X_y=True, scaled=scaled)
    ours = LinearRegression(alpha=alpha).fit(X, y)
    theirs = (oracle.Ridge(alpha) if alpha else oracle.LinearRegression()).fit(X, y)
    assert off(ours.coef_, theirs.coef_) < 1e-6
    assert ours.intercept_ == pytest.approx(theirs.intercept_, rel=1e-6)
    assert (ours.coef_.shape, np.shape(ours.intercept_)) == (theirs.coef_.shape, ())


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_several_targets_and_weights_of_rows(fit_intercept) -> None:
    X, Y = make_regression(300, 8, n_targets=3, noise=5.0, bias=20.0, random_state=0)
    weights = np.random.default_rng(0).uniform(0, 2, 300)
    ours = LinearRegression(fit_intercept=fit_intercept).fit(X, Y, sample_weight=weights)
    theirs = oracle.LinearRegression(fit_intercept=fit_intercept).fit(X, Y, sample_weight=weights)
    assert off(ours.coef_, theirs.coef_) < 1e-6
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-6 * np.abs(Y).max())


@given(
    rows=st.integers(12, 60), columns=st.integers(1, 8), spread=st.floats(-4, 4), shift=st.floats(-100, 100),
    seed=st.integers(0, 10**6),
)  # fmt: skip
def test_columns_of_any_size_are_fitted(rows, columns, spread, shift, seed) -> None:
    random = np.random.default_rng(seed)
    sizes = 10.0 ** random.uniform(-abs(spread), abs(spread), columns)
    X = random.normal(size=(rows, columns)) * sizes + shift * sizes
    y = X @ (1 / sizes) + random.normal(size=rows)
    ours, theirs = LinearRegression(alpha=0.5).fit(X, y), oracle.Ridge(0.5, solver="svd").fit(X, y)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-6 * np.abs(y).max())


def test_constant_columns_have_no_weight() -> None:
    X, y = load_diabetes(return_X_y=True)
    with_constant = LinearRegression().fit(np.column_stack([X, np.full(len(X), 0.1)]), y)
    assert abs(with_constant.coef_[-1]) < 1e-9
    assert off(with_constant.coef_[:-1], LinearRegression().fit(X, y).coef_) < 1e-6


def test_more_columns_than_rows_are_fitted_exactly() -> None:
    X, y = make_regression(10, 30, random_state=0)
    np.testing.assert_allclose(LinearRegression().fit(X, y).predict(X), y, atol=1e-5 * np.abs(y).max())


# --- classes ---


@pytest.mark.parametrize("C", [0.1, 1.0])
@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("name", CLASSES)
def test_probabilities_are_those_of_logistic_regression(name, scaled, C) -> None:
    X, y = CLASSES[name](return_X_y=True)
    X = StandardScaler().fit_transform(X) if scaled else X
    ours = LogisticRegression(C=C).fit(X, y)
    theirs = oracle.LogisticRegression(C=C, solver="newton-cg", tol=1e-10, max_iter=1000).fit(X, y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-4)
    assert off(ours.coef_, theirs.coef_) < 1e-3
    assert (ours.coef_.shape, ours.intercept_.shape) == (theirs.coef_.shape, theirs.intercept_.shape)


def test_a_smaller_tolerance_comes_closer(iris) -> None:
    X, y = iris
    theirs = oracle.LogisticRegression(solver="newton-cg", tol=1e-12, max_iter=1000).fit(X, y)
    assert off(LogisticRegression(tol=1e-9).fit(X, y).coef_, theirs.coef_) < 1e-6


def test_class_and_row_weights_are_those_of_scikit_learn(iris) -> None:
    X, y = iris
    weights = np.random.default_rng(0).uniform(0, 2, len(y))
    ours = LogisticRegression(class_weight="balanced", tol=1e-8).fit(X[20:], y[20:], sample_weight=weights[20:])
    theirs = oracle.LogisticRegression(class_weight="balanced", tol=1e-8, max_iter=1000)
    theirs.fit(X[20:], y[20:], sample_weight=weights[20:])
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-6)


def test_no_penalty_is_an_infinite_c(iris) -> None:
    X, y = iris
    y = (y == 1).astype(int)  # not separable, so that there is a minimum
    ours = LogisticRegression(C=np.inf, tol=1e-9).fit(X, y)
    theirs = oracle.LogisticRegression(C=np.inf, tol=1e-9, max_iter=1000).fit(X, y)
    assert off(ours.coef_, theirs.coef_) < 1e-5


def test_two_classes_of_texts_have_one_logit(iris) -> None:
    X, y = iris
    model = LogisticRegression().fit(X, np.where(y == 0, "setosa", "another"))
    assert model.classes_.tolist() == ["another", "setosa"]
    assert model.decision_function(X).shape == (150,)
    assert model.score(X, np.where(y == 0, "setosa", "another")) == 1.0


# --- what they share ---


@pytest.mark.parametrize("make", [LinearRegression, LogisticRegression])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_coefficients_have_the_type_of_the_inputs(iris, make, dtype) -> None:
    model = make().fit(iris[0].astype(dtype), iris[1])
    assert model.coef_.dtype == model.predict(iris[0].astype(dtype)).dtype or make is LogisticRegression
    assert model.coef_.dtype == dtype


@pytest.mark.parametrize("make", [LinearRegression, LogisticRegression])
def test_warm_start_has_nothing_left_to_do(iris, make) -> None:
    model = make(warm_start=True).fit(*iris)
    assert model.fit(*iris).n_iter_ <= 2


@pytest.mark.parametrize("make", [LinearRegression, LogisticRegression])
def test_the_loss_falls_from_iteration_to_iteration(iris, make) -> None:
    curve = make().fit(*iris).loss_curve_
    assert len(curve) > 1
    assert all(after <= before for before, after in pairwise(curve))


def test_it_warns_where_iterations_are_too_few(iris) -> None:
    with pytest.warns(ConvergenceWarning, match="after 2 iterations the gradient is .*, above tol=1e-06"):
        LogisticRegression(max_iter=2).fit(*iris)


def test_compiled_gradients_lead_to_the_same_minimum(iris, monkeypatch) -> None:
    X, y = iris
    eager = LogisticRegression(tol=1e-8).fit(X, y)
    monkeypatch.setattr("lamina.estimators.lbfgs._COMPILED_ELEMENTS", 1)
    assert off(LogisticRegression(tol=1e-8).fit(X, y).coef_, eager.coef_) < 1e-5


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (LogisticRegression(C=0.0), "C is 0.0; it is a number above 0"),
        (LogisticRegression(tol=0.0), "tol is 0.0"),
        (LogisticRegression(max_iter=0), "max_iter is 0"),
        (LinearRegression(alpha=-1.0), "alpha is -1.0; it is a number from 0"),
        (LinearRegression(alpha=np.inf), "alpha is inf"),
    ],
)
def test_parameters_that_cannot_be_are_named(iris, model, message) -> None:
    with pytest.raises(DataError, match=message):
        model.fit(*iris)


def test_several_labels_a_row_are_refused(iris) -> None:
    with pytest.raises(ValueError, match=r"1d array|several columns"):
        LogisticRegression().fit(iris[0], np.eye(3, dtype=int)[iris[1]])


@pytest.mark.parametrize("name", ["fit_intercept", "warm_start"])
@pytest.mark.parametrize("kind", [LinearRegression, LogisticRegression])
def test_what_is_neither_true_nor_false_is_refused(kind, name) -> None:
    with pytest.raises(DataError, match=f"{kind.__name__}: {name} is 'no'; it is True or False"):
        kind(**{name: "no"}).fit(np.eye(4), [0, 1, 0, 1])
