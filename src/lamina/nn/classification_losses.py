"""Losses of probabilities: cross-entropies and the Kullback-Leibler divergence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lamina.dtypes import int64
from lamina.errors import DataError, DTypeError, ShapeError
from lamina.functions.activations import log_softmax
from lamina.functions.comparisons import where
from lamina.functions.elementwise import exp, log, log1p
from lamina.functions.operands import cast, floating, tensor
from lamina.functions.reductions import mean, sum
from lamina.nn.label_checks import check_class_labels, check_unit_interval
from lamina.nn.reduction import Reduction, check_reduction, reduced, same_shape, weights
from lamina.primitives import elementwise as rows, reductions
from lamina.primitives.broadcasting import reshape, sum_
from lamina.tensor import Tensor


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    pos_weight: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Return the cross-entropy of yes-or-no targets ``y``, from logits ``x``.

    ``-w * (p * y * log(sigmoid(x)) + (1 - y) * log(1 - sigmoid(x)))``, computed without the sigmoid, so that it
    is finite and exact for large logits of either sign.

    Parameters
    ----------
    input : Tensor
        Logits.
    target : Tensor
        Of the same shape: 0, 1, or probabilities between; bool and integers too.
    weight : Tensor, optional
        Of the elements, ``w``; broadcasts to the shape of the input.
    pos_weight : Tensor, optional
        Of the positive side, ``p``; broadcasts likewise. More than one makes misses cost more than false alarms.
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    ShapeError
        When the shapes differ, or weights do not broadcast.
    DataError
        When a target is not in [0, 1].

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.binary_cross_entropy_with_logits(la.asarray([0.0, -9.0]), la.asarray([1.0, 1.0]), reduction="none")
    Tensor([0.6931, 9.0001], shape=[2], dtype=float32)
    """
    name = "binary_cross_entropy_with_logits"
    x, y = same_shape(name, input, target)
    check_unit_interval(name, y)
    if not y.dtype.floating:
        y = cast(y, x.dtype)
    # softplus(x) = max(x, 0) + log(1 + exp(-|x|)). The sign is a constant, so the derivative at 0 is right too.
    positive = rows.less(x._scalar(0.0), x)
    tail = log1p(exp(x * rows.where(positive, x._scalar(-1.0), x._scalar(1.0))))
    positive = cast(positive, x.dtype)
    if pos_weight is None:
        losses = tail + x * (positive - y)
    else:
        no, yes = 1.0 - y, y * weights(name, "pos_weight", pos_weight, x)
        losses = (no + yes) * tail + x * (no * positive + yes * (positive - 1.0))
    if weight is not None:
        losses = losses * weights(name, "weight", weight, x)
    return reduced(name, losses, reduction)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the cross-entropy of classes or probabilities, from logits ``x``.

    With ``l = log_softmax(x)`` along the classes, the loss of a label ``y`` is ``-w[y] * l[y]``, and that of
    probabilities ``q`` is ``-sum(w * q * l)``.

    Parameters
    ----------
    input : Tensor of shape [classes], [n, classes] or [n, classes, ...]
        Logits.
    target : Tensor
        Integer labels, of the shape of the input without its classes; or probabilities, floating-point and of the
        shape of the input.
    weight : Tensor of shape [classes], optional
        Of the classes, ``w``.
    ignore_index : int, default -100
        A label that does not count: its loss is zero and the mean is taken over the others.
    reduction : {"mean", "sum", "none"}
        The mean of labels is weighted: the sum of the losses over the sum of the ``w[y]``. That of probabilities
        is the sum over the number of distributions.
    label_smoothing : float, default 0.0
        A share ``s`` in [0, 1]: the target becomes ``(1 - s) * q + s / classes``.

    Returns
    -------
    Tensor
        Of shape [], or for ``"none"`` of the shape of the input without its classes.

    Raises
    ------
    ShapeError
        When the shapes do not fit together.
    DTypeError
        When the target is bool.
    DataError
        When a label is not a class.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> logits = la.asarray([[2.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    >>> nn.cross_entropy(logits, la.asarray([0, 2]), reduction="none")
    Tensor([0.2395, 1.0986], shape=[2], dtype=float32)

    Source of the smoothing: C. Szegedy et al., CVPR 2016, section 7.
    """
    input, target = floating("cross_entropy", input), tensor("cross_entropy", target)
    if not 0.0 <= label_smoothing <= 1.0:
        raise DataError(f"cross_entropy: label_smoothing must be from 0 to 1, got {label_smoothing}")
    axis = _class_axis("cross_entropy", input)
    weight = _class_weights("cross_entropy", weight, input, axis)
    if target.dtype.floating:
        _check_probability_shape(input, target, axis, ignore_index)
        return _of_probabilities(log_softmax(input, axis), target, weight, axis, reduction, label_smoothing)
    labels = _chosen("cross_entropy", input, target, axis, ignore_index)
    # The loss is log(sum(exp(x))) - x[y], computed from the largest logit down.
    shifted = input - reductions.max_(input._untracked, axes=(axis,), keepdims=True)
    total = log(sum_(exp(shifted), axes=(axis,), keepdims=True))
    losses = total - labels.pick(shifted)
    importance = None if weight is None else labels.pick(weight)
    if importance is not None:
        losses = losses * importance
    if label_smoothing:
        each = total - shifted if weight is None else (total - shifted) * weight
        spread = sum_(each, axes=(axis,), keepdims=True)
        losses = losses * (1.0 - label_smoothing) + spread * (label_smoothing / input.shape[axis])
    return labels.reduced("cross_entropy", losses, importance, reduction)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
) -> Tensor:
    """Return the negative log-likelihood of labels, ``-w[y] * l[y]`` from log-probabilities ``l``.

    `cross_entropy` is this of `log_softmax`; the parameters and errors are those it has for integer labels.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.nll_loss(la.log_softmax(la.zeros((2, 4))), la.asarray([0, 3]))
    Tensor(1.3863, shape=[], dtype=float32)
    """
    input, target = floating("nll_loss", input), tensor("nll_loss", target)
    axis = _class_axis("nll_loss", input)
    weight = _class_weights("nll_loss", weight, input, axis)
    labels = _chosen("nll_loss", input, target, axis, ignore_index)
    losses = rows.negative(labels.pick(input))
    importance = None if weight is None else labels.pick(weight)
    if importance is not None:
        losses = losses * importance
    return labels.reduced("nll_loss", losses, importance, reduction)


def _class_axis(name: str, input: Tensor) -> int:
    """Return where the classes are: behind the batch, if there is one."""
    if input.ndim == 0:
        raise ShapeError(f"{name}: expected an input of shape [classes] or [n, classes, ...], got []")
    return 0 if input.ndim == 1 else 1


def _class_weights(name: str, weight: Tensor | None, input: Tensor, axis: int) -> Tensor | None:
    """Return the weights of the classes in a shape that broadcasts along their axis."""
    if weight is None:
        return None
    weight, classes = tensor(name, weight), input.shape[axis]
    if weight.shape != (classes,):
        raise ShapeError(f"{name}: weight has one number for each class, shape [{classes}]; got {list(weight.shape)}")
    return cast(reshape(weight, shape=(classes, *[1] * (input.ndim - axis - 1))), input.dtype)


@dataclass(frozen=True)
class _Labels:
    """Labels as a table of which class is the one, and the shapes they had."""

    chosen: Tensor
    """bool, of the shape of the input."""
    counted: Tensor | None
    """bool, of length one along the classes; None where no label is ignored."""
    axis: int
    shape: tuple[int, ...]

    def pick(self, values: Tensor) -> Tensor:
        """Return the value at each label, zero at ignored ones, of length one along the classes.

        A choice and a sum, not a gather: the adjoint needs no scattering and a label out of range is no crash.
        """
        return sum_(rows.where(self.chosen, values, values._scalar(0.0)), axes=(self.axis,), keepdims=True)

    def reduced(self, name: str, losses: Tensor, importance: Tensor | None, reduction: Reduction) -> Tensor:
        """Return the losses, zero at ignored labels; or their sum; or that over the sum of their importances."""
        if self.counted is not None:
            losses = rows.where(self.counted, losses, losses._scalar(0.0))
            importance = cast(self.counted, losses.dtype) if importance is None else importance
        if reduction == "mean" and importance is not None:
            return sum(losses) / sum(importance)
        return reduced(name, reshape(losses, shape=self.shape) if reduction == "none" else losses, reduction)


def _chosen(name: str, input: Tensor, target: Tensor, axis: int, ignore_index: int) -> _Labels:
    """Return integer labels, once checked, as a table."""
    if not target.dtype.integral:
        raise DTypeError(f"{name}: labels are integers, got {target.dtype.name}; cast them with astype")
    expected = input.shape[:axis] + input.shape[axis + 1 :]
    if target.shape != expected:
        raise ShapeError(
            f"{name}: for an input of shape {list(input.shape)}, with classes along axis {axis}, "
            f"labels have shape {list(expected)}; got {list(target.shape)}"
        )
    target, classes = cast(target, int64), input.shape[axis]
    some_ignored = check_class_labels(name, target, classes, ignore_index)
    labels = reshape(target, shape=(*expected[:axis], 1, *expected[axis:]))
    numbers = labels._constant(np.arange(classes).reshape(-1, *[1] * (input.ndim - axis - 1)), int64)
    chosen = rows.equal(labels, numbers)
    if not some_ignored:
        return _Labels(chosen, None, axis, expected)
    counted = rows.not_equal(labels, labels._scalar(ignore_index))
    return _Labels(rows.bitwise_and(chosen, counted), counted, axis, expected)


def _check_probability_shape(input: Tensor, target: Tensor, axis: int, ignore_index: int) -> None:
    if target.shape != input.shape:
        labels = input.shape[:axis] + input.shape[axis + 1 :]
        raise ShapeError(
            f"cross_entropy: for an input of shape {list(input.shape)}, probabilities have that shape and integer "
            f"labels {list(labels)}; got {target.dtype.name}{list(target.shape)}"
        )
    if ignore_index >= 0:
        raise DataError("cross_entropy: ignore_index is for integer labels; with probabilities leave it out")


def _of_probabilities(
    logarithms: Tensor, target: Tensor, weight: Tensor | None, axis: int, reduction: Reduction, smoothing: float
) -> Tensor:
    if smoothing:
        target = target * (1.0 - smoothing) + smoothing / logarithms.shape[axis]
    weighted = logarithms if weight is None else logarithms * weight
    return reduced("cross_entropy", rows.negative(sum(weighted * target, axis=axis)), reduction)


def kl_div(
    input: Tensor,
    target: Tensor,
    reduction: Literal["mean", "batchmean", "sum", "none"] = "mean",
    *,
    log_target: bool = False,
) -> Tensor:
    """Return the pointwise Kullback-Leibler divergence ``q * (log(q) - l)``, zero where ``q`` is zero.

    Parameters
    ----------
    input : Tensor
        Log-probabilities ``l`` of the model, as `log_softmax` gives them.
    target : Tensor
        Of the same shape: probabilities ``q``, or their logarithms.
    reduction : {"mean", "batchmean", "sum", "none"}
        ``"mean"`` is over all elements; ``"batchmean"``, the sum over the length of the first axis, is the
        divergence as it is defined.
    log_target : bool, default False
        Whether the target is given as logarithms.

    Raises
    ------
    ShapeError
        When the shapes differ.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> l = la.log(la.asarray([[0.5, 0.5]]))
    >>> nn.kl_div(l, la.asarray([[1.0, 0.0]]), "batchmean")
    Tensor(0.6931, shape=[], dtype=float32)

    Source: S. Kullback, R. A. Leibler, Annals of Mathematical Statistics 22, 1951, equation 2.4.
    """
    check_reduction("kl_div", reduction, ("mean", "batchmean", "sum", "none"))
    input, target = same_shape("kl_div", input, target)
    target = floating("kl_div", target)
    if log_target:
        losses = exp(target) * (target - input)
    else:
        none = target == 0.0
        losses = where(none, 0.0, target * log(where(none, 1.0, target))) - target * input
    if reduction == "batchmean":
        if input.ndim == 0:
            raise ShapeError('kl_div: "batchmean" divides by the length of the first axis, but the shape is []')
        return sum(losses) / input.shape[0]
    return mean(losses) if reduction == "mean" else sum(losses) if reduction == "sum" else losses
