"""Cross-validation: every sample is measured once, by a model that has not seen it."""

from functools import partial

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_score

import lamina as la
from lamina import nn, optim
from lamina.data import Dataset
from lamina.errors import DataError
from lamina.training import CrossValidation, cross_validate

N = 45
X = np.random.default_rng(0).normal(size=(N, 3)).astype(np.float32)
Y = X @ np.array([[1.0], [2.0], [-1.0]], np.float32) + 0.1
LABELS = np.arange(N) % 3


def values(**options):
    options = {"make_optimizer": partial(optim.SGD, lr=0.1), "epochs": 2, "seed": 0, **options}
    return cross_validate(lambda: nn.Linear(3, 1), (X, Y), loss=nn.mse_loss, **options)


def classes(targets=LABELS, data=None, outputs=3, loss=nn.cross_entropy, **options):
    options = {"epochs": 1, "seed": 0, **options}
    return cross_validate(lambda: nn.Linear(3, outputs), data or (X, targets), loss=loss, **options)


class Parts:
    """What each fold trains on and is measured on, seen by ``prepare``."""

    def __init__(self):
        self.parts = []

    def __call__(self, train, held_out):
        self.parts.append((train, held_out))
        return train, held_out


@pytest.mark.parametrize("folds", [2, 4, N])
def test_every_sample_is_held_out_once_and_never_trained_on_then(folds):
    seen = Parts()
    result = values(folds=folds, prepare=seen, epochs=1)
    assert len(result.histories) == len(seen.parts) == folds
    held_out = np.concatenate([part for _, part in seen.parts])
    np.testing.assert_array_equal(np.unique(held_out, axis=0), np.unique(X, axis=0))
    for train, part in seen.parts:
        together = np.concatenate([train, part])
        np.testing.assert_array_equal(np.unique(together, axis=0), np.unique(X, axis=0))


def test_the_scores_are_those_of_the_models_that_were_trained():
    """Trained to the end, each is the linear regression of its fold."""
    found = values(epochs=400, batch_size=N, metrics=["r2", "rmse"], folds=3)
    assert found.scores.keys() == {"loss", "r2", "rmse"}
    assert min(found.scores["r2"]) > 0.999
    assert min(cross_val_score(LinearRegression(), X, Y, cv=3)) > 0.999
    np.testing.assert_allclose(np.square(found.scores["rmse"]), found.scores["loss"], rtol=1e-4)


def test_mean_and_deviation_are_over_folds():
    result = CrossValidation({"loss": (1.0, 2.0, 6.0)}, (), False)
    assert result.mean == {"loss": 3.0}
    assert result.std == {"loss": pytest.approx(np.std([1.0, 2.0, 6.0], ddof=1))}


@pytest.mark.parametrize(
    ("targets", "stratified"),
    [(LABELS, True), (LABELS[:, None], True), (LABELS > 0, True), (Y, False), ((Y > 0).astype(np.float32), True)],
)
def test_classes_are_stratified_and_values_are_not(targets, stratified):
    def loss(outputs, given):
        return (outputs.mean(axis=1) - given.reshape((-1,)).astype("float32")).square().mean()

    assert classes(targets, loss=loss).stratified is stratified
    assert not classes(targets, loss=loss, stratify=False).stratified


def test_every_fold_has_the_classes_in_their_proportions():
    held_out = []

    def counted(outputs, targets):
        held_out.append(np.bincount(targets.numpy(), minlength=3))
        return 0.0

    classes(metrics=[counted], folds=5)
    np.testing.assert_array_equal(held_out, [[3] * 3] * 5)


def test_a_data_set_says_whether_it_has_classes():
    data = Dataset(X, LABELS.astype(np.float32), ("a", "b", "c"), ("x", "y", "z"))
    assert classes(data=data, loss=lambda outputs, targets: (outputs.mean(axis=1) - targets).square().mean()).stratified


def test_the_same_seed_gives_the_same_folds_weights_and_scores():
    la.random.seed(1)
    first = classes(seed=4)
    la.random.seed(2)
    before = la.random.default_generator().counter.item()
    assert classes(seed=4).scores == first.scores
    assert la.random.default_generator().counter.item() == before
    assert classes(seed=5).scores != first.scores


def test_without_a_seed_the_default_generator_decides():
    la.random.seed(1)
    first, second = classes(seed=None), classes(seed=None)
    assert first.scores != second.scores
    la.random.seed(1)
    assert classes(seed=None).scores == first.scores


def test_inputs_are_scaled_by_what_is_trained_on():
    def standardised(train, held_out):
        mean, std = train.mean(axis=0), train.std(axis=0)
        return (train - mean) / std, (held_out - mean) / std

    iris, species = load_iris(return_X_y=True)
    result = cross_validate(lambda: nn.Linear(4, 3), (iris * 1000 + 5e4, species), loss=nn.cross_entropy,
                            metrics=["accuracy"], prepare=standardised, epochs=30, seed=0,
                            make_optimizer=partial(optim.Adam, lr=0.05))  # fmt: skip
    assert result.mean["accuracy"] > 0.93


def test_options_of_fit_are_passed_on():
    result = values(validation=0.25, early_stopping=2, epochs=50, l2=0.01, sample_weight=np.arange(N), compile=False)
    assert all("val_loss" in history for history in result.histories)


def test_the_table_has_a_row_for_each_fold_and_the_mean():
    text = str(classes(metrics=["accuracy"], folds=3))
    assert "3 folds, stratified" in text
    for word in ("fold", "loss", "accuracy", "mean", "std"):
        assert word in text
    assert repr(classes(folds=3)).startswith("CrossValidation(3 folds: loss=")


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("1 folds of 45 samples", {"folds": 1}),
        ("46 folds of 45 samples", {"folds": 46}),
        ("a class has 15 samples, too few for one in each of 20 folds", {"folds": 20}),
        ("the first axes must be equal", {"data": (X, LABELS[:5])}),
        ("expected data as a pair", {"data": 3}),
        ("optimizer belongs to one model", {"optimizer": optim.Adam}),
        ("3 sample weights for 45 samples", {"sample_weight": [1, 2, 3]}),
        ("stratify=True is for targets that are classes", {"targets": Y, "stratify": True}),
    ],
)
def test_what_cannot_be_divided_is_an_error(message, options):
    with pytest.raises(DataError, match=message):
        classes(**options)
