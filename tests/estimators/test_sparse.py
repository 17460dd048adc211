"""Sparse matrices, as encoders of categories and texts make them, are inputs like arrays."""

from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

import lamina.estimators.inputs
from lamina.errors import DataError
from lamina.estimators import LaminaClassifier, LaminaRegressor, LinearRegression, LogisticRegression

RANDOM = np.random.default_rng(0)
X = np.where(RANDOM.random((90, 7)) < 0.3, RANDOM.normal(size=(90, 7)), 0.0)
LABELS = np.where(X[:, 0] > X[:, 1], "yes", "no")
VALUES = X @ np.arange(7.0)
SMALL = {"hidden_layer_sizes": (8,), "max_iter": 5, "random_state": 0, "compile": False}
MODELS = {
    "classifier": (partial(LaminaClassifier, **SMALL), LABELS),
    "regressor": (partial(LaminaRegressor, **SMALL), VALUES),
    "linear": (LinearRegression, VALUES),
    "logistic": (LogisticRegression, LABELS),
}
pytestmark = pytest.mark.filterwarnings("ignore:.*training still improved:sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("form", [sp.csr_matrix, sp.csc_array, sp.coo_array])
@pytest.mark.parametrize("model", MODELS)
def test_a_sparse_matrix_is_learnt_and_answered_as_its_array(model, form, monkeypatch):
    monkeypatch.setattr(lamina.estimators.inputs, "BLOCK_BYTES", 20 * 7 * 8)
    make, targets = MODELS[model]
    weights = np.linspace(0.5, 2.0, len(X))
    wanted = make().fit(X, targets, sample_weight=weights)
    found = make().fit(form(X), targets, sample_weight=weights)
    scores = "decision_function" if model == "logistic" else "predict_proba" if model == "classifier" else "predict"
    np.testing.assert_allclose(getattr(found, scores)(form(X)), getattr(wanted, scores)(X), rtol=1e-12, atol=1e-14)


def test_texts_are_classified_through_a_pipeline():
    texts = ["rain and wind", "sun and warmth", "wind and more rain", "warmth of the sun"] * 8
    model = make_pipeline(TfidfVectorizer(), LaminaClassifier((8,), learning_rate_init=0.05, random_state=0))
    assert model.fit(texts, ["bad", "good"] * 16).predict(["much rain", "much sun"]).tolist() == ["bad", "good"]


@pytest.mark.parametrize("model", MODELS)
def test_a_matrix_too_large_for_an_array_is_refused_with_what_would_do(model):
    make, targets = MODELS[model]
    wide = sp.csr_array((len(X), 10**8))
    with pytest.raises(DataError, match=r"67.1 GiB; reduce its columns .*TruncatedSVD.*partial_fit"):
        make().fit(wide, targets)
