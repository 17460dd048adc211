"""Places for the vertices of a graph: in layers from above, groups in boxes.

Each group is laid out for itself, and is one item in the group around it. Edges that leave or enter a group go through
ports at the end or the beginning of it, and edges that pass a layer have a place of their own there, so that no line
crosses a box that it has nothing to do with. (K. Sugiyama, S. Tagawa, M. Toda, IEEE SMC 11, 1981.)
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from lamina.visualize.graph.recording import Group, Picture, Vertex

Point = tuple[float, float]

GAP, RANK_GAP = 18.0, 26.0  # pixels between items side by side, and between layers
PADDING, HEADER = 12.0, 20.0  # around what is in a group, and for its name
_LETTER, _BOLD, LINE = 6.6, 7.5, 15.0  # of the text on a vertex, and from line to line
_ROUNDS = 12


@dataclass(eq=False)
class Item:
    """A vertex, a group, or a place where a line passes; laid out in the group around it.

    Attributes
    ----------
    width, height : float
    x, y : float
        The centre, and the upper edge, in the group around it.
    rank : int
    vertex : Vertex or None
    inside : Box or None
    """

    width: float = 0.0
    height: float = 0.0
    x: float = 0.0
    y: float = 0.0
    rank: int = 0
    vertex: Vertex | None = None
    inside: Box | None = None

    def port(self, source: Vertex, entering: bool) -> float:
        """Return how far from the centre a line from a vertex meets the upper or lower edge."""
        if self.inside is None:
            return 0.0
        ports = self.inside.entries if entering else self.inside.exits
        return ports[source].x - self.width / 2


Near = dict[Item, list[tuple[Item, float]]]
"""The items that lines lead to from each, and how far from their centres, from -0.5 to 0.5."""


@dataclass(eq=False)
class Line:
    """What leads from one item to another one in the same group, over the places where it passes layers."""

    source: Vertex
    start: Item
    end: Item
    way: list[Item] = field(default_factory=list)


@dataclass(eq=False)
class Box:
    """What is in a group, laid out: places are measured from the upper left corner."""

    group: Group | None
    width: float = 0.0
    height: float = 0.0
    items: list[Item] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    entries: dict[Vertex, Item] = field(default_factory=dict)
    exits: dict[Vertex, Item] = field(default_factory=dict)


def laid_out(picture: Picture) -> Box:
    """Return the box of the whole graph."""
    return _Layout(picture).box(None)


class _Layout:
    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._groups = picture.groups()
        self._edges = [(operand, vertex) for vertex in picture.vertices for operand in dict.fromkeys(vertex.operands)]

    def box(self, group: Group | None) -> Box:
        """Return a group, laid out with what is in it."""
        box = Box(group)
        item_of: dict[Vertex, Item] = {}
        for vertex in self._picture.vertices:
            if vertex.group is group:
                item_of[vertex] = Item(*_size(vertex), vertex=vertex)
                box.items.append(item_of[vertex])
        for each in self._groups:
            if each.around is group:
                inner = self.box(each)
                item = Item(inner.width, inner.height, inside=inner)
                box.items.append(item)
                item_of |= {vertex: item for vertex in self._picture.vertices if _is_in(vertex, each)}
        self._connect(box, item_of)
        _rank(box)
        _pass_layers(box)
        ranks = _ordered(box)
        _place(box, ranks)
        return box

    def _connect(self, box: Box, item_of: dict[Vertex, Item]) -> None:
        """Add the lines of a box, and the ports by which they come in and go out."""
        lines: dict[tuple[Vertex, Item, Item], Line] = {}
        for source, target in self._edges:
            start, end = item_of.get(source), item_of.get(target)
            if start is None and end is None:
                continue
            if start is None:
                start = box.entries.setdefault(source, Item())
            if end is None:
                end = box.exits.setdefault(source, Item())
            if start is not end:
                lines.setdefault((source, start, end), Line(source, start, end))
        box.lines = list(lines.values())
        box.items = [*box.entries.values(), *box.items, *box.exits.values()]


def _is_in(vertex: Vertex, group: Group) -> bool:
    return vertex.group is not None and any(each is group for each in vertex.group.outwards())


def _size(vertex: Vertex) -> Point:
    # The first line is bold.
    widths = [len(text) * (_BOLD if place == 0 else _LETTER) for place, text in enumerate(vertex.lines)]
    return max(widths) + 18.0, LINE * len(vertex.lines) + 9.0


# --- layers ---------------------------------------------------------------------------------------------------


def _rank(box: Box) -> None:
    """Give every item its layer: below all that leads to it; what is loose, right above what it leads to."""
    after: dict[Item, list[Item]] = {each: [] for each in box.items}
    missing = dict.fromkeys(box.items, 0)
    for line in box.lines:
        after[line.start].append(line.end)
        missing[line.end] += 1
    first = 1 if box.entries else 0
    order, ready = [], [each for each in box.items if not missing[each]]
    for each in ready:
        each.rank = max(each.rank, 0 if each in box.entries.values() else first)
        order.append(each)
        for follower in after[each]:
            follower.rank = max(follower.rank, each.rank + 1)
            missing[follower] -= 1
            if not missing[follower]:
                ready.append(follower)
    for each in reversed(_loose(box, order)):
        if after[each]:
            each.rank = min(follower.rank for follower in after[each]) - 1
    last = max((each.rank for each in box.items if each not in box.exits.values()), default=0) + 1
    for each in box.exits.values():
        each.rank = last


def _loose(box: Box, order: Sequence[Item]) -> list[Item]:
    """Return, in order, what nothing leads to but ports, and what is made of one such item alone: a turned weight."""
    before: dict[Item, set[Item]] = {each: set() for each in box.items}
    for line in box.lines:
        before[line.end].add(line.start)
    found: dict[Item, None] = {}
    for each in order:
        if each in box.entries.values() or len(before[each]) > 1 or each.inside is not None:
            continue
        if all(one in found for one in before[each]):
            found[each] = None
    return list(found)


def _pass_layers(box: Box) -> None:
    """Give lines over several layers a place in each between; lines from one vertex share them as far as they go."""
    shared: dict[tuple[Vertex, Item, int], Item] = {}
    for line in box.lines:
        for rank in range(line.start.rank + 1, line.end.rank):
            key = line.source, line.start, rank
            if key not in shared:
                shared[key] = Item(rank=rank)
                box.items.append(shared[key])
            line.way.append(shared[key])


def _links(box: Box) -> list[tuple[Item, float, Item, float]]:
    """Return the parts of lines from layer to layer, with how far from their centres they meet the items."""
    found: dict[tuple[Item, Item, float, float], None] = {}
    for line in box.lines:
        stops = [line.start, *line.way, line.end]
        for upper, lower in pairwise(stops):
            leaving = upper.port(line.source, False) if upper is line.start else 0.0
            entering = lower.port(line.source, True) if lower is line.end else 0.0
            found[upper, lower, leaving, entering] = None
    return [(upper, leaving, lower, entering) for upper, lower, leaving, entering in found]


def _ordered(box: Box) -> list[list[Item]]:
    """Return the layers, in each the items ordered by where they are led from and lead to."""
    ranks: list[list[Item]] = [[] for _ in range(max((each.rank for each in box.items), default=-1) + 1)]
    for each in box.items:
        ranks[each.rank].append(each)
    above: Near = {each: [] for each in box.items}
    below: Near = {each: [] for each in box.items}
    for upper, leaving, lower, entering in _links(box):
        # Where a line meets a wide box counts, not only which box.
        below[upper].append((lower, entering / (lower.width + 1.0)))
        above[lower].append((upper, leaving / (upper.width + 1.0)))
    best, fewest = [list(rank) for rank in ranks], _crossings(ranks, below)
    for turn in range(_ROUNDS):
        near, order = (above, range(len(ranks))) if turn % 2 == 0 else (below, reversed(range(len(ranks))))
        for place in order:
            _sort_by_neighbours(ranks, place, near)
        crossings = _crossings(ranks, below)
        if crossings < fewest:
            best, fewest = [list(rank) for rank in ranks], crossings
    return best


def _sort_by_neighbours(ranks: list[list[Item]], place: int, near: Near) -> None:
    around = (each for at in (place - 1, place, place + 1) if 0 <= at < len(ranks) for each in enumerate(ranks[at]))
    position = {item: at for at, item in around}

    def middle(item: Item) -> float:
        ends = near[item]
        return sum(position[each] + by for each, by in ends) / len(ends) if ends else float(position[item])

    ranks[place].sort(key=middle)


def _crossings(ranks: Sequence[Sequence[Item]], below: Near) -> int:
    total = 0
    for upper_rank, lower_rank in pairwise(ranks):
        position = {each: at for at, each in enumerate(lower_rank)}
        passed: list[float] = []
        for upper in upper_rank:
            ends = sorted(position[lower] + by for lower, by in below[upper])
            total += sum(len(passed) - bisect_right(passed, end) for end in ends)
            for end in ends:
                insort(passed, end)
    return total


# --- places ---------------------------------------------------------------------------------------------------


def _place(box: Box, ranks: list[list[Item]]) -> None:
    """Give every item its place: as straight below and above what it is connected with as fits."""
    links = _links(box)
    near: dict[Item, list[tuple[Item, float, bool]]] = {each: [] for each in box.items}
    for upper, leaving, lower, entering in links:
        near[lower].append((upper, leaving - entering, True))
        near[upper].append((lower, entering - leaving, False))
    for rank in ranks:
        at = 0.0
        for each in rank:
            each.x = at + each.width / 2
            at += each.width + GAP
    for turn in range(2 * _ROUNDS):
        downwards = turn % 2 == 0
        for rank in ranks if downwards else reversed(ranks):
            wanted = []
            for each in rank:
                # In the last rounds both sides count, so that neither is left crooked.
                sides = [(one, by) for one, by, is_above in near[each] if turn >= _ROUNDS or is_above == downwards]
                wanted.append(sum(one.x + by for one, by in sides) / len(sides) if sides else each.x)
            _settle(rank, wanted)
    left = min((each.x - each.width / 2 for each in box.items), default=0.0)
    for each in box.items:
        each.x += PADDING - left
    name = len(box.group.label) * _BOLD + 8.0 if box.group is not None else 0.0
    widest = max((each.x + each.width / 2 for each in box.items), default=0.0)
    box.width = max(widest, name + PADDING) + PADDING
    for each in box.items:
        each.x += (box.width - widest - PADDING) / 2
    # Ports are at the edges, where nothing else has to fit.
    y = (HEADER if box.group is not None else PADDING) - (RANK_GAP - 8.0 if box.entries else 0.0)
    for rank in ranks:
        height = max((each.height for each in rank), default=0.0)
        for each in rank:
            # A line passes from the top of a layer to its end.
            each.y = y if each.vertex is None and each.inside is None else y + (height - each.height) / 2
            if each.vertex is None and each.inside is None:
                each.height = height
        y += height + RANK_GAP
    box.height = y - RANK_GAP + PADDING - (RANK_GAP if box.exits else 0.0)
    for each in box.entries.values():
        each.y, each.height = 0.0, 0.0
    for each in box.exits.values():
        each.y, each.height = box.height, 0.0


def _settle(rank: Sequence[Item], wanted: Sequence[float]) -> None:
    """Move the items of a layer as near as possible to where they are wanted, in their order and without overlap.

    The least squares under that order are found by pooling adjacent violators (R. E. Barlow et al., 1972).
    """
    offsets, at = [], 0.0
    for place, each in enumerate(rank):
        if place:
            at += (rank[place - 1].width + each.width) / 2 + GAP
        offsets.append(at)
    pools: list[tuple[float, int]] = []
    for target, offset in zip(wanted, offsets, strict=True):
        total, count = target - offset, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            before, many = pools.pop()
            total, count = total + before, count + many
        pools.append((total, count))
    means = [total / count for total, count in pools for _ in range(count)]
    for each, mean, offset in zip(rank, means, offsets, strict=True):
        each.x = mean + offset
