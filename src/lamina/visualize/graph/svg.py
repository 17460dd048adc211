"""A graph as SVG."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from xml.sax.saxutils import escape

from lamina.visualize.graph.colours import COLOURS, GROUP, INK
from lamina.visualize.graph.layout import HEADER, LINE, PADDING, Box, Item, Line, Point, laid_out
from lamina.visualize.graph.recording import Picture, Vertex

_EDGE = "#6B7280"
_FONT = "ui-sans-serif, system-ui, Helvetica, Arial, sans-serif"


def written(picture: Picture) -> str:
    """Return the text of a picture."""
    box = laid_out(picture)
    width, height = f"{box.width:.0f}", f"{box.height:.0f}"
    counted = f"{len(picture.vertices)} vertices"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" font-family="{_FONT}" font-size="11.5" text-anchor="middle">',
        f"<title>Computation graph of {counted}</title>",
        '<defs><marker id="lamina-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto"><path d="M0 0.5 L8 4 L0 7.5 z" fill="{_EDGE}"/></marker></defs>',
        # Pages may be dark; the text is dark too.
        f'<rect width="{width}" height="{height}" fill="#FFFFFF"/>',
        *_boxes(box, 0.0, 0.0, 0),
        f'<g fill="none" stroke="{_EDGE}" stroke-width="1.1">',
        *_edges(picture, box),
        "</g>",
        *_vertices(box, 0.0, 0.0),
        "</svg>",
    ]
    return "\n".join(lines)


def _boxes(box: Box, x: float, y: float, depth: int) -> Iterator[str]:
    """Yield the boxes of groups, those around others first."""
    if box.group is not None:
        fill = GROUP.fill if depth % 2 else "#EEF2F7"
        yield (
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="8" fill="{fill}" '
            f'stroke="{GROUP.stroke}"/>'
        )
        yield (
            f'<text x="{x + PADDING - 2:.1f}" y="{y + HEADER - 6:.1f}" text-anchor="start" font-weight="600" '
            f'fill="#475569">{escape(_printable(box.group.label))}</text>'
        )
    for item in box.items:
        if item.inside is not None:
            yield from _boxes(item.inside, x + item.x - item.width / 2, y + item.y, depth + 1)


def _vertices(box: Box, x: float, y: float) -> Iterator[str]:
    for item in box.items:
        if item.inside is not None:
            yield from _vertices(item.inside, x + item.x - item.width / 2, y + item.y)
        elif item.vertex is not None:
            yield from _vertex(item.vertex, item, x + item.x, y + item.y)


def _vertex(vertex: Vertex, item: Item, x: float, y: float) -> Iterator[str]:
    fill, stroke = COLOURS[vertex.kind]
    yield (
        f'<rect x="{x - item.width / 2:.1f}" y="{y:.1f}" width="{item.width:.1f}" height="{item.height:.1f}" rx="6" '
        f'fill="{fill}" stroke="{stroke}"/>'
    )
    for place, text in enumerate(vertex.lines):
        weight, colour = ("600", INK) if place == 0 else ("400", "#4B5563")
        yield (
            f'<text x="{x:.1f}" y="{y + 15.5 + LINE * place:.1f}" font-weight="{weight}" fill="{colour}">'
            f"{escape(_printable(text))}</text>"
        )


# --- edges ----------------------------------------------------------------------------------------------------


def _edges(picture: Picture, whole: Box) -> Iterator[str]:
    places = dict(_places(whole, 0.0, 0.0))
    drawn: dict[Vertex, set[Point]] = {}
    for vertex in picture.vertices:
        for operand in dict.fromkeys(vertex.operands):
            points = _way(operand, vertex, whole, places)
            # Lines from one vertex run together at first, and are drawn together as far as they do.
            before = drawn.setdefault(operand, set())
            new = next((at for at, point in enumerate(points) if point not in before), len(points) - 1)
            before.update(points)
            yield f'<path d="{_curve(points[max(new - 1, 0) :])}" marker-end="url(#lamina-arrow)"/>'


def _places(box: Box, x: float, y: float) -> Iterator[tuple[Box, Point]]:
    """Yield every box with its upper left corner."""
    yield box, (x, y)
    for item in box.items:
        if item.inside is not None:
            yield from _places(item.inside, x + item.x - item.width / 2, y + item.y)


def _chain(vertex: Vertex, whole: Box) -> list[tuple[Box, Item]]:
    """Return the boxes around a vertex, the outermost first, each with the item in it that is or holds the vertex."""
    around = list(vertex.group.outwards())[::-1] if vertex.group is not None else []
    chain, box = [], whole
    for group in around:
        item = next(each for each in box.items if each.inside is not None and each.inside.group is group)
        chain.append((box, item))
        assert item.inside is not None
        box = item.inside
    chain.append((box, next(each for each in box.items if each.vertex is vertex)))
    return chain


def _way(source: Vertex, target: Vertex, whole: Box, places: dict[Box, Point]) -> list[Point]:
    """Return the points from one vertex to another: out of the boxes of the one, into those of the other."""
    out, into = _chain(source, whole), _chain(target, whole)
    common = 0
    while common + 1 < min(len(out), len(into)) and out[common][1] is into[common][1]:
        common += 1
    points: list[Point] = []
    for box, item in reversed(out[common + 1 :]):
        points += _stops(_line(box, source, item, box.exits[source]), places[box])
    shared = out[common][0]
    points += _stops(_line(shared, source, out[common][1], into[common][1]), places[shared])
    for box, item in into[common + 1 :]:
        points += _stops(_line(box, source, box.entries[source], item), places[box])
    return points


def _line(box: Box, source: Vertex, start: Item, end: Item) -> Line:
    return next(each for each in box.lines if each.source is source and each.start is start and each.end is end)


def _stops(line: Line, corner: Point) -> Iterator[Point]:
    """Yield the points of one line in one box."""
    x, y = corner
    yield x + line.start.x + line.start.port(line.source, False), y + line.start.y + line.start.height
    for item in line.way:
        yield x + item.x, y + item.y
        yield x + item.x, y + item.y + item.height
    yield x + line.end.x + line.end.port(line.source, True), y + line.end.y


def _curve(points: list[Point]) -> str:
    """Return a path through points that leaves and meets each of them vertically."""
    x, y = points[0]
    parts = [f"M{x:.1f} {y:.1f}"]
    for (x0, y0), (x1, y1) in pairwise(points):
        if abs(x1 - x0) < 0.5 or y1 - y0 < 1.0:
            parts.append(f"L{x1:.1f} {y1:.1f}")
        else:
            bend = (y1 - y0) / 2
            parts.append(f"C{x0:.1f} {y0 + bend:.1f} {x1:.1f} {y1 - bend:.1f} {x1:.1f} {y1:.1f}")
    return " ".join(parts)


def _printable(text: str) -> str:
    """Return a text without what XML cannot hold."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
