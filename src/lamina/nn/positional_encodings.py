"""Where in a sequence something stands: sinusoids, learned vectors, rotations, and distances as scores."""

from __future__ import annotations

import numpy as np

from lamina.dtypes import DEFAULT_FLOAT, DTypeLike, as_dtype, float32, float64
from lamina.errors import DTypeError, ShapeError
from lamina.functions.creation import asarray
from lamina.functions.elementwise import cos, sin
from lamina.functions.indexing import take
from lamina.functions.manipulation import concat, reshape, stack
from lamina.functions.operands import cast, floating, tensor
from lamina.nn.function_layers import FunctionLayer, settings
from lamina.nn.init import normal
from lamina.nn.module import Module
from lamina.primitives.shaping import part
from lamina.tensor import Tensor
from lamina.variable import Variable


def sinusoidal_positions(
    length: int, width: int, *, base: float = 10000.0, dtype: DTypeLike | None = None, device: str | None = None
) -> Tensor:
    """Return a vector of sines and cosines for each position.

    ``P[p, 2i] = sin(p / base**(2i/width))`` and ``P[p, 2i+1]`` its cosine.

    Parameters
    ----------
    length : int
        Number of positions.
    width : int
        Length of each vector; where it is odd, the last cosine is left out.
    base : float, default 10000.0
        The longest wave is nearly ``2 pi base`` positions long.
    dtype : DType, default float32
    device : str, optional

    Returns
    -------
    Tensor of shape [length, width]

    Examples
    --------
    >>> from lamina import nn
    >>> nn.sinusoidal_positions(2, 4)
    Tensor([[0.    , 1.    , 0.    , 1.    ],
            [0.8415, 0.5403, 0.01  , 0.9999]], shape=[2, 4], dtype=float32)

    Source: A. Vaswani et al., "Attention is all you need", NeurIPS 2017, section 3.5.
    """
    angles = np.arange(length)[:, None] * base ** (-np.arange(0, width, 2) / max(width, 1))
    values = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, -1)[:, :width]
    return asarray(values, dtype=DEFAULT_FLOAT if dtype is None else as_dtype(dtype), device=device)


@settings
class SinusoidalPositions(FunctionLayer):
    """Add `sinusoidal_positions` to a sequence; any length will do, and nothing is learned.

    Parameters
    ----------
    width : int
        Length of the last axis.
    base : float, default 10000.0

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.SinusoidalPositions(4)(la.zeros((1, 3, 4))).shape
    (1, 3, 4)
    """

    width: int
    base: float = 10000.0

    def __call__(self, x: Tensor, start: int = 0) -> Tensor:
        """Return ``x`` of shape [..., L, width] with the vectors of positions ``start`` to ``start + L - 1`` added."""
        x = _sequence("SinusoidalPositions", x, self.width)
        table = sinusoidal_positions(start + x.shape[-2], self.width, base=self.base, dtype=x.dtype, device=x.device)
        return x + part(table, 0, start, start + x.shape[-2])


class LearnedPositions(Module):
    """Add to each place of a sequence a vector that is learned for the place.

    Parameters
    ----------
    capacity : int
        Longest sequence.
    width : int
        Length of the last axis.
    std : float, default 0.02
        Standard deviation of the first vectors, which are normal.
    dtype : DType, default float32

    Attributes
    ----------
    weight : Variable of shape [capacity, width]

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.LearnedPositions(16, 4)(la.zeros((2, 3, 4))).shape
    (2, 3, 4)
    """

    def __init__(self, capacity: int, width: int, std: float = 0.02, *, dtype: DTypeLike | None = None) -> None:
        self.capacity, self.width = capacity, width
        self.weight = Variable(normal(0.0, std)((capacity, width), dtype=dtype), "weight")

    def __call__(self, x: Tensor, positions: Tensor | None = None) -> Tensor:
        """Return ``x`` of shape [..., L, width] with the vectors of its positions, 0 to L - 1 unless given, added."""
        x = _sequence("LearnedPositions", x, self.width)
        if positions is not None:
            return x + take(self.weight, positions, axis=0)
        if x.shape[-2] > self.capacity:
            raise ShapeError(f"LearnedPositions: at most {self.capacity} positions, got shape {list(x.shape)}")
        return x + part(self.weight.value, 0, 0, x.shape[-2])

    def extra_repr(self) -> str:
        return f"capacity={self.capacity}, width={self.width}"


