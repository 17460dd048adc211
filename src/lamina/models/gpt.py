"""A GPT: a transformer that reads a text from left to right and says what comes next."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from lamina import nn, random
from lamina.compiler import compile
from lamina.dtypes import int64
from lamina.errors import ShapeError
from lamina.functions.creation import arange
from lamina.functions.manipulation import concat
from lamina.models.sampling import check_prompt, next_token
from lamina.nn.modes import mode
from lamina.tensor import Tensor


class CausalSelfAttention(nn.Module):
    """Attention of each place to itself and to those before."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        if heads < 1 or width % heads:
            raise ShapeError(f"GPT: width is a multiple of heads, got {width} and {heads}")
        self.heads, self.dropout = heads, dropout
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)

    def __call__(self, x: Tensor, cache: nn.KeyValueCache | None = None) -> Tensor:
        samples, length, width = x.shape
        query, key, value = (
            project(x).reshape(samples, length, self.heads, width // self.heads).permute_dims((0, 2, 1, 3))
            for project in (self.query, self.key, self.value)
        )
        if cache is None:
            dropout = self.dropout if self.training else 0.0
            y = nn.scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=True)
        else:
            key, value, mask = cache.extended(key, value)
            y = nn.scaled_dot_product_attention(query, key, value, mask)
        return self.out(y.permute_dims((0, 2, 1, 3)).reshape(samples, length, width))


