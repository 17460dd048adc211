"""How a convolution is cut for vectors along the channels of its result, and whether that is the best way."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import product as combinations

from lamina.compiler.codegen.convolution.dots import suits
from lamina.compiler.codegen.convolution.problem import Convolution, Shape
from lamina.compiler.target import Target

TALLEST = 14
"""Places of a tile at most."""
FEW_TERMS = 48
"""Below so many terms the transposition of what a tile has become takes too large a share."""
FEW_PLACES = 8
"""Weights are packed for at least so many places a lane."""


@dataclass(frozen=True)
class Boxes:
    """Tiles of a box of places by vectors of channels.

    Attributes
    ----------
    lanes, vectors : int
        A tile has so many vectors of channels for each of its places.
    box : tuple of int
        How many images it has, and how many places along each axis.
    channels : int
        How many channels of x have their weights packed at a time; sums wait in memory for the others.
    """

    lanes: int
    vectors: int
    box: Shape
    channels: int

    @property
    def width(self) -> int:
        """Channels of the result in a tile."""
        return self.lanes * self.vectors

    @property
    def places(self) -> int:
        """Places of a tile."""
        return math.prod(self.box)

    @property
    def column(self) -> int:
        """Places of a tile that is transposed, in whole vectors."""
        return -(-self.places // self.lanes) * self.lanes

    def counts(self, problem: Convolution) -> Shape:
        """Return how many tiles lie along each axis: images, then places."""
        return tuple(-(-size // each) for size, each in zip(_sizes(problem), self.box, strict=True))

    def panel_bytes(self, problem: Convolution) -> int:
        """Return the memory of packed weights, in whole cache lines."""
        size = self.channels * math.prod(problem.window) * self.width * problem.summed.bits // 8
        return -(-size // 64) * 64

    def scratch_bytes(self, problem: Convolution) -> int:
        """Return the memory that one thread needs: for packed weights, and for sums that wait."""
        waiting = self.channels < problem.depth
        return self.panel_bytes(problem) + waiting * _sums_bytes(problem, self)


def _sizes(problem: Convolution) -> Shape:
    return (problem.images, *problem.places)


def _sums_bytes(problem: Convolution, boxes: Boxes) -> int:
    return math.prod(boxes.counts(problem)) * boxes.places * boxes.width * problem.summed.bits // 8


@cache
def boxes(problem: Convolution, target: Target) -> Boxes | None:
    """Return how to cut a convolution, or None where vectors along places or along the window fill more lanes."""
    lanes = target.lanes(problem.summed.bits)
    while lanes >= 2 * problem.rows:
        lanes //= 2
    many = math.prod(_sizes(problem)) >= FEW_PLACES * lanes and problem.terms >= FEW_TERMS
    if lanes < 2 or not many or problem.dtype.bits != problem.summed.bits:
        return None
    cuts = [
        cut
        for vectors in range(1, min(-(-problem.rows // lanes), 4) + 1)
        for cut in _cuts(problem, target, lanes, vectors)
    ]
    best = min(cuts, key=lambda cut: (_cycles(problem, cut), -cut.vectors * cut.places))
    wanted = math.prod(_sizes(problem)) * problem.rows
    fill = wanted / (_cycles(problem, best) * target.lanes(problem.summed.bits))
    return _blocked(problem, target, best) if fill > 1.04 * _fill_otherwise(problem, target) else None


def _cuts(problem: Convolution, target: Target, lanes: int, vectors: int) -> Iterator[Boxes]:
    """Return tiles that fit into the registers: whole inner axes, and some places along the one before."""
    # Beside the sums, registers hold the weights and one element of x; without fused instructions, a product too.
    room = (target.registers - vectors - (1 if target.fma else 2)) // vectors
    room = max(min(room, TALLEST), 1)
    inner: Shape = ()
    for size in reversed(_sizes(problem)):
        outer = (1,) * (len(problem.places) - len(inner))
        for extent in range(1, min(size, room) + 1):
            yield Boxes(lanes, vectors, (*outer, extent, *inner), problem.depth)
        room //= size
        inner = (size, *inner)


def _blocked(problem: Convolution, target: Target, cut: Boxes) -> Boxes:
    """Return tiles for which the packed weights stay in cache, if the sums that wait do so too."""
    if cut.panel_bytes(problem) <= target.l2 // 2 or _sums_bytes(problem, cut) > target.l2:
        return cut
    few = max(target.l1 // (cut.panel_bytes(problem) // problem.depth), 1)
    return replace(cut, channels=max(size for size in range(1, few + 1) if problem.depth % size == 0))


def _cycles(problem: Convolution, cut: Boxes) -> float:
    """Return how long one term takes for all tiles: by multiplications, or by loads where those are more."""
    panels = -(-problem.rows // cut.width)
    tile = max(cut.vectors * cut.places, cut.vectors + cut.places / 2, 8)
    return panels * math.prod(cut.counts(problem)) * tile


def _fill_otherwise(problem: Convolution, target: Target) -> float:
    """Return which part of the lanes does wanted work in tiles along the places, or along the window."""
    along, lanes = problem.window[-1] if suits(problem) else problem.places[-1], target.lanes(problem.summed.bits)
    # Strided elements are gathered from two vectors; along windows, each vector is loaded for few multiplications.
    loads = 0.8 if suits(problem) else 1 if problem.x_place[-1] == 1 else 0.5
    return along / (-(-along // lanes) * lanes) * loads


def offsets(problem: Convolution, cut: Boxes) -> list[int]:
    """Return how far the places of a box lie from the first, in x."""
    strides = (problem.x_image, *problem.x_place)
    return [
        sum(at * stride for at, stride in zip(place, strides, strict=True))
        for place in combinations(*(range(size) for size in cut.box))
    ]
