"""Choosing the next token by the scores that a language model gave."""

from __future__ import annotations

import math
from typing import Any

from lamina import random
from lamina.errors import DataError, ShapeError
from lamina.functions.activations import softmax
from lamina.functions.comparisons import where
from lamina.functions.elementwise import log
from lamina.functions.operands import floating
from lamina.functions.reductions import argmax, cumulative_sum, min
from lamina.functions.searching import sort
from lamina.tensor import Tensor


def sample(
    logits: Tensor,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: random.Generator | None = None,
) -> Tensor:
    """Return a token for each row of logits, drawn with the probabilities ``softmax(logits / temperature)``.

    It is ``argmax(logits / temperature + g)`` where ``g = -log(-log(u))`` and ``u`` is uniform: exactly such a draw,
    in elementwise operations.

    Parameters
    ----------
    logits : Tensor of shape [..., vocabulary]
    temperature : float, default 1.0
        Below one, likely tokens become more likely. At zero the likeliest is taken, and nothing is drawn.
    top_k : int, optional
        Only so many of the likeliest tokens are drawn from, and those as likely as the last of them.
    top_p : float, optional
        Only the fewest of the likeliest tokens whose probabilities add up to this are drawn from, after top_k.
    generator : random.Generator, optional
        The default generator of `lamina.random` when not given.

    Returns
    -------
    Tensor of int64, shape [...]

    Raises
    ------
    DataError
        When the temperature is negative, top_k below 1, or top_p not in (0, 1].

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import models
    >>> models.sample(la.asarray([[0.0, 5.0], [9.0, 1.0]]), temperature=0.0)
    Tensor([1, 0], shape=[2], dtype=int64)

    Source: the maximum with Gumbel's distribution: E. J. Gumbel, 1954, lecture 4; top_p: A. Holtzman et al., ICLR 2020,
    section 3.1.
    """
    logits = floating("sample", logits)._untracked
    if not (temperature >= 0.0 and math.isfinite(temperature)):
        raise DataError(f"sample: temperature is a finite number from 0, got {temperature!r}")
    if temperature == 0.0:
        return argmax(logits, axis=-1)
    scores = logits / temperature
    if top_k is not None:
        scores = _likeliest(scores, top_k)
    if top_p is not None:
        scores = _nucleus(scores, top_p)
    draw = random.default_generator() if generator is None else generator
    uniform = draw.uniform(scores.shape, dtype=scores.dtype, device=scores.device)
    return argmax(scores - log(-log(uniform)), axis=-1)


def check_prompt(tokens: Tensor, count: int) -> None:
    """Refuse what nothing can be generated from."""
    if tokens.ndim != 2 or tokens.shape[1] < 1 or count < 0:
        raise ShapeError(
            f"generate: expected tokens [samples, at least 1] and a count from 0, got {list(tokens.shape)}, {count}"
        )


def next_token(logits: Tensor, **settings: Any) -> Tensor:
    """Return tokens [samples, 1] that follow those of which the logits [samples, length, vocabulary] are."""
    return sample(logits[:, -1], **settings).reshape(-1, 1)


def _likeliest(scores: Tensor, count: int) -> Tensor:
    """Return the scores, minus infinity but for the largest ``count``."""
    if count < 1:
        raise DataError(f"sample: top_k is a number from 1, got {count!r}")
    if count >= scores.shape[-1]:
        return scores
    last = sort(scores, axis=-1, descending=True)[..., count - 1 : count]
    return where(scores < last, -math.inf, scores)


def _nucleus(scores: Tensor, p: float) -> Tensor:
    """Return the scores, minus infinity but for the largest whose probabilities add up to ``p``."""
    if not 0.0 < p <= 1.0:
        raise DataError(f"sample: top_p lies above 0 and is at most 1, got {p!r}")
    ordered = sort(scores, axis=-1, descending=True)
    probabilities = softmax(ordered, axis=-1)
    before = cumulative_sum(probabilities, axis=-1) - probabilities
    last = min(where(before < p, ordered, math.inf), axis=-1, keepdims=True)
    return where(scores < last, -math.inf, scores)
