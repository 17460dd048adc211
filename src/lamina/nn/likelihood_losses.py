"""Negative logarithms of likelihoods: of counts, and of numbers with an expected error."""

from __future__ import annotations

import math

from lamina.errors import DataError, ShapeError
from lamina.functions.elementwise import exp, log
from lamina.functions.operands import cast, floating, tensor
from lamina.nn.label_checks import require_all
from lamina.nn.reduction import Reduction, reduced, same_shape
from lamina.primitives.broadcasting import reshape
from lamina.primitives.elementwise import less, where
from lamina.tensor import Tensor


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: Reduction = "mean",
) -> Tensor:
    """Return the negative log-likelihood of counts ``y`` of a Poisson distribution.

    ``exp(x) - y x``, or ``x - y log(x + eps)`` where the input is the expected count and not its logarithm.

    Parameters
    ----------
    input, target : Tensor
        Of one shape.
    log_input : bool, default True
        Whether the input is the logarithm of the expected count.
    full : bool, default False
        Whether Stirling's approximation of ``log(y!)``, which the input does not change, is added where ``y > 1``.
    eps : float, default 1e-8
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    ShapeError
        When shapes differ.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.poisson_nll_loss(la.asarray([0.0]), la.asarray([2.0]))
    Tensor(1., shape=[], dtype=float32)
    """
    x, y = same_shape("poisson_nll_loss", input, target)
    y = cast(y, x.dtype)
    losses = exp(x) - y * x if log_input else x - y * log(x + eps)
    if full:
        many = less(y._scalar(1.0), y)
        counts = where(many, y, y._scalar(2.0))
        logarithm = counts * log(counts) - counts + 0.5 * log((2.0 * math.pi) * counts)
        losses = losses + where(many, logarithm, logarithm._scalar(0.0))
    return reduced("poisson_nll_loss", losses, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: Reduction = "mean",
) -> Tensor:
    """Return the negative log-likelihood of numbers of a normal distribution with a variance for each.

    ``(log(v) + (x - y)² / v) / 2`` with ``v = max(var, eps)``, whose derivative by ``var`` is taken as one.

    Parameters
    ----------
    input, target : Tensor
        Expectations and observations, of one shape.
    var : Tensor or float
        Variances, not negative: of the same shape, or without the last axis, or with one number along it.
    full : bool, default False
        Whether ``log(2π) / 2`` is added.
    eps : float, default 1e-6
        Positive.
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    ShapeError
        When shapes do not fit.
    DataError
        When a variance is negative, or ``eps`` is not positive.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.gaussian_nll_loss(la.asarray([1.0]), la.asarray([3.0]), la.asarray([4.0]))
    Tensor(1.1931, shape=[], dtype=float32)

    Source: D. A. Nix, A. S. Weigend, "Estimating the mean and variance of the target probability distribution", 1994.
    """
    name = "gaussian_nll_loss"
    x, y = same_shape(name, input, target)
    if not eps > 0.0:
        raise DataError(f"{name}: eps must be positive, got {eps}")
    variance = _variance(name, x, var)
    small = less(variance, variance._scalar(eps))
    # The value of eps, and the derivative of the variance.
    variance = where(small, eps + (variance - variance._untracked), variance)
    difference = x - y
    losses = 0.5 * (log(variance) + difference * difference / variance)
    return reduced(name, losses + 0.5 * math.log(2.0 * math.pi) if full else losses, reduction)


def _variance(name: str, x: Tensor, var: Tensor | float) -> Tensor:
    """Return variances in a shape that broadcasts to that of the input, once checked."""
    variance = x._full((), var) if isinstance(var, int | float) else cast(floating(name, tensor(name, var)), x.dtype)
    if variance.shape == x.shape[:-1] and x.ndim and variance.ndim:
        variance = reshape(variance, shape=(*variance.shape, 1))
    elif variance.shape not in (x.shape, (*x.shape[:-1], 1), ()):
        raise ShapeError(
            f"{name}: var has the shape of the input, {list(x.shape)}, or one number along its last axis; "
            f"got {list(variance.shape)}"
        )
    require_all(variance._untracked >= 0.0, DataError(f"{name}: a variance is negative"))
    return variance
