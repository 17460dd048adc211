"""`lamina predict`: what a trained model says about the rows of a table, or about images."""

from __future__ import annotations

import sys

from lamina.cli.declare import Given
from lamina.cli.exit_codes import DONE
from lamina.cli.output import FRAME_WRITERS, WRITERS, check_output, frame_bytes
from lamina.data.decimals import COMMA
from lamina.data.table import counted_name
from lamina.files import replace_file
from lamina.runs.folder import RunFolder
from lamina.runs.subjects.named import Reading


def predict(given: Given) -> int:
    """Write the table with a column of predictions, and for classes a column of each one's probability."""
    options, screen = given.options, given.screen
    folder, config = RunFolder.open(options.run)
    check_output(options.output, WRITERS)
    model = folder.load_model(config, options.device)
    found = config.subject.predicted(model, options.file, Reading.of(options, config.options), options.device)
    screen.note(*found.notes)
    if str(options.output) == "-":
        sys.stdout.write(found.dialect.text(found.frame))
        return DONE
    replace_file("predict", options.output, frame_bytes(found.frame, options.output, found.dialect))
    count = f"{len(found.frame):,} {counted_name(len(found.frame), 'prediction')}"
    is_text = options.output.suffix.lower() not in FRAME_WRITERS
    how = f", with {found.dialect}" if is_text and found.dialect.decimal == COMMA else ""
    screen.line(f"{count} ({config.subject.title}) written to {options.output}{how}")
    screen.result(
        {
            "run": str(options.run),
            "data": str(options.file),
            "output": str(options.output),
            "count": len(found.frame),
            "unit": config.subject.unit.name,
            "task": config.subject.task,
        }
    )
    return DONE
