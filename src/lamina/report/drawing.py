"""Drawing pictures that become part of the page: vector graphics in the page's own colours, light or dark."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lamina.report.markup import Html, join, tag

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[Any]
# Text is drawn as paths, so pictures look the same everywhere; names that come from data are never drawn, since a font
# may lack their letters and matplotlib reads some as formulas. They stand in captions and legends of the page.

# Drawn in these, shown in the variables of page.css. The series are those of Okabe and Ito (2008), which people with
# colour-blindness can tell apart.
INK, MUTED, GRID = "#111111", "#6b7280", "#d9dde3"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", **{colour: f"c{i}" for i, colour in enumerate(SERIES, start=1)}}

STYLE: dict[str, Any] = {
    "svg.fonttype": "path", "svg.hashsalt": "lamina", "path.simplify_threshold": 0.3,
    "font.size": 9.0, "lines.linewidth": 1.4, "grid.linewidth": 0.6, "axes.linewidth": 0.6, "axes.grid": True,
    "text.color": INK, "axes.labelcolor": MUTED, "axes.edgecolor": MUTED, "grid.color": GRID,
    "xtick.color": MUTED, "ytick.color": MUTED, "xtick.labelcolor": MUTED, "ytick.labelcolor": MUTED,
}  # fmt: skip

WIDTH, HEIGHT = 3.6, 2.5
"""Of a panel, in inches."""

MOST_POINTS = 1000
"""More points in one picture are neither seen nor needed, and each takes a hundred bytes."""


@dataclass(frozen=True)
class Panel:
    """A picture with the words that belong to it.

    Attributes
    ----------
    svg : Html
    title, note : str
        Above and below the picture.
    legend : sequence of (int, str)
        The series, from 1, and what each is; 0 is the dotted line.
    """

    svg: Html
    title: str
    note: str = ""
    legend: Sequence[tuple[int, str]] = ()

    def html(self) -> Html:
        """Return the picture as a figure of the page."""
        keys = [tag("li", tag("i", "", class_=f"key key{number}"), name) for number, name in self.legend]
        return tag(
            "figure",
            tag("h3", self.title),
            self.svg,
            tag("figcaption", tag("ul", *keys, class_="legend") if keys else "", self.note),
        )


def draw(description: str, number: int, paint: Callable[[Axes], None], width: float = WIDTH) -> Html:
    """Return what ``paint`` draws as an SVG element.

    Parameters
    ----------
    description : str
        What the picture shows, for those who cannot see it.
    number : int
        Of the picture in the page: keeps its identifiers apart from those of others.
    paint : callable
    width : float
    """
    from matplotlib.figure import Figure

    buffer = io.StringIO()
    with _own_style():
        figure = Figure(figsize=(width, HEIGHT), facecolor="none")
        axes = figure.subplots()
        axes.set_facecolor("none")
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_axisbelow(True)
        paint(axes)
        # Once, and not before every drawing, of which saving makes two.
        figure.tight_layout(pad=0.4)
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return _embedded(buffer.getvalue(), description, number)


@contextmanager
def _own_style() -> Iterator[None]:
    """Draw in the style of the page, whatever the user's own settings say; they are back afterwards."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        settings: Any = matplotlib.rcParams
        settings.update(STYLE)
        yield


def _embedded(svg: str, description: str, number: int) -> Html:
    """Return a drawing as an element of a page: colours by name, identifiers of its own, no metadata."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", body, flags=re.DOTALL)
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', body))
    body = re.sub(r' id="([^"]+)"', lambda match: f' id="f{number}{match[1]}"' if match[1] in used else "", body)
    body = re.sub(r'(href="|url\()#', rf"\1#f{number}", body)
    body = re.sub(
        r"(?<=: )#[0-9a-f]{6}\b",
        lambda match: f"var(--{VARIABLES[match[0]]})" if match[0] in VARIABLES else match[0],
        body,
    )
    # Coordinates to a hundredth of a point; what begins with 0 may be a scale, and stays.
    body = re.sub(r"\b([1-9]\d*\.\d\d)\d+", r"\1", body)
    box = re.search(r'viewBox="([^"]+)"', body)
    content = Html(re.sub(r"\s*\n\s*", "\n", body[body.index(">") + 1 : body.rindex("</svg>")]))
    return tag("svg", tag("title", description), content, role="img", viewBox=box[1] if box else None,
               **{"xmlns:xlink": "http://www.w3.org/1999/xlink"})  # fmt: skip


def thinned(length: int, most: int, keep: Sequence[int] | Array = ()) -> npt.NDArray[np.int64]:
    """Return at most about ``most`` positions of a long series, evenly spaced, and those to keep."""
    even = np.linspace(0, length - 1, min(length, most)).round().astype(np.int64)
    return np.union1d(even, np.asarray(keep, dtype=np.int64))


def panels(figures: Sequence[Panel]) -> Html:
    """Return pictures side by side, as many as fit."""
    return tag("div", join(figure.html() for figure in figures), class_="panels")
