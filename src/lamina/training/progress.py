"""Showing how far a training is: a bar in a terminal, a line an epoch elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Literal

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from lamina.errors import DataError
from lamina.training.callbacks import Callback, TrainingState
from lamina.training.history import EpochRecord

# Often enough to look alive, seldom enough to cost nothing beside the steps.
REFRESH_SECONDS = 0.1


def progress_callback(progress: Literal[True, "auto"]) -> Callback | None:
    """Return what shows the progress; None where nothing is to be shown.

    Parameters
    ----------
    progress : True or "auto"
        True shows a bar in a terminal or notebook and a line an epoch elsewhere, "auto" only the bar.
    """
    if progress is not True and progress != "auto":
        raise DataError(f'fit: progress is {progress!r}; use True, False or "auto"')
    console = Console()
    if console.is_terminal or console.is_jupyter:
        return ProgressBar(console)
    return ProgressLines() if progress is True else None


def _values(record: EpochRecord) -> str:
    skipped = ("epoch", "lr", "seconds")
    return "  ".join(f"{name} {_number(value)}" for name, value in record.as_dict().items() if name not in skipped)


def _number(value: float) -> str:
    """Return a loss or metric with four decimals, so that it stays in place, unless that hides or swells it."""
    return f"{value:.4f}" if value == 0.0 or 1e-3 <= abs(value) < 1e6 else f"{value:.3e}"


class ProgressLines(Callback):
    """One line of text for each epoch, for logs and files."""

    def on_epoch_end(self, state: TrainingState, record: EpochRecord) -> None:
        """Print the epoch."""
        width = len(str(state.epochs))
        print(f"epoch {record.epoch:{width}d}/{state.epochs}  {_values(record)}  ({record.seconds:.2f} s)", flush=True)

    def on_train_end(self, state: TrainingState) -> None:
        """Say why training ended early."""
        if state.history.stopped:
            print(f"stopped: {state.history.stopped}", flush=True)


class _Bar(Progress):
    """A bar with a line of values below it, so that neither takes room from the other."""

    values = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        yield Text(self.values, style="dim", no_wrap=True, overflow="ellipsis")


class ProgressBar(Callback):
    """One bar for the whole training: epoch, time left, samples a second; below it the latest losses and metrics.

    Parameters
    ----------
    console : Console
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        # Drawn by hand at most ten times a second: no thread of its own that competes with the steps.
        self._bar = _Bar(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=28),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(compact=True),
            TextColumn("left  [cyan]{task.fields[rate]} samples/s"),
            console=console,
            auto_refresh=False,
        )
        self._task = self._bar.add_task("", start=False, rate="0")
        self._shown_at = self._started = 0.0
        self._epoch_values = ""

    def on_train_begin(self, state: TrainingState) -> None:
        """Draw the empty bar."""
        self._bar.update(self._task, total=state.epochs * state.steps_per_epoch)
        self._bar.start_task(self._task)
        self._started = time.perf_counter()
        self._bar.start()

    def on_progress(self, state: TrainingState) -> None:
        """Move the bar, if it has not moved for a tenth of a second."""
        if time.perf_counter() - self._shown_at >= REFRESH_SECONDS:
            self._show(state)

    def on_epoch_end(self, state: TrainingState, record: EpochRecord) -> None:
        """Keep the values of the epoch to show."""
        self._epoch_values = _values(record)

    def on_train_end(self, state: TrainingState) -> None:
        """Draw the bar a last time, and say why training ended early."""
        self._show(state)
        self._bar.stop()
        if state.history.stopped:
            self._console.print(f"stopped: {state.history.stopped}", style="yellow", highlight=False)

    def on_error(self, state: TrainingState, error: BaseException) -> None:
        """Give the terminal back."""
        self._bar.stop()

    def _show(self, state: TrainingState) -> None:
        self._shown_at = time.perf_counter()
        rate = state.samples / max(self._shown_at - self._started, 1e-9)
        self._bar.values = self._epoch_values or f"loss {_number(state.batch_loss)}"
        description = f"epoch {state.epoch}/{state.epochs}"
        self._bar.update(self._task, completed=state.step, description=description, rate=_short(rate))
        self._bar.refresh()


def _short(number: float) -> str:
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:.1f}{unit}"
    return f"{number:.0f}"
