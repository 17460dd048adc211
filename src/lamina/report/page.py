"""The page: its sections in the order in which a reader asks."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

import lamina as la
from lamina.files import PathLike, replace_file
from lamina.report.classification import classification
from lamina.report.content import ClassPredictions, ReportContent, ValuePredictions
from lamina.report.curves import training_curves
from lamina.report.drawing import panels
from lamina.report.markup import Html, join, tag
from lamina.report.regression import regression
from lamina.report.tables import count, recorded_title, table
from lamina.training.metrics import title_of
from lamina.training.metrics.table import ABSENT, quantity, value_text

if TYPE_CHECKING:
    from lamina.nn.summary import Summary

# Nothing is loaded and nothing runs, whatever a name in the data tries to be.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
MOST_ROWS = 500
"""Of a table of layers, settings or columns."""
HEADLINES = 4


def write_report(path: PathLike, content: ReportContent) -> None:
    """Write one HTML page about a trained model: it needs no network and no other file, and runs no script.

    Parameters
    ----------
    path : str or path
        The file to write, such as ``"report.html"``.
    content : ReportContent

    Raises
    ------
    CheckpointError
        When the file cannot be written; it is as it was then.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lamina.report import ReportContent, write_report
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "report.html"
    >>> write_report(path, ReportContent("iris", scores={"held out": {"count": 30, "accuracy": 0.967}}))
    >>> "96.70 %" in path.read_text(encoding="utf-8")
    True
    """
    replace_file("report", path, render(content).encode("utf-8"))


def render(content: ReportContent) -> str:
    """Return the page as text."""
    numbers = itertools.count(1)
    sections = [(title, make(content, numbers)) for title, make in SECTIONS.items()]
    shown = [(title, parts) for title, parts in sections if parts]
    links = [tag("li", tag("a", title, href=f"#{_anchor(title)}")) for title, _ in shown]
    style = Html(files("lamina.report").joinpath("page.css").read_text(encoding="utf-8"))
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("title", f"{content.title} – Lamina report"),
        tag("style", style),
    )
    body = tag(
        "body",
        tag(
            "div",
            _header(content, links),
            tag("main", [_section(title, parts) for title, parts in shown]),
            tag("footer", f"Written by Lamina {la.__version__}."),
            class_="page",
        ),
    )
    return "<!DOCTYPE html>\n" + tag("html", head, body, lang="en") + "\n"


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


def _section(title: str, parts: list[Html]) -> Html:
    anchor = _anchor(title)
    return tag("section", tag("h2", title, id=anchor), join(parts), aria_labelledby=anchor)


def _header(content: ReportContent, links: list[Html]) -> Html:
    return tag(
        "header",
        tag("h1", content.title),
        tag("p", content.subtitle) if content.subtitle else "",
        tag("nav", tag("ul", links), aria_label="Sections") if len(links) > 1 else "",
    )


# --- sections ---


def _results(content: ReportContent, _: Iterator[int]) -> list[Html]:
    parts = []
    if content.scores:
        part, scores = list(content.scores.items())[-1]
        named = [(name, value) for name, value in scores.items() if name != "count"][:HEADLINES]
        cards = [
            tag("div", tag("dt", title_of(name)), tag("dd", value_text(name, value)), class_="card")
            for name, value in named
        ]
        size = f", {count(scores['count'] or 0)} {content.unit}" if "count" in scores else ""
        parts = [tag("p", f"On the part “{part}”{size}:", class_="quiet"), tag("dl", *cards, class_="cards")]
        names = list(dict.fromkeys(name for each in content.scores.values() for name in each if name != "count"))
        lines = [
            [name, _size(each), *[value_text(metric, each.get(metric)) for metric in names]]
            for name, each in content.scores.items()
        ]
        head = ["part", content.unit, *map(title_of, names)]
        parts.append(table("Metrics of each part", head, lines, numeric=range(1, len(head))))
    if content.notes:
        parts.append(tag("ul", *[tag("li", note) for note in content.notes], class_="notes"))
    return parts


def _size(scores: Mapping[str, float | None]) -> str:
    size = scores.get("count")
    return ABSENT if size is None else count(size)


def _training(content: ReportContent, numbers: Iterator[int]) -> list[Html]:
    history = content.history
    if history is None or not history.records:
        return []
    seconds = sum(record.seconds for record in history.records)
    epochs = "1 epoch" if len(history.records) == 1 else f"{count(len(history.records))} epochs"
    told = f"{epochs} in {quantity(seconds)} seconds"
    if history.best_epoch is not None:
        told += f"; the best was epoch {count(history.best_epoch)} by {recorded_title(history.monitor)}"
    if history.stopped:
        told += f". Training stopped early: {history.stopped}"
    return [tag("p", f"{told}."), panels(training_curves(history, numbers))]


def _predictions(content: ReportContent, numbers: Iterator[int]) -> list[Html]:
    predictions = content.predictions
    if predictions is None:
        return []
    said = predictions.probabilities if isinstance(predictions, ClassPredictions) else predictions.values
    usable = np.isfinite(said).all(axis=1)
    told = f"Part “{predictions.part}”, {count(len(said))} {content.unit}."
    if not usable.all():
        told += f" {count((~usable).sum())} of them have no finite answer and are left out."
    parts = [tag("p", told, class_="quiet")]
    if not usable.any():
        return parts
    if isinstance(predictions, ClassPredictions):
        kept = ClassPredictions(predictions.part, predictions.classes, predictions.truth[usable], said[usable])
        return parts + classification(kept, numbers, content.unit)
    values = ValuePredictions(predictions.part, predictions.names, predictions.truth[usable], said[usable])
    return parts + regression(values, numbers, content.unit)


def _samples(content: ReportContent, _: Iterator[int]) -> list[Html]:
    return [tag("figure", tag("figcaption", title), tag("pre", text)) for title, text in content.samples]


def _model(content: ReportContent, _: Iterator[int]) -> list[Html]:
    return [] if content.model is None else [_tree(content.model)]


def _tree(model: Summary) -> Html:
    head = ["layer", "kind", "output", "parameters"]
    rows = [
        tag(
            "tr",
            # Depth is shown by space before the name.
            tag("th", "\u00a0" * (4 * row.depth) + (row.name or "model"), scope="row", class_="tree"),
            tag("td", row.kind),
            tag("td", row.output),
            tag("td", count(row.parameters) if row.parameters else "", class_="number"),
        )
        for row in model.rows[:MOST_ROWS]
    ]
    title = "Layers" if len(model.rows) <= MOST_ROWS else f"The first {MOST_ROWS} of {len(model.rows)} layers"
    parts = {"frozen": model.frozen, "in buffers": model.buffers}
    shown = [f"{quantity(model.memory / 1024)} KiB", *(f"{count(each)} {name}" for name, each in parts.items() if each)]
    total = ", ".join(shown)
    foot = tag("tr", tag("th", "total", scope="row"), tag("td", ""), tag("td", total),
               tag("td", count(model.parameters), class_="number"))  # fmt: skip
    heads = [tag("th", each, scope="col", class_="number" if each == "parameters" else None) for each in head]
    made = tag("table", tag("caption", title), tag("thead", tag("tr", heads)), tag("tbody", rows), tag("tfoot", foot))
    return tag("div", made, class_="scroll")


def _data(content: ReportContent, _: Iterator[int]) -> list[Html]:
    if not content.schema:
        return []
    columns = list(dict.fromkeys(name for row in content.schema for name in row))
    rows = [[_shown(row.get(name)) for name in columns] for row in content.schema[:MOST_ROWS]]
    total = len(content.schema)
    title = "Columns" if total <= MOST_ROWS else f"The first {MOST_ROWS} of {total} columns"
    numeric = [
        i for i, name in enumerate(columns)
        if i and all(isinstance(row.get(name), int | float | None) for row in content.schema)
    ]  # fmt: skip
    return [table(title, columns, rows, numeric)]


def _settings(content: ReportContent, _: Iterator[int]) -> list[Html]:
    parts = [
        *_pairs("What the training was told", content.configuration),
        *_pairs("The machine it ran on", content.machine),
    ]
    return [tag("div", parts, class_="row")] if parts else []


def _pairs(title: str, values: Mapping[str, Any]) -> list[Html]:
    rows = [[name, _shown(value)] for name, value in _flat(values)]
    if len(rows) > MOST_ROWS:
        rows, title = rows[:MOST_ROWS], f"{title}: the first {MOST_ROWS} of {len(rows)} settings"
    return [table(title, ["name", "value"], rows)] if rows else []


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _shown(value: Any) -> str:
    """Return a value of a table or a configuration as text, long ones shortened."""
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}" if math.isfinite(value) else ABSENT
    if isinstance(value, list | tuple):
        return _shortened(", ".join(_shown(each) for each in value[:20]) + (", …" if len(value) > 20 else ""))
    return _shortened(count(value) if isinstance(value, int) and abs(value) >= 10_000 else str(value))


def _shortened(shown: str, most: int = 300) -> str:
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


SECTIONS: dict[str, Callable[[ReportContent, Iterator[int]], list[Html]]] = {
    "Results": _results,
    "Training": _training,
    "Predictions": _predictions,
    "Samples": _samples,
    "Model": _model,
    "Data": _data,
    "Configuration": _settings,
}
