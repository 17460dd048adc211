"""Real data sets, trained with the public interface alone: what a held-out, stratified fifth says.

The settings were chosen by cross-validation on training parts; no test part was looked at for them. Each seed draws its
own division, first weights and batches.
"""

import statistics
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lamina as la
from lamina import nn, optim
from lamina.training import evaluate, fit

SEEDS = range(5)


def standardised(train, test):
    scaler = StandardScaler().fit(train)
    return scaler.transform(train), scaler.transform(test)


def pixels(train, test):
    return (train - 8.0) / 8.0, (test - 8.0) / 8.0


@dataclass(frozen=True)
class Setting:
    """How to train on a data set, and the accuracy to be reached on what is held out."""

    load: Callable
    prepare: Callable
    network: Callable[[], nn.Module]
    rate: float
    options: dict
    least: float = 0.0


SETTINGS = {
    "breast cancer": Setting(
        load_breast_cancer,
        standardised,
        lambda: nn.Sequential(nn.Linear(30, 32), nn.Tanh(), nn.Linear(32, 2)),
        0.003,
        {"epochs": 30, "batch_size": 32, "l2": 0.01},
        0.97,
    ),
    "wine": Setting(
        load_wine,
        standardised,
        lambda: nn.Sequential(nn.Linear(13, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 3)),
        0.005,
        {"epochs": 40, "batch_size": 16, "l2": 0.01},
        0.97,
    ),
    "digits": Setting(
        load_digits,
        pixels,
        lambda: nn.Sequential(
            nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)
        ),
        0.002,
        {"epochs": 60, "batch_size": 32, "mixup": 0.3, "ema": 0.99},
        0.98,
    ),
}  # fmt: skip
DIABETES = Setting(
    load_diabetes,
    standardised,
    lambda: nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1)),
    0.005,
    {"epochs": 40, "batch_size": 32, "l2": 0.1, "ema": 0.99},
)


def model_for(setting, seed):
    la.random.seed(seed)
    model = setting.network()
    return model, optim.Adam(model.parameters(), lr=setting.rate)


def accuracy(setting, seed):
    """Return the accuracy on a held-out fifth."""
    X, Y = setting.load(return_X_y=True)
    X, X_test, Y, Y_test = train_test_split(X, Y, test_size=0.2, stratify=Y, random_state=seed)
    X, X_test = setting.prepare(X, X_test)
    model, optimizer = model_for(setting, seed)
    fit(model, (X, Y), loss=nn.cross_entropy, optimizer=optimizer, seed=seed, progress=False, **setting.options)
    return evaluate(model, (X_test, Y_test), metrics=["accuracy"])["accuracy"]


def diabetes_parts(seed):
    X, Y = load_diabetes(return_X_y=True)
    return train_test_split(X, Y, test_size=0.2, random_state=seed)


def diabetes_r2(seed):
    """Return R² on a held-out fifth."""
    X, X_test, Y, Y_test = diabetes_parts(seed)
    X, X_test = standardised(X, X_test)
    Y, Y_test = standardised(Y[:, None], Y_test[:, None])
    model, optimizer = model_for(DIABETES, seed)
    fit(model, (X, Y), loss=nn.mse_loss, optimizer=optimizer, seed=seed, progress=False, **DIABETES.options)
    return evaluate(model, (X_test, Y_test), metrics=["r2"])["r2"]


def scikit_learn_r2(regressor, seed):
    X, X_test, Y, Y_test = diabetes_parts(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return regressor.fit(X, Y).score(X_test, Y_test)


def as_it_comes(seed):
    return MLPRegressor(random_state=seed)


def tuned(seed):
    """scikit-learn's with scaled inputs and targets, and its penalty chosen on the training part."""
    network = make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(32,), max_iter=300, random_state=seed))
    scaled = TransformedTargetRegressor(network, transformer=StandardScaler())
    return GridSearchCV(scaled, {"regressor__mlpregressor__alpha": [0.01, 1.0, 10.0, 30.0, 100.0]}, cv=5)


@pytest.mark.parametrize("name", SETTINGS)
def test_classes_are_told_apart(name):
    assert accuracy(SETTINGS[name], 0) >= SETTINGS[name].least


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_classes_are_told_apart_by_the_median_of_five_seeds(name):
    assert statistics.median(accuracy(SETTINGS[name], seed) for seed in SEEDS) >= SETTINGS[name].least


def test_diabetes_is_predicted_better_than_by_the_defaults_of_scikit_learn():
    assert diabetes_r2(0) >= scikit_learn_r2(as_it_comes(0), 0)


@pytest.mark.slow
@pytest.mark.parametrize("other", [as_it_comes, tuned])
def test_diabetes_is_predicted_as_well_as_by_scikit_learn_by_the_median_of_five_seeds(other):
    ours = statistics.median(diabetes_r2(seed) for seed in SEEDS)
    assert ours >= statistics.median(scikit_learn_r2(other(seed), seed) for seed in SEEDS)
