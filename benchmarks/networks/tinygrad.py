"""The architectures and losses in tinygrad: functions with a dict of parameters by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from tinygrad import Tensor

from benchmarks.architectures import Architecture, FeedForward, Floats, Layer, Loss, Transformer

Parameters = dict[str, Any]


def network(architecture: Architecture, parameters: Parameters) -> Callable[[Any], Any]:
    """Return the function from inputs to the output."""
    match architecture:
        case FeedForward():
            return partial(_feed_forward, architecture, parameters)
        case Transformer():
            return partial(_gpt, architecture, parameters)
    raise TypeError(f"no network for {type(architecture).__name__}")


def loss_function(loss: Loss) -> Callable[[Any, Any], Any]:
    """Return the function of output and targets."""
    if loss == "mse":
        return lambda output, targets: ((output - targets) ** 2).mean()
    return lambda output, targets: output.sparse_categorical_crossentropy(targets)


def parameters(arrays: Iterable[tuple[str, Floats]]) -> Parameters:
    """Return the parameters, in memory of their own."""
    return {name: Tensor(array).contiguous().realize().is_param_(True) for name, array in arrays}


def load(parameters: Parameters, arrays: Iterable[tuple[str, Floats]]) -> None:
    """Give the parameters their first weights, where they are."""
    for name, array in arrays:
        parameters[name].assign(Tensor(array)).realize()


def _feed_forward(architecture: FeedForward, parameters: Parameters, x: Any) -> Any:
    for place, stage in enumerate(architecture.stages):
        if isinstance(stage, Layer):
            weight, bias = parameters[f"{place}.weight"], parameters[f"{place}.bias"]
            x = x.conv2d(weight, bias, padding=1) if stage.kind == "conv" else x.linear(weight.T, bias)
        elif stage == "relu":
            x = x.relu()
        elif stage == "pool":
            x = x.max_pool2d((2, 2))
        else:
            x = x.flatten(1)
    return x


def _gpt(architecture: Transformer, parameters: Parameters, tokens: Any) -> Any:
    batch, length = tokens.shape
    heads = (batch, length, architecture.heads, architecture.width // architecture.heads)

    def linear(name: str, x: Any) -> Any:
        return x.linear(parameters[f"{name}.weight"].T, parameters[f"{name}.bias"])

    def norm(name: str, x: Any) -> Any:
        return x.layernorm() * parameters[f"{name}.weight"] + parameters[f"{name}.bias"]

    def attention(name: str, x: Any) -> Any:
        query, key, value = (
            linear(f"{name}.{part}", x).reshape(heads).transpose(1, 2) for part in ("query", "key", "value")
        )
        y = query.scaled_dot_product_attention(key, value, is_causal=True)
        return linear(f"{name}.out", y.transpose(1, 2).reshape(batch, length, architecture.width))

    x = parameters["tokens.weight"][tokens] + parameters["positions.weight"][:length]
    for block in (f"blocks.{number}" for number in range(architecture.blocks)):
        x = x + attention(f"{block}.attention", norm(f"{block}.norm1", x))
        x = x + linear(f"{block}.mlp.2", _gelu(linear(f"{block}.mlp.0", norm(f"{block}.norm2", x))))
    return norm("norm", x) @ parameters["head.weight"].T


def _gelu(x: Any) -> Any:
    """Return the exact GELU."""
    return 0.5 * x * (1.0 + (x / math.sqrt(2.0)).erf())
