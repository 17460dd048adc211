"""The run folder: complete, never written over, and usable however the training ended."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
Houses = Callable[..., Path]
FILES = [
    "answers.safetensors", "checkpoints", "config.json", "config.toml", "curves.png", "metrics.jsonl", "results.json",
    "weights.safetensors",
]  # fmt: skip


def started(*arguments: str | Path, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "lamina", *map(str, arguments)]
    # Signals go to this process by its id, and so reach nobody else.
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def wait_for_lines(path: Path, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60.0
    while not path.exists() or path.read_text().count("\n") < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, invoke: Run, write_houses: Houses) -> Path:
    folder = tmp_path_factory.mktemp("folder")
    path = write_houses(folder, columns=("rooms", "town", "price"))
    assert invoke(folder, "train", path, "-t", "price", "--epochs", "3", "--out", "run", draws=True).code == 0
    return folder


@pytest.fixture
def run(trained: Path) -> Path:
    """Return a run folder of the test's own."""
    return trained / "run"


def test_folder_holds_everything(run: Path) -> None:
    assert sorted(path.name for path in run.iterdir()) == FILES
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert {"loss", "val_loss", "val_r2", "lr", "seconds"} <= set(lines[0])
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")
    results = json.loads((run / "results.json").read_text())
    assert results["status"] == "finished"
    assert set(results["parts"]) == {"training", "validation"}


def test_default_folders_are_named_by_table_and_do_not_collide(lamina: Run, houses: Houses, tmp_path: Path) -> None:
    path = houses(60, columns=("rooms", "price"))
    for _ in range(3):
        assert lamina("train", path, "-t", "price", "--epochs", "1").code == 0
    made = sorted(folder.name for folder in (tmp_path / "runs").iterdir())
    assert len(made) == 3
    assert all(name.startswith("houses-") for name in made)


def test_folder_with_something_in_it_is_never_written_over(lamina: Run, houses: Houses, run: Path) -> None:
    before = contents(run)
    ended = lamina("train", houses(columns=("rooms", "price")), "-t", "price", "--epochs", "1", "--out", "run")
    assert ended.code == 1
    assert "the folder run is not empty; give another, or remove it first" in ended.err
    assert contents(run) == before


