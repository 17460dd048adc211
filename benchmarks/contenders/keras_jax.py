"""Keras on JAX: ``train_on_batch``, which returns when its loss is known, and ``predict_on_batch``; both are jitted."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.contender import Contender, Step, Task
from benchmarks.workloads import WEIGHT_DECAY, Workload

EPSILON = 3e-10
"""Of Adam, which adds it before it corrects the moments: in the first step, 1e-8 to the corrected root."""


def build(workload: Workload) -> Task:
    """Return the task of a workload."""
    import keras

    from benchmarks.networks.keras import inputs, load, loss_function, network

    model = network(workload.architecture)
    load(model, workload.architecture, workload.arrays())
    values, labels = workload.data()
    x, y = inputs(workload.architecture, values), keras.ops.convert_to_tensor(labels)
    if not workload.trains:
        return Task(lambda: lambda: model.predict_on_batch(x))
    assert workload.loss is not None
    loss = loss_function(workload.loss)
    optimizer = _optimizer(workload)
    optimizer.build(model.trainable_variables)

    def start() -> Step:
        model.compile(optimizer, loss)
        return lambda: np.float64(model.train_on_batch(x, y))

    def reset() -> None:
        load(model, workload.architecture, workload.arrays())
        for variable in optimizer.variables:
            if variable is not optimizer.learning_rate:
                variable.assign(np.zeros(variable.shape, variable.dtype))

    return Task(start, reset=reset)


def _optimizer(workload: Workload) -> Any:
    import keras

    if workload.optimizer == "adamw":
        return keras.optimizers.AdamW(workload.lr, weight_decay=WEIGHT_DECAY, epsilon=EPSILON)
    return keras.optimizers.Adam(workload.lr, epsilon=EPSILON)


CONTENDER = Contender("Keras on JAX", ("keras", "jax"), build)
