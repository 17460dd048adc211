"""`LaminaClassifier`: classes, labels, weights, and how training is steered."""

from functools import partial

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_classification, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from lamina import nn, optim
from lamina.errors import DataError, TrainingDiverged
from lamina.estimators import LaminaClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
Quick = partial(LaminaClassifier, hidden_layer_sizes=(16,), learning_rate_init=0.05, max_iter=40, random_state=0)


def same_outputs(first: LaminaClassifier, second: LaminaClassifier, X: np.ndarray) -> bool:
    return np.array_equal(first.decision_function(X), second.decision_function(X))


class Wide(nn.Module):
    """A network of one's own."""

    def __init__(self, inputs: int, outputs: int, width: int = 24) -> None:
        self.first = nn.Linear(inputs, width)
        self.drop = nn.Dropout(0.1)
        self.last = nn.Linear(width, outputs)

    def __call__(self, x):
        return self.last(self.drop(self.first(x).tanh()))


# --- what it learns ---


def test_it_is_as_good_as_scikit_learns_on_digits() -> None:
    X, y = load_digits(return_X_y=True)
    train, test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
    ours = LaminaClassifier(max_iter=60, random_state=0).fit(train, y_train).score(test, y_test)
    theirs = MLPClassifier(max_iter=60, random_state=0).fit(train, y_train).score(test, y_test)
    assert ours >= theirs - 0.01


def test_classes_may_be_texts(iris) -> None:
    X, y = iris
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    model = Quick().fit(X, names)
    assert model.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    assert accuracy_score(names, model.predict(X)) > 0.95


def test_two_classes_have_one_logit(iris) -> None:
    X, y = iris
    model = Quick().fit(X[y > 0], y[y > 0])
    logits, probabilities = model.decision_function(X), model.predict_proba(X)
    assert logits.shape == (150,)
    np.testing.assert_allclose(probabilities[:, 1], 1 / (1 + np.exp(-logits)))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    np.testing.assert_array_equal(model.predict(X), np.where(logits > 0, 2, 1))


def test_log_probabilities_are_the_logarithms_of_probabilities(iris) -> None:
    model = Quick().fit(*iris)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(iris[0])), model.predict_proba(iris[0]))


def test_rows_may_have_several_labels() -> None:
    X, Y = make_multilabel_classification(300, n_classes=4, random_state=0)
    model = LaminaClassifier((32,), learning_rate_init=0.02, max_iter=100, random_state=0).fit(X, Y)
    assert model.predict(X).shape == model.predict_proba(X).shape == model.decision_function(X).shape == (300, 4)
    assert set(np.unique(model.predict(X))) <= {0, 1}
    assert (model.predict(X) == Y).mean() > 0.9


