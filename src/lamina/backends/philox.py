"""The Philox-4x32-10 counter-based generator over any array API namespace.

J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011,
section 3.3 and the constants of table 2.
"""

from __future__ import annotations

from typing import Any

ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
WORD = 0xFFFFFFFF


def philox_words(xp: Any, key: Any, counter: Any, size: int) -> Any:
    """Return ``size`` words: four for each block, blocks numbered from ``counter``.

    Parameters
    ----------
    xp : namespace
        An array API namespace with uint64.
    key, counter : array of uint64, shape []
        The stream, and the number of its first block.
    size : int
        How many words.
    """
    blocks = -(-size // 4)
    # All words live in uint64, so that a product of two keeps its high half.
    word, half = xp.asarray(WORD, dtype=xp.uint64), xp.asarray(32, dtype=xp.uint64)
    number = counter + xp.arange(blocks, dtype=xp.uint64)
    zero = xp.zeros(blocks, dtype=xp.uint64)
    c0, c1, c2, c3 = number & word, number >> half, zero, zero
    k0, k1 = key & word, key >> half
    m0, m1 = (xp.asarray(m, dtype=xp.uint64) for m in MULTIPLIERS)
    w0, w1 = (xp.asarray(w, dtype=xp.uint64) for w in WEYL)
    for _ in range(ROUNDS):
        p0, p1 = m0 * c0, m1 * c2
        c0, c1, c2, c3 = (p1 >> half) ^ c1 ^ k0, p1 & word, (p0 >> half) ^ c3 ^ k1, p0 & word
        k0, k1 = (k0 + w0) & word, (k1 + w1) & word
    words = xp.stack([c0, c1, c2, c3], axis=1)
    return xp.astype(xp.reshape(words, (4 * blocks,))[:size], xp.uint32)
