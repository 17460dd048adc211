"""Dropout as functions. The layers, which know by themselves whether they are trained, are in `dropouts`."""

from __future__ import annotations

from collections.abc import Callable

from lamina.functions.operands import floating
from lamina.nn.dropouts import Dropout1d, Dropout2d, Dropout3d, channels_of, dropped, features_of, lowered
from lamina.nn.settings import probability
from lamina.tensor import Tensor

Shape = tuple[int, ...]


def dropout(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Return ``x`` with elements set to zero with probability ``p`` and the others divided by ``1 - p``.

    The numbers come from the default generator of `lamina.random`. `Dropout` is this as a layer.

    Parameters
    ----------
    x : Tensor
    p : float, default 0.5
        In [0, 1].
    training : bool, default True
        Without, ``x`` is returned as it is.

    Raises
    ------
    DataError
        When ``p`` is not in [0, 1].

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.dropout(la.ones(2), 1.0), nn.dropout(la.ones(2), training=False)
    (Tensor([0., 0.], shape=[2], dtype=float32), Tensor([1., 1.], shape=[2], dtype=float32))
    """
    return _applied("dropout", dropped, x, p, training, lambda x: x.shape)


def dropout1d(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Return ``x`` [n, channels, length] or [channels, length] with whole channels set to zero; see `Dropout1d`."""
    return _applied("dropout1d", dropped, x, p, training, lambda x: channels_of("dropout1d", x, Dropout1d.axes))


def dropout2d(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Return ``x`` [n, channels, height, width] with whole channels set to zero; see `Dropout2d`."""
    return _applied("dropout2d", dropped, x, p, training, lambda x: channels_of("dropout2d", x, Dropout2d.axes))


def dropout3d(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Return ``x`` [n, channels, depth, height, width] with whole channels set to zero; see `Dropout3d`."""
    return _applied("dropout3d", dropped, x, p, training, lambda x: channels_of("dropout3d", x, Dropout3d.axes))


def alpha_dropout(x: Tensor, p: float = 0.5, training: bool = False) -> Tensor:
    """Return ``x`` with elements set to the lowest value of SELU; see `AlphaDropout`."""
    return _applied("alpha_dropout", lowered, x, p, training, lambda x: x.shape)


def feature_alpha_dropout(x: Tensor, p: float = 0.5, training: bool = False) -> Tensor:
    """Return ``x`` with whole channels set to the lowest value of SELU; see `FeatureAlphaDropout`."""
    name = "feature_alpha_dropout"
    return _applied(name, lowered, x, p, training, lambda x: features_of(name, x))


def _applied(
    name: str,
    change: Callable[[Tensor, float, Shape], Tensor],
    x: Tensor,
    p: float,
    training: bool,
    drawn: Callable[[Tensor], Shape],
) -> Tensor:
    x, p = floating(name, x), probability(name, p)
    shape = drawn(x)
    return change(x, p, shape) if training else x
