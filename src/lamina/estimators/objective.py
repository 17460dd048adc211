"""The losses that estimators minimise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from lamina import nn
from lamina.functions.reductions import mean, sum
from lamina.tensor import Tensor

Reduction = Literal["mean", "none"]
RowLosses = Callable[..., Tensor]
"""``losses(outputs, targets, reduction=...)``: the loss of each row, of shape [n], or their mean."""


def of_classes(outputs: Tensor, targets: Tensor, reduction: Reduction = "mean") -> Tensor:
    """Return the cross-entropy of one class of several, given by its number."""
    return nn.cross_entropy(outputs, targets, reduction=reduction)


def of_labels(outputs: Tensor, targets: Tensor, reduction: Reduction = "mean") -> Tensor:
    """Return the cross-entropies of labels that are there or not, summed over them."""
    return _summed(nn.binary_cross_entropy_with_logits(outputs, targets, reduction="none"), reduction)


def of_squares(outputs: Tensor, targets: Tensor, reduction: Reduction = "mean") -> Tensor:
    """Return half the squared errors, summed over the targets."""
    return 0.5 * _summed(nn.mse_loss(outputs, targets, reduction="none"), reduction)


def of_distances(outputs: Tensor, targets: Tensor, reduction: Reduction = "mean") -> Tensor:
    """Return the absolute errors, summed over the targets."""
    return _summed(nn.l1_loss(outputs, targets, reduction="none"), reduction)


def of_huber(outputs: Tensor, targets: Tensor, reduction: Reduction = "mean") -> Tensor:
    """Return the Huber losses, summed over the targets."""
    return _summed(nn.huber_loss(outputs, targets, reduction="none"), reduction)


def _summed(losses: Tensor, reduction: Reduction) -> Tensor:
    of_rows = sum(losses, axis=1)
    return mean(of_rows) if reduction == "mean" else of_rows


REGRESSION_LOSSES: dict[str, RowLosses] = {
    "squared_error": of_squares,
    "absolute_error": of_distances,
    "huber": of_huber,
}
