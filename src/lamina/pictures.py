"""What all pictures share: colours, axes without ornament, and how they are written to files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from lamina.errors import DataError
from lamina.files import PathLike, replace_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Of the palette of Okabe and Ito (2008), which people with colour-blindness can tell apart.
BLUE, ORANGE, GREEN, PINK, YELLOW, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
SERIES = (BLUE, ORANGE, GREEN, PINK, YELLOW, SKY)
QUIET = "#6B7280"


def new_figure(width: float, height: float) -> Figure:
    """Return a figure of its own, not pyplot's: no window, no global state. Sizes are inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def plain(axis: Axes, title: str = "", x: str = "", y: str = "") -> None:
    """Name axes; a grid that does not get in the way. Titles are text, never formulas."""
    axis.set_title(title, loc="left", fontweight="bold", fontsize=10, parse_math=False)
    axis.set_xlabel(x, parse_math=False)
    axis.set_ylabel(y, parse_math=False)
    axis.grid(alpha=0.25, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def time_axis(axis: Axes, names: list[str], longest: float, room: float) -> None:
    """Name bars of times from top to bottom, with room, a factor, for what is written behind the longest."""
    axis.set_yticks(range(len(names)), names, fontsize=8, parse_math=False)
    axis.set_ylim(len(names) - 0.4, -0.6)
    unit, symbol = time_unit(longest)
    axis.set_xlim(0.0, longest / unit * room or 1.0)
    axis.set_xlabel(f"time ({symbol})", fontsize=9)
    axis.grid(axis="x", alpha=0.25, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def time_unit(longest: float) -> tuple[float, str]:
    """Return the unit, in seconds, in which the longest of some times is at least 1, and its symbol."""
    for unit, symbol in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if longest >= unit:
            return unit, symbol
    return 1e-9, "ns"


def save(operation: str, figure: Figure, path: PathLike | None) -> None:
    """Write a figure to a file of the format that its ending names, if a path is given.

    Raises
    ------
    DataError
        When the ending is no format.
    CheckpointError
        When the file cannot be written; it is as it was then.
    """
    if path is None:
        return
    ending = Path(path).suffix.lower().lstrip(".") or "png"
    formats = figure.canvas.get_supported_filetypes()
    if ending not in formats:
        raise DataError(
            f"{operation}: {Path(path).name} ends in .{ending}, which is no format; use {', '.join(formats)}"
        )
    buffer = io.BytesIO()
    figure.savefig(buffer, format=ending, dpi=150)
    replace_file(operation, path, buffer.getvalue())
