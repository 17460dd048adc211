"""What normalisations share: numbers with mean zero and variance one, from one pass over memory and another to write.

The mean and the variance come from the same pass. Written as ``mean(x²) - mean(x)²`` the variance would lose all
digits where the mean is large, so numbers are first moved by ``k``, the mean of some of them: ``√n`` of ``n``, which
costs next to nothing. The relative error is then at most about ``1 + √n`` units of rounding, whatever the numbers
are, for ``(k - mean)²`` is at most ``√n`` times the variance; of numbers in no particular order it is a few units.

Backwards there are two passes too. Differentiated step by step there would be more, since the variance depends on the
mean; so the derivative is written as a whole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from lamina.autodiff.node import record
from lamina.backends.thread_state import STATE
from lamina.functions.reductions import mean
from lamina.primitives.composite import Composite
from lamina.primitives.elementwise import maximum, sqrt
from lamina.primitives.shaping import part
from lamina.tensor import Tensor

Axes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Moments:
    """The mean and the variance of numbers along axes, which are kept with length one.

    Attributes
    ----------
    shift : Tensor
        What the numbers are moved by.
    rest : Tensor
        The mean of what is left; the mean is the sum of both.
    variance : Tensor
        Over ``count``, not ``count - 1``.
    count : int
        How many numbers each is the mean of.
    """

    shift: Tensor
    rest: Tensor
    variance: Tensor
    count: int

    @property
    def mean(self) -> Tensor:
        """The mean."""
        return self.shift + self.rest

    @property
    def unbiased(self) -> Tensor:
        """The variance over ``count - 1``."""
        return self.variance * (self.count / (self.count - 1.0)) if self.count > 1 else self.variance


def moments(x: Tensor, axes: Axes) -> Moments:
    """Return the mean and the variance, as constants."""
    with record(False):
        x = x._untracked
        count = math.prod(x.shape[axis] for axis in axes)
        first, length = axes[0], x.shape[axes[0]]
        sample = math.ceil(math.sqrt(count) / max(count // max(length, 1), 1))
        shift = mean(part(x, first, 0, sample), axis=axes, keepdims=True)
        moved = x - shift
        rest = mean(moved, axis=axes, keepdims=True)
        variance = mean(moved * moved, axis=axes, keepdims=True) - rest * rest
        return Moments(shift, rest, maximum(variance, variance._scalar(0.0)), count)


def standardized(x: Tensor, axes: Axes, eps: float, found: Moments | None = None) -> Tensor:
    """Return ``(x - mean) / √(variance + eps)``, of the numbers along axes.

    Parameters
    ----------
    x : Tensor
        Floating-point, of at least 32 bits.
    axes : tuple of int
        Not negative, ascending.
    eps : float
    found : Moments, optional
        Those of ``x``, if they are known.
    """
    found = moments(x, axes) if found is None else found
    with record(False):
        rate = 1.0 / sqrt(found.variance + eps)
    return _STANDARDIZED(x, found=found, rate=rate, axes=axes, eps=eps)


def _move_and_scale(x: Tensor, *, found: Moments, rate: Tensor, axes: Axes, eps: float) -> Tensor:
    return (x - found.shift - found.rest) * rate


def _standardized_rule(g: Tensor, y: Tensor, x: Tensor, *, found: Moments, rate: Tensor, axes: Axes, eps: float) -> Any:
    if STATE.recording:  # to be differentiated once more: by x, on which the rate depends
        deviation = x - mean(x, axis=axes, keepdims=True)
        rate = 1.0 / sqrt(mean(deviation * deviation, axis=axes, keepdims=True) + eps)
    return rate * (g - mean(g, axis=axes, keepdims=True) - y * mean(g * y, axis=axes, keepdims=True))


_STANDARDIZED = Composite("standardized", _move_and_scale, _standardized_rule)


def scaled_to_unit(x: Tensor, axes: Axes, eps: float) -> Tensor:
    """Return ``x / √(mean(x²) + eps)``, the mean along axes."""
    with record(False):
        rate = _unit_rate(x._untracked, axes, eps)
    return _SCALED(x, rate=rate, axes=axes, eps=eps)


def _unit_rate(x: Tensor, axes: Axes, eps: float) -> Tensor:
    return 1.0 / sqrt(mean(x * x, axis=axes, keepdims=True) + eps)


def _scale(x: Tensor, *, rate: Tensor, axes: Axes, eps: float) -> Tensor:
    return x * rate


def _scaled_rule(g: Tensor, y: Tensor, x: Tensor, *, rate: Tensor, axes: Axes, eps: float) -> Tensor:
    if STATE.recording:
        rate = _unit_rate(x, axes, eps)
    return rate * (g - y * mean(g * y, axis=axes, keepdims=True))


_SCALED = Composite("scaled_to_unit", _scale, _scaled_rule)
