"""What the commands show: tables of results, notes and errors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

# From here on a number is written with a power of ten.
LONG = 1e12


def output() -> Console:
    """Return the console for results; it leaves colours out where nobody would see them."""
    return Console(highlight=False)


def errors() -> Console:
    """Return the console for errors, on standard error."""
    return Console(stderr=True, highlight=False)


def show_error(message: str) -> None:
    """Show what went wrong on standard error."""
    # Paths and names are to be copied, so lines are not broken.
    errors().print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True)


def show_notes(console: Console, notes: Iterable[str]) -> None:
    """Show what the user should know but need not act on."""
    for note in notes:
        console.print(f"[yellow]note:[/] {escape(note)}", soft_wrap=True)


def show_results(console: Console, parts: Mapping[str, tuple[int, Mapping[str, float]]], title: str) -> None:
    """Show a title and a table with a line for each part: its name, its number of rows, its scores."""
    # A line of its own: the title of a rich table is broken at the table's width.
    console.print(title, style="bold", soft_wrap=True, markup=False)
    table = RichTable()
    table.add_column("part")
    table.add_column("rows", justify="right")
    names = list(next(iter(parts.values()))[1])
    for name in names:
        table.add_column(name, justify="right")
    for part, (rows, scores) in parts.items():
        table.add_row(escape(part), f"{rows:,}", *[shown_score(name, scores[name]) for name in names])
    console.print(table)


def shown_score(name: str, value: float | None) -> str:
    """Return a score as a reader wants it: shares in percent, others with four figures."""
    if value is None or not math.isfinite(value):
        return "–"
    if name in ("accuracy", "macro F1"):
        return f"{100.0 * value:.2f} %"
    return f"{value:,.0f}" if 1e4 <= abs(value) < LONG else f"{value:,.4g}"
