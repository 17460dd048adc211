"""Numbers with units, and rows of text in columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

_LONG = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_LARGE = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def duration(seconds: float) -> str:
    """Return a time with three digits.

    Examples
    --------
    >>> duration(0.0000123456), duration(2.5), duration(0.9996e-3), duration(0.0)
    ('12.3 µs', '2.50 s', '1.00 ms', '0 ns')
    """
    return _in_units(seconds, _LONG) or f"{seconds * 1e9:.0f} ns"


def size(number: float) -> str:
    """Return bytes with three digits.

    Examples
    --------
    >>> size(12), size(65536), size(1.5e9)
    ('12 B', '65.5 kB', '1.50 GB')
    """
    return _in_units(number, _LARGE) or f"{number:.0f} B"


def _in_units(number: float, units: Sequence[tuple[float, str]]) -> str | None:
    """Return a number in the largest unit that it reaches; None where it reaches none."""
    return next((f"{digits(number / unit)} {name}" for unit, name in units if number >= 0.9995 * unit), None)


def digits(number: float) -> str:
    """Return a number with three digits, or all those before the point.

    Examples
    --------
    >>> digits(1.234), digits(12.34), digits(123.4), digits(12345.6)
    ('1.23', '12.3', '123', '12346')
    """
    return f"{number:.{2 if number < 9.995 else 1 if number < 99.95 else 0}f}"


def aligned(rows: Sequence[Sequence[str]], left: Sequence[int]) -> str:
    """Return rows as text in columns; the numbers of those that begin at the left are given, the rest end at the right.

    Examples
    --------
    >>> print(aligned([["one", "1"], ["eleven", "11"]], left=[0]))
    one      1
    eleven  11
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if at in left else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def bar_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    bars: Sequence[tuple[float, str] | None],
    left: Sequence[int],
    shrinking: int,
    width: int,
) -> Table:
    """Return a table for the terminal, with a bar behind the column ``share`` of each row.

    Parameters
    ----------
    headings, rows : sequence of str
    bars : sequence of (float, str) or None
        The length of each, at most 1, and its colour.
    left : sequence of int
        The columns that begin at the left.
    shrinking : int
        The column, of names, that gives way to numbers where there is little room.
    width : int
        Characters of a bar of length 1.
    """
    from rich import box
    from rich.bar import Bar
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.HORIZONTALS, padding=(0, 0, 0, 1), show_edge=False, pad_edge=False)
    for at, heading in enumerate(headings):
        table.add_column(heading, justify="left" if at in left else "right", no_wrap=at != shrinking)
        if heading == "share":
            table.add_column("", width=width, no_wrap=True)
    place = headings.index("share") + 1
    for row, bar in zip(rows, bars, strict=True):
        drawn = Text() if bar is None else Bar(1.0, 0.0, min(bar[0], 1.0), width=width, color=bar[1])
        cells = [Text(cell, no_wrap=True, overflow="ellipsis") for cell in row]
        table.add_row(*cells[:place], drawn, *cells[place:])
    return table
