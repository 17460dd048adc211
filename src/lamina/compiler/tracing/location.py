"""Where in the user's program something happened."""

from __future__ import annotations

import linecache
import sys
from pathlib import Path

_PACKAGE = str(Path(__file__).resolve().parents[2])


def users_line() -> str:
    """Return the file, line and text of the innermost call that is not in this package, to end a sentence with."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        if frame.f_back is None:
            return ""
        frame = frame.f_back
    name, number = frame.f_code.co_filename, frame.f_lineno
    text = linecache.getline(name, number, frame.f_globals).strip()
    return f"\n  {name}, line {number}" + (f": {text}" if text else "")
