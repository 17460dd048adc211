"""Whether what was taken for the names of columns is a row of the table, because its file has no header."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?")

REMEDY = "if the first line is a row like the others, read the file with header=False (--no-header)"


def looks_like_a_row(names: Sequence[str]) -> bool:
    """Say whether most names are numbers, and not those of pixels or years, which are whole and ascend."""
    numbers = [name for name in names if NUMBER.fullmatch(name)]
    if 2 * len(numbers) < max(1, len(names)):
        return False
    if not all(name.isdecimal() for name in numbers):
        return True
    found = [int(name) for name in numbers]
    return any(left >= right for left, right in pairwise(found)) or len(found) == 1


def remedy(names: Sequence[str]) -> str:
    """Return what to do about a header that looks like a row, as the end of a message; nothing where it does not."""
    return f"; {REMEDY}" if looks_like_a_row(names) else ""
