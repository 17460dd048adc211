"""From a table with everything people have in tables to a trained, measured, explained, exported and resumed model."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

Run = Callable[..., Any]


def people(rows: int, seed: int) -> pl.DataFrame:
    """Return people with numbers, categories, dates, truth values and gaps; ``plan`` follows from them with noise."""
    random = np.random.default_rng(seed)
    age = random.integers(18, 80, rows)
    income = np.round(random.lognormal(10.0, 0.5, rows), 2)
    town = random.choice(["Ulm", "Bonn", "Jena", "Köln"], rows)
    member = random.choice(["yes", "no"], rows)
    day = random.integers(0, 3000, rows)
    since = np.datetime64("2015-01-01") + day
    worth = 0.04 * age + 0.00003 * income + (town == "Ulm") + 0.8 * (member == "yes") + 0.0004 * day
    worth += random.normal(0.0, 0.3, rows)
    plan = np.select([worth < 3.4, worth < 4.4], ["basic", "plus"], "family office")

    def gaps(values: Any, share: float) -> list[Any]:
        absent = random.random(rows) < share
        return [None if gone else value for gone, value in zip(absent, values.tolist(), strict=True)]

    return pl.DataFrame(
        {
            "id": [f"customer {number}" for number in range(rows)],
            "age": gaps(age, 0.1),
            "income": gaps(income, 0.05),
            "town": gaps(town, 0.05),
            "member": member,
            "since": gaps(since.astype(str), 0.05),
            "plan": plan,
        }
    )


OPTIONS = ("-t", "plan", "--epochs", "40", "--hidden", "16", "--test", "0.2", "--metrics", "accuracy,roc_auc,f1_macro")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, invoke: Run) -> Path:
    """Return a folder with the table and a run trained on it."""
    path = tmp_path_factory.mktemp("people")
    people(400, 0).write_csv(path / "people.csv")
    ended = invoke(path, "train", "people.csv", *OPTIONS, "--out", "run")
    assert ended.code == 0, ended.err
    assert "column 'id' holds 400 different texts" in ended.out
    return path


@pytest.fixture
def here(folder: Path, invoke: Run) -> Run:
    """Return a function that runs the command in the folder."""
    return lambda *arguments: invoke(folder, *arguments)


def test_model_is_better_than_the_largest_class(folder: Path) -> None:
    results = json.loads((folder / "run" / "results.json").read_text())
    assert results["status"] == "finished"
    largest = people(400, 0)["plan"].value_counts()["count"].max() / 400
    assert results["parts"]["test"]["accuracy"] > largest + 0.15
    assert [results["parts"][part]["count"] for part in ("training", "validation", "test")] == [256, 64, 80]


def test_evaluate_repeats_the_held_out_scores_from_the_file(folder: Path, here: Run) -> None:
    results = json.loads((folder / "run" / "results.json").read_text())
    found = json.loads(here("evaluate", "run", "--json").raw)
    assert found["scores"] == {name: v for name, v in results["parts"]["test"].items() if name != "count"}


def test_evaluate_refuses_a_file_that_has_changed(folder: Path, here: Run) -> None:
    table = folder / "people.csv"
    before = table.read_bytes()
    try:
        table.write_bytes(before + b"x,1,1,Ulm,yes,2020-01-01,plus\n")
        ended = here("evaluate", "run")
    finally:
        table.write_bytes(before)
    assert ended.code == 1
    assert "people.csv: the file is not as it was when the training began" in ended.err


def test_unseen_categories_are_named_and_predicted(folder: Path, here: Run) -> None:
    new = people(30, 1).with_columns(town=pl.lit("Atlantis")).drop("plan")
    new.write_csv(folder / "new.csv")
    ended = here("predict", "run", "new.csv", "-o", "out.csv")
    assert ended.code == 0, ended.err
    assert "column 'town' holds 'Atlantis', which training did not have" in ended.out
    found = pl.read_csv(folder / "out.csv")
    assert set(found["predicted_plan"]) <= {"basic", "plus", "family office"}
    chances = found.select(pl.sum_horizontal(r"^probability_.*$")).to_series()
    np.testing.assert_allclose(chances, 1.0, rtol=1e-12)


def test_missing_column_is_named(folder: Path, here: Run) -> None:
    people(5, 1).drop("income").write_csv(folder / "narrow.csv")
    for command in (("predict", "run", "narrow.csv", "-o", "none.csv"), ("evaluate", "run", "narrow.csv")):
        ended = here(*command)
        assert ended.code == 1
        assert "there is no column 'income', which the model was trained with" in ended.err
    assert not (folder / "none.csv").exists()


def test_report_is_one_page_that_shows_everything(folder: Path, here: Run) -> None:
    ended = here("report", "run", "-o", "page.html")
    assert ended.code == 0, ended.err
    page = (folder / "page.html").read_text()
    for part in ("family office", "since", "categorical", "ROC", "clip_norm" not in page and "epochs", "Linear"):
        assert str(part) in page
    assert "<script" not in page
    assert not re.search(r"""(?:src|href)=["']https?:""", page)


