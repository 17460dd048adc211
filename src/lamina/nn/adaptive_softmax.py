"""A softmax over very many classes of which few are frequent."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from lamina.dtypes import DTypeLike, int64
from lamina.errors import DataError, DTypeError, ShapeError
from lamina.functions.activations import log_softmax
from lamina.functions.manipulation import concat
from lamina.functions.operands import cast, floating, tensor
from lamina.functions.reductions import argmax, mean
from lamina.nn.containers import Sequential
from lamina.nn.label_checks import require_all
from lamina.nn.linear_layers import Linear
from lamina.nn.module import Module
from lamina.nn.module_lists import ModuleList
from lamina.nn.settings import positive_count
from lamina.primitives import indexing
from lamina.primitives.broadcasting import reshape
from lamina.primitives.elementwise import bitwise_and, less, less_equal, maximum, minimum, where
from lamina.primitives.shaping import part
from lamina.tensor import Tensor


class AdaptiveLogSoftmax(NamedTuple):
    """What `AdaptiveLogSoftmaxWithLoss` gives for labels.

    Attributes
    ----------
    output : Tensor of shape [n], or []
        The log-probability of each label.
    loss : Tensor of shape []
        Its mean, negative.
    """

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """A softmax over classes in order of how frequent they are, in clusters that get fewer features the rarer they are.

    The head holds the first ``cutoffs[0]`` classes and one entry for each cluster. The log-probability of a class of
    cluster ``i`` is that of the cluster plus that within it, which a product of ``in_features // div_value**(i + 1)``
    features gives. All rows go through all clusters, whatever their labels, since shapes do not depend on values.

    Parameters
    ----------
    in_features : int
    n_classes : int
        Classes are numbered by how frequent they are, the most frequent first.
    cutoffs : sequence of int
        Where clusters begin, increasing, between 1 and ``n_classes - 1``.
    div_value : float, default 4.0
        By how much the features of a cluster are fewer than those of the one before.
    head_bias : bool, default False
        Whether the head adds a bias.
    dtype : DType, default float32
        Of the parameters.

    Attributes
    ----------
    head : Linear
    tail : ModuleList of Sequential
        For each cluster two linear layers without bias.

    Raises
    ------
    DataError
        When the cutoffs do not increase, or one is out of range.
    ShapeError
        When an input is not [n, in_features] with labels [n], or [in_features] with one label.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> layer = nn.AdaptiveLogSoftmaxWithLoss(32, 1000, [10, 100])
    >>> output, loss = layer(la.zeros((3, 32)), la.asarray([0, 50, 999]))
    >>> output.shape, layer.log_prob(la.zeros((3, 32))).shape
    ((3,), (3, 1000))

    Source: E. Grave et al., "Efficient softmax approximation for GPUs", ICML 2017, section 4.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        *,
        dtype: DTypeLike | None = None,
    ) -> None:
        name = "AdaptiveLogSoftmaxWithLoss"
        self.in_features = positive_count(name, "in_features", in_features)
        self.n_classes = positive_count(name, "n_classes", n_classes)
        starts = [operator.index(each) for each in cutoffs]
        if not starts or any(a >= b for a, b in pairwise([0, *starts, self.n_classes])):
            raise DataError(
                f"{name}: cutoffs increase and are from 1 to n_classes - 1 = {self.n_classes - 1}, got {list(cutoffs)}"
            )
        self.cutoffs = [*starts, self.n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.n_clusters = len(starts)
        self.head = Linear(self.in_features, starts[0] + self.n_clusters, bias=head_bias, dtype=dtype)
        self.tail = ModuleList()
        for at, (start, stop) in enumerate(pairwise(self.cutoffs), 1):
            hidden = int(self.in_features // div_value**at)
            if hidden < 1:
                raise DataError(f"{name}: div_value {div_value} leaves no feature of {in_features} for cluster {at}")
            first, second = (
                Linear(self.in_features, hidden, bias=False, dtype=dtype),
                Linear(hidden, stop - start, bias=False, dtype=dtype),
            )
            self.tail.append(Sequential(first, second))

    def __call__(self, input: Tensor, target: Tensor) -> AdaptiveLogSoftmax:
        """Return the log-probabilities of labels, and their mean as a loss."""
        x, labels = self._checked(input), tensor("AdaptiveLogSoftmaxWithLoss", target)
        if not labels.dtype.integral:
            raise DTypeError(f"AdaptiveLogSoftmaxWithLoss: labels are integers, got {labels.dtype.name}")
        if labels.shape != x.shape[:-1]:
            raise ShapeError(
                f"AdaptiveLogSoftmaxWithLoss: an input of shape {list(x.shape)} takes labels {list(x.shape[:-1])}, "
                f"got {list(labels.shape)}"
            )
        labels = cast(labels, int64)
        inside = bitwise_and(less_equal(labels._scalar(0), labels), less(labels, labels._scalar(self.n_classes)))
        error = DataError(f"AdaptiveLogSoftmaxWithLoss: a label is out of range: they are 0 to {self.n_classes - 1}")
        require_all(inside, error)
        head = log_softmax(self.head(x))
        output = _at(head, labels, self.cutoffs[0])
        for at, (start, stop) in enumerate(pairwise(self.cutoffs)):
            of_cluster = reshape(self._of_cluster(head, at), shape=labels.shape)
            found = of_cluster + _at(log_softmax(self.tail[at](x)), labels - start, stop - start)
            output = where(less(labels, labels._scalar(start)), output, found)
        return AdaptiveLogSoftmax(output, -mean(output))

    def log_prob(self, input: Tensor) -> Tensor:
        """Return the log-probabilities of all classes, of shape [n, n_classes] or [n_classes]."""
        x = self._checked(input)
        head = log_softmax(self.head(x))
        parts = [part(head, x.ndim - 1, 0, self.cutoffs[0])]
        for at in range(self.n_clusters):
            parts.append(self._of_cluster(head, at) + log_softmax(self.tail[at](x)))
        return concat(parts, axis=-1)

    def predict(self, input: Tensor) -> Tensor:
        """Return the most probable class of each row, of shape [n] or []."""
        return argmax(self.log_prob(input), axis=-1)

    def _checked(self, input: Tensor) -> Tensor:
        x = floating("AdaptiveLogSoftmaxWithLoss", input)
        if x.ndim not in (1, 2) or x.shape[-1] != self.in_features:
            raise ShapeError(
                f"AdaptiveLogSoftmaxWithLoss: expected [n, in_features={self.in_features}] or [in_features], "
                f"got shape {list(x.shape)}"
            )
        return x

    def _of_cluster(self, head: Tensor, cluster: int) -> Tensor:
        """Return the log-probability that the head gives a cluster, as the last axis."""
        place = self.cutoffs[0] + cluster
        return part(head, head.ndim - 1, place, place + 1)

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.n_classes}, cutoffs={self.cutoffs[:-1]}, div_value={self.div_value}"


def _at(logarithms: Tensor, labels: Tensor, count: int) -> Tensor:
    """Return the element at each label; at some other where the label is none of so many."""
    safe = minimum(maximum(labels, labels._scalar(0)), labels._scalar(count - 1))
    found = indexing.take_along_axis(logarithms, reshape(safe, shape=(*safe.shape, 1)), axis=logarithms.ndim - 1)
    return reshape(found, shape=labels.shape)
