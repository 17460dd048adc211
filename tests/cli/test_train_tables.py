"""From a table to a model as good as scikit-learn's, and back from its run folder."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import log_loss

from lamina.runs.options import TrainingOptions
from lamina.runs.subjects import Prepared, prepare

Run = Callable[..., Any]
Results = Callable[[Path], dict[str, Any]]
Houses = Callable[..., Path]
FEATURES = ("rooms", "area", "town", "garden")


TARGETS = pytest.mark.parametrize(("target", "score"), [("price", "r2"), ("sold", "accuracy"), ("size", "accuracy")])


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, invoke: Run, write_houses: Houses) -> Path:
    folder = tmp_path_factory.mktemp("houses")
    path = write_houses(folder, columns=(*FEATURES, "sold"))
    assert invoke(folder, "train", path, "-t", "sold", "--epochs", "1", "--out", "run").code == 0
    return folder


def linear_reference(path: Path, target: str, validation: float) -> tuple[Any, Prepared]:
    """Return scikit-learn's linear model without a penalty, fitted to the same rows."""
    data = prepare(TrainingOptions(file=str(path), target=target, validation=validation))
    model = LogisticRegression(C=np.inf, max_iter=5000) if data.training.classes else LinearRegression()
    return model.fit(data.training.inputs, data.training.targets.reshape(len(data.training))), data


@TARGETS
def test_linear_model_reaches_the_optimum_that_scikit_learn_finds(
    lamina: Run, houses: Houses, tmp_path: Path, target: str, score: str, results: Results
) -> None:
    path = houses(columns=(*FEATURES, target))
    options = (
        "--hidden",
        "",
        "--epochs",
        "200",
        "--lr",
        "0.2",
        "--schedule",
        "cosine",
        "--patience",
        "0",
        "--validation",
        "0",
    )
    assert lamina("train", path, "-t", target, *options, "--out", "run").code == 0
    reference, data = linear_reference(path, target, 0.0)
    found = results(tmp_path / "run")["parts"]["training"]
    if score == "r2":
        assert found["r2"] == pytest.approx(reference.score(*data.training), abs=0.002)
    else:
        best = log_loss(data.training.targets, reference.predict_proba(data.training.inputs))
        assert found["loss"] == pytest.approx(best, abs=0.01)


@TARGETS
@pytest.mark.parametrize("hidden", ["", "64,32"])
def test_models_are_as_good_on_validation_rows_as_scikit_learns_linear_one(
    lamina: Run, houses: Houses, tmp_path: Path, target: str, score: str, hidden: str, results: Results
) -> None:
    path = houses(600, columns=(*FEATURES, target))
    assert lamina("train", path, "-t", target, "--hidden", hidden, "--out", "run").code == 0
    reference, data = linear_reference(path, target, 0.2)
    assert data.validation is not None
    expected = reference.score(data.validation.inputs, data.validation.targets.reshape(len(data.validation)))
    assert results(tmp_path / "run")["parts"]["validation"][score] >= expected - 0.02


@pytest.mark.parametrize("target", ["price", "sold"])
def test_evaluate_repeats_the_numbers_of_training(lamina: Run, houses: Houses, tmp_path: Path, target: str) -> None:
    path = houses(columns=(*FEATURES, target))
    trained = lamina("train", path, "-t", target, "--epochs", "3", "--validation", "0", "--out", "run")
    evaluated = lamina("evaluate", "run", path)
    assert (trained.code, evaluated.code) == (0, 0)
    shown = trained.out.partition("training ")[2].partition("┘")[0].partition("└")[0]
    assert "300" in shown
    assert evaluated.out.partition("houses.csv ")[2].partition("└")[0].split() == shown.split()


def test_predictions_are_what_evaluate_measures(lamina: Run, houses: Houses, tmp_path: Path, results: Results) -> None:
    path = houses(columns=(*FEATURES, "sold"))
    lamina("train", path, "-t", "sold", "--epochs", "3", "--validation", "0", "--out", "run")
    assert lamina("predict", "run", path, "-o", "out.csv").code == 0
    frame = pl.read_csv(tmp_path / "out.csv")
    assert frame.columns == [*FEATURES, "sold", "predicted_sold", "probability_no", "probability_yes"]
    accuracy = (frame["sold"] == frame["predicted_sold"]).mean()
    assert accuracy == pytest.approx(results(tmp_path / "run")["parts"]["training"]["accuracy"])
    np.testing.assert_allclose(frame["probability_no"] + frame["probability_yes"], 1.0, rtol=1e-12)
    sure = frame.filter(pl.col("probability_yes") > 0.5)
    assert set(sure["predicted_sold"]) == {"yes"}


