"""What a classifier gets right, what it confuses, and how far its probabilities can be trusted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lamina.report.content import ClassPredictions
from lamina.report.drawing import MUTED, SERIES, Panel, draw, panels, thinned
from lamina.report.markup import Html, tag
from lamina.report.tables import count, fixed, percent, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[Any]

TABLE_CLASSES = 16
"""With more classes the confusion matrix is a picture, and a table of what is confused most."""
CURVE_CLASSES = 6
"""With more classes the curves are drawn as their mean and range."""
SHOWN_CLASSES = 200
CONFUSIONS = 10
CURVE_POINTS = 200
BINS = 10


def classification(predictions: ClassPredictions, numbers: Iterator[int], unit: str) -> list[Html]:
    """Return the parts of the page that speak of a classifier's answers to data that are counted in a unit."""
    from sklearn.metrics import confusion_matrix

    truth, chances, names = predictions.truth, predictions.probabilities, list(predictions.classes)
    matrix = confusion_matrix(truth, chances.argmax(axis=1), labels=np.arange(len(names)))
    few = len(names) <= TABLE_CLASSES
    tables = [_confusion_table(matrix, names) if few else _confusion_picture(matrix, names, next(numbers), unit)]
    tables.append(_by_class(matrix, names, unit))
    figures = [
        _curves("roc", truth, chances, names, next(numbers)),
        _curves("precision", truth, chances, names, next(numbers)),
        _calibration(truth, chances, names, next(numbers), unit),
    ]
    parts = [tag("div", tables, class_="row")] if few else tables
    return [*parts, panels([figure for figure in figures if figure is not None])]


# --- the confusion matrix ---


def _confusion_picture(matrix: Array, names: list[str], number: int, unit: str) -> Html:
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    note = "Rows are true classes, columns predicted ones, in the order of the table below; a darker cell holds more."
    figure = Panel(_heat(share, number), "Confusion matrix", note)
    return tag("div", figure.html(), _most_confused(matrix, names, unit), class_="panels")


def _confusion_table(matrix: Array, names: list[str]) -> Html:
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    head = tag("tr", tag("th", "true \\ predicted", scope="col"), [tag("th", name, scope="col") for name in names])
    rows = [
        tag("tr", tag("th", name, scope="row"), [_cell(matrix[i, j], share[i, j], i == j) for j in range(len(names))])
        for i, name in enumerate(names)
    ]
    title = tag("caption", "Confusion matrix ", tag("small", "rows true, columns predicted"))
    made = tag("table", title, tag("thead", head), tag("tbody", rows), class_="confusion")
    return tag("div", made, class_="scroll")


def _cell(number: int, share: float, right: bool) -> Html:
    # The root lets a few mistakes be seen.
    style = f"--share:{share if right else np.sqrt(share):.3f}" if number else None
    return tag("td", count(number), class_="right" if right else "wrong", style=style)


def _heat(share: Array, number: int) -> Html:
    def paint(axes: Axes) -> None:
        from matplotlib.colors import to_rgb

        # One colour, more or less of it, so that it shows on light and on dark; the root lets rare mistakes be seen.
        image = np.empty((*share.shape, 4))
        image[..., :3] = to_rgb(SERIES[0])
        image[..., 3] = np.sqrt(share)
        axes.imshow(image, interpolation="none")
        axes.grid(visible=False)
        axes.set_xlabel("predicted class")
        axes.set_ylabel("true class")

    return draw(f"Confusion matrix of {len(share)} classes", number, paint)


def _most_confused(matrix: Array, names: list[str], unit: str) -> Html:
    wrong = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-wrong, axis=None, kind="stable")[:CONFUSIONS]
    pairs = [divmod(int(place), len(names)) for place in order if wrong.flat[place] > 0]
    rows = [[names[i], names[j], count(wrong[i, j])] for i, j in pairs]
    if not rows:
        return tag("p", "No class was confused with another.")
    return table("Most frequent mistakes", ["true class", "answered", unit], rows, numeric=[2])


# --- class by class ---


def _by_class(matrix: Array, names: list[str], unit: str) -> Html:
    """Return precision, recall and F1 of each class; with many classes, of those with the lowest F1."""
    right = np.diag(matrix).astype(np.float64)
    answered, present = matrix.sum(axis=0), matrix.sum(axis=1)
    precision, recall = right / np.maximum(answered, 1), right / np.maximum(present, 1)
    f1 = 2.0 * right / np.maximum(answered + present, 1)
    chosen = np.arange(len(names))
    title = "Precision, recall and F1 of each class"
    if len(names) > SHOWN_CLASSES:
        chosen = np.sort(np.argsort(f1, kind="stable")[:SHOWN_CLASSES])
        title = f"Precision, recall and F1 of the {SHOWN_CLASSES} classes of {len(names)} with the lowest F1"
    rows = [[names[i], count(present[i]), percent(precision[i]), percent(recall[i]), percent(f1[i])] for i in chosen]
    made = table(title, ["class", unit, "precision", "recall", "F1"], rows, numeric=range(1, 5))
    if len(names) <= TABLE_CLASSES:
        return made
    return tag("details", tag("summary", title), made)


