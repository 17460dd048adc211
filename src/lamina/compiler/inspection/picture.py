"""The picture of a profile."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lamina.compiler.inspection.profile import COLOURS, QUIET, KernelTime, Profile
from lamina.compiler.inspection.tables import digits, duration
from lamina.errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST = 60
"""Bars of a picture; of more kernels, the slowest are shown."""
_WIDTH, _HEIGHT, _MARGINS = 11.5, 0.27, 1.3  # inches: of the picture, of a bar, above and below the bars
_NAME = 66
"""Letters of a kernel's name."""


def draw(profile: Profile) -> Figure:
    """Return a figure with a bar for each kernel, from top to bottom in the order of running."""
    from matplotlib.figure import Figure

    slowest = sorted(profile.kernels, key=lambda each: -each.seconds)[:_MOST]
    shown = sorted(slowest, key=lambda each: each.number)
    names = [_shortened(f"{each.number}  {each.name}") for each in shown] + ["waiting, and between kernels"]
    seconds = [each.seconds for each in shown] + [profile.waiting]
    labels = [_label(each) for each in shown] + [duration(profile.waiting)]
    unit, symbol = _unit(max(seconds))
    # A Figure of its own, not pyplot's: no window, no global state.
    figure = Figure(figsize=(_WIDTH, _HEIGHT * len(names) + _MARGINS), layout="constrained")
    axis = figure.subplots()
    lengths = [each / unit for each in seconds]
    bars = axis.barh(range(len(names)), lengths, color=[*(COLOURS[each.kind] for each in shown), QUIET], height=0.72)
    axis.bar_label(bars, labels, padding=4, fontsize=8)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.set_ylim(len(names) - 0.4, -0.6)
    # Room for what is written behind the longest bar.
    axis.set_xlim(0.0, max(lengths) * 1.45 or 1.0)
    axis.set_xlabel(f"time ({symbol})")
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="x", alpha=0.25, linewidth=0.6)
    axis.set_axisbelow(True)
    _legend(figure, [kind for kind in COLOURS if any(each.kind == kind for each in shown)])
    left_out = len(profile.kernels) - len(shown)
    title = f"{profile.name}: {profile.summary}" + (f"; {left_out} faster kernels are not shown" if left_out else "")
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure to a file of the format that its ending names."""
    ending = path.suffix.lower().lstrip(".")
    formats = figure.canvas.get_supported_filetypes()
    if ending not in formats:
        raise DataError(f"Profile.plot: {path.name} does not end in a format; use {', '.join(formats)}")
    figure.savefig(path, dpi=150)


def _legend(figure: Figure, kinds: list[str]) -> None:
    from matplotlib.patches import Patch

    patches = [Patch(color=COLOURS[kind], label=kind) for kind in kinds]
    if len(patches) > 1:
        figure.axes[0].legend(handles=patches, frameon=False, fontsize=8, loc="lower right")


def _label(kernel: KernelTime) -> str:
    parts = [duration(kernel.seconds)]
    if kernel.rate:
        parts.append(f"{digits(kernel.rate / 1e9)} GFLOP/s")
    if kernel.fraction_of_peak:
        parts.append(f"{kernel.fraction_of_peak:.0%} of peak")
    return ", ".join(parts)


def _shortened(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 3].rstrip()}..."


def _unit(longest: float) -> tuple[float, str]:
    for unit, symbol in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if longest >= unit:
            return unit, symbol
    return 1e-9, "ns"
