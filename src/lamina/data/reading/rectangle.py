"""Whether separated text is a rectangle: as many cells in every line, and quotation marks only around whole cells."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

PIECE = 1 << 24
"""Bytes looked at at a time."""

NEW_LINE, QUOTE = ord("\n"), ord('"')


def row_lines(data: bytes, separator: str, columns: int) -> npt.NDArray[np.int64] | None:
    """Return the line, from 0, that each row begins on; ``None`` where the text is not a rectangle.

    A cell may be quoted as a whole, ``"like, this"``, with its own quotation marks doubled; it may hold separators and
    line breaks then. In such text nothing can be misread, and no cell needs to be looked at here.

    Parameters
    ----------
    data : bytes
        Text without carriage returns, which ends with a line break.
    separator : str
    columns : int
        Cells of each row.
    """
    everything = np.frombuffer(data, np.uint8)
    found = [np.zeros(1, np.int64)]
    quotes = cells = lines = 0  # quotation marks, cells of the row that goes on, and line breaks, before the piece
    for start in range(0, len(data), PIECE):
        piece = everything[start : start + PIECE]
        marks = np.flatnonzero((piece == NEW_LINE) | (piece == ord(separator)))
        breaks = piece[marks] == NEW_LINE
        if quotes or data.find(b'"', start, start + PIECE) >= 0:
            quoted = np.flatnonzero(piece == QUOTE)
            if not _stand_around_cells(everything, quoted + start, quotes, separator):
                return None
            outside = (np.searchsorted(quoted, marks) + quotes) % 2 == 0
            quotes += quoted.size
        else:
            outside = np.ones(marks.size, bool)
        ends = np.flatnonzero(breaks[outside])
        counts = np.diff(ends, prepend=-1 - cells)
        if not (counts == columns).all():
            return None
        cells = int(outside.sum()) - int(ends[-1]) - 1 if ends.size else cells + int(outside.sum())
        if cells >= columns:
            return None
        found.append(lines + np.flatnonzero(outside[breaks]) + 1)
        lines += int(breaks.sum())
    return np.concatenate(found)[:-1] if quotes % 2 == 0 else None


def _stand_around_cells(
    everything: npt.NDArray[np.uint8], places: npt.NDArray[np.int64], before: int, separator: str
) -> bool:
    """Say whether quotation marks that open follow the end of a cell, and those that close are followed by one.

    One that is doubled closes and opens again.
    """
    borders = (NEW_LINE, ord(separator), QUOTE)
    opening, closing = places[before % 2 :: 2], places[1 - before % 2 :: 2]
    opening = opening[opening > 0]
    return bool(np.isin(everything[opening - 1], borders).all() and np.isin(everything[closing + 1], borders).all())
