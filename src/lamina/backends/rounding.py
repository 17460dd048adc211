"""Rounding float32 numbers to bfloat16, which stay float32: 8 significant bits, ties to the even neighbour."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_LARGE, _SCALE = 2.0**64, 2.0**-32


def rounded(xp: Any, x: Any) -> Any:
    """Return the rounded numbers over any namespace of the array API, which has no access to their bits.

    Numbers below the smallest normal one keep more bits than a bfloat16 of that size has.

    Source: T. J. Dekker, "A floating-point technique for extending the available precision", Numerische Mathematik
    18 (1971), equation 5.6, after G. W. Veltkamp.
    """
    # The splitting multiplies by 2**16 + 1, which must not overflow.
    large = xp.abs(x) > _LARGE
    small = xp.where(large, x * _SCALE, x)
    near = _upper(small, 2.0**16 + 1.0)
    # On the other side of the number, as far away: where that is a neighbour too, the number lies in the middle.
    other = small + (small - near)
    tie = (other != near) & (_upper(other, 2.0**16 + 1.0) == other)
    odd = _upper(near, 2.0**17 + 1.0) != near
    near = xp.where(tie & odd, other, near)
    return xp.where(xp.isfinite(x), xp.where(large, near / _SCALE, near), x)


def _upper(x: Any, factor: float) -> Any:
    """Return the upper bits of numbers: as many fewer than 24 as the factor has."""
    moved = x * factor
    return moved - (moved - x)


def rounded_by_bits(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the rounded numbers of a NumPy array: half of the last bit kept, less one where it is even, carries."""
    bits = np.ascontiguousarray(x).view(np.uint32)
    up = bits >> 16
    up &= 1
    up += 0x7FFF
    up += bits
    up &= 0xFFFF0000
    found = up.view(np.float32).reshape(x.shape)
    # The carry may make another number of NaN. Looking for it is cheaper than choosing; a sum has it all.
    total = np.add.reduce(x, axis=None)
    return found if total == total else np.where(np.isnan(x), x, found)
