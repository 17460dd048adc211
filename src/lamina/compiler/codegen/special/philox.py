"""``random_bits``: the Philox-4x32-10 generator, many blocks at a time.

J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011,
section 3.3. Every word lives in the lower half of 64 bits, where one instruction multiplies eight of them; the upper
half may hold anything, for only a multiplication and the last step look at what is where.
"""

from __future__ import annotations

from lamina.backends.philox import MULTIPLIERS, ROUNDS, WEYL, WORD
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.special.job import Job, copy
from lamina.compiler.codegen.values import I32, I64, Value
from lamina.compiler.graph import ir

BLOCKS = 8  # of four words each, computed together
_WORDS = 4 * BLOCKS


def random_units(value: ir.Value) -> int:
    """One unit is a group of blocks; the last may be cut short."""
    return int(-(-value.params["size"] // _WORDS))


def emit_random_bits(job: Job) -> None:
    """Words of 32 bits: four for each block, blocks numbered from the counter."""
    f, size = job.f, job.value.params["size"]
    key, counter = (f.load(I64, pointer) for pointer in job.operands)
    keys = _key_schedule(f, key)
    whole, rest = divmod(size, _WORDS)
    end = f.slot(I32, _WORDS)
    lanes = f.lane_numbers(BLOCKS)
    with f.loop(job.begin, job.end) as unit:
        number = f.add(counter, f.mul(unit, f.integer(BLOCKS)))
        words = _rounds(f, f.add(f.splat(number, BLOCKS), lanes), keys)
        to = f.at(job.results[0], f.mul(unit, f.integer(_WORDS)), I32)
        if rest:
            to = Value(f.select(f.icmp("slt", unit, f.integer(whole)), to, end).text, to.type)
        _store_interleaved(f, words, to)
    if rest:
        last = f.binary("and", f.icmp("sle", job.begin, f.integer(whole)), f.icmp("sgt", job.end, f.integer(whole)))
        with f.when(last):
            copy(f, f.at(job.results[0], f.integer(whole * _WORDS), I32), end, 4 * rest)


def _key_schedule(f: Emitter, key: Value) -> list[tuple[Value, Value]]:
    """Return both halves of the key of every round; the upper bits are noise."""
    halves = (key, f.binary("lshr", key, f.integer(32)))
    return [
        tuple(  # type: ignore[misc]
            f.splat(f.add(half, f.integer(number * weyl)), BLOCKS) for half, weyl in zip(halves, WEYL, strict=True)
        )
        for number in range(ROUNDS)
    ]


def _rounds(f: Emitter, number: Value, keys: list[tuple[Value, Value]]) -> tuple[Value, ...]:
    """Return four words of every block of a number."""
    mask, half = f.integer(WORD, number.type), f.integer(32, number.type)
    first, second = (f.integer(each, number.type) for each in MULTIPLIERS)

    def product(factor: Value, word: Value) -> Value:
        return f.mul(factor, f.binary("and", word, mask))

    def mixed(high: Value, word: Value, key: Value) -> Value:
        return f.binary("xor", f.binary("xor", f.binary("lshr", high, half), word), key)

    zero = f.integer(0, number.type)
    c0, c1, c2, c3 = number, f.binary("lshr", number, half), zero, zero
    for key0, key1 in keys:
        low, high = product(first, c0), product(second, c2)
        c0, c1, c2, c3 = mixed(high, c1, key0), high, mixed(low, c3, key1), low
    return c0, c1, c2, c3


def _store_interleaved(f: Emitter, words: tuple[Value, ...], to: Value) -> None:
    """Store words block after block."""
    kind = words[0].type
    mask, half = f.integer(WORD, kind), f.integer(32, kind)

    def joined(low: Value, high: Value) -> Value:
        return f.binary("or", f.binary("and", low, mask), f.binary("shl", high, half))

    front, back = joined(words[0], words[1]), joined(words[2], words[3])
    for start in range(0, BLOCKS, BLOCKS // 2):
        order = [lane + side * BLOCKS for lane in range(start, start + BLOCKS // 2) for side in (0, 1)]
        f.store(f.shuffle(front, back, order), f.at(to, f.integer(4 * start), I32), align=4)
