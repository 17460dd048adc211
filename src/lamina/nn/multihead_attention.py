"""Attention with several heads."""

from __future__ import annotations

import math
from typing import Any

from lamina.dtypes import DTypeLike, bool_
from lamina.errors import DTypeError, ShapeError
from lamina.functions.comparisons import where
from lamina.functions.manipulation import broadcast_to, concat, permute_dims, reshape
from lamina.functions.operands import cast, floating, tensor
from lamina.functions.products import matmul
from lamina.nn.attention import attention_weights, scaled_dot_product_attention
from lamina.nn.attention_scores import causal
from lamina.nn.dropouts import dropped
from lamina.nn.init import xavier_normal, xavier_uniform, zeros
from lamina.nn.linear_layers import Linear
from lamina.nn.module import Module
from lamina.nn.settings import parameter_dtype, probability
from lamina.primitives.contraction import transposed
from lamina.primitives.shaping import part
from lamina.tensor import Tensor
from lamina.variable import Variable


class MultiheadAttention(Module):
    """Attention by several heads, each in its own projection of queries, keys and values.

    ``concat(head_1, ..., head_h) W_o`` where ``head_i = attention(Q W_q_i, K W_k_i, V W_v_i)``.

    Parameters
    ----------
    embed_dim : int
        Width of queries and of the result; heads share it.
    num_heads : int
    dropout : float, default 0.0
        Probability with which a weight of the attention is set to zero in training.
    bias : bool, default True
        Whether projections have a bias.
    add_bias_kv : bool, default False
        Whether one more key and value, which are learned, stand behind the given ones.
    add_zero_attn : bool, default False
        Whether one more key and value, which are zero, stand behind the given ones.
    kdim, vdim : int, default embed_dim
        Widths of keys and values.
    batch_first : bool, default False
        Whether inputs are [N, L, E] rather than [L, N, E].
    dtype : DType, default float32
        Of the parameters.

    Attributes
    ----------
    in_proj_weight : Variable of shape [3 * embed_dim, embed_dim], or None
        The projections of queries, keys and values, one below the other; None where kdim or vdim differs, and
        ``q_proj_weight``, ``k_proj_weight`` and ``v_proj_weight`` have a place of their own.
    in_proj_bias : Variable of shape [3 * embed_dim], or None
    bias_k, bias_v : Variable of shape [1, 1, embed_dim], or None
    out_proj : Linear

    Raises
    ------
    ShapeError
        When embed_dim is no multiple of num_heads, or an input does not fit.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> attention = nn.MultiheadAttention(8, 2, batch_first=True)
    >>> x = la.random.normal((3, 5, 8))
    >>> y, weights = attention(x, x, x)
    >>> y.shape, weights.shape
    ((3, 5, 8), (3, 5, 5))

    Source: A. Vaswani et al., "Attention is all you need", NeurIPS 2017, section 3.2.2.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        *,
        dtype: DTypeLike | None = None,
    ) -> None:
        if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads:
            raise ShapeError(
                f"MultiheadAttention: embed_dim is a positive multiple of num_heads, got {embed_dim} and {num_heads}"
            )
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.dropout = probability("MultiheadAttention", dropout)
        self.add_zero_attn, self.batch_first = add_zero_attn, batch_first
        wanted = parameter_dtype("MultiheadAttention", dtype)
        self.in_proj_weight: Variable | None = None
        self.q_proj_weight: Variable | None = None
        self.k_proj_weight: Variable | None = None
        self.v_proj_weight: Variable | None = None
        draw = xavier_uniform()
        if self.kdim == embed_dim == self.vdim:
            self.in_proj_weight = Variable(draw((3 * embed_dim, embed_dim), dtype=wanted), "in_proj_weight")
        else:
            self.q_proj_weight = Variable(draw((embed_dim, embed_dim), dtype=wanted), "q_proj_weight")
            self.k_proj_weight = Variable(draw((embed_dim, self.kdim), dtype=wanted), "k_proj_weight")
            self.v_proj_weight = Variable(draw((embed_dim, self.vdim), dtype=wanted), "v_proj_weight")
        self.in_proj_bias = Variable(zeros()((3 * embed_dim,), dtype=wanted), "in_proj_bias") if bias else None
        own = xavier_normal()
        self.bias_k = Variable(own((1, 1, embed_dim), dtype=wanted), "bias_k") if add_bias_kv else None
        self.bias_v = Variable(own((1, 1, embed_dim), dtype=wanted), "bias_v") if add_bias_kv else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, dtype=wanted)
        if self.out_proj.bias is not None:
            self.out_proj.bias.assign(zeros()((embed_dim,), dtype=wanted))

    def __call__(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Return the result and the weights.

        Parameters
        ----------
        query : Tensor of shape [L, N, embed_dim], or [N, L, embed_dim] with batch_first, or [L, embed_dim]
        key : Tensor of shape [S, N, kdim], or as the query
        value : Tensor of shape [S, N, vdim], or as the query
        key_padding_mask : Tensor of shape [N, S], optional
            Of bools: True where a key is left out. Of numbers: added to the scores.
        need_weights : bool, default True
            Whether weights are returned. Without, long inputs are computed in blocks.
        attn_mask : Tensor of shape [L, S] or [N * num_heads, L, S], optional
            Of bools: True where a key is *not* seen, as in PyTorch and unlike `scaled_dot_product_attention`. Of
            numbers: added to the scores.
        average_attn_weights : bool, default True
            Whether weights are the mean over heads.
        is_causal : bool, default False
            Whether query ``i`` sees keys 0 to ``i`` only. No mask is needed beside it; PyTorch takes it as a hint
            of what the mask is. Added keys and values are seen by all.

        Returns
        -------
        Tensor of the shape of the query
        Tensor of shape [N, L, S], [N, num_heads, L, S] where not averaged, or None
            A query that sees no key has weights of zero, where PyTorch has NaN.
        """
        batched, query, key, value = self._batched(query, key, value)
        samples, length, keys = query.shape[0], query.shape[1], key.shape[1]
        # What is added is seen by all, so that causality must then be part of the mask.
        added = (self.bias_k is not None) + self.add_zero_attn
        seen = causal(query, (0, length), (0, keys)) if is_causal and added else None
        masks = self._attention_mask(attn_mask, samples, length, keys), _padding_mask(key_padding_mask, samples, keys)
        mask = _with_visible(_joined(*masks, seen), added)
        is_causal = is_causal and not added
        q, k, v = (self._in_heads(x) for x in self._with_added(*self._projected(query, key, value)))
        p = self.dropout if self.training else 0.0
        weights: Tensor | None = None
        if need_weights:
            mask = mask if mask is None or mask.dtype is bool_ else cast(mask, q.dtype)
            weights = attention_weights(q, k, mask, is_causal=is_causal, scale=1.0 / math.sqrt(self.head_dim))
            weights = dropped(weights, p)
            result = matmul(weights, v)
            weights = weights.mean(axis=1) if average_attn_weights else weights
            weights = weights if batched else weights[0]
        else:
            result = scaled_dot_product_attention(q, k, v, mask, p, is_causal)
        result = self.out_proj(reshape(permute_dims(result, (0, 2, 1, 3)), (samples, length, self.embed_dim)))
        if not batched:
            return result[0], weights
        return result if self.batch_first else permute_dims(result, (1, 0, 2)), weights

    def _batched(self, *inputs: Tensor) -> tuple[bool, Tensor, Tensor, Tensor]:
        """Return whether there is a batch, and the inputs as [N, L, width]; what was one object is one again."""
        given = {id(x): floating("MultiheadAttention", x) for x in inputs}
        shapes = [x.shape for x in given.values()]
        ranks = {x.ndim for x in given.values()}
        if ranks not in ({2}, {3}):
            raise ShapeError(f"MultiheadAttention: expected inputs of three axes, or all of two, got {_listed(shapes)}")
        batched = ranks == {3}
        if not batched:
            given = {at: reshape(x, (1, *x.shape)) for at, x in given.items()}
        elif not self.batch_first:
            given = {at: permute_dims(x, (1, 0, 2)) for at, x in given.items()}
        query, key, value = (given[id(x)] for x in inputs)
        widths = (query.shape[2], key.shape[2], value.shape[2])
        if widths != (self.embed_dim, self.kdim, self.vdim):
            wanted = (self.embed_dim, self.kdim, self.vdim)
            raise ShapeError(f"MultiheadAttention: expected widths {wanted} of query, key and value, got {widths}")
        if not query.shape[0] == key.shape[0] == value.shape[0] or key.shape[1] != value.shape[1]:
            order = "[N, L, E]" if self.batch_first else "[L, N, E]"
            raise ShapeError(
                f"MultiheadAttention: inputs are {order} with as many samples each, and as many keys as values; got "
                f"{_listed([x.shape for x in inputs])}"
            )
        return batched, query, key, value

    def _attention_mask(self, mask: Tensor | None, samples: int, length: int, keys: int) -> Tensor | None:
        """Return the mask as [1, 1, L, S] or [N, H, L, S]: True where seen, or numbers."""
        if mask is None:
            return None
        mask = _seen("attn_mask", mask)
        if mask.shape == (length, keys):
            return reshape(mask, (1, 1, length, keys))
        if mask.shape == (samples * self.num_heads, length, keys):
            return reshape(mask, (samples, self.num_heads, length, keys))
        raise ShapeError(
            f"MultiheadAttention: attn_mask is {[length, keys]} or {[samples * self.num_heads, length, keys]}, got "
            f"shape {list(mask.shape)}"
        )

    def _projected(self, query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
        """Return the projected inputs; an input that is all three is projected by one product."""
        width = self.embed_dim
        spans = [(at * width, (at + 1) * width) for at in range(3)]
        bias = None if self.in_proj_bias is None else self.in_proj_bias.value
        if self.in_proj_weight is not None and query is key is value:
            together = matmul(query, transposed(self.in_proj_weight))
            together = together if bias is None else together + bias
            return [part(together, 2, *span) for span in spans]
        if self.in_proj_weight is not None:
            packed = self.in_proj_weight.value
            weights: list[Any] = [part(packed, 0, *span) for span in spans]
        else:
            weights = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        found = [matmul(x, transposed(w)) for x, w in zip((query, key, value), weights, strict=True)]
        return found if bias is None else [x + part(bias, 0, *span) for x, span in zip(found, spans, strict=True)]

    def _with_added(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the inputs with the keys and values behind them that were asked for."""
        shape = (key.shape[0], 1, self.embed_dim)
        if self.bias_k is not None and self.bias_v is not None:
            key = concat([key, broadcast_to(self.bias_k, shape)], axis=1)
            value = concat([value, broadcast_to(self.bias_v, shape)], axis=1)
        if self.add_zero_attn:
            key = concat([key, key._full(shape, 0)], axis=1)
            value = concat([value, value._full(shape, 0)], axis=1)
        return query, key, value

    def _in_heads(self, x: Tensor) -> Tensor:
        split = reshape(x, (*x.shape[:2], self.num_heads, self.head_dim))
        return permute_dims(split, (0, 2, 1, 3))

    def extra_repr(self) -> str:
        return f"embed_dim={self.embed_dim}, num_heads={self.num_heads}, dropout={self.dropout}"


def _listed(shapes: list[tuple[int, ...]]) -> str:
    return " and ".join(str(list(shape)) for shape in shapes)


def _seen(name: str, mask: Tensor) -> Tensor:
    """Return a mask of PyTorch's layers with bools the other way round: True where a key is seen."""
    mask = tensor("MultiheadAttention", mask)
    if mask.dtype is not bool_ and not mask.dtype.floating:
        raise DTypeError(f"MultiheadAttention: {name} is of bools or floating-point numbers, got {mask.dtype.name}")
    return ~mask if mask.dtype is bool_ else mask


def _padding_mask(mask: Tensor | None, samples: int, keys: int) -> Tensor | None:
    """Return the mask of keys as [N, 1, 1, S]."""
    if mask is None:
        return None
    mask = _seen("key_padding_mask", mask)
    if mask.shape not in ((samples, keys), (keys,) if samples == 1 else ()):
        raise ShapeError(f"MultiheadAttention: key_padding_mask is {[samples, keys]}, got shape {list(mask.shape)}")
    return reshape(mask, (samples, 1, 1, keys))


def _joined(*masks: Tensor | None) -> Tensor | None:
    """Return the mask that holds where all do: bools if all are bools, and numbers to add otherwise."""
    given = [mask for mask in masks if mask is not None]
    if not given:
        return None
    if any(mask.dtype is not bool_ for mask in given):
        given = [where(mask, 0.0, -math.inf) if mask.dtype is bool_ else mask for mask in given]
        return sum(given[1:], start=given[0])
    joined = given[0]
    for mask in given[1:]:
        joined = joined & mask
    return joined


def _with_visible(mask: Tensor | None, added: int) -> Tensor | None:
    """Return a mask with keys behind the others that everyone sees."""
    if mask is None or not added:
        return mask
    visible = mask._full((*mask.shape[:-1], added), True if mask.dtype is bool_ else 0.0)
    return concat([mask, visible], axis=-1)
