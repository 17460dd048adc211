"""The picture of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.pictures import BLUE, ORANGE, QUIET, new_figure, plain
from lamina.training.history import History
from lamina.training.metrics import title_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRAINING, VALIDATION = BLUE, ORANGE
PANEL_WIDTH, PANEL_HEIGHT = 5.2, 3.6
PANELS_IN_A_ROW = 3


def draw(history: History) -> Figure:
    """Return a figure with the losses and each metric in a panel of its own."""
    panels = history.curves()
    columns = min(len(panels), PANELS_IN_A_ROW)
    rows = -(-len(panels) // columns)
    figure = new_figure(PANEL_WIDTH * columns, PANEL_HEIGHT * rows)
    for place, (title, names) in enumerate(panels.items(), start=1):
        _panel(figure.add_subplot(rows, columns, place), history, title, names)
    return figure


def _panel(axis: Axes, history: History, title: str, names: list[str]) -> None:
    from matplotlib.ticker import MaxNLocator

    epochs = history["epoch"]
    for name in names:
        validation = name.startswith("val_")
        axis.plot(
            epochs,
            history[name],
            color=VALIDATION if validation else TRAINING,
            label="validation" if validation else "training",
            linewidth=1.8,
            marker="o" if len(epochs) <= 2 else None,
        )
    values = [value for name in names for value in history[name]]
    # Within one power of ten a linear axis has the rounder numbers.
    if title == "loss" and 0.0 < 10.0 * min(values) < max(values):
        axis.set_yscale("log")
    best = history.best
    if best is not None:
        axis.axvline(best.epoch, color=QUIET, linewidth=1.0, linestyle=":", label=f"best, epoch {best.epoch}")
    plain(axis, title_of(title), "epoch")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axis.legend(frameon=False)
