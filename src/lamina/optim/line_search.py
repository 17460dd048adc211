"""The search along a direction for a point that satisfies the strong Wolfe conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from lamina.tensor import Tensor

DECREASE = 1e-4
"""The share of the decrease that the first slope promises, which a point has to reach."""
FLATTENING = 0.9
"""The share of the first slope that a point may still have."""


class Point(NamedTuple):
    """A point along a direction: how far, and the loss, its slope along the direction and its gradient there."""

    distance: float
    value: float
    slope: float
    gradient: Tensor


def strong_wolfe(
    evaluate: Callable[[float], Point], start: Point, first: float, least_width: float, most: int
) -> Point:
    """Return a point that is low and flat enough, or the best found when the evaluations or the width run out.

    A point at distance ``t`` from the start, where the loss is ``f`` and its slope ``s``, is good when
    ``f(t) ≤ f + 1e-4 t s`` and ``|s(t)| ≤ 0.9 |s|``. Distances grow until two points have a good one between them;
    that interval is then narrowed by cubic interpolation.

    Source: J. Nocedal and S. Wright, "Numerical optimization", 2nd edition, 2006, algorithms 3.5 and 3.6, with the
    safeguards of M. Schmidt's minFunc, as in PyTorch.

    Parameters
    ----------
    evaluate : callable
        From a distance to the point there.
    start : Point
        At distance 0; its slope is negative.
    first : float
        The first distance to look at.
    least_width : float
        An interval narrower than this is not divided.
    most : int
        The number of evaluations after the first one.
    """
    point, count, interval = evaluate(first), 0, None
    before = start
    while interval is None and count < most:
        if not _is_low(point, start) or (count > 1 and point.value >= before.value):
            interval = [before, point]
        elif _is_flat(point, start):
            return point
        elif point.slope >= 0.0:
            interval = [before, point]
        else:
            nearest = point.distance + 0.01 * (point.distance - before.distance)
            before, point = point, evaluate(_lowest(before, point, nearest, 10.0 * point.distance))
            count += 1
    return _narrowed(evaluate, start, interval or [start, point], least_width, most - count)


def _narrowed(
    evaluate: Callable[[float], Point], start: Point, interval: list[Point], least_width: float, most: int
) -> Point:
    """Return a good point inside an interval that holds one, or its lower end."""
    low, near_an_end = _lower(interval), False
    for _ in range(most):
        left, right = sorted(each.distance for each in interval)
        if right - left < least_width:
            break
        distance = _lowest(interval[0], interval[1], left, right)
        margin = 0.1 * (right - left)
        # A point near an end hardly narrows the interval: a second one in a row is moved inwards.
        if min(right - distance, distance - left) >= margin:
            near_an_end = False
        elif near_an_end or not left < distance < right:
            distance = right - margin if right - distance < distance - left else left + margin
            near_an_end = False
        else:
            near_an_end = True
        point = evaluate(distance)
        if not _is_low(point, start) or point.value >= interval[low].value:
            interval[1 - low] = point
            low = _lower(interval)
            continue
        if _is_flat(point, start):
            return point
        if point.slope * (interval[1 - low].distance - interval[low].distance) >= 0.0:
            interval[1 - low] = interval[low]
        interval[low] = point
    return interval[low]


def _is_low(point: Point, start: Point) -> bool:
    return point.value <= start.value + DECREASE * point.distance * start.slope


def _is_flat(point: Point, start: Point) -> bool:
    return abs(point.slope) <= -FLATTENING * start.slope


def _lower(interval: list[Point]) -> int:
    return 0 if interval[0].value <= interval[1].value else 1


def _lowest(a: Point, b: Point, least: float, most: float) -> float:
    """Return where the cubic through two points is lowest, between bounds; their middle where it has no minimum.

    Source: Nocedal and Wright, equation 3.59.
    """
    left, right = sorted((a, b), key=lambda point: point.distance)
    width = right.distance - left.distance
    first = left.slope + right.slope - 3.0 * (left.value - right.value) / (left.distance - right.distance)
    square = first * first - left.slope * right.slope
    if not 0.0 <= square < math.inf:
        return (least + most) / 2.0
    second = math.sqrt(square)
    bend = right.slope - left.slope + 2.0 * second
    if bend == 0.0:
        return (least + most) / 2.0
    return min(max(right.distance - width * ((right.slope + second - first) / bend), least), most)
