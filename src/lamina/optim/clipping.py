"""Gradients kept within bounds."""

from __future__ import annotations

import math
from collections.abc import Callable

from lamina.autodiff.gradients import Gradients
from lamina.autodiff.node import record
from lamina.autodiff.row_gradient import RowGradient
from lamina.dtypes import DType, float32, promote
from lamina.errors import DataError, DTypeError
from lamina.functions.comparisons import clip
from lamina.functions.creation import zeros
from lamina.functions.elementwise import abs, maximum, minimum
from lamina.functions.operands import cast
from lamina.functions.reductions import max, sum
from lamina.optim.hyperparameters import non_negative
from lamina.tensor import Tensor


def global_norm(grads: Gradients, norm_type: float = 2.0) -> Tensor:
    """Return the norm of all gradients as if they were one vector: ``(Σ |g|ᵖ)^(1/p)``.

    Parameters
    ----------
    grads : Gradients
    norm_type : float, default 2.0
        ``p``, positive; ``math.inf`` for the largest magnitude.

    Returns
    -------
    Tensor
        A number, float32 or, where a gradient has it, float64.

    Examples
    --------
    >>> import lamina as la
    >>> w, b = la.variable([3.0, 0.0]), la.variable(4.0)
    >>> la.optim.global_norm(((w * w).sum() / 2 + b * b / 2).backward())
    Tensor(5., shape=[], dtype=float32)
    """
    _checked("global_norm", grads, norm_type)
    with record(False):
        return _norm(list(grads.values()), float(norm_type))


def clip_grad_norm(grads: Gradients, max_norm: float, norm_type: float = 2.0) -> tuple[Gradients, Tensor]:
    """Scale all gradients together so that their norm is at most ``max_norm``.

    ``g · min(1, max_norm / (norm + 1e-6))``. Where the norm is infinite or NaN, the gradients become NaN or zero.

    Parameters
    ----------
    grads : Gradients
    max_norm : float
        The largest norm to leave.
    norm_type : float, default 2.0
        As in `global_norm`.

    Returns
    -------
    (Gradients, Tensor)
        The scaled gradients, and the norm before scaling.

    Examples
    --------
    >>> import lamina as la
    >>> w = la.variable([3.0, 4.0])
    >>> clipped, norm = la.optim.clip_grad_norm((w * w).sum().backward(), max_norm=1.0)
    >>> clipped[w], norm
    (Tensor([0.6, 0.8], shape=[2], dtype=float32), Tensor(10., shape=[], dtype=float32))

    Source: R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural networks", ICML
    2013, algorithm 1.
    """
    _checked("clip_grad_norm", grads, norm_type)
    limit = non_negative("clip_grad_norm", "max_norm", max_norm)
    with record(False):
        norm = _norm(list(grads.values()), float(norm_type))
        factor = minimum(limit / (norm + 1e-6), 1.0)
        by_dtype = {dtype: cast(factor, dtype) for dtype in {g.dtype for g in grads.values()}}
        return grads.map(lambda g: _each(lambda x: x * by_dtype[x.dtype], g)), norm


def clip_grad_value(grads: Gradients, clip_value: float) -> Gradients:
    """Limit every element of the gradients to ``[-clip_value, clip_value]``.

    Examples
    --------
    >>> import lamina as la
    >>> w = la.variable([0.25, -4.0])
    >>> la.optim.clip_grad_value((w * w).sum().backward(), 1.0)[w]
    Tensor([ 0.5, -1. ], shape=[2], dtype=float32)
    """
    _checked("clip_grad_value", grads, 2.0)
    limit = non_negative("clip_grad_value", "clip_value", clip_value)
    with record(False):
        return grads.map(lambda g: _each(lambda x: clip(x, -limit, limit), g))


def _checked(owner: str, grads: Gradients, norm_type: float) -> None:
    if not isinstance(grads, Gradients):
        raise DTypeError(f"{owner}: expected the Gradients that loss.backward() returns, got {type(grads).__name__}")
    if isinstance(norm_type, bool) or not isinstance(norm_type, int | float):
        raise DTypeError(f"{owner}: norm_type is a positive number or math.inf, got {norm_type!r}")
    if not norm_type > 0:
        raise DataError(f"{owner}: norm_type must be positive or math.inf, got {norm_type}")


def _norm(gradients: list[Tensor], order: float) -> Tensor:
    if not gradients:
        return zeros(())
    # Squares of narrow floats overflow, so they are added up in float32.
    dtype: DType = float32
    for g in gradients:
        dtype = promote(dtype, g.dtype)
    parts = [_part(cast(g, promote(float32, g.dtype)), order) for g in map(_elements, gradients) if g.size]
    total = zeros((), dtype=dtype, device=gradients[0].device)
    for part in parts:
        part = cast(part, dtype)
        total = maximum(total, part) if order == math.inf else total + part
    return total if order in (1.0, math.inf) else total.sqrt() if order == 2.0 else total ** (1.0 / order)


def _elements(g: Tensor) -> Tensor:
    """Return all elements of a gradient that may not be zero."""
    return g.distinct().rows if isinstance(g, RowGradient) else g


def _each(function: Callable[[Tensor], Tensor], g: Tensor) -> Tensor:
    """Return a gradient with a function applied to each element, which leaves zero as it is."""
    return g.map_rows(function) if isinstance(g, RowGradient) else function(g)


def _part(g: Tensor, order: float) -> Tensor:
    if order == math.inf:
        return max(abs(g))
    return sum(g * g) if order == 2.0 else sum(abs(g) ** order)
