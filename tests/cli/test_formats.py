"""Every format that a table can be in trains, is measured and predicted, and so do the sets that come along."""

import gzip
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from lamina.data import read_table

Run = Callable[..., Any]


def frame(rows: int = 60) -> pl.DataFrame:
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, 2)).round(4)
    kind = random.choice(["a", "b"], rows)
    sold = np.where(x[:, 0] + (kind == "a") > 0.5, "yes", "no")
    return pl.DataFrame({"x": x[:, 0], "y2": x[:, 1], "kind": kind, "sold": sold})


def sqlite(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("create table houses (x real, y2 real, kind text, sold text)")
        connection.execute("create table others (a int)")
        connection.executemany("insert into houses values (?, ?, ?, ?)", frame().rows())
    connection.close()


def pictures() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    random = np.random.default_rng(0)
    labels = np.arange(60, dtype=np.uint8) % 3
    return (random.integers(0, 60, (60, 4, 4)) + 60 * labels[:, None, None]).astype(np.uint8), labels


def npz(path: Path) -> None:
    images, labels = pictures()
    np.savez(path, x=images.reshape(60, 16), y=labels)


def idx(path: Path) -> None:
    images, labels = pictures()
    head = b"\x00\x00\x08\x03" + b"".join(int(n).to_bytes(4, "big") for n in images.shape)
    path.write_bytes(gzip.compress(head + images.tobytes()))
    labelled = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
    labelled.write_bytes(gzip.compress(b"\x00\x00\x08\x01" + (60).to_bytes(4, "big") + labels.tobytes()))


def iron_learn(path: Path) -> None:
    images, labels = pictures()
    x = (images.reshape(60, 16) / 255.0).round(4)
    part = {"m": 40, "n": 16, "x": x[:40].ravel().tolist(), "y": labels[:40].tolist()}
    test = {"m_test": 20, "x_test": x[40:].ravel().tolist(), "y_test": labels[40:].tolist()}
    path.write_text(json.dumps(part | test))


FORMATS: dict[str, tuple[str, Callable[[Path], Any], tuple[str, ...], tuple[str, ...]]] = {
    "CSV": ("t.csv", lambda path: frame().write_csv(path), ("-t", "sold"), ()),
    "CSV with semicolons": ("t.csv", lambda path: frame().write_csv(path, separator=";"), ("-t", "sold"), ()),
    "TSV": ("t.tsv", lambda path: frame().write_csv(path, separator="\t"), ("-t", "sold"), ()),
    "JSON": ("t.json", lambda path: frame().write_json(path), ("-t", "sold"), ()),
    "NDJSON": ("t.ndjson", lambda path: frame().write_ndjson(path), ("-t", "sold"), ()),
    "Parquet": ("t.parquet", lambda path: frame().write_parquet(path), ("-t", "sold"), ()),
    "Arrow": ("t.arrow", lambda path: frame().write_ipc(path), ("-t", "sold"), ()),
    "SQLite": ("t.sqlite", sqlite, ("-t", "sold"), ("--table", "houses")),
    "NumPy arrays": ("t.npz", npz, (), ()),
    "IDX": ("train-images-idx3-ubyte.gz", idx, (), ()),
    "Iron Learn": ("t.json", iron_learn, (), ()),
}


@pytest.mark.parametrize("case", FORMATS)
def test_format_trains_is_measured_and_predicted(lamina: Run, tmp_path: Path, case: str) -> None:
    name, write, target, part = FORMATS[case]
    write(tmp_path / name)
    options = ("--epochs", "3", "--hidden", "8", "--test", "0.2", "--out", "run")
    trained = lamina("train", name, *target, *part, *options)
    assert trained.code == 0, trained.err
    assert lamina("evaluate", "run").code == 0
    assert lamina("evaluate", "run", name, *part).code == 0
    predicted = lamina("predict", "run", name, *part, "-o", "out.csv")
    assert predicted.code == 0, predicted.err
    assert any(column.startswith("predicted_") for column in read_table(tmp_path / "out.csv").columns)


def test_test_part_of_iron_learns_form_is_measured(lamina: Run, tmp_path: Path) -> None:
    iron_learn(tmp_path / "t.json")
    assert lamina("train", "t.json", "--epochs", "3", "--out", "run").code == 0
    found = json.loads(lamina("evaluate", "run", "t.json", "--table", "test", "--json").raw)
    assert found["count"] == 20


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, invoke: Run) -> Path:
    folder = tmp_path_factory.mktemp("formats")
    frame().write_csv(folder / "t.csv")
    options = ("-t", "sold", "--epochs", "1", "--hidden", "4", "--out", "run")
    assert invoke(folder, "train", "t.csv", *options).code == 0
    return folder


