"""The architectures and losses in Lamina."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import lamina as la
from benchmarks.architectures import WINDOW, Architecture, FeedForward, Floats, Loss, Stage, Transformer
from lamina import Tensor, nn


def network(architecture: Architecture) -> nn.Module:
    """Return the network; its weights are what it has drawn."""
    match architecture:
        case FeedForward():
            return nn.Sequential(*map(_layer, architecture.stages))
        case Transformer(vocabulary, tokens, width, heads, blocks):
            from lamina import models  # not for the others: it needs more modules

            return models.GPT(vocabulary, tokens, width, heads, blocks, tie_weights=False)
    raise TypeError(f"no network for {type(architecture).__name__}")


def _layer(stage: Stage) -> nn.Module:
    match stage:
        case "relu":
            return nn.ReLU()
        case "pool":
            return nn.MaxPool2d(2)
        case "flatten":
            return nn.Flatten()
    if stage.kind == "conv":
        return nn.Conv2d(stage.inputs, stage.outputs, WINDOW, padding=1)
    return nn.Linear(stage.inputs, stage.outputs)


def loss_function(loss: Loss) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the function of output and targets."""
    if loss == "next_token":
        from lamina import models

        return models.next_token_loss
    return nn.cross_entropy if loss == "cross_entropy" else nn.mse_loss


def load(model: nn.Module, arrays: Iterable[tuple[str, Floats]]) -> None:
    """Give every variable its array, one at a time."""
    variables = dict(model.named_parameters())
    for name, array in arrays:
        variables.pop(name).assign(la.asarray(array))
    if variables:
        raise KeyError(f"no first weights for {', '.join(variables)}")
