"""Attention in blocks of queries and keys, so that no matrix of queries by keys is in memory as a whole.

Forwards, each block of queries goes over the blocks of keys with a running maximum and a running sum, by which what
was summed before is scaled again when a larger score comes. Only the result and the logarithm of each query's sum are
kept. Backwards, the weights of a block are computed again from these. The rule of the derivative is written with
tensor operations, so that derivatives of any order follow; from the second on, what the first computed is kept, and
memory grows with queries times keys. Few blocks are written out here, each as large as it is; over many go the loops of
`lamina.nn.attention_loops`.

Source: M. N. Rabe, C. Staats, "Self-attention does not need O(n^2) memory", 2021; T. Dao et al., "FlashAttention",
NeurIPS 2022, appendix B.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from lamina import random
from lamina.autodiff.traced_scan import UNROLLED
from lamina.dtypes import bool_, float32, uint64
from lamina.functions.manipulation import broadcast_to, concat, reshape
from lamina.nn.attention_loops import Loops, ended
from lamina.nn.attention_scores import Span, after, causal, finite, masked, shared_product, summed_product
from lamina.primitives import elementwise as rows, reductions
from lamina.primitives.broadcasting import sum_, unbroadcast
from lamina.primitives.composite import Composite
from lamina.primitives.contraction import product_of, transposed
from lamina.primitives.primitive import Primitive
from lamina.primitives.randomness import random_bits
from lamina.primitives.shaping import part
from lamina.primitives.specs import broadcast_shapes
from lamina.random.words import unit
from lamina.tensor import Tensor

BLOCK = 256
"""Queries and keys of a block; the fastest of 128, 256 and 512 at lengths of 512 to 2048, eagerly and compiled."""


@dataclass(frozen=True, eq=False)
class Problem:
    """What is to be attended, apart from the numbers that have gradients.

    Attributes
    ----------
    shapes : tuple of shapes
        Of queries, keys, values, and of the mask where it has a gradient.
    mask : Tensor or None
        One without a gradient.
    block : int
        Queries and keys of a block.
    product : Primitive
        By which matrices are multiplied, backwards too.
    key, counter : Tensor or None
        Where the random words of dropout begin.
    """

    shapes: tuple[tuple[int, ...], ...]
    mask: Tensor | None
    is_causal: bool
    scale: float
    block: int
    product: Primitive
    dropout_p: float = 0.0
    key: Tensor | None = None
    counter: Tensor | None = None

    @property
    def queries(self) -> list[Span]:
        return spans(self.shapes[0][-2], self.block)

    @property
    def keys(self) -> list[Span]:
        return spans(self.shapes[1][-2], self.block)

    def visible(self, row: Span) -> list[Span]:
        """Return the blocks of keys that a block of queries sees anything of."""
        return [column for column in self.keys if not self.is_causal or column[0] < row[1]]

    def packed(self, *operands: Tensor) -> Tensor:
        """Return all operands as one, for a composite has one."""
        return concat([reshape(x, (-1,)) for x in operands], axis=0)

    def unpacked(self, packed: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Return queries, keys, values and the mask."""
        found, start = [], 0
        for shape in self.shapes:
            stop = start + math.prod(shape)
            found.append(reshape(part(packed, 0, start, stop), shape))
            start = stop
        return found[0], found[1], found[2], found[3] if len(found) > 3 else self.mask

    def scores(self, query: Tensor, key: Tensor, mask: Tensor | None, row: Span, column: Span) -> Tensor:
        """Return the masked scores of scaled queries with keys, both already cut to their block."""
        crosses = self.is_causal and column[1] > row[0] + 1
        products = shared_product(query, transposed(key), self.product)
        return masked(products, _block(mask, row, column), causal(query, row, column) if crosses else None)

    @property
    def looped(self) -> bool:
        """Whether there are so many blocks that loops go over them."""
        return len(self.keys) > UNROLLED

    def number(self, row: Span, column: Span) -> int:
        """Return the number of a pair of blocks."""
        return (row[0] // self.block) * len(self.keys) + column[0] // self.block

    def kept(self, weights: Tensor, number: Tensor | int) -> Tensor:
        """Return by what dropout multiplies the weights of a pair of blocks: the same whenever it is asked."""
        assert self.key is not None
        assert self.counter is not None
        lead = math.prod(weights.shape[:-2])
        start = self.counter + number * words_of(lead, self.block)
        words = random_bits(self.key, start.astype(uint64), size=weights.size)
        kept = unit(reshape(words, (weights.size, 1)), float32) < 1.0 - self.dropout_p
        return reshape(kept, weights.shape).astype(weights.dtype) * (1.0 / (1.0 - self.dropout_p))


def spans(length: int, block: int) -> list[Span]:
    """Return where the blocks of an axis begin and end."""
    return [(start, min(start + block, length)) for start in range(0, length, block)]


def words_of(lead: int, block: int) -> int:
    """Return how many blocks of four random words a block of scores may take."""
    return -(-lead * block * block // 4)


def _block_of(queries: int, keys: int) -> int:
    """Return how many queries and keys are a block: where there are many blocks, one that divides both if there is."""
    fitting = (block for block in range(BLOCK, BLOCK // 2, -16) if not (queries % block or keys % block))
    return next(fitting, BLOCK) if keys > UNROLLED * BLOCK else BLOCK


def _part(x: Tensor, axis: int, span: Span) -> Tensor:
    return x if (0, x.shape[axis]) == span else part(x, x.ndim + axis, *span)


def _block(mask: Tensor | None, row: Span, column: Span) -> Tensor | None:
    if mask is None:
        return None
    cut = mask if mask.shape[-2] == 1 else _part(mask, -2, row)
    return cut if cut.shape[-1] == 1 else _part(cut, -1, column)


def _attended(packed: Tensor, *, problem: Problem) -> Tensor:
    """Return the result, and behind it along the last axis the logarithm of each query's sum of powers."""
    query, key, value, mask = problem.unpacked(packed)
    if problem.looped:
        return Loops(problem, query, key, value, mask).attended()
    found = []
    before: Tensor | None = None
    for row in problem.queries:
        scaled = _part(query, -2, row) * problem.scale
        largest = total = result = None
        for column in problem.visible(row):
            scaled = scaled if before is None else after(scaled, before)
            scores = problem.scores(scaled, _part(key, -2, column), mask, row, column)
            last = (scores.ndim - 1,)
            highest = reductions.max_(scores, axes=last, keepdims=True)
            highest = highest if largest is None else rows.maximum(largest, highest)
            shift = finite(highest) if mask is not None else highest
            powers = rows.exp(scores - shift)
            added = sum_(powers, axes=last, keepdims=True)
            if problem.dropout_p:
                powers = powers * problem.kept(powers, problem.number(row, column))
            product = shared_product(powers, _part(value, -2, column), problem.product)
            if largest is None or total is None or result is None:
                total, result = added, product
            else:
                again = rows.exp(largest - shift)
                total, result = total * again + added, result * again + product
            largest, before = highest, result
        assert largest is not None
        assert total is not None
        assert result is not None
        found.append(ended(largest, total, result))
    return concat(found, axis=-2)


def _pull_back(g: Tensor, y: Tensor, packed: Tensor, *, problem: Problem) -> Tensor:
    """Return the cotangents of all operands: the weights of each block are computed once more."""
    query, key, value, mask = problem.unpacked(packed)
    width = y.shape[-1] - 1
    result, logarithm = _part(y, -1, (0, width)), _part(y, -1, (width, width + 1))
    g_result, g_logarithm = _part(g, -1, (0, width)), _part(g, -1, (width, width + 1))
    within = sum_(g_result * result, axes=(y.ndim - 1,), keepdims=True) - g_logarithm
    if problem.looped:
        return problem.packed(*Loops(problem, query, key, value, mask).pulled_back(g_result, logarithm, within))
    by_query, by_mask = [], []
    by_key: dict[Span, Tensor] = {}
    by_value: dict[Span, Tensor] = {}
    before: Tensor | None = None
    for row in problem.queries:
        rows_of_query, g_row = _part(query, -2, row), _part(g_result, -2, row)
        scaled, of_query = rows_of_query * problem.scale, None
        of_mask = []
        for column in problem.visible(row):
            keys, values = _part(key, -2, column), _part(value, -2, column)
            if before is not None:
                scaled, g_row = after(scaled, before), after(g_row, before)
            scores = problem.scores(scaled, keys, mask, row, column)
            weights = rows.exp(scores - _part(logarithm, -2, row))
            g_weights = shared_product(g_row, transposed(values), problem.product)
            used = weights
            if problem.dropout_p:
                kept = problem.kept(weights, problem.number(row, column))
                g_weights, used = g_weights * kept, weights * kept
            g_scores = weights * (g_weights - _part(within, -2, row))
            _add(by_value, column, summed_product(used, g_row, values, problem.product))
            _add(by_key, column, summed_product(g_scores, scaled, keys, problem.product))
            product = shared_product(g_scores, keys, problem.product)
            of_query = before = product if of_query is None else of_query + product
            of_mask.append(g_scores)
        assert of_query is not None
        by_query.append(unbroadcast(of_query * problem.scale, rows_of_query))
        if len(problem.shapes) > 3:
            by_mask.append(_row_of_mask(of_mask, problem.shapes[3], row))
    parts = [
        concat(by_query, axis=-2),
        *(_all(found, problem.keys, x) for found, x in ((by_key, key), (by_value, value))),
    ]
    if by_mask:
        parts.append(concat(by_mask, axis=-2))
    return problem.packed(*parts)


def _add(found: dict[Span, Tensor], column: Span, more: Tensor) -> None:
    before = found.get(column)
    found[column] = more if before is None else before + more


def _all(found: dict[Span, Tensor], columns: list[Span], operand: Tensor) -> Tensor:
    """Return the blocks side by side; zeros for keys that no query sees."""
    zeros = (*operand.shape[:-2], 0, operand.shape[-1])
    blocks = [
        found[each] if each in found else operand._full((*zeros[:-2], each[1] - each[0], zeros[-1]), 0)
        for each in columns
    ]
    return concat(blocks, axis=-2)


def _row_of_mask(blocks: list[Tensor], shape: tuple[int, ...], row: Span) -> Tensor:
    wide = concat(blocks, axis=-1)
    missing = shape[-1] - wide.shape[-1]
    if missing:
        wide = concat([wide, wide._full((*wide.shape[:-1], missing), 0)], axis=-1)
    return unbroadcast(wide, wide._full((*shape[:-2], row[1] - row[0], shape[-1]), 0))


attend_in_blocks = Composite("attend_in_blocks", _attended, _pull_back)


def blockwise_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    *,
    is_causal: bool,
    scale: float,
    dropout_p: float = 0.0,
    block: int | None = None,
) -> Tensor:
    """Return what `scaled_dot_product_attention` does, of operands that it has checked; both lengths are positive."""
    lead = math.prod(broadcast_shapes("attention", query.shape[:-2], key.shape[:-2]))
    if block is None:
        block = _block_of(query.shape[-2], key.shape[-2])
    operands = [query, key, value]
    if mask is not None and mask.dtype is not bool_ and mask.tracked:
        lengths = (query.shape[-2], key.shape[-2])
        operands.append(broadcast_to(mask, (*mask.shape[:-2], *lengths)))
        mask = None
    words: tuple[Tensor | None, Tensor | None] = None, None
    if dropout_p:
        count = -(-query.shape[-2] // block) * -(-key.shape[-2] // block)
        words = random.default_generator()._reserve(count * words_of(lead, block), query.device)
    shapes = tuple(x.shape for x in operands)
    problem = Problem(shapes, mask, is_causal, scale, block, product_of(query), dropout_p, *words)
    packed = attend_in_blocks(problem.packed(*operands), problem=problem)
    return _part(packed, -1, (0, value.shape[-1]))
