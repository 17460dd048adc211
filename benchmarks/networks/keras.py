"""The architectures and losses in Keras; channels come last, as is natural to it and to JAX."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

from benchmarks.architectures import (
    LAYER_NORM_EPS,
    WINDOW,
    Architecture,
    FeedForward,
    Floats,
    Layer,
    Loss,
    Transformer,
)
from benchmarks.networks.channels_last import inputs_last, weights_last


def network(architecture: Architecture) -> Any:
    """Return the model; its weights are what it has drawn."""
    match architecture:
        case FeedForward():
            return _feed_forward(architecture)
        case Transformer():
            return _gpt(architecture)
    raise TypeError(f"no network for {type(architecture).__name__}")


def loss_function(loss: Loss) -> Any:
    """Return the loss of targets and output."""
    if loss == "mse":
        return keras.losses.MeanSquaredError()
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def inputs(architecture: Architecture, array: npt.NDArray[Any]) -> Any:
    """Return the inputs in Keras's form."""
    return keras.ops.convert_to_tensor(inputs_last(architecture, array))


def _feed_forward(architecture: FeedForward) -> Any:
    if architecture.image is None:
        shape: tuple[int, ...] = architecture.sizes[:1]
    else:
        channels, side = architecture.image
        shape = (side, side, channels)
    stages = [_stage(place, stage) for place, stage in enumerate(architecture.stages)]
    return keras.Sequential([keras.Input(shape), *stages])


def _stage(place: int, stage: Layer | str) -> Any:
    match stage:
        case "relu":
            return layers.ReLU()
        case "pool":
            return layers.MaxPooling2D(2)
        case "flatten":
            return layers.Flatten()
    assert isinstance(stage, Layer)
    if stage.kind == "conv":
        return layers.Conv2D(stage.outputs, WINDOW, padding="same", name=f"layer{place}")
    return layers.Dense(stage.outputs, name=f"layer{place}")


class Positions(layers.Layer):  # type: ignore[misc]  # Keras has no types
    """What is learnt of each place, added to what is there."""

    def build(self, shape: tuple[int, ...]) -> None:
        """Make the variable, [tokens, width]."""
        self.embeddings = self.add_weight(shape=shape[1:], name="embeddings")

    def call(self, x: Any) -> Any:
        """Return the sums."""
        return x + self.embeddings


def _gpt(of: Transformer) -> Any:
    tokens = keras.Input((of.tokens,), dtype="int32")
    x = Positions(name="positions")(layers.Embedding(of.vocabulary, of.width, name="tokens")(tokens))
    for block in (f"blocks_{number}" for number in range(of.blocks)):
        y = _norm(f"{block}_norm1")(x)
        attention = layers.MultiHeadAttention(of.heads, of.width // of.heads, name=f"{block}_attention")
        x = x + attention(y, y, use_causal_mask=True)
        y = layers.Dense(4 * of.width, name=f"{block}_mlp_0")(_norm(f"{block}_norm2")(x))
        x = x + layers.Dense(of.width, name=f"{block}_mlp_2")(keras.activations.gelu(y, approximate=False))
    logits = layers.Dense(of.vocabulary, use_bias=False, name="head")(_norm("norm")(x))
    return keras.Model(tokens, logits)


def _norm(name: str) -> Any:
    return layers.LayerNormalization(epsilon=LAYER_NORM_EPS, name=name)


def load(model: Any, architecture: Architecture, arrays: Iterable[tuple[str, Floats]]) -> None:
    """Give every variable its array."""
    variables = _variables(model)
    if isinstance(architecture, FeedForward):
        arrays = weights_last(architecture, arrays)
    for name, array in arrays:
        embedding = name in ("tokens.weight", "positions.weight")
        transposed = array.T if array.ndim == 2 and isinstance(architecture, Transformer) and not embedding else array
        variable = variables.pop(name)
        variable.assign(np.reshape(transposed, variable.shape))
    if variables:
        raise KeyError(f"no first weights for {', '.join(variables)}")


def _variables(model: Any) -> dict[str, Any]:
    """Return the variables by the names of the architecture's arrays."""
    found = {}
    for layer in model.layers:
        if isinstance(layer, layers.MultiHeadAttention):
            of = layer.name.replace("blocks_", "blocks.").replace("_attention", ".attention")
            for part in ("query", "key", "value", "output"):
                dense = getattr(layer, f"{part}_dense")
                name = f"{of}.{part.removesuffix('put')}"
                found |= {f"{name}.weight": dense.kernel, f"{name}.bias": dense.bias}
        elif layer.weights:
            name = layer.name.removeprefix("layer").replace("_", ".")
            found |= {f"{name}.{kind}": each for kind, each in zip(("weight", "bias"), layer.weights, strict=False)}
    return found
