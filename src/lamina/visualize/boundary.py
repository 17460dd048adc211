"""What a model answers over the plane of two features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.errors import DataError, DTypeError, ShapeError
from lamina.pictures import new_figure, plain
from lamina.visualize.models import answers
from lamina.visualize.style import NDArray, as_array, colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARGIN = 0.08
"""Of the range of the data, around it."""
_MOST_POINTS = 4000
"""Points of the data that are drawn, evenly picked."""


def decision_boundary(
    model: Callable[[Any], Any],
    X: Any,
    y: Any,
    *,
    features: tuple[int, int] = (0, 1),
    resolution: int = 200,
    feature_names: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
) -> Figure:
    """Draw what a model answers over the plane of two features, with the data.

    Parameters
    ----------
    model : Module or callable
        From a tensor of shape [samples, features] to logits of shape [samples, classes], or to one number each of
        shape [samples, 1] or [samples]: the logit of class 1 where ``y`` are classes, a prediction where they are
        other numbers.
    X : Tensor or array
        Of shape [samples, features].
    y : Tensor or array
        Of shape [samples]: classes from 0, or numbers.
    features : (int, int), default (0, 1)
        Which features span the plane. The others are held at their medians.
    resolution : int, default 200
        Points along each axis at which the model is asked.
    feature_names, class_names : sequence of str, optional

    Returns
    -------
    matplotlib.figure.Figure
        Areas coloured by class, the paler the less certain, with lines between them; or colours by prediction. Points
        that are answered wrongly are crosses.

    Raises
    ------
    ShapeError
        When shapes do not fit, or there are fewer than two features.
    DataError
        When there is no data, or a value is not finite.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> from lamina.visualize import decision_boundary
    >>> X = la.random.normal((40, 2))
    >>> y = (X[:, 0] > 0).astype(la.int64)
    >>> figure = decision_boundary(nn.MLP(2, 8, 2), X, y, resolution=30)
    >>> figure.axes[0].get_xlabel()
    'feature 0'
    """
    inputs, targets = _checked(as_array(X), as_array(y), features, resolution)
    sides = [np.linspace(*_range(inputs[:, each]), resolution) for each in features]
    grid = np.tile(np.median(inputs, axis=0), (resolution * resolution, 1))
    for each, values in zip(features, np.meshgrid(*sides), strict=True):
        grid[:, each] = values.ravel()
    over = answers("decision_boundary", model, grid)
    at_data = answers("decision_boundary", model, inputs)
    figure = new_figure(6.4, 5.2)
    axis = figure.subplots()
    extent = (sides[0][0], sides[0][-1], sides[1][0], sides[1][-1])
    if over.shape[1] > 1 or _classes(targets):
        title = _draw_classes(
            axis, _probabilities(over), _probabilities(at_data), targets, extent, inputs[:, features], class_names
        )
    else:
        title = _draw_numbers(axis, over[:, 0], at_data[:, 0], targets, extent, inputs[:, features])
    others = inputs.shape[1] - 2
    if others:
        title += f"; the other {others} feature{'s' if others > 1 else ''} at the median"
    names = [feature_names[each] if feature_names is not None else f"feature {each}" for each in features]
    plain(axis, title, *names)
    axis.grid(False)
    return figure


def _checked(inputs: NDArray, targets: NDArray, features: tuple[int, int], resolution: int) -> tuple[NDArray, NDArray]:
    if inputs.ndim != 2 or inputs.shape[1] < 2:
        raise ShapeError(
            f"decision_boundary: X must be [samples, features], two features at least, got {list(inputs.shape)}"
        )
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    if targets.shape != inputs.shape[:1]:
        raise ShapeError(f"decision_boundary: y must be [{len(inputs)}], as X has samples, got {list(targets.shape)}")
    if not len(inputs):
        raise DataError("decision_boundary: there are no samples")
    if targets.dtype.kind not in "biuf" or inputs.dtype.kind not in "biuf":
        raise DTypeError(f"decision_boundary: X and y must be numbers, got {inputs.dtype} and {targets.dtype}")
    inputs = inputs.astype(np.float64)
    if not (np.isfinite(inputs).all() and np.isfinite(targets).all()):
        raise DataError("decision_boundary: X or y has values that are not finite; leave those samples out")
    if (
        len(features) != 2
        or len({each % inputs.shape[1] for each in features if -inputs.shape[1] <= each < inputs.shape[1]}) != 2
    ):
        raise ShapeError(f"decision_boundary: features must be two of {inputs.shape[1]}, got {features}")
    if resolution < 2:
        raise DataError(f"decision_boundary: resolution must be 2 at least, got {resolution}")
    return inputs, targets


def _range(values: NDArray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = _MARGIN * (high - low) or 1.0
    return low - margin, high + margin


def _classes(targets: NDArray) -> bool:
    """Tell whether targets for one output are two classes: whole numbers 0 and 1."""
    return bool(np.isin(targets, (0, 1)).all())


def _probabilities(outputs: NDArray) -> NDArray:
    from scipy.special import softmax

    if outputs.shape[1] == 1:
        outputs = np.concatenate([np.zeros_like(outputs), outputs], axis=1)
    return np.asarray(softmax(outputs, axis=1))


def _draw_classes(
    axis: Axes,
    over: NDArray,
    at_data: NDArray,
    targets: NDArray,
    extent: tuple[float, float, float, float],
    points: NDArray,
    names: Sequence[str] | None,
) -> str:
    from matplotlib.colors import to_rgb

    count = over.shape[1]
    if not np.array_equal(targets, targets.astype(np.int64)) or targets.min() < 0 or targets.max() >= count:
        raise DataError(
            f"decision_boundary: the model tells {count} classes, so y must be whole numbers from 0 to {count - 1}"
        )
    palette = np.array([to_rgb(each) for each in colours(count)])
    side = round(len(over) ** 0.5)
    certainty = (over.max(axis=1) - 1.0 / count) / (1.0 - 1.0 / count)
    strength = (0.1 + 0.4 * certainty)[:, None]
    image = 1.0 - strength * (1.0 - palette[over.argmax(axis=1)])
    axis.imshow(image.reshape(side, side, 3), extent=extent, origin="lower", aspect="auto", interpolation="bilinear")
    present = np.unique(over.argmax(axis=1))
    for each in present if len(present) > 1 else ():
        others = np.delete(over, each, axis=1).max(axis=1)
        lead = (over[:, each] - others).reshape(side, side)
        axis.contour(lead, levels=[0.0], extent=extent, colors="black", linewidths=0.8, alpha=0.7)
    right = at_data.argmax(axis=1) == targets
    shown = _picked(len(points))
    for each in range(count):
        name = names[each] if names is not None else f"class {each}"
        chosen = shown[targets[shown] == each]
        good, bad = chosen[right[chosen]], chosen[~right[chosen]]
        axis.scatter(
            points[good, 0], points[good, 1], color=palette[each], s=22, edgecolors="white", linewidths=0.7, label=name
        )
        axis.scatter(
            points[bad, 0], points[bad, 1], color=palette[each], s=46, marker="X", edgecolors="black", linewidths=0.8
        )
    if not right.all():
        axis.scatter(
            [], [], color="white", s=46, marker="X", edgecolors="black", linewidths=0.8, label="answered wrongly"
        )
    legend = axis.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return f"{int(right.sum())} of {len(targets)} right"


def _draw_numbers(
    axis: Axes,
    over: NDArray,
    at_data: NDArray,
    targets: NDArray,
    extent: tuple[float, float, float, float],
    points: NDArray,
) -> str:
    side = round(len(over) ** 0.5)
    low, high = min(over.min(), targets.min()), max(over.max(), targets.max())
    field = over.reshape(side, side)
    drawn = axis.imshow(
        field, extent=extent, origin="lower", aspect="auto", vmin=low, vmax=high, interpolation="bilinear"
    )
    if over.max() > over.min():
        axis.contour(field, levels=8, extent=extent, colors="white", linewidths=0.6, alpha=0.7)
    shown = _picked(len(points))
    axis.scatter(
        points[shown, 0],
        points[shown, 1],
        c=targets[shown],
        vmin=low,
        vmax=high,
        s=22,
        edgecolors="white",
        linewidths=0.7,
    )
    assert axis.figure is not None
    axis.figure.colorbar(drawn, ax=axis, label="prediction; points: y")
    return f"root mean squared error {np.sqrt(np.mean((at_data - targets) ** 2)):.3g}"


def _picked(count: int) -> NDArray:
    return np.arange(count) if count <= _MOST_POINTS else np.linspace(0, count - 1, _MOST_POINTS).astype(np.int64)
