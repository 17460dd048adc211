"""Where in the user's program something happened."""

from __future__ import annotations

import linecache
import os
import sys

from lamina.compiler.graph.ir import Line

_PACKAGE = os.path.abspath(os.path.join(__file__, "..", "..", ".."))


def users_place() -> Line | None:
    """Return the file and line of the innermost call that is not in this package; None where there is none."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        if frame.f_back is None:
            return None
        frame = frame.f_back
    linecache.lazycache(frame.f_code.co_filename, frame.f_globals)
    return Line(frame.f_code.co_filename, frame.f_lineno)


def users_line() -> str:
    """Return the file, line and text of the innermost call that is not in this package, to end a sentence with."""
    place = users_place()
    return "" if place is None else str(place)
