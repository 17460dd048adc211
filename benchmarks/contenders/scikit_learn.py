"""scikit-learn's multi-layer perceptrons, a batch at a time: ``partial_fit``, with its Adam and no penalty.

Its squared error is half the mean squared error: the loss is doubled here, and what Adam adds to roots halved.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.architectures import FeedForward
from benchmarks.contender import Contender, Step, Task
from benchmarks.workloads import Workload

EPSILON = 3e-10
"""Of Adam, which adds it before it corrects the moments: in the first step, 1e-8 to the corrected root."""


def build(workload: Workload) -> Task:
    """Return the task of a workload."""
    inputs, targets = workload.data()
    if workload.loss != "cross_entropy" and targets.shape[1] == 1:
        targets = targets[:, 0]
    network = _network(workload)
    learn = {"classes": np.arange(_sizes(workload)[-1])} if workload.loss == "cross_entropy" else {}
    network.partial_fit(inputs, targets, **learn)  # makes the arrays that `_load` fills
    _load(network, workload)
    if not workload.trains:
        return Task(lambda: lambda: network.predict(inputs))
    factor = _factor(workload)

    def start() -> Step:
        def step() -> np.float64:
            network.partial_fit(inputs, targets, **learn)
            return np.float64(factor * network.loss_)

        return step

    return Task(start, reset=lambda: _load(network, workload))


def _network(workload: Workload) -> Any:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    kind = MLPClassifier if workload.loss == "cross_entropy" else MLPRegressor
    return kind(
        hidden_layer_sizes=_sizes(workload)[1:-1],
        alpha=0.0,
        learning_rate_init=workload.lr,
        epsilon=EPSILON / _factor(workload),
        batch_size=workload.batch,
        shuffle=False,
    )


def _factor(workload: Workload) -> float:
    """Return the workload's loss over scikit-learn's."""
    return 2.0 if workload.loss == "mse" else 1.0


def _load(network: Any, workload: Workload) -> None:
    """Give the layers their first weights, and let the next step begin with a new Adam."""
    arrays: list[npt.NDArray[Any]] = [array for _, array in workload.arrays()]
    for place, (weight, bias) in enumerate(zip(arrays[::2], arrays[1::2], strict=True)):
        network.coefs_[place][...] = weight.T
        network.intercepts_[place][...] = bias
    vars(network).pop("_optimizer", None)


def _sizes(workload: Workload) -> tuple[int, ...]:
    assert isinstance(workload.architecture, FeedForward)
    return workload.architecture.sizes


def takes(workload: Workload) -> bool:
    """Tell whether the network has dense layers alone: there are no others."""
    return isinstance(workload.architecture, FeedForward) and workload.architecture.image is None


CONTENDER = Contender("scikit-learn", ("sklearn.neural_network",), build, takes=takes)