def test_predicted_values_are_in_the_units_of_the_target(lamina: Run, houses: Houses, tmp_path: Path) -> None:
    path = houses(columns=(*FEATURES, "price"))
    lamina("train", path, "-t", "price", "--hidden", "", "--epochs", "60", "--out", "run")
    lamina("predict", "run", path, "-o", "out.csv")
    frame = pl.read_csv(tmp_path / "out.csv")
    errors = (frame["price"] - frame["predicted_price"]).to_numpy()
    assert np.abs(errors).mean() < 0.2 * frame["price"].std()  # type: ignore[operator]


@pytest.mark.usefixtures("trained")
def test_predicting_needs_no_target_and_keeps_other_columns(lamina: Run, tmp_path: Path) -> None:
    new = tmp_path / "new.csv"
    new.write_text("garden,id,town,area,rooms\ntrue,7,Ulm,120,4\nfalse,9,Jena,,1\n")
    ended = lamina("predict", "run", new, "-o", "out.csv")
    assert ended.code == 0, ended.err
    assert "column 'id' was not used in training" in ended.out
    assert pl.read_csv(tmp_path / "out.csv")["id"].to_list() == [7, 9]


BAD_NEW = {
    "missing columns": (
        "rooms,garden\n1,true\n",
        "there are no columns 'area', 'town', which the model was trained with",
    ),
    "text for a number": (
        "rooms,area,town,garden\n1,big,Ulm,true\n",
        "column 'area' is numeric, but line 2 holds 'big'",
    ),
    "ragged": ("rooms,area,town,garden\n1,20,Ulm\n", "line 2 has 3 cells"),
    "empty": ("", "the file is empty"),
}


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize("case", BAD_NEW)
def test_bad_rows_to_predict_leave_an_earlier_output_as_it_was(lamina: Run, tmp_path: Path, case: str) -> None:
    content, message = BAD_NEW[case]
    (tmp_path / "new.csv").write_text(content)
    (tmp_path / "out.csv").write_text("earlier")
    before = sorted(tmp_path.rglob("*"))
    ended = lamina("predict", "run", "new.csv", "-o", "out.csv")
    assert ended.code == 1
    assert message in ended.err
    assert (tmp_path / "out.csv").read_text() == "earlier"
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.usefixtures("trained")
def test_predicting_into_a_folder_that_is_not_there_is_refused(lamina: Run) -> None:
    ended = lamina("predict", "run", "houses.csv", "-o", "nowhere/out.csv")
    assert (ended.code, "there is no folder nowhere" in ended.err) == (1, True)