# --- curves ---


def _curves(kind: str, truth: Array, chances: Array, names: list[str], number: int) -> Panel | None:
    """Return the ROC or the precision-recall curves: of the second of two classes, or each against the rest."""
    wanted = [1] if len(names) == 2 else range(len(names))
    drawn = [each for each in wanted if 0 < (truth == each).sum() < len(truth)]
    if not drawn:
        return None
    curves = [_curve(kind, truth == each, chances[:, each]) for each in drawn]
    areas = [area for _, _, area in curves]
    title, area = ("ROC curve", "area") if kind == "roc" else ("Precision and recall", "average precision")
    many = len(drawn) > CURVE_CLASSES
    if many:
        legend = [(1, f"mean of {len(drawn)} classes, {area} {fixed(sum(areas) / len(areas))}")]
        note = f"The band leaves out the best and the worst tenth of the classes. Lowest {area}: {fixed(min(areas))}."
    else:
        legend = [(i, f"{names[each]}, {area} {fixed(areas[i - 1])}") for i, each in enumerate(drawn, start=1)]
        note = "" if len(names) == 2 else "Each class against the rest."
    svg = draw(title, number, lambda axes: _paint_curves(axes, kind, curves, many))
    return Panel(svg, title, note, legend)


def _curve(kind: str, right: Array, score: Array) -> tuple[Array, Array, float]:
    """Return a curve from left to right, and the area under it."""
    from sklearn.metrics import auc, precision_recall_curve, roc_curve

    if kind == "roc":
        across, up, _ = roc_curve(right, score)
        return across, up, float(auc(across, up))
    precision, recall, _ = precision_recall_curve(right, score)
    # Its definition by the points at hand; scikit-learn's function would find them a second time.
    return recall[::-1], precision[::-1], float(-(np.diff(recall) * precision[:-1]).sum())


def _paint_curves(axes: Axes, kind: str, curves: list[tuple[Array, Array, float]], many: bool) -> None:
    if many:
        grid = np.linspace(0.0, 1.0, CURVE_POINTS // 2 + 1)
        # Between its points a precision-recall curve is a stair; on this grid the difference is not seen.
        values = np.array([np.interp(grid, across, up) for across, up, _ in curves])
        low, high = np.quantile(values, [0.1, 0.9], axis=0)
        axes.fill_between(grid, low, high, color=SERIES[0], alpha=0.2, linewidth=0.0)
        mean = values.mean(axis=0)
        # A ROC curve begins with no sample accepted.
        start = [0.0] if kind == "roc" else []
        axes.plot([*start, *grid], [*start, *mean], color=SERIES[0])
    else:
        for colour, (across, up, _) in zip(SERIES, curves, strict=False):
            kept = thinned(len(across), CURVE_POINTS)
            axes.plot(across[kept], up[kept], color=colour, drawstyle="default" if kind == "roc" else "steps-pre")
    if kind == "roc":
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.9, linestyle=":")
        axes.set_xlabel("false positive rate")
        axes.set_ylabel("true positive rate")
    else:
        axes.set_xlabel("recall")
        axes.set_ylabel("precision")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.04)


def _calibration(truth: Array, chances: Array, names: list[str], number: int, unit: str) -> Panel:
    """Return how often answers of each certainty are right."""
    if len(names) == 2:
        certain, right, what = chances[:, 1], truth == 1, f"{unit} of the second class"
    else:
        certain, right, what = chances.max(axis=1), chances.argmax(axis=1) == truth, "right answers"
    places = np.minimum((certain * BINS).astype(np.int64), BINS - 1)
    sizes = np.bincount(places, minlength=BINS)
    filled = np.flatnonzero(sizes)
    said = np.bincount(places, certain, minlength=BINS)[filled] / sizes[filled]
    found = np.bincount(places, right, minlength=BINS)[filled] / sizes[filled]
    error = float((np.abs(said - found) * sizes[filled]).sum() / sizes.sum())
    svg = draw("Calibration", number, lambda axes: _paint_calibration(axes, said, found, sizes))
    note = (
        f"On the dotted line, probabilities mean what they say. Expected calibration error: {percent(error)}. "
        f"The bars show how the {unit} are spread over the probabilities."
    )
    return Panel(svg, "Calibration", note, [(1, f"share of {what}")])


def _paint_calibration(axes: Axes, said: Array, found: Array, sizes: Array) -> None:
    left = np.arange(BINS) / BINS
    axes.bar(left, sizes / sizes.sum(), width=1.0 / BINS, align="edge", color=MUTED, alpha=0.25, linewidth=0.0)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.9, linestyle=":")
    axes.plot(said, found, color=SERIES[0], marker="o", markersize=4)
    axes.set_xlabel("predicted probability")
    axes.set_ylabel("share")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(0.0, 1.04)
