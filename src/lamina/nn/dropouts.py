"""Dropout: of elements, of channels, and for self-normalising networks."""

from __future__ import annotations

from typing import ClassVar

from lamina import random
from lamina.errors import ShapeError
from lamina.functions.activations import SELU_ALPHA, SELU_SCALE
from lamina.functions.operands import floating
from lamina.nn.module import Module
from lamina.nn.settings import probability
from lamina.tensor import Tensor


class Dropout(Module):
    """Set elements to zero at random in training; the identity in evaluation.

    ``y = x * m / (1 - p)`` where each element of ``m`` is 0 with probability ``p`` and 1 otherwise, so that the
    expectation of ``y`` is ``x``. The numbers come from the default generator of `lamina.random`.

    Parameters
    ----------
    p : float, default 0.5
        Probability with which an element is set to zero, in [0, 1].

    Raises
    ------
    DataError
        When ``p`` is not in [0, 1].

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> layer = nn.Dropout(0.5)
    >>> layer.eval()(la.ones(3))
    Tensor([1., 1., 1.], shape=[3], dtype=float32)

    Source: N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15,
    2014, section 4; the division in training is theirs in section 10.
    """

    def __init__(self, p: float = 0.5) -> None:
        self.p = probability(type(self).__name__, p)

    def _drawn_shape(self, x: Tensor) -> tuple[int, ...]:
        """Return the shape of what is drawn; it broadcasts to that of ``x``."""
        return x.shape

    def __call__(self, x: Tensor) -> Tensor:
        """Return ``x`` with elements set to zero, in its shape."""
        if not self.training or self.p == 0.0:
            return x
        x = floating(type(self).__name__, x)
        return self._dropped(x, self._drawn_shape(x))

    def _dropped(self, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        return dropped(x, self.p, shape)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class _ChannelDropout(Dropout):
    axes: ClassVar[dict[int, int]]
    """For each number of axes that an input may have, how many come before its places: batch and channels."""

    def _drawn_shape(self, x: Tensor) -> tuple[int, ...]:
        return channels_of(type(self).__name__, x, self.axes)


class Dropout1d(_ChannelDropout):
    """Set whole channels to zero at random in training; the identity in evaluation.

    Neighbouring places of a channel are alike, so that `Dropout`, which takes them one by one, takes little away.

    Parameters
    ----------
    p : float, default 0.5
        Probability with which a channel of a sample is set to zero, in [0, 1]. The others are divided by ``1 - p``.

    Raises
    ------
    DataError
        When ``p`` is not in [0, 1].
    ShapeError
        When an input is not of shape [n, channels, length] or [channels, length].

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> y = nn.Dropout1d(0.5)(la.ones((1, 4, 3)))
    >>> bool(la.all(y == y[..., :1]))
    True

    Source: J. Tompson et al., "Efficient object localization using convolutional networks", CVPR 2015, section 3.2.
    """

    axes = {2: 1, 3: 2}  # noqa: RUF012 - a constant


class Dropout2d(_ChannelDropout):
    """`Dropout1d` of images, [n, channels, height, width]; [n, channels, length] is taken too, as by PyTorch.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.Dropout2d(0.5).eval()(la.ones((1, 1, 1, 2)))
    Tensor([[[[1., 1.]]]], shape=[1, 1, 1, 2], dtype=float32)
    """

    axes = {3: 2, 4: 2}  # noqa: RUF012 - a constant


class Dropout3d(_ChannelDropout):
    """`Dropout1d` of volumes, [n, channels, depth, height, width] or [channels, depth, height, width].

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.Dropout3d(0.5)(la.ones((2, 3, 1, 2, 2))).shape
    (2, 3, 1, 2, 2)
    """

    axes = {4: 1, 5: 2}  # noqa: RUF012 - a constant


class AlphaDropout(Dropout):
    """Set elements to the lowest value of `SELU` at random in training; mean and variance stay zero and one.

    ``y = a (x m + α' (1 - m)) + b`` with ``α' = -λα`` of SELU, ``a = (q + α'² q p)^(-1/2)``, ``q = 1 - p`` and
    ``b = -a p α'``, where each element of ``m`` is 0 with probability ``p`` and 1 otherwise.

    Parameters
    ----------
    p : float, default 0.5
        Probability with which an element is set, in [0, 1].

    Raises
    ------
    DataError
        When ``p`` is not in [0, 1].

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.AlphaDropout(0.1).eval()(la.ones(2))
    Tensor([1., 1.], shape=[2], dtype=float32)

    Source: G. Klambauer et al., "Self-normalizing neural networks", NIPS 2017, "New dropout technique".
    """

    def _dropped(self, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        return lowered(x, self.p, shape)


class FeatureAlphaDropout(AlphaDropout):
    """`AlphaDropout` of whole channels: all places of a channel of a sample are set, or none.

    Parameters
    ----------
    p : float, default 0.5
        Probability with which a channel of a sample is set, in [0, 1].

    Raises
    ------
    DataError
        When ``p`` is not in [0, 1].
    ShapeError
        When an input is not of shape [n, channels, ...].

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> y = nn.FeatureAlphaDropout(0.5)(la.ones((1, 4, 3)))
    >>> bool(la.all(y == y[..., :1]))
    True
    """

    def _drawn_shape(self, x: Tensor) -> tuple[int, ...]:
        return features_of(type(self).__name__, x)


_LOWEST = -SELU_SCALE * SELU_ALPHA
"""What SELU tends to far below zero: ``-λα``."""


def dropped(x: Tensor, p: float, shape: tuple[int, ...] | None = None) -> Tensor:
    """Return ``x`` with elements set to zero with probability ``p``, and the others divided by ``1 - p``.

    With ``shape``, which broadcasts to that of ``x``, whole parts are set to zero together.
    """
    if p == 0.0:
        return x
    if p == 1.0:
        return x * 0.0
    kept = random.bernoulli(x.shape if shape is None else shape, 1.0 - p, dtype=x.dtype, device=x.device)
    return x * (kept * (1.0 / (1.0 - p)))


def lowered(x: Tensor, p: float, shape: tuple[int, ...]) -> Tensor:
    """Return ``x`` with elements set to the lowest value of SELU, then scaled and moved; see `AlphaDropout`."""
    if p == 0.0:
        return x
    if p == 1.0:
        return x * 0.0
    kept = random.bernoulli(shape, 1.0 - p, dtype=x.dtype, device=x.device)
    scale = ((1.0 - p) * (1.0 + p * _LOWEST**2)) ** -0.5
    y: Tensor = x * (kept * scale) + (1.0 - kept) * (scale * _LOWEST) - scale * p * _LOWEST
    return y


def channels_of(name: str, x: Tensor, axes: dict[int, int]) -> tuple[int, ...]:
    """Return the shape of one number for each channel of each sample; see `_ChannelDropout.axes`."""
    leading = axes.get(x.ndim)
    if leading is None:
        wanted = " or ".join(map(str, sorted(axes)))
        raise ShapeError(f"{name}: expected {wanted} axes, got shape {list(x.shape)}")
    return (*x.shape[:leading], *[1] * (x.ndim - leading))


def features_of(name: str, x: Tensor) -> tuple[int, ...]:
    """Return the shape of one number for each channel of each sample, of [n, channels, ...]."""
    if x.ndim < 2:
        raise ShapeError(f"{name}: expected [n, channels, ...], got shape {list(x.shape)}")
    return (*x.shape[:2], *[1] * (x.ndim - 2))