@pytest.mark.parametrize("seed", [0, 2])
def test_onnxruntime_predicts_the_same(folder: Path, here: Run, seed: int) -> None:
    runtime = pytest.importorskip("onnxruntime")
    from lamina.data import read_table
    from lamina.exchange import onnx_inputs
    from lamina.runs.folder import RunFolder

    assert here("export", "run", "-o", "model.onnx").code == 0
    people(50, seed).write_csv(folder / "fresh.csv")
    assert here("predict", "run", "fresh.csv", "-o", "ours.csv").code == 0
    ours = pl.read_csv(folder / "ours.csv")
    _, config = RunFolder.open(folder / "run")
    session = runtime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    labels, chances = session.run(None, onnx_inputs(config.subject.preprocessing, read_table(folder / "fresh.csv")))
    assert ours["predicted_plan"].to_list() == labels.tolist()
    np.testing.assert_allclose(ours.select(r"^probability_.*$").to_numpy(), chances, atol=1e-5)


def test_exported_weights_are_those_of_the_run(folder: Path, here: Run) -> None:
    from lamina.training import read_state_dict

    assert here("export", "run", "-o", "model.safetensors").code == 0
    theirs = read_state_dict(folder / "model.safetensors")
    for name, tensor in read_state_dict(folder / "run" / "weights.safetensors").items():
        np.testing.assert_array_equal(tensor.numpy(), theirs[name].numpy())


def test_inspect_shows_a_run_its_weights_and_its_model(folder: Path, here: Run) -> None:
    run = here("inspect", "run")
    assert run.code == 0, run.err
    assert "classification of 'plan' from people.csv" in run.out
    assert "classes: basic, " in run.out
    assert "Linear" in run.out
    weights = here("inspect", "run/weights.safetensors")
    assert "0.weight" in weights.out
    pytest.importorskip("onnx")
    here("export", "run", "-o", "model.onnx")
    model = json.loads(here("inspect", "model.onnx", "--json").raw)
    assert set(model["inputs"]) == {"age", "income", "town", "member", "since"}
    assert model["operators"]["Gemm"] == 2
    graph = here("inspect", "model.onnx", "--graph", "mermaid")
    assert graph.code == 0, graph.err
    assert all(f'["{name}<br/>' in graph.out for name in ("age", "town", "member", "0.weight"))


@pytest.mark.parametrize(("form", "begin"), [("mermaid", "flowchart"), ("dot", "digraph"), ("svg", "<svg")])
def test_graph_of_a_run_can_be_drawn(folder: Path, here: Run, form: str, begin: str) -> None:
    ended = here("inspect", "run", "--graph", form, "-o", f"graph.{form}" if form != "mermaid" else "graph.mmd")
    assert ended.code == 0, ended.err
    text = next(folder.glob(f"graph.{'mmd' if form == 'mermaid' else form}")).read_text()
    assert begin in text
    assert "0.weight" in text


def test_configuration_repeats_the_run(folder: Path, here: Run) -> None:
    ended = here("train", "--config", "run/config.toml", "--out", "again", "--quiet")
    assert ended.code == 0, ended.err
    first, again = ((folder / name / "weights.safetensors").read_bytes() for name in ("run", "again"))
    assert first == again


def test_what_is_typed_counts_more_than_the_file(folder: Path, here: Run) -> None:
    ended = here("train", "--config", "run/config.toml", "--epochs", "2", "--lr", "0.5", "--out", "short", "--json")
    found = json.loads(ended.raw)
    assert found["epochs"] == 2
    options = json.loads((folder / "short" / "config.json").read_text())["options"]
    assert (options["lr"], options["hidden"], options["target"]) == (0.5, [16], "plan")


