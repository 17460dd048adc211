"""The search: better than chance, the same by seed, pruned, resumed, and in processes side by side."""

import json
import math
import subprocess
import sys
import time
from pathlib import Path

import pytest

optuna = pytest.importorskip("optuna")

from lamina.errors import CheckpointError, DataError  # noqa: E402
from lamina.tuning import Pruned, Trial, tune  # noqa: E402

SPACE = {"x": "-10.0:10.0", "kind": ["near", "far"]}


def bowl(trial: Trial) -> float:
    """A bowl with its bottom at 2, deeper for one of the kinds."""
    return float((trial.values["x"] - 2.0) ** 2 + (0.0 if trial.values["kind"] == "near" else 5.0))


def slow_bowl(trial: Trial) -> float:
    time.sleep(0.05)
    return bowl(trial)


def test_search_finds_the_bottom() -> None:
    best = tune(bowl, SPACE, trials=40).best
    assert best.value is not None
    assert best.value < 0.5
    assert best.values["kind"] == "near"


def test_largest_is_best_where_it_is_maximised() -> None:
    found = tune(lambda trial: -bowl(trial), SPACE, trials=10, direction="maximize")
    values = [each.value for each in found.ranked]
    assert values == sorted(values, key=lambda value: -math.inf if value is None else -value)


def test_same_seed_searches_the_same_and_another_seed_elsewhere() -> None:
    first, again, other = (tune(bowl, SPACE, trials=14, seed=seed) for seed in (3, 3, 4))
    assert [each.values for each in first.trials] == [each.values for each in again.trials]
    assert [each.values for each in first.trials] != [each.values for each in other.trials]


def test_search_that_goes_on_ends_like_one_that_never_stopped(tmp_path: Path) -> None:
    whole = tune(bowl, SPACE, trials=14, storage=tmp_path / "whole.jsonl")
    calls = 0

    def interrupted(trial: Trial) -> float:
        nonlocal calls
        calls += 1
        if calls == 12:
            raise KeyboardInterrupt
        return bowl(trial)

    part = tune(interrupted, SPACE, trials=14, storage=tmp_path / "part.jsonl")
    assert part.interrupted
    assert len(part.trials) == 11
    rest = tune(bowl, SPACE, trials=14, storage=tmp_path / "part.jsonl")
    assert [(each.values, each.value) for each in rest.trials] == [(each.values, each.value) for each in whole.trials]


def test_storage_holds_lines_of_json(tmp_path: Path) -> None:
    tune(bowl, SPACE, trials=3, storage=tmp_path / "study.jsonl")
    lines = (tmp_path / "study.jsonl").read_text().splitlines()
    assert len(lines) > 3
    assert all(isinstance(json.loads(line), dict) for line in lines)


@pytest.mark.parametrize("content", ["not a study\n", "[1]\n", '{"op_code": 99}\n', "{}\n"])
def test_damaged_storage_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "study.jsonl"
    path.write_text(content)
    with pytest.raises(CheckpointError, match="is not a search, or is damaged"):
        tune(bowl, SPACE, trials=3, storage=path)


def test_line_that_was_not_written_whole_is_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "study.jsonl"
    tune(bowl, SPACE, trials=2, storage=path)
    with path.open("ab") as file:
        file.write(b'{"op_code": 4, "wor')
    assert len(tune(bowl, SPACE, trials=3, storage=path).trials) == 3


def test_lock_ends_with_the_process_that_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "study.jsonl"
    code = (
        "import os, sys, pathlib\n"
        "from lamina.tuning.locking import FileLock\n"
        "FileLock(pathlib.Path(sys.argv[1])).acquire()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path) + ".lock"], check=False)
    started = time.monotonic()
    assert len(tune(bowl, SPACE, trials=2, storage=path).trials) == 2
    assert time.monotonic() - started < 20.0


def test_storage_of_other_ranges_is_refused(tmp_path: Path) -> None:
    tune(bowl, SPACE, trials=1, storage=tmp_path / "study.jsonl")
    with pytest.raises(CheckpointError, match="a search of other ranges"):
        tune(bowl, {**SPACE, "x": "log:1.0:10.0"}, trials=2, storage=tmp_path / "study.jsonl")


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_hopeless_trials_are_pruned(pruner: str) -> None:
    def descending(trial: Trial) -> float:
        worth = bowl(trial)
        for epoch in range(30):
            if trial.report(worth + 1.0 / (epoch + 1)):
                raise Pruned
        return worth

    found = tune(descending, SPACE, trials=25, epochs=30, pruner=pruner)
    pruned = [each for each in found.trials if each.state == "pruned"]
    assert pruned
    assert all(each.epochs < 30 for each in pruned)
    assert found.best.epochs == 30


def test_failed_trials_are_told_apart_and_the_search_goes_on() -> None:
    def moody(trial: Trial) -> float:
        if trial.number == 1:
            raise DataError("not this one")
        return math.nan if trial.number == 2 else bowl(trial)

    found = tune(moody, SPACE, trials=5)
    assert [each.state for each in found.trials] == ["complete", "failed", "failed", "complete", "complete"]
    assert found.trials[1].reason == "not this one"


def test_search_in_which_everything_fails_says_why() -> None:
    def failing(trial: Trial) -> float:
        raise DataError("there is no data")

    found = tune(failing, SPACE, trials=2)
    with pytest.raises(DataError, match="no trial was completed; the first failed: there is no data"):
        found.best  # noqa: B018


def test_processes_share_the_trials(tmp_path: Path) -> None:
    seen: list[int] = []
    found = tune(
        slow_bowl, SPACE, trials=7, jobs=2, storage=tmp_path / "study.jsonl", on_trial=lambda t: seen.append(t.number)
    )
    assert sorted(each.number for each in found.trials) == list(range(7))
    assert sorted(seen) == list(range(7))
    assert len({each.values["x"] for each in found.trials}) == 7


def test_objective_that_processes_cannot_have_is_refused() -> None:
    with pytest.raises(DataError, match="must be a function of a module"):
        tune(lambda trial: 0.0, SPACE, trials=2, jobs=2)


def test_no_trial_begins_after_the_time() -> None:
    found = tune(slow_bowl, SPACE, trials=1000, timeout=0.3)
    assert 1 <= len(found.trials) < 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 0}, "trials is 0"),
        ({"jobs": True}, "jobs is True"),
        ({"direction": "up"}, "direction is 'up'"),
        ({"pruner": "axe"}, "pruner is 'axe'"),
    ],
)
def test_arguments_that_cannot_be_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        tune(bowl, SPACE, **{"trials": 2, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("space", [{}, {"x": "1"}, {"x": ["a"]}, {"x": "2:1"}])
def test_space_that_cannot_be_is_refused(space: dict[str, object]) -> None:
    with pytest.raises(DataError):
        tune(bowl, space, trials=2)  # type: ignore[arg-type]
