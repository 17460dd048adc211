"""`lamina tune`: a search for the best options, in a folder that can be gone on with."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from lamina.cli.commands import Tune
from lamina.cli.declare import Given
from lamina.cli.exit_codes import DONE, INTERRUPTED
from lamina.cli.screen import Screen
from lamina.cli.trials import OPTIONS, in_order, read_trials, show_trials, tried, write_trials
from lamina.errors import CheckpointError
from lamina.files import replace_file
from lamina.runs.applicable import check_options, options_of
from lamina.runs.config_files import configuration_text, read_configuration
from lamina.runs.folder import new_folder
from lamina.runs.option_declaration import OptionError, declared
from lamina.runs.options import TrainingOptions, filled
from lamina.tuning.options import TuneOptions
from lamina.tuning.space import DEFAULT_SPACE, Range
from lamina.tuning.storage import optuna_library
from lamina.tuning.study import Finished, Tuned, tune as search
from lamina.tuning.training import TrainingObjective

STUDY, BEST = "study.jsonl", "best.toml"

# What may be changed where a search goes on.
CHANGEABLE = ("trials", "jobs", "timeout")


def tune(given: Given) -> int:
    """Search, fill a folder, show the best trials, and return the exit code of the command."""
    optuna_library()
    folder, options, names = _resumed(given) if given.options.resume is not None else (None, given.options, given.names)
    suits = options_of(options.kind, options.model)
    space: Mapping[str, Range] = options.search or {name: each for name, each in DEFAULT_SPACE.items() if name in suits}
    fixed = {name: getattr(options, name) for name in names if name in declared(TrainingOptions)}
    _check(options, fixed, space)
    twice = [name for name in space if name in fixed]
    if twice and options.search:
        raise OptionError("search", f"{twice[0]} is searched and fixed at once; leave one out")
    space = {name: each for name, each in space.items() if name not in fixed}
    if not space:
        raise OptionError("search", "nothing is left to search; give a range, such as --search lr=log:1e-4:1e-1")
    objective = TrainingObjective(fixed)
    prepared = objective.check()
    given.screen.note(*prepared.notes)
    if folder is None:
        folder = new_folder(options.out, f"{Path(prepared.source).stem}-tune")
        _write_options(folder, options, fixed, space)
    given.screen.say(f"{prepared.source}: {options.trials} trials of {', '.join(space)}, judged by {objective.monitor}")
    ended = list(read_trials(folder)[2].trials)

    def on_trial(trial: Finished) -> None:
        # After each, so that a search that is killed can be looked at.
        ended.append(trial)
        write_trials(folder, "not at its end", objective.monitor, Tuned(in_order(ended), objective.direction))
        _show_trial(given.screen, trial, options.trials, objective.monitor)

    found = search(
        objective,
        space,
        trials=options.trials,
        direction=objective.direction,
        seed=options.seed,
        jobs=options.jobs,
        pruner=options.pruner,
        epochs=objective.options({}).epochs,
        timeout=options.timeout,
        storage=folder / STUDY,
        on_trial=on_trial,
    )
    return _finish(folder, objective, found, given.screen)


def _check(options: Tune, fixed: Mapping[str, Any], space: Mapping[str, Range]) -> None:
    """Refuse what is not for the data, or not for each of the models that are tried."""
    models = space["model"].choices if "model" in space else (options.model,)
    for model in models:
        check_options(replace(options, model=model), {*fixed, *space})


def _resumed(given: Given) -> tuple[Path, Tune, frozenset[str]]:
    """Return the folder of a search, with the options that it began with."""
    folder: Path = given.options.resume
    fixed = sorted(name for name in given.names if name not in (*CHANGEABLE, "resume"))
    if fixed:
        raise OptionError(
            fixed[0], f"a search that goes on keeps its options; what can be changed is {', '.join(CHANGEABLE)}"
        )
    if not (folder / OPTIONS).is_file():
        raise CheckpointError(f"{folder}: this is no folder of a search, it has no {OPTIONS}")
    written = read_configuration(folder / OPTIONS, TuneOptions)
    if "search" not in written:
        raise CheckpointError(f"{folder / OPTIONS}: there is no table [search]; the file is damaged")
    changed = {name: getattr(given.options, name) for name in CHANGEABLE if name in given.names}
    return folder, filled(Tune, {**written, **changed}), frozenset(written)


def _write_options(folder: Path, options: Tune, fixed: Mapping[str, Any], space: Mapping[str, Range]) -> None:
    """Write what a search was asked for, and no more, so that it can be asked for again."""
    own = {each.name: getattr(options, each.name) for each in fields(TuneOptions) if each.name not in fixed}
    kept = {name: value for name, value in own.items() if name not in declared(TrainingOptions)}
    asked = TuneOptions(**{**fixed, **kept, "search": dict(space)})
    text = configuration_text(
        asked, "A search by Lamina; to go on with it: lamina tune --resume FOLDER", only={*fixed, *kept}
    )
    replace_file("tune", folder / OPTIONS, text.encode())


def _show_trial(screen: Screen, trial: Finished, trials: int, monitor: str) -> None:
    value = "" if trial.value is None else f"{monitor} {trial.value:.4g}  "
    shown = "  ".join(f"{name}={tried(value)}" for name, value in trial.values.items())
    reason = f"  ({trial.reason})" if trial.reason else ""
    width = len(str(trials))
    state = "" if trial.state == "complete" else f"{trial.state}  "
    screen.say(f"trial {trial.number + 1:{width}d}/{trials}  {state}{value}{shown}  ({trial.seconds:.1f} s){reason}")


def _finish(folder: Path, objective: TrainingObjective, found: Tuned, screen: Screen) -> int:
    """Write and show what was found."""
    best = found.best if found.ranked or not found.interrupted else None
    results = write_trials(folder, "interrupted" if found.interrupted else "finished", objective.monitor, found)
    if best is not None:
        title = f"The best options of {len(found.trials)} trials by Lamina, {objective.monitor} {best.value:.6g}"
        options = objective.options(best.values)
        text = configuration_text(options, title, only=options_of(options.kind, options.model))
        replace_file("tune", folder / BEST, text.encode())
        show_trials(screen, objective.monitor, found)
    screen.line(f"folder: {folder}")
    if best is not None:
        screen.say(f"train with the best: lamina train --config {shlex.quote(str(folder / BEST))}")
    screen.result({"folder": str(folder), **results})
    return INTERRUPTED if found.interrupted else DONE
