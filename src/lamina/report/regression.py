"""How far predicted values are from the true ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lamina.report.content import ValuePredictions
from lamina.report.drawing import INK, MOST_POINTS, SERIES, Panel, draw, panels
from lamina.report.markup import Html, tag
from lamina.report.tables import count
from lamina.training.metrics.table import quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[Any]

MOST_OUTPUTS = 3
EXTREMES = 20
"""The points furthest off are always drawn."""
MOST_BINS = 40


def regression(predictions: ValuePredictions, numbers: Iterator[int], unit: str) -> list[Html]:
    """Return the parts of the page that speak of predicted values."""
    parts: list[Html] = []
    outputs = predictions.truth.shape[1]
    for column in range(min(outputs, MOST_OUTPUTS)):
        if outputs > 1:
            parts.append(tag("h3", predictions.names[column], class_="output"))
        parts.append(panels(_panels(predictions.truth[:, column], predictions.values[:, column], numbers, unit)))
    if outputs > MOST_OUTPUTS:
        parts.append(tag("p", f"The first {MOST_OUTPUTS} of {outputs} outputs are drawn."))
    return parts


def _panels(truth: Array, values: Array, numbers: Iterator[int], unit: str) -> list[Panel]:
    errors = values - truth
    shown = _sample(errors)
    thinning = "" if len(shown) == len(errors) else (
        f"{count(len(shown))} of {count(len(errors))} points are drawn, those furthest off among them."
    )  # fmt: skip
    low, middle, high = np.quantile(errors, [0.05, 0.5, 0.95])
    spread = (
        f"Nine out of ten errors lie between {quantity(low)} and {quantity(high)}; the median is {quantity(middle)}."
    )
    return [
        Panel(
            draw(
                "Predicted against true values", next(numbers), lambda axes: _against(axes, truth[shown], values[shown])
            ),
            "Predicted against true",
            f"On the dotted line the prediction is right. {thinning}",
        ),
        Panel(
            draw("Residuals by prediction", next(numbers), lambda axes: _residuals(axes, values[shown], errors[shown])),
            "Residuals",
            f"Predicted minus true value; a pattern here is something left to learn. {thinning}",
        ),
        Panel(
            draw("Histogram of the residuals", next(numbers), lambda axes: _histogram(axes, errors, unit)),
            "Distribution of the residuals",
            spread,
        ),
    ]


def _sample(errors: Array) -> npt.NDArray[np.int64]:
    """Return which points to draw: all if they are few, otherwise a fixed random choice and those furthest off."""
    if len(errors) <= MOST_POINTS:
        return np.arange(len(errors))
    chosen = np.random.default_rng(0).choice(len(errors), MOST_POINTS - EXTREMES, replace=False)
    return np.union1d(chosen, np.argsort(-np.abs(errors), kind="stable")[:EXTREMES])


def _against(axes: Axes, truth: Array, values: Array) -> None:
    _points(axes, truth, values)
    ends = [min(truth.min(), values.min()), max(truth.max(), values.max())]
    axes.plot(ends, ends, color=INK, linewidth=0.9, linestyle=":")
    axes.set_xlabel("true")
    axes.set_ylabel("predicted")


def _residuals(axes: Axes, values: Array, errors: Array) -> None:
    _points(axes, values, errors)
    axes.axhline(0.0, color=INK, linewidth=0.9, linestyle=":")
    axes.set_xlabel("predicted")
    axes.set_ylabel("predicted − true")


def _points(axes: Axes, across: Array, up: Array) -> None:
    size = 4.0 if len(across) <= 200 else 2.5
    axes.plot(across, up, "o", color=SERIES[0], markersize=size, alpha=0.55, markeredgewidth=0.0)


def _histogram(axes: Axes, errors: Array, unit: str) -> None:
    bins = int(min(MOST_BINS, max(5, np.sqrt(len(errors)))))
    axes.hist(errors, bins=bins, color=SERIES[0], alpha=0.8, linewidth=0.0)
    axes.axvline(0.0, color=INK, linewidth=0.9, linestyle=":")
    axes.set_xlabel("predicted − true")
    axes.set_ylabel(unit)
