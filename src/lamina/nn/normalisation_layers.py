"""Normalisations as layers without a memory."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.dtypes import DType, DTypeLike
from lamina.errors import ShapeError
from lamina.functions.creation import ones, zeros
from lamina.nn.module import Module
from lamina.nn.normalisation import group_norm, layer_norm, local_response_norm, rms_norm
from lamina.nn.settings import parameter_dtype, positive_count
from lamina.tensor import Tensor
from lamina.variable import Variable


def unit_weight(shape: Sequence[int], dtype: DType) -> Variable:
    """Return a weight that changes nothing yet."""
    return Variable(ones(shape, dtype=dtype), "weight")


def zero_bias(shape: Sequence[int], dtype: DType) -> Variable:
    """Return a bias that changes nothing yet."""
    return Variable(zeros(shape, dtype=dtype), "bias")


class LayerNorm(Module):
    """Each sample with mean zero and variance one over its last axes, times a weight, plus a bias.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        Lengths of the last axes.
    eps : float, default 1e-5
    elementwise_affine : bool, default True
        Whether there is a weight.
    bias : bool, default True
        Whether there is a bias beside the weight.
    dtype : DType, default float32
        Of the parameters.

    Raises
    ------
    ShapeError
        When the last axes of an input are others.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.LayerNorm(2)(la.asarray([[1.0, 3.0]]))
    Tensor([[-1.,  1.]], shape=[1, 2], dtype=float32)

    Source: J. L. Ba, J. R. Kiros, G. E. Hinton, arXiv 1607.06450, 2016.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: DTypeLike | None = None,
    ) -> None:
        self.normalized_shape = _lengths("LayerNorm", normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        kind = parameter_dtype("LayerNorm", dtype)
        self.weight = unit_weight(self.normalized_shape, kind) if elementwise_affine else None
        self.bias = zero_bias(self.normalized_shape, kind) if elementwise_affine and bias else None

    def __call__(self, x: Tensor) -> Tensor:
        """Return the normalised input, in its shape."""
        return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


def _lengths(owner: str, shape: int | Sequence[int]) -> tuple[int, ...]:
    lengths = (shape,) if isinstance(shape, int) else tuple(shape)
    return tuple(positive_count(owner, "normalized_shape", each) for each in lengths)


class RMSNorm(Module):
    """Each sample over the root of the mean of its squares over its last axes, times a weight.

    Parameters
    ----------
    normalized_shape, elementwise_affine
        As in `LayerNorm`.
    eps : float, optional
        By default the distance from one to the next number of the input's type.
    dtype : DType, default float32
        Of the weight.

    Raises
    ------
    ShapeError
        When the last axes of an input are others.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.RMSNorm(2)(la.asarray([[1.0, 7.0]]))
    Tensor([[0.2, 1.4]], shape=[1, 2], dtype=float32)

    Source: B. Zhang, R. Sennrich, "Root mean square layer normalization", NeurIPS 2019, equation 4.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: DTypeLike | None = None,
    ) -> None:
        self.normalized_shape = _lengths("RMSNorm", normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        kind = parameter_dtype("RMSNorm", dtype)
        self.weight = unit_weight(self.normalized_shape, kind) if elementwise_affine else None

    def __call__(self, x: Tensor) -> Tensor:
        """Return the scaled input, in its shape."""
        return rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Module):
    """Each group of neighbouring channels with mean zero and variance one, times a weight, plus a bias.

    Parameters
    ----------
    num_groups : int
        Divides the channels.
    num_channels : int
    eps, dtype
        As in `LayerNorm`.
    affine : bool, default True
        Whether there are a weight and a bias, a number for each channel.
    bias : bool, default True
        Whether, of weight and bias, there is a bias.

    Raises
    ------
    ShapeError
        When the groups do not divide the channels, or an input has others.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.GroupNorm(1, 2)(la.asarray([[1.0, 3.0]]))
    Tensor([[-1.,  1.]], shape=[1, 2], dtype=float32)

    Source: Y. Wu, K. He, "Group normalization", ECCV 2018.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
        dtype: DTypeLike | None = None,
    ) -> None:
        self.num_groups = positive_count("GroupNorm", "num_groups", num_groups)
        self.num_channels = positive_count("GroupNorm", "num_channels", num_channels)
        if self.num_channels % self.num_groups:
            raise ShapeError(f"GroupNorm: num_groups={num_groups} must divide num_channels={num_channels}")
        self.eps = eps
        self.affine = affine
        kind = parameter_dtype("GroupNorm", dtype)
        self.weight = unit_weight((self.num_channels,), kind) if affine else None
        self.bias = zero_bias((self.num_channels,), kind) if affine and bias else None

    def __call__(self, x: Tensor) -> Tensor:
        """Return the normalised input, in its shape."""
        return group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"


class LocalResponseNorm(Module):
    """Each number over a power of the squares in the channels around its own; see `local_response_norm`.

    Parameters
    ----------
    size : int
    alpha : float, default 1e-4
    beta : float, default 0.75
    k : float, default 1.0

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.LocalResponseNorm(2)(la.zeros((1, 3, 4))).shape
    (1, 3, 4)
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        self.size = positive_count("LocalResponseNorm", "size", size)
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def __call__(self, x: Tensor) -> Tensor:
        """Return the scaled input, in its shape."""
        return local_response_norm(x, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
