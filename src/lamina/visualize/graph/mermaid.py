"""A graph in the language of Mermaid."""

from __future__ import annotations

from collections.abc import Iterator

from lamina.visualize.graph.colours import COLOURS, GROUP, INK
from lamina.visualize.graph.recording import KINDS, Group, Picture, Vertex


def written(picture: Picture) -> str:
    """Return the text of a flowchart from above to below."""
    groups = picture.groups()
    numbers = {group: number for number, group in enumerate(groups)}
    lines = ["flowchart TD", *_inside(None, picture, groups, numbers, "  ")]
    lines += [f"  v{each.number} --> v{vertex.number}" for vertex in picture.vertices for each in vertex.operands]
    used = {each.kind for each in picture.vertices}
    for kind in KINDS:
        if kind in used:
            fill, stroke = COLOURS[kind]
            lines.append(f"  classDef {kind} fill:{fill},stroke:{stroke},color:{INK}")
    if groups:
        lines.append(f"  classDef layer fill:{GROUP.fill},stroke:{GROUP.stroke},color:{INK}")
        lines.append(f"  class {','.join(f'g{number}' for number in numbers.values())} layer")
    return "\n".join(lines)


def _inside(
    group: Group | None, picture: Picture, groups: list[Group], numbers: dict[Group, int], indent: str
) -> Iterator[str]:
    """Yield the lines of a group: its vertices, and the groups in it."""
    for vertex in picture.vertices:
        if vertex.group is group:
            yield f'{indent}v{vertex.number}["{_label(vertex)}"]:::{vertex.kind}'
    for each in groups:
        if each.around is group:
            yield f'{indent}subgraph g{numbers[each]}["{_escaped(each.label)}"]'
            yield from _inside(each, picture, groups, numbers, indent + "  ")
            yield f"{indent}end"


def _label(vertex: Vertex) -> str:
    return "<br/>".join(map(_escaped, vertex.lines))


def _escaped(text: str) -> str:
    """Return a text as Mermaid reads it between quotes: its own entities, where a character means something."""
    return "".join(f"#{ord(each)};" if each in '#"<>&`\\{};' or not each.isprintable() else each for each in text)
