"""The estimators inside scikit-learn's tools: pipelines, searches, processes, copies, data frames."""

import copy
import pickle
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multioutput import ClassifierChain
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from lamina import nn, optim
from lamina.estimators import LaminaClassifier, LaminaRegressor, LinearRegression, LogisticRegression

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
Classifier = partial(LaminaClassifier, hidden_layer_sizes=(8,), learning_rate_init=0.05, max_iter=25, random_state=0)
Regressor = partial(LaminaRegressor, hidden_layer_sizes=(8,), learning_rate_init=0.05, max_iter=25, random_state=0)
NAMES = ["sepal length", "sepal width", "petal length", "petal width"]
FRAMES = {"pandas": lambda X: pd.DataFrame(X, columns=NAMES), "polars": lambda X: pl.DataFrame(X, schema=NAMES)}
ESTIMATORS = [Classifier(), Regressor(), LinearRegression(), LogisticRegression()]


def make_network(inputs: int, outputs: int) -> nn.Module:
    """Return a network with a buffer and a layer that draws."""
    return nn.Sequential(nn.Linear(inputs, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, outputs))


COPIES = {
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "deepcopy": copy.deepcopy,
}


# --- copies ---


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("model", ESTIMATORS, ids=lambda each: type(each).__name__)
def test_copies_predict_the_same_bits(iris, model, copied) -> None:
    X, y = iris
    fitted = clone(model).fit(X, y)
    np.testing.assert_array_equal(COPIES[copied](fitted).predict(X), fitted.predict(X))


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("optimizer", ["adam", partial(optim.SGD, momentum=0.9)])
def test_copies_go_on_with_the_same_bits(iris, optimizer, copied) -> None:
    X, y = iris
    model = Classifier(optimizer=optimizer, module=make_network, batch_size=32)
    for _ in range(3):
        model.partial_fit(X, y, classes=[0, 1, 2])
    twin = COPIES[copied](model)
    for each in (model, twin):
        each.partial_fit(X, y)
    np.testing.assert_array_equal(twin.decision_function(X), model.decision_function(X))
    assert twin.loss_curve_ == model.loss_curve_


def test_a_copy_is_on_its_own(iris) -> None:
    X, y = iris
    model = Classifier().fit(X, y)
    before = model.decision_function(X)
    copy.deepcopy(model).partial_fit(X, y)
    np.testing.assert_array_equal(model.decision_function(X), before)


def test_the_state_is_plain_arrays(iris) -> None:
    state = Classifier().fit(*iris)._network.__getstate__()
    assert all(type(each) is np.ndarray for each in (*state["weights"].values(), *state["generator"].values()))
    assert not any(isinstance(each, nn.Module) for each in state["optimizer"].values())


def test_clones_are_not_trained(iris) -> None:
    model = Classifier(module=make_network).fit(*iris)
    twin = clone(model)
    assert twin.get_params() == model.get_params()
    assert not hasattr(twin, "classes_")


# --- tools ---


def test_it_trains_in_a_pipeline(iris) -> None:
    model = make_pipeline(StandardScaler(), Classifier()).fit(*iris)
    assert model.score(*iris) > 0.9
    assert model.set_params(laminaclassifier__max_iter=2).fit(*iris)[-1].n_iter_ == 2


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_a_search_finds_the_best_in_parallel(iris, backend) -> None:
    import joblib

    grid = {"hidden_layer_sizes": [(2,), (8,)], "learning_rate_init": [1e-5, 0.05]}
    with joblib.parallel_backend(backend):
        found = GridSearchCV(Classifier(), grid, cv=3, n_jobs=2).fit(*iris)
    assert found.best_params_["learning_rate_init"] == 0.05
    assert found.best_score_ > 0.9
    np.testing.assert_array_equal(found.predict(iris[0]), found.best_estimator_.predict(iris[0]))


@pytest.mark.parametrize("model", ESTIMATORS, ids=lambda each: type(each).__name__)
def test_scores_are_the_same_in_other_processes(iris, model) -> None:
    X, y = iris
    here, there = (cross_val_score(model, X, y, cv=4, n_jobs=jobs) for jobs in (None, 2))
    np.testing.assert_array_equal(here, there)


def test_weights_of_rows_reach_it_through_a_search(iris) -> None:
    X, y = iris
    weights = (y > 0).astype(float)  # the first class does not count
    found = GridSearchCV(Classifier(), {"alpha": [0.0, 0.1]}, cv=3).fit(X, y, sample_weight=weights)
    assert not (found.predict(X) == 0).any()


def test_targets_are_scaled_around_it() -> None:
    X = np.linspace(-1, 1, 200)[:, None]
    y = 5000 + 1000 * np.sin(3 * X[:, 0])
    model = TransformedTargetRegressor(Regressor(max_iter=200), transformer=StandardScaler())
    assert model.fit(X, y).score(X, y) > 0.9


def test_it_is_one_of_a_chain(iris) -> None:
    X, y = iris
    assert ClassifierChain(LogisticRegression()).fit(X, np.eye(3)[y]).predict(X).shape == (150, 3)


# --- data frames ---


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("model", ESTIMATORS, ids=lambda each: type(each).__name__)
def test_data_frames_give_their_names(iris, frame, model) -> None:
    X, y = iris
    table = FRAMES[frame](X)
    fitted, plain = clone(model).fit(table, y), clone(model).fit(X, y)
    assert fitted.feature_names_in_.tolist() == NAMES
    # Frames hold columns one after another, which NumPy adds up in another order.
    np.testing.assert_allclose(fitted.predict(table), plain.predict(X), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("frame", FRAMES)
def test_columns_in_another_order_are_refused(iris, frame) -> None:
    X, y = iris
    model = Classifier(max_iter=2).fit(FRAMES[frame](X), y)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(FRAMES[frame](X)[NAMES[::-1]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X)


def test_targets_come_from_columns_of_frames(iris) -> None:
    X, y = iris
    names = np.array(["a", "b", "c"])[y]
    for target in (pd.Series(names), pl.Series(names)):
        assert Classifier().fit(X, target).classes_.tolist() == ["a", "b", "c"]
    both = pd.DataFrame({"length": X[:, 0], "width": X[:, 1]})
    assert Regressor().fit(X, both).predict(X).shape == (150, 2)


def test_a_table_of_numbers_and_categories_is_a_pipeline_away(iris) -> None:
    X, y = iris
    table = pd.DataFrame({"petal": X[:, 2], "colour": np.array(["red", "blue", "white"])[y]})
    columns = make_column_transformer((StandardScaler(), ["petal"]), (OneHotEncoder(), ["colour"]))
    assert make_pipeline(columns, Classifier()).fit(table, y).score(table, y) > 0.95