def test_two_columns_of_classes_are_refused(iris) -> None:
    X, y = iris
    with pytest.raises(ValueError, match=r"several columns of classes|not supported"):
        Quick().fit(X, np.column_stack([y, y]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_answers_have_the_type_of_the_inputs(iris, dtype) -> None:
    model = Quick().fit(iris[0].astype(dtype), iris[1])
    assert {each.dtype.name for each in model.module_.parameters()} == {dtype}
    assert model.predict_proba(iris[0].astype(dtype)).dtype == dtype


# --- weights ---


def test_weights_of_rows_count_as_repetitions(iris) -> None:
    X, y = iris
    weights = np.random.default_rng(0).integers(0, 3, len(y))
    model = partial(LaminaClassifier, (8,), max_iter=50, batch_size=1000, random_state=0)
    weighted = model().fit(X, y, sample_weight=weights)
    repeated = model().fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-7)


def test_class_weights_are_weights_of_rows(iris) -> None:
    X, y = iris
    by_class = Quick(class_weight={0: 1.0, 1: 5.0, 2: 0.5}).fit(X, y)
    by_row = Quick().fit(X, y, sample_weight=np.array([1.0, 5.0, 0.5])[y])
    np.testing.assert_allclose(by_class.predict_proba(X), by_row.predict_proba(X), rtol=1e-9)


def test_balanced_classes_are_found_where_they_are_rare() -> None:
    X, y = make_classification(500, weights=[0.95], class_sep=0.3, random_state=0)
    plain, balanced = (Quick(class_weight=each, max_iter=5).fit(X, y) for each in (None, "balanced"))
    assert balanced.predict(X)[y == 1].mean() > plain.predict(X)[y == 1].mean()


# --- how it is trained ---


def test_the_same_random_state_gives_the_same_bits(iris) -> None:
    assert same_outputs(Quick().fit(*iris), Quick().fit(*iris), iris[0])
    assert not same_outputs(Quick().fit(*iris), Quick(random_state=1).fit(*iris), iris[0])


def test_the_default_generator_is_left_alone(iris) -> None:
    import lamina as la

    la.random.seed(5)
    Quick(early_stopping=True).fit(*iris)
    drawn = la.random.uniform((3,))
    la.random.seed(5)
    assert bool((la.random.uniform((3,)) == drawn).all())


def test_compiled_training_gives_the_same_to_rounding(iris) -> None:
    compiled, eager = (Quick(compile=each).fit(*iris) for each in (True, False))
    np.testing.assert_allclose(compiled.predict_proba(iris[0]), eager.predict_proba(iris[0]), rtol=1e-6)


def test_training_stops_when_the_loss_stays() -> None:
    X, y = np.array([[0.0], [1.0]] * 10), np.array([0, 1] * 10)
    model = LaminaClassifier((4,), learning_rate_init=0.1, tol=0.1, n_iter_no_change=3, max_iter=500, random_state=0)
    assert model.fit(X, y).n_iter_ < 500
    assert len(model.loss_curve_) == model.n_iter_


@pytest.mark.filterwarnings("default::sklearn.exceptions.ConvergenceWarning")
def test_it_warns_when_training_still_improved(iris) -> None:
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        Quick(max_iter=2).fit(*iris)


def test_early_stopping_keeps_the_weights_with_the_best_score(iris) -> None:
    model = Quick(early_stopping=True, validation_fraction=0.3, n_iter_no_change=10, max_iter=200).fit(*iris)
    assert model.n_iter_ == len(model.validation_scores_) < 200
    assert model.best_validation_score_ == max(model.validation_scores_) > 0.9


def test_warm_start_goes_on_from_the_weights(iris) -> None:
    model = Quick(warm_start=True, max_iter=15).fit(*iris)
    first = model.loss_
    model.fit(*iris)
    assert model.loss_ < first
    assert (len(model.loss_curve_), model.n_iter_) == (30, 15)


def test_warm_start_refuses_other_classes(iris) -> None:
    X, y = iris
    model = Quick(warm_start=True).fit(X, y)
    with pytest.raises(DataError, match="warm_start goes on with the classes"):
        model.fit(X, y + 1)


def test_warm_start_refuses_another_network(iris) -> None:
    model = Quick(warm_start=True).fit(*iris)
    with pytest.raises(DataError, match="make another one"):
        model.set_params(hidden_layer_sizes=(4,)).fit(*iris)


def test_a_fit_that_fails_leaves_the_network_there_was(iris) -> None:
    X, y = iris
    model = Quick().fit(X, y)
    before = model.predict_proba(X)
    with pytest.raises(TrainingDiverged):
        model.set_params(optimizer="sgd", learning_rate_init=1e200).fit(X, np.array(["a", "b", "c"])[y])
    np.testing.assert_array_equal(model.predict_proba(X), before)
    assert model.classes_.tolist() == [0, 1, 2]


def test_partial_fit_trains_an_epoch_a_call(iris) -> None:
    X, y = iris
    model = Quick()
    for _ in range(40):
        model.partial_fit(X, y, classes=[0, 1, 2])
    assert model.n_iter_ == len(model.loss_curve_) == 40
    assert model.score(X, y) > 0.95


def test_partial_fit_goes_on_as_one_long_fit(iris) -> None:
    X, y = iris
    once = Quick(max_iter=12, batch_size=150, n_iter_no_change=np.inf).fit(X, y)
    often = Quick(batch_size=150)
    for _ in range(12):
        often.partial_fit(X, y, classes=[0, 1, 2])
    np.testing.assert_allclose(often.decision_function(X), once.decision_function(X), rtol=1e-9)


def test_partial_fit_wants_all_classes_first(iris) -> None:
    X, y = iris
    with pytest.raises(DataError, match="classes must be passed"):
        Quick().partial_fit(X, y)
    model = Quick().partial_fit(X[y < 2], y[y < 2], classes=[0, 1, 2])
    assert model.partial_fit(X, y).predict_proba(X).shape == (150, 3)
    with pytest.raises(DataError, match="not the same as on the first call"):
        model.partial_fit(X, y, classes=[0, 1])


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "rmsprop", optim.NAdam, partial(optim.SGD, momentum=0.9)])
def test_optimisers_are_names_or_make_one(iris, optimizer) -> None:
    model = Quick(optimizer=optimizer, batch_size=32, max_iter=30).fit(*iris)
    assert model.score(*iris) > 0.8


