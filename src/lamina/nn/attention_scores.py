"""What the two ways of computing attention share: products over grouped heads, masks, and softmax of masked scores."""

from __future__ import annotations

import math

import numpy as np

from lamina.dtypes import bool_, int64
from lamina.functions.activations import softmax_rule
from lamina.functions.comparisons import where
from lamina.functions.creation import asarray
from lamina.functions.manipulation import reshape
from lamina.primitives import elementwise as rows, reductions
from lamina.primitives.broadcasting import sum_, unbroadcast
from lamina.primitives.composite import Composite
from lamina.primitives.contraction import product_of, transposed
from lamina.primitives.primitive import Primitive
from lamina.primitives.shaping import part
from lamina.tensor import Tensor

Span = tuple[int, int]


def shared_product(x: Tensor, y: Tensor, row: Primitive | None = None) -> Tensor:
    """Return the matrix product, by a row or as it is set, where matrices of ``y`` may be shared by a group of ``x``.

    The axis before the matrices is that of the group. Its rows become rows of one larger matrix, so that what is
    shared is neither repeated forwards nor has its gradient summed over the group afterwards.
    """
    row = product_of(x) if row is None else row
    if x.ndim < 3 or x.ndim != y.ndim or y.shape[-3] != 1 or x.shape[-3] == 1:
        return row(x, y)
    *lead, group, length, inner = x.shape
    product = row(reshape(x, (*lead, 1, group * length, inner)), y)
    return reshape(product, (*product.shape[:-3], group, length, y.shape[-1]))


def summed_product(x: Tensor, y: Tensor, operand: Tensor, product: Primitive) -> Tensor:
    """Return ``x^T y`` summed to the shape of an operand that a group may have shared."""
    if operand.shape[-3:-2] == (1,) and x.shape[-3] != 1 and x.shape[:-1] == y.shape[:-1]:
        x, y = (reshape(each, (*each.shape[:-3], 1, -1, each.shape[-1])) for each in (x, y))
    return unbroadcast(product(transposed(x), y), operand)


def causal(x: Tensor, queries: Span, keys: Span) -> Tensor:
    """Return which of a range of keys each of a range of queries may see: those at its own place and before."""
    first = asarray(np.arange(*queries).reshape(-1, 1), dtype=int64, device=x.device)
    return asarray(np.arange(*keys), dtype=int64, device=x.device) <= first


def after(x: Tensor, earlier: Tensor) -> Tensor:
    """Return ``x``, to be computed after something else, on which it comes to depend by a condition never true.

    A compiled program computes what depends on nothing else side by side, and equal expressions once: it would have
    all blocks in memory, and keep them for the backward computation instead of computing them again.
    """
    first = part(reshape(earlier, (-1,)), 0, 0, 1)
    return where(rows.abs_(first) < 0.0, 0.0, x)


def masked(scores: Tensor, mask: Tensor | None, seen: Tensor | None) -> Tensor:
    """Return the scores, with minus infinity where a mask says that a key is not seen; a mask of numbers is added."""
    if mask is not None and mask.dtype is not bool_:
        scores, mask = scores + mask, None
    allowed = mask if seen is None else seen if mask is None else mask & seen
    return scores if allowed is None else where(allowed, scores, -math.inf)


def finite(largest: Tensor) -> Tensor:
    """Return the largest scores, or zero where every key is masked, for infinity less infinity is no number."""
    return where(largest == -math.inf, 0.0, largest)


def masked_softmax(scores: Tensor) -> Tensor:
    """Return softmax along the last axis; where every score is minus infinity, zeros."""
    return _MASKED_SOFTMAX(scores, axis=scores.ndim - 1) if scores.size else scores


def _masked_softmax(scores: Tensor, *, axis: int) -> Tensor:
    powers = rows.exp(scores - finite(reductions.max_(scores, axes=(axis,), keepdims=True)))
    total = sum_(powers, axes=(axis,), keepdims=True)
    return powers / where(total == 0.0, 1.0, total)


_MASKED_SOFTMAX = Composite("masked_softmax", _masked_softmax, softmax_rule)
