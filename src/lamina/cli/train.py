"""`lamina train`: from data to a run folder, with everything the user sees on the way."""

from __future__ import annotations

import shlex
from dataclasses import replace
from functools import partial
from pathlib import Path

from lamina import nn
from lamina.backends.registry import get_backend
from lamina.cli.commands import Train
from lamina.cli.declare import Given
from lamina.cli.exit_codes import DONE, INTERRUPTED
from lamina.cli.screen import Screen, show_scores
from lamina.data.table import counted_name
from lamina.errors import TrainingDiverged
from lamina.runs.applicable import check_options
from lamina.runs.data_kinds import TEXT
from lamina.runs.fitting import fit_model, fresh_model
from lamina.runs.folder import RunFolder
from lamina.runs.held_out import check_unchanged
from lamina.runs.option_declaration import OptionError, declared
from lamina.runs.options import TrainingOptions
from lamina.runs.recorder import BestWeights, checkpoints, recorders
from lamina.runs.run_config import RunConfig
from lamina.runs.subjects import Prepared, prepare

# What may be changed where a training goes on: how long it takes, and what is seen of it.
CHANGEABLE = (
    "epochs", "max_seconds", "checkpoint_epochs", "checkpoint_seconds", "checkpoint_keep", "tensorboard",
    "sample_every", "sample_tokens", "prompt", "temperature", "top_k", "top_p",
)  # fmt: skip


def train(given: Given) -> int:
    """Train a model, fill a run folder, show the results, and return the exit code of the command."""
    if given.options.resume is not None:
        return _resume(given, given.options.resume)
    options = _training(given.options)
    check_options(options, given.names)
    get_backend(options.device)
    prepared = prepare(options)
    config = RunConfig.of(prepared, options)
    model = fresh_model(prepared, options)
    _introduce(config, prepared, model, given.screen)
    # With its first weights the folder is usable before the first epoch ends.
    folder = RunFolder.create(given.options.out, Path(prepared.source).stem, config, model)
    return _run(folder, config, prepared, model, given.screen, resume=False)


def _resume(given: Given, path: Path) -> int:
    """Go on with the training of a run folder."""
    folder, before = RunFolder.open(path)
    fixed = [name for name in given.names if name not in (*CHANGEABLE, "resume")]
    if fixed:
        raise OptionError(
            sorted(fixed)[0],
            f"a training that goes on keeps its options; what can be changed is {', '.join(CHANGEABLE)}",
        )
    chosen = {name: getattr(given.options, name) for name in CHANGEABLE if name in given.names}
    options = replace(before.options, **chosen)
    check_options(options, chosen)
    get_backend(options.device)
    check_unchanged(before, "train anew")
    prepared = prepare(options)
    config = RunConfig.of(prepared, options)
    model = fresh_model(prepared, options)
    _introduce(config, prepared, model, given.screen)
    folder.update(config)
    return _run(folder, config, prepared, model, given.screen, resume=True)


def _training(options: Train) -> TrainingOptions:
    return TrainingOptions(**{name: getattr(options, name) for name in declared(TrainingOptions)})


def _introduce(config: RunConfig, prepared: Prepared, model: nn.Module, screen: Screen) -> None:
    screen.note(*prepared.notes)
    count = sum(parameter.size for parameter in model.parameters())
    screen.say(
        f"{config.source}: {config.subject.title} {config.subject.network(config.options)}, {count:,} parameters"
    )


def _run(
    folder: RunFolder, config: RunConfig, prepared: Prepared, model: nn.Module, screen: Screen, *, resume: bool
) -> int:
    options = config.options
    recorder = BestWeights(folder)
    try:
        fit_model(
            model,
            prepared,
            options,
            callbacks=recorders(folder, recorder, config.subject, options, partial(_show_sample, screen)),
            progress=screen.talks,
            checkpoint=checkpoints(folder, options),
            resume=resume,
        )
    except TrainingDiverged as error:
        _finish(folder, config, prepared, recorder, screen, status="diverged", reason=str(error))
        raise TrainingDiverged(str(error).replace("clip_norm=1.0", "--clip-norm 1"), error.history) from error
    except KeyboardInterrupt:
        recorder.history.interrupted = True
    history = recorder.history
    status = "interrupted" if history.interrupted else "stopped early" if history.stopped else "finished"
    _finish(folder, config, prepared, recorder, screen, status=status, reason=history.stopped)
    return INTERRUPTED if history.interrupted else DONE


def _show_sample(screen: Screen, epoch: int, text: str) -> None:
    screen.say(f"--- after epoch {epoch} it writes:\n{text.strip(chr(10))}\n---")


def _finish(
    folder: RunFolder,
    config: RunConfig,
    prepared: Prepared,
    recorder: BestWeights,
    screen: Screen,
    *,
    status: str,
    reason: str,
) -> None:
    """Measure the best weights on every part, write results and curves, and show them."""
    options, history = config.options, recorder.history
    model = folder.load_model(config, options.device)
    measured = {
        name: config.subject.measured(model, data, options.device, options.metrics)
        for name, data in prepared.parts.items()
    }
    answers = {name: part.answers for name, part in measured.items() if part.answers is not None}
    found = {name: (part.count, part.scores) for name, part in measured.items()}
    results = {
        "status": status,
        "reason": reason,
        "epochs": len(history.records),
        "best_epoch": history.best_epoch,
        "seconds": sum(record.seconds for record in history.records),
        "unit": config.subject.unit.name,
        "parts": {name: {"count": count, **values} for name, (count, values) in found.items()},
    }
    # Reports show what was not trained on, where there is some.
    if answers:
        folder.write_answers({name: part for name, part in answers.items() if name != "training"} or answers)
    folder.write_results(results)
    show_scores(screen, found, f"Results with {_which_weights(recorder)}", config.subject.unit)
    argument = "" if config.embedded or prepared.test is not None else " FILE"
    again = f"lamina evaluate {shlex.quote(str(folder.path))}{argument}"
    screen.line(f"run folder: {folder.path}")
    screen.say(f"measure it:  {again}")
    if config.subject.kind == TEXT:
        screen.say(f"let it write: lamina generate {shlex.quote(str(folder.path))}")
    # The picture comes last: it takes the longest, and a disk without room for it hides nothing from the user.
    if history.records:
        history.plot(folder.curves)
    screen.result({"run": str(folder.path), **results})


def _which_weights(recorder: BestWeights) -> str:
    if recorder.history.records:
        return f"the weights of epoch {recorder.history.best_epoch}, the best"
    steps = f"{recorder.steps} {counted_name(recorder.steps, 'step')}"
    return f"the weights after {steps}" if recorder.steps else "the weights it began with"
