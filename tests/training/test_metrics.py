"""Metrics against scikit-learn, and evaluation."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, softmax
from sklearn import metrics as theirs

import lamina as la
from lamina import nn
from lamina.errors import BackendError, DataError, DTypeError, ShapeError
from lamina.training import EarlyStopping, evaluate, metrics, predict

VALUES = {
    "mse": theirs.mean_squared_error,
    "mae": theirs.mean_absolute_error,
    "rmse": theirs.root_mean_squared_error,
    "median_absolute_error": theirs.median_absolute_error,
    "r2": theirs.r2_score,
    "explained_variance": theirs.explained_variance_score,
}


def measured(name, outputs, targets):
    return metrics.score([name], la.asarray(outputs), la.asarray(targets))[name]


def averages(score, average):
    return lambda truth, logits: score(truth, logits.argmax(axis=1), average=average, zero_division=0)


def binary_log_loss(truth, logits):
    return theirs.log_loss(truth, np.column_stack([expit(-logits), expit(logits)]), labels=[0, 1])


# Of the true classes and the logits of all classes, as scikit-learn would be asked.
CLASSES = {
    "accuracy": lambda truth, logits: theirs.accuracy_score(truth, logits.argmax(axis=1)),
    "top_2_accuracy": lambda truth, logits: theirs.top_k_accuracy_score(
        truth, logits, k=2, labels=range(logits.shape[1])
    ),
    "log_loss": lambda truth, logits: theirs.log_loss(truth, softmax(logits, axis=1), labels=range(logits.shape[1])),
    "precision": averages(theirs.precision_score, "macro"),
    "recall": averages(theirs.recall_score, "macro"),
    "f1": averages(theirs.f1_score, "macro"),
    **{
        f"{name}_{average}": averages(score, average)
        for name, score in [
            ("precision", theirs.precision_score),
            ("recall", theirs.recall_score),
            ("f1", theirs.f1_score),
        ]
        for average in ("micro", "macro", "weighted")
    },
}
BINARY = {
    "accuracy": lambda truth, logits: theirs.accuracy_score(truth, logits > 0),
    "precision": lambda truth, logits: theirs.precision_score(truth, logits > 0, zero_division=0),
    "recall": lambda truth, logits: theirs.recall_score(truth, logits > 0, zero_division=0),
    "f1": lambda truth, logits: theirs.f1_score(truth, logits > 0, zero_division=0),
    "f1_macro": lambda truth, logits: theirs.f1_score(truth, logits > 0, average="macro", zero_division=0),
    "log_loss": lambda truth, logits: binary_log_loss(truth, logits),
}
SEVERAL = {
    "accuracy": lambda truth, logits: theirs.accuracy_score(truth, logits > 0),
    "precision": lambda truth, logits: theirs.precision_score(truth, logits > 0, average="macro", zero_division=0),
    "recall_micro": lambda truth, logits: theirs.recall_score(truth, logits > 0, average="micro", zero_division=0),
    "f1_weighted": lambda truth, logits: theirs.f1_score(truth, logits > 0, average="weighted", zero_division=0),
    "log_loss": lambda truth, logits: np.mean([binary_log_loss(y, z) for y, z in zip(truth.T, logits.T, strict=True)]),
}

# Few different numbers, so that samples tie; some so large that probabilities round to 0 and 1.
LOGITS = st.sampled_from([-800.0, -3.0, -1.0, -0.5, 0.0, 0.25, 1.0, 2.0, 30.0, 800.0])


@st.composite
def classified(draw):
    """Logits of two to five classes and the classes of one to thirty samples, often with ties or one class only."""
    n, classes = draw(st.integers(1, 30)), draw(st.integers(2, 5))
    logits = draw(arrays(np.float64, (n, classes), elements=LOGITS))
    return logits, draw(arrays(np.int64, n, elements=st.integers(0, draw(st.integers(0, classes - 1)))))


@st.composite
def yes_or_no(draw, columns=None):
    shape = draw(st.integers(2, 30)) if columns is None else (draw(st.integers(2, 30)), columns)
    return draw(arrays(np.float64, shape, elements=LOGITS)), draw(
        arrays(np.int64, shape, elements=st.integers(0, draw(st.integers(0, 1))))
    )


# --- of values ---


@given(
    seed=st.integers(0, 1000),
    n=st.integers(2, 20),
    columns=st.integers(0, 3),
    dtype=st.sampled_from(["float32", "float64", "bfloat16"]),
)
@settings(deadline=None, max_examples=15)
@pytest.mark.parametrize("name", VALUES)
def test_errors_of_values_agree_with_scikit_learn(name, seed, n, columns, dtype):
    g = la.random.Generator(seed)
    shape = (n, columns) if columns else (n,)
    outputs, targets = g.normal(shape, dtype=dtype), g.normal(shape, dtype=dtype)
    expected = VALUES[name](targets.astype("float64").numpy(), outputs.astype("float64").numpy())
    assert measured(name, outputs, targets) == pytest.approx(expected, rel=1e-12)


@given(
    outputs=arrays(np.float64, 8, elements=st.sampled_from([-1.0, 0.0, 2.0, 1e150])),
    constant=st.booleans(),
)
@settings(deadline=None, max_examples=15)
@pytest.mark.parametrize("name", VALUES)
def test_ties_constant_targets_and_huge_errors_agree_with_scikit_learn(name, outputs, constant):
    targets = np.full(8, 2.0) if constant else np.repeat([1.0, 2.0], 4)
    assert measured(name, outputs, targets) == pytest.approx(VALUES[name](targets, outputs), rel=1e-12)


def test_a_column_is_a_vector():
    assert metrics.mse(la.ones((4, 1)), la.zeros(4)) == 1.0


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_errors_of_a_diverged_model_are_nan(name, wrong):
    assert math.isnan(measured(name, [[1.0], [wrong]], [[1.0], [2.0]]))


def test_squares_too_large_for_a_number_are_infinite():
    assert metrics.mse(la.asarray([1e200], dtype="float64"), la.asarray([0.0], dtype="float64")) == math.inf


def test_r2_of_one_sample_is_nan():
    assert math.isnan(metrics.r2(la.ones(1), la.ones(1)))


# --- of classes ---


@given(data=classified())
@settings(deadline=None, max_examples=15)
@pytest.mark.parametrize("name", CLASSES)
def test_metrics_of_classes_agree_with_scikit_learn(name, data):
    logits, truth = data
    if logits.shape[1] == 2:
        logits = np.column_stack([logits, logits[:, 0] - 1.0])
    if name == "top_2_accuracy" and logits.shape[1] <= 2:
        return
    assert measured(name, logits, truth) == pytest.approx(CLASSES[name](truth, logits), rel=1e-12)


@given(data=yes_or_no())
@settings(deadline=None, max_examples=15)
@pytest.mark.parametrize("name", BINARY)
def test_metrics_of_one_logit_agree_with_scikit_learn(name, data):
    logits, truth = data
    assert measured(name, logits, truth) == pytest.approx(BINARY[name](truth, logits), rel=1e-9)


@given(data=yes_or_no(columns=3))
@settings(deadline=None, max_examples=15)
@pytest.mark.parametrize("name", SEVERAL)
def test_metrics_of_several_labels_agree_with_scikit_learn(name, data):
    logits, truth = data
    # A first sample with two labels makes several labels a sample of it, whatever else is drawn.
    truth[0] = [1, 1, 0]
    assert measured(name, logits, truth) == pytest.approx(SEVERAL[name](truth, logits), rel=1e-9)


@given(data=classified())
@settings(deadline=None, max_examples=15)
def test_balanced_accuracy_agrees_with_scikit_learn(data):
    logits, truth = data
    with warnings.catch_warnings():
        # It warns of answers that are in no target, and counts as we do.
        warnings.simplefilter("ignore")
        expected = theirs.balanced_accuracy_score(truth, logits.argmax(axis=1))
    assert measured("balanced_accuracy", logits, truth) == pytest.approx(expected, rel=1e-12)


@given(data=classified(), k=st.integers(1, 6))
@settings(deadline=None, max_examples=15)
def test_the_class_is_among_the_k_likeliest_as_scikit_learn_counts(data, k):
    logits, truth = data
    classes = logits.shape[1]
    if k >= classes:
        expected = 1.0
    elif classes == 2:
        expected = theirs.accuracy_score(truth, logits.argmax(axis=1))
    else:
        expected = theirs.top_k_accuracy_score(truth, logits, k=k, labels=range(classes))
    assert measured(f"top_{k}_accuracy", logits, truth) == expected


@given(data=classified())
@settings(deadline=None, max_examples=15)
def test_the_confusion_matrix_is_scikit_learns(data):
    logits, truth = data
    expected = theirs.confusion_matrix(truth, logits.argmax(axis=1), labels=range(logits.shape[1]))
    np.testing.assert_array_equal(metrics.confusion_matrix(la.asarray(logits), la.asarray(truth)), expected)


def test_each_of_several_labels_has_a_confusion_matrix():
    logits, truth = np.array([[1.0, -1.0], [2.0, 3.0]]), np.array([[1, 1], [0, 1]])
    expected = theirs.multilabel_confusion_matrix(truth, logits > 0)
    np.testing.assert_array_equal(metrics.confusion_matrix(la.asarray(logits), la.asarray(truth)), expected)


# --- of rankings ---

RANKINGS = {"roc_auc": theirs.roc_auc_score, "average_precision": theirs.average_precision_score}


@given(data=yes_or_no())
@settings(deadline=None, max_examples=30)
@pytest.mark.parametrize("name", RANKINGS)
def test_rankings_of_one_logit_agree_with_scikit_learn(name, data):
    logits, truth = data
    truth[0], truth[1] = 0, 1
    expected = RANKINGS[name](truth, logits)
    assert measured(name, logits, truth) == pytest.approx(expected, rel=1e-12)
    # Two columns of logits say the same as their difference.
    assert measured(name, np.column_stack([1.0 - logits, np.ones(len(logits))]), truth) == pytest.approx(expected)


@given(data=classified())
@settings(deadline=None, max_examples=30)
@pytest.mark.parametrize("name", RANKINGS)
def test_rankings_of_classes_are_the_mean_of_each_against_the_rest(name, data):
    logits, truth = data
    logits = np.column_stack([logits, np.zeros(len(logits))])
    found, present = measured(name, logits, truth), np.unique(truth)
    if name == "roc_auc" and len(present) == logits.shape[1]:
        assert found == pytest.approx(theirs.roc_auc_score(truth, softmax(logits, axis=1), multi_class="ovr"))
    elif name == "roc_auc" and len(present) == 1:
        assert math.isnan(found)
    else:
        chances = softmax(logits, axis=1)
        expected = np.mean([RANKINGS[name](truth == each, chances[:, each]) for each in present])
        assert found == pytest.approx(expected, rel=1e-12)


@given(data=yes_or_no(columns=3))
@settings(deadline=None, max_examples=15)
@pytest.mark.parametrize("name", RANKINGS)
def test_rankings_of_several_labels_are_the_mean_of_the_labels(name, data):
    logits, truth = data
    truth[0], truth[1] = [1, 1, 1], [0, 0, 0]
    assert measured(name, logits, truth) == pytest.approx(RANKINGS[name](truth, logits, average="macro"), rel=1e-12)


@pytest.mark.parametrize("truth", [[0, 0, 0], [1, 1, 1]])
def test_the_roc_curve_of_one_class_has_no_area(truth):
    assert math.isnan(measured("roc_auc", [1.0, 2.0, 3.0], truth))


def test_the_average_precision_without_a_sample_of_the_class_is_nan():
    assert math.isnan(measured("average_precision", [1.0, 2.0], [0, 0]))
    assert measured("average_precision", [1.0, 2.0], [1, 1]) == 1.0


def test_infinite_logits_are_ranked_too():
    assert measured("roc_auc", [-math.inf, 0.0, math.inf], [0, 0, 1]) == 1.0
    assert measured("top_2_accuracy", [[-math.inf, 0.0, math.inf]], [1]) == 1.0
    assert math.isnan(measured("log_loss", [[math.inf, 0.0, math.inf]], [1]))


# --- what outputs and targets mean ---

OF_CLASSES = ["accuracy", "balanced_accuracy", "top_2_accuracy", "precision", "f1_micro", "roc_auc", "log_loss"]


@given(seed=st.integers(0, 1000), n=st.integers(2, 30), classes=st.integers(2, 5))
@settings(deadline=None, max_examples=15)
@pytest.mark.parametrize("name", OF_CLASSES)
def test_classes_may_be_numbers_columns_or_probabilities(name, seed, n, classes):
    g = la.random.Generator(seed)
    logits, labels = g.normal((n, classes)), g.integers((n,), 0, classes)
    expected = metrics.score([name], logits, labels)
    smooth = 0.9 * la.one_hot(labels, classes) + 0.1 / classes
    for same in (labels.reshape((n, 1)), labels.astype("float32"), la.one_hot(labels, classes), smooth):
        assert metrics.score([name], logits, same) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
@pytest.mark.parametrize("targets", [[0.0, 1.0, 0.0, 0.0], [-1.0, 1.0, -1.0, -1.0], [0.1, 0.9, 0.2, 0.4]])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_accuracy_of_binary_logits_is_by_their_sign(shape, targets, dtype):
    logits = la.asarray([-2.0, 3.0, 0.5, -0.1]).reshape(shape)
    assert metrics.accuracy(logits, la.asarray(targets).astype(dtype)) == 0.75


@pytest.mark.parametrize("dtype", ["int64", "bool", "uint8"])
def test_binary_targets_may_be_of_any_type(dtype):
    assert metrics.accuracy(la.asarray([-2.0, 3.0]), la.asarray([0, 1]).astype(dtype)) == 1.0


@pytest.mark.parametrize("name", [*OF_CLASSES, "average_precision", "recall_macro"])
@pytest.mark.parametrize("shape", [(4,), (4, 3)])
def test_metrics_of_outputs_that_are_nan_are_nan(name, shape):
    outputs = np.zeros(shape)
    outputs.flat[1] = math.nan
    assert math.isnan(measured(name, outputs, [0, 1, 0, 1]))


def test_there_is_no_confusion_matrix_of_a_diverged_model():
    with pytest.raises(DataError, match="an output is NaN"):
        metrics.confusion_matrix(la.asarray([[math.nan, 1.0]]), la.asarray([1]))


@pytest.mark.parametrize("name", [*metrics.METRICS, "top_2_accuracy"])
@pytest.mark.parametrize(
    ("outputs", "targets"), [((4, 2), (5,)), ((3,), (4,)), ((4,), (4, 3)), ((0,), (0,)), ((0, 3), (0,)), ((), ())]
)
def test_shapes_that_do_not_fit_are_an_error(name, outputs, targets):
    with pytest.raises(ShapeError, match="do not fit"):
        measured(name, np.zeros(outputs), np.zeros(targets))


@pytest.mark.parametrize("shapes", [((4, 3, 2), (4, 2)), ((4, 3), (4, 2)), ((4, 3), (4, 3, 1))])
def test_outputs_of_more_axes_are_no_classes(shapes):
    with pytest.raises(ShapeError, match="accuracy: outputs of shape"):
        measured("accuracy", np.zeros(shapes[0]), np.zeros(shapes[1]))


@pytest.mark.parametrize(
    ("outputs", "targets", "message"),
    [
        (np.zeros((2, 3)), [0, 3], "the target 3 is no class; outputs of 3 columns have the classes 0 to 2"),
        (np.zeros((2, 3)), [0, -1], "the target -1 is no class"),
        (np.zeros((2, 3)), [0.0, 1.5], "the target 1.5 is no class"),
        (np.zeros(2), [0, 2], "yes-or-no targets are 0 or 1"),
        (np.zeros((2, 3)), [[0, 2, 0], [1, 1, 0]], "yes-or-no targets are 0 or 1"),
        (np.zeros(2), [0.0, math.nan], "NaN or infinity"),
    ],
)
@pytest.mark.parametrize("name", ["accuracy", "roc_auc", "f1"])
def test_targets_that_are_no_classes_are_an_error(name, outputs, targets, message):
    with pytest.raises(DataError, match=message):
        measured(name, outputs, targets)


def test_values_to_meet_must_be_finite():
    with pytest.raises(DataError, match="mse: the targets hold NaN"):
        measured("mse", [1.0, 2.0], [1.0, math.nan])


@pytest.mark.parametrize("name", ["balanced_accuracy", "top_2_accuracy"])
def test_what_several_labels_have_not_is_an_error(name):
    with pytest.raises(ShapeError, match="several labels"):
        measured(name, np.zeros((2, 3)), [[1, 1, 0], [0, 0, 1]])


def test_only_two_classes_have_a_binary_average():
    with pytest.raises(ShapeError, match='average="binary" is of two classes, got 3'):
        metrics.f1(la.zeros((2, 3)), la.asarray([0, 1]), average="binary")


def test_the_likeliest_are_at_least_one():
    with pytest.raises(DataError, match="k is 0"):
        metrics.top_k_accuracy(la.zeros((2, 3)), la.asarray([0, 1]), k=0)


# --- by name ---


@pytest.mark.parametrize("name", [*metrics.METRICS, "top_3_accuracy"])
def test_every_metric_improves_the_way_the_table_says(name):
    truth = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0])
    # Values and logits of two classes: the first are right, the last wrong.
    good, bad = (truth, 1.0 - truth) if name in VALUES else (8.0 * truth - 4.0, 4.0 - 8.0 * truth)
    if name == "top_3_accuracy":
        right = np.eye(4)[[0, 1, 2]]
        good, bad, truth = right, -right, np.arange(3)
    gain = measured(name, good, truth) - measured(name, bad, truth)
    assert gain > 0 if metrics.larger_is_better(name) else gain < 0
    assert metrics.larger_is_better(f"val_{name}") is metrics.larger_is_better(name)


@pytest.mark.parametrize("name", [name for name in metrics.METRICS if name in metrics.__all__])
def test_a_metric_goes_by_the_name_of_its_function(name):
    assert metrics.METRICS[name].function is getattr(metrics, name)
    assert metrics.named_metrics([getattr(metrics, name)]).keys() == {name}


def test_what_is_not_in_the_table_improves_downwards():
    assert not metrics.larger_is_better("loss")
    assert not metrics.larger_is_better("hits")


@pytest.mark.parametrize("name", ["acuracy", "top_0_accuracy", "top_k_accuracy", "top_5_accuracy "])
def test_unknown_names_are_answered_with_the_known(name):
    with pytest.raises(DataError, match="is not known; use accuracy, balanced_accuracy"):
        metrics.score([name], la.zeros((2, 2)), la.asarray([0, 1]))


def test_fit_records_metrics_by_name():
    g = la.random.Generator(0)
    X = g.normal((60, 4))
    names = ["roc_auc", "top_2_accuracy", "f1_macro", metrics.log_loss]
    history = la.fit(
        nn.Linear(4, 3), (X, X.argmax(axis=1) % 3), loss=nn.cross_entropy, epochs=2, validation=0.5, metrics=names,
        progress=False, seed=0, early_stopping=EarlyStopping(2, monitor="val_roc_auc"),
    )  # fmt: skip
    assert list(history)[3:7] == ["val_roc_auc", "val_top_2_accuracy", "val_f1_macro", "val_log_loss"]
    assert history["val_log_loss"] == pytest.approx(history["val_loss"], rel=1e-5)


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


# --- of means ---


def test_perplexity_of_batches_is_that_of_all_samples_and_the_exponential_of_the_log_loss():
    generator = la.random.Generator(0)
    logits, labels = generator.normal((50, 7)), generator.integers((50,), 0, 7)
    whole = measured("perplexity", logits.numpy(), labels.numpy())
    assert whole == pytest.approx(math.exp(metrics.log_loss(logits, labels)))
    found = la.training.evaluate(la.nn.Identity(), (logits, labels), metrics=["perplexity"], batch_size=8)
    assert found["perplexity"] == pytest.approx(whole, rel=1e-5)
    sequences = metrics.perplexity(logits.reshape(10, 5, 7), labels.reshape(10, 5))
    assert sequences == pytest.approx(whole, rel=1e-5)
