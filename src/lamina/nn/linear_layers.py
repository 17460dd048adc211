"""Layers that are a matrix product, or only change the shape."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lamina.dtypes import DTypeLike
from lamina.errors import ShapeError
from lamina.functions.manipulation import flatten
from lamina.functions.operands import one_axis, tensor
from lamina.functions.products import matmul
from lamina.nn.function_layers import FunctionLayer, settings
from lamina.nn.init import Initializer, as_initializer, kaiming_uniform, made_by, uniform
from lamina.nn.module import Module
from lamina.nn.settings import parameter_dtype, positive_count
from lamina.primitives.broadcasting import reshape
from lamina.primitives.contraction import transposed
from lamina.primitives.shaping import permute_dims
from lamina.tensor import Tensor
from lamina.variable import Variable


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
        self.in_features = positive_count("Linear", "in_features", in_features)
        self.out_features = positive_count("Linear", "out_features", out_features)
        wanted = parameter_dtype("Linear", dtype)
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


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``y = x W^T + b``.

    Parameters
    ----------
    input : Tensor of shape [..., in_features]
    weight : Tensor of shape [out_features, in_features], or [in_features]
    bias : Tensor of shape [out_features], or [], optional

    Returns
    -------
    Tensor of shape [..., out_features], or [...]

    Raises
    ------
    ShapeError
        When the shapes do not fit together.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.linear(la.asarray([1.0, 2.0]), la.asarray([[1.0, 1.0], [0.0, 1.0]]), la.asarray([0.0, 5.0]))
    Tensor([3., 7.], shape=[2], dtype=float32)
    """
    x, weight = tensor("linear", input), tensor("linear", weight)
    if weight.ndim not in (1, 2) or x.shape[-1:] != weight.shape[-1:]:
        raise ShapeError(
            f"linear: an input [..., in_features] takes a weight [out_features, in_features] or [in_features]; "
            f"got shapes {list(x.shape)} and {list(weight.shape)}"
        )
    if bias is not None and tensor("linear", bias).shape != weight.shape[:-1]:
        raise ShapeError(
            f"linear: a weight of shape {list(weight.shape)} takes a bias {list(weight.shape[:-1])}, "
            f"got shape {list(bias.shape)}"
        )
    y = matmul(x, transposed(weight) if weight.ndim == 2 else weight)
    return y if bias is None else y + bias


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``y[o] = sum(x1[i] W[o, i, j] x2[j]) + b[o]``, over ``i`` and ``j``.

    Parameters
    ----------
    input1 : Tensor of shape [..., in1_features]
    input2 : Tensor of shape [..., in2_features]
        With the same axes before the last.
    weight : Tensor of shape [out_features, in1_features, in2_features]
    bias : Tensor of shape [out_features], optional

    Returns
    -------
    Tensor of shape [..., out_features]

    Raises
    ------
    ShapeError
        When the shapes do not fit together.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.bilinear(la.asarray([2.0, 1.0]), la.asarray([3.0]), la.ones((1, 2, 1)))
    Tensor([9.], shape=[1], dtype=float32)

    Source: J. B. Tenenbaum, W. T. Freeman, "Separating style and content with bilinear models", Neural Computation 12,
    2000, equation 1.
    """
    x1, x2, weight = tensor("bilinear", input1), tensor("bilinear", input2), tensor("bilinear", weight)
    fits = weight.ndim == 3 and x1.ndim > 0 and x1.shape[:-1] == x2.shape[:-1] and x2.ndim > 0
    if not fits or (x1.shape[-1], x2.shape[-1]) != weight.shape[1:]:
        raise ShapeError(
            "bilinear: expected [..., in1], [..., in2] and a weight of shape [out, in1, in2]; "
            f"got {list(x1.shape)}, {list(x2.shape)} and {list(weight.shape)}"
        )
    outputs, before, after = weight.shape
    # One product with all of the weight, then one small product for each sample.
    table = reshape(permute_dims(weight, axes=(1, 0, 2)), shape=(before, outputs * after))
    halfway = reshape(matmul(x1, table), shape=(*x1.shape[:-1], outputs, after))
    y = reshape(matmul(halfway, reshape(x2, shape=(*x2.shape, 1))), shape=(*x1.shape[:-1], outputs))
    return y if bias is None else y + tensor("bilinear", bias)


class Bilinear(Module):
    """A map of two inputs that is linear in each: ``y[o] = x1^T W[o] x2 + b[o]``; see `bilinear`.

    Parameters
    ----------
    in1_features, in2_features : int
        Lengths of the last axes of the inputs.
    out_features : int
        Length of the last axis of the output.
    bias : bool, default True
        Whether ``b`` is added.
    dtype : DType, default float32
        Of the parameters, which are uniform in ``±1/sqrt(in1_features)`` at first, as in PyTorch.

    Attributes
    ----------
    weight : Variable of shape [out_features, in1_features, in2_features]
    bias : Variable of shape [out_features], or None

    Raises
    ------
    ShapeError
        When a number of features is not a positive integer, or inputs do not fit.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.Bilinear(3, 4, 2)(la.zeros((5, 3)), la.zeros((5, 4))).shape
    (5, 2)
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: DTypeLike | None = None,
    ) -> None:
        self.in1_features = positive_count("Bilinear", "in1_features", in1_features)
        self.in2_features = positive_count("Bilinear", "in2_features", in2_features)
        self.out_features = positive_count("Bilinear", "out_features", out_features)
        wanted = parameter_dtype("Bilinear", dtype)
        bound = 1.0 / math.sqrt(self.in1_features)
        drawn, shape = uniform(-bound, bound), (self.out_features, self.in1_features, self.in2_features)
        self.weight = Variable(drawn(shape, dtype=wanted), "weight")
        self.bias: Variable | None = None
        if bias:
            self.bias = Variable(drawn((self.out_features,), dtype=wanted), "bias")

    def __call__(self, input1: Tensor, input2: Tensor) -> Tensor:
        """Return the output, of shape [..., out_features], for [..., in1_features] and [..., in2_features]."""
        return bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        shown = ("in1_features", "in2_features", "out_features")
        return ", ".join(f"{name}={getattr(self, name)}" for name in shown) + f", bias={self.bias is not None}"


