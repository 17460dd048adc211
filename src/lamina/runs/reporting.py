"""What a report says about a run, gathered from its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lamina.data.record import Record
from lamina.errors import CheckpointError
from lamina.report import ClassPredictions, ReportContent, ValuePredictions
from lamina.runs.applicable import options_of
from lamina.runs.fitting import early_stopping
from lamina.runs.folder import RunFolder, parse_json
from lamina.runs.inference import PartOutputs
from lamina.runs.option_declaration import plain
from lamina.runs.options import TrainingOptions
from lamina.runs.run_config import RunConfig
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
    subject, example = config.subject, config.subject.example()
    return ReportContent(
        title=folder.path.resolve().name,
        subtitle=f"{subject.title} from {_short(config)}",
        history=_history(folder, config),
        scores=scores_of(results, folder),
        unit=subject.unit.name,
        predictions=_predictions(config, folder.read_answers()),
        model=model.summary(example.shape, dtype=example.dtype),
        configuration=_grouped(config),
        machine=config.machine,
        schema=subject.schema(),
        samples=_samples(folder),
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
    judge = early_stopping(config.options)
    if judge is None or (judge.monitor or history.monitor) not in history:
        return history
    judged = judge.history(history.monitor)
    judged.reset(history.records)
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


def _predictions(config: RunConfig, answers: dict[str, PartOutputs]) -> ClassPredictions | ValuePredictions | None:
    """Return what the model says about the data that it knows least: the test, validation or training part."""
    part = next((name for name in reversed(PARTS) if name in answers), None)
    if part is None:
        return None
    return config.subject.predictions(part, answers[part])


def _grouped(config: RunConfig) -> dict[str, Any]:
    values = plain(config.options, TrainingOptions)
    names = options_of(config.subject.kind, config.options.model)
    return {name: values[name] for name in names if values[name] not in (None, [], {}, "")}


def _samples(folder: RunFolder) -> list[tuple[str, str]]:
    """Return what a language model wrote as it learned: the first, one in the middle, and the last."""
    if not folder.samples.is_file():
        return []
    found = [parse_json(line, folder.samples) for line in folder.samples.read_bytes().splitlines()]
    chosen = [found[place] for place in sorted({0, len(found) // 2, len(found) - 1})] if found else []
    return [(f"After epoch {each.whole('epoch')}", each.text("prompt") + each.text("text")) for each in chosen]


def _notes(results: dict[str, Any]) -> list[str]:
    if not results:
        return ["The training did not come to its end; there are no results yet."]
    status, reason = results.get("status"), results.get("reason")
    return [f"Training {status}{f': {reason}' if reason else ''}."] if status != "finished" else []
