"""Weights that are made of a length and a direction."""

from __future__ import annotations

from typing import TypeVar

from lamina.errors import DataError
from lamina.functions.operands import one_axis
from lamina.linalg import vector_norm
from lamina.nn.module import Module
from lamina.nn.parametrizations import is_parametrized, register_parametrization, trainable
from lamina.tensor import Tensor

M = TypeVar("M", bound=Module)


class WeightNorm(Module):
    """A weight from the lengths of its slices and their directions: ``g v / |v|``, the norm taken along ``axis``."""

    def __init__(self, axis: int | None) -> None:
        self.axis = axis

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return the lengths and the directions of a weight."""
        return self._norm(weight), weight

    def _norm(self, v: Tensor) -> Tensor:
        if self.axis is None:
            return vector_norm(v)
        return vector_norm(v, axis=tuple(at for at in range(v.ndim) if at != self.axis), keepdims=True)

    def __call__(self, g: Tensor, v: Tensor) -> Tensor:
        """Return the weight."""
        return v * (g / self._norm(v))


def weight_norm(module: M, name: str = "weight", axis: int | None = 0) -> M:
    """Make a weight of a module of its length and its direction, which are trained in its place.

    ``w = g v / |v|``. The module's parameters are ``g``, named ``parametrizations.weight.original0``, and ``v``, named
    ``parametrizations.weight.original1``; its attribute is what they give, computed anew where it is used.
    `remove_parametrizations` undoes it.

    Parameters
    ----------
    module : Module
        Changed, and returned.
    name : str, default "weight"
        Which of its variables.
    axis : int or None, default 0
        Each slice along this axis has a length of its own; there is one for all with None.

    Raises
    ------
    DTypeError, DataError
        When the module has no trainable variable of this name, or its weight is normalised already.

    Examples
    --------
    >>> from lamina import nn
    >>> layer = nn.weight_norm(nn.Linear(3, 2))
    >>> [(name, each.shape) for name, each in layer.named_parameters()]  # doctest: +NORMALIZE_WHITESPACE
    [('bias', (2,)), ('parametrizations.weight.original0', (2, 1)), ('parametrizations.weight.original1', (2, 3))]

    Source: T. Salimans, D. P. Kingma, "Weight normalization", NIPS 2016, equation 2.
    """
    if isinstance(module, Module) and is_parametrized(module, name):
        raise DataError(f"weight_norm: {name!r} of this {type(module).__name__} is made of others already")
    weight = trainable(module, name, "weight_norm")
    along = None if axis is None or axis == -1 else one_axis("weight_norm", axis, weight.ndim)
    return register_parametrization(module, name, WeightNorm(along))
