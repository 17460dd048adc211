"""Philox-4x32-10 in Python integers, one block at a time: slow, and easy to hold beside the paper.

J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011,
section 3.3.
"""

from __future__ import annotations

WORD = 2**32

Words = tuple[int, int, int, int]


def philox_block(counter: Words, key: tuple[int, int]) -> Words:
    """Return the four words of one block: ten rounds of the S-P network of the paper's figure 3."""
    first, second = key
    for _ in range(10):
        right_high, right_low = divmod(0xCD9E8D57 * counter[2], WORD)
        left_high, left_low = divmod(0xD2511F53 * counter[0], WORD)
        counter = (right_high ^ counter[1] ^ first, right_low, left_high ^ counter[3] ^ second, left_low)
        first, second = (first + 0x9E3779B9) % WORD, (second + 0xBB67AE85) % WORD
    return counter


def philox_words(key: int, counter: int, size: int) -> list[int]:
    """Return ``size`` words of the blocks from ``counter`` on, which wraps at 64 bits."""
    words: list[int] = []
    while len(words) < size:
        number = counter % 2**64
        words += philox_block((number % WORD, number // WORD, 0, 0), (key % WORD, key // WORD))
        counter += 1
    return words[:size]
