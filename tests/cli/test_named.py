"""Data are named alike in every command, and every folder that a command makes can be looked at."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

Run = Callable[..., Any]
SMALL = ("--hidden", "4", "--epochs", "2", "--quiet")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, invoke: Run) -> Path:
    folder = tmp_path_factory.mktemp("named")
    ended = invoke(folder, "train", "iris", *SMALL, "--out", "run")
    assert ended.code == 0, ended.err
    return folder


def test_an_embedded_set_is_measured_and_predicted_by_its_name(lamina: Run, trained: Path) -> None:
    assert lamina("data", "iris", "-o", "iris.csv").code == 0
    by_name, by_file = (json.loads(lamina("evaluate", "run", data, "--json").raw) for data in ("iris", "iris.csv"))
    assert by_name["count"] == 150
    assert by_name["unit"] == "rows"
    # The set is in float32, which a text rounds.
    assert by_name["scores"] == pytest.approx(by_file["scores"], rel=1e-6)
    assert lamina("predict", "run", "iris", "-o", "out.csv").code == 0
    assert len(pl.read_csv(trained / "out.csv")) == 150


@pytest.mark.parametrize("command", [("evaluate", "run", "irys"), ("predict", "run", "irys", "-o", "-")])
def test_a_name_that_is_nearly_one_is_recognised(lamina: Run, trained: Path, command: tuple[str, ...]) -> None:
    ended = lamina(*command)
    assert ended.code == 1
    assert "irys: there is no such file, embedded set or generator (did you mean iris?)" in ended.err


@pytest.mark.parametrize(
    "command",
    [("train", "iris"), ("data", "iris"), ("evaluate", "run", "iris"), ("evaluate", "run"),
     ("predict", "run", "iris", "-o", "-")],
)  # fmt: skip
def test_a_table_of_what_holds_one_only_is_refused(lamina: Run, trained: Path, command: tuple[str, ...]) -> None:
    ended = lamina(*command, "--table", "second")
    assert ended.code == 2
    assert "--table: it is one of a file" in ended.err


def test_a_metric_of_another_task_is_refused(lamina: Run, trained: Path) -> None:
    ended = lamina("evaluate", "run", "iris", "--metrics", "r2")
    assert ended.code == 2
    assert "r2 is for values, and these are classes" in ended.err


def test_a_search_is_shown_by_inspect(lamina: Run, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    searched = ("--trials", "3", "--search", "lr=0.01:0.1", "--out", "tuned")
    told = lamina("tune", "iris", *SMALL, *searched)
    assert told.code == 0, told.err
    shown = lamina("inspect", "tuned")
    assert shown.code == 0, shown.err
    table = told.out.partition("The best trials")[2].partition("folder:")[0]
    assert table
    assert table.strip() in shown.out
    assert "tuned: a search by val_loss, finished" in shown.out
    found = json.loads(lamina("inspect", "tuned", "--json").raw)
    assert found["trials"] == json.loads((tmp_path / "tuned" / "results.json").read_text())["trials"]
    assert found["searched"] == {"lr": "0.01:0.1"}


def test_a_search_that_was_killed_is_shown_with_how_to_go_on(lamina: Run, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    assert lamina("tune", "iris", *SMALL, "--trials", "1", "--search", "lr=0.01:0.1", "--out", "tuned").code == 0
    (tmp_path / "tuned" / "results.json").unlink()
    shown = lamina("inspect", "tuned").out
    assert "no trial has ended yet" in shown
    assert "lamina tune --resume tuned" in shown
