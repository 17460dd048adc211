"""`TableSubject`: columns that become numbers, and a column to predict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lamina import nn
from lamina.data import ClassTarget, NumericTarget, Schema, Table, TablePreprocessing, Target
from lamina.data.dialect import Dialect
from lamina.data.encoding import encoded, present
from lamina.data.record import Record
from lamina.data.table import listed
from lamina.functions.creation import zeros
from lamina.runs.applicable import chosen_model
from lamina.runs.data_kinds import TABLE
from lamina.runs.inference import outputs
from lamina.runs.subjects.named import Reading, named_table
from lamina.runs.subjects.predicting import PredictingSubject, prediction_columns
from lamina.runs.subjects.subject import Data, Predicted
from lamina.tensor import Tensor

if TYPE_CHECKING:
    from lamina.runs.options import TrainingOptions


@dataclass(frozen=True)
class TableSubject(PredictingSubject):
    """A table.

    Attributes
    ----------
    preprocessing : TablePreprocessing
        How columns become inputs.
    target : ClassTarget or NumericTarget
    columns : mapping, optional
        What the columns were like, for reports, as `lamina.data.Schema` has it.
    """

    preprocessing: TablePreprocessing
    target: Target
    columns: Any = None

    kind = TABLE
    file = "a table"

    @property
    def inputs(self) -> int:
        """How many numbers the model is given for a row."""
        return len(self.preprocessing.feature_names)

    def network(self, options: TrainingOptions) -> str:
        """Return what is predicted, and the widths of the layers."""
        what = f"{len(self.target.classes)} classes" if isinstance(self.target, ClassTarget) else "a value"
        widths = " → ".join(str(width) for width in (self.inputs, *options.hidden, self.target.outputs))
        return f"({what}) by a network {widths}"

    def details(self) -> dict[str, str]:
        """Return the classes, and how many columns there are."""
        classes = {"classes": ", ".join(self.target.classes)} if isinstance(self.target, ClassTarget) else {}
        return {**classes, "columns": f"{len(self.preprocessing.columns)}, which become {self.inputs} inputs"}

    def facts(self) -> dict[str, Any]:
        """Return target and columns."""
        kinds = Counter(each["kind"] for each in self.preprocessing.to_json())
        columns = {"count": len(self.preprocessing.columns), "kinds": dict(kinds), "inputs": self.inputs}
        return {"target": self.target.to_json(), "columns": columns}

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` needs."""
        return {
            "target": self.target.to_json(),
            "columns": self.preprocessing.to_json(),
            "schema": self.columns,
        }

    @classmethod
    def from_json(cls, record: Record) -> Self:
        """Rebuild it from what `to_json` gave."""
        tasks: dict[str, type[Target]] = {"classification": ClassTarget, "regression": NumericTarget}
        task = record.text("task")
        if task not in tasks:
            raise record.wrong("task", " or ".join(tasks))
        columns = record.records("columns")
        if not columns:
            raise record.wrong("columns", "a list of at least one column")
        target = tasks[task].from_json(record.record("target"))
        return cls(TablePreprocessing.from_json(columns), target, record.values.get("schema"))

    def build(self, options: TrainingOptions) -> nn.Module:
        """Return a multi-layer perceptron."""
        chosen_model(self.kind, options.model)
        return nn.MLP(
            self.inputs, list(options.hidden), self.target.outputs,
            activation=options.activation, dropout=options.dropout,
        )  # fmt: skip

    def example(self) -> Tensor:
        """Return a row of zeros."""
        return zeros((1, self.inputs))

    def read(self, path: Path, how: Reading) -> tuple[Data, Sequence[str]]:
        """Read a table with targets."""
        table, _ = named_table(str(path), how)
        table.require([self.target.name], "target column")
        table, notes = with_target(self.target.without_blanks(table), self.target.name)
        return encoded(table, self.preprocessing, self.target), [*table.notes, *notes]

    def predicted(self, model: nn.Module, path: Path, how: Reading, device: str) -> Predicted:
        """Return the table with what the model says of each row."""
        table, _ = named_table(str(path), how)
        used = {column.name for column in self.preprocessing.columns} | {self.target.name}
        extra = [each for each in table.columns if each not in used]
        found = outputs(model, self.preprocessing.encode(table), device)
        frame = table.frame.hstack(prediction_columns(self.target, found, table.columns))
        # Text that was read with semicolons and decimal commas is written so.
        decimal = table.decimal or self.target.decimal
        dialect = Dialect() if table.dialect is None else replace(table.dialect, decimal=decimal)
        return Predicted(frame, [*table.notes, *_unused(extra)], dialect)

    def export_onnx(self, model: nn.Module, path: Path, metadata: Mapping[str, str]) -> str:
        """Write a model that takes the columns and prepares them as in training."""
        from lamina.exchange import export_onnx

        export_onnx(model, path, preprocessing=self.preprocessing, target=self.target, metadata=metadata)
        return "the model, with what prepares its columns,"

    def schema(self) -> Sequence[Mapping[str, Any]]:
        """Return what a report says about each column."""
        if self.columns is None:
            return ()
        schema = Schema.from_json(Record.of(self.columns, "config.json: schema"))
        return [
            {"name": each.name, "kind": each.kind, "missing": each.missing, "distinct": each.distinct,
             "examples": each.examples_text}
            for each in schema.columns
        ]  # fmt: skip


def _unused(names: list[str]) -> list[str]:
    if len(names) < 2:
        return [f"column {name!r} was not used in training and is not used here" for name in names]
    return [f"columns {listed(names)} were not used in training and are not used here"]


def with_target(table: Table, target: str) -> tuple[Table, list[str]]:
    """Return the rows that have a target, with a note if some have none."""
    kept = present(table, target)
    missing = len(table) - len(kept)
    rows = "1 row has" if missing == 1 else f"{missing} rows have"
    return kept, [f"{rows} no {target!r} and will not be used"] if missing else []
