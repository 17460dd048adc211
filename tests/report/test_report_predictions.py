"""The numbers about predictions in a report are scikit-learn's, whatever there is to say."""

import re

import numpy as np
import pytest
from sklearn import metrics as theirs

from lamina.report import ClassPredictions, ValuePredictions


def rows_of(made, caption):
    """Return the cells of the table with a caption, row by row."""
    table = re.search(rf"<table[^>]*><caption>{caption}.*?</table>", made.source, flags=re.DOTALL)[0]
    rows = re.findall(r"<tr>(.*?)</tr>", table, flags=re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]


@pytest.mark.parametrize("classes", [2, 16])
def test_the_confusion_matrix_counts_as_scikit_learn(page, classified, classes):
    said = classified(classes, 400)
    rows = rows_of(page(predictions=said), "Confusion matrix")[1:]
    expected = theirs.confusion_matrix(said.truth, said.probabilities.argmax(axis=1), labels=range(classes))
    assert [[int(cell) for cell in row[1:]] for row in rows] == expected.tolist()


@pytest.mark.parametrize("classes", [3, 30])
def test_each_class_has_the_scores_that_scikit_learn_gives(page, classified, classes):
    said = classified(classes, 400)
    rows = rows_of(page(predictions=said), "Precision, recall and F1 of each class")[1:]
    found = theirs.precision_recall_fscore_support(
        said.truth, said.probabilities.argmax(axis=1), labels=range(classes), zero_division=0
    )
    precision, recall, f1, samples = found
    expected = [
        [str(samples[i]), *[f"{100 * each[i]:.1f} %" for each in (precision, recall, f1)]] for i in range(classes)
    ]
    assert [row[1:] for row in rows] == expected


def test_the_areas_under_the_curves_are_scikit_learns(page, classified):
    said = classified(3, 200)
    text = page(predictions=said).text
    for i in range(3):
        area = theirs.roc_auc_score(said.truth == i, said.probabilities[:, i])
        precision = theirs.average_precision_score(said.truth == i, said.probabilities[:, i])
        assert f"class {i}, area {area:.3f}" in text
        assert f"class {i}, average precision {precision:.3f}" in text


def test_two_classes_have_one_curve(page, classified):
    text = page(predictions=classified(2, 200)).text
    assert "class 1, area" in text
    assert "class 0, area" not in text


def test_the_calibration_error_is_the_gap_between_said_and_found(page):
    # Ten answers of 0.85 of which seven are right, and ten of 0.95 which all are.
    chances = np.repeat([0.85, 0.95], 10)
    truth = np.concatenate([np.ones(7), np.zeros(3), np.ones(10)]).astype(int)
    said = ClassPredictions("test", ["no", "yes"], truth, np.column_stack([1 - chances, chances]))
    assert "Expected calibration error: 10.0 %" in page(predictions=said).text


def test_the_most_frequent_mistakes_come_first(page):
    truth = np.array([0] * 5 + [1] * 5 + list(range(20)))
    answered = np.array([1] * 5 + [2] * 2 + [1] * 3 + list(range(20)))
    said = ClassPredictions("test", [f"class {i}" for i in range(20)], truth, np.eye(20)[answered])
    rows = rows_of(page(predictions=said), "Most frequent mistakes")
    assert rows[1:] == [["class 0", "class 1", "5"], ["class 1", "class 2", "2"]]


def test_without_a_mistake_the_report_says_so(page):
    said = ClassPredictions("test", [str(i) for i in range(20)], np.arange(20), np.eye(20))
    assert "No class was confused with another." in page(predictions=said).text


# --- where little can be said ---


def test_one_class_only_has_no_curves(page):
    said = ClassPredictions("test", ["a", "b"], np.zeros(5, int), np.full((5, 2), 0.5))
    text = page(predictions=said).text
    assert "ROC curve" not in text
    assert "Calibration" in text


def test_one_sample_is_no_error(page, classified, valued):
    assert "Confusion matrix" in page(predictions=classified(3, 1)).text
    assert "Residuals" in page(predictions=valued(1)).text


@pytest.mark.parametrize("unit", ["rows", "images", "tokens"])
def test_one_word_says_what_is_counted(page, classified, valued, unit):
    scores = {"training": {"count": 30, "accuracy": 0.9}}
    for predictions in (classified(), classified(30), valued()):
        text = page(predictions=predictions, scores=scores, unit=unit).text
        assert f"30 {unit}" in text
        assert f"{len(predictions.truth):,} {unit}" in text
        assert "samples" not in text


def test_no_samples_are_no_error(page):
    empty = ClassPredictions("test", ["a", "b"], np.zeros(0, int), np.zeros((0, 2)))
    assert "0 samples" in page(predictions=empty).text


def test_answers_that_are_nan_are_counted_and_left_out(page, classified, valued):
    said = classified(3, 50)
    said.probabilities[7] = np.nan
    made = page(predictions=said)
    assert "1 of them have no finite answer" in made.text
    assert sum(int(cell) for row in rows_of(made, "Confusion matrix")[1:] for cell in row[1:]) == 49
    diverged = ValuePredictions("test", ["y"], np.zeros(4), np.full(4, np.inf))
    assert "4 of them have no finite answer" in page(predictions=diverged).text


@pytest.mark.parametrize("value", [0.0, 1e-300, 1e300])
def test_values_that_do_not_vary_are_no_error(page, value):
    said = ValuePredictions("test", ["y"], np.full(10, value), np.full(10, value))
    assert "Distribution of the residuals" in page(predictions=said).text


def test_ties_are_no_error(page):
    said = ClassPredictions("test", ["a", "b", "c"], np.arange(30) % 3, np.full((30, 3), 1 / 3))
    assert "class" in page(predictions=said).text


def test_several_outputs_have_pictures_each_and_many_are_not_all_drawn(page, valued):
    text = page(predictions=valued(names=("price", "rent", "area", "taxes"))).text
    assert "The first 3 of 4 outputs are drawn." in text
    assert "rent" in text
    assert "taxes" not in text
    # A heading each; what a picture shows is told to those who cannot see it too.
    assert text.count("Predicted against true ") == 2 * 3


def test_what_was_not_measured_is_a_dash(page):
    made = page(scores={"training": {"count": 3, "accuracy": np.nan}, "validation": {"accuracy": None}})
    assert rows_of(made, "Metrics of each part")[1:] == [["training", "3", "–"], ["validation", "–", "–"]]


def test_training_losses_that_are_not_finite_are_drawn_around(page, history):
    made = history(5)
    records = made.records
    object.__setattr__(records[2], "val_loss", float("nan"))
    object.__setattr__(records[3], "loss", float("inf"))
    assert "5 epochs" in page(history=made).text


def test_one_epoch_is_told_in_the_singular(page, history):
    assert re.search(r"\b1 epoch in ", page(history=history(1)).text)
    assert re.search(r"\b5 epochs in ", page(history=history(5)).text)
