"""Showing how far a training is in a notebook."""

from __future__ import annotations

from html import escape
from importlib import import_module
from typing import Any

from lamina.training.progress import Progress, ProgressDisplay
from lamina.training.units import SAMPLES, Unit

# The colours are the notebook's own, so that it reads on light and on dark.
PAGE = (
    '<div style="font-family: monospace; line-height: 1.5">'
    '<div>{description} <progress value="{done}" max="{total}" style="width: 18em; vertical-align: middle"></progress> '
    "{percent}&nbsp;% &nbsp;{left} left &nbsp;{rate}</div>"
    '<div style="opacity: 0.75">{values}</div>{reason}</div>'
)


class NotebookBar(ProgressDisplay):
    """A bar in the output of a cell, and below it the latest losses and metrics.

    It is HTML that IPython replaces as training goes on: rich's own display in notebooks needs ipywidgets, and leaves
    nothing in a notebook that is opened later.
    """

    def __init__(self, unit: Unit = SAMPLES) -> None:
        super().__init__(unit)
        self._handle: Any = None

    def begin(self, progress: Progress) -> None:
        """Show the empty bar."""
        self._handle = import_module("IPython.display").display(_Page(progress), display_id=True)

    def draw(self, progress: Progress) -> None:
        """Show the bar in the place of the one before."""
        self._handle.update(_Page(progress))

    def end(self, progress: Progress, reason: str) -> None:
        """Show the bar a last time, and why training ended early."""
        self._handle.update(_Page(progress, reason))


class _Page:
    """What IPython shows of the progress: HTML, or a line of text where there is no HTML."""

    def __init__(self, progress: Progress, reason: str = "") -> None:
        self._progress = progress
        self._reason = reason

    def _repr_html_(self) -> str:
        progress = self._progress
        reason = f"<div>stopped: {escape(self._reason)}</div>" if self._reason else ""
        return PAGE.format(
            description=escape(progress.description), done=progress.done, total=progress.total,
            percent=progress.percent, left=progress.left, rate=progress.rate, values=escape(progress.values),
            reason=reason,
        )  # fmt: skip

    def __repr__(self) -> str:
        progress = self._progress
        reason = f"  stopped: {self._reason}" if self._reason else ""
        return (
            f"{progress.description}  {progress.percent} %  {progress.left} left  {progress.rate}  "
            f"{progress.values}{reason}"
        )
