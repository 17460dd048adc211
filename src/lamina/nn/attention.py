"""Scaled dot-product attention."""

from __future__ import annotations

import math

from lamina.dtypes import bool_
from lamina.errors import DataError, DTypeError, LaminaError, ShapeError
from lamina.functions.manipulation import expand_dims, reshape
from lamina.functions.operands import cast, common, floating, tensor
from lamina.nn.attention_blocks import blockwise_attention
from lamina.nn.attention_scores import causal, masked, masked_softmax, shared_product
from lamina.nn.dropouts import dropped
from lamina.primitives.contraction import transposed
from lamina.primitives.specs import broadcast_shapes
from lamina.tensor import Tensor

LONG = 512 * 512
"""Queries times keys from which attention is computed in blocks: from there a compiled step is the faster by them."""


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Return for each query the mean of the values, weighted by how well their keys fit the query.

    ``softmax(scale * Q K^T + mask) V``. For many queries and keys, from 512 of each, it is computed in
    blocks, forwards and backwards, and no matrix of queries by keys is in memory as a whole; a second derivative of
    such a computation keeps its blocks.

    Parameters
    ----------
    query : Tensor of shape [..., L, E]
        L queries. With heads they are the axis before: [N, H, L, E].
    key : Tensor of shape [..., S, E]
    value : Tensor of shape [..., S, Ev]
    attn_mask : Tensor, optional
        Broadcast to [..., L, S]. Of bools: True where a key is seen. Of numbers: added to the scores; it may have a
        gradient. A query that sees no key gets zeros.
    dropout_p : float, default 0.0
        Probability with which a weight is set to zero, always applied: give 0.0 in evaluation. Which weights are
        dropped differs between short and long inputs.
    is_causal : bool, default False
        Whether query ``i`` sees keys 0 to ``i`` only, also where L and S differ; together with a mask both hold.
    scale : float, default ``1/sqrt(E)``
    enable_gqa : bool, default False
        Whether there are fewer heads of keys and values, [..., H/G, S, E], each shared by G heads of queries that
        follow one another; keys and values are not repeated in memory.

    Returns
    -------
    Tensor of shape [..., L, Ev]

    Raises
    ------
    ShapeError, DTypeError, DataError
        When shapes, types or the probability do not fit.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> q, k = la.asarray([[1.0, 0.0]]), la.asarray([[9.0, 0.0], [0.0, 9.0]])
    >>> nn.scaled_dot_product_attention(q, k, la.asarray([[1.0], [2.0]]))
    Tensor([[1.0017]], shape=[1, 1], dtype=float32)

    Source: A. Vaswani et al., "Attention is all you need", NeurIPS 2017, equation 1; grouped queries: J. Ainslie et
    al., EMNLP 2023.
    """
    query, key, value, mask = _checked(query, key, value, attn_mask, enable_gqa)
    if not 0.0 <= dropout_p < 1.0:
        raise DataError(f"scaled_dot_product_attention: dropout_p is a probability below 1, got {dropout_p!r}")
    heads = query.shape[:-1]
    if enable_gqa and query.shape[-3] != key.shape[-3]:
        query, key, value, mask = _grouped(query, key, value, mask)
    factor = 1.0 / math.sqrt(max(query.shape[-1], 1)) if scale is None else float(scale)
    if query.shape[-2] * key.shape[-2] >= LONG and query.size and key.size:
        query, key, value = _same_rank(query, key, value)
        result = blockwise_attention(query, key, value, mask, is_causal=is_causal, scale=factor, dropout_p=dropout_p)
    else:
        weights = attention_weights(query, key, mask, is_causal=is_causal, scale=factor)
        result = shared_product(dropped(weights, dropout_p), value)
    return reshape(result, (*heads, result.shape[-1])) if result.ndim > len(heads) + 1 else result


def attention_weights(query: Tensor, key: Tensor, mask: Tensor | None, *, is_causal: bool, scale: float) -> Tensor:
    """Return the weights [..., L, S], which sum to one for each query that sees a key."""
    scores = shared_product(query * scale, transposed(key))
    seen = causal(query, (0, query.shape[-2]), (0, key.shape[-2])) if is_causal else None
    return masked_softmax(masked(scores, mask, seen))


def _checked(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, grouped: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Return the operands in one floating-point type, if their shapes fit."""
    name = "scaled_dot_product_attention"
    query, key, value = (floating(name, x) for x in common(name, query, key, value))
    shapes = f"query {list(query.shape)}, key {list(key.shape)}, value {list(value.shape)}"
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise ShapeError(f"{name}: expected at least the axes [L, E], got {shapes}")
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise ShapeError(f"{name}: expected query [..., L, E], key [..., S, E] and value [..., S, Ev], got {shapes}")
    if grouped:
        if min(query.ndim, key.ndim, value.ndim) < 3 or key.shape[-3] != value.shape[-3]:
            raise ShapeError(f"{name}: with enable_gqa the axis of heads stands before the last two, got {shapes}")
        if key.shape[-3] == 0 or query.shape[-3] % key.shape[-3]:
            raise ShapeError(
                f"{name}: the heads of queries are a multiple of those of keys, got {query.shape[-3]} and "
                f"{key.shape[-3]}"
            )
    skipped = 3 if grouped else 2
    try:
        lead = broadcast_shapes(name, query.shape[:-skipped], key.shape[:-skipped])
        lead = broadcast_shapes(name, lead, value.shape[:-skipped])
    except LaminaError as error:
        raise ShapeError(f"{name}: the axes of the batch do not broadcast: {shapes}") from error
    heads = query.shape[-3:-2] if grouped else ()
    return query, key, value, _checked_mask(name, mask, query, (*lead, *heads, query.shape[-2], key.shape[-2]))


def _checked_mask(name: str, mask: Tensor | None, query: Tensor, shape: tuple[int, ...]) -> Tensor | None:
    if mask is None:
        return None
    mask = tensor(name, mask)
    if mask.dtype is not bool_ and not mask.dtype.floating:
        raise DTypeError(f"{name}: attn_mask is of bools or floating-point numbers, got {mask.dtype.name}")
    try:
        fits = broadcast_shapes(name, mask.shape, shape) == shape
    except LaminaError:
        fits = False
    if not fits:
        raise ShapeError(f"{name}: attn_mask of shape {list(mask.shape)} does not broadcast to {list(shape)}")
    mask = mask._snapshot if mask.dtype is bool_ else cast(mask, query.dtype)
    return reshape(mask, (*(1,) * (2 - mask.ndim), *mask.shape)) if mask.ndim < 2 else mask


def _grouped(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Return the operands with an axis of groups behind the axis of heads; keys and values have one there."""
    heads = key.shape[-3]
    query = _split(query, heads)
    if mask is not None and mask.ndim > 2:
        mask = _split(mask, heads) if mask.shape[-3] > 1 else expand_dims(mask, axis=-3)
    return query, expand_dims(key, axis=-3), expand_dims(value, axis=-3), mask


def _split(x: Tensor, heads: int) -> Tensor:
    return reshape(x, (*x.shape[:-3], heads, x.shape[-3] // heads, *x.shape[-2:]))


def _same_rank(*operands: Tensor) -> list[Tensor]:
    """Return the operands with axes of length one in front, as many as the one with the most axes has."""
    most = max(x.ndim for x in operands)
    return [x if x.ndim == most else reshape(x, ((1,) * (most - x.ndim)) + x.shape) for x in operands]
