"""Layers that are a matrix product, or only change the shape."""

from __future__ import annotations

import math
import operator
from typing import Any

from lamina.dtypes import DEFAULT_FLOAT, DTypeLike, as_dtype
from lamina.errors import DTypeError, ShapeError
from lamina.functions.manipulation import flatten
from lamina.functions.operands import tensor
from lamina.functions.products import matmul
from lamina.nn.init import Initializer, as_initializer, kaiming_uniform, made_by, uniform
from lamina.nn.module import Module
from lamina.primitives.contraction import transposed
from lamina.tensor import Tensor, Variable


class Linear(Module):
    """An affine map of the last axis.

    ``y = x W^T + b``

    Parameters
    ----------
    in_features : int
        Length of the last axis of the input.
    out_features : int
        Length of the last axis of the output.
    bias : bool, default True
        Whether ``b`` is added.
    init : callable or str, optional
        What makes the weight: an initialiser of `lamina.nn.init` or the name of one, such as
        ``"xavier_normal"``; any ``f(shape, *, dtype) -> Tensor`` will do. By default the weight, and the bias
        always, is uniform in ``±1/sqrt(in_features)``, as in PyTorch.
    dtype : DType, default float32
        Of the parameters.

    Attributes
    ----------
    weight : Variable of shape [out_features, in_features]
    bias : Variable of shape [out_features], or None

    Raises
    ------
    ShapeError
        When a number of features is not a positive integer, or the last axis of an input is not in_features.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> layer = nn.Linear(3, 2, init="ones")
    >>> layer.bias.assign(la.asarray([0.0, 1.0]))
    >>> layer(la.asarray([[1.0, 2.0, 3.0]]))
    Tensor([[6., 7.]], shape=[1, 2], dtype=float32)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        init: Initializer | str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        self.in_features = _count("in_features", in_features)
        self.out_features = _count("out_features", out_features)
        wanted = DEFAULT_FLOAT if dtype is None else as_dtype(dtype)
        if not wanted.floating:
            raise DTypeError(f"Linear: parameters are floating-point numbers, got dtype {wanted.name}")
        shape = (self.out_features, self.in_features)
        initializer = kaiming_uniform(a=math.sqrt(5.0)) if init is None else as_initializer(init)
        self.weight = Variable(made_by("Linear", initializer, shape, wanted), "weight")
        self.bias: Variable | None = None
        if bias:
            bound = 1.0 / math.sqrt(self.in_features)
            self.bias = Variable(uniform(-bound, bound)((self.out_features,), dtype=wanted), "bias")

    def __call__(self, x: Tensor) -> Tensor:
        """Return the output, of shape [..., out_features], for ``x`` of shape [..., in_features]."""
        if x.__class__ is not Tensor:
            x = tensor("Linear", x)
        if x.shape[-1:] != (self.in_features,):
            raise ShapeError(
                f"Linear: expected in_features={self.in_features} along the last axis, got shape {list(x.shape)}"
            )
        y = matmul(x, transposed(self.weight))
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


def _count(name: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if number < 1 or isinstance(value, bool):
        raise ShapeError(f"Linear: {name} must be a positive integer, got {value!r}")
    return number


class Flatten(Module):
    """Make a range of axes one: by default all but the first, the batch.

    Parameters
    ----------
    start_axis : int, default 1
        The first axis of the range.
    end_axis : int, default -1
        The last axis of the range, included.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.Flatten()(la.zeros((2, 3, 4))).shape
    (2, 12)
    """

    def __init__(self, start_axis: int = 1, end_axis: int = -1) -> None:
        self.start_axis = start_axis
        self.end_axis = end_axis

    def __call__(self, x: Tensor) -> Tensor:
        """Return ``x`` with fewer axes."""
        return flatten(x, self.start_axis, self.end_axis)

    def extra_repr(self) -> str:
        return f"start_axis={self.start_axis}, end_axis={self.end_axis}"


class Identity(Module):
    """Return the input unchanged: a place holder for a layer.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.Identity()(la.ones(2))
    Tensor([1., 1.], shape=[2], dtype=float32)
    """

    def __call__(self, x: Tensor) -> Tensor:
        """Return ``x``."""
        return x
