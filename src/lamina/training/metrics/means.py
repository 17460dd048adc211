"""Metrics that follow from a mean over samples, so that the outputs of all of them need not be kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from lamina.nn.classification_losses import cross_entropy
from lamina.tensor import Tensor
from lamina.training.metrics.answers import check_single
from lamina.training.metrics.ranking import log_loss


class MeanMetric:
    """A metric that is a function of the mean over samples.

    Parameters
    ----------
    metric : callable
        ``metric(outputs, targets)``, of all samples at once; its name and docstring are those of this metric.
    of_batch : callable
        ``of_batch(outputs, targets)`` gives the mean of a batch.
    finish : callable
        ``finish(mean)`` gives the metric from the mean of all samples.
    """

    def __init__(
        self,
        metric: Callable[[Tensor, Tensor], float],
        of_batch: Callable[[Tensor, Tensor], float],
        finish: Callable[[float], float],
    ) -> None:
        update_wrapper(self, metric)
        self._metric, self.of_batch, self.finish = metric, of_batch, finish

    def __call__(self, outputs: Tensor, targets: Tensor) -> float:
        """Return the metric of all samples at once."""
        return self._metric(outputs, targets)


def mean_metric(
    of_batch: Callable[[Tensor, Tensor], float], finish: Callable[[float], float]
) -> Callable[[Callable[[Tensor, Tensor], float]], Any]:
    """Return a decorator that makes a `MeanMetric` of a function."""
    return lambda metric: MeanMetric(metric, of_batch, finish)


def _mean_log_loss(outputs: Tensor, targets: Tensor) -> float:
    check_single("perplexity", outputs, targets)
    if outputs.ndim > 2 and outputs.shape[:-1] == targets.shape and outputs.size and not targets.dtype.floating:
        return cross_entropy(outputs.reshape(-1, outputs.shape[-1]), targets.reshape(-1)).item()
    return log_loss(outputs, targets)


def _exponential(mean: float) -> float:
    return math.inf if mean > 700.0 else math.exp(mean)


@mean_metric(_mean_log_loss, _exponential)
def perplexity(outputs: Tensor, targets: Tensor) -> float:
    """Return ``exp(log loss)``: among how many equally likely classes, or tokens, one would be as uncertain.

    Parameters
    ----------
    outputs, targets : Tensor
        As in `log_loss`; of sequences, logits of shape [samples, length, tokens] and tokens of shape [samples, length].

    Raises
    ------
    ShapeError, DataError
        As in `log_loss`.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina.training import metrics
    >>> round(metrics.perplexity(la.zeros((2, 5, 8)), la.zeros((2, 5), dtype="int64")), 3)
    8.0
    """
    return _exponential(_mean_log_loss(outputs, targets))
