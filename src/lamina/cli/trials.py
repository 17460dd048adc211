"""The trials of a search: as its folder keeps them, and as they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from lamina.cli.screen import Screen
from lamina.data.record import Record
from lamina.runs.folder import RESULTS, read_json, write_json
from lamina.tuning.study import Direction, Finished, Tuned

# What a folder of a search has and no other.
OPTIONS = "tune.toml"

STATES = ("complete", "pruned", "failed")
SHOWN = 10


def write_trials(folder: Path, status: str, monitor: str, found: Tuned) -> dict[str, Any]:
    """Write what a search has found so far, and return it."""
    results: dict[str, Any] = {
        "status": status,
        "monitor": monitor,
        "direction": found.direction,
        "best": trial_record(found.ranked[0]) if found.ranked else None,
        "trials": [trial_record(each) for each in found.trials],
    }
    write_json(folder / RESULTS, results)
    return results


def read_trials(folder: Path) -> tuple[str, str, Tuned]:
    """Return how far a search has come, what it monitors, and its trials; none where no trial has ended.

    Raises
    ------
    CheckpointError
        When the file is damaged.
    """
    file = folder / RESULTS
    if not file.is_file():
        return "not at its end", "", Tuned((), "minimize")
    record = read_json(file)
    direction = record.text("direction")
    if direction not in ("minimize", "maximize"):
        raise record.wrong("direction", "minimize or maximize")
    trials = tuple(map(_trial, record.records("trials")))
    return record.text("status"), record.text("monitor"), Tuned(trials, cast(Direction, direction))


def trial_record(trial: Finished) -> dict[str, Any]:
    """Return a trial as JSON, with the number that is shown: people count from 1."""
    return {**asdict(trial), "number": trial.number + 1}


def _trial(record: Record) -> Finished:
    state = record.text("state")
    if state not in STATES:
        raise record.wrong("state", ", ".join(STATES))
    value = None if record.values.get("value") is None else record.number("value")
    number, epochs = record.whole("number", least=1) - 1, record.whole("epochs")
    values = record.record("values").values
    return Finished(number, state, value, values, epochs, record.number("seconds"), record.text("reason"))


# --- for people ---


def show_trials(screen: Screen, monitor: str, found: Tuned) -> None:
    """Show the best trials in a table, or why there are none."""
    others = len(found.trials) - len(found.ranked)
    if not found.ranked:
        reasons = [each.reason for each in found.trials if each.reason]
        first = f"; the first failed: {reasons[0]}" if reasons else ""
        screen.line(f"no trial is complete; {others} pruned or failed{first}" if others else "no trial has ended yet")
        return
    names = list(found.ranked[0].values)
    rows = [
        [str(each.number + 1), f"{each.value:.4g}", str(each.epochs), f"{each.seconds:.1f}"]
        + [tried(each.values.get(name, "–")) for name in names]
        for each in found.ranked[:SHOWN]
    ]
    title = f"The best trials ({len(found.ranked)} complete, {others} pruned or failed)"
    screen.table(["trial", monitor, "epochs", "seconds", *names], rows, title)


def tried(value: Any) -> str:
    """Return a value of a trial as it is shown."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def in_order(trials: Sequence[Finished]) -> tuple[Finished, ...]:
    """Return trials by their numbers, each once, as it was last."""
    return tuple(sorted({each.number: each for each in trials}.values(), key=lambda each: each.number))
