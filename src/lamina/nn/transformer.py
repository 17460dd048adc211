"""The layers of transformers: an encoder's and a decoder's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina.dtypes import DTypeLike
from lamina.nn.activations import activation_layer
from lamina.nn.dropouts import Dropout
from lamina.nn.linear_layers import Linear
from lamina.nn.module import Module
from lamina.nn.multihead_attention import MultiheadAttention
from lamina.nn.normalisation_layers import LayerNorm
from lamina.tensor import Tensor

Activation = str | type[Module] | Callable[[Any], Any]


class _FeedForward(Module):
    """What both layers share: two linear maps behind the attention, and where they normalise."""

    def _make_feed_forward(
        self,
        d_model: int,
        dim_feedforward: int,
        dropout: float,
        activation: Activation,
        bias: bool,
        dtype: DTypeLike | None,
    ) -> None:
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype=dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, dtype=dtype)
        self.activation = activation_layer(activation)

    def _feed_forward(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerEncoderLayer(_FeedForward):
    """Self-attention, and then two linear maps of each place, each added to what it was given.

    ``x = norm1(x + attention(x))``, ``x = norm2(x + W_2 f(W_1 x))``; with norm_first ``x = x + attention(norm1(x))``,
    ``x = x + W_2 f(W_1 norm2(x))``.

    Parameters
    ----------
    d_model : int
        Width of the input and of the result.
    nhead : int
        Number of heads.
    dim_feedforward : int, default 2048
        Width between the two linear maps.
    dropout : float, default 0.1
        Probability with which weights of the attention, elements between the linear maps, and elements of what is
        added are set to zero in training.
    activation : str or callable, default "relu"
        Between the linear maps.
    layer_norm_eps : float, default 1e-5
    batch_first : bool, default False
        Whether inputs are [N, L, E] rather than [L, N, E].
    norm_first : bool, default False
        Whether what goes into each part is normalised, rather than the sum behind it.
    bias : bool, default True
        Whether linear maps and norms have a bias.
    dtype : DType, default float32
        Of the parameters.

    Raises
    ------
    ShapeError, DataError
        When the widths do not fit, the activation is unknown or the probability is not in [0, 1].

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> layer = nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True)
    >>> layer(la.random.normal((3, 5, 8))).shape
    (3, 5, 8)

    Source: A. Vaswani et al., "Attention is all you need", NeurIPS 2017, section 3.1; norm_first: R. Xiong et al.,
    ICML 2020.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: DTypeLike | None = None,
    ) -> None:
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype)
        self._make_feed_forward(d_model, dim_feedforward, dropout, activation, bias, dtype)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, dtype=dtype)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, dtype=dtype)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)

    def __call__(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """Return the result, of the shape of ``src``; the masks are those of `MultiheadAttention`."""

        def attended(x: Tensor) -> Tensor:
            found, _ = self.self_attn(x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal)
            return self.dropout1(found)

        if self.norm_first:
            x = src + attended(self.norm1(src))
            return x + self.dropout2(self._feed_forward(self.norm2(x)))
        x = self.norm1(src + attended(src))
        return self.norm2(x + self.dropout2(self._feed_forward(x)))


class TransformerDecoderLayer(_FeedForward):
    """Self-attention, attention to what an encoder made, and two linear maps of each place.

    Each is added to what it was given and the sum is normalised; with norm_first what goes in is.

    Parameters
    ----------
    d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, dtype
        As those of `TransformerEncoderLayer`.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> layer = nn.TransformerDecoderLayer(8, 2, dim_feedforward=16, batch_first=True)
    >>> layer(la.random.normal((3, 5, 8)), la.random.normal((3, 7, 8)), tgt_is_causal=True).shape
    (3, 5, 8)

    Source: A. Vaswani et al., "Attention is all you need", NeurIPS 2017, section 3.1.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: DTypeLike | None = None,
    ) -> None:
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype)
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype)
        self._make_feed_forward(d_model, dim_feedforward, dropout, activation, bias, dtype)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, dtype=dtype)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, dtype=dtype)
        self.norm3 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, dtype=dtype)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)

    def __call__(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Return the result, of the shape of ``tgt``, which looks at ``memory``; masks as in `MultiheadAttention`."""

        def attended(x: Tensor) -> Tensor:
            found, _ = self.self_attn(x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal)
            return self.dropout1(found)

        def remembered(x: Tensor) -> Tensor:
            padding = memory_key_padding_mask
            found, _ = self.multihead_attn(x, memory, memory, padding, False, memory_mask, is_causal=memory_is_causal)
            return self.dropout2(found)

        if self.norm_first:
            x = tgt + attended(self.norm1(tgt))
            x = x + remembered(self.norm2(x))
            return x + self.dropout3(self._feed_forward(self.norm3(x)))
        x = self.norm1(tgt + attended(tgt))
        x = self.norm2(x + remembered(x))
        return self.norm3(x + self.dropout3(self._feed_forward(x)))
