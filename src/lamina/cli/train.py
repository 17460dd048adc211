"""`lamina train`: from data to a run folder, with everything the user sees on the way."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path

import lamina as la
from lamina import nn
from lamina.backends.registry import get_backend
from lamina.cli.display import output, show_notes, show_results
from lamina.cli.exit_codes import INTERRUPTED
from lamina.cli.options import TableChoice, optimizers
from lamina.cli.prepare import Prepared, prepare_embedded, prepare_table
from lamina.cli.recorder import Recorder
from lamina.data import ClassTarget
from lamina.errors import TrainingDiverged
from lamina.runs.config import RunConfig, TrainingOptions
from lamina.runs.folder import RunFolder, build_model
from lamina.runs.inference import scores
from lamina.training import EarlyStopping

EMBEDDED = "digits"


def train(choice: TableChoice | None, options: TrainingOptions, out: Path | None) -> int:
    """Train a model, fill a run folder, show the results, and return the exit code of the command.

    Parameters
    ----------
    choice : TableChoice, optional
        ``None`` for the embedded data set.
    options : TrainingOptions
    out : Path, optional
        The run folder to make; under ``runs/`` when None.
    """
    get_backend(options.device)
    prepared = _prepare(choice, options)
    source = EMBEDDED if choice is None else str(choice.file)
    config = RunConfig(source, choice is None, prepared.preprocessing, prepared.target, options)
    la.random.seed(options.seed)
    model = build_model(config)
    model.to(options.device)
    _introduce(config, prepared, model)
    # With its first weights the folder is usable before the first epoch ends.
    folder = RunFolder.create(out, EMBEDDED if choice is None else choice.file.stem, config, model)
    recorder = Recorder(folder)
    try:
        _fit(model, prepared, options, recorder)
    except TrainingDiverged as error:
        _finish(folder, config, prepared, recorder, status="diverged", reason=str(error))
        raise
    except KeyboardInterrupt:
        recorder.history.interrupted = True
    history = recorder.history
    status = "interrupted" if history.interrupted else "stopped early" if history.stopped else "finished"
    _finish(folder, config, prepared, recorder, status=status, reason=history.stopped)
    return INTERRUPTED if history.interrupted else 0


def _prepare(choice: TableChoice | None, options: TrainingOptions) -> Prepared:
    if choice is None:
        return prepare_embedded(EMBEDDED, options.validation, options.seed)
    return prepare_table(choice.file, choice.target, choice.task, options.validation, options.seed)


def _introduce(config: RunConfig, prepared: Prepared, model: nn.Module) -> None:
    console = output()
    show_notes(console, prepared.notes)
    target = config.target
    what = f"{len(target.classes)} classes" if isinstance(target, ClassTarget) else "a value"
    widths = " → ".join(str(width) for width in (config.inputs, *config.options.hidden, target.outputs))
    count = sum(parameter.size for parameter in model.parameters())
    console.print(
        f"{config.source}: {target.task} of {target.name!r} ({what}) by a network {widths}, {count:,} parameters",
        soft_wrap=True,
        markup=False,
    )


def _fit(model: nn.Module, prepared: Prepared, options: TrainingOptions, recorder: Recorder) -> None:
    classes = isinstance(prepared.target, ClassTarget)
    training, validation = prepared.training, prepared.validation
    la.fit(
        model,
        (training.inputs, training.targets),
        loss=partial(nn.cross_entropy, label_smoothing=options.label_smoothing) if classes else nn.mse_loss,
        optimizer=optimizers()[options.optimizer](model.parameters(), lr=options.lr),
        epochs=options.epochs,
        batch_size=options.batch_size,
        validation=None if validation is None else (validation.inputs, validation.targets),
        metrics=["accuracy" if classes else "r2"],
        seed=options.seed,
        # The best weights are read back from the folder, whichever way training ended.
        early_stopping=EarlyStopping(options.patience, restore_best=False) if options.patience else None,
        callbacks=[recorder],
    )


def _finish(
    folder: RunFolder, config: RunConfig, prepared: Prepared, recorder: Recorder, *, status: str, reason: str
) -> None:
    """Measure the best weights on every part, write results and curves, and show them."""
    device = config.options.device
    model = folder.load_model(config, device)
    parts = {"training": prepared.training, "validation": prepared.validation, "held out": prepared.held_out}
    found = {
        name: (len(data), scores(model, data, config.target, device))
        for name, data in parts.items()
        if data is not None
    }
    history = recorder.history
    folder.write_results(
        {
            "status": status,
            "reason": reason,
            "epochs": len(history.records),
            "best_epoch": history.best_epoch,
            "seconds": sum(record.seconds for record in history.records),
            "parts": {name: {"rows": rows, **values} for name, (rows, values) in found.items()},
        }
    )
    console = output()
    best = f"the weights of epoch {history.best_epoch}, the best" if history.records else "the weights it began with"
    show_results(console, found, f"Results with {best}")
    # The picture comes last: it takes the longest, and a disk without room for it hides nothing from the user.
    if history.records:
        history.plot(folder.curves)
    argument = "" if config.embedded else " FILE"
    again = f"lamina evaluate {shlex.quote(str(folder.path))}{argument}"
    console.print(f"run folder: {folder.path}\nmeasure it:  {again}", soft_wrap=True, markup=False)
