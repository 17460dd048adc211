"""What is trained: sizes, data and first weights, the same numbers for every contender."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Workload:
    """A multi-layer perceptron with ReLU between its layers, trained by Adam on the mean squared error.

    Attributes
    ----------
    name : str
    sizes : tuple of int
        Width of the input, of each hidden layer, and of the output.
    batch : int
        Rows in the batch, which is already in memory.
    lr : float
        Adam's learning rate.
    """

    name: str
    sizes: tuple[int, ...]
    batch: int
    lr: float = 1e-2

    def data(self) -> tuple[Floats, Floats]:
        """Return inputs [batch, sizes[0]] and targets [batch, sizes[-1]]."""
        rng = np.random.default_rng(7)
        inputs = rng.standard_normal((self.batch, self.sizes[0]), dtype=np.float32)
        targets = np.sin(inputs.sum(axis=1, keepdims=True)).astype(np.float32)
        return inputs, np.repeat(targets, self.sizes[-1], axis=1)

    def weights(self) -> list[tuple[Floats, Floats]]:
        """Return the first weight [out, in] and bias [out] of each layer."""
        rng = np.random.default_rng(11)
        layers = []
        for fan_in, fan_out in zip(self.sizes, self.sizes[1:], strict=False):
            bound = 1.0 / np.sqrt(fan_in)
            weight = rng.uniform(-bound, bound, (fan_out, fan_in)).astype(np.float32)
            layers.append((weight, rng.uniform(-bound, bound, fan_out).astype(np.float32)))
        return layers

    @property
    def description(self) -> str:
        """The sizes and the batch, for a table."""
        return f"{'-'.join(map(str, self.sizes))}, batch {self.batch}"


WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        Workload("xor", (2, 8, 1), 4),
        Workload("tabular", (32, 64, 64, 1), 64),
    )
}

Step = Callable[[], Any]
"""One training step: returns the loss, a tensor with ``item()``."""
