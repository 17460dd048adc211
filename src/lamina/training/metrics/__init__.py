"""Metrics: numbers that tell a person how good the outputs are.

Each is a function of the outputs of a model and the targets, of all samples at once, and has a name for
``fit(metrics=[...])``. scikit-learn does the arithmetic, and the numbers are its numbers. Those of classes take
logits, as a model without a softmax at its end gives them (logarithms of probabilities are logits too).
"""

from lamina.training.metrics.answers import Answers, read_answers
from lamina.training.metrics.classification import (
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    f1,
    f1_macro,
    f1_micro,
    f1_weighted,
    precision,
    precision_macro,
    precision_micro,
    precision_weighted,
    recall,
    recall_macro,
    recall_micro,
    recall_weighted,
)
from lamina.training.metrics.means import MeanMetric, perplexity
from lamina.training.metrics.ranking import average_precision, log_loss, roc_auc, top_k_accuracy
from lamina.training.metrics.regression import explained_variance, mae, median_absolute_error, mse, r2, rmse
from lamina.training.metrics.table import (
    METRICS,
    Metric,
    MetricFunction,
    NamedMetric,
    find_metric,
    larger_is_better,
    named_metrics,
    score,
    title_of,
)

__all__ = [
    # of classes
    "accuracy", "balanced_accuracy", "top_k_accuracy", "confusion_matrix",
    "precision", "precision_micro", "precision_macro", "precision_weighted",
    "recall", "recall_micro", "recall_macro", "recall_weighted",
    "f1", "f1_micro", "f1_macro", "f1_weighted",
    # of rankings and probabilities
    "roc_auc", "average_precision", "log_loss", "perplexity", "MeanMetric",
    # of values
    "mse", "rmse", "mae", "median_absolute_error", "r2", "explained_variance",
    # by name
    "METRICS", "NamedMetric", "Metric", "MetricFunction", "score", "named_metrics", "find_metric",
    "larger_is_better", "title_of",
    # what they read
    "Answers", "read_answers",
]  # fmt: skip
