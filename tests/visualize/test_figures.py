"""Figures show the numbers that they are of, are made without a screen, and leave models as they were."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import lamina as la
from lamina import nn
from lamina.errors import DataError, DTypeError, LaminaError, ShapeError
from lamina.training import EpochRecord, History
from lamina.visualize import (
    activation,
    decision_boundary,
    gradient_histograms,
    loss_curves,
    loss_surface,
    training_curves,
    weight_histograms,
)
from lamina.visualize.losses import LOSSES
from lamina.visualize.surface import filter_normalised


def drawn(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=40)
    return buffer.getvalue()


def titles(figure: Any) -> list[str]:
    return [axis.get_title(loc="left") for axis in figure.axes]


def test_pyplot_is_never_loaded() -> None:
    program = (
        "import sys\nfrom lamina import nn\nfrom lamina.visualize import weight_histograms\n"
        "weight_histograms(nn.Linear(2, 2)).savefig(sys.stdout.buffer, format='svg')\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)


# --- training curves ---


def test_training_curves_are_those_of_the_history() -> None:
    history = History(monitor="val_loss")
    for epoch in (1, 2, 3):
        history.append(
            EpochRecord(epoch, 1.0 / epoch, 0.1, 1.0, val_loss=1.1 / epoch, metrics={"val_accuracy": 0.3 * epoch})
        )
    figure = training_curves(history)
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), history["loss"])
    assert len(figure.axes) == 2
    with pytest.raises(DTypeError, match=r"expected the History that la\.fit returns, got dict"):
        training_curves({})  # type: ignore[arg-type]


# --- activations ---

# Softmax and its like mix elements, and the hard shrinkage jumps.
ELEMENTWISE = [name for name in nn.ACTIVATIONS if "softm" not in name and name != "hardshrink"]


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_derivatives_of_activations_are_the_slopes_of_what_is_drawn(name: str) -> None:
    # Between ends that make no corner a point: there a slope is that of one side.
    left, right = activation(name, low=-4.1, high=4.2).axes
    x, values = (np.asarray(each) for each in left.lines[0].get_data())
    slopes = np.asarray(right.lines[0].get_ydata())
    differences = np.diff(values) / np.diff(x)
    # By the mean value theorem a difference lies between the slopes around it, up to the curvature in between.
    low, high = np.minimum(slopes[:-1], slopes[1:]), np.maximum(slopes[:-1], slopes[1:])
    assert np.all(differences >= low - 1e-4)
    assert np.all(differences <= high + 1e-4)


def test_layers_and_functions_are_drawn_side_by_side() -> None:
    figure = activation("gelu", nn.LeakyReLU(0.2), nn.Tanh, lambda x: la.sin(x))
    assert [line.get_label() for line in figure.axes[0].lines[:4]] == [
        "gelu", "LeakyReLU(negative_slope=0.2)", "Tanh", "<lambda>",
    ]  # fmt: skip
    assert drawn(figure)


def test_what_is_no_curve_is_refused() -> None:
    with pytest.raises(DataError, match="softmax mixes elements"):
        activation("softmax")
    with pytest.raises(DataError, match="'rleu' is not known; use one of relu"):
        activation("rleu")
    with pytest.raises(DataError, match="no tensor of the shape"):
        activation(lambda x: x.sum())
    with pytest.raises(DataError, match="low must be below high"):
        activation("relu", low=1.0, high=1.0)
    with pytest.raises(DataError, match="name at least one"):
        activation()


# --- losses ---


def test_losses_by_prediction_are_their_definitions() -> None:
    figure = loss_curves()
    assert titles(figure)[:3] == ["mse", "cross_entropy", "both, by probability"]
    z, squared = figure.axes[0].lines[1].get_data()
    np.testing.assert_allclose(squared, (np.asarray(z) - 1.0) ** 2)
    np.testing.assert_allclose(figure.axes[3].lines[1].get_ydata(), 2.0 * (np.asarray(z) - 1.0))
    z, entropy = (np.asarray(each) for each in figure.axes[1].lines[1].get_data())
    np.testing.assert_allclose(entropy, np.log1p(np.exp(-z)), rtol=1e-12)
    np.testing.assert_allclose(figure.axes[4].lines[1].get_ydata(), -1.0 / (1.0 + np.exp(z)), rtol=1e-12)
    p, both = (np.asarray(each) for each in figure.axes[2].lines[1].get_data())
    np.testing.assert_allclose(both, -np.log(p), rtol=1e-12)
    np.testing.assert_allclose(figure.axes[5].lines[1].get_ydata(), -1.0 / p, rtol=1e-12)
    assert drawn(figure)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_has_its_curve(name: str) -> None:
    figure = loss_curves(name, low=-2.0, high=2.0)
    assert len(figure.axes[0].lines) == 2
    assert all(np.isfinite(line.get_ydata()).all() for line in figure.axes[0].lines)


def test_layers_and_losses_of_ones_own_are_drawn() -> None:
    def quartic(prediction: Any, target: Any) -> Any:
        return ((prediction - target) ** 4).mean()

    def classes(logits: Any, labels: Any) -> Any:
        return nn.cross_entropy(logits, labels) * 2.0

    figure = loss_curves(quartic, nn.CrossEntropyLoss(label_smoothing=0.1), classes)
    assert titles(figure)[:3] == ["quartic", "CrossEntropyLoss", "classes"]
    z = np.asarray(figure.axes[0].lines[0].get_xdata())
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), z**4)


def test_losses_that_are_no_number_or_not_known_are_refused() -> None:
    with pytest.raises(DataError, match="'mes' is not known; use one of mse"):
        loss_curves("mes")
    with pytest.raises(ShapeError, match="must give one number"):
        loss_curves(lambda p, t: la.concat([p, t]))
    with pytest.raises(DataError, match="low must be below high"):
        loss_curves("mse", low=2.0, high=1.0)


# --- the surface of a loss ---


@given(st.lists(st.integers(1, 4), min_size=2, max_size=4), st.integers(0, 5))
def test_directions_have_the_norm_of_each_filter(shape: list[int], seed: int) -> None:
    generator = np.random.default_rng(seed)
    weight = generator.normal(size=shape) * np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    direction = filter_normalised(weight, generator)
    norms = [np.sqrt((each.reshape(shape[0], -1) ** 2).sum(axis=1)) for each in (weight, direction)]
    np.testing.assert_allclose(norms[1], norms[0], atol=1e-12)


def test_the_surface_is_the_loss_at_the_weights_in_the_middle_and_of_a_line_where_it_is_known() -> None:
    model = nn.Linear(1, 1)
    model.weight.assign(np.full((1, 1), 2.0, np.float32))
    model.bias.assign(np.zeros(1, np.float32))
    X = np.array([[1.0]])
    figure = loss_surface(model, (X, np.array([[2.0]])), nn.mse_loss, points=5, span=1.0)
    assert figure.axes[0].get_title(loc="left") == "loss around the weights, 0 at the cross"
    assert drawn(figure)


def test_the_surface_leaves_the_model_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 2))
    before = {name: value.numpy() for name, value in model.state_dict().items()}
    data = np.ones((8, 3)), np.zeros(8, np.int64)
    one, two = (drawn(loss_surface(model, data, nn.cross_entropy, points=5, seed=3)) for _ in range(2))
    assert one == two
    assert model.training
    assert model[1].training
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])
    with pytest.raises(LaminaError):
        loss_surface(model, data, lambda outputs, targets: outputs, points=5)
    np.testing.assert_array_equal(model.state_dict()["0.weight"].numpy(), before["0.weight"])


def test_a_surface_without_directions_or_values_is_refused() -> None:
    class Scale(nn.Module):
        def __init__(self) -> None:
            self.w = la.variable([1.0])

        def __call__(self, x: Any) -> Any:
            return x * self.w

    data = np.ones((2, 1)), np.ones((2, 1))
    with pytest.raises(DataError, match="no parameter of the model has two axes"):
        loss_surface(Scale(), data, nn.mse_loss)
    with pytest.raises(DataError, match="not finite anywhere"):
        loss_surface(nn.Linear(1, 1), (np.full((2, 1), np.nan), data[1]), nn.mse_loss, points=3)
    with pytest.raises(DataError, match="must be a pair"):
        loss_surface(nn.Linear(1, 1), np.ones(3), nn.mse_loss)  # type: ignore[arg-type]


def test_flat_and_steep_surfaces_are_drawn() -> None:
    data = np.ones((2, 1)), np.ones((2, 1))
    model = nn.Linear(1, 1)
    assert drawn(loss_surface(model, data, lambda outputs, targets: (outputs * 0.0).sum(), points=4))
    assert drawn(loss_surface(model, data, lambda outputs, targets: la.exp(20.0 * (outputs**2).sum()), points=4))


# --- histograms ---


def test_histograms_count_every_value() -> None:
    model = nn.MLP(6, 16, 2)
    figure = weight_histograms(model)
    assert titles(figure) == [name for name, _ in model.named_parameters()]
    for axis, parameter in zip(figure.axes, model.parameters(), strict=True):
        assert sum(patch.get_height() for patch in axis.patches) == parameter.size
    grads = model(la.random.normal((8, 6))).sum().backward()
    figure = gradient_histograms(model, grads)
    assert sum(patch.get_height() for patch in figure.axes[0].patches) == 96
    assert drawn(figure)


def test_values_that_are_not_finite_equal_or_huge_are_drawn() -> None:
    model = nn.Linear(3, 2)
    model.weight.assign(np.array([[np.nan, np.inf, 1.0], [2.0, 3.0, 1e38]], np.float32))
    model.bias.assign(np.full(2, 7.0, np.float32))
    figure = weight_histograms(model)
    assert "2 not finite" in [text.get_text() for text in figure.axes[0].texts]
    assert drawn(figure)


def test_of_many_parameters_the_first_are_shown_and_the_rest_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamina.visualize.histograms.MOST", 5)
    figure = weight_histograms(nn.MLP(2, [2] * 3, 2))
    assert len(figure.axes) == 5
    assert figure.get_suptitle() == "weights: the first 5 of 8 parameters"


def test_histograms_of_nothing_are_refused() -> None:
    with pytest.raises(DataError, match="weight_histograms: the model has no parameters"):
        weight_histograms(nn.ReLU())
    with pytest.raises(DTypeError, match=r"expected the Gradients that loss\.backward"):
        gradient_histograms(nn.Linear(1, 1), {})  # type: ignore[arg-type]
    with pytest.raises(DTypeError, match=r"expected an nn\.Module, got dict"):
        weight_histograms({})  # type: ignore[arg-type]


# --- decision boundaries ---

X2 = np.array([[-1.0, 0.0], [1.0, 0.0], [-2.0, 1.0], [2.0, -1.0]])


@pytest.mark.parametrize(
    ("model", "y", "title"),
    [
        (lambda x: la.stack([-x[:, 0], x[:, 0]], axis=1), [0, 1, 0, 1], "4 of 4 right"),
        (lambda x: x[:, 0], [0, 1, 0, 0], "3 of 4 right"),
        (lambda x: x[:, :1], [False, True, False, True], "4 of 4 right"),
        (lambda x: x[:, 0], [-1.0, 1.0, -2.0, 2.0], "root mean squared error 0"),
        (lambda x: la.stack([x[:, 0] * k for k in range(9)], axis=1), [0, 8, 0, 8], "4 of 4 right"),
    ],
    ids=["two logits", "one logit", "a column", "numbers", "nine classes"],
)
def test_answers_are_judged_by_kind_of_output(model: Callable[[Any], Any], y: list[Any], title: str) -> None:
    figure = decision_boundary(model, X2, np.array(y), resolution=12)
    assert titles(figure)[0] == title
    assert drawn(figure)


def test_the_boundary_lies_where_the_model_changes_its_mind() -> None:
    figure = decision_boundary(lambda x: x[:, 0] - 0.5, X2, np.array([0, 1, 0, 1]), resolution=101)
    image = np.asarray(figure.axes[0].images[0].get_array())
    low, high, _, _ = figure.axes[0].images[0].get_extent()
    x = np.linspace(low, high, 101)
    blue = image[0, :, 2] > image[0, :, 0]
    np.testing.assert_array_equal(blue, x < 0.5)


def test_other_features_are_held_at_their_medians() -> None:
    X = np.column_stack([X2, [5.0, 5.0, 5.0, 9.0]])
    seen: list[Any] = []

    def model(x: Any) -> Any:
        seen.append(x.numpy())
        return x[:, 0]

    figure = decision_boundary(
        model, X, np.array([0, 1, 0, 1]), features=(0, 1), resolution=5, feature_names=list("abc")
    )
    assert set(seen[0][:, 2]) == {5.0}
    assert titles(figure)[0].endswith("; the other 1 feature at the median")
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("a", "b")


def test_a_model_is_asked_in_evaluation_mode_and_left_in_training() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.9))
    one, two = (drawn(decision_boundary(model, X2, np.array([0, 1, 0, 1]), resolution=8)) for _ in range(2))
    assert one == two
    assert model.training


@pytest.mark.parametrize(
    ("X", "y", "error", "words"),
    [
        (np.ones((4, 1)), np.zeros(4), ShapeError, "two features at least"),
        (np.ones((4, 2)), np.zeros(3), ShapeError, r"y must be \[4\]"),
        (np.ones((0, 2)), np.zeros(0), DataError, "no samples"),
        (np.full((2, 2), np.nan), np.zeros(2), DataError, "not finite"),
        (np.ones((2, 2)), np.array(["a", "b"]), DTypeError, "must be numbers"),
        (np.ones((2, 2)), np.array([0, 5]), DataError, "whole numbers from 0 to 1"),
    ],
)
def test_data_that_do_not_fit_are_refused(X: Any, y: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        decision_boundary(nn.Linear(2, 2), X, y)


def test_models_that_answer_otherwise_are_refused() -> None:
    y = np.array([0, 1, 0, 1])
    with pytest.raises(ShapeError, match=r"the model gave shape \[1, 2\]"):
        decision_boundary(lambda x: x[:1], X2, y, resolution=4)
    with pytest.raises(DataError, match="the model gave ndarray"):
        decision_boundary(lambda x: x.numpy(), X2, y, resolution=4)
    with pytest.raises(DataError, match="values that are not finite"):
        decision_boundary(lambda x: x / 0.0, X2, y, resolution=4)
    with pytest.raises(ShapeError, match="features must be two of 2"):
        decision_boundary(nn.Linear(2, 2), X2, y, features=(0, 2))


def test_names_that_look_like_formulas_are_text() -> None:
    names = ["$\\bad", "_x^{"]
    figure = decision_boundary(
        nn.Linear(2, 2), X2, np.array([0, 1, 0, 1]), feature_names=names, class_names=names, resolution=4
    )
    assert drawn(figure)
