"""`LaminaRegressor`: one target and several, losses, and where training ends."""

from functools import partial

import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler

from lamina import nn
from lamina.errors import DataError
from lamina.estimators import LaminaRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
Quick = partial(LaminaRegressor, hidden_layer_sizes=(16,), learning_rate_init=0.02, max_iter=60, random_state=0)


def test_it_is_as_good_as_scikit_learns_on_diabetes(diabetes) -> None:
    train, test, y_train, y_test = train_test_split(*diabetes, random_state=0)
    terms = {"hidden_layer_sizes": (32,), "max_iter": 150, "alpha": 1.0, "random_state": 0}
    ours = LaminaRegressor(**terms).fit(train, y_train).score(test, y_test)
    theirs = MLPRegressor(**terms).fit(train, y_train).score(test, y_test)
    assert ours >= theirs - 0.02


def test_several_targets_are_columns(diabetes) -> None:
    X, y = diabetes
    Y = np.column_stack([y, -y, X[:, 2]])
    model = Quick().fit(X, Y)
    assert model.n_outputs_ == 3
    assert model.predict(X).shape == Y.shape
    assert model.score(X, Y) > 0.5
    assert Quick().fit(X, y).predict(X).shape == y.shape


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_every_loss_is_learnt(diabetes, loss) -> None:
    assert Quick(loss=loss).fit(*diabetes).score(*diabetes) > 0.4


def test_absolute_errors_bear_outliers() -> None:
    X = np.linspace(-1, 1, 200)[:, None]
    y = X[:, 0].copy()
    y[::10] += 20
    square, absolute = (Quick(loss=each).fit(X, y).predict(X) for each in ("squared_error", "absolute_error"))
    assert np.abs(absolute - X[:, 0]).mean() < np.abs(square - X[:, 0]).mean() / 4


def test_the_loss_is_half_the_squared_error_summed_over_targets(diabetes) -> None:
    X, y = diabetes
    Y = np.column_stack([y, X[:, 1]])
    terms = {"alpha": 0.0, "batch_size": len(X), "n_iter_no_change": np.inf, "standardize_target": False}
    model, before = (Quick(max_iter=epochs, **terms).fit(X, Y) for epochs in (5, 4))
    assert model.loss_ == pytest.approx(0.5 * ((before.predict(X) - Y) ** 2).sum(axis=1).mean())


def test_a_penalty_keeps_weights_small(diabetes) -> None:
    def size(alpha: float) -> float:
        model = Quick(alpha=alpha).fit(*diabetes)
        return sum(float((each.numpy() ** 2).sum()) for each in model.module_.parameters() if each.ndim > 1)

    assert size(100.0) < size(0.0) / 4


def test_weights_of_rows_count_as_repetitions(diabetes) -> None:
    X, y = diabetes
    weights = np.random.default_rng(0).integers(0, 3, len(y))
    weighted = Quick(batch_size=5000).fit(X, y, sample_weight=weights)
    repeated = Quick(batch_size=5000).fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-7, atol=1e-9)


def test_early_stopping_keeps_the_weights_with_the_best_score(diabetes) -> None:
    model = Quick(early_stopping=True, n_iter_no_change=3, max_iter=300).fit(*diabetes)
    assert model.n_iter_ < 300
    assert model.best_validation_score_ == max(model.validation_scores_) > 0.2


def test_targets_are_standardised_as_by_scikit_learn(diabetes) -> None:
    X, y = diabetes
    Y = 1e5 + np.column_stack([50.0 * y, X[:, 1]])
    theirs = TransformedTargetRegressor(Quick(standardize_target=False), transformer=StandardScaler()).fit(X, Y)
    ours = Quick().fit(X, Y)
    np.testing.assert_allclose(ours.target_mean_, theirs.transformer_.mean_, rtol=1e-12)
    np.testing.assert_allclose(ours.target_scale_, theirs.transformer_.scale_, rtol=1e-9)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-9)


