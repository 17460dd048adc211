"""Metrics against scikit-learn, and evaluation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn import metrics as theirs

import lamina as la
from lamina import nn
from lamina.errors import BackendError, DataError, DTypeError, ShapeError
from lamina.training import evaluate, metrics, predict

VALUES = {
    "mse": theirs.mean_squared_error,
    "mae": theirs.mean_absolute_error,
    "rmse": lambda known, predicted: math.sqrt(theirs.mean_squared_error(known, predicted)),
    "r2": theirs.r2_score,
}


@given(
    seed=st.integers(0, 1000),
    n=st.integers(2, 20),
    columns=st.integers(0, 3),
    dtype=st.sampled_from(["float32", "float64", "bfloat16"]),
)
@settings(deadline=None, max_examples=25)
@pytest.mark.parametrize("name", VALUES)
def test_errors_of_values_agree_with_scikit_learn(name, seed, n, columns, dtype):
    g = la.random.Generator(seed)
    shape = (n, columns) if columns else (n,)
    outputs, targets = g.normal(shape, dtype=dtype), g.normal(shape, dtype=dtype)
    expected = VALUES[name](targets.astype("float64").numpy(), outputs.astype("float64").numpy())
    assert metrics.METRICS[name](outputs, targets) == pytest.approx(expected, rel=1e-12)


def test_a_column_is_a_vector():
    assert metrics.mse(la.ones((4, 1)), la.zeros(4)) == 1.0


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_errors_of_a_diverged_model_are_nan(name, wrong):
    assert math.isnan(metrics.METRICS[name](la.asarray([[1.0], [wrong]]), la.asarray([[1.0], [2.0]])))


def test_r2_of_one_sample_is_nan():
    assert math.isnan(metrics.r2(la.ones(1), la.ones(1)))


@given(seed=st.integers(0, 1000), n=st.integers(1, 30), classes=st.integers(2, 5))
@settings(deadline=None, max_examples=25)
def test_accuracy_of_class_logits_agrees_with_scikit_learn(seed, n, classes):
    g = la.random.Generator(seed)
    logits, labels = g.normal((n, classes)), g.integers((n,), 0, classes)
    expected = theirs.accuracy_score(labels.numpy(), logits.numpy().argmax(axis=1))
    assert metrics.accuracy(logits, labels) == expected
    assert metrics.accuracy(logits, labels.reshape((n, 1))) == expected
    assert metrics.accuracy(logits, la.one_hot(labels, classes)) == expected


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
def test_accuracy_of_binary_logits_is_by_their_sign(shape, dtype):
    logits = la.asarray([-2.0, 3.0, 0.5, -0.1]).reshape(shape)
    assert metrics.accuracy(logits, la.asarray([0, 1, 0, 0]).astype(dtype)) == 0.75


@pytest.mark.parametrize(
    ("name", "outputs", "targets"),
    [
        ("accuracy", (4, 3), (5,)),
        ("accuracy", (4, 3, 2), (4, 2)),
        ("accuracy", (4, 3), (4, 2)),
        ("accuracy", (4,), (5,)),
        ("mse", (4, 2), (4,)),
        ("mae", (3,), (4,)),
        ("r2", (4,), (4, 3)),
    ],
)
def test_shapes_that_do_not_fit_are_an_error(name, outputs, targets):
    with pytest.raises(ShapeError, match=name):
        metrics.METRICS[name](la.zeros(outputs), la.zeros(targets))


# --- evaluation ---


@pytest.fixture
def noisy():
    return nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.9))


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
def test_evaluation_does_not_depend_on_the_batch_size(noisy, batch_size):
    g = la.random.Generator(0)
    X, Y = g.normal((7, 2)), g.integers((7,), 0, 3)
    found = evaluate(noisy, (X, Y), loss=nn.cross_entropy, metrics=["accuracy"], batch_size=batch_size)
    outputs = noisy[0](X)
    assert found["loss"] == pytest.approx(nn.cross_entropy(outputs, Y).item(), rel=1e-6)
    assert found["accuracy"] == metrics.accuracy(outputs, Y)
    np.testing.assert_allclose(predict(noisy, X, batch_size=batch_size).numpy(), outputs.numpy(), rtol=1e-6, atol=1e-6)


def test_prediction_is_untracked_and_leaves_the_mode(noisy):
    assert not predict(noisy, np.zeros((3, 2))).tracked
    assert noisy.training
    assert noisy[1].training


def test_a_model_without_parameters_predicts_where_the_data_are():
    assert predict(nn.Identity(), np.zeros((3, 2))).dtype is la.float32


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (DataError, lambda model: predict(model, np.zeros((0, 2)))),
        (DataError, lambda model: predict(model, np.full((3, 2), np.nan))),
        (DataError, lambda model: predict(model, np.zeros((3, 2)), batch_size=0)),
        (DTypeError, lambda model: predict(model, la.zeros((3, 2), dtype="float64"))),
        (BackendError, lambda model: predict(model, la.zeros((3, 2), device="strict"))),
        (ShapeError, lambda model: predict(model, np.zeros((3, 5)))),
        (DataError, lambda model: evaluate(model, (np.zeros((3, 2)), np.zeros(3, int)))),
        (DataError, lambda model: evaluate(model, (np.zeros((3, 2)), np.zeros(2, int)), loss=nn.cross_entropy)),
    ],
)
def test_what_cannot_be_evaluated_is_an_error(noisy, error, call):
    with pytest.raises(error):
        call(noisy)
    assert noisy.training
