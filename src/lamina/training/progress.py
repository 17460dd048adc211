"""Showing how far a training is: a bar in a terminal or notebook, a line an epoch elsewhere."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from rich import progress as rich_progress
from rich.console import Console, RenderableType
from rich.progress import BarColumn, TextColumn
from rich.text import Text

from lamina.errors import DataError
from lamina.training.callbacks import Callback, TrainingState
from lamina.training.history import EpochRecord
from lamina.training.units import SAMPLES, Unit

# Often enough to look alive, seldom enough to cost nothing beside the steps.
REFRESH_SECONDS = 0.1


def progress_callback(progress: Literal[True, "auto"], unit: Unit = SAMPLES) -> Callback | None:
    """Return what shows the progress; None where nothing is to be shown.

    Parameters
    ----------
    progress : True or "auto"
        True shows a bar in a terminal or notebook and a line an epoch elsewhere, "auto" only the bar.
    unit : Unit
        What the pace is counted in.
    """
    if progress is not True and progress != "auto":
        raise DataError(f'fit: progress is {progress!r}; use True, False or "auto"')
    console = Console()
    if console.is_jupyter:
        from lamina.training.notebook import NotebookBar

        return NotebookBar(unit)
    if console.is_terminal:
        return ProgressBar(console, unit)
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


@dataclass(frozen=True)
class Progress:
    """How far a training is, as it is shown.

    Attributes
    ----------
    epoch, epochs : int
    done, total : int
        Steps.
    left : str
        The time until the last epoch ends, at the pace so far.
    rate : str
        Samples a second, or what else is counted, since this training began or was resumed.
    values : str
        The latest losses and metrics.
    """

    epoch: int
    epochs: int
    done: int
    total: int
    left: str
    rate: str
    values: str

    @property
    def description(self) -> str:
        """Which epoch runs."""
        return f"epoch {self.epoch}/{self.epochs}"

    @property
    def percent(self) -> int:
        """How much is done, in whole per cent."""
        return 100 * self.done // max(self.total, 1)


class ProgressDisplay(Callback, ABC):
    """What is told often how far a training is, and shows it at most ten times a second.

    Parameters
    ----------
    unit : Unit
        What the pace is counted in.
    """

    def __init__(self, unit: Unit = SAMPLES) -> None:
        self._unit = unit
        self._shown_at = self._started = 0.0
        self._begun_at = (0, 0)
        self._epoch_values = ""

    @abstractmethod
    def begin(self, progress: Progress) -> None:
        """Show the beginning."""

    @abstractmethod
    def draw(self, progress: Progress) -> None:
        """Show how far it is."""

    @abstractmethod
    def end(self, progress: Progress, reason: str) -> None:
        """Show the end, and why it came early; the reason is empty where it did not."""

    def on_train_begin(self, state: TrainingState) -> None:
        """Show the beginning; a resumed training begins where it was."""
        self._started = time.perf_counter()
        self._begun_at = state.step, state.samples
        self._epoch_values = _values(state.history.records[-1]) if state.history.records else ""
        self.begin(self._progress(state, self._started))

    def on_progress(self, state: TrainingState) -> None:
        """Show how far it is, if that was not done within a tenth of a second."""
        now = time.perf_counter()
        if now - self._shown_at >= REFRESH_SECONDS:
            self._shown_at = now
            self.draw(self._progress(state, now))

    def on_epoch_end(self, state: TrainingState, record: EpochRecord) -> None:
        """Keep the values of the epoch to show."""
        self._epoch_values = _values(record)

    def on_train_end(self, state: TrainingState) -> None:
        """Show the end."""
        self.end(self._progress(state, time.perf_counter()), state.history.stopped)

    def _progress(self, state: TrainingState, now: float) -> Progress:
        steps, samples = self._begun_at
        seconds, total = max(now - self._started, 1e-9), state.epochs * state.steps_per_epoch
        done = state.step - steps
        return Progress(
            epoch=state.epoch,
            epochs=state.epochs,
            done=state.step,
            total=total,
            left=_duration(seconds / done * (total - state.step)) if done else "–",
            rate=f"{_short((state.samples - samples) * self._unit.each / seconds)} {self._unit.name}/s",
            values=self._epoch_values or (f"loss {_number(state.batch_loss)}" if done else ""),
        )


class _Bar(rich_progress.Progress):
    """A bar with a line of values below it, so that neither takes room from the other."""

    values = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        yield Text(self.values, style="dim", no_wrap=True, overflow="ellipsis")


class ProgressBar(ProgressDisplay):
    """One bar for the whole training: epoch, time left, samples a second; below it the latest losses and metrics.

    Parameters
    ----------
    console : Console
    unit : Unit
    """

    def __init__(self, console: Console, unit: Unit = SAMPLES) -> None:
        super().__init__(unit)
        self._console = console
        # Drawn by hand at most ten times a second: no thread of its own that competes with the steps.
        self._bar = _Bar(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=28),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("[cyan]{task.fields[left]}[/] left  [cyan]{task.fields[rate]}[/]"),
            console=console,
            auto_refresh=False,
        )
        self._task = self._bar.add_task("", left="", rate="")

    def begin(self, progress: Progress) -> None:
        """Draw the first bar."""
        self._set(progress)
        self._bar.start()

    def draw(self, progress: Progress) -> None:
        """Move the bar."""
        self._set(progress)
        self._bar.refresh()

    def end(self, progress: Progress, reason: str) -> None:
        """Draw the bar a last time, and say why training ended early."""
        self.draw(progress)
        self._bar.stop()
        if reason:
            self._console.print(f"stopped: {reason}", style="yellow", highlight=False, markup=False)

    def on_error(self, state: TrainingState, error: BaseException) -> None:
        """Give the terminal back."""
        self._bar.stop()

    def _set(self, progress: Progress) -> None:
        self._bar.values = progress.values
        self._bar.update(
            self._task, total=progress.total, completed=progress.done, description=progress.description,
            left=progress.left, rate=progress.rate,
        )  # fmt: skip


def _duration(seconds: float) -> str:
    """Return a time as minutes and seconds, or hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"


def _short(number: float) -> str:
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:.1f}{unit}"
    return f"{number:.0f}"
