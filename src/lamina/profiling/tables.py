"""A profile as tables, in plain text and for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.compiler.inspection.tables import aligned, digits, duration, size
from lamina.profiling.recorder import COMPILING
from lamina.profiling.rows import LayerRow, OperationRow

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

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
        rows = [(*_layer_cells(each), each.share) for each in profile.layers]
        parts += [_table(LAYERS, rows, left=1), Text()]
    shares = [each.share for each in profile.operations[:MOST]]
    left_out = [None] * (len(profile.operations) > MOST)
    between = profile.between / profile.seconds if profile.seconds else 0.0
    all_shares = [*shares, *left_out, between]
    rows = [(*cells, share) for cells, share in zip(_operation_cells(profile), all_shares, strict=True)]
    parts.append(_table(OPERATIONS, rows, left=2))
    for each in profile.kernels.values():
        parts += [Text(), each]
    return Group(*parts)  # type: ignore[arg-type]


def _table(headings: tuple[str, ...], rows: list[tuple[object, ...]], left: int) -> Table:
    from rich import box
    from rich.bar import Bar
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.HORIZONTALS, padding=(0, 0, 0, 1), show_edge=False, pad_edge=False)
    for at, heading in enumerate(headings):
        # Names, the first column, give way to numbers where there is little room.
        table.add_column(heading, justify="left" if at < left else "right", no_wrap=at > 0)
        if heading == "share":
            table.add_column("", width=_BAR, no_wrap=True)
    place = headings.index("share") + 1
    for *cells, share in rows:
        bar = Text() if share is None else Bar(1.0, 0.0, min(float(share), 1.0), width=_BAR, color="#0072B2")  # type: ignore[arg-type]
        written = [Text(str(cell), no_wrap=True, overflow="ellipsis") for cell in cells]
        table.add_row(*written[:place], bar, *written[place:])
    return table


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
        share = seconds / profile.seconds if profile.seconds else 0.0
        cells.append((f"{len(rest)} more", "", str(calls), duration(seconds), f"{share:.1%}", "", "", ""))
    share = profile.between / profile.seconds if profile.seconds else 0.0
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
