"""A graph in DOT."""

from __future__ import annotations

from collections.abc import Iterator

from lamina.visualize.graph.colours import COLOURS, GROUP, INK
from lamina.visualize.graph.recording import Group, Picture


def written(picture: Picture) -> str:
    """Return the text of a directed graph."""
    groups = picture.groups()
    numbers = {group: number for number, group in enumerate(groups)}
    lines = [
        "digraph lamina {",
        f'  graph [fontname="Helvetica", fontcolor="{INK}", style="rounded,filled"];',
        f'  node [fontname="Helvetica", fontcolor="{INK}", shape=box, style="rounded,filled"];',
        *_inside(None, picture, groups, numbers, "  "),
    ]
    lines += [f"  v{each.number} -> v{vertex.number};" for vertex in picture.vertices for each in vertex.operands]
    return "\n".join([*lines, "}"])


def _inside(
    group: Group | None, picture: Picture, groups: list[Group], numbers: dict[Group, int], indent: str
) -> Iterator[str]:
    """Yield the lines of a group: its vertices, and the groups in it."""
    for vertex in picture.vertices:
        if vertex.group is group:
            fill, stroke = COLOURS[vertex.kind]
            label = "\\n".join(map(_escaped, vertex.lines))
            yield f'{indent}v{vertex.number} [label="{label}", fillcolor="{fill}", color="{stroke}"];'
    for each in groups:
        if each.around is group:
            # A subgraph whose name begins so is drawn as a box.
            yield f"{indent}subgraph cluster{numbers[each]} {{"
            fill, stroke = GROUP
            yield f'{indent}  label="{_escaped(each.label)}"; fillcolor="{fill}"; color="{stroke}";'
            yield from _inside(each, picture, groups, numbers, indent + "  ")
            yield f"{indent}}}"


def _escaped(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in escaped)
