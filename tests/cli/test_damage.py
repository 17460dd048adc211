"""Files that are damaged in any way end a command with one readable line, never with a traceback."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

Run = Callable[..., Any]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**20) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
ANYWHERE = st.floats(0.0, 1.0, exclude_max=True)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, invoke: Run) -> Path:
    folder = tmp_path_factory.mktemp("damage")
    (folder / "t.csv").write_text(
        "a,town,day,ok,y\n"
        + "".join(f"{i},{'UV'[i % 2]},2020-01-{i % 27 + 1:02d},{i % 3 > 0},{i}.5\n" for i in range(40))
    )
    ended = invoke(
        folder, "train", "t.csv", "-t", "y", "--hidden", "4", "--epochs", "2", "--test", "0.2", "--out", "run"
    )
    assert ended.code == 0, ended.err
    assert invoke(folder, "export", "run", "-o", "model.onnx").code == 0
    return folder


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return where in a JSON value something stands."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []
    return [path, *(place for key, each in inner for place in places(each, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    changed = value.copy()
    changed[path[0]] = replaced(value[path[0]], path[1:], new)
    return changed


COMMANDS = [
    ("evaluate", "run"),
    ("predict", "run", "t.csv", "-o", "out.csv"),
    ("inspect", "run"),
    ("report", "run", "-o", "r.html"),
    ("export", "run", "-o", "w.safetensors"),
]


def check(invoke: Run, folder: Path, *arguments: str) -> None:
    """Run a command on what may be damaged: it works, or says in one line why not."""
    ended = invoke(folder, *arguments)
    assert ended.code in (0, 1), ended.err
    if ended.code:
        assert ended.err.startswith("error: ")
        assert "Traceback" not in ended.err


@pytest.fixture
def copy(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "copy"))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    where=ANYWHERE, new=JSON, command=st.sampled_from(COMMANDS), name=st.sampled_from(["config.json", "results.json"])
)
def test_anything_in_place_of_a_value_is_noticed_or_harmless(
    invoke: Run, copy: Path, original: Path, where: float, new: Any, command: tuple[str, ...], name: str
) -> None:
    value = json.loads((original / "run" / name).read_text())
    every = places(value)
    damaged = replaced(value, every[int(where * len(every))], new)
    (copy / "run" / name).write_text(json.dumps(damaged))
    try:
        check(invoke, copy, *command)
    finally:
        shutil.copy(original / "run" / name, copy / "run" / name)


FILES = ["config.json", "results.json", "answers.safetensors", "weights.safetensors", "metrics.jsonl"]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(FILES),
    where=ANYWHERE,
    bytes_=st.binary(max_size=8),
    cut=st.booleans(),
    command=st.sampled_from(COMMANDS),
)
def test_any_bytes_in_a_run_folder_are_noticed_or_harmless(
    invoke: Run, copy: Path, original: Path, name: str, where: float, bytes_: bytes, cut: bool, command: tuple[str, ...]
) -> None:
    content = (original / "run" / name).read_bytes()
    at = int(where * len(content))
    (copy / "run" / name).write_bytes(content[:at] + bytes_ + (b"" if cut else content[at + len(bytes_) :]))
    try:
        check(invoke, copy, *command)
    finally:
        shutil.copy(original / "run" / name, copy / "run" / name)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=ANYWHERE, bytes_=st.binary(min_size=1, max_size=8), cut=st.booleans())
@pytest.mark.parametrize("name", ["model.onnx", "run/weights.safetensors"])
def test_inspecting_a_damaged_file_says_so_or_shows_it(
    invoke: Run, copy: Path, original: Path, name: str, where: float, bytes_: bytes, cut: bool
) -> None:
    content = (original / name).read_bytes()
    at = int(where * len(content))
    (copy / name).write_bytes(content[:at] + bytes_ + (b"" if cut else content[at + len(bytes_) :]))
    try:
        check(invoke, copy, "inspect", name)
    finally:
        shutil.copy(original / name, copy / name)


@pytest.mark.parametrize("name", ["config.json", "metrics.jsonl", "weights.safetensors", "checkpoints"])
def test_damage_to_what_a_training_goes_on_from_is_named(invoke: Run, copy: Path, name: str) -> None:
    for path in (copy / "run" / name).glob("*") if name == "checkpoints" else [copy / "run" / name]:
        path.write_bytes(path.read_bytes()[:-30])
    check(invoke, copy, "train", "--resume", "run", "--epochs", "3")


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory, original: Path, invoke: Run) -> Path:
    pytest.importorskip("optuna")
    folder = tmp_path_factory.mktemp("search")
    shutil.copy(original / "t.csv", folder / "t.csv")
    options = ("--epochs", "1", "--hidden", "", "--trials", "1", "--search", "lr=0.01:0.1", "--out", "tuned")
    assert invoke(folder, "tune", "t.csv", "-t", "y", *options).code == 0
    return folder


@pytest.mark.parametrize("name", ["tune.toml", "study.jsonl"])
@pytest.mark.parametrize("damage", [b"", b"\x00\xff", b"[[["])
def test_damaged_search_is_refused(invoke: Run, search: Path, tmp_path: Path, name: str, damage: bytes) -> None:
    shutil.copytree(search, tmp_path, dirs_exist_ok=True)
    (tmp_path / "tuned" / name).write_bytes(damage)
    ended = invoke(tmp_path, "tune", "--resume", "tuned", "--trials", "2")
    # A search without a trial yet begins with the first.
    assert ended.code == (0 if (name, damage) == ("study.jsonl", b"") else 1), ended.err
    assert "Traceback" not in ended.err