class Block(nn.Module):
    """Attention between places, then two linear maps within each; both are added to what came in."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        self.norm1 = nn.LayerNorm(width)
        self.attention = CausalSelfAttention(width, heads, dropout)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.MLP(width, 4 * width, width, activation="gelu")
        self.dropout = nn.Dropout(dropout)

    def __call__(self, x: Tensor, cache: nn.KeyValueCache | None = None) -> Tensor:
        x = x + self.dropout(self.attention(self.norm1(x), cache))
        return x + self.dropout(self.mlp(self.norm2(x)))


class GPT(nn.Module):
    """A language model: from the tokens so far to logits of the next, at every place.

    Parameters
    ----------
    vocabulary : int
        Number of different tokens.
    context : int
        How many tokens it looks at, at most.
    width : int, default 128
    heads : int, default 4
    layers : int, default 4
    dropout : float, default 0.0
    tie_weights : bool, default True
        Whether the logits are products with the embedding of tokens, rather than with a matrix of their own.

    Raises
    ------
    ShapeError
        When width is no multiple of heads, or an input is longer than the context.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import models, nn, optim
    >>> la.random.seed(0)
    >>> model = models.GPT(vocabulary=16, context=8, width=16, heads=2, layers=2)
    >>> text = la.asarray([[1, 2, 3, 1, 2, 3, 1, 2, 3]])
    >>> optimizer = optim.AdamW(model.parameters(), lr=1e-2)
    >>> @la.compile
    ... def step(inputs, targets):
    ...     loss = models.next_token_loss(model(inputs), targets)
    ...     optimizer.step(loss.backward())
    ...     return loss
    >>> losses = [step(text[:, :-1], text[:, 1:]).item() for _ in range(40)]
    >>> model.eval().generate(la.asarray([[1, 2]]), 4, temperature=0.0)
    Tensor([[1, 2, 3, 1, 2, 3]], shape=[1, 6], dtype=int64)

    Source: A. Radford et al., "Language models are unsupervised multitask learners", 2019, section 2.3.
    """

    def __init__(
        self,
        vocabulary: int,
        context: int,
        width: int = 128,
        heads: int = 4,
        layers: int = 4,
        dropout: float = 0.0,
        tie_weights: bool = True,
    ) -> None:
        self.vocabulary, self.context, self.width, self.heads = vocabulary, context, width, heads
        small = nn.init.normal(0.0, 0.02)
        # Its gradient is dense, for the logits use every row.
        self.tokens = nn.Embedding(vocabulary, width, init=small, sparse=False)
        self.positions = nn.Embedding(context, width, init=small, sparse=False)
        self.dropout = nn.Dropout(dropout)
        self.blocks = [Block(width, heads, dropout) for _ in range(layers)]
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False, init=small)
        if tie_weights:
            self.head.weight = self.tokens.weight
        # What each of the 2 * layers parts adds is smaller, so that the sum keeps its size (section 2.3).
        for block in self.blocks:
            for layer in (block.attention.out, block.mlp[-1]):
                layer.weight.assign(layer.weight / math.sqrt(2 * layers))

    def __call__(self, tokens: Tensor, caches: list[nn.KeyValueCache] | None = None) -> Tensor:
        """Return logits of shape [samples, length, vocabulary] for tokens of shape [samples, length].

        With caches, of `new_caches`, the tokens follow those that the caches have seen, and are remembered.
        """
        if tokens.ndim != 2 or tokens.shape[1] > self.context:
            raise ShapeError(f"GPT: expected tokens [samples, length up to {self.context}], got {list(tokens.shape)}")
        places = arange(tokens.shape[1], device=tokens.device)
        if caches is not None:
            places = places + caches[0].length.value
        x = self.dropout(self.tokens(tokens) + self.positions(places))
        for number, block in enumerate(self.blocks):
            x = block(x, None if caches is None else caches[number])
        return self.head(self.norm(x))

    def new_caches(self, samples: int) -> list[nn.KeyValueCache]:
        """Return an empty cache for each block, with room for the context."""
        weight = self.tokens.weight
        shape = samples, self.heads, self.context, self.width // self.heads
        return [nn.KeyValueCache(*shape, dtype=weight.dtype, device=weight.device) for _ in self.blocks]

    def generate(
        self,
        tokens: Tensor,
        count: int,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        generator: random.Generator | None = None,
        cached: bool = True,
    ) -> Tensor:
        """Return the tokens with ``count`` more behind them, each drawn by what the model says of those before.

        When the context is full, its older half is forgotten.

        Parameters
        ----------
        tokens : Tensor of integers, shape [samples, length]
            What to go on from, at least one token each.
        count : int
        temperature, top_k, top_p, generator
            As in `sample`.
        cached : bool, default True
            Whether keys and values of the places before are kept, and the step from one token to the next is compiled
            once, rather than everything computed again for each token. The tokens are the same.

        Returns
        -------
        Tensor of int64, shape [samples, length + count]
        """
        settings: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "generator": generator}
        return concat([tokens.astype(int64), *self.continued(tokens, count, cached=cached, **settings)], axis=1)

    def continued(
        self,
        tokens: Tensor,
        count: int,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        generator: random.Generator | None = None,
        cached: bool = True,
    ) -> Iterator[Tensor]:
        """Yield what `generate` adds as it is drawn, a tensor of shape [samples, 1] at a time.

        The model is in evaluation until the last one.
        """
        check_prompt(tokens, count)
        draw = random.default_generator() if generator is None else generator
        choose = partial(next_token, temperature=temperature, top_k=top_k, top_p=top_p, generator=draw)
        return self._continued(tokens.astype(int64), count, choose, cached)

    def _continued(
        self, tokens: Tensor, count: int, choose: Callable[[Tensor], Tensor], cached: bool
    ) -> Iterator[Tensor]:
        caches = self.new_caches(tokens.shape[0]) if cached else None

        def step(new: Tensor) -> Tensor:
            return choose(self(new, caches))

        compiled = compile(step)
        with mode(self, training=False):
            seen = new = tokens[:, -self.context :]
            for _ in range(count):
                chosen = compiled(new) if cached and new.shape[1] == 1 else step(new)
                yield chosen
                seen = concat([seen, chosen], axis=1)
                if seen.shape[1] > self.context:
                    seen = new = seen[:, -max(self.context // 2, 1) :]
                    for cache in caches or []:
                        cache.clear()
                else:
                    new = chosen if cached else seen


def next_token_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean cross-entropy of the tokens that came next.

    Parameters
    ----------
    logits : Tensor of shape [samples, length, vocabulary]
    targets : Tensor of integers, shape [samples, length]

    Raises
    ------
    DataError
        When a target is not in the vocabulary.
    """
    return nn.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1))
