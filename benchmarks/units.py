"""Numbers as people read them."""

from __future__ import annotations

from lamina.compiler.inspection import tables

NONE = "-"


def duration(seconds: float | None) -> str:
    """Return a time with three digits and its unit."""
    return NONE if seconds is None else tables.duration(seconds)