@pytest.mark.parametrize("ending", ["csv", "tsv", "json", "ndjson", "parquet", "arrow"])
def test_predictions_are_written_in_the_format_of_the_ending(lamina: Run, trained: Path, ending: str) -> None:
    from lamina.data import read_table

    assert lamina("predict", "run", "t.csv", "-o", f"out.{ending}").code == 0
    found = read_table(trained / f"out.{ending}")
    assert found.columns[-3:] == ["predicted_sold", "probability_no", "probability_yes"]
    assert len(found) == 60


def test_predictions_go_to_standard_output_as_csv(lamina: Run, trained: Path) -> None:
    ended = lamina("predict", "run", "t.csv", "-o", "-", "--quiet")
    assert ended.raw.splitlines()[0] == "x,y2,kind,sold,predicted_sold,probability_no,probability_yes"
    assert len(ended.raw.splitlines()) == 61


def test_unknown_ending_is_refused_before_anything_is_read(lamina: Run, trained: Path) -> None:
    ended = lamina("predict", "run", "t.csv", "-o", "out.xlsx")
    assert ended.code == 2
    assert "the endings are .csv, .tsv" in ended.err


@pytest.mark.parametrize("name", ["wine", "iris", "breast_cancer", "diabetes", "moons"])
def test_embedded_sets_train_by_name_and_keep_rows_to_be_measured_on(lamina: Run, name: str) -> None:
    ended = lamina("train", name, "--epochs", "4", "--hidden", "8", "--out", "run", "--json")
    assert ended.code == 0, ended.err
    test = json.loads(ended.raw)["parts"]["test"]
    found = json.loads(lamina("evaluate", "run", "--json").raw)
    assert found["scores"] == {key: value for key, value in test.items() if key != "count"}


def test_embedded_sets_and_generators_are_listed_and_described(lamina: Run) -> None:
    listed = json.loads(lamina("data", "--json").raw)
    assert {"digits", "wine"} <= set(listed["embedded"])
    assert {"moons", "spirals"} <= set(listed["generators"])
    wine = json.loads(lamina("data", "wine", "--json").raw)
    assert (wine["rows"], len(wine["columns"])) == (178, 14)


def test_columns_of_a_file_are_described(lamina: Run, tmp_path: Path) -> None:
    frame().write_csv(tmp_path / "t.csv")
    found = json.loads(lamina("data", "t.csv", "--json").raw)
    assert {each["name"]: each["kind"] for each in found["columns"]} == {
        "x": "numeric", "y2": "numeric", "kind": "categorical", "sold": "boolean"
    }  # fmt: skip


def test_generated_data_can_be_written_and_trained_on(lamina: Run, tmp_path: Path) -> None:
    assert lamina("data", "moons", "--settings", "rows=40, noise=0.2", "-o", "moons.csv").code == 0
    assert pl.read_csv(tmp_path / "moons.csv").height == 40
    assert lamina("train", "moons.csv", "--epochs", "1", "--out", "run").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("moon",), 1, "did you mean moons?"),
        (("moons", "--settings", "nois=1"), 2, "did you mean noise?"),
        (("moons", "--settings", "rows=0"), 2, "rows=0"),
        (("wine", "--settings", "rows=3"), 2, "those of a generator"),
        (("-o", "x.csv"), 2, "name what to write"),
    ],
)
def test_data_that_cannot_be_shown_is_refused(lamina: Run, arguments: tuple[str, ...], code: int, message: str) -> None:
    ended = lamina("data", *arguments)
    assert ended.code == code
    assert message in ended.err
