"""How much each sample counts: weights of samples, and of classes."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lamina.dtypes import DType
from lamina.errors import DataError
from lamina.functions.creation import asarray
from lamina.nn.module import Module
from lamina.tensor import Tensor
from lamina.training.evaluation import Loss
from lamina.training.pairs import Pairs, Samples
from lamina.training.sample_arrays import Tree, described
from lamina.training.streaming import StreamSamples

Array = npt.NDArray[Any]
ClassWeight = Mapping[int, float] | Literal["balanced"] | Any


def loss_of_each(loss: Loss) -> Loss:
    """Return a loss function that gives the loss of each sample, from one that gives their mean.

    Raises
    ------
    DataError
        When it has no ``reduction``.
    """
    if isinstance(loss, Module) and hasattr(loss, "reduction"):
        single = copy.copy(loss)
        single.reduction = "none"
        return single
    try:
        names = inspect.signature(loss).parameters
    except (TypeError, ValueError):
        names = {}  # type: ignore[assignment]
    if "reduction" not in names:
        raise DataError(
            f"fit: samples are weighed by their losses, and {getattr(loss, '__name__', loss)!r} has no argument "
            "'reduction' to ask for them; give the function one, as nn.cross_entropy has"
        )
    single_losses: Any = loss
    return partial(single_losses, reduction="none")


def sample_weights(sample_weight: Any, count: int, dtype: DType, device: str) -> Tensor:
    """Return the weights of samples as they were given, once checked."""
    try:
        weights = np.asarray(sample_weight.numpy() if isinstance(sample_weight, Tensor) else sample_weight, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"fit: sample_weight is {sample_weight!r:.80}; give a number for each sample") from error
    if weights.shape != (count,):
        raise DataError(
            f"fit: sample_weight has shape {list(weights.shape)} for {count} samples; give one number for each"
        )
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise DataError("fit: a number in sample_weight is negative, NaN or infinite, or all are 0")
    return asarray(weights, dtype=dtype, device=device)


def weighed(samples: Samples, class_weight: ClassWeight | None, dtype: DType) -> Samples:
    """Return samples with the weights that training uses: class weight times sample weight, of mean one.

    Raises
    ------
    DataError
        When the targets are no classes, or the weights do not fit them.
    """
    if isinstance(samples, StreamSamples):
        return samples if class_weight is None else _weighed_stream(samples, class_weight, dtype)
    if not isinstance(samples, Pairs) or (class_weight is None and samples.weights is None):
        return samples
    weights = np.ones(len(samples)) if samples.weights is None else samples.weights.numpy().astype(np.float64)
    if class_weight is not None:
        labels = labels_of(samples.targets)
        weights = weights * class_weights(class_weight, np.bincount(labels))[labels]
    mean = weights.mean()
    if not mean > 0:
        raise DataError("fit: the weights of all training samples are 0; at least one is to count")
    return replace(samples, weights=asarray(weights / mean, dtype=dtype, device=samples.first.device))


def _weighed_stream(samples: StreamSamples, class_weight: ClassWeight, dtype: DType) -> StreamSamples:
    """Return a stream whose batches are weighed; it is read once to count the classes."""
    counts = np.zeros(0, np.int64)
    for batch in samples.batches(8192):
        found = np.bincount(labels_of(batch.targets), minlength=len(counts))
        counts = found + np.pad(counts, (0, len(found) - len(counts)))
    table = class_weights(class_weight, counts)
    table = table / ((counts * table).sum() / counts.sum())

    def weigh(targets: Tree) -> Tensor:
        return asarray(table[labels_of(targets)], dtype=dtype, device=targets.device)

    return replace(samples, weigh=weigh)


def labels_of(targets: Tree) -> Array:
    """Return targets as the numbers of classes, int64 [n].

    Raises
    ------
    DataError
        When they are something else.
    """
    if not isinstance(targets, Tensor):
        raise DataError(
            f"fit: class_weight is for one array of targets, and these are {described(targets)}; say how much each "
            "sample counts by sample_weight"
        )
    values = targets.numpy()
    if values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1):
        labels = values.reshape(-1).astype(np.int64)
        if (labels == values.reshape(-1)).all() and (labels >= 0).all():
            return labels
    raise DataError(
        f"fit: class_weight is for targets that are classes, whole numbers from 0 of shape [n] or [n, 1]; these are "
        f"{targets.dtype.name} of shape {list(targets.shape)}"
    )


def class_weights(class_weight: ClassWeight, counts: Array) -> Array:
    """Return the weight of each class, given how many samples each has."""
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise DataError(f'fit: class_weight is {class_weight!r}; use "balanced", a dict or an array')
        present = counts > 0
        return np.where(present, counts.sum() / (present.sum() * np.maximum(counts, 1)), 0.0)
    if isinstance(class_weight, Mapping):
        table = np.ones(len(counts))
        for label, weight in class_weight.items():
            if isinstance(label, bool) or not isinstance(label, int | np.integer) or not 0 <= label < len(counts):
                raise DataError(f"fit: class_weight has a weight for {label!r}; the classes are 0 to {len(counts) - 1}")
            table[label] = weight
    else:
        values = class_weight.numpy() if isinstance(class_weight, Tensor) else class_weight
        try:
            table = np.asarray(values, np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"fit: class_weight is {class_weight!r:.80}; give a number for each class") from error
        if table.ndim != 1 or len(table) < len(counts):
            raise DataError(f"fit: class_weight has shape {list(table.shape)} for {len(counts)} classes; give one each")
        table = table[: len(counts)]
    if not (np.isfinite(table).all() and (table >= 0).all() and (table * counts).any()):
        raise DataError(f"fit: class_weight is {class_weight!r:.80}; weights are numbers from 0, and not all are 0")
    return table
