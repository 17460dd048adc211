"""Normalisations as functions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lamina.autodiff.node import record
from lamina.dtypes import float_info
from lamina.errors import DataError, ShapeError
from lamina.functions.operands import cast, floating, tensor, wide
from lamina.functions.reductions import mean
from lamina.nn.standardizing import Axes, moments, scaled_to_unit, standardized
from lamina.primitives.broadcasting import reshape
from lamina.primitives.elementwise import sqrt
from lamina.primitives.shaping import pad, part
from lamina.tensor import Tensor
from lamina.variable import Variable


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float | Tensor = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return each channel with its mean over the batch and all places taken away, over its standard deviation.

    ``(x - mean) / √(variance + eps) * weight + bias``

    Parameters
    ----------
    input : Tensor of shape [n, channels, ...]
    running_mean, running_var : Tensor of shape [channels], or None
        Used in place of the batch's own when not ``training``. In training they move towards these, and are
        variables: ``(1 - momentum) * running + momentum * observed``, the observed variance over ``n - 1``.
    weight, bias : Tensor of shape [channels], optional
    training : bool, default False
    momentum : float or Tensor, default 0.1
    eps : float, default 1e-5

    Raises
    ------
    ShapeError
        When shapes do not fit, or in training a channel has a single value, whose variance is no use.
    DataError
        When not in training and there are no running statistics.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.batch_norm(la.asarray([[1.0], [3.0]]), None, None, training=True)
    Tensor([[-1.],
            [ 1.]], shape=[2, 1], dtype=float32)

    Source: S. Ioffe, C. Szegedy, "Batch normalization", ICML 2015, algorithm 1.
    """
    x = floating("batch_norm", input)
    if x.ndim < 2:
        raise ShapeError(f"batch_norm: expected an input of shape [n, channels, ...], got {list(x.shape)}")
    channels, dtype = x.shape[1], x.dtype
    for name, each in (("running_mean", running_mean), ("running_var", running_var)):
        _check_shape("batch_norm", name, each, (channels,))
    x, along = wide(x), (1, channels, *[1] * (x.ndim - 2))
    axes = (0, *range(2, x.ndim))
    if not training:
        if running_mean is None or running_var is None:
            raise DataError("batch_norm: evaluation needs running_mean and running_var; give them, or training=True")
        y = (x - _placed(running_mean, along, x)) * (1.0 / sqrt(_placed(running_var, along, x) + eps))
        return cast(_affine("batch_norm", y, weight, bias, (channels,), along), dtype)
    count = x.size // channels if channels else 0
    if count == 1:
        raise ShapeError(
            f"batch_norm: in training a channel needs more than one value, got shape {list(x.shape)}; "
            "use a larger batch, or evaluation mode"
        )
    if count:
        found = moments(x, axes)
        _follow(running_mean, found.mean, momentum)
        _follow(running_var, found.unbiased, momentum)
        x = standardized(x, axes, eps, found)
    return cast(_affine("batch_norm", x, weight, bias, (channels,), along), dtype)


def _check_shape(owner: str, name: str, x: Tensor | None, shape: tuple[int, ...]) -> None:
    if x is not None and tensor(owner, x).shape != shape:
        raise ShapeError(f"{owner}: {name} has shape {list(x.shape)}, expected {list(shape)}")


def _placed(x: Tensor, shape: tuple[int, ...], beside: Tensor) -> Tensor:
    """Return one number for each channel, in the shape and type in which it meets the input."""
    return cast(reshape(x, shape=shape), beside.dtype)


def _affine(
    owner: str, y: Tensor, weight: Tensor | None, bias: Tensor | None, shape: Axes, along: Axes | None = None
) -> Tensor:
    """Return ``y * weight + bias``, of parameters of a shape, each of which is placed along ``y`` in another."""
    _check_shape(owner, "weight", weight, shape)
    _check_shape(owner, "bias", bias, shape)
    if weight is not None:
        y = y * _placed(weight, along or shape, y)
    return y if bias is None else y + _placed(bias, along or shape, y)


def _follow(running: Tensor | None, observed: Tensor, momentum: float | Tensor) -> None:
    """Move a running statistic towards what was observed."""
    if running is None:
        return
    if not isinstance(running, Variable):
        raise DataError(
            "batch_norm: running statistics change in training; make them with la.variable, trainable=False"
        )
    with record(False):
        observed = cast(reshape(observed, shape=running.shape), running.dtype)
        running.assign(running._untracked * (1.0 - momentum) + observed * momentum)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return each channel of each sample with its own mean taken away, over its own standard deviation.

    Source: D. Ulyanov, A. Vedaldi, V. Lempitsky, arXiv 1607.08022, 2016.

    Parameters
    ----------
    input : Tensor of shape [n, channels, ...]
    running_mean, running_var : Tensor of shape [channels], optional
        As in `batch_norm`; what is observed is the mean over the samples.
    weight, bias : Tensor of shape [channels], optional
    use_input_stats : bool, default True
        Whether statistics are those of the input; otherwise the running ones.
    momentum : float, default 0.1
    eps : float, default 1e-5

    Raises
    ------
    ShapeError
        When shapes do not fit, or a channel has a single place.
    """
    x = floating("instance_norm", input)
    if x.ndim < 3:
        raise ShapeError(f"instance_norm: expected an input of shape [n, channels, ...], got {list(x.shape)}")
    if not use_input_stats:
        return batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    axes, dtype = tuple(range(2, x.ndim)), x.dtype
    if math.prod(x.shape[2:]) == 1:
        raise ShapeError(f"instance_norm: a channel needs more than one place, got shape {list(x.shape)}")
    x, along = wide(x), (1, x.shape[1], *[1] * (x.ndim - 2))
    if x.size:
        found = moments(x, axes)
        if running_mean is not None and running_var is not None:
            _follow(running_mean, mean(found.mean, axis=0), momentum)
            _follow(running_var, mean(found.unbiased, axis=0), momentum)
        x = standardized(x, axes, eps, found)
    return cast(_affine("instance_norm", x, weight, bias, x.shape[1:2], along), dtype)


def layer_norm(
    input: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Return each sample with its mean over the last axes taken away, over its standard deviation.

    ``(x - mean) / √(variance + eps) * weight + bias``

    Parameters
    ----------
    input : Tensor of shape [..., *normalized_shape]
    normalized_shape : int or sequence of int
        Lengths of the last axes, over which mean and variance are taken.
    weight, bias : Tensor of shape normalized_shape, optional
    eps : float, default 1e-5

    Raises
    ------
    ShapeError
        When shapes do not fit.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.layer_norm(la.asarray([[1.0, 3.0]]), 2)
    Tensor([[-1.,  1.]], shape=[1, 2], dtype=float32)

    Source: J. L. Ba, J. R. Kiros, G. E. Hinton, arXiv 1607.06450, 2016.
    """
    x, shape, axes = _last_axes("layer_norm", input, normalized_shape)
    dtype, x = x.dtype, wide(x)
    y = standardized(x, axes, eps) if x.size else x
    return cast(_affine("layer_norm", y, weight, bias, shape), dtype)


