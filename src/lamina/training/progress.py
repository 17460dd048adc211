"""Showing how far a training is: a bar in a terminal, a line an epoch elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from lamina.errors import DataError
from lamina.training.callbacks import Callback, TrainingState
from lamina.training.history import EpochRecord

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

Shown = bool | Literal["auto"]

# Often enough to look alive, seldom enough to cost nothing beside the steps.
REFRESH_SECONDS = 0.1


def progress_callback(progress: Shown) -> Callback | None:
    """Return what shows the progress; None where nothing is to be shown.

    Parameters
    ----------
    progress : bool or "auto"
        True shows a bar in a terminal or notebook and a line an epoch elsewhere, "auto" only the bar.
    """
    if progress is False:
        return None
    if progress is not True and progress != "auto":
        raise DataError(f'fit: progress is {progress!r}; use True, False or "auto"')
    from rich.console import Console

    console = Console()
    if console.is_terminal or console.is_jupyter:
        return ProgressBar(console)
    return ProgressLines() if progress is True else None


def _values(record: EpochRecord) -> str:
    skipped = ("epoch", "lr", "seconds")
    return "  ".join(f"{name} {value:.4f}" for name, value in record.as_dict().items() if name not in skipped)


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


class ProgressBar(Callback):
    """One bar for the whole training: epoch, samples a second, loss, time left.

    Parameters
    ----------
    console : rich.console.Console
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._shown_at = 0.0
        self._started = 0.0
        self._last = ""

    def on_train_begin(self, state: TrainingState) -> None:
        """Draw the empty bar."""
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("[progress.percentage]{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[rate]}", style="cyan"),
            TextColumn("{task.fields[values]}"),
            console=self._console,
            auto_refresh=False,
        )
        total = state.epochs * state.steps_per_epoch
        self._task = self._bar.add_task(f"epoch 0/{state.epochs}", total=total, rate="", values="")
        self._started = time.perf_counter()
        self._bar.start()

    def on_batch_end(self, state: TrainingState) -> None:
        """Move the bar, at most ten times a second."""
        if time.perf_counter() - self._shown_at >= REFRESH_SECONDS:
            self._show(state, self._last or f"loss {state.batch_loss:.4f}")

    def on_epoch_end(self, state: TrainingState, record: EpochRecord) -> None:
        """Keep the values of the epoch to show."""
        self._last = _values(record)
        if time.perf_counter() - self._shown_at >= REFRESH_SECONDS:
            self._show(state, self._last)

    def on_train_end(self, state: TrainingState) -> None:
        """Draw the bar a last time, and say why training ended early."""
        self._show(state, self._last)
        self.close()
        if state.history.stopped:
            self._console.print(f"stopped: {state.history.stopped}", style="yellow", highlight=False)

    def _show(self, state: TrainingState, values: str) -> None:
        if self._bar is None or self._task is None:
            return
        self._shown_at = time.perf_counter()
        rate = state.samples / max(self._shown_at - self._started, 1e-9)
        self._bar.update(
            self._task,
            completed=state.step,
            description=f"epoch {state.epoch}/{state.epochs}",
            rate=f"{_short(rate)} samples/s",
            values=values,
        )
        self._bar.refresh()

    def close(self) -> None:
        """Leave the bar as it is and give the terminal back."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _short(number: float) -> str:
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:.1f}{unit}"
    return f"{number:.0f}"
