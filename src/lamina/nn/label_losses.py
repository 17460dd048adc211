"""Losses of several scores at a time: margins between classes, and several labels for one sample."""

from __future__ import annotations

import numpy as np

from lamina.dtypes import bool_, int64
from lamina.errors import DataError, DTypeError, ShapeError
from lamina.functions.activations import relu, softplus
from lamina.functions.operands import cast, floating, tensor
from lamina.functions.reductions import mean, sum
from lamina.nn.label_checks import check_class_labels, check_signs
from lamina.nn.reduction import Reduction, reduced, same_shape
from lamina.primitives.broadcasting import reshape
from lamina.primitives.elementwise import bitwise_and, bitwise_invert, equal, less, maximum, not_equal, where
from lamina.primitives.indexing import take, take_along_axis
from lamina.primitives.reductions import any_, cumulative_prod
from lamina.tensor import Tensor


def soft_margin_loss(input: Tensor, target: Tensor, reduction: Reduction = "mean") -> Tensor:
    """Return ``log(1 + exp(-y x))`` of scores ``x`` and labels ``y``, 1 or -1, of one shape.

    Raises
    ------
    ShapeError
        When shapes differ.
    DataError
        When a label is neither 1 nor -1.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.soft_margin_loss(la.asarray([0.0, 900.0]), la.asarray([1, -1]), reduction="none")
    Tensor([6.9315e-01, 9.0000e+02], shape=[2], dtype=float32)
    """
    input, target = same_shape("soft_margin_loss", input, target)
    check_signs("soft_margin_loss", target)
    return reduced("soft_margin_loss", softplus(-(cast(target, input.dtype) * input)), reduction)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Return ``Σ_i w[y] max(0, margin - x[y] + x[i])ᵖ / classes`` over all classes ``i`` but the label ``y``.

    Parameters
    ----------
    input : Tensor of shape [n, classes] or [classes]
        Scores ``x``.
    target : Tensor of integers, shape [n] or []
        Labels ``y``.
    p : {1, 2}, default 1
    margin : float, default 1.0
    weight : Tensor of shape [classes], optional
        Of the classes, ``w``.
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    ShapeError, DTypeError, DataError
        When shapes do not fit, labels are no integers or no classes, or ``p`` is neither 1 nor 2.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.multi_margin_loss(la.asarray([[1.0, 0.5, -1.0]]), la.asarray([0])).item()
    0.1666666716337204

    Source: K. Crammer, Y. Singer, JMLR 2, 2001 (with the largest margin in place of the sum).
    """
    name = "multi_margin_loss"
    x, target = floating(name, input), tensor(name, target)
    if p not in (1, 2):
        raise DataError(f"{name}: p is 1 or 2, got {p!r}")
    if x.ndim not in (1, 2) or target.shape != x.shape[:-1]:
        raise ShapeError(
            f"{name}: expected scores of shape [n, classes] with labels [n], or [classes] with []; "
            f"got {list(x.shape)} with {list(target.shape)}"
        )
    if not target.dtype.integral:
        raise DTypeError(f"{name}: labels are integers, got {target.dtype.name}; cast them with astype")
    classes = x.shape[-1]
    check_class_labels(name, target, classes, 0)
    labels = reshape(cast(target, int64), shape=(*target.shape, 1))
    others = not_equal(labels, labels._constant(np.arange(classes), int64))
    excess = relu(margin - take_along_axis(x, labels, axis=x.ndim - 1) + x)
    losses = where(others, excess if p == 1 else excess * excess, excess._scalar(0.0))
    if weight is not None:
        if tensor(name, weight).shape != (classes,):
            raise ShapeError(f"{name}: weight has one number for each class, [{classes}]; got {list(weight.shape)}")
        losses = losses * cast(take(weight, labels, axis=0), x.dtype)
    return reduced(name, sum(losses, axis=-1) / classes, reduction)


def multilabel_margin_loss(input: Tensor, target: Tensor, reduction: Reduction = "mean") -> Tensor:
    """Return ``Σ max(0, 1 - (x[y] - x[i])) / classes`` over the labels ``y`` and all classes ``i`` that are none.

    Parameters
    ----------
    input : Tensor of shape [n, classes] or [classes]
        Scores ``x``.
    target : Tensor of integers, of the same shape
        The labels of each sample, up to the first -1.
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    ShapeError, DTypeError, DataError
        When shapes differ, or labels are no integers or no classes.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> x = la.asarray([[0.1, 0.2, 0.4, 0.8]])
    >>> nn.multilabel_margin_loss(x, la.asarray([[3, 0, -1, 1]]))
    Tensor(0.85, shape=[], dtype=float32)
    """
    name = "multilabel_margin_loss"
    x, target = same_shape(name, input, target)
    if x.ndim not in (1, 2):
        raise ShapeError(f"{name}: expected shape [n, classes] or [classes], got {list(x.shape)}")
    if not target.dtype.integral:
        raise DTypeError(f"{name}: labels are integers, got {target.dtype.name}; cast them with astype")
    classes, last = x.shape[-1], x.ndim - 1
    target = cast(target, int64)
    check_class_labels(name, target, classes, -1)
    present = cumulative_prod(cast(less(target._scalar(-1), target), int64), axis=last)
    present = cast(reshape(present, shape=(*x.shape, 1)), bool_)
    labels = maximum(target, target._scalar(0))
    table = equal(reshape(labels, shape=(*x.shape, 1)), labels._constant(np.arange(classes), int64))
    among = any_(bitwise_and(table, present), axes=(last,), keepdims=True)
    counted = bitwise_and(present, bitwise_invert(among))
    chosen = reshape(take_along_axis(x, labels, axis=last), shape=(*x.shape, 1))
    excess = relu(1.0 - (chosen - reshape(x, shape=(*x.shape[:-1], 1, classes))))
    losses = where(counted, excess, excess._scalar(0.0))
    return reduced(name, sum(losses, axis=(-2, -1)) / classes, reduction)


def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: Reduction = "mean"
) -> Tensor:
    """Return the mean over the classes of the cross-entropies of yes-or-no targets, from logits.

    ``-mean(w (y log(sigmoid(x)) + (1 - y) log(1 - sigmoid(x))))``

    Parameters
    ----------
    input : Tensor of shape [..., classes]
        Logits ``x``.
    target : Tensor of the same shape
        ``y``, 0 or 1.
    weight : Tensor of shape [classes], optional
        Of the classes, ``w``.
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    ShapeError
        When shapes differ.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.multilabel_soft_margin_loss(la.zeros((1, 2)), la.asarray([[1.0, 0.0]]))
    Tensor(0.6931, shape=[], dtype=float32)
    """
    name = "multilabel_soft_margin_loss"
    x, target = same_shape(name, input, target)
    y = cast(target, x.dtype)
    losses = y * softplus(-x) + (1.0 - y) * softplus(x)
    if weight is not None:
        losses = losses * cast(tensor(name, weight), x.dtype)
    return reduced(name, mean(losses, axis=-1), reduction)
