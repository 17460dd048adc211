"""Histograms of weights and gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lamina.autodiff.gradients import Gradients
from lamina.errors import DataError, DTypeError
from lamina.nn.module import Module
from lamina.pictures import BLUE, ORANGE, QUIET, new_figure, plain
from lamina.visualize.style import NDArray, as_array, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS, MOST = 4, 48
"""Panels side by side, and in all; a title says how many more there are."""
_WIDTH, _HEIGHT = 2.9, 2.0  # inches of a panel
_BINS = 50


def weight_histograms(model: Module) -> Figure:
    """Draw a histogram of the values of each parameter.

    Parameters
    ----------
    model : Module

    Returns
    -------
    matplotlib.figure.Figure
        A panel for each parameter, with mean and standard deviation; values that are not finite are counted beside.

    Raises
    ------
    DataError
        When there are no parameters.

    Examples
    --------
    >>> from lamina import nn
    >>> from lamina.visualize import weight_histograms
    >>> [axis.get_title(loc="left") for axis in weight_histograms(nn.MLP(4, 8, 2)).axes]
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """
    found = [(name, as_array(each)) for name, each in _model("weight_histograms", model).named_parameters()]
    return _draw("weight_histograms", found, "weights", BLUE)


def gradient_histograms(model: Module, gradients: Gradients) -> Figure:
    """Draw a histogram of the gradient of each parameter.

    Parameters
    ----------
    model : Module
    gradients : Gradients
        What ``loss.backward()`` returned. A parameter that the loss does not depend on has a gradient of zeros.

    Returns
    -------
    matplotlib.figure.Figure
        A panel for each parameter, with mean and standard deviation; values that are not finite are counted beside.

    Raises
    ------
    DataError
        When there are no parameters.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> from lamina.visualize import gradient_histograms
    >>> model = nn.MLP(4, 8, 2)
    >>> grads = model(la.ones((16, 4))).mean().backward()
    >>> len(gradient_histograms(model, grads).axes)
    4
    """
    parameters = _model("gradient_histograms", model).named_parameters()
    if not isinstance(gradients, Gradients):
        raise DTypeError(
            f"gradient_histograms: expected the Gradients that loss.backward() returns, got {type(gradients).__name__}"
        )
    found = [(name, as_array(gradients.wrt(each))) for name, each in parameters]
    return _draw("gradient_histograms", found, "gradients", ORANGE)


def _model(operation: str, model: Module) -> Module:
    if not isinstance(model, Module):
        raise DTypeError(f"{operation}: expected an nn.Module, got {type(model).__name__}")
    return model


def _draw(operation: str, found: Sequence[tuple[str, NDArray]], what: str, colour: str) -> Figure:
    if not found:
        raise DataError(f"{operation}: the model has no parameters, so there is nothing to draw")
    shown = found[:MOST]
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    figure = new_figure(max(_WIDTH * columns, 5.0), _HEIGHT * rows + 0.4)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, (name, values) in zip(axes, shown, strict=False):
        _panel(axis, name, values, colour)
    for axis in axes[len(shown) :]:
        figure.delaxes(axis)
    left_out = len(found) - len(shown)
    title = what + (f": the first {len(shown)} of {len(found)} parameters" if left_out else "")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


def _panel(axis: Axes, name: str, array: NDArray, colour: str) -> None:
    from matplotlib.ticker import MaxNLocator

    values = array.astype(np.float64).ravel()
    finite = values[np.isfinite(values)]
    plain(axis, shortened(name, 30))
    axis.title.set_fontsize(9)
    axis.tick_params(labelsize=7)
    axis.xaxis.get_offset_text().set_fontsize(7)
    axis.ticklabel_format(axis="x", style="sci", scilimits=(-3, 4))
    axis.xaxis.set_major_locator(MaxNLocator(5))
    axis.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    if finite.size:
        low, high = float(finite.min()), float(finite.max())
        if np.isfinite(high - low) and high - low > 1e-12 * max(abs(low), abs(high)):
            axis.hist(finite, bins=min(_BINS, max(8, finite.size // 4)), color=colour)
        else:
            _one_value(axis, low, finite.size, colour)
        axis.set_xlabel(f"mean {finite.mean():.2g}, std {finite.std():.2g}", fontsize=7, color=QUIET)
    lost = values.size - finite.size
    if lost or not values.size:
        said = f"{lost:,} not finite" if lost else "empty"
        axis.annotate(said, (0.02, 0.97), xycoords="axes fraction", ha="left", va="top", fontsize=8, color="#B00020")


def _one_value(axis: Axes, value: float, count: int, colour: str) -> None:
    """Draw a bar for values that are all the same, such as biases that have not been trained."""
    width = abs(value) or 1.0
    axis.bar([value], [count], width=0.1 * width, color=colour)
    axis.set_xlim(value - width, value + width)