@pytest.mark.parametrize("activation", ["tanh", "logistic", "identity", "gelu", nn.SiLU, nn.tanh])
def test_activations_are_names_classes_or_functions(iris, activation) -> None:
    assert Quick(activation=activation).fit(*iris).score(*iris) > 0.8


@pytest.mark.parametrize("sizes", [(), 8, [8, 8], np.array([8, 4])])
def test_hidden_layers_are_widths(iris, sizes) -> None:
    model = Quick(hidden_layer_sizes=sizes, max_iter=5).fit(*iris)
    linear = [each for each in model.module_.modules() if isinstance(each, nn.Linear)]
    assert len(linear) == np.size(sizes) + 1


def test_a_module_of_ones_own_is_trained(iris) -> None:
    X, y = iris
    model = Quick(module=partial(Wide, width=12)).fit(X, y)
    assert isinstance(model.module_, Wide)
    assert model.module_.first.out_features == 12
    assert model.score(X, y) > 0.9
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(X))  # no dropout in answers


def test_a_module_with_wrong_outputs_is_refused(iris) -> None:
    with pytest.raises(DataError, match=r"module: the model gave \[1, 7\] for 1 rows; it must give a tensor \[1, 3\]"):
        Quick(module=lambda inputs, outputs: nn.Linear(inputs, 7)).fit(*iris)


# --- many rows ---


@pytest.mark.parametrize("rows", [1, 1023, 1025, 4095, 4096, 5000])
def test_answers_do_not_depend_on_how_many_rows_are_asked(iris, rows) -> None:
    X, y = iris
    model = Quick().fit(X, y)
    many = np.resize(X, (rows, 4))
    np.testing.assert_allclose(
        model.decision_function(many), np.resize(model.decision_function(X), (rows, 3)), rtol=1e-9, atol=1e-12
    )


# --- what is refused ---


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"max_iter": 0}, "max_iter is 0"),
        ({"learning_rate_init": -1.0}, "learning_rate_init is -1.0"),
        ({"alpha": -0.1}, "alpha is -0.1"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"hidden_layer_sizes": (4, 0)}, "hidden_layer_sizes is 0"),
        ({"hidden_layer_sizes": "wide"}, "hidden_layer_sizes is 'wide'"),
        ({"activation": "reul"}, "activation is 'reul'"),
        ({"optimizer": "adamm"}, "optimizer is 'adamm'"),
        ({"optimizer": 3}, "optimizer is 3"),
        ({"module": nn.Linear(4, 3)}, "module is Linear"),
        ({"module": lambda inputs, outputs: "network"}, "made str"),
        ({"tol": np.nan}, "tol is nan"),
        ({"n_iter_no_change": 0}, "n_iter_no_change is 0"),
        ({"early_stopping": True, "validation_fraction": 1.0}, "validation_fraction is 1.0"),
        ({"compile": "yes"}, "compile is 'yes'"),
    ],
)
def test_parameters_that_cannot_be_are_named(iris, parameters, message) -> None:
    with pytest.raises(DataError, match=message):
        Quick(**parameters).fit(*iris)


def test_one_class_is_no_task(iris) -> None:
    with pytest.raises(DataError, match="y has 1 class, 3"):
        Quick().fit(iris[0], np.full(150, 3))


@pytest.mark.parametrize("weights", [np.zeros(150), -np.ones(150), np.ones(149), np.ones((150, 1))])
def test_weights_that_cannot_be_are_refused(iris, weights) -> None:
    with pytest.raises(ValueError, match=r"sample_weight|dim"):
        Quick().fit(*iris, sample_weight=weights)


def test_nothing_is_predicted_before_a_fit(iris) -> None:
    for ask in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        with pytest.raises(NotFittedError):
            getattr(Quick(), ask)(iris[0])
    with pytest.raises(NotFittedError):
        Quick().module_  # noqa: B018
