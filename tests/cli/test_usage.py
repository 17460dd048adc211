"""Help, the version, and options that cannot be."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lamina as la

Run = Callable[..., Any]


def test_help_shows_an_example_of_each_command(lamina: Run) -> None:
    text = lamina("--help").out
    for example in ("lamina train houses.csv --target price", "lamina evaluate runs/", "lamina predict runs/"):
        assert example in text


@pytest.mark.parametrize("command", ["train", "evaluate", "predict"])
def test_help_of_a_command_shows_its_example(lamina: Run, command: str) -> None:
    assert f"lamina {command} " in lamina(command, "--help").out.partition("Example")[2]


def test_version_is_that_of_the_package(lamina: Run) -> None:
    assert lamina("--version").out.strip() == f"lamina {la.__version__}"


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from lamina.cli import main\n"
        "sys.argv = ['lamina', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'polars', 'sklearn', 'scipy', 'matplotlib', 'lamina.nn'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_module_runs_as_the_command() -> None:
    ended = subprocess.run([sys.executable, "-m", "lamina", "--version"], capture_output=True, text=True, check=False)
    assert ended.stdout == f"lamina {la.__version__}\n"


BAD_OPTIONS = {
    "unknown activation": (["--activation", "reluu"], "--activation", "did you mean relu?); there are relu, "),
    "unknown optimizer": (["--optimizer", "Adam"], "--optimizer", "did you mean adam?); there are "),
    "optimizer of matrices only": (["--optimizer", "muon"], "--optimizer", "Muon trains matrices only"),
    "smoothing of everything": (["--label-smoothing", "1"], "--label-smoothing", "at least 0 and below 1"),
    "negative learning rate": (["--lr", "-0.1"], "--lr", "must be greater than 0 and finite, got -0.1"),
    "learning rate that is no number": (["--lr", "nan"], "--lr", "must be greater than 0"),
    "infinite learning rate": (["--lr", "inf"], "--lr", "must be greater than 0 and finite, got inf"),
    "width beyond any memory": (["--hidden", "1" * 5000], "--hidden", "below a billion"),
    "letters for widths": (["--hidden", "a,b"], "--hidden", "such as \"128,64\", got 'a,b'"),
    "width of zero": (["--hidden", "8,0"], "--hidden", "whole numbers of at least 1"),
    "widths with a gap": (["--hidden", "8,,4"], "--hidden", "whole numbers of at least 1"),
    "no epochs": (["--epochs", "0"], "--epochs", "at least 1 epoch"),
    "no batch": (["--batch-size", "0"], "--batch-size", "at least 1 sample"),
    "validation of everything": (["--validation", "1"], "--validation", "at least 0 and below 1, got 1.0"),
    "dropout of everything": (["--dropout", "1"], "--dropout", "at least 0 and below 1"),
    "negative patience": (["--patience", "-1"], "--patience", "at least 0"),
    "negative seed": (["--seed", "-1"], "--seed", "at least 0"),
    "unknown task": (["--task", "clustering"], "--task", "there are classification, regression"),
    "target without a table": (["--target", "price"], "--target", "lamina train FILE --target COLUMN"),
    "unknown option": (["--epoch", "3"], "--epoch", "--epochs"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_bad_option_is_named_with_what_is_valid(lamina: Run, tmp_path: Path, case: str) -> None:
    arguments, option, message = BAD_OPTIONS[case]
    ended = lamina("train", *arguments)
    assert ended.code == 2
    assert option in ended.err
    assert message in ended.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("typed", "wanted"), [((), True), (("--tensorboard",), True), (("--no-tensorboard",), False)])
def test_switch_is_turned_off_by_its_no(lamina: Run, tmp_path: Path, typed: tuple[str, ...], wanted: bool) -> None:
    (tmp_path / "t.csv").write_text("a,y\n" + "".join(f"{i},{i % 2}\n" for i in range(20)))
    (tmp_path / "t.toml").write_text('file = "t.csv"\ntarget = "y"\nepochs = 1\ntensorboard = true\n')
    ended = lamina("train", "--config", "t.toml", "--out", "run", *typed)
    assert ended.code == 0, ended.err
    assert (tmp_path / "run" / "tensorboard").exists() == wanted


def test_table_without_a_target_is_refused(lamina: Run, houses: Callable[..., Path]) -> None:
    ended = lamina("train", houses())
    assert ended.code == 2
    assert "name the column to predict" in ended.err


@pytest.mark.parametrize(("device", "message"), [("gpu", "'gpu' is not known; the devices are cpu"), ("cuda", "cuda")])
def test_device_that_cannot_be_used_is_refused(lamina: Run, tmp_path: Path, device: str, message: str) -> None:
    if device == "cuda" and device in la.backends.registry.usable_devices():
        pytest.skip("there is a GPU here")
    ended = lamina("train", "--device", device)
    assert ended.code == 1
    assert ended.err.startswith("error: ")
    assert message in ended.err
    assert not list(tmp_path.iterdir())


def test_network_beyond_the_memory_is_refused(lamina: Run, tmp_path: Path) -> None:
    ended = lamina("train", "--hidden", "999999999,999999999")
    assert ended.code == 1
    assert ended.err.startswith("error: there is not enough memory: ")
    assert not list(tmp_path.iterdir())
