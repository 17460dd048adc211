"""What happened in training, epoch by epoch."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lamina.errors import CheckpointError, DataError
from lamina.files import PathLike, finite_or_null, read_file, replace_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

SHOWN_ROWS = 20

# What an epoch records besides its metrics, which therefore have other names.
NOT_METRICS = ("epoch", "loss", "val_loss", "lr", "seconds")


@dataclass(frozen=True)
class EpochRecord:
    """What is recorded of one epoch.

    Attributes
    ----------
    epoch : int
        Counted from 1.
    loss : float
        The mean over the epoch's samples, each measured before the step it led to.
    lr : float
        The learning rate at the last step.
    seconds : float
        How long the epoch took, validation included.
    val_loss : float, optional
        The loss on the validation set at the end of the epoch.
    metrics : dict of str to float
        At the end of the epoch: ``val_accuracy`` and the like, without the prefix where there is no validation
        set and the training set is measured.
    """

    epoch: int
    loss: float
    lr: float
    seconds: float
    val_loss: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, float]:
        """Return everything by name, flat: what a line of a log holds."""
        validation = {} if self.val_loss is None else {"val_loss": self.val_loss}
        return {
            "epoch": self.epoch,
            "loss": self.loss,
            **validation,
            **self.metrics,
            "lr": self.lr,
            "seconds": self.seconds,
        }

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> EpochRecord:
        """Return the record of what `as_dict` returned, where None stands for NaN, which JSON does not have."""
        numbers = {name: math.nan if value is None else float(value) for name, value in values.items()}
        known = {name: numbers.pop(name) for name in ("loss", "lr", "seconds")}
        epoch = int(numbers.pop("epoch"))
        return cls(epoch, **known, val_loss=numbers.pop("val_loss", None), metrics=numbers)


class History(Mapping[str, list[float]]):
    """The record of a training: a mapping from names to lists with one value for each epoch.

    Attributes
    ----------
    records : list of EpochRecord
        One for each whole epoch; `append` adds to them.
    monitor : str
        What tells the best epoch: ``"val_loss"``, or ``"loss"`` without validation, unless early stopping
        watches something else.
    larger_is_better : bool
        Which way the monitored quantity improves.
    min_delta : float
        By how much it must be better than the best before to count.
    stopped : str
        Why training ended before the last epoch; empty when it did not.
    interrupted : bool
        Whether Ctrl-C ended it.

    Examples
    --------
    >>> from lamina.training import EpochRecord, History
    >>> history = History(monitor="val_loss")
    >>> history.append(EpochRecord(epoch=1, loss=0.9, lr=0.1, seconds=1.0, val_loss=0.8))
    >>> history.append(EpochRecord(epoch=2, loss=0.5, lr=0.1, seconds=1.0, val_loss=0.6))
    >>> history["val_loss"], history.best_epoch
    ([0.8, 0.6], 2)
    >>> history
    History(2 epochs, best 2 by val_loss: loss=0.5, val_loss=0.6)
    """

    def __init__(self, monitor: str = "loss", larger_is_better: bool = False, min_delta: float = 0.0) -> None:
        self.records: list[EpochRecord] = []
        self.monitor = monitor
        self.larger_is_better = larger_is_better
        self.min_delta = min_delta
        self._best: EpochRecord | None = None
        self.stopped = ""
        self.interrupted = False

    # --- as a mapping ---

    def __getitem__(self, name: str) -> list[float]:
        if name not in self._names():
            known = f"the names are {', '.join(self._names())}" if self.records else "no epoch came to its end"
            raise KeyError(f"history: {name!r} was not recorded; {known}")
        return [record.as_dict().get(name, math.nan) for record in self.records]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def _names(self) -> dict[str, None]:
        return dict.fromkeys(name for record in self.records for name in record.as_dict())

    def curves(self) -> dict[str, list[str]]:
        """Return what is drawn together, by its name without ``val_``: the losses first, then each metric."""
        names = [name for name in self if name not in NOT_METRICS or name.endswith("loss")]
        plain = dict.fromkeys(name.removeprefix("val_") for name in names)
        return {each: [name for name in names if name.removeprefix("val_") == each] for each in plain}

    def append(self, record: EpochRecord) -> None:
        """Add the record of the next epoch, which is the best so far if what is monitored has improved."""
        self.records.append(record)
        if self._improves(record):
            self._best = record

    def reset(self, records: Iterable[EpochRecord]) -> None:
        """Hold these records and no others; which is the best is judged anew."""
        kept = list(records)
        self.records.clear()
        self._best = None
        for record in kept:
            self.append(record)

    def judged_alike(self, records: Iterable[EpochRecord]) -> History:
        """Return a history of other records, judged as these are."""
        made = History(self.monitor, self.larger_is_better, self.min_delta)
        made.reset(records)
        return made

    # --- the best epoch ---

    @property
    def best(self) -> EpochRecord | None:
        """The record of the best epoch: the last that improved on all before it by more than ``min_delta``.

        It is what early stopping waits for, and whose weights are kept; None when no epoch is whole.
        """
        return self._best

    @property
    def best_value(self) -> float | None:
        """What was monitored, in the best epoch."""
        return None if self._best is None else self._best.as_dict()[self.monitor]

    def _improves(self, record: EpochRecord) -> bool:
        value, best = record.as_dict().get(self.monitor, math.nan), self.best_value
        if math.isnan(value) or best is None:
            return not math.isnan(value)
        return (value - best if self.larger_is_better else best - value) > self.min_delta

    @property
    def best_epoch(self) -> int | None:
        """The number of the best epoch."""
        return None if self.best is None else self.best.epoch

    # --- for people ---

    def __repr__(self) -> str:
        best = self.best
        if best is None:
            return f"History({len(self.records)} epochs)"
        shown = ("loss", "val_loss", *best.metrics)
        values = ", ".join(f"{name}={value:.4g}" for name, value in best.as_dict().items() if name in shown)
        count = f"{len(self.records)} epoch{'s' if len(self.records) > 1 else ''}"
        ended = ", interrupted" if self.interrupted else ""
        return f"History({count}, best {best.epoch} by {self.monitor}: {values}{ended})"

    def table(self) -> Table:
        """Return a rich table of the epochs, the best one marked; the middle of a long training is left out."""
        from rich.table import Table

        names = list(self)
        table = Table(title=f"{len(self.records)} epochs, ● the best by {self.monitor}")
        for name in names:
            table.add_column(name, justify="right")
        best, rows = self.best, list[EpochRecord | None](self.records)
        if len(rows) > SHOWN_ROWS:
            first, last = rows[: SHOWN_ROWS // 2], rows[-SHOWN_ROWS // 2 :]
            rows = [*first, None, *([] if best in first + last else [best, None]), *last]
        for record in rows:
            if record is None:
                table.add_row(*["…"] * len(names))
                continue
            values = record.as_dict()
            cells = [f"{values[name]:.4g}" if name in values else "" for name in names]
            cells[0] = f"● {record.epoch}" if record is best else f"{record.epoch}"
            table.add_row(*cells, style="bold" if record is best else None)
        return table

    def __rich__(self) -> Table:
        return self.table()

    def __str__(self) -> str:
        return as_text(self.table()) if self.records else repr(self)

    def plot(self, path: PathLike | None = None) -> Figure:
        """Draw the curves: the losses in one panel, each metric in another.

        Parameters
        ----------
        path : str or path, optional
            Where to save the picture; its ending chooses the format, such as ``.png``, ``.svg`` or ``.pdf``.

        Returns
        -------
        matplotlib.figure.Figure
            Drawn without a window, so it works on a machine without a screen.

        Raises
        ------
        DataError
            When there is no whole epoch to draw, or the ending is no format.
        CheckpointError
            When the picture cannot be written.
        """
        from lamina.pictures import save
        from lamina.training.plot import draw

        if not self.records:
            raise DataError("History.plot: no epoch was completed, so there is nothing to draw")
        figure = draw(self)
        save("History.plot", figure, path)
        return figure

    # --- in files ---

    def write(self, path: PathLike) -> None:
        """Write one line of JSON for each epoch; what is not finite becomes null.

        Raises
        ------
        CheckpointError
            When the file cannot be written; it is as it was then.
        """
        lines = [json.dumps(finite_or_null(each.as_dict())) for each in self.records]
        replace_file("History.write", path, "".join(f"{line}\n" for line in lines).encode())

    @classmethod
    def read(cls, path: PathLike) -> History:
        """Return the history that `write` left in a file; its best epoch is by the validation loss where it has one.

        Raises
        ------
        CheckpointError
            When the file cannot be read or is no such file.
        """
        try:
            lines = read_file("History.read", path).decode().splitlines()
            records = [EpochRecord.of(json.loads(line)) for line in lines if line.strip()]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CheckpointError(f"History.read: {path} is not a history, one JSON object a line: {error}") from error
        history = cls("val_loss" if any(record.val_loss is not None for record in records) else "loss")
        history.reset(records)
        return history


def as_text(table: Table) -> str:
    """Return a rich table as text without colours."""
    from rich.console import Console

    console = Console(width=120, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get().rstrip()
