"""Activations and their derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.autodiff.node import no_grad
from lamina.autodiff.transforms import grad
from lamina.dtypes import float64
from lamina.errors import DataError
from lamina.functions.creation import linspace
from lamina.nn.activations import activation_layer
from lamina.nn.module import Module
from lamina.pictures import new_figure, plain
from lamina.tensor import Tensor
from lamina.visualize.style import NDArray, colours

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POINTS = 1201


def activation(*which: str | type[Module] | Callable[[Any], Any], low: float = -6.0, high: float = 6.0) -> Figure:
    """Draw activations and their derivatives.

    Parameters
    ----------
    *which : str, class, module or callable
        Names such as ``"gelu"``, classes such as ``nn.GELU``, layers such as ``nn.LeakyReLU(0.2)``, or functions of a
        tensor. They work element by element.
    low, high : float
        The ends of the axis.

    Returns
    -------
    matplotlib.figure.Figure
        The functions at the left, at the right their derivatives by `lamina.grad`.

    Raises
    ------
    DataError
        When a name is not known; when a function mixes elements, as a softmax does, so that it is no curve; when the
        ends are no interval.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina.visualize import activation
    >>> figure = activation("relu", "gelu", la.tanh)
    >>> [line.get_label() for line in figure.axes[0].lines[:3]]
    ['relu', 'gelu', 'tanh']
    """
    if not which:
        raise DataError('activation: name at least one, as in activation("relu")')
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise DataError(f"activation: low must be below high, both finite, got {low} and {high}")
    x = linspace(low, high, _POINTS, dtype=float64)
    figure = new_figure(9.6, 3.8)
    left, right = figure.subplots(1, 2)
    for each, colour in zip(which, colours(len(which)), strict=True):
        function = activation_layer(each)
        values, slopes = _curve(_label(each), function, x)
        left.plot(x.numpy(), values, color=colour, linewidth=1.9, label=_label(each))
        right.plot(x.numpy(), slopes, color=colour, linewidth=1.9, label=_label(each))
    plain(left, _label(which[0]) if len(which) == 1 else "activations", "x", "f(x)")
    plain(right, "derivatives" if len(which) > 1 else "derivative", "x", "f′(x)")
    for axis in (left, right):
        axis.axhline(0.0, color="black", linewidth=0.6)
        axis.axvline(0.0, color="black", linewidth=0.6)
        axis.set_xlim(low, high)
    if len(which) > 1:
        figure.legend(*left.get_legend_handles_labels(), loc="outside right center", frameon=False)
    return figure


def _label(which: Any) -> str:
    if isinstance(which, str):
        return which
    if isinstance(which, Module):
        return repr(which) if which.extra_repr() else type(which).__name__
    return str(getattr(which, "__name__", type(which).__name__))


def _curve(label: str, function: Callable[[Any], Any], x: Tensor) -> tuple[NDArray, NDArray]:
    with no_grad():
        whole, part = function(x), function(x[::2])
    if not isinstance(whole, Tensor) or whole.shape != x.shape:
        raise DataError(f"activation: {label} gives no tensor of the shape that it takes, so it is no curve")
    if not np.allclose(whole.numpy()[::2], part.numpy(), equal_nan=True):
        raise DataError(f"activation: {label} mixes elements, so it is no curve; its elements depend on one another")
    slopes = grad(lambda at: function(at).sum())(x)
    return whole.numpy(), slopes.numpy()
