"""Colours of what a graph is made of, in all its languages."""

from __future__ import annotations

from typing import NamedTuple

from lamina.visualize.graph.recording import COMPILED, CONSTANT, INPUT, OPERATION, OUTPUT, VARIABLE


class Colours(NamedTuple):
    """Of a vertex: its area and its edge; text is dark on all of them."""

    fill: str
    stroke: str


INK = "#111827"
COLOURS = {
    INPUT: Colours("#DBEAFE", "#2563EB"),
    VARIABLE: Colours("#DCFCE7", "#15803D"),
    CONSTANT: Colours("#F3F4F6", "#9CA3AF"),
    OPERATION: Colours("#FFFFFF", "#6B7280"),
    COMPILED: Colours("#F3E8FF", "#7E22CE"),
    OUTPUT: Colours("#FFEDD5", "#C2410C"),
}
GROUP = Colours("#F8FAFC", "#CBD5E1")
