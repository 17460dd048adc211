"""Losses of numbers that are to be near others."""

from __future__ import annotations

from lamina.errors import DataError
from lamina.functions.elementwise import abs, minimum
from lamina.nn.reduction import Reduction, reduced, same_shape
from lamina.tensor import Tensor


def mse_loss(input: Tensor, target: Tensor, reduction: Reduction = "mean") -> Tensor:
    """Return the squared error, ``(x - y)**2``.

    Parameters
    ----------
    input, target : Tensor
        Predictions and true values, of one shape.
    reduction : {"mean", "sum", "none"}
        What becomes of the losses of the elements.

    Returns
    -------
    Tensor
        Of shape [], or for ``"none"`` of the shape of the input.

    Raises
    ------
    ShapeError
        When the shapes differ.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.mse_loss(la.asarray([1.0, 2.0]), la.asarray([1.0, 4.0]))
    Tensor(2., shape=[], dtype=float32)
    """
    input, target = same_shape("mse_loss", input, target)
    difference = input - target
    return reduced("mse_loss", difference * difference, reduction)


def l1_loss(input: Tensor, target: Tensor, reduction: Reduction = "mean") -> Tensor:
    """Return the absolute error, ``|x - y|``, whose derivative at zero is zero.

    Parameters, result and errors are those of `mse_loss`.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.l1_loss(la.asarray([1.0, 2.0]), la.asarray([1.0, 4.0]))
    Tensor(1., shape=[], dtype=float32)
    """
    input, target = same_shape("l1_loss", input, target)
    return reduced("l1_loss", abs(input - target), reduction)


def huber_loss(input: Tensor, target: Tensor, reduction: Reduction = "mean", delta: float = 1.0) -> Tensor:
    """Return the Huber loss: ``d**2 / 2`` for ``d = |x - y|`` up to ``delta``, ``delta * (d - delta/2)`` beyond.

    Parameters
    ----------
    input, target : Tensor
        Of one shape.
    reduction : {"mean", "sum", "none"}
    delta : float, default 1.0
        Where the square becomes a line; positive.

    Raises
    ------
    ShapeError
        When the shapes differ.
    DataError
        When ``delta`` is not positive.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.huber_loss(la.asarray([0.5, 3.0]), la.zeros(2), reduction="none")
    Tensor([0.125, 2.5  ], shape=[2], dtype=float32)

    Source: P. J. Huber, Annals of Mathematical Statistics 35, 1964.
    """
    input, target = same_shape("huber_loss", input, target)
    if not delta > 0.0:
        raise DataError(f"huber_loss: delta must be positive, got {delta}")
    return reduced("huber_loss", _huber(abs(input - target), delta), reduction)


def smooth_l1_loss(input: Tensor, target: Tensor, reduction: Reduction = "mean", beta: float = 1.0) -> Tensor:
    """Return ``d**2 / (2 beta)`` for ``d = |x - y|`` up to ``beta`` and ``d - beta/2`` beyond.

    It is the Huber loss divided by ``beta``, and `l1_loss` for a ``beta`` of zero.

    Parameters
    ----------
    input, target : Tensor
        Of one shape.
    reduction : {"mean", "sum", "none"}
    beta : float, default 1.0
        Where the square becomes a line; not negative.

    Raises
    ------
    ShapeError
        When the shapes differ.
    DataError
        When ``beta`` is negative.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.smooth_l1_loss(la.asarray([0.5, 3.0]), la.zeros(2), reduction="none", beta=2.0)
    Tensor([0.0625, 2.    ], shape=[2], dtype=float32)

    Source: R. Girshick, "Fast R-CNN", ICCV 2015, equation 3.
    """
    input, target = same_shape("smooth_l1_loss", input, target)
    if not beta >= 0.0:
        raise DataError(f"smooth_l1_loss: beta must not be negative, got {beta}")
    distance = abs(input - target)
    return reduced("smooth_l1_loss", _huber(distance, beta) / beta if beta else distance, reduction)


def _huber(distance: Tensor, delta: float) -> Tensor:
    # Both branches in one product: below delta the nearer is the distance itself, and no square can overflow beyond.
    nearer = minimum(distance, delta)
    return nearer * (distance - 0.5 * nearer)
