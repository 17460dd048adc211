"""The networks of the workloads: their first weights, as named arrays, their data, and the arithmetic in them.

What is here is no framework's: `benchmarks.networks` has each architecture in the natural form of each framework.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Loss = Literal["mse", "cross_entropy", "next_token"]
"""Mean squared error; cross-entropy of a label for each row; cross-entropy of the next token at each place."""

WINDOW = 3
LAYER_NORM_EPS = 1e-5
"""What Lamina, PyTorch and tinygrad add to the variance by default."""


class Architecture(Protocol):
    """What a workload knows of its network."""

    @property
    def description(self) -> str:
        """The sizes, for a table."""

    def arrays(self) -> Iterator[tuple[str, Floats]]:
        """Yield the first weights one at a time, named and shaped as in PyTorch: a linear weight is [out, in]."""

    def data(self, batch: int, loss: Loss | None) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return inputs and targets."""

    def product_flops(self, batch: int, *, trains: bool) -> int:
        """Return the floating-point operations in the products of a step: two for each multiply-add."""


@dataclass(frozen=True)
class Layer:
    """A convolution, or a linear layer.

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


Stage = Layer | Literal["relu", "pool", "flatten"]


@dataclass(frozen=True)
class FeedForward:
    """A multi-layer perceptron with ReLU between its layers, after convolutions if it is given images.

    Attributes
    ----------
    sizes : tuple of int
        Width of the input, of each hidden layer, and of the output; behind convolutions, of what these make.
    image : (int, int), optional
        Channels and side of the images that it is given, instead of rows.
    channels : tuple of int
        Of each convolution's result. ReLU follows, and the largest of 2x2, which halves the image's side.
    """

    sizes: tuple[int, ...]
    image: tuple[int, int] | None = None
    channels: tuple[int, ...] = ()

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Everything in its order; the place of a layer among them is its name."""
        found: list[Stage] = []
        if self.image is not None:
            before, side = self.image
            for after in self.channels:
                found += [Layer("conv", before, after, side), "relu", "pool"]
                before, side = after, side // 2
            found.append("flatten")
        for inputs, outputs in pairwise(self.sizes):
            found += [Layer("linear", inputs, outputs), "relu"]
        return tuple(found[:-1])

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers with weights."""
        return tuple(stage for stage in self.stages if isinstance(stage, Layer))

    @property
    def description(self) -> str:
        """The sizes, for a table."""
        dense = "-".join(map(str, self.sizes))
        if self.image is None:
            return dense
        channels, side = self.image
        filters = "-".join(map(str, (channels, *self.channels)))
        return f"{side}x{side} images, 3x3 convolutions {filters}, each with 2x2 pooling, then {dense}"

    def arrays(self) -> Iterator[tuple[str, Floats]]:
        """Yield the weight and the bias of each layer, within one over the root of how many numbers it adds."""
        rng = np.random.default_rng(11)
        for place, layer in enumerate(self.stages):
            if not isinstance(layer, Layer):
                continue
            bound = np.float32(1.0 / np.sqrt(layer.fan_in))
            for name, shape in (("weight", layer.shape), ("bias", (layer.outputs,))):
                values = rng.random(shape, dtype=np.float32)
                values -= np.float32(0.5)
                values *= 2 * bound
                yield f"{place}.{name}", values

    def data(self, batch: int, loss: Loss | None) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return rows or images, and numbers [batch, sizes[-1]] or int64 labels [batch]."""
        rng = np.random.default_rng(7)
        shape = self.sizes[:1] if self.image is None else (self.image[0], self.image[1], self.image[1])
        inputs = rng.standard_normal((batch, *shape), dtype=np.float32)
        if loss == "cross_entropy":
            return inputs, rng.integers(0, self.sizes[-1], batch)
        targets = np.sin(inputs.sum(axis=1, keepdims=True)).astype(np.float32)
        return inputs, np.repeat(targets, self.sizes[-1], axis=1)

    def product_flops(self, batch: int, *, trains: bool) -> int:
        """Return the operations of the products and convolutions.

        Each layer has a product forward and, in training, one for the gradient of its weight and one for that of
        its input; the first layer's input needs no gradient.
        """
        layers = [layer.multiply_adds for layer in self.layers]
        return 2 * batch * (3 * sum(layers) - layers[0] if trains else sum(layers))


@dataclass(frozen=True)
class Transformer:
    """A GPT: it says at every place of a text which token comes next.

    The embeddings of the token and of its place are added. Each block normalises, lets each place attend to itself
    and to those before, normalises, and has two linear layers with the exact GELU between them; what a block
    computes is added to what came in. Behind the last block, and a last norm, the logits have a matrix of their own.

    Attributes
    ----------
    vocabulary, tokens : int
        How many different tokens there are, and how many each sequence has.
    width, heads, blocks : int
    """

    vocabulary: int
    tokens: int
    width: int
    heads: int
    blocks: int

    @property
    def description(self) -> str:
        """The sizes, for a table."""
        return (
            f"GPT of {self.blocks} blocks, width {self.width}, {self.heads} heads, "
            f"{self.tokens} tokens, vocabulary {self.vocabulary}"
        )

    def arrays(self) -> Iterator[tuple[str, Floats]]:
        """Yield the first weights of GPT-2: normal with a spread of 0.02, biases 0, and the scales of norms 1.

        What is added to what came in has weights smaller by the root of how often that happens.
        """
        rng = np.random.default_rng(11)
        for name, shape in self._shapes():
            values = np.zeros(shape, dtype=np.float32)
            if len(shape) == 2:
                rng.standard_normal(out=values, dtype=np.float32)
                values *= np.float32(0.02)
                if name.endswith(("attention.out.weight", "mlp.2.weight")):
                    values /= np.float32(math.sqrt(2 * self.blocks))
            elif "norm" in name and name.endswith("weight"):
                values[:] = 1.0
            yield name, values

    def _shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        width = self.width
        yield "tokens.weight", (self.vocabulary, width)
        yield "positions.weight", (self.tokens, width)
        linear = {
            "attention.query": (width, width),
            "attention.key": (width, width),
            "attention.value": (width, width),
            "attention.out": (width, width),
            "mlp.0": (4 * width, width),
            "mlp.2": (width, 4 * width),
        }
        for number in range(self.blocks):
            for norm in ("norm1", "norm2"):
                yield from ((f"blocks.{number}.{norm}.{part}", (width,)) for part in ("weight", "bias"))
            for layer, shape in linear.items():
                yield f"blocks.{number}.{layer}.weight", shape
                yield f"blocks.{number}.{layer}.bias", shape[:1]
        yield "norm.weight", (width,)
        yield "norm.bias", (width,)
        yield "head.weight", (self.vocabulary, width)

    def data(self, batch: int, loss: Loss | None) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return int64 tokens [batch, tokens], and those that come next."""
        text = np.random.default_rng(7).integers(0, self.vocabulary, (batch, self.tokens + 1))
        return np.ascontiguousarray(text[:, :-1]), np.ascontiguousarray(text[:, 1:])

    def product_flops(self, batch: int, *, trains: bool) -> int:
        """Return the operations of the products, those of attention with all pairs of places.

        A block has four linear layers of width x width for attention and two of four times that; each place has a
        product with the key of each place, and one of these shares with the values. In training each product has
        two more, for the gradients of its two operands.
        """
        width = self.width
        linear, attention = (4 + 2 * 4) * width**2, 2 * self.tokens * width
        multiply_adds = batch * self.tokens * (self.blocks * (linear + attention) + width * self.vocabulary)
        return 2 * multiply_adds * (3 if trains else 1)