@pytest.mark.usefixtures("trained")
def test_unknown_class_in_the_table_to_evaluate_is_refused(lamina: Run, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("rooms,area,town,garden,sold\n1,20,Ulm,true,maybe\n")
    ended = lamina("evaluate", "run", "new.csv")
    assert ended.code == 1
    assert "line 2 has the class 'maybe' in 'sold'; the model knows 'no', 'yes'" in ended.err


def test_rows_without_a_target_are_left_out_with_a_note(lamina: Run, tmp_path: Path, results: Results) -> None:
    (tmp_path / "t.csv").write_text("a,y\n" + "".join(f"{i},{'' if i == 4 else i * 1.5}\n" for i in range(20)))
    ended = lamina("train", "t.csv", "-t", "y", "--epochs", "2", "--out", "run")
    assert ended.code == 0, ended.err
    assert "1 row has no 'y' and will not be used" in ended.out
    assert sum(part["count"] for part in results(tmp_path / "run")["parts"].values()) == 19


def test_a_run_reads_every_table_with_the_decimal_commas_of_its_training(lamina: Run, tmp_path: Path) -> None:
    rows = [(1000.0 + 7.25 * i, i % 5, 3.5 * i) for i in range(40)]
    pl.DataFrame(rows, ["a", "b", "y"], orient="row").write_csv(tmp_path / "points.csv")
    text = "".join(f"{a:_.2f};{b};{y:.1f}\n".replace(".", ",").replace("_", ".") for a, b, y in rows)
    (tmp_path / "t.csv").write_text("a;b;y\n" + text)
    ended = lamina("train", "t.csv", "-t", "y", "--epochs", "2", "--out", "run")
    assert ended.code == 0, ended.err
    assert "column 'a' holds '1.000,00', written with decimal commas, and all numbers are read so" in ended.out
    # A table whose points say nothing of their own means thousands, as the first one did.
    (tmp_path / "new.csv").write_text("a;b\n1.100;3\n")
    said = lamina("predict", "run", "new.csv", "-o", "new_out.csv")
    assert "written to new_out.csv, with semicolons and decimal commas" in said.out
    pl.DataFrame({"a": [1100.0], "b": [3]}).write_parquet(tmp_path / "same.parquet")
    assert lamina("predict", "run", "same.parquet", "-o", "same_out.csv").code == 0
    found = pl.read_csv(tmp_path / "new_out.csv", separator=";", decimal_comma=True)
    assert found[:, -1].item() == pl.read_csv(tmp_path / "same_out.csv")[:, -1].item()
    refused = lamina("evaluate", "run", "points.csv")
    assert refused.code == 1
    assert "numbers are read with decimal commas" in refused.err
    assert "(--decimal .)" in refused.err
    measured = [lamina("evaluate", "run", *file, "--json") for file in (("t.csv",), ("points.csv", "--decimal", "."))]
    scores = [json.loads(ended.out)["scores"] for ended in measured]
    assert scores[0] == scores[1]


@pytest.mark.parametrize("encoding", ["windows-1252", "utf-16", "utf-8-sig"])
def test_predictions_are_written_as_the_file_is(lamina: Run, tmp_path: Path, encoding: str) -> None:
    text = "Größe;y\n" + "".join(f"{i},5;{3 * i},25\n" for i in range(20))
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    how = ("--encoding", encoding) if encoding == "windows-1252" else ()
    assert lamina("train", "t.csv", "-t", "y", "--epochs", "1", "--out", "run", *how).code == 0
    assert lamina("predict", "run", "t.csv", "-o", "out.csv").code == 0
    written = (tmp_path / "out.csv").read_bytes().decode(encoding)
    assert written.splitlines()[0] == "Größe;y;predicted_y"
    assert all(re.fullmatch(r"\d+,5;\d+,25;-?\d+,\d+", line) for line in written.splitlines()[1:])
    assert lamina("predict", "run", "t.csv", "-o", "out.tsv").code == 0
    assert (tmp_path / "out.tsv").read_bytes().decode(encoding).startswith("Größe\ty\tpredicted_y\n0,5\t0,25\t")


def test_a_file_without_a_header_is_read_where_that_is_said(lamina: Run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("".join(f"{i}.5,{i % 3},{'no' if i < 10 else 'yes'}\n" for i in range(20)))
    refused = lamina("train", "t.csv", "-t", "column_3", "--out", "run")
    assert "the columns are '0.5', '0', 'no'; if the first line is a row like the others" in refused.err
    assert lamina("train", "t.csv", "-t", "column_3", "--no-header", "--epochs", "1", "--out", "run").code == 0
    assert lamina("predict", "run", "t.csv", "-o", "out.csv").code == 0
    assert pl.read_csv(tmp_path / "out.csv").height == 20


def test_later_tables_are_read_as_in_training_where_nothing_else_is_said(lamina: Run, tmp_path: Path) -> None:
    rows = [(f"{i}.5", "Köln" if i % 2 else "Ulm", "no" if i % 2 else "yes") for i in range(20)]
    text = "".join(",".join(row) + "\n" for row in rows)
    names = [f"column_{number}" for number in (1, 2, 3)]
    (tmp_path / "t.csv").write_bytes(text.encode("windows-1252"))
    how = ("--encoding", "windows-1252", "--no-header")
    assert lamina("train", "t.csv", "-t", "column_3", *how, "--epochs", "60", "--lr", "0.01", "--out", "run").code == 0
    wanted = lamina("evaluate", "run", "t.csv", "--json", *how)
    found = lamina("evaluate", "run", "t.csv", "--json")
    assert json.loads(found.raw)["scores"] == json.loads(wanted.raw)["scores"]
    assert "read as windows-1252, as in training" in json.loads(found.raw)["notes"][0]
    # What is said counts more, and so does the mark that a text begins with; other formats have no such thing.
    (tmp_path / "other.csv").write_text(",".join(names) + "\n" + text, encoding="utf-8")
    refused = lamina("evaluate", "run", "other.csv", "--encoding", "utf-8")
    assert "line 1 holds 'column_1'" in refused.err
    said = lamina("evaluate", "run", "other.csv", "--encoding", "utf-8", "--header", "--json")
    (tmp_path / "marked.csv").write_text(text, encoding="utf-8-sig")
    marked = lamina("evaluate", "run", "marked.csv", "--json")
    pl.DataFrame(rows, schema=names, orient="row").write_parquet(tmp_path / "other.parquet")
    typed = lamina("evaluate", "run", "other.parquet", "--json")
    for each in (said, marked, typed):
        assert each.code == 0, each.err
        assert json.loads(each.raw)["scores"] == json.loads(wanted.raw)["scores"]


def test_numbers_with_commas_that_may_be_either_are_refused_until_said(lamina: Run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,y\n" + "".join(f'"{i},125",{i % 2}\n' for i in range(1, 21)))
    refused = lamina("train", "t.csv", "-t", "y", "--epochs", "1", "--out", "run")
    assert refused.code == 1
    assert "the comma of '1,125' in column 'a' may be a decimal comma or part thousands" in refused.err
    for mark in (".", ","):
        assert lamina("train", "t.csv", "-t", "y", "--epochs", "1", "--decimal", mark, "--out", f"run{mark}").code == 0
    for name, mean in (("run.", (1125.0, 20125.0)), ("run,", (1.125, 20.125))):
        config = json.loads((tmp_path / name / "config.json").read_text())
        assert mean[0] < config["columns"][0]["mean"] < mean[1]


def test_category_of_a_single_row_trains_whichever_part_it_falls_in(lamina: Run, tmp_path: Path) -> None:
    rows = "".join(f"{i},c{i if i < 8 else 8},{i % 2}\n" for i in range(40))
    (tmp_path / "t.csv").write_text("a,kind,y\n" + rows)
    for seed in range(4):
        ended = lamina("train", "t.csv", "-t", "y", "--epochs", "1", "--seed", str(seed), "--out", f"run{seed}")
        assert ended.code == 0, ended.err
        assert lamina("evaluate", f"run{seed}", "t.csv").code == 0


def test_same_seed_gives_the_same_weights_and_another_seed_others(lamina: Run, houses: Houses, tmp_path: Path) -> None:
    path = houses(columns=(*FEATURES, "price"))
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        lamina("train", path, "-t", "price", "--epochs", "2", "--seed", seed, "--out", name)
    a, b, c = ((tmp_path / name / "weights.safetensors").read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_command_to_go_on_with_can_be_pasted(lamina: Run, houses: Houses) -> None:
    path = houses(60, columns=(*FEATURES, "price"))
    ended = lamina("train", path, "-t", "price", "--epochs", "1", "--out", "my run")
    assert "run folder: my run measure it: lamina evaluate 'my run' FILE" in ended.out


def test_parquet_trains_evaluates_and_predicts(lamina: Run, houses: Houses, tmp_path: Path) -> None:
    frame = pl.read_csv(houses(columns=(*FEATURES, "sold")))
    frame.write_parquet(tmp_path / "houses.parquet")
    assert lamina("train", "houses.parquet", "-t", "sold", "--epochs", "1", "--out", "run").code == 0
    assert lamina("evaluate", "run", "houses.parquet").code == 0
    assert lamina("predict", "run", "houses.csv", "-o", "out.csv").code == 0


@pytest.mark.parametrize(
    ("optimizer", "activation"), [("sgd", "tanh"), ("adam", "gelu"), ("lion", "tanh"), ("lamb", "gelu")]
)
def test_optimizers_and_activations_can_be_chosen(
    lamina: Run, houses: Houses, tmp_path: Path, optimizer: str, activation: str
) -> None:
    path = houses(60, columns=(*FEATURES, "price"))
    arguments = ("--optimizer", optimizer, "--activation", activation, "--hidden", "8", "--epochs", "2")
    ended = lamina("train", path, "-t", "price", *arguments, "--out", "run")
    assert ended.code == 0, ended.err
    options = json.loads((tmp_path / "run" / "config.json").read_text())["options"]
    assert (options["optimizer"], options["activation"], options["hidden"]) == (optimizer, activation, [8])


def test_products_are_as_precise_as_asked(lamina: Run, houses: Houses, tmp_path: Path, results: Results) -> None:
    path = houses(columns=(*FEATURES, "sold"))
    for precision in ("float32", "bfloat16"):
        options = ("--epochs", "2", "--validation", "0", "--matmul-precision", precision, "--out", precision)
        assert lamina("train", path, "-t", "sold", *options).code == 0
    full, coarse = (results(tmp_path / each)["parts"]["training"]["loss"] for each in ("float32", "bfloat16"))
    assert coarse == pytest.approx(full, rel=0.01)
    assert coarse != full
    assert lamina("train", path, "-t", "sold", "--matmul-precision", "tf32").code == 2
