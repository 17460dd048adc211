"""The architectures and losses in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.architectures import WINDOW, Architecture, FeedForward, Floats, Loss, Stage, Transformer


def network(architecture: Architecture) -> nn.Module:
    """Return the network; its weights are what it has drawn."""
    match architecture:
        case FeedForward():
            return nn.Sequential(*map(_layer, architecture.stages))
        case Transformer():
            return GPT(architecture)
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


class CausalSelfAttention(nn.Module):
    """Attention of each place to itself and those before; query, key and value are one product."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return what each place takes from the others, [batch, tokens, width]."""
        batch, tokens, width = x.shape
        query, key, value = (
            each.view(batch, tokens, self.heads, width // self.heads).transpose(1, 2)
            for each in self.query_key_value(x).split(width, dim=2)
        )
        y = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        out: Tensor = self.out(y.transpose(1, 2).reshape(batch, tokens, width))
        return out


class Block(nn.Module):
    """Attention and two linear layers, each behind a norm and added to what came in."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = CausalSelfAttention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of x."""
        x = x + self.attention(self.norm1(x))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class GPT(nn.Module):
    """The transformer, from tokens to the logits of the next."""

    def __init__(self, of: Transformer) -> None:
        super().__init__()
        self.tokens = nn.Embedding(of.vocabulary, of.width)
        self.positions = nn.Embedding(of.tokens, of.width)
        self.blocks = nn.Sequential(*(Block(of.width, of.heads) for _ in range(of.blocks)))
        self.norm = nn.LayerNorm(of.width)
        self.head = nn.Linear(of.width, of.vocabulary, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits [batch, tokens, vocabulary]."""
        x = self.tokens(tokens) + self.positions.weight[: tokens.shape[1]]
        logits: Tensor = self.head(self.norm(self.blocks(x)))
        return logits


def next_token_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean cross-entropy over all places."""
    return functional.cross_entropy(logits.view(-1, logits.shape[-1]), targets.view(-1))


def loss_function(loss: Loss) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the function of output and targets."""
    match loss:
        case "next_token":
            return next_token_loss
        case "cross_entropy":
            return functional.cross_entropy
        case "mse":
            return functional.mse_loss


def load(model: nn.Module, arrays: Iterable[tuple[str, Floats]]) -> None:
    """Give every parameter its array, one at a time."""
    places = _places(model)
    for name, array in arrays:
        places.pop(name).copy_(torch.from_numpy(array))
    if places:
        raise KeyError(f"no first weights for {', '.join(places)}")


def _places(model: nn.Module) -> dict[str, Tensor]:
    """Return the memory of each array: a parameter, or a third of that of query, key and value."""
    places: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        if "query_key_value" in name:
            names = [name.replace("query_key_value", part) for part in ("query", "key", "value")]
            places.update(zip(names, parameter.detach().chunk(3), strict=True))
        else:
            places[name] = parameter.detach()
    return places