def rotary_embedding(
    x: Tensor, positions: Tensor | None = None, *, base: float = 10000.0, interleaved: bool = False
) -> Tensor:
    """Return queries or keys turned by angles that grow with their position: RoPE.

    The product of a query with a key then depends on how far apart they are, not on where. Pair ``i`` of a vector of
    width ``d`` is turned by ``p * base**(-2i/d)``.

    Parameters
    ----------
    x : Tensor of shape [..., L, d]
        ``d`` is even.
    positions : Tensor of integers, broadcast to [..., L], optional
        0 to L - 1 when not given.
    base : float, default 10000.0
    interleaved : bool, default False
        What a pair is: elements ``2i`` and ``2i + 1``, as in the paper and in Meta's Llama code, or elements ``i`` and
        ``i + d/2``, as in GPT-NeoX and in Hugging Face's models. Weights of one form do not fit the other.

    Returns
    -------
    Tensor of the shape of ``x``

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.rotary_embedding(la.asarray([[1.0, 0.0], [1.0, 0.0]]))
    Tensor([[1.    , 0.    ],
            [0.5403, 0.8415]], shape=[2, 2], dtype=float32)

    Source: J. Su et al., "RoFormer: enhanced transformer with rotary position embedding", 2021, equation 34.
    """
    x = floating("rotary_embedding", x)
    if x.ndim < 2 or x.shape[-1] % 2:
        raise ShapeError(f"rotary_embedding: expected shape [..., L, d] with d even, got {list(x.shape)}")
    half = x.shape[-1] // 2
    frequencies = base ** (-np.arange(half) / max(half, 1))
    wide = float64 if x.dtype is float64 else float32
    if positions is None:
        angles = asarray(np.arange(x.shape[-2])[:, None] * frequencies, dtype=wide, device=x.device)
    else:
        if not tensor("rotary_embedding", positions).dtype.integral:
            raise DTypeError(f"rotary_embedding: positions are integers, got {positions.dtype.name}")
        places = cast(positions, wide)
        angles = reshape(places, (*places.shape, 1)) * asarray(frequencies, dtype=wide, device=x.device)
    cosine, sine = cast(cos(angles), x.dtype), cast(sin(angles), x.dtype)
    if interleaved:
        pairs = reshape(x, (*x.shape[:-1], half, 2))
        first, second = pairs[..., 0], pairs[..., 1]
        turned = stack([first * cosine - second * sine, second * cosine + first * sine], axis=-1)
        return reshape(turned, x.shape)
    first, second = part(x, x.ndim - 1, 0, half), part(x, x.ndim - 1, half, 2 * half)
    return concat([first * cosine - second * sine, second * cosine + first * sine], axis=-1)


@settings
class RotaryEmbedding(FunctionLayer):
    """`rotary_embedding` as a layer, for queries and keys.

    Parameters
    ----------
    base : float, default 10000.0
    interleaved : bool, default False
        Whether pairs are neighbours rather than half a vector apart.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.RotaryEmbedding()(la.ones((2, 4, 5, 8))).shape
    (2, 4, 5, 8)
    """

    base: float = 10000.0
    interleaved: bool = False

    def __call__(self, x: Tensor, positions: Tensor | None = None) -> Tensor:
        """Return ``x`` of shape [..., L, d] turned by its positions, 0 to L - 1 unless given."""
        return rotary_embedding(x, positions, base=self.base, interleaved=self.interleaved)


def alibi_bias(
    heads: int, queries: int, keys: int | None = None, *, dtype: DTypeLike | None = None, device: str | None = None
) -> Tensor:
    """Return scores that fall with the distance of a key from its query, for the mask of an attention: ALiBi.

    ``B[h, i, j] = -slope_h * |i - j|``, with slopes ``2**(-8h/H)`` for h from 1 to H; where H is no power of two, those
    of the power below, and then every second one of twice that power.

    Parameters
    ----------
    heads, queries : int
    keys : int, default queries
        Where there are more, queries are the last ones.
    dtype : DType, default float32
    device : str, optional

    Returns
    -------
    Tensor of shape [heads, queries, keys]

    Examples
    --------
    >>> from lamina import nn
    >>> nn.alibi_bias(1, 1, 3, dtype="float64") * 256
    Tensor([[[-2., -1.,  0.]]], shape=[1, 1, 3], dtype=float64)

    Source: O. Press et al., "Train short, test long", ICLR 2022, section 3 and its code.
    """
    keys = queries if keys is None else keys
    power = 1 << (heads.bit_length() - 1) if heads > 0 else 1
    slopes = [2.0 ** (-8.0 * h / power) for h in range(1, power + 1)]
    slopes += [2.0 ** (-4.0 * h / power) for h in range(1, 2 * power + 1, 2)][: heads - power]
    distances = np.abs(np.arange(keys - queries, keys)[:, None] - np.arange(keys))
    values = np.asarray(slopes[:heads]).reshape(-1, 1, 1) * -distances
    return asarray(values, dtype=DEFAULT_FLOAT if dtype is None else as_dtype(dtype), device=device)


def _sequence(name: str, x: Tensor, width: int) -> Tensor:
    x = floating(name, x)
    if x.ndim < 2 or x.shape[-1] != width:
        raise ShapeError(f"{name}: expected shape [..., L, {width}], got {list(x.shape)}")
    return x
