"""Options are for some data and some models; elsewhere they are refused, never passed over."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lamina.data import ClassTarget, NumericColumn, NumericTarget, TablePreprocessing
from lamina.runs.applicable import check_options, options_of
from lamina.runs.data_kinds import IMAGES, MODELS, TABLE, TEXT
from lamina.runs.option_declaration import OptionError, declared
from lamina.runs.options import TrainingOptions, filled
from lamina.runs.subjects.images import ImageSubject
from lamina.runs.subjects.subject import Subject
from lamina.runs.subjects.tables import TableSubject
from lamina.runs.subjects.text import TextSubject
from lamina.text import CharacterTokenizer

CLASSES = ClassTarget("kind", ("a", "b"), numeric=False)
COLUMNS = TablePreprocessing((NumericColumn("x", mean=0.0, std=1.0),))
SUBJECTS: dict[str, Subject] = {
    TABLE: TableSubject(COLUMNS, CLASSES),
    IMAGES: ImageSubject((28, 28), True, (0.5,), (0.5,), CLASSES),
    TEXT: TextSubject(CharacterTokenizer("abc"), 8),
}

# Of the network: a value that is no default.
OF_NETWORKS: dict[str, Any] = {
    "width": 8, "depth": 1, "hidden": (5,), "activation": "tanh", "dropout": 0.25, "heads": 2,
}  # fmt: skip


def options(folder: Path, model: str, **given: Any) -> TrainingOptions:
    """Return the options of a training with data of the kind that a model is for."""
    (folder / "text.txt").touch()
    file = {TABLE: "wine", IMAGES: str(folder), TEXT: str(folder / "text.txt")}[MODELS[model]]
    return filled(TrainingOptions, {"file": file, "model": model, **given})


def described(model: str, chosen: TrainingOptions) -> tuple[str, list[Any], list[Any]]:
    """Return the layers of a network, their settings, and the shapes of their weights."""
    network = SUBJECTS[MODELS[model]].build(chosen)
    found = [vars(each) for each in network.modules()]
    settings = [(name, value) for each in found for name, value in each.items() if isinstance(value, int | float)]
    return repr(network), settings, [(name, each.shape) for name, each in network.named_parameters()]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", OF_NETWORKS)
def test_an_option_of_the_network_changes_it_or_is_refused(tmp_path: Path, model: str, name: str) -> None:
    usual, other = options(tmp_path, model), options(tmp_path, model, **{name: OF_NETWORKS[name]})
    if name in options_of(MODELS[model], model):
        check_options(other, {name})
        assert described(model, usual) != described(model, other)
    else:
        with pytest.raises(OptionError, match=f"^{name}: "):
            check_options(other, {name})


def test_every_option_of_the_network_is_in_the_table_above() -> None:
    rows = declared(TrainingOptions)
    assert {name for name, row in rows.items() if set(row.of) & set(MODELS)} == set(OF_NETWORKS)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", declared(TrainingOptions))
def test_an_option_is_refused_exactly_where_it_is_not_kept(tmp_path: Path, model: str, name: str) -> None:
    refused = pytest.raises(OptionError, match=f"^{name}: ")
    with nullcontext() if name in options_of(MODELS[model], model) else refused:
        check_options(options(tmp_path, model), {name})


@pytest.mark.parametrize("model", MODELS)
def test_what_suits_the_data_is_for_the_model(tmp_path: Path, model: str) -> None:
    usual = options(tmp_path, model)
    rows = declared(TrainingOptions)
    others = [name for name, row in rows.items() if not row.serves(MODELS[model], model)]
    assert all(getattr(usual, name) == rows[name].default for name in others)


def test_a_refused_option_names_the_models_that_have_it(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="lenet5 has none; with cnn, resnet18, resnet34 or resnet50 it can"):
        check_options(options(tmp_path, "lenet5"), {"width"})
    with pytest.raises(OptionError, match="resnet18 has none; with cnn it can be chosen"):
        check_options(options(tmp_path, "resnet18"), {"depth"})


def test_a_model_of_other_data_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"mlp is for tables; for images there are cnn, .* and resnet50"):
        check_options(replace(options(tmp_path, "cnn"), model="mlp"), {"model"})


@pytest.mark.parametrize("given", [{"dropout": 0.2}, {"activation": "tanh"}])
def test_a_network_without_hidden_layers_has_nothing_between_them(given: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="this is for hidden layers"):
        check_options(filled(TrainingOptions, {"file": "wine", "hidden": (), **given}), {"hidden", *given})


def test_an_embedded_set_has_its_own_options_for_its_own_target_only() -> None:
    assert filled(TrainingOptions, {"file": "digits"}).label_smoothing == 0.1
    assert filled(TrainingOptions, {"file": "digits", "target": "pixel_3_3"}).label_smoothing == 0.0
    assert filled(TrainingOptions, {"file": "digits", "task": "regression"}).label_smoothing == 0.0


@pytest.mark.parametrize(
    ("target", "metric"), [(CLASSES, "r2"), (NumericTarget("price", 0.0, 1.0), "accuracy"), (CLASSES, "rmse")]
)
def test_a_metric_of_another_task_is_refused(target: Any, metric: str) -> None:
    with pytest.raises(OptionError, match=f"{metric} is for .*; there are "):
        TableSubject(COLUMNS, target).metrics(TrainingOptions(metrics=(metric,)))


def test_values_have_no_label_smoothing() -> None:
    with pytest.raises(OptionError, match="for classes"):
        TableSubject(COLUMNS, NumericTarget("price", 0.0, 1.0)).loss(TrainingOptions(label_smoothing=0.1))
