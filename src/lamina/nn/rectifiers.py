"""Rectifiers whose slope below zero is learned, or drawn at random."""

from __future__ import annotations

from lamina import random
from lamina.dtypes import DTypeLike
from lamina.errors import DataError, ShapeError
from lamina.functions.activations import leaky_relu
from lamina.functions.comparisons import where
from lamina.functions.operands import floating
from lamina.nn.function_layers import FunctionLayer, settings
from lamina.nn.init import constant
from lamina.nn.module import Module
from lamina.nn.settings import parameter_dtype, positive_count
from lamina.primitives.broadcasting import reshape
from lamina.tensor import Tensor
from lamina.variable import Variable


def prelu(x: Tensor, weight: Tensor) -> Tensor:
    """Return ``x`` where positive and ``a x`` elsewhere, with one slope ``a`` for all channels or one for each.

    Parameters
    ----------
    x : Tensor
        With the channels along axis 1 where it has two axes or more.
    weight : Tensor of shape [1], [channels] or []
        The slopes ``a``.

    Returns
    -------
    Tensor
        In the shape of ``x``.

    Raises
    ------
    ShapeError
        When there are neither one slope nor as many as channels.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.prelu(la.asarray([[-1.0, -1.0]]), la.asarray([0.5, 0.25]))
    Tensor([[-0.5 , -0.25]], shape=[1, 2], dtype=float32)

    Source: K. He et al., "Delving deep into rectifiers", ICCV 2015, equation 1.
    """
    x, weight = floating("prelu", x), floating("prelu", weight)
    channels = x.shape[1] if x.ndim > 1 else 1
    if weight.ndim > 1 or weight.size not in (1, channels):
        raise ShapeError(
            f"prelu: expected a weight of shape [1] or [{channels}], one slope for each channel along axis 1 of "
            f"{list(x.shape)}; got {list(weight.shape)}"
        )
    slopes = reshape(weight, shape=(weight.size, *[1] * (x.ndim - 2)) if weight.size > 1 else ())
    return where(x > 0, x, slopes * x)


class PReLU(Module):
    """``x`` where positive and ``a x`` elsewhere, with slopes ``a`` that are learned; see `prelu`.

    Parameters
    ----------
    num_parameters : int, default 1
        How many slopes: one, or as many as the input has channels, along axis 1.
    init : float, default 0.25
        Of the slopes.
    dtype : DType, default float32
        Of the slopes.

    Attributes
    ----------
    weight : Variable of shape [num_parameters]

    Raises
    ------
    ShapeError
        When ``num_parameters`` is not a positive integer, or an input has another number of channels.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.PReLU()(la.asarray([-1.0, 2.0]))
    Tensor([-0.25,  2.  ], shape=[2], dtype=float32)

    Source: K. He et al., "Delving deep into rectifiers", ICCV 2015, equation 1.
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, *, dtype: DTypeLike | None = None) -> None:
        self.num_parameters = positive_count("PReLU", "num_parameters", num_parameters)
        wanted = parameter_dtype("PReLU", dtype)
        self.weight = Variable(constant(init)((self.num_parameters,), dtype=wanted), "weight")

    def __call__(self, x: Tensor) -> Tensor:
        """Return the output, in the shape of ``x``."""
        return prelu(x, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


def rrelu(x: Tensor, lower: float = 1.0 / 8.0, upper: float = 1.0 / 3.0, training: bool = False) -> Tensor:
    """Return ``x`` where positive and ``a x`` elsewhere; in training each ``a`` is drawn from [lower, upper).

    In evaluation ``a`` is the mean of the two. The numbers come from the default generator of `lamina.random`.

    Parameters
    ----------
    x : Tensor
    lower, upper : float, default 1/8 and 1/3
    training : bool, default False

    Returns
    -------
    Tensor
        In the shape of ``x``.

    Raises
    ------
    DataError
        When ``lower`` lies above ``upper``.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.rrelu(la.asarray([-2.0, 2.0]), 0.25, 0.75)
    Tensor([-1.,  2.], shape=[2], dtype=float32)

    Source: B. Xu et al., "Empirical evaluation of rectified activations in convolutional network", 2015, section 2.4.
    """
    if not lower <= upper:
        raise DataError(f"rrelu: lower must not exceed upper, got {lower} and {upper}")
    x = floating("rrelu", x)
    if not training:
        return leaky_relu(x, (lower + upper) / 2.0)
    slopes = random.uniform(x.shape, lower, upper, dtype=x.dtype, device=x.device)
    return where(x > 0, x, slopes * x)


@settings
class RReLU(FunctionLayer):
    """``x`` where positive and ``a x`` elsewhere, with slopes ``a`` drawn at random in training; see `rrelu`.

    Parameters
    ----------
    lower, upper : float, default 1/8 and 1/3
        The range of the slopes; in evaluation they are its mean.

    Raises
    ------
    DataError
        When ``lower`` lies above ``upper``.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.RReLU(0.25, 0.75).eval()(la.asarray([-2.0, 2.0]))
    Tensor([-1.,  2.], shape=[2], dtype=float32)

    Source: B. Xu et al., "Empirical evaluation of rectified activations in convolutional network", 2015, section 2.4.
    """

    lower: float = 1.0 / 8.0
    upper: float = 1.0 / 3.0

    def __post_init__(self) -> None:
        if not self.lower <= self.upper:
            raise DataError(f"RReLU: lower must not exceed upper, got {self.lower} and {self.upper}")

    def __call__(self, x: Tensor) -> Tensor:
        """Return the output, in the shape of ``x``."""
        return rrelu(x, self.lower, self.upper, self.training)
