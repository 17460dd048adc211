"""What pictures of models and functions share: many colours, names that fit, arrays of anything."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.pictures import SERIES

NDArray = npt.NDArray[Any]


def colours(count: int) -> list[Any]:
    """Return so many colours: those of the palette, or of a colour wheel where there are more."""
    if count <= len(SERIES):
        return list(SERIES[:count])
    from matplotlib import colormaps

    wheel = colormaps["tab10" if count <= 10 else "tab20" if count <= 20 else "turbo"]
    return [wheel(place if wheel.N <= 20 else place / (count - 1)) for place in range(count)]


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
