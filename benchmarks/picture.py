"""The picture: the step time of every contender on every workload, on one logarithmic axis."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.contender import load
from benchmarks.report import duration
from benchmarks.results import Results
from benchmarks.workloads import WORKLOADS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The colours of Okabe and Ito, told apart with every kind of colour vision, and a shape for each besides.
MARKS = {
    "lamina_compiled": ("#D55E00", "D"),
    "lamina_eager": ("#E69F00", "d"),
    "torch_eager": ("#56B4E9", "o"),
    "torch_fused": ("#0072B2", "s"),
    "torch_compile": ("#000000", "v"),
    "jax_jit": ("#009E73", "^"),
}


def draw(results: Results, path: Path) -> None:
    """Write the picture to a file; its suffix says the format."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    workloads = [name for name in results.workloads if any(each.rounds for each in results.workloads[name].values())]
    with mpl.rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(9.5, 1.9 + 0.85 * len(workloads)), layout="constrained")
        axes = figure.subplots()
        for place, workload in enumerate(workloads):
            _row(axes, results, workload, place)
        _frame(axes, results, workloads)
        _legend(figure, results)
        figure.savefig(path, dpi=150)


def _row(axes: Axes, results: Results, workload: str, place: int) -> None:
    """Draw the marks of one workload, from Lamina's to the slowest, and the ratio to the fastest peer."""
    times = {name: each.seconds for name, each in results.workloads[workload].items() if each.seconds}
    axes.plot([min(times.values()), max(times.values())], [place, place], color="0.8", linewidth=3, zorder=1)
    for name, seconds in times.items():
        color, shape = MARKS[name]
        size = 130 if load(name).ours else 75
        axes.scatter([seconds], [place], color=color, marker=shape, s=size, edgecolor="white", linewidth=0.8, zorder=3)
    ours, ratio = results.lamina(workload), results.ratio(workload)
    if ours is not None:
        text = duration(times[ours])
        if ratio is not None:
            text += f", {ratio:.1f} times as fast as the fastest peer" if ratio >= 1 else f", {ratio:.2f} of its speed"
        note: dict[str, Any] = {"xytext": (0, 12), "textcoords": "offset points", "fontsize": 9, "color": "0.25"}
        axes.annotate(text, (times[ours], place), ha="left", **note)


def _frame(axes: Axes, results: Results, workloads: list[str]) -> None:
    axes.set_xscale("log")
    axes.set_ylim(len(workloads) - 0.5, -0.7)
    axes.set_yticks(range(len(workloads)), [f"{name}\n{_sizes(name)}" for name in workloads])
    axes.tick_params(axis="y", length=0)
    low, high = axes.get_xlim()
    ticks = [value for value in (10.0**power for power in range(-7, 3)) if low <= value <= high]
    axes.set_xticks(ticks, [f"{value:g} s" if value >= 1 else _plain(value) for value in ticks])
    axes.grid(axis="x", color="0.9", zorder=0)
    axes.set_xlabel(f"time of one step, {results.threads} threads each, median of the rounds (shorter is better)")


def _plain(seconds: float) -> str:
    return f"{seconds * 1e3:g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:g} µs"


def _sizes(name: str) -> str:
    return WORKLOADS[name].description.replace(", ", "\n")


def _legend(figure: Any, results: Results) -> None:
    from matplotlib.lines import Line2D

    names = [name for name in results.contenders() if any(name in each for each in results.workloads.values())]
    handles = [
        Line2D([], [], color=MARKS[n][0], marker=MARKS[n][1], linestyle="", markersize=9, label=load(n).label)
        for n in names
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(names), frameon=False, columnspacing=1.2)
