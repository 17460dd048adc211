"""Normalisations as layers that may remember the statistics of what they have met: of batches and of instances."""

from __future__ import annotations

from typing import ClassVar

from lamina.autodiff.node import record
from lamina.dtypes import DTypeLike, int64
from lamina.errors import ShapeError
from lamina.functions.creation import full, ones, zeros
from lamina.functions.operands import cast, floating
from lamina.nn.module import Module
from lamina.nn.normalisation import batch_norm, instance_norm
from lamina.nn.normalisation_layers import unit_weight, zero_bias
from lamina.nn.settings import parameter_dtype, positive_count
from lamina.primitives.broadcasting import reshape
from lamina.tensor import Tensor
from lamina.variable import Variable


class _RunningStatistics(Module):
    """The base of layers that remember the mean and the variance of each channel."""

    axes: ClassVar[tuple[int, ...]]
    """The numbers of axes that an input may have."""

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        bias: bool,
        dtype: DTypeLike | None,
    ) -> None:
        name = type(self).__name__
        self.num_features = positive_count(name, "num_features", num_features)
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        kind, shape = parameter_dtype(name, dtype), (self.num_features,)
        self.weight = unit_weight(shape, kind) if affine else None
        self.bias = zero_bias(shape, kind) if affine and bias else None
        self.running_mean = self.running_var = self.num_batches_tracked = None
        if track_running_stats:
            self.running_mean = Variable(zeros(shape, dtype=kind), "running_mean", trainable=False)
            self.running_var = Variable(ones(shape, dtype=kind), "running_var", trainable=False)
            count = full((), 0, dtype=int64)
            self.num_batches_tracked = Variable(count, "num_batches_tracked", trainable=False)

    def _checked(self, x: Tensor, axes: tuple[int, ...], channels: int) -> Tensor:
        name = type(self).__name__
        x = floating(name, x)
        if x.ndim not in axes or x.shape[channels] != self.num_features:
            wanted = " or ".join(map(str, axes))
            raise ShapeError(
                f"{name}: expected {wanted} axes, with num_features={self.num_features} along axis {channels}, "
                f"got shape {list(x.shape)}"
            )
        return x

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_RunningStatistics):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias, dtype)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the normalised input, in its shape."""
        x = self._checked(x, self.axes, 1)
        momentum: float | Tensor = 0.0 if self.momentum is None else self.momentum
        follows = self.training and self.num_batches_tracked is not None
        if follows and self.num_batches_tracked is not None:
            with record(False):
                count = self.num_batches_tracked._untracked + 1
                self.num_batches_tracked.assign(count)
                if self.momentum is None:
                    momentum = 1.0 / cast(count, x.dtype)
        observed = self.training or self.running_mean is None
        running = (self.running_mean, self.running_var) if follows or not observed else (None, None)
        return batch_norm(x, *running, self.weight, self.bias, observed, momentum, self.eps)


class BatchNorm1d(_BatchNorm):
    """Each channel with mean zero and variance one over the batch, times a weight, plus a bias.

    ``y = (x - mean) / √(variance + eps) * weight + bias``

    In training the statistics are the batch's own, and running ones follow them; in evaluation the running ones are
    used, so that a sample's result does not depend on the others.

    Parameters
    ----------
    num_features : int
        Channels.
    eps : float, default 1e-5
    momentum : float or None, default 0.1
        How far the running statistics move towards those of a batch; None for the mean over all batches.
    affine : bool, default True
        Whether there are a weight and a bias.
    track_running_stats : bool, default True
        Whether there are running statistics; without them, those of the batch are used in evaluation too.
    bias : bool, default True
        Whether, of weight and bias, there is a bias.
    dtype : DType, default float32
        Of parameters and statistics.

    Attributes
    ----------
    weight, bias : Variable of shape [num_features], or None
    running_mean, running_var : Variable of shape [num_features], or None
        Buffers; the variance is over ``n - 1``.
    num_batches_tracked : Variable of shape [], or None
        A buffer, int64.

    Raises
    ------
    ShapeError
        When an input is not of shape [n, channels] or [n, channels, length], or in training a channel has one value.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> layer = nn.BatchNorm1d(1)
    >>> layer(la.asarray([[1.0], [3.0]]))
    Tensor([[-1.],
            [ 1.]], shape=[2, 1], dtype=float32)
    >>> layer.running_mean.value, layer.running_var.value
    (Tensor([0.2], shape=[1], dtype=float32), Tensor([1.1], shape=[1], dtype=float32))

    Source: S. Ioffe, C. Szegedy, "Batch normalization", ICML 2015, algorithms 1 and 2.
    """

    axes = (2, 3)


class BatchNorm2d(_BatchNorm):
    """`BatchNorm1d` of images, [n, channels, height, width].

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.BatchNorm2d(3)(la.zeros((2, 3, 4, 4))).shape
    (2, 3, 4, 4)
    """

    axes = (4,)


class BatchNorm3d(_BatchNorm):
    """`BatchNorm1d` of volumes, [n, channels, depth, height, width].

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.BatchNorm3d(3)(la.zeros((2, 3, 2, 4, 4))).shape
    (2, 3, 2, 4, 4)
    """

    axes = (5,)


class _InstanceNorm(_RunningStatistics):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        bias: bool = True,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias, dtype)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the normalised input, in its shape; without a batch axis it is one sample."""
        (batched,) = self.axes
        alone = x.ndim == batched - 1
        x = self._checked(x, (batched - 1, batched), 0 if alone else 1)
        shape = x.shape
        if alone:
            x = reshape(x, shape=(1, *shape))
        observed = self.training or self.running_mean is None
        momentum = 0.0 if self.momentum is None else self.momentum
        running = self.running_mean, self.running_var
        return reshape(instance_norm(x, *running, self.weight, self.bias, observed, momentum, self.eps), shape=shape)


class InstanceNorm1d(_InstanceNorm):
    """Each channel of each sample with mean zero and variance one over its places.

    Parameters
    ----------
    num_features, eps, bias, dtype
        As in `BatchNorm1d`.
    momentum : float or None, default 0.1
        How far the running statistics move; they stay with None, as in PyTorch.
    affine : bool, default False
        Whether there are a weight and a bias.
    track_running_stats : bool, default False
        Whether there are running statistics, which are then used in evaluation.

    Raises
    ------
    ShapeError
        When an input is not of shape [n, channels, length] or [channels, length], or has one place only.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.InstanceNorm1d(1)(la.asarray([[[1.0, 3.0]]]))
    Tensor([[[-1.,  1.]]], shape=[1, 1, 2], dtype=float32)

    Source: D. Ulyanov, A. Vedaldi, V. Lempitsky, arXiv 1607.08022, 2016.
    """

    axes = (3,)


class InstanceNorm2d(_InstanceNorm):
    """`InstanceNorm1d` of images, [n, channels, height, width] or [channels, height, width].

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.InstanceNorm2d(3)(la.zeros((2, 3, 4, 4))).shape
    (2, 3, 4, 4)
    """

    axes = (4,)


class InstanceNorm3d(_InstanceNorm):
    """`InstanceNorm1d` of volumes, [n, channels, depth, height, width] or without ``n``.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.InstanceNorm3d(3)(la.zeros((2, 3, 2, 4, 4))).shape
    (2, 3, 2, 4, 4)
    """

    axes = (5,)
