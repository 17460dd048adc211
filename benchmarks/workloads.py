"""What is measured: a network, data and first weights, the same numbers for every contender, and how it is trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy.typing as npt

from benchmarks.architectures import Architecture, FeedForward, Floats, Loss, Transformer

Precision = Literal["float32", "bfloat16"]

WEIGHT_DECAY = 0.01
"""Of AdamW; the frameworks' defaults differ."""


@dataclass(frozen=True)
class Workload:
    """A network that a step trains, or runs forward.

    Attributes
    ----------
    name : str
    architecture : Architecture
        The network, with its data and first weights.
    batch : int
        Samples in the batch, which is already in memory, in the framework's own form.
    loss : {"mse", "cross_entropy", "next_token", None}
        None for inference, forward only.
    lr : float
        The optimiser's learning rate.
    steps : int
        How many steps run between two returns to the first weights. Training goes nowhere on one batch: units die,
        their moments decay into subnormal numbers, and those are slow. So time is taken near the first weights.
    checked : int
        How many steps must have the same losses before any time counts.
    product_bound : bool
        Whether the matrix products are most of the work, so that a fraction of the machine's peak says something.
    optimizer : {"adam", "adamw"}
        With a decay of `WEIGHT_DECAY`, if it has one, and else with the defaults that all frameworks share.
    precision : {"float32", "bfloat16"}
        To what Lamina rounds the operands of products, and contenders that are there for it. All else is float32, and
        so is every other contender: this compares unlike things, on purpose.
    tolerance : float
        By how much the first losses may differ, relative.
    """

    name: str
    architecture: Architecture
    batch: int
    loss: Loss | None
    lr: float = 1e-2
    steps: int = 512
    checked: int = 20
    product_bound: bool = False
    optimizer: Literal["adam", "adamw"] = "adam"
    precision: Precision = "float32"
    tolerance: float = 1e-3  # float32 rounding, carried through twenty Adam steps

    def data(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return inputs and targets, the same each time."""
        return self.architecture.data(self.batch, self.loss)

    def arrays(self) -> Iterator[tuple[str, Floats]]:
        """Yield the first weights with their names, one at a time, the same each time."""
        return self.architecture.arrays()

    @property
    def trains(self) -> bool:
        """Whether a step is forward, backward and update rather than forward alone."""
        return self.loss is not None

    @property
    def product_flops(self) -> int:
        """Floating-point operations in the products and convolutions of a step."""
        return self.architecture.product_flops(self.batch, trains=self.trains)

    @property
    def description(self) -> str:
        """The sizes and the batch, for a table."""
        rounded = ", Lamina's products of bfloat16, the peers' of float32" if self.precision == "bfloat16" else ""
        batch = f"batch {self.batch}" if self.trains else "one sample forward"
        return f"{self.architecture.description}, {batch}{rounded}"


# A step takes some 300 ms: five checked steps are seconds for every contender.
WIDE = Workload(
    "wide", FeedForward((1024, 4096, 4096, 10)), 512, "cross_entropy", lr=1e-4, steps=2, checked=5, product_bound=True
)

WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        Workload("xor", FeedForward((2, 8, 1)), 4, "mse"),
        Workload("tabular", FeedForward((32, 64, 64, 1)), 64, "mse"),
        Workload(
            "mnist", FeedForward((784, 256, 128, 10)), 128, "cross_entropy", lr=1e-3, steps=64, product_bound=True
        ),
        WIDE,
        # The losses of bfloat16 products stand beside those of float32.
        replace(WIDE, name="wide_bfloat16", checked=20, precision="bfloat16", tolerance=1e-2),
        Workload("inference", FeedForward((32, 64, 64, 1)), 1, None),
        Workload(
            "cnn",
            FeedForward((3136, 128, 10), image=(1, 28), channels=(32, 64)),
            64,
            "cross_entropy",
            lr=1e-3,
            steps=16,
            checked=5,
            product_bound=True,
        ),
        Workload(
            "gpt",
            Transformer(vocabulary=96, tokens=64, width=128, heads=4, blocks=4),
            16,
            "next_token",
            lr=1e-3,
            steps=16,
            checked=5,
            product_bound=True,
            optimizer="adamw",
        ),
    )
}