@settings
class Flatten(FunctionLayer):
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

    start_axis: int = 1
    end_axis: int = -1

    def __call__(self, x: Tensor) -> Tensor:
        """Return ``x`` with fewer axes."""
        return flatten(x, self.start_axis, self.end_axis)


@settings
class Unflatten(FunctionLayer):
    """Make one axis several, which undoes `Flatten`.

    Parameters
    ----------
    axis : int
        The axis, which may be counted from the end.
    unflattened_size : sequence of int
        The lengths of what it becomes; one of them may be -1, which is what is left for it.

    Raises
    ------
    ShapeError
        When the lengths do not multiply to that of the axis.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.Unflatten(1, (3, -1))(la.zeros((2, 12))).shape
    (2, 3, 4)
    """

    axis: int
    unflattened_size: Sequence[int]

    def __call__(self, x: Tensor) -> Tensor:
        """Return ``x`` with more axes."""
        x = tensor("Unflatten", x)
        at = one_axis("Unflatten", self.axis, x.ndim)
        sizes, length = tuple(self.unflattened_size), x.shape[at]
        known = math.prod(size for size in sizes if size != -1)
        if sizes.count(-1) == 1 and known > 0 and length % known == 0:
            sizes = tuple(length // known if size == -1 else size for size in sizes)
        if not sizes or min(sizes) < 0 or math.prod(sizes) != length:
            raise ShapeError(f"Unflatten: axis {self.axis} of {list(x.shape)} cannot become {list(sizes)}")
        return reshape(x, shape=(*x.shape[:at], *sizes, *x.shape[at + 1 :]))


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
