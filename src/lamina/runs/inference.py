"""What a trained model says about rows, and how good that is."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lamina import nn, training
from lamina.data import ClassTarget, Dataset, NumericTarget, Target
from lamina.functions.creation import asarray

Array = npt.NDArray[Any]

# Rows at a time: enough to keep the processor busy, few enough for any memory.
BATCH = 4096

# How each number is called in tables and files.
CLASS_SCORES = ("loss", "accuracy", "macro F1")
VALUE_SCORES = ("R²", "MAE", "RMSE")


def outputs(model: nn.Module, inputs: Array, device: str) -> Array:
    """Return the model's outputs for all rows, float32 of shape [rows, outputs]."""
    return training.predict(model, asarray(inputs, device=device), batch_size=BATCH).numpy()


def scores(model: nn.Module, data: Dataset, target: Target, device: str) -> dict[str, float]:
    """Return how well a model does on a data set.

    Of classes: the mean cross-entropy, the share of right answers, and the F1 score averaged over classes. Of values,
    in their units: the share of variance explained, the mean absolute error, and the root of the mean square.
    """
    answers = outputs(model, data.inputs, device)
    if isinstance(target, ClassTarget):
        return _class_scores(probabilities(answers), data.targets)
    return _value_scores(target, answers, data.targets)


def probabilities(logits: Array) -> npt.NDArray[np.float64]:
    """Return the softmax of each row, in float64 so that the rows of a file add up to one."""
    wide = logits.astype(np.float64)
    powers = np.exp(wide - wide.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _class_scores(chances: Array, labels: Array) -> dict[str, float]:
    from sklearn.metrics import f1_score

    right = chances[np.arange(len(labels)), labels]
    found = chances.argmax(axis=1)
    # A chance can round to zero; the logarithm of the smallest number says "certainly wrong" and stays finite.
    loss = -np.log(np.maximum(right, np.finfo(np.float64).tiny)).mean()
    values = (loss, (found == labels).mean(), f1_score(labels, found, average="macro", zero_division=0))
    return {name: float(value) for name, value in zip(CLASS_SCORES, values, strict=True)}


def _value_scores(target: NumericTarget, answers: Array, standardised: Array) -> dict[str, float]:
    truth, found = target.decode(standardised), target.decode(answers)
    errors = truth - found
    spread = ((truth - truth.mean()) ** 2).sum()
    explained = 1.0 - (errors**2).sum() / spread if spread > 0.0 else np.nan
    values = (explained, np.abs(errors).mean(), np.sqrt((errors**2).mean()))
    return {name: float(value) for name, value in zip(VALUE_SCORES, values, strict=True)}
