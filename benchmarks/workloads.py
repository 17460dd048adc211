"""What is measured: sizes, data and first weights, the same numbers for every contender; and the arithmetic in it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Layer:
    """A layer with weights, and what follows it but for the last: ReLU, and after a convolution the largest of 2x2.

    Attributes
    ----------
    kind : {"conv", "linear"}
        A convolution has windows of 3x3 and zeros around the image, so that it keeps the image's size.
    inputs, outputs : int
        Channels, or numbers.
    side : int
        Of the square image that a convolution is given; 1 for a linear layer.
    """

    kind: Literal["conv", "linear"]
    inputs: int
    outputs: int
    side: int = 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the weight, as in PyTorch."""
        return (self.outputs, self.inputs, *((WINDOW, WINDOW) if self.kind == "conv" else ()))

    @property
    def fan_in(self) -> int:
        """How many numbers each output is the sum of."""
        return math.prod(self.shape[1:])

    @property
    def multiply_adds(self) -> int:
        """For one sample, forward."""
        return math.prod(self.shape) * self.side**2


WINDOW = 3


@dataclass(frozen=True)
class Workload:
    """A multi-layer perceptron with ReLU between its layers, after convolutions if there are any.

    A step trains it with Adam, or runs it forward.

    Attributes
    ----------
    name : str
    sizes : tuple of int
        Width of the input, of each hidden layer, and of the output; behind convolutions, of what these make.
    batch : int
        Rows in the batch, which is already in memory, in the framework's own form.
    loss : {"mse", "cross_entropy", None}
        Mean squared error on numbers, or cross-entropy on integer labels; None for inference, forward only.
    lr : float
        Adam's learning rate.
    steps : int
        How many steps run between two returns to the first weights. Training goes nowhere on one batch: units die,
        their moments decay into subnormal numbers, and those are slow. So time is taken near the first weights.
    checked : int
        How many steps must have the same losses before any time counts.
    product_bound : bool
        Whether the matrix products are most of the work, so that a fraction of the machine's peak says something.
    image : (int, int), optional
        Channels and side of the images that it is given, instead of rows.
    channels : tuple of int
        Of each convolution's result; each halves the image's side.
    """

    name: str
    sizes: tuple[int, ...]
    batch: int
    loss: Literal["mse", "cross_entropy"] | None
    lr: float = 1e-2
    steps: int = 512
    checked: int = 20
    product_bound: bool = False
    image: tuple[int, int] | None = None
    channels: tuple[int, ...] = ()

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers with weights, in their order."""
        found = []
        if self.image is not None:
            before, side = self.image
            for after in self.channels:
                found.append(Layer("conv", before, after, side))
                before, side = after, side // 2
        return (*found, *(Layer("linear", *pair) for pair in pairwise(self.sizes)))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of one sample."""
        return (self.sizes[0],) if self.image is None else (self.image[0], self.image[1], self.image[1])

    def data(self) -> tuple[Floats, npt.NDArray[Any]]:
        """Return inputs [batch, *input_shape] and targets: numbers [batch, sizes[-1]], or int64 labels [batch]."""
        rng = np.random.default_rng(7)
        inputs = rng.standard_normal((self.batch, *self.input_shape), dtype=np.float32)
        if self.loss == "cross_entropy":
            return inputs, rng.integers(0, self.sizes[-1], self.batch)
        targets = np.sin(inputs.sum(axis=1, keepdims=True)).astype(np.float32)
        return inputs, np.repeat(targets, self.sizes[-1], axis=1)

    def weights(self) -> Iterator[tuple[Floats, Floats]]:
        """Yield the first weight [out, in, ...] and bias [out] of each layer, one layer at a time."""
        rng = np.random.default_rng(11)
        for layer in self.layers:
            bound = np.float32(1.0 / np.sqrt(layer.fan_in))
            drawn = []
            for shape in (layer.shape, (layer.outputs,)):
                values = rng.random(shape, dtype=np.float32)
                values -= np.float32(0.5)
                values *= 2 * bound
                drawn.append(values)
            yield drawn[0], drawn[1]

    @property
    def trains(self) -> bool:
        """Whether a step is forward, backward and update rather than forward alone."""
        return self.loss is not None

    @property
    def product_flops(self) -> int:
        """Floating-point operations in the products and convolutions of a step: two for each multiply-add.

        Each layer has a product forward and, in training, one for the gradient of its weight and one for that of
        its input; the first layer's input needs no gradient.
        """
        layers = [layer.multiply_adds for layer in self.layers]
        multiply_adds = 3 * sum(layers) - layers[0] if self.trains else sum(layers)
        return 2 * self.batch * multiply_adds

    @property
    def description(self) -> str:
        """The sizes and the batch, for a table."""
        rows = f"batch {self.batch}" if self.trains else "one sample forward"
        dense = "-".join(map(str, self.sizes))
        if self.image is None:
            return f"{dense}, {rows}"
        channels, side = self.image
        filters = "-".join(map(str, (channels, *self.channels)))
        return f"{side}x{side} images, 3x3 convolutions {filters}, each with 2x2 pooling, then {dense}, {rows}"


WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        Workload("xor", (2, 8, 1), 4, "mse"),
        Workload("tabular", (32, 64, 64, 1), 64, "mse"),
        Workload("mnist", (784, 256, 128, 10), 128, "cross_entropy", lr=1e-3, steps=64, product_bound=True),
        # A step takes some 300 ms: five checked steps are seconds for every contender.
        Workload("wide", (1024, 4096, 4096, 10), 512, "cross_entropy", lr=1e-4, steps=2, checked=5, product_bound=True),
        Workload("inference", (32, 64, 64, 1), 1, None),
        Workload(
            "cnn",
            (3136, 128, 10),
            64,
            "cross_entropy",
            lr=1e-3,
            steps=16,
            checked=5,
            product_bound=True,
            image=(1, 28),
            channels=(32, 64),
        ),
    )
}
