"""The methods of a tensor: each is the function of its name, with the tensor as first argument."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lamina.functions import (
    activations,
    comparisons,
    elementwise,
    indexing,
    manipulation,
    piecewise,
    reductions,
    subscripts,
)

if TYPE_CHECKING:
    from lamina.tensor import Tensor


class Methods:
    """Mixed into `lamina.Tensor`."""

    __slots__ = ()

    # --- elementwise ---

    abs, sign, square, sqrt, pow = (
        elementwise.abs, elementwise.sign, elementwise.square, elementwise.sqrt, elementwise.pow,
    )  # fmt: skip
    exp, expm1, log, log1p, erf = (
        elementwise.exp, elementwise.expm1, elementwise.log, elementwise.log1p, elementwise.erf,
    )  # fmt: skip
    sin, cos, tan, tanh = elementwise.sin, elementwise.cos, elementwise.tan, elementwise.tanh
    floor, ceil, round = elementwise.floor, elementwise.ceil, elementwise.round
    maximum, minimum, clip = elementwise.maximum, elementwise.minimum, comparisons.clip
    isnan, isinf, isfinite = comparisons.isnan, comparisons.isinf, comparisons.isfinite
    stop_gradient = elementwise.stop_gradient

    # --- activations ---

    relu, leaky_relu, elu, selu = activations.relu, activations.leaky_relu, activations.elu, activations.selu
    gelu, silu, mish = activations.gelu, activations.silu, activations.mish
    sigmoid, hardsigmoid = activations.sigmoid, piecewise.hardsigmoid
    softplus, softsign = activations.softplus, activations.softsign
    softmax, log_softmax = activations.softmax, activations.log_softmax

    # --- reductions ---

    sum, prod, mean, var, std = reductions.sum, reductions.prod, reductions.mean, reductions.var, reductions.std
    max, min, argmax, argmin = reductions.max, reductions.min, reductions.argmax, reductions.argmin
    all, any, logsumexp = reductions.all, reductions.any, reductions.logsumexp
    cumulative_sum, cumulative_prod = reductions.cumulative_sum, reductions.cumulative_prod

    # --- shape and indexing ---

    flatten, squeeze, expand_dims = manipulation.flatten, manipulation.squeeze, manipulation.expand_dims
    broadcast_to, permute_dims, flip = manipulation.broadcast_to, manipulation.permute_dims, manipulation.flip
    take, take_along_axis, replaced = indexing.take, indexing.take_along_axis, subscripts.replaced

    def reshape(self: Any, *shape: int | Sequence[int]) -> Tensor:
        """Return the elements in another shape, given as one sequence or as several lengths."""
        lengths = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        return manipulation.reshape(self, lengths)  # type: ignore[arg-type]
