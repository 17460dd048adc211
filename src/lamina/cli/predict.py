"""`lamina predict`: what a trained model says about the rows of a table."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lamina.cli.declare import Given
from lamina.cli.exit_codes import DONE
from lamina.data import ClassTarget, Target, read_table
from lamina.errors import DataError
from lamina.runs.folder import RunFolder
from lamina.runs.inference import outputs, probabilities
from lamina.runs.options import OptionError
from lamina.training.files import replace_file

if TYPE_CHECKING:
    import polars as pl


WRITERS = (".csv", ".tsv", ".json", ".ndjson", ".parquet", ".arrow")


def predict(given: Given) -> int:
    """Write the table with a column of predictions, and for classes a column of each one's probability."""
    options, screen = given.options, given.screen
    folder, config = RunFolder.open(options.run)
    check_output(options.output, WRITERS)
    table = read_table(options.file, name=options.table)
    used = {column.name for column in config.preprocessing.columns} | {config.target.name}
    extra = [name for name in table.columns if name not in used]
    inputs = config.preprocessing.encode(table)
    model = folder.load_model(config, options.device)
    frame = table.frame.hstack(prediction_columns(config.target, outputs(model, inputs, options.device), table.columns))
    screen.note(*table.notes, *[f"column {name!r} was not used in training and is not used here" for name in extra])
    if str(options.output) == "-":
        sys.stdout.write(frame.write_csv())
        return DONE
    replace_file("predict", options.output, frame_bytes(frame, options.output))
    screen.line(f"{len(table):,} predictions of {config.target.name!r} written to {options.output}")
    screen.result(
        {
            "run": str(options.run),
            "data": str(options.file),
            "output": str(options.output),
            "rows": len(table),
            "target": config.target.name,
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


def frame_bytes(frame: pl.DataFrame, path: Path) -> bytes:
    """Return a table in the format that a path's ending chooses; CSV for what is no file."""
    content = BytesIO()
    writers: dict[str, Callable[[BytesIO], Any]] = {
        ".tsv": lambda out: frame.write_csv(out, separator="\t"),
        ".json": frame.write_json,
        ".ndjson": frame.write_ndjson,
        ".parquet": frame.write_parquet,
        ".arrow": frame.write_ipc,
    }
    writers.get(path.suffix.lower(), frame.write_csv)(content)
    return content.getvalue()


def prediction_columns(target: Target, answers: npt.NDArray[Any], taken: list[str]) -> list[pl.Series]:
    """Return the columns to add to a table whose column names are ``taken``."""
    import polars as pl

    names = set(taken)

    def free(name: str) -> str:
        while name in names:
            name += "_"
        names.add(name)
        return name

    name = free(f"predicted_{target.name}")
    if not isinstance(target, ClassTarget):
        return [pl.Series(name, target.decode(answers))]
    chances = probabilities(answers)
    labels = np.array(target.classes, dtype=object)[chances.argmax(axis=1)]
    columns = [pl.Series(name, labels.tolist(), dtype=pl.String)]
    for number, label in enumerate(target.classes):
        columns.append(pl.Series(free(f"probability_{label}"), chances[:, number]))
    return columns
