"""Linear maps of which one opens the other: gated linear units."""

from __future__ import annotations

from typing import Never

from lamina.dtypes import DTypeLike
from lamina.errors import ShapeError
from lamina.functions.activations import sigmoid, silu
from lamina.functions.operands import floating, one_axis
from lamina.nn.function_layers import FunctionLayer, settings
from lamina.nn.linear_layers import Linear
from lamina.nn.module import Module
from lamina.other_names import unexpected
from lamina.primitives.shaping import part
from lamina.tensor import Tensor


def glu(x: Tensor, /, axis: int = -1, **elsewhere: Never) -> Tensor:
    """Return the first half along an axis times the sigmoid of the second: ``a * sigmoid(b)``.

    Parameters
    ----------
    x : Tensor
        Its length along ``axis`` is even.
    axis : int, default -1

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.glu(la.asarray([6.0, 0.0]))
    Tensor([3.], shape=[1], dtype=float32)

    Source: Y. N. Dauphin et al., ICML 2017, section 2.
    """
    if elsewhere:
        raise unexpected("glu", elsewhere)
    x = floating("glu", x)
    at = one_axis("glu", axis, x.ndim)
    length = x.shape[at]
    if length % 2:
        raise ShapeError(f"glu: axis {at} has two halves, so its length is even; got shape {list(x.shape)}")
    return part(x, at, 0, length // 2) * sigmoid(part(x, at, length // 2, length))


@settings
class GLU(FunctionLayer):
    """`glu` as a layer, along ``axis``."""

    axis: int = -1

    def __call__(self, x: Tensor) -> Tensor:
        return glu(x, self.axis)


class SwiGLU(Module):
    """The feed-forward part of recent transformers: ``W_2 (silu(W_1 x) * W_3 x)``.

    Parameters
    ----------
    in_features : int
    hidden_features : int
        With two thirds of what a plain feed-forward has, there are as many weights.
    out_features : int, default in_features
    bias : bool, default False
    dtype : DType, default float32

    Attributes
    ----------
    w1, w3 : Linear
        From in_features to hidden_features: what opens, and what is let through.
    w2 : Linear
        From hidden_features to out_features.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.SwiGLU(4, 8)(la.zeros((2, 4))).shape
    (2, 4)

    Source: N. Shazeer, "GLU variants improve transformer", 2020, equation 6.
    """

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        out_features: int | None = None,
        bias: bool = False,
        *,
        dtype: DTypeLike | None = None,
    ) -> None:
        self.w1 = Linear(in_features, hidden_features, bias, dtype=dtype)
        self.w2 = Linear(hidden_features, in_features if out_features is None else out_features, bias, dtype=dtype)
        self.w3 = Linear(in_features, hidden_features, bias, dtype=dtype)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the result, of shape [..., out_features]."""
        return self.w2(silu(self.w1(x)) * self.w3(x))
