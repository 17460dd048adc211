"""Broadcasting, step by step."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from lamina.errors import DataError, ShapeError
from lamina.pictures import BLUE, ORANGE, QUIET, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Axis:
    """What becomes of one axis.

    Attributes
    ----------
    number : int
        Counted from the last, which is -1.
    a, b : int or None
        The lengths; None where a shape has no such axis.
    result : int or None
        None where the lengths do not go together.
    """

    number: int
    a: int | None
    b: int | None

    @property
    def result(self) -> int | None:
        a, b = (1 if each is None else each for each in (self.a, self.b))
        return a if a == b or b == 1 else b if a == 1 else None

    @property
    def said(self) -> str:
        """What happens, in words."""
        a, b = (1 if each is None else each for each in (self.a, self.b))
        if self.result is None:
            return f"{a} and {b}: they differ, and neither is 1"
        if a == b:
            return f"{a} and {b}: equal"
        return f"{a} and {b}: {'a' if a == 1 else 'b'} is repeated {max(a, b) if min(a, b) else 0} times"


def axes_of(a: Shape, b: Shape) -> list[Axis]:
    """Return the axes of two shapes, the first of the result first."""
    pairs = list(zip_longest(reversed(a), reversed(b)))
    return [Axis(-1 - place, *pair) for place, pair in enumerate(pairs)][::-1]


def broadcasting(shape_a: Any, shape_b: Any) -> str:
    """Explain step by step how two shapes are broadcast together, or why they are not.

    Parameters
    ----------
    shape_a, shape_b : sequence of int, int, Tensor or array
        The shapes, or what has them.

    Returns
    -------
    str

    Raises
    ------
    ShapeError
        When a length is negative. Shapes that do not go together are explained, not raised.

    Notes
    -----
    The rules are those of the Python array API standard 2024.12, "Broadcasting", which NumPy's agree with.

    Examples
    --------
    >>> from lamina.visualize import broadcasting
    >>> print(broadcasting((8, 1, 6), (7, 1)))
    1. The shapes, their last axes one below the other:
         axis  -3  -2  -1
         a      8   1   6
         b          7   1
    2. Axes of length 1 stand for those that are missing:
         a      8   1   6
         b      1   7   1
    3. Axis by axis, from the last:
         axis -1: 6 and 1: b is repeated 6 times
         axis -2: 1 and 7: a is repeated 7 times
         axis -3: 8 and 1: b is repeated 8 times
    4. The result:
         a+b    8   7   6
    >>> print(broadcasting((3,), (3, 4)).splitlines()[-1])
    They go together as a.reshape(3, 1) and b: [3, 4].
    """
    a, b = _shape("shape_a", shape_a), _shape("shape_b", shape_b)
    axes = axes_of(a, b)
    if not axes:
        return "Both are numbers without axes, and so is the result: []."
    lines = ["1. The shapes, their last axes one below the other:"]
    lines += _rows(axes, {"axis": [str(each.number) for each in axes], "a": _texts(axes, "a"), "b": _texts(axes, "b")})
    if len(a) != len(b):
        lines.append("2. Axes of length 1 stand for those that are missing:")
        lines += _rows(axes, {"a": _texts(axes, "a", "1"), "b": _texts(axes, "b", "1")})
    else:
        lines.append("2. Both have the same number of axes.")
    lines.append("3. Axis by axis, from the last:")
    lines += [f"     axis {each.number}: {each.said}" for each in reversed(axes)]
    if all(each.result is not None for each in axes):
        lines.append("4. The result:")
        return "\n".join(lines + _rows(axes, {"a+b": [str(each.result) for each in axes]}))
    wrong = [str(each.number) for each in axes if each.result is None]
    lines.append(f"4. The shapes {list(a)} and {list(b)} cannot be broadcast, for axis {', '.join(wrong)}.")
    return "\n".join(lines + _remedy(a, b))


def _shape(name: str, given: Any) -> Shape:
    given = getattr(given, "shape", given)
    try:
        lengths = (given,) if not isinstance(given, Sequence) else tuple(given)
        shape = tuple(operator.index(each) for each in lengths)
    except TypeError as error:
        raise DataError(f"broadcasting: {name} must be a shape such as (3, 1), or have one, got {given!r}") from error
    if any(each < 0 for each in shape):
        raise ShapeError(f"broadcasting: {name} has a negative length: {list(shape)}")
    return shape


def _texts(axes: Sequence[Axis], which: str, missing: str = "") -> list[str]:
    lengths = [getattr(each, which) for each in axes]
    return [missing if each is None else str(each) for each in lengths]


def _rows(axes: Sequence[Axis], rows: dict[str, list[str]]) -> list[str]:
    widths = [
        max(len(str(each)) for each in (axis.number, axis.a, axis.b, axis.result) if each is not None) for axis in axes
    ]
    return [
        f"     {name:<4}" + "".join(f"  {text:>{width}}" for text, width in zip(texts, widths, strict=True)).rstrip()
        for name, texts in rows.items()
    ]


def _remedy(a: Shape, b: Shape) -> list[str]:
    """Return how the shorter shape would go together with the other one, if it does with axes of length 1 behind it."""
    (short, name), (long, other) = sorted([(a, "a"), (b, "b")], key=lambda each: len(each[0]))
    for more in range(1, len(long) - len(short) + 1):
        widened = (*short, *[1] * more)
        axes = axes_of(widened, long)
        if all(each.result is not None for each in axes):
            lengths = ", ".join(map(str, widened))
            result = [each.result for each in axes]
            return [f"They go together as {name}.reshape({lengths}) and {other}: {result}."]
    return []


# --- as a picture ---------------------------------------------------------------------------------------------

_MOST_CELLS = 8
"""Along an axis, up to which elements are drawn one by one."""
_WRONG, _RESULT = "#B00020", "#374151"
_CELL = 0.48
"""Inches of an element."""


def broadcasting_figure(shape_a: Any, shape_b: Any) -> Figure:
    """Draw how two shapes are broadcast together, or why they are not.

    Parameters
    ----------
    shape_a, shape_b : sequence of int, int, Tensor or array
        The shapes, or what has them.

    Returns
    -------
    matplotlib.figure.Figure
        The lengths axis by axis: pale where an axis is repeated, dashed where it is missing, red where the lengths do
        not go together. Below, for results of up to two axes and 8 x 8 elements, the elements themselves.

    Raises
    ------
    ShapeError
        When a length is negative.

    Examples
    --------
    >>> from lamina.visualize import broadcasting_figure
    >>> figure = broadcasting_figure((4, 1), (3,))
    >>> len(figure.axes)
    2
    """
    a, b = _shape("shape_a", shape_a), _shape("shape_b", shape_b)
    axes = axes_of(a, b)
    result = [each.result for each in axes]
    rows, columns = _grid(axes)
    elements = axes and 0 < rows <= _MOST_CELLS and 0 < columns <= _MOST_CELLS
    width = max(4.6, 0.8 * len(axes) + 1.6)
    heights = [2.5, _CELL * rows + 0.25] if elements else [2.5]
    if elements:
        width = max(width, _CELL * (3 * columns + 2) + 0.4)
    figure = new_figure(width, sum(heights) + 0.4)
    drawn = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    good = all(each is not None for each in result)
    said = result if good else "cannot be broadcast"
    figure.suptitle(f"{list(a)} and {list(b)}: {said}", x=0.02, ha="left", fontsize=11, fontweight="bold")
    _draw_table(drawn[0], axes)
    if elements:
        _draw_elements(drawn[1], axes)
    return figure


def _grid(axes: Sequence[Axis]) -> tuple[int, int]:
    """Return the rows and columns in which the elements of a result are drawn; none where there are more axes."""
    lengths = [each.result for each in axes]
    if len(axes) > 2 or any(each is None for each in lengths):
        return 0, 0
    rows, columns = [1, 1, *(each or 0 for each in lengths)][-2:]
    return rows, columns


def _bare(axis: Axes) -> None:
    axis.set_aspect("equal")
    axis.axis("off")


def _draw_table(axis: Axes, axes: Sequence[Axis]) -> None:
    _bare(axis)
    for column, each in enumerate(axes):
        _text(axis, column + 0.5, -0.25, f"axis {each.number}", 8, QUIET)
        for row, (own, colour) in enumerate(((each.a, BLUE), (each.b, ORANGE))):
            repeated = (1 if own is None else own) != each.result
            _cell(
                axis, column, row, "1" if own is None else str(own), colour, repeated, own is None, each.result is None
            )
        wrong = each.result is None
        _cell(axis, column, 2.25, "✗" if wrong else str(each.result), _WRONG if wrong else _RESULT, False, False, wrong)
    for y, name in ((0.0, "a"), (1.0, "b"), (2.25, "result")):
        _text(axis, -0.2, y + 0.45, name, 11, "black", "right")
    _text(axis, 0.05, 3.35, "pale: repeated; dashed: missing, taken as 1", 7.5, QUIET, "left")
    axis.set_xlim(-1.3, max(len(axes), 3) + 0.1)
    axis.set_ylim(3.6, -0.5)


def _cell(axis: Axes, x: float, y: float, text: str, colour: str, repeated: bool, missing: bool, wrong: bool) -> None:
    from matplotlib.patches import Rectangle

    edge = _WRONG if wrong else colour
    style = "--" if missing else "-"
    face = (*_rgb(colour), 0.08 if repeated else 0.28)
    axis.add_patch(
        Rectangle((x + 0.05, y + 0.05), 0.9, 0.8, facecolor=face, edgecolor=edge, linestyle=style, linewidth=1.4)
    )
    # Long numbers are written smaller.
    _text(axis, x + 0.5, y + 0.46, text, min(12.0, 46.0 / len(text)), edge if wrong else "black")


def _draw_elements(axis: Axes, axes: Sequence[Axis]) -> None:
    """Draw the elements of both, those that are repeated pale, and of the result."""
    _bare(axis)
    rows, columns = _grid(axes)
    own_a, own_b = ([1, 1, *((1 if each is None else each) for each in side)][-2:] for side in _sides(axes))
    x = 0.0
    for own, colour, sign in (((own_a, "a"), BLUE, "+"), ((own_b, "b"), ORANGE, "="), (None, _RESULT, "")):
        for row in range(rows):
            for column in range(columns):
                texts = [_element(name, lengths, row, column) for lengths, name in ((own_a, "a"), (own_b, "b"))]
                if own is None:
                    _draw_element(axis, x + column, row, colour, "+".join(text for text, _ in texts), True)
                else:
                    _draw_element(axis, x + column, row, colour, *_element(own[1], own[0], row, column))
        x += columns + 1.0
        _text(axis, x - 0.5, rows / 2, sign, 16, "black")
    axis.set_xlim(-0.1, x - 0.9)
    axis.set_ylim(rows + 0.1, -0.1)


def _sides(axes: Sequence[Axis]) -> tuple[list[int | None], list[int | None]]:
    return [each.a for each in axes], [each.b for each in axes]


def _element(name: str, lengths: Sequence[int], row: int, column: int) -> tuple[str, bool]:
    """Return which element stands at a place, numbered as they lie in memory, and whether it is there itself."""
    at = min(row, lengths[0] - 1), min(column, lengths[1] - 1)
    return f"{name}{at[0] * lengths[1] + at[1]}", at == (row, column)


def _draw_element(axis: Axes, x: float, y: float, colour: str, text: str, real: bool) -> None:
    from matplotlib.patches import Rectangle

    face = (*_rgb(colour), (0.14 if colour is _RESULT else 0.28) if real else 0.06)
    style = "-" if real else ":"
    axis.add_patch(Rectangle((x, y), 1, 1, facecolor=face, edgecolor=colour, linestyle=style, linewidth=1.0))
    _text(axis, x + 0.5, y + 0.5, text, min(9.0, 30.0 / len(text)), "black" if real else "#9CA3AF")


def _rgb(colour: str) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    return to_rgb(colour)


def _text(axis: Axes, x: float, y: float, text: str, size: float, colour: str, align: Any = "center") -> None:
    axis.text(x, y, text, ha=align, va="center", fontsize=size, color=colour, parse_math=False)
