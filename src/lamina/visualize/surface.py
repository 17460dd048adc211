"""The loss around the weights of a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.errors import DataError
from lamina.functions.creation import asarray
from lamina.nn.module import Module
from lamina.pictures import ORANGE, new_figure, plain
from lamina.tensor import Tensor
from lamina.training.evaluation import scalar_loss
from lamina.variable import Variable
from lamina.visualize.models import asked, place_of
from lamina.visualize.style import NDArray, as_array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LEVELS = 24
_WIDE = 20.0
"""How many times the lowest loss the highest is, from which on levels are a constant factor apart."""


def loss_surface(
    model: Module,
    data: tuple[Any, Any],
    loss: Callable[[Tensor, Tensor], Tensor],
    *,
    span: float = 1.0,
    points: int = 25,
    seed: int = 0,
) -> Figure:
    """Draw the loss in a plane through the weights of a model, along two random directions.

    At ``(a, b)`` the weights are ``w + a u + b v``. The directions are normal random numbers, each filter scaled to the
    norm of the model's own: ``u_i <- u_i / ||u_i|| * ||w_i||``. So pictures of different models compare, though a
    network with rectifiers computes the same with one layer scaled up and the next one down.

    Parameters
    ----------
    model : Module
        Evaluated as it is used, in evaluation mode; its weights are as before afterwards.
    data : (X, y)
        Tensors or arrays on which the loss is measured, all at once.
    loss : callable
        Of the outputs and ``y``, giving one number.
    span : float, default 1.0
        How far to go in each direction; 1 is as far as the weights are from zero.
    points : int, default 25
        Points along each axis; the loss is measured at their square.
    seed : int, default 0
        Of the directions.

    Returns
    -------
    matplotlib.figure.Figure
        Lines of equal loss, the weights at the cross. Where the loss is not finite nothing is drawn.

    Raises
    ------
    DataError
        When no parameter has two axes, or the loss is finite nowhere.

    Notes
    -----
    A filter is what makes one output: the slice of a parameter along its first axis. Parameters of one axis, such as
    biases, stay as they are, as in the paper.

    H. Li, Z. Xu, G. Taylor, C. Studer and T. Goldstein, "Visualizing the Loss Landscape of Neural Nets", NeurIPS 2018,
    section 4.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> from lamina.visualize import loss_surface
    >>> X, y = la.random.normal((32, 2)), la.random.normal((32, 1))
    >>> figure = loss_surface(nn.MLP(2, 8, 1), (X, y), nn.mse_loss, points=5)
    >>> figure.axes[0].get_xlabel()
    'a, along u'
    """
    if not isinstance(model, Module) or points < 3 or not (np.isfinite(span) and span > 0):
        raise DataError("loss_surface: expected an nn.Module, 3 points or more, and a span above 0")
    weights = [each for each in model.parameters() if each.ndim >= 2]
    if not weights:
        raise DataError("loss_surface: no parameter of the model has two axes, so there are no directions to go")
    generator = np.random.default_rng(seed)
    directions = [[filter_normalised(as_array(each), generator) for each in weights] for _ in range(2)]
    places = np.linspace(-span, span, points)
    losses, here = _measured(model, data, loss, weights, directions, places)
    return _draw(places, losses, here)


def filter_normalised(weight: NDArray, generator: np.random.Generator) -> NDArray:
    """Return a random direction of a parameter's shape in which each filter has the norm of the parameter's own."""
    direction = generator.normal(size=weight.shape)
    axes = tuple(range(1, weight.ndim))
    norms = np.sqrt((direction**2).sum(axis=axes, keepdims=True))
    own = np.sqrt((weight.astype(np.float64) ** 2).sum(axis=axes, keepdims=True))
    return direction * (own / np.maximum(norms, np.finfo(np.float64).tiny))  # type: ignore[no-any-return]


def _measured(
    model: Module,
    data: tuple[Any, Any],
    loss: Callable[[Tensor, Tensor], Tensor],
    weights: Sequence[Variable],
    directions: Sequence[Sequence[NDArray]],
    places: NDArray,
) -> tuple[NDArray, float]:
    inputs, targets = _pair(model, data)
    before = [each.value for each in weights]
    starts = [as_array(each).astype(np.float64) for each in before]

    def measure() -> float:
        return float(scalar_loss("loss_surface", loss(model(inputs), targets)).item())

    losses = np.empty((len(places), len(places)))
    try:
        with asked(model):
            here = measure()
            for row, b in enumerate(places):
                for column, a in enumerate(places):
                    for weight, start, u, v in zip(weights, starts, *directions, strict=True):
                        value = asarray(start + a * u + b * v, dtype=weight.dtype, device=weight.device)
                        weight.assign(value)
                    losses[row, column] = measure()
    finally:
        for weight, value in zip(weights, before, strict=True):
            weight.assign(value)
    return losses, here


def _pair(model: Module, data: tuple[Any, Any]) -> tuple[Tensor, Tensor]:
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise DataError("loss_surface: data must be a pair of inputs and targets, as in (X, y)")
    dtype, device = place_of(model)
    inputs, targets = (asarray(each, device=device) for each in data)
    # Python's and NumPy's floats are wide; a model has its own type.
    narrowed = [each.astype(dtype) if each.dtype.floating else each for each in (inputs, targets)]
    return narrowed[0], narrowed[1]


def _draw(places: NDArray, losses: NDArray, here: float) -> Figure:
    from matplotlib.colors import LogNorm

    finite = losses[np.isfinite(losses)]
    if not finite.size:
        raise DataError("loss_surface: the loss is not finite anywhere in the plane; try a smaller span")
    figure = new_figure(6.4, 5.2)
    axis = figure.subplots()
    low, high = float(finite.min()), float(finite.max())
    shown = np.ma.masked_invalid(losses)
    if low > 0.0 and high > _WIDE * low:
        levels, norm = np.geomspace(low, high, _LEVELS), LogNorm(low, high)
    else:
        high = high if high > low else low + max(abs(low), 1.0) * 1e-6
        levels, norm = np.linspace(low, high, _LEVELS), None
    filled = axis.contourf(places, places, shown, levels=levels, norm=norm, cmap="viridis")
    axis.contour(places, places, shown, levels=levels, norm=norm, colors="white", linewidths=0.4, alpha=0.6)
    axis.plot(0.0, 0.0, "x", color=ORANGE, markersize=11, markeredgewidth=2.6)
    bar = figure.colorbar(filled, ax=axis, label="loss")
    chosen = levels[:: _LEVELS // 6]
    bar.set_ticks(list(chosen), labels=[f"{each:.3g}" for each in chosen])
    bar.ax.minorticks_off()
    plain(axis, f"loss around the weights, {here:.4g} at the cross", "a, along u", "b, along v")
    axis.grid(False)
    axis.set_aspect("equal")
    return figure
