"""The command as other programs use it: one JSON object, exit codes that mean something, no colours, completion."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamina.cli.app import COMMANDS
from lamina.cli.exit_codes import DIVERGED, DONE, FAILED, INTERRUPTED, MEANINGS, USAGE

Run = Callable[..., Any]
TRAIN = ("train", "iris", "--hidden", "4", "--epochs", "2")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, invoke: Run) -> Path:
    folder = tmp_path_factory.mktemp("machines")
    assert invoke(folder, *TRAIN, "--out", "run").code == 0
    assert invoke(folder, "data", "iris", "-o", "iris.csv").code == 0
    (folder / "abc.txt").write_text("abcdefgh\n" * 40)
    small = ("--width", "4", "--heads", "1", "--depth", "1", "--context", "4", "--epochs", "1", "--epoch-steps", "2")
    assert invoke(folder, "train", "abc.txt", *small, "--sample-every", "0", "--out", "text-run").code == 0
    return folder


PRINTING: dict[str, tuple[str, ...]] = {
    "train": (*TRAIN, "--out", "other"),
    "evaluate": ("evaluate", "run"),
    "predict": ("predict", "run", "iris.csv", "-o", "out.csv"),
    "tune": ("tune", "iris", "--hidden", "4", "--epochs", "2", "--trials", "2", "--search", "lr=0.1:1", "--out", "t"),
    "generate": ("generate", "text-run", "--tokens", "3"),
    "report": ("report", "run"),
    "export": ("export", "run", "-o", "weights.safetensors"),
    "inspect": ("inspect", "run"),
    "bench": ("bench", "--sizes", "2,1", "--batch-size", "2", "--seconds", "0.02"),
    "data": ("data", "iris"),
}  # fmt: skip


def test_every_command_is_here() -> None:
    assert set(PRINTING) == set(COMMANDS)


@pytest.mark.parametrize("command", PRINTING)
def test_json_is_one_object_and_nothing_else(lamina: Run, trained: Path, command: str) -> None:
    ended = lamina(*PRINTING[command], "--json")
    assert ended.code == 0, ended.err
    assert isinstance(json.loads(ended.raw), dict)
    assert ended.raw.count("\n") == 1
    assert ended.err == ""


@pytest.mark.parametrize("command", ["train", "tune", "predict"])
def test_quiet_shows_results_only(lamina: Run, trained: Path, command: str) -> None:
    talks, quiet = lamina(*PRINTING[command]), lamina(*PRINTING[command][:-1], "again.csv", "--quiet")
    assert quiet.code == 0, quiet.err
    for word in ("note:", "epoch 1/2", "trial 1/2", "measure it"):
        assert word not in quiet.raw
    assert talks.code == 0


def test_notes_stand_in_the_object(lamina: Run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,y\n" + "".join(f"{i},{'' if i else 3},{i}.5\n" for i in range(30)))
    ended = lamina("train", "t.csv", "-t", "y", "--epochs", "1", "--out", "run", "--json")
    assert any("makes this a regression" in note for note in json.loads(ended.raw)["notes"])


# --- exit codes ---


def test_exit_codes_are_documented(lamina: Run) -> None:
    text = lamina("--help").out
    for code, meaning in MEANINGS.items():
        assert f"{code}: {meaning}" in text


CODES: list[tuple[int, tuple[str, ...]]] = [
    (DONE, ("data",)),
    (FAILED, ("evaluate", "nowhere")),
    (FAILED, ("train", "nowhere.csv", "-t", "y")),
    (FAILED, ("inspect", "nowhere.onnx")),
    (FAILED, ("report", "nowhere")),
    (FAILED, ("export", "nowhere")),
    (FAILED, ("tune", "--resume", "nowhere")),
    (FAILED, ("train", "--resume", "nowhere")),
    (USAGE, ("train", "--epochs", "none")),
    (USAGE, ("train", "--config", "nowhere.toml")),
    (USAGE, ("train", "iris", "--monitor", "val_f1")),
    (USAGE, ("train", "iris", "--loss", "mse")),
    (USAGE, ("tune", "iris", "--search", "lr=1")),
    (USAGE, ("tune", "iris", "--search", "lr=0.1:1", "--lr", "0.1")),
    (USAGE, ("predict", "run")),
    (USAGE, ("evaluate",)),
    (USAGE, ("bench", "--sizes", "3")),
    (USAGE, ("wander",)),
    (
        DIVERGED,
        ("train", "diabetes", "--lr", "1e30", "--optimizer", "sgd", "--epochs", "3", "--out", "run"),
    ),
]


@pytest.mark.parametrize(("code", "arguments"), CODES)
def test_exit_code_says_what_happened(lamina: Run, code: int, arguments: tuple[str, ...]) -> None:
    ended = lamina(*arguments)
    assert ended.code == code, ended.err
    assert "Traceback" not in ended.err
    if code:
        assert ended.err


def test_configuration_with_a_mistake_is_refused_with_its_line(lamina: Run, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text('file = "iris"\nepocs = 3\n')
    ended = lamina("train", "--config", "run.toml")
    assert ended.code == USAGE
    assert "run.toml, line 2: epocs: there is no option of this name (did you mean epochs?)" in ended.err
    assert [path.name for path in tmp_path.iterdir()] == ["run.toml"]


def test_every_command_takes_its_options_from_a_file(lamina: Run, trained: Path) -> None:
    (trained / "predict.toml").write_text('run = "run"\nfile = "iris.csv"\noutput = "out.csv"\n')
    assert lamina("predict", "--config", "predict.toml").code == 0
    assert (trained / "out.csv").exists()
    (trained / "tune.toml").write_text(
        'file = "iris"\nhidden = []\nepochs = 2\ntrials = 2\nout = "t"\n[search]\nlr = "log:1e-3:1e-1"\n'
        'activation = ["relu", "tanh"]\n'
    )
    assert lamina("tune", "--config", "tune.toml").code == 0
    # A training takes the same file, and leaves what is the search's own.
    assert lamina("train", "--config", "tune.toml", "--out", "more").code == 0


# --- the process ---


def process(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from lamina_command import main; main()", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_there_are_no_colours_outside_of_a_terminal(tmp_path: Path) -> None:
    ended = process("data", cwd=tmp_path)
    out, err = ended.communicate(timeout=60)
    assert ended.returncode == 0, err
    assert "\x1b" not in out + err


@pytest.mark.parametrize(
    "wait", [0.05, 0.4, *(pytest.param(wait, marks=pytest.mark.slow) for wait in (0.0, 0.15, 0.8))]
)
def test_ctrl_c_at_the_start_leaves_no_traceback(tmp_path: Path, wait: float) -> None:
    ended = process("train", "iris", "--epochs", "100000", "--patience", "0", "--out", "run", cwd=tmp_path)
    assert ended.stdout is not None
    time.sleep(0.15 + wait)  # Python itself has begun then
    ended.send_signal(signal.SIGINT)
    _, err = ended.communicate(timeout=60)
    assert ended.returncode in (-signal.SIGINT, INTERRUPTED)
    assert "Traceback" not in err


def test_shell_completes_names(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "_LAMINA_COMPLETE": "complete_bash",
        "COMP_WORDS": "lamina train --optimizer ada",
        "COMP_CWORD": "3",
    }
    command = [sys.executable, "-c", "from lamina.cli.app import app; app(prog_name='lamina')"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert {"adam", "adamw", "adagrad"} <= set(ended.stdout.split()), ended.stderr
