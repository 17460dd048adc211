"""`lamina predict`: what a trained model says about the rows of a table, or about images."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.cli.declare import Given
from lamina.cli.exit_codes import DONE
from lamina.data.decimals import COMMA
from lamina.data.dialect import Dialect
from lamina.data.table import counted_name
from lamina.errors import DataError
from lamina.files import replace_file
from lamina.runs.folder import RunFolder
from lamina.runs.option_declaration import OptionError
from lamina.runs.subjects.named import Reading

if TYPE_CHECKING:
    import polars as pl


FRAME_WRITERS: dict[str, Callable[[pl.DataFrame, BytesIO], Any]] = {
    ".json": lambda frame, out: frame.write_json(out),
    ".ndjson": lambda frame, out: frame.write_ndjson(out),
    ".parquet": lambda frame, out: frame.write_parquet(out),
    ".arrow": lambda frame, out: frame.write_ipc(out),
}
WRITERS = (".csv", ".tsv", *FRAME_WRITERS)


def predict(given: Given) -> int:
    """Write the table with a column of predictions, and for classes a column of each one's probability."""
    options, screen = given.options, given.screen
    folder, config = RunFolder.open(options.run)
    check_output(options.output, WRITERS)
    model = folder.load_model(config, options.device)
    found = config.subject.predicted(model, options.file, Reading.of(options), options.device)
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


def check_output(path: Path, endings: Sequence[str]) -> None:
    """Refuse a file that cannot be written before anything is computed.

    Raises
    ------
    DataError
        When it is a folder, lies in none, or ends like no format.
    """
    if str(path) == "-":
        return
    if path.is_dir():
        raise DataError(f"--output: {path} is a folder; give the file to write")
    if not path.parent.is_dir():
        raise DataError(f"--output: there is no folder {path.parent} to write {path.name} in; make it first")
    regular = not path.exists() or path.is_file()
    if regular and path.suffix.lower() not in endings:
        raise OptionError("output", f"{path.name} ends like no format; the endings are {', '.join(endings)}")


def frame_bytes(frame: pl.DataFrame, path: Path, dialect: Dialect | None = None) -> bytes:
    """Return a table in the format that a path's ending chooses; as text in a dialect for what has no other."""
    ending = path.suffix.lower()
    if ending not in FRAME_WRITERS:
        return (dialect or Dialect()).called(ending).write(frame)
    content = BytesIO()
    FRAME_WRITERS[ending](frame, content)
    return content.getvalue()