def test_rows_that_decide_when_to_stop_have_no_part_in_the_scale(diabetes) -> None:
    class Noting(LaminaRegressor):
        def _divided(self, *arguments):
            self.kept, self.held_out = super()._divided(*arguments)
            return self.kept, self.held_out

    X, y = diabetes
    weights = np.linspace(0.5, 2.0, len(y))
    for options in ({}, {"sample_weight": weights}):
        model = Noting(max_iter=3, early_stopping=True, random_state=0).fit(X, y, **options)
        theirs = StandardScaler().fit(model.kept.targets, sample_weight=model.kept.weights)
        assert len(model.kept.targets) + len(model.held_out.targets) == len(y)
        np.testing.assert_allclose(model.target_mean_, theirs.mean_, rtol=1e-6)
        np.testing.assert_allclose(model.target_scale_, theirs.scale_, rtol=1e-6)


@pytest.mark.parametrize("name", ["standardize_target", "shuffle", "warm_start", "early_stopping"])
@pytest.mark.parametrize("value", ["no", 1, None, np.array([True, False])])
def test_what_is_neither_true_nor_false_is_refused_as_by_scikit_learn(diabetes, name, value) -> None:
    if name != "standardize_target":
        with pytest.raises(ValueError, match=f"'{name}' parameter of MLPRegressor"):
            MLPRegressor(**{name: value}).fit(*diabetes)
    model = Quick(**{name: value})
    for learn in (model.fit, model.partial_fit):
        with pytest.raises(DataError, match=f"LaminaRegressor: {name} is .*; it is True or False"):
            learn(*diabetes)
    assert not hasattr(model, "n_features_in_")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (1e5, 77.0), (-1e5, 1e-2), (0.0, 1e12)])
def test_the_place_and_the_spread_of_a_target_do_not_matter(diabetes, dtype, mean, deviation) -> None:
    X, y = diabetes
    assert Quick().fit(X.astype(dtype), mean + deviation * y).score(X, mean + deviation * y) > 0.5


def test_on_targets_as_they_are_it_is_far_better_than_scikit_learns(diabetes) -> None:
    X, y = diabetes
    raw = 152.0 + 77.0 * y
    theirs = MLPRegressor(max_iter=100, random_state=0).fit(X, raw).score(X, raw)
    assert LaminaRegressor(max_iter=100, random_state=0).fit(X, raw).score(X, raw) > max(theirs, 0.4)


def test_a_constant_target_is_predicted() -> None:
    X = np.linspace(-1.0, 1.0, 50)[:, None]
    model = Quick().fit(X, np.full(50, 1e5 + 0.1))
    assert model.target_scale_ == [1.0]
    np.testing.assert_allclose(model.predict(X), 1e5 + 0.1, rtol=1e-5)


def test_training_that_goes_on_keeps_the_scale_it_began_with(diabetes) -> None:
    X, y = diabetes
    for model in (Quick(max_iter=5, warm_start=True).fit(X, y), Quick().partial_fit(X, y)):
        scale = model.target_scale_.copy()
        (model.fit if model.warm_start else model.partial_fit)(X, 9.0 * y)
        np.testing.assert_array_equal(model.target_scale_, scale)


def test_partial_fit_trains_an_epoch_a_call(diabetes) -> None:
    model = Quick()
    for _ in range(30):
        model.partial_fit(*diabetes)
    assert model.n_iter_ == len(model.loss_curve_) == 30
    assert model.score(*diabetes) > 0.4


def test_partial_fit_refuses_other_targets(diabetes) -> None:
    X, y = diabetes
    with pytest.raises(DataError, match="y has 2 columns; it had 1 before"):
        Quick().partial_fit(X, y).partial_fit(X, np.column_stack([y, y]))


def test_partial_fit_does_not_stop_early(diabetes) -> None:
    with pytest.raises(DataError, match="partial_fit sees too little"):
        Quick(early_stopping=True).partial_fit(*diabetes)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predictions_have_the_type_of_the_inputs(diabetes, dtype) -> None:
    X, y = diabetes
    assert Quick(max_iter=3).fit(X.astype(dtype), y).predict(X.astype(dtype)).dtype == dtype


def test_a_module_of_ones_own_is_trained(diabetes) -> None:
    def residual(inputs: int, outputs: int) -> nn.Module:
        return nn.Sequential(nn.Linear(inputs, 16), nn.GELU(), nn.Linear(16, outputs))

    assert Quick(module=residual).fit(*diabetes).score(*diabetes) > 0.4


def test_unknown_losses_are_refused(diabetes) -> None:
    with pytest.raises(DataError, match="loss is 'squares'; use one of squared_error, absolute_error, huber"):
        Quick(loss="squares").fit(*diabetes)
