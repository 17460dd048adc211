"""Metrics that follow from a mean over samples, so that the outputs of all of them need not be kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from lamina.errors import DataError
from lamina.nn.classification_losses import cross_entropy
from lamina.tensor import Tensor


@dataclass(frozen=True)
class MeanMetric:
    """A metric that is a function of the mean over samples.

    Parameters
    ----------
    of_batch : callable
        ``of_batch(outputs, targets)`` gives the mean of a batch.
    finish : callable
        ``finish(mean)`` gives the metric from the mean of all samples.
    """

    of_batch: Callable[[Tensor, Tensor], float]
    finish: Callable[[float], float]

    def __call__(self, outputs: Tensor, targets: Tensor) -> float:
        """Return the metric of all samples at once."""
        return self.finish(self.of_batch(outputs, targets))


def perplexity(outputs: Tensor, targets: Tensor) -> float:
    """Return ``exp(cross-entropy)``: among how many equally likely classes, or tokens, one would be as uncertain.

    Parameters
    ----------
    outputs : Tensor of shape [samples, ..., classes]
        Logits.
    targets : Tensor of integers, shape [samples, ...]

    Examples
    --------
    >>> import lamina as la
    >>> from lamina.training import metrics
    >>> round(metrics.perplexity(la.zeros((2, 5, 8)), la.zeros((2, 5), dtype="int64")), 3)
    8.0
    """
    return PERPLEXITY(outputs, targets)


def _mean_cross_entropy(outputs: Tensor, targets: Tensor) -> float:
    if outputs.ndim < 2 or outputs.shape[:-1] != targets.shape:
        raise DataError(
            f"perplexity: outputs [samples, ..., classes] and targets [samples, ...] are needed, got "
            f"{list(outputs.shape)} and {list(targets.shape)}"
        )
    return cross_entropy(outputs.reshape(-1, outputs.shape[-1]), targets.reshape(-1)).item()


def _exponential(mean: float) -> float:
    return math.exp(mean) if mean < 700.0 else math.inf


PERPLEXITY = MeanMetric(_mean_cross_entropy, _exponential)
