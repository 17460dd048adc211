"""`lamina evaluate`: how good a trained model is on a table."""

from __future__ import annotations

from pathlib import Path

from lamina.cli.display import output, show_notes, show_results
from lamina.cli.prepare import held_out_part, read_for
from lamina.errors import DataError
from lamina.runs.folder import RunFolder
from lamina.runs.inference import scores


def evaluate(run: Path, file: Path | None, device: str) -> None:
    """Show the scores of the model in a run folder on a table, or on the held-out part of its embedded data set."""
    folder, config = RunFolder.open(run)
    if file is None and not config.embedded:
        raise DataError(
            f"evaluate: {run} was trained on the table {config.source}, which has no held-out part; "
            f"give a table to measure on: lamina evaluate {run} FILE"
        )
    model = folder.load_model(config, device)
    console = output()
    if file is None:
        data = held_out_part(config.source)
        part = "held out"
    else:
        data, notes = read_for(file, config.preprocessing, config.target)
        part = file.name
        show_notes(console, notes)
    found = scores(model, data, config.target, device)
    show_results(console, {part: (len(data), found)}, f"{run}: {config.target.task} of {config.target.name!r}")
