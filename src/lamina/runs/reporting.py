"""What a report says about a run, gathered from its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lamina.data import ClassTarget, Schema
from lamina.data.record import Record
from lamina.errors import CheckpointError
from lamina.report import ClassPredictions, ReportContent, ValuePredictions
from lamina.runs.config import RunConfig
from lamina.runs.folder import Answers, RunFolder
from lamina.runs.inference import probabilities
from lamina.runs.options import TrainingOptions, plain
from lamina.training import History

PARTS = ("training", "validation", "test")


def report_content(folder: RunFolder, config: RunConfig) -> ReportContent:
    """Return everything that is known about a run.

    Raises
    ------
    CheckpointError
        When a file of the run is damaged.
    """
    results = folder.read_results()
    model = folder.load_model(config, "cpu")
    target = config.target
    return ReportContent(
        title=folder.path.resolve().name,
        subtitle=f"{target.task} of {target.name!r} from {_short(config)}",
        history=_history(folder, config),
        scores=scores_of(results, folder),
        predictions=_predictions(config, folder.read_answers()),
        model=model.summary((1, config.inputs)),
        configuration=_grouped(config),
        machine=config.machine,
        schema=_schema(config, folder),
        notes=_notes(results),
    )


def _short(config: RunConfig) -> str:
    return f"the embedded {config.source}" if config.embedded else Path(config.source).name


def _history(folder: RunFolder, config: RunConfig) -> History | None:
    if not folder.metrics.is_file():
        return None
    history = History.read(folder.metrics)
    if not history.records:
        return None
    if config.options.monitor is not None and config.options.monitor in history:
        return _judged(history, config.options.monitor)
    return history


def _judged(history: History, monitor: str) -> History:
    from lamina.training.metrics import larger_is_better

    judged = History(monitor, larger_is_better(monitor))
    judged.records.extend(history.records)
    return judged


def scores_of(results: dict[str, Any], folder: RunFolder) -> dict[str, dict[str, float | None]]:
    """Return the scores of each part, the one to speak of last."""
    if not results:
        return {}
    place = str(folder.path / "results.json")
    parts = Record.of(results, place).record("parts")
    found: dict[str, dict[str, float | None]] = {}
    for part in sorted(parts.values, key=lambda name: PARTS.index(name) if name in PARTS else -1):
        values = parts.record(part).values
        for name, value in values.items():
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise CheckpointError(f"{place}: parts: {part}: {name} should be a number, found {value!r:.60}")
        found[part] = dict(values)
    return found


def _predictions(config: RunConfig, answers: dict[str, Answers]) -> ClassPredictions | ValuePredictions | None:
    """Return what the model says about the rows that it knows least: of the test, validation or training part."""
    part = next((name for name in reversed(PARTS) if name in answers), None)
    if part is None:
        return None
    found, target = answers[part], config.target
    if found.outputs.shape[1] != target.outputs:
        raise CheckpointError(f"answers: {found.outputs.shape[1]} outputs, where the model has {target.outputs}")
    if isinstance(target, ClassTarget):
        return ClassPredictions(part, target.classes, found.targets, probabilities(found.outputs))
    return ValuePredictions(part, [target.name], target.decode(found.targets), target.decode(found.outputs))


def _grouped(config: RunConfig) -> dict[str, Any]:
    values = plain(config.options, TrainingOptions)
    return {name: value for name, value in values.items() if value not in (None, [], {})}


def _schema(config: RunConfig, folder: RunFolder) -> list[dict[str, Any]]:
    if config.schema is None:
        return []
    schema = Schema.from_json(Record.of(config.schema, str(folder.path / "config.json: schema")))
    return [
        {"name": each.name, "kind": each.kind, "missing": each.missing, "distinct": each.distinct,
         "examples": each.examples_text}
        for each in schema.columns
    ]  # fmt: skip


def _notes(results: dict[str, Any]) -> list[str]:
    if not results:
        return ["The training did not come to its end; there are no results yet."]
    status, reason = results.get("status"), results.get("reason")
    return [f"Training {status}{f': {reason}' if reason else ''}."] if status != "finished" else []
