"""The methods of a tensor: each is the function of its name, with the tensor as first argument."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from lamina.dtypes import DTypeLike
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
from lamina.functions.operands import Axis

if TYPE_CHECKING:
    from lamina.tensor import Tensor

Other = Any


class Methods:
    """Mixed into `lamina.Tensor`."""

    __slots__ = ()

    # --- elementwise ---

    def abs(self: Any) -> Tensor:
        """Return the magnitude."""
        return elementwise.abs(self)

    def square(self: Any) -> Tensor:
        """Return ``x * x``."""
        return elementwise.square(self)

    def sqrt(self: Any) -> Tensor:
        """Return the square root."""
        return elementwise.sqrt(self)

    def exp(self: Any) -> Tensor:
        """Return e to the power of ``x``."""
        return elementwise.exp(self)

    def expm1(self: Any) -> Tensor:
        """Return ``exp(x) - 1``."""
        return elementwise.expm1(self)

    def log(self: Any) -> Tensor:
        """Return the natural logarithm."""
        return elementwise.log(self)

    def log1p(self: Any) -> Tensor:
        """Return ``log(1 + x)``."""
        return elementwise.log1p(self)

    def sin(self: Any) -> Tensor:
        """Return the sine."""
        return elementwise.sin(self)

    def cos(self: Any) -> Tensor:
        """Return the cosine."""
        return elementwise.cos(self)

    def tan(self: Any) -> Tensor:
        """Return the tangent."""
        return elementwise.tan(self)

    def erf(self: Any) -> Tensor:
        """Return the error function."""
        return elementwise.erf(self)

    def sign(self: Any) -> Tensor:
        """Return -1, 0 or 1 by sign."""
        return elementwise.sign(self)

    def floor(self: Any) -> Tensor:
        """Return the greatest integer not above."""
        return elementwise.floor(self)

    def ceil(self: Any) -> Tensor:
        """Return the least integer not below."""
        return elementwise.ceil(self)

    def round(self: Any) -> Tensor:
        """Return the nearest integer, the even one of two."""
        return elementwise.round(self)

    def pow(self: Any, exponent: Other) -> Tensor:
        """Return ``x ** exponent``."""
        return elementwise.pow(self, exponent)

    def clip(self: Any, min: Other = None, max: Other = None) -> Tensor:
        """Return ``x`` limited to a range."""
        return comparisons.clip(self, min, max)

    def maximum(self: Any, other: Other) -> Tensor:
        """Return the larger of two."""
        return elementwise.maximum(self, other)

    def minimum(self: Any, other: Other) -> Tensor:
        """Return the smaller of two."""
        return elementwise.minimum(self, other)

    def isnan(self: Any) -> Tensor:
        """Return whether an element is NaN."""
        return comparisons.isnan(self)

    def isinf(self: Any) -> Tensor:
        """Return whether an element is infinite."""
        return comparisons.isinf(self)

    def isfinite(self: Any) -> Tensor:
        """Return whether an element is neither infinite nor NaN."""
        return comparisons.isfinite(self)

    def stop_gradient(self: Any) -> Tensor:
        """Return the same values as a constant."""
        return elementwise.stop_gradient(self)

    # --- activations ---

    def relu(self: Any) -> Tensor:
        """Return ``max(x, 0)``."""
        return activations.relu(self)

    def leaky_relu(self: Any, negative_slope: float = 0.01) -> Tensor:
        """Return ``x`` where positive and ``negative_slope * x`` elsewhere."""
        return activations.leaky_relu(self, negative_slope)

    def elu(self: Any, alpha: float = 1.0) -> Tensor:
        """Return ``x`` where positive and ``alpha * (exp(x) - 1)`` elsewhere."""
        return activations.elu(self, alpha)

    def selu(self: Any) -> Tensor:
        """Return the self-normalising ELU."""
        return activations.selu(self)

    def gelu(self: Any, approximate: Literal["none", "tanh"] = "none") -> Tensor:
        """Return ``x`` times the normal distribution function."""
        return activations.gelu(self, approximate)

    def silu(self: Any) -> Tensor:
        """Return ``x * sigmoid(x)``."""
        return activations.silu(self)

    def mish(self: Any) -> Tensor:
        """Return ``x * tanh(softplus(x))``."""
        return activations.mish(self)

    def sigmoid(self: Any) -> Tensor:
        """Return ``1 / (1 + exp(-x))``."""
        return activations.sigmoid(self)

    def hardsigmoid(self: Any) -> Tensor:
        """Return ``x/6 + 1/2`` limited to [0, 1]."""
        return piecewise.hardsigmoid(self)

    def tanh(self: Any) -> Tensor:
        """Return the hyperbolic tangent."""
        return elementwise.tanh(self)

    def softplus(self: Any, beta: float = 1.0) -> Tensor:
        """Return ``log(1 + exp(beta * x)) / beta``."""
        return activations.softplus(self, beta)

    def softsign(self: Any) -> Tensor:
        """Return ``x / (1 + |x|)``."""
        return activations.softsign(self)

    def softmax(self: Any, axis: int = -1) -> Tensor:
        """Return probabilities along an axis."""
        return activations.softmax(self, axis)

    def log_softmax(self: Any, axis: int = -1) -> Tensor:
        """Return the logarithm of softmax."""
        return activations.log_softmax(self, axis)

    # --- reductions ---

    def sum(self: Any, axis: Axis = None, *, dtype: DTypeLike | None = None, keepdims: bool = False) -> Tensor:
        """Return the sum over ``axis``."""
        return reductions.sum(self, axis=axis, dtype=dtype, keepdims=keepdims)

    def prod(self: Any, axis: Axis = None, *, dtype: DTypeLike | None = None, keepdims: bool = False) -> Tensor:
        """Return the product over ``axis``."""
        return reductions.prod(self, axis=axis, dtype=dtype, keepdims=keepdims)

    def mean(self: Any, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
        """Return the mean over ``axis``."""
        return reductions.mean(self, axis=axis, keepdims=keepdims)

    def var(self: Any, axis: Axis = None, *, correction: float = 0.0, keepdims: bool = False) -> Tensor:
        """Return the variance over ``axis``."""
        return reductions.var(self, axis=axis, correction=correction, keepdims=keepdims)

    def std(self: Any, axis: Axis = None, *, correction: float = 0.0, keepdims: bool = False) -> Tensor:
        """Return the standard deviation over ``axis``."""
        return reductions.std(self, axis=axis, correction=correction, keepdims=keepdims)

    def max(self: Any, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
        """Return the largest element over ``axis``."""
        return reductions.max(self, axis=axis, keepdims=keepdims)

    def min(self: Any, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
        """Return the smallest element over ``axis``."""
        return reductions.min(self, axis=axis, keepdims=keepdims)

    def all(self: Any, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
        """Return whether all elements are true."""
        return reductions.all(self, axis=axis, keepdims=keepdims)

    def any(self: Any, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
        """Return whether some element is true."""
        return reductions.any(self, axis=axis, keepdims=keepdims)

    def logsumexp(self: Any, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
        """Return ``log(sum(exp(x)))`` over ``axis``."""
        return reductions.logsumexp(self, axis=axis, keepdims=keepdims)

    def argmax(self: Any, axis: int | None = None, *, keepdims: bool = False) -> Tensor:
        """Return the position of the largest element."""
        return reductions.argmax(self, axis=axis, keepdims=keepdims)

    def argmin(self: Any, axis: int | None = None, *, keepdims: bool = False) -> Tensor:
        """Return the position of the smallest element."""
        return reductions.argmin(self, axis=axis, keepdims=keepdims)

    def cumulative_sum(self: Any, axis: int | None = None) -> Tensor:
        """Return running sums along ``axis``."""
        return reductions.cumulative_sum(self, axis=axis)

    def cumulative_prod(self: Any, axis: int | None = None) -> Tensor:
        """Return running products along ``axis``."""
        return reductions.cumulative_prod(self, axis=axis)

    # --- shape ---

    def flatten(self: Any, start_axis: int = 0, end_axis: int = -1) -> Tensor:
        """Return a range of axes made one."""
        return manipulation.flatten(self, start_axis, end_axis)

    def squeeze(self: Any, axis: Axis = None) -> Tensor:
        """Return ``x`` without axes of length one."""
        return manipulation.squeeze(self, axis)

    def expand_dims(self: Any, axis: int | tuple[int, ...] = 0) -> Tensor:
        """Return ``x`` with new axes of length one."""
        return manipulation.expand_dims(self, axis)

    def broadcast_to(self: Any, shape: Sequence[int]) -> Tensor:
        """Return ``x`` repeated to a wider shape."""
        return manipulation.broadcast_to(self, shape)

    def permute_dims(self: Any, axes: tuple[int, ...]) -> Tensor:
        """Return the axes in another order."""
        return manipulation.permute_dims(self, axes)

    def flip(self: Any, axis: Axis = None) -> Tensor:
        """Return ``x`` in reverse along ``axis``."""
        return manipulation.flip(self, axis=axis)

    def take(self: Any, indices: Tensor, *, axis: int | None = None) -> Tensor:
        """Return slices by index."""
        return indexing.take(self, indices, axis=axis)

    def take_along_axis(self: Any, indices: Tensor, *, axis: int = -1) -> Tensor:
        """Return one element for each index."""
        return indexing.take_along_axis(self, indices, axis=axis)

    def replaced(self: Any, key: Other, value: Other) -> Tensor:
        """Return ``x`` with ``value`` at ``key``: the functional form of assignment."""
        return subscripts.replaced(self, key, value)

    def reshape(self: Any, *shape: int | Sequence[int]) -> Tensor:
        """Return the elements in another shape, given as one sequence or as several lengths."""
        lengths = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        return manipulation.reshape(self, lengths)  # type: ignore[arg-type]
