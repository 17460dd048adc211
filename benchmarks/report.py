"""The tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.contender import load
from benchmarks.results import Results
from benchmarks.targets import STEP_TIMES, step_time_met, verdicts
from benchmarks.units import NONE, duration
from benchmarks.workloads import WORKLOADS


def met(value: bool | None) -> str:
    """Return a verdict in words."""
    return NONE if value is None else "[green]met[/green]" if value else "[red]not met[/red]"


def step_table(results: Results) -> Table:
    """Return the step times, and how they stand to the fastest peer's."""
    shown = _table("One step: forward, backward and Adam (gpt: AdamW; inference: forward), median of the rounds")
    _columns(shown, list(results.workloads))
    for name in results.contenders():
        cells = []
        for workload, measured in results.workloads.items():
            text = duration(measured[name].seconds) if name in measured else NONE
            cells.append(f"[bold]{text}[/bold]" if name == results.fastest_peer(workload) else text)
        shown.add_row(load(name).label, *cells)
    shown.add_section()
    ratios = [results.ratio(workload) for workload in results.workloads]
    shown.add_row("fastest peer / Lamina", *(NONE if ratio is None else f"{ratio:.2f}" for ratio in ratios))
    shown.add_row("target", *(f"{STEP_TIMES[workload]:g}" for workload in results.workloads))
    shown.add_row("", *(met(step_time_met(results, workload)) for workload in results.workloads))
    sizes = "; ".join(f"{name}: {WORKLOADS[name].description}" for name in results.workloads)
    shown.caption = f"{sizes}. Bold: the fastest peer. {results.threads} threads each."
    return shown


def product_table(results: Results) -> Table | None:
    """Return the rates of arithmetic, where products are most of the work and the peak is known."""
    workloads = [name for name in results.workloads if WORKLOADS[name].product_bound]
    peak = results.peak_gflops
    if not workloads or peak is None:
        return None
    shown = _table("Arithmetic of the products over the time of the whole step: GFLOP/s (of the peak)")
    _columns(shown, workloads)

    def row(label: str, rates: Iterable[float | None]) -> None:
        shown.add_row(label, *(NONE if rate is None else f"{rate:.0f} ({rate / peak:.0%})" for rate in rates))

    for name in results.contenders():
        row(
            load(name).label,
            (results.gflops(each, name) if name in results.workloads[each] else None for each in workloads),
        )
    ours = {workload: results.lamina(workload) for workload in workloads}
    inside = [results.workloads[each][name].product_gflops() if name else None for each, name in ours.items()]
    row("inside Lamina's products", inside)
    shown.add_section()
    shown.add_row("GFLOP a step", *(f"{WORKLOADS[workload].product_flops / 1e9:.3g}" for workload in workloads))
    core = max(results.core_gflops)
    shown.caption = (
        f"Peak, in float32: {peak:.0f} GFLOP/s, {core:.1f} measured on one core times {results.threads} threads."
    )
    return shown


def start_table(results: Results) -> Table | None:
    """Return what fresh processes need."""
    if not results.imports:
        return None
    shown = _table("Fresh processes")
    headings = ("import", "first call", "second start", "second / first", "whole process", "then", "peak memory")
    for heading in ("workload", "contender", *headings):
        shown.add_column(heading, justify="left" if heading in ("workload", "contender") else "right")
    for workload, measured in results.workloads.items():
        for place, (name, each) in enumerate(measured.items()):
            if each.first is None or each.second is None:
                continue
            shown.add_row(
                workload if place == 0 else "",
                load(name).label,
                duration(max(results.imports[name].values())),
                duration(each.first.first_call),
                duration(each.second.first_call),
                f"{each.second.first_call / each.first.first_call:.2f}",
                duration(each.first.process),
                duration(each.second.process),
                f"{each.first.memory / 2**20:.0f} MiB",
            )
        shown.add_section()
    shown.caption = (
        "First call: from the framework's wrapper to the first result, modules imported, weights built; second start: "
        "the same in a new process, with what the first left on disk. Memory: of the first, some steps and the "
        "compilers that it starts included."
    )
    return shown


def target_table(results: Results) -> Table | None:
    """Return the targets beside step time."""
    found = verdicts(results)
    if not found:
        return None
    shown = _table("The other targets, for compiled Lamina")
    for heading in ("workload", "target", "found", ""):
        shown.add_column(heading)
    for each in found:
        shown.add_row(each.workload, each.target, each.found, met(each.met))
    return shown


def failures(results: Results) -> list[str]:
    """Return a line for each contender that is missing or failed."""
    lines = [f"missing: {load(name).label} ({reason})" for name, reason in results.missing.items()]
    for workload, measured in results.workloads.items():
        lines += [f"failed: {load(n).label} on {workload}: {each.error}" for n, each in measured.items() if each.error]
    return lines


def report(results: Results, console: Console) -> None:
    """Print everything."""
    tables = (step_table(results), product_table(results), start_table(results), target_table(results))
    for table in tables:
        if table is not None:
            console.print(table)
            console.print()
    for line in failures(results):
        console.print(line, markup=False, highlight=False)


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", caption_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))


def _columns(table: Table, workloads: list[str]) -> None:
    table.add_column("")
    for heading in workloads:
        table.add_column(heading, justify="right")
