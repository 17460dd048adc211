"""The architectures and losses in JAX: functions, those of an architecture with a dict of parameters by name.

Linear weights are [in, out] and channels come last, JAX's natural forms.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.architectures import LAYER_NORM_EPS, Architecture, FeedForward, Floats, Layer, Loss, Transformer
from benchmarks.networks.channels_last import inputs_last, weights_last

Parameters = dict[str, jax.Array]


def network(architecture: Architecture) -> Callable[[Parameters, jax.Array], jax.Array]:
    """Return the function from parameters and inputs to the output."""
    match architecture:
        case FeedForward():
            return partial(feed_forward, architecture)
        case Transformer():
            return partial(gpt, architecture)
    raise TypeError(f"no network for {type(architecture).__name__}")


def loss_function(loss: Loss) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """Return the function of output and targets."""
    if loss == "mse":
        return lambda output, targets: ((output - targets) ** 2).mean()
    return lambda output, targets: optax.softmax_cross_entropy_with_integer_labels(output, targets).mean()


def parameters(architecture: Architecture, arrays: Iterable[tuple[str, Floats]]) -> Parameters:
    """Return the parameters in JAX's form; copies, since a step overwrites them."""
    if isinstance(architecture, FeedForward):
        arrays = weights_last(architecture, arrays)
    elif isinstance(architecture, Transformer):
        arrays = _one_product(arrays)
    return {name: jnp.array(array, copy=True) for name, array in arrays}


def inputs(architecture: Architecture, array: Any) -> jax.Array:
    """Return the inputs in JAX's form."""
    return jnp.asarray(inputs_last(architecture, array))


def feed_forward(architecture: FeedForward, parameters: Parameters, x: jax.Array) -> jax.Array:
    """Return the output of the layers."""
    for place, stage in enumerate(architecture.stages):
        if isinstance(stage, Layer):
            weight, bias = parameters[f"{place}.weight"], parameters[f"{place}.bias"]
            if stage.kind == "conv":
                x = jax.lax.conv_general_dilated(x, weight, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
                x = x + bias
            else:
                x = x @ weight + bias
        elif stage == "relu":
            x = jax.nn.relu(x)
        elif stage == "pool":
            x = jax.lax.reduce_window(x, -math.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        else:
            x = x.reshape(len(x), -1)
    return x


def _one_product(arrays: Iterable[tuple[str, Floats]]) -> Iterable[tuple[str, Floats]]:
    """Yield the linear weights transposed, those of query, key and value as one: one product is faster than three."""
    queries_and_keys: dict[str, list[Floats]] = {"weight": [], "bias": []}
    for name, array in arrays:
        layer, kind = name.rsplit(".", 1)
        natural = array if layer in ("tokens", "positions") else array.T
        if layer.endswith((".query", ".key")):
            queries_and_keys[kind].append(natural)
        elif layer.endswith(".value"):
            parts = [*queries_and_keys[kind], natural]
            queries_and_keys[kind].clear()
            yield name.replace(".value.", ".query_key_value."), np.concatenate(parts, axis=-1)
        else:
            yield name, natural


def gpt(architecture: Transformer, parameters: Parameters, tokens: jax.Array) -> jax.Array:
    """Return logits [batch, tokens, vocabulary]."""
    length, features = tokens.shape[1], architecture.width // architecture.heads
    seen = jnp.tril(jnp.ones((length, length), dtype=bool))

    def linear(name: str, x: jax.Array) -> jax.Array:
        return x @ parameters[f"{name}.weight"] + parameters[f"{name}.bias"]

    def norm(name: str, x: jax.Array) -> jax.Array:
        scaled = jax.nn.standardize(x, epsilon=LAYER_NORM_EPS)
        return scaled * parameters[f"{name}.weight"] + parameters[f"{name}.bias"]

    def attention(name: str, x: jax.Array) -> jax.Array:
        heads = (*x.shape[:2], architecture.heads, features)
        joined = linear(f"{name}.query_key_value", x)
        query, key, value = (part.reshape(heads) for part in jnp.split(joined, 3, axis=-1))
        # Faster here than jax.nn.dot_product_attention, by a few per cent.
        scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) / math.sqrt(features)
        shares = jax.nn.softmax(jnp.where(seen, scores, -math.inf))
        y = jnp.einsum("bhqk,bkhd->bqhd", shares, value)
        return linear(f"{name}.out", y.reshape(x.shape))

    x = parameters["tokens.weight"][tokens] + parameters["positions.weight"][:length]
    for block in (f"blocks.{number}" for number in range(architecture.blocks)):
        x = x + attention(f"{block}.attention", norm(f"{block}.norm1", x))
        hidden = jax.nn.gelu(linear(f"{block}.mlp.0", norm(f"{block}.norm2", x)), approximate=False)
        x = x + linear(f"{block}.mlp.2", hidden)
    return norm("norm", x) @ parameters["head.weight"]
