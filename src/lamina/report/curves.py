"""The curves of a training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from lamina.report.drawing import MUTED, SERIES, Panel, draw, thinned
from lamina.training.metrics import title_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lamina.training import History

MOST_EPOCHS = 500
MOST_PANELS = 12


def training_curves(history: History, numbers: Iterator[int]) -> list[Panel]:
    """Return a picture of the losses, of each metric, and of the learning rate where it changes."""
    groups = history.curves()
    if len(set(history["lr"])) > 1:
        groups["learning rate"] = ["lr"]
    return [_panel(history, title, names, next(numbers)) for title, names in list(groups.items())[:MOST_PANELS]]


def _panel(history: History, title: str, names: list[str], number: int) -> Panel:
    best = history.best_epoch
    legend = [(2, "validation") if name.startswith("val_") else (1, "training") for name in names if name != "lr"]
    if best is not None:
        legend.append((0, f"best, epoch {best}"))
    # A name that a user gave is shown as it is; those of the table as people write them.
    shown = title_of(title)
    svg = draw(f"{shown} by epoch", number, lambda axes: _paint(axes, history, title, names))
    return Panel(svg, shown[:1].upper() + shown[1:] if shown.isascii() else shown, legend=legend)


def _paint(axes: Axes, history: History, title: str, names: list[str]) -> None:
    from matplotlib.ticker import MaxNLocator

    epochs = np.asarray(history["epoch"])
    best = history.best_epoch
    kept = thinned(len(epochs), MOST_EPOCHS, [] if best is None else np.flatnonzero(epochs == best))
    values = {name: np.asarray(history[name], dtype=np.float64) for name in names}
    for name, series in values.items():
        colour = SERIES[1] if name.startswith("val_") else SERIES[0]
        axes.plot(epochs[kept], series[kept], color=colour, marker="o" if len(epochs) <= 2 else None, markersize=4)
    every = np.concatenate(list(values.values()))
    every = every[np.isfinite(every)]
    # Within one power of ten a linear axis has the rounder numbers.
    if title in ("loss", "learning rate") and every.size and 0.0 < 10.0 * every.min() < every.max():
        axes.set_yscale("log")
    if best is not None:
        axes.axvline(best, color=MUTED, linewidth=0.9, linestyle=":")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
