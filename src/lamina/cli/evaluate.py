"""`lamina evaluate`: how good a trained model is on data."""

from __future__ import annotations

from lamina.cli.declare import Given
from lamina.cli.exit_codes import DONE
from lamina.cli.screen import show_scores
from lamina.runs.folder import RunFolder
from lamina.runs.held_out import held_out_part
from lamina.runs.subjects.named import Reading


def evaluate(given: Given) -> int:
    """Show the scores of the model in a run folder on data, or on the part that its training held out."""
    options, screen = given.options, given.screen
    folder, config = RunFolder.open(options.run)
    subject = config.subject
    model = folder.load_model(config, options.device)
    how = Reading.of(options, config.options)
    if options.file is None:
        how.refuse(f"none is named: lamina evaluate {options.run} FILE")
        data, part = held_out_part(config, options.run), "test"
    else:
        data, notes = subject.read(options.file, how)
        part = options.file.name
        screen.note(*notes)
    found = subject.measured(model, data, options.device, (*config.options.metrics, *options.metrics))
    show_scores(screen, {part: (found.count, found.scores)}, f"{options.run}: {subject.title}", subject.unit)
    screen.result(
        {
            "run": str(options.run),
            "data": part,
            "task": subject.task,
            "count": found.count,
            "unit": subject.unit.name,
            "scores": found.scores,
        }
    )
    return DONE