def test_tuned_options_train_to_the_score_of_the_search(folder: Path, here: Run) -> None:
    pytest.importorskip("optuna")
    search = ("--search", "lr=log:1e-3:1e-1", "--search", "hidden=8|16,8")
    ended = here(
        "tune", "people.csv", "-t", "plan", "--epochs", "5", "--trials", "3", *search, "--out", "tuned", "--json"
    )
    assert ended.code == 0, ended.err
    best = json.loads(ended.raw)["best"]
    found = json.loads(here("train", "--config", "tuned/best.toml", "--out", "best", "--json").raw)
    assert found["parts"]["validation"]["loss"] == pytest.approx(best["value"], rel=1e-5)
    more = json.loads(here("tune", "--resume", "tuned", "--trials", "4", "--json").raw)
    assert [each["number"] for each in more["trials"]] == [1, 2, 3, 4]


def test_killed_training_goes_on_to_the_same_weights(folder: Path, here: Run) -> None:
    arguments = (
        "train",
        "people.csv",
        *OPTIONS,
        "--epochs",
        "60",
        "--patience",
        "0",
        "--checkpoint-epochs",
        "5",
        "--quiet",
    )
    whole = here(*arguments, "--out", "whole")
    assert whole.code == 0, whole.err
    command = [sys.executable, "-m", "lamina", *arguments, "--out", "killed"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    log = folder / "killed" / "metrics.jsonl"
    deadline = time.monotonic() + 60.0
    while not log.exists() or log.read_bytes().count(b"\n") < 8:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    ended = here("train", "--resume", "killed", "--quiet")
    assert ended.code == 0, ended.err
    for name in ("weights.safetensors", "answers.safetensors"):
        assert (folder / "killed" / name).read_bytes() == (folder / "whole" / name).read_bytes()
    epochs = [json.loads(line)["epoch"] for line in log.read_text().splitlines()]
    assert epochs == list(range(1, 61))


def test_finished_training_can_go_on_for_longer(folder: Path, here: Run) -> None:
    assert here("train", "people.csv", *OPTIONS, "--patience", "0", "--epochs", "3", "--out", "longer", "-q").code == 0
    ended = here("train", "--resume", "longer", "--epochs", "5", "--json")
    assert json.loads(ended.raw)["epochs"] == 5
    refused = here("train", "--resume", "longer", "--lr", "0.1")
    assert refused.code == 2
    assert "--lr" in refused.err
    assert "a training that goes on keeps its options" in refused.err


def test_weights_and_ignored_columns_are_no_inputs(folder: Path, here: Run) -> None:
    people(200, 3).with_columns(count=pl.Series(np.arange(200) % 3)).write_csv(folder / "weighed.csv")
    options = (
        "-t",
        "plan",
        "--weights",
        "count",
        "--ignore",
        "id,since",
        "--epochs",
        "2",
        "--class-weight",
        "balanced",
    )
    ended = here("train", "weighed.csv", *options, "--out", "weighed")
    assert ended.code == 0, ended.err
    columns = json.loads((folder / "weighed" / "config.json").read_text())["columns"]
    assert [each["name"] for each in columns] == ["age", "income", "town", "member"]


def test_everything_that_fit_can_do_can_be_asked_for(folder: Path, here: Run) -> None:
    options = (
        *("--clip-norm", "1", "--schedule", "cosine", "--warmup", "1", "--accumulate", "2", "--l1", "1e-4"),
        *("--l2", "1e-4", "--ema", "0.9", "--mixup", "0.2", "--class-weight", "plus=2", "--max-seconds", "60"),
        *("--optimizer", "sgd", "--optimizer-settings", "momentum=0.9, nesterov=true", "--weight-decay", "1e-4"),
        *("--label-smoothing", "0.1", "--dropout", "0.1", "--monitor", "val_roc_auc", "--min-delta", "0.001"),
    )
    ended = here("train", "people.csv", *OPTIONS, "--epochs", "3", *options, "--out", "everything", "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.raw)["epochs"] == 3
    repeated = here("train", "--config", "everything/config.toml", "--out", "twice", "-q")
    assert repeated.code == 0, repeated.err
    assert (folder / "everything/weights.safetensors").read_bytes() == (
        folder / "twice/weights.safetensors"
    ).read_bytes()
