"""`lamina evaluate`: how good a trained model is on a table."""

from __future__ import annotations

from lamina.cli.declare import Given
from lamina.cli.exit_codes import DONE
from lamina.cli.screen import show_scores
from lamina.runs.folder import RunFolder
from lamina.runs.inference import outputs, scores
from lamina.runs.prepare import held_out_part, read_for


def evaluate(given: Given) -> int:
    """Show the scores of the model in a run folder on a table, or on the rows that its training held out."""
    options, screen = given.options, given.screen
    folder, config = RunFolder.open(options.run)
    model = folder.load_model(config, options.device)
    if options.file is None:
        data, part = held_out_part(config, options.run), "test"
    else:
        data, notes = read_for(options.file, config, options.table)
        part = options.file.name
        screen.note(*notes)
    answers = outputs(model, data.inputs, options.device)
    found = scores(config.target, answers, data.targets, (*config.options.metrics, *options.metrics))
    title = f"{options.run}: {config.target.task} of {config.target.name!r}"
    show_scores(screen, {part: (len(data), found)}, title)
    task = config.target.task
    screen.result({"run": str(options.run), "data": part, "task": task, "rows": len(data), "scores": found})
    return DONE
