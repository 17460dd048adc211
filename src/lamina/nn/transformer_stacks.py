"""Stacks of transformer layers: an encoder, a decoder, and both."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

from lamina.dtypes import DTypeLike
from lamina.errors import ShapeError
from lamina.functions.creation import full, triu
from lamina.nn.init import xavier_uniform
from lamina.nn.module import Module
from lamina.nn.normalisation_layers import LayerNorm
from lamina.nn.transformer import Activation, TransformerDecoderLayer, TransformerEncoderLayer
from lamina.tensor import Tensor


class TransformerEncoder(Module):
    """Layers of an encoder, one behind the other.

    Parameters
    ----------
    encoder_layer : TransformerEncoderLayer
        Copied for each layer, so that all begin with the same weights, as in PyTorch.
    num_layers : int
    norm : Module, optional
        Applied to what the last layer gives.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), num_layers=2)
    >>> encoder(la.random.normal((5, 3, 8))).shape
    (5, 3, 8)
    """

    def __init__(self, encoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        self.layers = _copies("TransformerEncoder", encoder_layer, num_layers)
        self.norm = norm

    def __call__(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """Return the result, of the shape of ``src``; the masks are those of `MultiheadAttention`."""
        for layer in self.layers:
            src = layer(src, mask, src_key_padding_mask, is_causal)
        return src if self.norm is None else self.norm(src)


class TransformerDecoder(Module):
    """Layers of a decoder, one behind the other, which all look at what an encoder made.

    Parameters
    ----------
    decoder_layer : TransformerDecoderLayer
        Copied for each layer, so that all begin with the same weights, as in PyTorch.
    num_layers : int
    norm : Module, optional
        Applied to what the last layer gives.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16), num_layers=2)
    >>> decoder(la.random.normal((5, 3, 8)), la.random.normal((7, 3, 8))).shape
    (5, 3, 8)
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        self.layers = _copies("TransformerDecoder", decoder_layer, num_layers)
        self.norm = norm

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
        """Return the result, of the shape of ``tgt``; the masks are those of `TransformerDecoderLayer`."""
        masks = tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask
        for layer in self.layers:
            tgt = layer(tgt, memory, *masks, tgt_is_causal, memory_is_causal)
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """An encoder, and a decoder that looks at what it makes.

    Parameters
    ----------
    d_model : int, default 512
    nhead : int, default 8
    num_encoder_layers, num_decoder_layers : int, default 6
    dim_feedforward : int, default 2048
    dropout : float, default 0.1
    activation : str or callable, default "relu"
    custom_encoder, custom_decoder : Module, optional
        Used instead of the ones made here.
    layer_norm_eps : float, default 1e-5
    batch_first : bool, default False
    norm_first : bool, default False
    bias : bool, default True
    dtype : DType, default float32
        As those of `TransformerEncoderLayer`. Every matrix begins uniform by `init.xavier_uniform`.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> model = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
    >>> model(la.random.normal((3, 7, 8)), la.random.normal((3, 5, 8)), tgt_is_causal=True).shape
    (3, 5, 8)

    Source: A. Vaswani et al., "Attention is all you need", NeurIPS 2017.
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: DTypeLike | None = None,
    ) -> None:
        settings = d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias
        if custom_encoder is None:
            layer = TransformerEncoderLayer(*settings, dtype=dtype)
            norm = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, dtype=dtype)
            custom_encoder = TransformerEncoder(layer, num_encoder_layers, norm)
        if custom_decoder is None:
            decoder_layer = TransformerDecoderLayer(*settings, dtype=dtype)
            norm = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, dtype=dtype)
            custom_decoder = TransformerDecoder(decoder_layer, num_decoder_layers, norm)
        self.encoder, self.decoder = custom_encoder, custom_decoder
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first
        draw = xavier_uniform()
        for parameter in self.parameters():
            if parameter.ndim > 1:
                parameter.assign(draw(parameter.shape, dtype=parameter.dtype))

    def __call__(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool = False,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Return what the decoder makes of ``tgt``, in its shape, while it looks at the encoded ``src``."""
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise ShapeError(
                f"Transformer: the last axis is d_model={self.d_model}, got src {list(src.shape)}, "
                f"tgt {list(tgt.shape)}"
            )
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        masks = tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask
        made: Tensor = self.decoder(tgt, memory, *masks, tgt_is_causal, memory_is_causal)
        return made

    @staticmethod
    def generate_square_subsequent_mask(
        sz: int, *, dtype: DTypeLike | None = None, device: str | None = None
    ) -> Tensor:
        """Return the causal mask as numbers: minus infinity above the diagonal, zero elsewhere.

        Examples
        --------
        >>> from lamina import nn
        >>> nn.Transformer.generate_square_subsequent_mask(2)
        Tensor([[  0., -inf],
                [  0.,   0.]], shape=[2, 2], dtype=float32)
        """
        return triu(full((sz, sz), -math.inf, dtype=dtype or "float32", device=device), k=1)


def _copies(name: str, layer: Module, count: int) -> list[Any]:
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise ShapeError(f"{name}: num_layers is a number from 0, got {count!r}")
    return [deepcopy(layer) for _ in range(count)]
