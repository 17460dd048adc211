"""The picture of a profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.compiler.inspection.profile import COLOURS, KernelTime, Profile
from lamina.compiler.inspection.tables import digits, duration
from lamina.pictures import QUIET, new_figure, time_axis, time_unit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST = 60
"""Bars of a picture; of more kernels, the slowest are shown."""
_WIDTH, _HEIGHT, _MARGINS = 11.5, 0.27, 1.3  # inches: of the picture, of a bar, above and below the bars
_NAME = 66
"""Letters of a kernel's name."""


def draw(profile: Profile) -> Figure:
    """Return a figure with a bar for each kernel, from top to bottom in the order of running."""
    slowest = sorted(profile.kernels, key=lambda each: -each.seconds)[:_MOST]
    shown = sorted(slowest, key=lambda each: each.number)
    names = [_shortened(f"{each.number}  {each.name}") for each in shown] + ["waiting, and between kernels"]
    seconds = [each.seconds for each in shown] + [profile.waiting]
    labels = [_label(each) for each in shown] + [duration(profile.waiting)]
    figure = new_figure(_WIDTH, _HEIGHT * len(names) + _MARGINS)
    axis, (unit, _) = figure.subplots(), time_unit(max(seconds))
    lengths = [each / unit for each in seconds]
    bars = axis.barh(range(len(names)), lengths, color=[*(COLOURS[each.kind] for each in shown), QUIET], height=0.72)
    axis.bar_label(bars, labels, padding=4, fontsize=8)
    time_axis(axis, names, max(seconds), 1.45)
    _legend(figure, [kind for kind in COLOURS if any(each.kind == kind for each in shown)])
    left_out = len(profile.kernels) - len(shown)
    title = f"{profile.name}: {profile.summary}" + (f"; {left_out} faster kernels are not shown" if left_out else "")
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure


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
