"""`lamina train` without an argument, as a newcomer runs it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lamina.data import load_embedded

Run = Callable[..., Any]


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
def test_digits_reach_ninety_seven_percent_on_the_held_out_fifth(lamina: Run, tmp_path: Path, seed: int) -> None:
    ended = lamina("train", "--seed", str(seed), "--out", "run")
    assert ended.code == 0, ended.err
    held_out = json.loads((tmp_path / "run" / "results.json").read_text())["parts"]["test"]
    assert held_out["count"] == 360
    assert held_out["accuracy"] >= 0.97
    evaluated = lamina("evaluate", "run")
    assert f"{100 * held_out['accuracy']:.2f} %" in evaluated.out


def test_digits_can_be_evaluated_and_predicted_as_a_table(lamina: Run, tmp_path: Path) -> None:
    lamina("train", "--epochs", "2", "--out", "run")
    digits = load_embedded("digits")
    frame = pl.DataFrame(digits.inputs[:50], schema=list(digits.feature_names))
    frame.with_columns(target=pl.Series(digits.targets[:50])).write_csv(tmp_path / "digits.csv")
    assert lamina("evaluate", "run", "digits.csv").code == 0
    assert lamina("predict", "run", "digits.csv", "-o", "out.csv").code == 0
    found = pl.read_csv(tmp_path / "out.csv")
    assert (found["predicted_target"] == found["target"]).mean() > 0.8  # type: ignore[operator]
