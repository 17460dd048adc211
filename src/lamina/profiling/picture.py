"""The picture of a profile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lamina.compiler.inspection.tables import duration
from lamina.pictures import BLUE, GREEN, ORANGE, PINK, QUIET, YELLOW, new_figure, time_axis, time_unit
from lamina.profiling.recorder import BACKWARD, COMPILED, COMPILING, FORWARD, UPDATE
from lamina.profiling.rows import OperationRow
from lamina.profiling.tables import layer_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lamina.profiling.profiles import Profile

MOST = 24
"""Bars of a panel; of more operations the slowest are shown, of more layers the outermost."""
COLOURS = {FORWARD: BLUE, BACKWARD: ORANGE, UPDATE: GREEN, COMPILED: PINK, COMPILING: YELLOW}
_WIDTH, _HEIGHT, _MARGINS = 11.5, 0.3, 1.1  # inches: of the picture, of a bar, around the bars of a panel
_NAME = 44
"""Letters of a name."""

Bar = tuple[str, dict[str, float]]
"""A name, and the seconds of each pass."""


def draw(profile: Profile) -> Figure:
    """Return a figure with the layers above and the operations below."""
    panels = [("time by layer", _layers(profile)), ("time by operation", _operations(profile))]
    panels = [(title, bars) for title, bars in panels if bars]
    heights = [_HEIGHT * max(len(bars), 2) + _MARGINS for _, bars in panels]
    figure = new_figure(_WIDTH, sum(heights) + 0.4)
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axis, (title, bars) in zip(axes, panels, strict=True):
        _panel(axis, title, bars)
    figure.suptitle(f"{duration(profile.seconds)} profiled", x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


def _layers(profile: Profile) -> list[Bar]:
    rows = [each for each in profile.layers if each.seconds]
    if len(rows) < 2:
        return []
    deepest = max(each.depth for each in rows)
    while deepest and sum(each.depth <= deepest for each in rows) > MOST:
        deepest -= 1
    shown = [each for each in rows if each.depth <= deepest][:MOST]
    return [
        ("   " * each.depth + layer_label(each), {FORWARD: each.forward, BACKWARD: each.backward, UPDATE: each.update})
        for each in shown
    ]


def _operations(profile: Profile) -> list[Bar]:
    by_name: dict[str, list[OperationRow]] = {}
    for row in profile.operations:
        by_name.setdefault(row.name, []).append(row)
    bars = [(name, {row.phase: row.seconds for row in rows}) for name, rows in by_name.items()]
    bars.sort(key=lambda bar: -sum(bar[1].values()))
    rest = bars[MOST:]
    if rest:
        others: dict[str, float] = {}
        for _, times in rest:
            for phase, seconds in times.items():
                others[phase] = others.get(phase, 0.0) + seconds
        bars = [*bars[:MOST], (f"{len(rest)} more", others)]
    return [*bars, ("between operations", {"": profile.between})]


def _panel(axis: Axes, title: str, bars: Sequence[Bar]) -> None:
    totals = [sum(times.values()) for _, times in bars]
    unit, _ = time_unit(max(totals))
    left = [0.0] * len(bars)
    for phase in (*COLOURS, ""):
        lengths = [times.get(phase, 0.0) / unit for _, times in bars]
        if any(lengths):
            colour = COLOURS.get(phase, QUIET)
            axis.barh(range(len(bars)), lengths, left=left, color=colour, height=0.72, label=phase or None)
            left = [a + b for a, b in zip(left, lengths, strict=True)]
    for place, total in enumerate(totals):
        end = (total / unit, place)
        axis.annotate(duration(total), end, (4, 0), textcoords="offset points", va="center", fontsize=8)
    names = [_shortened(name) for name, _ in bars]
    time_axis(axis, names, max(totals), 1.12)
    if any(name.startswith(" ") for name in names):
        # A tree, which stands at the left.
        axis.set_yticks(range(len(bars)), names, fontsize=8, parse_math=False, ha="left")
        axis.tick_params(axis="y", pad=8 + 5.2 * max(map(len, names)))
    axis.set_title(title, loc="left", fontsize=10, fontweight="bold")
    if axis.get_legend_handles_labels()[0]:
        axis.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(COLOURS))


def _shortened(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 1].rstrip()}…"
