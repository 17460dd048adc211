"""What all pictures share: colours, and axes without ornament."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NDArray = npt.NDArray[Any]

# Of the palette of Okabe and Ito (2008), which people with colour-blindness can tell apart.
BLUE, ORANGE, GREEN, PINK, YELLOW, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
SERIES = (BLUE, ORANGE, GREEN, PINK, YELLOW, SKY)
QUIET = "#6B7280"


def new_figure(width: float, height: float) -> Figure:
    """Return a figure of its own, not pyplot's: no window, no global state. Sizes are inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def colours(count: int) -> list[Any]:
    """Return so many colours: those of the palette, or of a colour wheel where there are more."""
    if count <= len(SERIES):
        return list(SERIES[:count])
    from matplotlib import colormaps

    wheel = colormaps["tab10" if count <= 10 else "tab20" if count <= 20 else "turbo"]
    return [wheel(place if wheel.N <= 20 else place / (count - 1)) for place in range(count)]


def plain(axis: Axes, title: str = "", x: str = "", y: str = "") -> None:
    """Name axes; a grid that does not get in the way. Titles are text, never formulas."""
    axis.set_title(title, loc="left", fontweight="bold", fontsize=10, parse_math=False)
    axis.set_xlabel(x, parse_math=False)
    axis.set_ylabel(y, parse_math=False)
    axis.grid(alpha=0.25, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def shortened(name: str, letters: int) -> str:
    """Return a name that fits; its end tells it from others, so the beginning goes.

    Examples
    --------
    >>> shortened("encoder.layers.11.attention.weight", 20), shortened("0.bias", 20)
    ('…11.attention.weight', '0.bias')
    """
    return name if len(name) <= letters else f"…{name[1 - letters :]}"


def as_array(x: Any) -> NDArray:
    """Return the values of a tensor, array, data frame or nested sequence."""
    return np.asarray(x.numpy() if hasattr(x, "_snapshot") else x)
