"""The table of metrics: their names, which way they improve, and how they are written."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import lamina.training.metrics.classification as classes
import lamina.training.metrics.ranking as ranking
import lamina.training.metrics.regression as values
from lamina.errors import DataError
from lamina.tensor import Tensor
from lamina.training.history import NOT_METRICS
from lamina.training.metrics.means import MeanMetric, perplexity

Metric = str | Callable[[Any, Any], Any]
MetricFunction = Callable[[Any, Any], float]

ABSENT = "–"
"""What stands for a number that there is not."""

TOP_K = re.compile(r"top_([1-9]\d{0,5})_accuracy")


@dataclass(frozen=True)
class NamedMetric:
    """What is known of a metric.

    Attributes
    ----------
    function : callable
        ``function(outputs, targets)`` gives the number.
    title : str
        How people write it.
    larger_is_better : bool
    share : bool
        Whether it is a part of 1 that is best read in per cent.
    of_values : bool
        Whether it is of predicted values, not of classes.
    """

    function: MetricFunction
    title: str
    larger_is_better: bool
    share: bool = False
    of_values: bool = False


def _better(function: MetricFunction, title: str, share: bool = False, of_values: bool = False) -> NamedMetric:
    return NamedMetric(function, title, larger_is_better=True, share=share, of_values=of_values)


def _worse(function: MetricFunction, title: str, of_values: bool = False) -> NamedMetric:
    return NamedMetric(function, title, larger_is_better=False, of_values=of_values)


METRICS: dict[str, NamedMetric] = {
    # of the answered classes
    "accuracy":              _better(classes.accuracy, "accuracy", share=True),
    "balanced_accuracy":     _better(classes.balanced_accuracy, "balanced accuracy", share=True),
    "precision":             _better(classes.precision, "precision", share=True),
    "precision_micro":       _better(classes.precision_micro, "precision (micro)", share=True),
    "precision_macro":       _better(classes.precision_macro, "precision (macro)", share=True),
    "precision_weighted":    _better(classes.precision_weighted, "precision (weighted)", share=True),
    "recall":                _better(classes.recall, "recall", share=True),
    "recall_micro":          _better(classes.recall_micro, "recall (micro)", share=True),
    "recall_macro":          _better(classes.recall_macro, "recall (macro)", share=True),
    "recall_weighted":       _better(classes.recall_weighted, "recall (weighted)", share=True),
    "f1":                    _better(classes.f1, "F1", share=True),
    "f1_micro":              _better(classes.f1_micro, "F1 (micro)", share=True),
    "f1_macro":              _better(classes.f1_macro, "F1 (macro)", share=True),
    "f1_weighted":           _better(classes.f1_weighted, "F1 (weighted)", share=True),
    # of rankings and probabilities
    "roc_auc":               _better(ranking.roc_auc, "ROC AUC"),
    "average_precision":     _better(ranking.average_precision, "average precision"),
    "log_loss":              _worse(ranking.log_loss, "log loss"),
    "perplexity":            _worse(perplexity, "perplexity"),
    # of values
    "mse":                   _worse(values.mse, "mean squared error", of_values=True),
    "rmse":                  _worse(values.rmse, "root mean squared error", of_values=True),
    "mae":                   _worse(values.mae, "mean absolute error", of_values=True),
    "median_absolute_error": _worse(values.median_absolute_error, "median absolute error", of_values=True),
    "r2":                    _better(values.r2, "R²", of_values=True),
    "explained_variance":    _better(values.explained_variance, "explained variance", of_values=True),
}  # fmt: skip


OTHER_TITLES = {"bits_per_character": "bits per character"}
"""How people write what is measured and is no metric of outputs and targets."""


def find_metric(name: str) -> NamedMetric | None:
    """Return what is known of a metric by its name, ``"top_3_accuracy"`` and the like included."""
    top = TOP_K.fullmatch(name)
    if top is None:
        return METRICS.get(name)
    return _better(partial(ranking.top_k_accuracy, k=int(top[1])), f"top-{top[1]} accuracy", share=True)


def larger_is_better(name: str) -> bool:
    """Tell which way a recorded quantity improves: as its metric does; losses and what is not known, downwards."""
    metric = find_metric(name.removeprefix("val_"))
    return metric is not None and metric.larger_is_better


def title_of(name: str) -> str:
    """Return how people write a recorded quantity; what is not known goes by its name."""
    plain = name.removeprefix("val_")
    metric = find_metric(plain)
    return OTHER_TITLES.get(plain, plain) if metric is None else metric.title


def value_text(name: str, value: float | None) -> str:
    """Return a recorded quantity as people write it: shares in per cent, others with four figures."""
    if value is None or not math.isfinite(value):
        return ABSENT
    metric = find_metric(name)
    return f"{100.0 * value:.2f} %" if metric is not None and metric.share else quantity(value)


def quantity(number: float) -> str:
    """Return any number with four figures."""
    if not math.isfinite(number):
        return ABSENT
    return f"{number:,.0f}" if 1e4 <= abs(number) < 1e12 else f"{number:,.4g}"


def score(names: Iterable[Metric], outputs: Tensor, targets: Tensor) -> dict[str, float]:
    """Return metrics of outputs and targets by name.

    Parameters
    ----------
    names : iterable of str or callable
        As in `fit`.
    outputs, targets : Tensor
        Of all samples.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina.training import metrics
    >>> metrics.score(["accuracy", "roc_auc"], la.asarray([-1.0, 2.0]), la.asarray([0, 1]))
    {'accuracy': 1.0, 'roc_auc': 1.0}
    """
    return {name: function(outputs, targets) for name, function in named_metrics(names).items()}


def named_metrics(metrics: Iterable[Metric]) -> dict[str, MetricFunction]:
    """Return metrics by the names under which they are recorded.

    Parameters
    ----------
    metrics : iterable of str or callable
        Names of metrics here, or ``metric(outputs, targets)``, which is recorded under its own name.

    Raises
    ------
    DataError
        When a name is unknown or occurs twice.
    """
    if isinstance(metrics, str):
        raise DataError(f"metrics: expected a list of them, got the text {metrics!r}; write [{metrics!r}]")
    found: dict[str, MetricFunction] = {}
    for metric in metrics:
        name = metric if isinstance(metric, str) else getattr(metric, "__name__", type(metric).__name__)
        if name in found or name in NOT_METRICS:
            raise DataError(f"metrics: {name!r} is taken; each is recorded under a name of its own")
        if callable(metric):
            found[name] = metric if isinstance(metric, MeanMetric) else _as_number(name, metric)
            continue
        known = find_metric(metric) if isinstance(metric, str) else None
        if known is None:
            raise DataError(
                f"metrics: {metric!r} is not known; use {', '.join(METRICS)}, top_5_accuracy (any number for 5) "
                "or a function"
            )
        found[name] = known.function
    return found


def _as_number(name: str, metric: Callable[[Any, Any], Any]) -> MetricFunction:
    def measured(outputs: Any, targets: Any) -> float:
        value = metric(outputs, targets)
        try:
            return float(value)
        except (TypeError, ValueError) as error:
            raise DataError(f"metrics: {name} gave {value!r:.80}, which is not one number") from error

    return measured