def test_file_in_place_of_the_folder_is_refused(lamina: Run, houses: Houses, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    ended = lamina("train", houses(columns=("rooms", "price")), "-t", "price", "--out", "out")
    assert ended.code == 1
    assert "--out: out is a file" in ended.err
    assert (tmp_path / "out").read_text() == "mine"


def test_folder_that_cannot_be_made_is_refused(lamina: Run, houses: Houses, tmp_path: Path) -> None:
    path = houses(60, columns=("rooms", "price"))
    ended = lamina("train", path, "-t", "price", "--out", path / "run")
    assert ended.code == 1
    assert "--out: " in ended.err
    assert "cannot be made: Not a directory; give a folder elsewhere" in ended.err


def test_empty_folder_may_be_given(lamina: Run, houses: Houses, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    path = houses(60, columns=("rooms", "price"))
    assert lamina("train", path, "-t", "price", "--epochs", "1", "--out", "out").code == 0


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def foreign(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04 not weights")


def other_model(path: Path) -> None:
    config = json.loads(path.read_text())
    config["options"]["hidden"] = [7]
    path.write_text(json.dumps(config))


def other_format(path: Path) -> None:
    path.write_text(path.read_text().replace('"format_version": 1', '"format_version": 99'))


def negative_width(path: Path) -> None:
    path.write_text(path.read_text().replace("64,", "-64,"))


def nested(path: Path) -> None:
    path.write_text("[" * 100_000)


def unknown_activation(path: Path) -> None:
    path.write_text(path.read_text().replace('"relu"', '"magic"'))


DAMAGE = {
    "weights cut off": ("weights.safetensors", cut, "weights.safetensors is not a whole safetensors file"),
    "weights of another kind": ("weights.safetensors", foreign, "not a whole safetensors file"),
    "no weights": ("weights.safetensors", Path.unlink, "weights.safetensors is missing"),
    "weights of another model": ("config.json", other_model, "does not fit the model"),
    "configuration cut off": ("config.json", cut, "this is not JSON"),
    "configuration without an end": ("config.json", nested, "this is not JSON"),
    "no configuration": ("config.json", Path.unlink, "not a run folder, it has no config.json"),
    "configuration of a later version": ("config.json", other_format, "format_version should be 1"),
    "impossible width": ("config.json", negative_width, "hidden: give whole numbers of at least 1"),
    "unknown activation": ("config.json", unknown_activation, "activation: 'magic' is not known; there are relu"),
}


@pytest.mark.parametrize("case", DAMAGE)
@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_damaged_run_is_refused(
    lamina: Run, houses: Houses, run: Path, tmp_path: Path, case: str, command: str
) -> None:
    name, damage, message = DAMAGE[case]
    damage(run / name)
    table = houses(20, columns=("rooms", "town", "price"))
    ended = lamina(command, "run", table, *(["-o", "out.csv"] if command == "predict" else []))
    assert ended.code == 1
    assert ended.err.startswith("error: ")
    assert message in ended.err
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("path", ["nowhere", "."])
def test_folder_without_a_run_is_refused(lamina: Run, path: str) -> None:
    ended = lamina("evaluate", path)
    assert ended.code == 1
    assert "run folder" in ended.err


def test_evaluate_of_a_table_run_needs_a_table(lamina: Run, run: Path) -> None:
    ended = lamina("evaluate", "run")
    assert ended.code == 1
    assert "give a table to measure on: lamina evaluate run FILE" in ended.err


def test_ctrl_c_leaves_a_usable_folder(lamina: Run, houses: Houses, tmp_path: Path) -> None:
    path = houses(columns=("rooms", "town", "price"))
    options = ("--epochs", "100000", "--patience", "0", "--out", "run")
    process = started("train", path, "-t", "price", *options, folder=tmp_path)
    wait_for_lines(tmp_path / "run" / "metrics.jsonl", 3, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert sorted(each.name for each in (tmp_path / "run").iterdir()) == FILES
    assert json.loads((tmp_path / "run" / "results.json").read_text())["status"] == "interrupted"
    assert lamina("evaluate", "run", path).code == 0
    assert lamina("predict", "run", path, "-o", "out.csv").code == 0


def test_killed_training_leaves_a_usable_folder(lamina: Run, houses: Houses, tmp_path: Path) -> None:
    path = houses(columns=("rooms", "town", "price"))
    process = started(
        "train", path, "-t", "price", "--epochs", "100000", "--patience", "0", "--out", "run", folder=tmp_path
    )
    wait_for_lines(tmp_path / "run" / "metrics.jsonl", 2, process)
    process.kill()
    process.communicate(timeout=60)
    assert lamina("evaluate", "run", path).code == 0


def test_loss_that_is_not_a_number_keeps_the_best_weights_before_it(
    lamina: Run, houses: Houses, tmp_path: Path
) -> None:
    path = houses(columns=("rooms", "town", "price"))
    diverges = ("--optimizer", "sgd", "--lr", "50", "--batch-size", "300", "--epochs", "500", "--hidden", "")
    ended = lamina("train", path, "-t", "price", *diverges, "--out", "run", "--patience", "0")
    assert ended.code == 3
    assert ended.err.startswith("error: ")
    assert "step" in ended.err
    assert "--clip-norm 1" in ended.err
    assert "the weights are those of epoch 1 " in ended.err
    assert "Results with the weights of epoch 1, the best" in ended.out
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["status"] == "diverged"
    evaluated = lamina("evaluate", "run", path)
    assert evaluated.code == 0
    assert "nan" not in evaluated.out


@pytest.mark.parametrize("target", ["price", "sold"])
@pytest.mark.parametrize("validation", ["0", "0.2"])
def test_weights_beyond_all_bounds_end_training_with_an_error(
    lamina: Run, houses: Houses, target: str, validation: str
) -> None:
    path = houses(60, columns=("rooms", "town", target))
    options = ("--optimizer", "sgd", "--lr", "1e30", "--validation", validation, "--epochs", "9", "--out", "run")
    ended = lamina("train", path, "-t", target, *options)
    assert ended.code == 3
    assert ended.err.startswith("error: fit: the ")
    assert "Results with the weights it began with" in ended.out
    assert lamina("evaluate", "run", path).code == 0


def test_training_that_ends_within_its_first_epoch_leaves_what_it_has_learned(lamina: Run, houses: Houses) -> None:
    train = ("train", houses(400, columns=("rooms", "town", "price")), "-t", "price", "--batch-size", "4")
    ended = lamina(*train, "--max-seconds", "1e-9", "--out", "run")
    assert ended.code == 0
    assert "Results with the weights after" in ended.out
    assert lamina(*train, "--epochs", "1", "--lr", "1e-30", "--out", "fresh").code == 0
    learned, began = (json.loads(Path(each, "results.json").read_text())["parts"] for each in ("run", "fresh"))
    assert learned["training"]["rmse"] < began["training"]["rmse"]


def limited(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.skipif(os.name != "posix", reason="the limit stands in for a full disk on POSIX systems only")
def test_full_disk_leaves_no_partial_predictions(lamina: Run, houses: Houses, run: Path, tmp_path: Path) -> None:
    table = houses(2000, columns=("rooms", "town", "price"))
    command = [sys.executable, "-m", "lamina", "predict", "run", str(table), "-o", "out.csv"]
    before = sorted(tmp_path.rglob("*"))
    ended = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, preexec_fn=limited(10_000)
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: ")
    assert "Traceback" not in ended.stderr
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(os.name != "posix", reason="the limit stands in for a full disk on POSIX systems only")
@pytest.mark.parametrize("size", [100, 600])
def test_disk_without_room_for_the_first_files_is_left_without_a_folder(
    lamina: Run, houses: Houses, tmp_path: Path, size: int
) -> None:
    path = houses(60, columns=("rooms", "town", "price"))
    before = sorted(tmp_path.rglob("*"))
    ended = subprocess.run(
        [sys.executable, "-m", "lamina", "train", str(path), "-t", "price", "--hidden", "", "--out", "run"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limited(size),
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: ")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(os.name != "posix", reason="the limit stands in for a full disk on POSIX systems only")
def test_disk_that_fills_while_training_leaves_a_usable_folder(lamina: Run, houses: Houses, tmp_path: Path) -> None:
    path = houses(60, columns=("rooms", "town", "price"))
    options = ("--hidden", "4", "--patience", "0", "--epochs", "500", "--out", "run")
    command = [sys.executable, "-m", "lamina", "train", str(path), "-t", "price", *options]
    ended = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, preexec_fn=limited(4_000)
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: ")
    assert "Traceback" not in ended.stderr
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, len(lines) + 1))
    assert lines
    assert lamina("evaluate", "run", path).code == 0
