"""`lamina predict`: what a trained model says about the rows of a table."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lamina.cli.display import output, show_notes
from lamina.data import ClassTarget, Target, read_table
from lamina.errors import DataError
from lamina.runs.folder import RunFolder
from lamina.runs.inference import outputs, probabilities
from lamina.training.files import replace_file

if TYPE_CHECKING:
    import polars as pl


def predict(run: Path, file: Path, out: Path, device: str) -> None:
    """Write the table with a column of predictions, and for classes a column of each one's probability."""
    folder, config = RunFolder.open(run)
    if out.is_dir():
        raise DataError(f"--output: {out} is a folder; give the file to write")
    if not out.parent.is_dir():
        raise DataError(f"--output: there is no folder {out.parent} to write {out.name} in; make it first")
    table = read_table(file)
    used = {column.name for column in config.preprocessing.columns} | {config.target.name}
    extra = [name for name in table.columns if name not in used]
    inputs = config.preprocessing.encode(table)
    model = folder.load_model(config, device)
    answers = prediction_columns(config.target, outputs(model, inputs, device), table.columns)
    frame = table.frame.hstack(answers)
    text = BytesIO()
    frame.write_csv(text)
    replace_file("predict", out, text.getvalue())
    console = output()
    notes = [f"column {name!r} was not used in training and is not used here" for name in extra]
    show_notes(console, [*table.notes, *notes])
    console.print(
        f"{len(table):,} predictions of {config.target.name!r} written to {out}", soft_wrap=True, markup=False
    )


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
