"""A profile as tables, in plain text and for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.compiler.inspection.tables import aligned, bar_table, digits, duration, size
from lamina.pictures import BLUE
from lamina.profiling.recorder import COMPILING
from lamina.profiling.rows import LayerRow, OperationRow, share_of

if TYPE_CHECKING:
    from rich.console import Group

    from lamina.profiling.profiles import Profile

OPERATIONS = ("operation", "pass", "calls", "time", "share", "a call", "memory", "GFLOP/s")
LAYERS = ("layer", "calls", "forward", "backward", "update", "share", "memory", "FLOP")
BETWEEN = "between operations: Python, profiling"
MOST = 30
"""Rows of operations that are printed, the slowest; all are in `Profile.operations`."""
_BAR = 12
"""Characters of a bar that stands for all of the time."""
_COUNTS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def count(number: float) -> str:
    """Return a count with three digits.

    Examples
    --------
    >>> count(0), count(812), count(65_536), count(1.5e9)
    ('', '812', '65.5 k', '1.50 G')
    """
    for unit, name in _COUNTS:
        if number >= unit:
            return f"{digits(number / unit)} {name}"
    return f"{number:.0f}" if number else ""


def text_tables(profile: Profile) -> str:
    """Return the tables as text."""
    parts = [_summary(profile)]
    if len(profile.layers) > 1:
        parts.append(aligned([LAYERS, *map(_layer_cells, profile.layers)], left=[0]))
    parts.append(aligned([OPERATIONS, *_operation_cells(profile)], left=[0, 1]))
    parts += [str(each) for each in profile.kernels.values()]
    return "\n\n".join(parts)


def rich_tables(profile: Profile) -> Group:
    """Return the tables for a terminal, with bars."""
    from rich.console import Group
    from rich.text import Text

    parts: list[object] = [Text(_summary(profile) + "\n")]
    if len(profile.layers) > 1:
        bars = [(each.share, BLUE) for each in profile.layers]
        parts += [bar_table(LAYERS, [*map(_layer_cells, profile.layers)], bars, [0], shrinking=0, width=_BAR), Text()]
    shown = [(each.share, BLUE) for each in profile.operations[:MOST]]
    left_out = [None] * (len(profile.operations) > MOST)
    between = share_of(profile.between, profile.seconds)
    all_bars = [*shown, *left_out, (between, BLUE)]
    parts.append(bar_table(OPERATIONS, _operation_cells(profile), all_bars, [0, 1], shrinking=0, width=_BAR))
    for each in profile.kernels.values():
        parts += [Text(), each]
    return Group(*parts)  # type: ignore[arg-type]


def _summary(profile: Profile) -> str:
    calls = sum(each.calls for each in profile.operations)
    return f"{duration(profile.seconds)} profiled, {calls:,} operations"


def layer_label(row: LayerRow) -> str:
    """Return a layer's name and class, once where they are the same."""
    return row.name if row.name.partition("#")[0] == row.kind or not row.kind else f"{row.name} {row.kind}"


def _layer_cells(row: LayerRow) -> tuple[str, ...]:
    times = [duration(each) if each else "" for each in (row.forward, row.backward, row.update)]
    calls = str(row.calls) if row.calls else ""
    label = "  " * row.depth + layer_label(row)
    return label, calls, *times, f"{row.share:.1%}", size(row.bytes) if row.bytes else "", count(row.flops)


def _operation_cells(profile: Profile) -> list[tuple[str, ...]]:
    rows = list(profile.operations)
    cells = [_cells(each) for each in rows[:MOST]]
    if len(rows) > MOST:
        rest = rows[MOST:]
        seconds = sum(each.seconds for each in rest)
        calls = sum(each.calls for each in rest)
        share = share_of(seconds, profile.seconds)
        cells.append((f"{len(rest)} more", "", str(calls), duration(seconds), f"{share:.1%}", "", "", ""))
    share = share_of(profile.between, profile.seconds)
    return [*cells, (BETWEEN, "", "", duration(profile.between), f"{share:.1%}", "", "", "")]


def _cells(row: OperationRow) -> tuple[str, ...]:
    rate = row.flops / row.seconds / 1e9 if row.seconds and row.phase != COMPILING else 0.0
    mean = duration(row.seconds / row.calls) if row.calls else ""
    moved = size(row.bytes) if row.bytes else ""
    return (
        row.name,
        row.phase,
        str(row.calls),
        duration(row.seconds),
        f"{row.share:.1%}",
        mean,
        moved,
        digits(rate) if rate >= 0.005 else "",
    )
