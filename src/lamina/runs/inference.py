"""What a trained model says about data, and how good that is."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina import nn, training
from lamina.data import ClassTarget, Dataset, Stream, Target
from lamina.functions.creation import asarray
from lamina.training import metrics

Array = npt.NDArray[Any]

# Rows at a time, and images: enough to keep the processor busy, few enough for any memory.
BATCH = 4096
STREAMED_BATCH = 64

# What is measured of every model; what the user asks for comes after.
CLASS_METRICS = ("accuracy", "balanced_accuracy", "f1_macro")
VALUE_METRICS = ("r2", "mae", "rmse")


@dataclass(frozen=True)
class PartOutputs:
    """What a model put out for the samples of a part of the data, and what was right.

    Attributes
    ----------
    outputs : array of shape [samples, outputs]
        Of classes the logits, of values the standardised ones.
    targets : array of shape [samples] or [samples, 1]
        The numbers of the classes, or the standardised values.
    """

    outputs: Array
    targets: Array


def outputs(model: nn.Module, inputs: Array, device: str) -> Array:
    """Return the model's outputs for all samples, float32 of shape [samples, outputs]."""
    found: Array = training.predict(model, asarray(inputs, device=device), batch_size=BATCH).numpy()
    return found


def part_outputs(model: nn.Module, data: Dataset | Stream, device: str) -> PartOutputs:
    """Return the model's outputs for data that are in memory or read in batches."""
    if isinstance(data, Dataset):
        return PartOutputs(outputs(model, data.inputs, device), data.targets)
    found = [
        (outputs(model, inputs, device), targets)
        for inputs, targets in data.batches(STREAMED_BATCH, seed=None, epoch=0)
    ]
    return PartOutputs(np.concatenate([each for each, _ in found]), np.concatenate([each for _, each in found]))


def scores(target: Target, said: Array, truth: Array, also: Sequence[str] = ()) -> dict[str, float]:
    """Return how good answers are, by the names of the numbers.

    Parameters
    ----------
    target : ClassTarget or NumericTarget
    said : array of shape [samples, outputs]
        What `outputs` gave.
    truth : array
        The targets of a data set: numbers of classes, or standardised values.
    also : sequence of str
        Metrics to measure beside those that are always measured.

    Returns
    -------
    dict of str to float
        Of classes: the loss (the mean cross-entropy), accuracy and so on. Of values: metrics in their units.
    """
    if isinstance(target, ClassTarget):
        found = {"loss": _cross_entropy(said, truth)}
        names, given, right = CLASS_METRICS, said.astype(np.float64), truth
    else:
        found = {}
        names, given, right = VALUE_METRICS, target.decode(said)[:, None], target.decode(truth)[:, None]
    wanted = dict.fromkeys([*names, *also])
    with warnings.catch_warnings():
        # Of samples with one class only, some numbers say nothing; they are NaN then, and shown as such.
        warnings.simplefilter("ignore")
        return found | metrics.score(wanted, asarray(given), asarray(right))


def probabilities(logits: Array) -> npt.NDArray[np.float64]:
    """Return the softmax of each sample, in float64 so that the rows of a file add up to one."""
    from scipy.special import softmax

    return np.asarray(softmax(logits.astype(np.float64), axis=1))


def _cross_entropy(logits: Array, labels: Array) -> float:
    from scipy.special import log_softmax

    return float(-log_softmax(logits.astype(np.float64), axis=1)[np.arange(len(labels)), labels].mean())
