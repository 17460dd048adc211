"""Where the time of a compiled function goes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lamina.compiler.inspection.kernels import FALLBACK, KernelReport
from lamina.compiler.inspection.tables import aligned, bar_table, digits, duration
from lamina.pictures import BLUE, GREEN, ORANGE, PINK, QUIET, YELLOW

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Group

_HEADINGS = ("", "kernel", "time", "share", "GFLOP/s", "of peak", "GB/s")
_LEFT = (1,)
_WAITING = "waiting, and between kernels"
_BAR = 10
"""Characters of a bar that stands for all of the time."""
_SHORT = 1e-8
"""Seconds up to which a time is the clock's more than the kernel's, so that no rate is shown."""
COLOURS = {"product": BLUE, "reduction": ORANGE, "loops": GREEN, "special": PINK, FALLBACK: YELLOW}


@dataclass(frozen=True)
class KernelTime(KernelReport):
    """What one kernel does, and how long it takes.

    Attributes
    ----------
    seconds : float
        In a run; of the slowest thread. In a program of a microsecond kernels overlap, and take longer one by one.
    share : float
        Of the time of all kernels and of waiting, from 0 to 1.
    peak : float or None
        Floating-point operations that the threads of the program do in a second at most, in the kernel's type, by
        measurement; None for a kernel without floating-point arithmetic to count.
    """

    seconds: float
    share: float
    peak: float | None

    @property
    def rate(self) -> float | None:
        """Floating-point operations in a second, of a matrix product."""
        return self.flops / self.seconds if self.flops and self.seconds else None

    @property
    def fraction_of_peak(self) -> float | None:
        """The rate as a part of the peak."""
        return self.rate / self.peak if self.rate and self.peak else None

    @property
    def bandwidth(self) -> float:
        """Bytes in a second, of memory and caches alike."""
        return self.bytes / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Profile:
    """Where the time of a compiled function goes; prints as a table, and draws itself.

    Attributes
    ----------
    name : str
        Of the function.
    kernels : tuple of KernelTime
        In the order of running.
    seconds : float
        Of one run, when nothing is measured inside.
    waiting : float
        Seconds of a run in which not even the busiest thread is in a kernel: it waits for others, or is between two.
    threads : int
        How many run it.
    peak : float
        Floating-point operations that one core does in a second at most, in float32, by measurement.
    runs : int
        How many the times are averages of: the fastest tenth of those made.
    """

    name: str
    kernels: tuple[KernelTime, ...]
    seconds: float
    waiting: float
    threads: int
    peak: float
    runs: int

    @property
    def products_fraction_of_peak(self) -> float | None:
        """The arithmetic of all matrix products over their time, as a part of the peak; None without products."""
        products = [each for each in self.kernels if each.flops and each.peak]
        seconds = sum(each.seconds for each in products)
        return sum(each.flops / (each.peak or 1.0) for each in products) / seconds if seconds else None

    @property
    def summary(self) -> str:
        """The numbers of the whole run in a sentence."""
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        said = f"{duration(self.seconds)} a run, {threads}; peak of a core {digits(self.peak / 1e9)} GFLOP/s"
        inside = self.products_fraction_of_peak
        return said if inside is None else f"{said}; {inside:.0%} of the peak inside the products"

    def plot(self, path: str | Path | None = None) -> Figure:
        """Draw a bar for each kernel, in the order of running.

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
            When the ending is no format.
        CheckpointError
            When the picture cannot be written.
        """
        from lamina.compiler.inspection.picture import draw
        from lamina.pictures import save

        figure = draw(self)
        save("Profile.plot", figure, path)
        return figure

    def __str__(self) -> str:
        return f"{self.name}: {self.summary}\n\n{aligned([_HEADINGS, *self._rows()], _LEFT)}"

    __repr__ = __str__

    def __rich__(self) -> Group:
        from rich.console import Group
        from rich.text import Text

        bars = [(each.share, COLOURS[each.kind]) for each in self.kernels] + [(self._waiting_share, QUIET)]
        table = bar_table(_HEADINGS, self._rows(), bars, _LEFT, shrinking=1, width=_BAR)
        return Group(Text(f"{self.name}: {self.summary}\n"), table)

    @property
    def _waiting_share(self) -> float:
        return self.waiting / self.seconds if self.seconds else 0.0

    def _rows(self) -> list[tuple[str, ...]]:
        rows = [
            (
                str(each.number),
                each.name + (" (FALLBACK)" if each.kind == FALLBACK else ""),
                duration(each.seconds),
                f"{each.share:.1%}",
                digits(each.rate / 1e9) if each.rate and each.seconds > _SHORT else "",
                f"{each.fraction_of_peak:.0%}" if each.fraction_of_peak and each.seconds > _SHORT else "",
                digits(each.bandwidth / 1e9) if each.seconds > _SHORT else "",
            )
            for each in self.kernels
        ]
        return [*rows, ("", _WAITING, duration(self.waiting), f"{self._waiting_share:.1%}", "", "", "")]
