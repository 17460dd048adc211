"""Helpers for the tests of the command: tables with a known law, and a way to run it."""

import contextlib
import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner

from lamina.cli import app
from lamina.training import plot


@dataclass(frozen=True)
class Ended:
    """How a command ended, its texts with white space and frames made plain; ``raw`` is its output as it is."""

    code: int
    out: str
    err: str
    raw: str


def plain(text: str) -> str:
    """Return a text without the frames and line breaks of a terminal."""
    return re.sub(r"\s+", " ", re.sub(r"[│╭╮╰╯─]", " ", text))


@pytest.fixture(scope="session")
def invoke() -> Callable[..., Ended]:
    """Return a function that runs the command with the given arguments in a folder.

    To draw the curves takes longer than a small training does: they are a blank picture but where ``draws`` is true.
    """
    blank = Figure(figsize=(0.1, 0.1))

    def run(folder: Path, *arguments: str | Path, draws: bool = False) -> Ended:
        with contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.chdir(folder))
            if not draws:
                stack.enter_context(patch.object(plot, "draw", lambda history: blank))
            result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ended(result.exit_code, plain(result.stdout), plain(result.stderr), result.stdout)

    return run


@pytest.fixture
def lamina(tmp_path: Path, invoke: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    """Return a function that runs the command with the given arguments in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return partial(invoke, tmp_path)


@pytest.fixture(scope="session")
def write_houses() -> Callable[..., Path]:
    """Return a function that writes a table of houses in a folder.

    Of its columns ``price`` is a noisy linear function of rooms, area and town, ``sold`` says whether the price
    with other noise is low, and ``size`` is one of three classes of area and rooms. No line parts the classes
    without error, so the best linear model is a finite one. A few areas are missing.
    """

    def write(
        folder: Path, rows: int = 300, seed: int = 0, name: str = "houses.csv", columns: Sequence[str] = ()
    ) -> Path:
        random = np.random.default_rng(seed)
        rooms = random.integers(1, 7, rows)
        area = np.round(random.uniform(20.0, 50.0, rows) * rooms, 1)
        town = random.choice(["Ulm", "Bonn", "Jena"], rows)
        garden = random.choice(["true", "false"], rows)
        premium = np.select([town == "Ulm", town == "Bonn"], [80.0, 20.0], 0.0)
        worth = 50.0 + 15.0 * rooms + 2.0 * area + premium + 30.0 * (garden == "true")
        extent = area + 10.0 * rooms + random.normal(0.0, 15.0, rows)
        frame = pl.DataFrame(
            {
                "rooms": rooms,
                "area": [None if i % 37 == 0 else a for i, a in enumerate(area.tolist())],
                "town": town,
                "garden": garden,
                "price": np.round(worth + random.normal(0.0, 20.0, rows), 2),
                "sold": np.where(worth + random.normal(0.0, 40.0, rows) < 320.0, "yes", "no"),
                "size": np.select([extent < 90.0, extent < 190.0], [1, 2], 3),
            }
        )
        path = folder / name
        frame.select(columns or frame.columns).write_csv(path)
        return path

    return write


@pytest.fixture
def houses(tmp_path: Path, write_houses: Callable[..., Path]) -> Callable[..., Path]:
    """Return a function that writes a table of houses in the test's own folder."""
    return partial(write_houses, tmp_path)


@pytest.fixture
def trained(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the test's own folder with what a module made once in the folder ``original``: data and a run."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(original, tmp_path, dirs_exist_ok=True))


@pytest.fixture(scope="session")
def results() -> Callable[[Path], dict[str, Any]]:
    """Return a function that reads the results in a run folder."""
    return lambda folder: json.loads((folder / "results.json").read_text())