def _last_axes(
    owner: str, input: Tensor, normalized_shape: int | Sequence[int]
) -> tuple[Tensor, tuple[int, ...], Axes]:
    x = floating(owner, input)
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ShapeError(f"{owner}: the last axes of the input are {list(shape)}, got shape {list(x.shape)}")
    return x, shape, tuple(range(x.ndim - len(shape), x.ndim))


def rms_norm(
    input: Tensor, normalized_shape: int | Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """Return each sample over the root of the mean of its squares over the last axes.

    ``x / √(mean(x²) + eps) * weight``

    Parameters
    ----------
    input : Tensor of shape [..., *normalized_shape]
    normalized_shape : int or sequence of int
    weight : Tensor of shape normalized_shape, optional
    eps : float, optional
        By default the distance from one to the next number of the input's type.

    Raises
    ------
    ShapeError
        When shapes do not fit.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.rms_norm(la.asarray([[1.0, 7.0]]), 2)
    Tensor([[0.2, 1.4]], shape=[1, 2], dtype=float32)

    Source: B. Zhang, R. Sennrich, "Root mean square layer normalization", NeurIPS 2019, equation 4.
    """
    x, shape, axes = _last_axes("rms_norm", input, normalized_shape)
    dtype, x = x.dtype, wide(x)
    y = scaled_to_unit(x, axes, float_info(dtype).eps if eps is None else eps) if x.size else x
    return cast(_affine("rms_norm", y, weight, None, shape), dtype)


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Return each group of neighbouring channels with its mean taken away, over its standard deviation.

    Source: Y. Wu, K. He, "Group normalization", ECCV 2018, equations 1, 2, 6 and 7.

    Parameters
    ----------
    input : Tensor of shape [n, channels, ...]
    num_groups : int
        Divides the channels.
    weight, bias : Tensor of shape [channels], optional
    eps : float, default 1e-5

    Raises
    ------
    ShapeError
        When shapes do not fit.
    """
    x = floating("group_norm", input)
    if x.ndim < 2 or num_groups < 1 or x.shape[1] % num_groups:
        raise ShapeError(
            f"group_norm: expected an input of shape [n, channels, ...] whose channels are divided by "
            f"num_groups={num_groups}, got {list(x.shape)}"
        )
    shape, dtype = x.shape, x.dtype
    # All in one shape, so that nothing has to be copied between: channels within groups, and all places as one axis.
    groups = (num_groups, shape[1] // num_groups)
    x = wide(reshape(x, shape=(shape[0], *groups, math.prod(shape[2:]))))
    y = standardized(x, (2, 3), eps) if x.size else x
    y = _affine("group_norm", y, weight, bias, shape[1:2], (1, *groups, 1))
    return cast(reshape(y, shape=shape), dtype)


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Return each number over a power of the squares at its place in the channels around its own.

    ``x / (k + alpha / size * Σ x²)^beta``, the sum over ``size`` channels, of which those outside are zero.

    Source: A. Krizhevsky, I. Sutskever, G. E. Hinton, NIPS 2012, section 3.3; divided by ``size`` as in PyTorch.

    Parameters
    ----------
    input : Tensor of shape [n, channels, ...]
    size : int
    alpha : float, default 1e-4
    beta : float, default 0.75
    k : float, default 1.0

    Raises
    ------
    ShapeError
        When the input has less than three axes.
    """
    x = floating("local_response_norm", input)
    if x.ndim < 3 or size < 1:
        raise ShapeError(
            f"local_response_norm: expected an input of shape [n, channels, ...] and a positive size, "
            f"got {list(x.shape)} and {size}"
        )
    none, channels = [0] * x.ndim, x.shape[1]
    low, high = ([*none[:1], length, *none[2:]] for length in (size // 2, (size - 1) // 2))
    squares = pad(x * x, low=tuple(low), high=tuple(high), interior=tuple(none), value=0.0)
    total = part(squares, 1, 0, channels)
    for first in range(1, size):
        total = total + part(squares, 1, first, first + channels)
    return x / (total * (alpha / size) + k) ** beta
