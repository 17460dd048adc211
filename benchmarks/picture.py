"""The picture: the step time of every contender on every workload, on one logarithmic axis."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.contender import load
from benchmarks.results import Results
from benchmarks.units import NONE, duration
from benchmarks.workloads import WORKLOADS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The colours of Okabe and Ito, told apart with every kind of colour vision, and a shape for each besides.
MARKS = {
    "lamina_compiled": ("#D55E00", "D"),
    "lamina_eager": ("#E69F00", "d"),
    "torch_eager": ("#56B4E9", "o"),
    "torch_fused": ("#0072B2", "s"),
    "torch_bfloat16": ("#CC79A7", "s"),
    "torch_compile": ("#000000", "v"),
    "jax_jit": ("#009E73", "^"),
    "keras_jax": ("#009E73", "<"),
    "tinygrad_jit": ("#F0E442", "p"),
    "scikit_learn": ("#999999", "X"),
}


LANE = 0.14
"""The height in inches that the mark of a contender has to itself, so that the numbers beside marks do not meet."""


def draw(results: Results, path: Path) -> None:
    """Write the picture to a file; its suffix says the format."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    workloads = [name for name in results.workloads if any(each.rounds for each in results.workloads[name].values())]
    with mpl.rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        row = max(1.0, LANE * (len(results.contenders()) + 1))
        figure = Figure(figsize=(10.0, 1.7 + row * len(workloads)), layout="constrained")
        axes = figure.subplots()
        for place, workload in enumerate(workloads):
            _row(axes, results, workload, place)
        _frame(axes, results, workloads)
        _legend(figure, results)
        figure.savefig(path, dpi=150)


def _row(axes: Axes, results: Results, workload: str, place: int) -> None:
    """Draw the marks of one workload, each contender in its lane, and beside them the ratio to the fastest peer."""
    names = results.contenders()
    for lane, name in enumerate(names):
        measured = results.workloads[workload].get(name)
        if measured is None or measured.seconds is None:
            continue
        height = place + (lane - (len(names) - 1) / 2) / (len(names) + 1)
        color, shape = MARKS[name]
        size = 75 if load(name).ours else 45
        axes.scatter([measured.seconds], [height], color=color, marker=shape, s=size, linewidth=0, zorder=3)
        note: dict[str, Any] = {"xytext": (8, 0), "textcoords": "offset points", "fontsize": 7.5, "va": "center"}
        axes.annotate(duration(measured.seconds), (measured.seconds, height), color="0.3", **note)
    ratio = results.ratio(workload)
    text = NONE if ratio is None else f"{ratio:.2f}" if ratio < 10 else f"{ratio:.1f}"
    axes.text(1.08, place, text, transform=axes.get_yaxis_transform(), ha="center", va="center", fontweight="bold")


def _frame(axes: Axes, results: Results, workloads: list[str]) -> None:
    axes.set_xscale("log")
    axes.set_ylim(len(workloads) - 0.5, -0.5)
    axes.set_yticks(range(len(workloads)), [f"{name}\n{_sizes(name)}" for name in workloads], fontsize=9)
    axes.tick_params(axis="y", length=0)
    for boundary in range(1, len(workloads)):
        axes.axhline(boundary - 0.5, color="0.85", linewidth=0.8)
    low, high = axes.get_xlim()
    digits = (1, 2, 5) if high < 100.0 * low else (1,)
    powers = (digit * 10.0**power for power in range(-7, 3) for digit in digits)
    ticks = [value for value in powers if low <= value <= high]
    axes.xaxis.set_minor_formatter("")
    axes.set_xticks(ticks, [_round(value) for value in ticks])
    axes.grid(axis="x", color="0.9", zorder=0)
    axes.set_xlabel(f"time of one step, {results.threads} threads each, median of the rounds (shorter is better)")
    heading = "fastest peer /\nLamina"
    axes.text(1.08, -0.52, heading, transform=axes.get_yaxis_transform(), ha="center", va="bottom", fontsize=9)


def _round(seconds: float) -> str:
    """Return a tick without zeros after its point."""
    if seconds >= 1.0:
        return f"{seconds:g} s"
    return f"{seconds * 1e3:g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:g} µs"


def _sizes(name: str) -> str:
    return textwrap.fill(WORKLOADS[name].description, width=32)


def _legend(figure: Figure, results: Results) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=MARKS[name][0], marker=MARKS[name][1], linestyle="", markersize=8, label=load(name).label)
        for name in results.contenders()
    ]
    columns = math.ceil(len(handles) / 2)  # all of them in one row are wider than the picture
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, frameon=False, columnspacing=1.2)
