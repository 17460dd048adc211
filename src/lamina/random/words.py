"""From random words to numbers."""

from __future__ import annotations

import math

from lamina.dtypes import DType, float32, float64, uint64
from lamina.functions.elementwise import cos, log, sin, sqrt
from lamina.functions.manipulation import reshape, stack
from lamina.tensor import Tensor


def fraction53(words: Tensor, first: int) -> Tensor:
    """Return ``(k + first) / 2**53`` in float64, where ``k`` is the upper 53 of the 64 bits of two words."""
    high, low = (words[:, 0] >> 5).astype(float64), (words[:, 1] >> 6).astype(float64)
    return (high * 2.0**26 + (low + float(first))) * 2.0**-53


def join(words: Tensor) -> Tensor:
    """Return two words of 32 bits as one of 64."""
    return (words[:, 0].astype(uint64) << 32) | words[:, 1].astype(uint64)


def scaled(words: Tensor, span: int) -> Tensor:
    """Return ``floor(v * span / 2**bits)`` where ``v`` is the number of all words of a row, and ``bits`` its width.

    The probability of an integer differs from ``1 / span`` by less than ``2**-bits``. Digits of 32 bits, from the
    last up, keep every product in 64 bits.

    Source: D. Lemire, "Fast random integer generation in an interval", ACM TOMACS 29 (2019), section 4, without
    the rejection.
    """
    upper, lower, word = span >> 32, span & 0xFFFFFFFF, 0xFFFFFFFF
    total = words[:, words.shape[1] - 1].astype(uint64)
    total = ((total * lower) >> 32) + total * upper
    for at in range(words.shape[1] - 2, -1, -1):
        digit = words[:, at].astype(uint64)
        total = (((total & word) + digit * lower) >> 32) + (total >> 32) + digit * upper
    return total


def unit(words: Tensor, dtype: DType) -> Tensor:
    """Return numbers in [0, 1) of rows of words: multiples of ``2**-53`` in float64, of ``2**-24`` in float32."""
    if dtype is float64:
        return fraction53(words, 0)
    return (words[:, 0] >> 8).astype(float32) * 2.0**-24


def normal_pairs(words: Tensor, dtype: DType) -> Tensor:
    """Return two normal numbers of each row of words, by the transform of Box and Muller.

    Source: G. E. P. Box, M. E. Muller, Annals of Mathematical Statistics 29 (1958), 610-611.
    """
    if dtype is float64:
        first, second = fraction53(words[:, :2], 1), fraction53(words[:, 2:], 0)
    else:
        # In (0, 1]: all 32 bits, since numbers near zero, which make the tails, have room for them.
        first = words[:, 0].astype(float32) * 2.0**-32 + 2.0**-33
        second = unit(words[:, 1:], dtype)
    radius, angle = sqrt(log(first) * -2.0), second * (2.0 * math.pi)
    return reshape(stack([radius * cos(angle), radius * sin(angle)], axis=1), (2 * words.shape[0],))
