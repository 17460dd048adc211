"""Losses as functions of the prediction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.autodiff.transforms import value_and_grad
from lamina.dtypes import float64
from lamina.errors import DataError, DTypeError, ShapeError
from lamina.functions.creation import asarray
from lamina.functions.manipulation import stack
from lamina.nn.classification_losses import binary_cross_entropy_with_logits, cross_entropy
from lamina.nn.loss_layers import BCEWithLogitsLoss, CrossEntropyLoss
from lamina.nn.margin_losses import hinge_loss
from lamina.nn.regression_losses import huber_loss, l1_loss, mse_loss, smooth_l1_loss
from lamina.pictures import BLUE, GREEN, ORANGE, PINK, new_figure, plain
from lamina.tensor import Tensor
from lamina.visualize.style import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Loss = Callable[[Tensor, Tensor], Tensor]

LOSSES: dict[str, Loss] = {
    "mse": mse_loss,
    "l1": l1_loss,
    "huber": huber_loss,
    "smooth_l1": smooth_l1_loss,
    "cross_entropy": cross_entropy,
    "binary_cross_entropy_with_logits": binary_cross_entropy_with_logits,
    "hinge": hinge_loss,
}
_POINTS = 161
_TARGETS = (ORANGE, BLUE, GREEN, PINK)


@dataclass(frozen=True)
class _Kind:
    """How a loss is given a number for a prediction: two logits for a class, or the number itself for a target."""

    classes: bool
    targets: tuple[float, ...]
    axis: str
    target: str


_VALUES = _Kind(False, (0.0, 1.0), "prediction", "target")
_CLASSES = _Kind(True, (0.0, 1.0), "logit of class 1 less that of class 0", "class")
_LOGITS = _Kind(False, (0.0, 1.0), "logit", "target")
_SIGNS = _Kind(False, (-1.0, 1.0), "prediction", "target")


def loss_curves(*losses: str | Loss, low: float = -4.0, high: float = 4.0) -> Figure:
    """Draw losses, and their derivatives, as functions of one prediction, for each of two targets.

    Parameters
    ----------
    *losses : str or callable
        Names such as ``"mse"`` and ``"cross_entropy"``, the functions and layers of `lamina.nn`, or any function of a
        prediction and a target, or of logits and a class. By default mean squared error and cross-entropy, and both
        against the probability that is given to the right answer, which shows why classes are learned by
        cross-entropy: the slope of the squared error is 2 at most, however wrong the answer is, and that of the
        cross-entropy grows without bound.
    low, high : float
        The ends of the axis.

    Returns
    -------
    matplotlib.figure.Figure
        A column for each loss: above the loss, below its derivative by the prediction, by `lamina.grad`.

    Raises
    ------
    DataError
        When a name is not known, or the ends are no interval.
    ShapeError
        When a loss gives more than one number.

    Examples
    --------
    >>> from lamina import nn
    >>> from lamina.visualize import loss_curves
    >>> figure = loss_curves("mse", nn.HuberLoss(delta=0.5))
    >>> [axis.get_title(loc="left") for axis in figure.axes[:2]]
    ['mse', 'HuberLoss']
    """
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise DataError(f"loss_curves: low must be below high, both finite, got {low} and {high}")
    chosen = [(_label(each), _loss(each)) for each in losses or ("mse", "cross_entropy")]
    columns = len(chosen) + (not losses)
    figure = new_figure(4.3 * columns, 5.8)
    axes = figure.subplots(2, columns, squeeze=False, sharex="col")
    places = np.linspace(low, high, _POINTS)
    for (label, loss), (above, below) in zip(chosen, axes.T, strict=False):
        kind = _kind_of(label, loss)
        for target, colour in zip(kind.targets, _TARGETS, strict=False):
            values, slopes = _curve(label, loss, kind, target, places)
            text = f"{kind.target} {target:g}"
            _line(above, places, values, colour, text)
            _line(below, places, slopes, colour, text)
        _finish(above, below, label, kind.axis)
    if not losses:
        _against_probability(axes[0, -1], axes[1, -1])
    return figure


def _loss(which: str | Loss) -> Loss:
    if callable(which):
        return which
    found = LOSSES.get(which)
    if found is None:
        raise DataError(f"loss_curves: {which!r} is not known; use one of {', '.join(LOSSES)}, or a function")
    return found


def _label(which: str | Loss) -> str:
    return which if isinstance(which, str) else str(getattr(which, "__name__", type(which).__name__))


def _kind_of(label: str, loss: Loss) -> _Kind:
    if loss is cross_entropy or isinstance(loss, CrossEntropyLoss):
        return _CLASSES
    if loss is binary_cross_entropy_with_logits or isinstance(loss, BCEWithLogitsLoss):
        return _LOGITS
    if "hinge" in label.lower():
        return _SIGNS
    try:
        loss(_arguments(_VALUES, 0.0, asarray(0.5, dtype=float64))[0], asarray([0.0], dtype=float64))
    except (ShapeError, DTypeError, DataError):
        return _CLASSES  # where it fails again, it says what is wrong
    return _VALUES


def _arguments(kind: _Kind, target: float, z: Tensor) -> tuple[Tensor, Tensor]:
    if kind.classes:
        return stack([z * 0.0, z]).reshape(1, 2), asarray([int(target)])
    return z.reshape(1), asarray([target], dtype=float64)


def _curve(label: str, loss: Loss, kind: _Kind, target: float, places: Sequence[float] | NDArray) -> tuple[Any, Any]:
    def of_one(z: Tensor) -> Tensor:
        value = loss(*_arguments(kind, target, z))
        if not isinstance(value, Tensor) or value.size != 1:
            got = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ShapeError(f"loss_curves: {label} must give one number, got {got}; reduce it, as by the mean")
        return value.reshape(())

    pairs = [value_and_grad(of_one)(asarray(float(place), dtype=float64)) for place in places]
    return [value.item() for value, _ in pairs], [slope.item() for _, slope in pairs]


def _against_probability(above: Axes, below: Axes) -> None:
    """Draw both losses against the probability of the right answer, by their definitions on it."""
    places = np.linspace(0.005, 0.995, _POINTS)
    squared = _curve("mse", mse_loss, _VALUES, 1.0, places)
    # The logit of a probability; its derivative by the probability is 1 / (p (1 - p)).
    values, slopes = _curve("cross_entropy", cross_entropy, _CLASSES, 1.0, np.log(places / (1.0 - places)))
    _line(above, places, squared[0], GREEN, "mse")
    _line(below, places, squared[1], GREEN, "mse")
    _line(above, places, values, PINK, "cross_entropy")
    _line(below, places, np.asarray(slopes) / (places * (1.0 - places)), PINK, "cross_entropy")
    _finish(above, below, "both, by probability", "probability of the right answer")
    below.set_ylim(-20.0, 1.0)


def _line(axis: Axes, x: NDArray, y: Any, colour: str, label: str) -> None:
    axis.plot(x, y, color=colour, linewidth=1.9, label=label)


def _finish(above: Axes, below: Axes, title: str, x: str) -> None:
    plain(above, title, "", "loss")
    plain(below, "", x, "derivative")
    below.axhline(0.0, color="black", linewidth=0.6)
    above.legend(frameon=False)
