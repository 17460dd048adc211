"""Warnings that name the line of whoever called Lamina."""

from __future__ import annotations

import sys
import warnings


def warn(message: str) -> None:
    """Warn the user, naming the line that called into Lamina, however deep inside of it this happens."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "lamina":
        frame, level = frame.f_back, level + 1
    warnings.warn(message, UserWarning, stacklevel=level)
