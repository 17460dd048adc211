"""Attention over many blocks, as loops: what is computed for a pair of blocks is in a program once.

The outer loop goes over blocks of queries, the inner one over the blocks of keys that they see. Lengths that the blocks
do not divide are filled up with zeros, which are not seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.autodiff.scan import scan
from lamina.dtypes import bool_, int32, int64, uint64
from lamina.functions.comparisons import where
from lamina.functions.manipulation import concat
from lamina.functions.operands import cast
from lamina.nn.attention_scores import finite, masked, shared_product, summed_product
from lamina.primitives import elementwise as rows, reductions
from lamina.primitives.broadcasting import reshape, sum_, unbroadcast
from lamina.primitives.contraction import transposed
from lamina.primitives.shaping import part, permute_dims
from lamina.primitives.specs import broadcast_shapes
from lamina.tensor import Tensor

if TYPE_CHECKING:
    from lamina.nn.attention_blocks import Problem


def stacked(x: Tensor, axis: int, block: int) -> Tensor:
    """Return the blocks of an axis, counted from behind, one after the other along a new first axis."""
    axis += x.ndim
    missing = -x.shape[axis] % block
    if missing:
        more = x._full((*x.shape[:axis], missing, *x.shape[axis + 1 :]), False if x.dtype is bool_ else 0)
        x = concat([x, more], axis=axis)
    shape = (*x.shape[:axis], x.shape[axis] // block, block, *x.shape[axis + 1 :])
    return permute_dims(reshape(x, shape=shape), axes=(axis, *(at for at in range(len(shape)) if at != axis)))


def unstacked(blocks: Tensor, axis: int, length: int) -> Tensor:
    """Return blocks as one axis again, without what it was filled up with."""
    axis += blocks.ndim - 1
    order = (*range(1, axis + 1), 0, *range(axis + 1, blocks.ndim))
    shape = (*blocks.shape[1 : axis + 1], blocks.shape[0] * blocks.shape[axis + 1], *blocks.shape[axis + 2 :])
    whole = reshape(permute_dims(blocks, axes=order), shape=shape)
    return part(whole, axis, 0, length) if whole.shape[axis] > length else whole


@dataclass(frozen=True, eq=False)
class Loops:
    """The loops of a problem; their operands are those of `Problem.unpacked`."""

    problem: Problem
    query: Tensor
    key: Tensor
    value: Tensor
    mask: Tensor | None

    @property
    def _lead(self) -> tuple[int, ...]:
        lead = broadcast_shapes("attention", self.query.shape[:-2], self.key.shape[:-2])
        return broadcast_shapes("attention", lead, self.value.shape[:-2])

    def _numbers(self, count: int) -> Tensor:
        return self.query._constant(np.arange(count), int64)

    def _of_queries(self) -> tuple[Any, ...]:
        """Return what the outer loop runs over: scaled queries, their numbers, their part of the mask."""
        problem, mask = self.problem, self.mask
        query = stacked(self.query * problem.scale, -2, problem.block)
        cut = mask is not None and mask.shape[-2] > 1
        return query, self._numbers(query.shape[0]), stacked(mask, -2, problem.block) if cut else None  # type: ignore[arg-type]

    def _of_keys(self, row_of_mask: Tensor | None) -> tuple[Any, ...]:
        """Return what the inner loop runs over: keys, values, their numbers, their part of the mask."""
        block = self.problem.block
        key, value = stacked(self.key, -2, block), stacked(self.value, -2, block)
        mask = self.mask if row_of_mask is None else row_of_mask
        cut = mask is not None and mask.shape[-1] > 1
        return key, value, self._numbers(key.shape[0]), stacked(mask, -1, block) if cut else None  # type: ignore[arg-type]

    def _stop(self, row: Tensor) -> Tensor | None:
        """Return how many blocks of keys a block of queries sees."""
        return row + 1 if self.problem.is_causal else None

    def _scores(
        self, query: Tensor, key: Tensor, row: Tensor, column: Tensor, of_row: Tensor | None, of_block: Tensor | None
    ) -> Tensor:
        """Return the masked scores of a pair of blocks."""
        problem, block = self.problem, self.problem.block
        places = query._constant(np.arange(block), int32)
        seen = None
        if problem.is_causal:
            apart = cast((row - column) * block, int32)
            seen = places <= reshape(places, shape=(block, 1)) + apart
        if problem.shapes[1][-2] % block:
            there = places < cast(problem.shapes[1][-2] - column * block, int32)
            seen = there if seen is None else seen & there
        mask = of_block if of_block is not None else of_row if of_row is not None else self.mask
        return masked(shared_product(query, transposed(key), problem.product), mask, seen)

    def _kept(self, weights: Tensor, row: Tensor, column: Tensor) -> Tensor:
        return self.problem.kept(weights, cast(row * len(self.problem.keys) + column, uint64))

    def attended(self) -> Tensor:
        """Return the result, and behind it along the last axis the logarithm of each query's sum of powers."""
        problem, block = self.problem, self.problem.block

        def row(nothing: tuple[()], now: Any) -> tuple[tuple[()], Tensor]:
            query, number, of_row = now

            def column(state: tuple[Tensor, ...], now: Any) -> tuple[tuple[Tensor, ...], None]:
                (largest, total, result), (key, value, at, of_block) = state, now
                scores = self._scores(query, key, number, at, of_row, of_block)
                last = (scores.ndim - 1,)
                highest = rows.maximum(largest, reductions.max_(scores, axes=last, keepdims=True))
                shift = finite(highest)
                powers, again = rows.exp(scores - shift), rows.exp(largest - shift)
                total = total * again + sum_(powers, axes=last, keepdims=True)
                if problem.dropout_p:
                    powers = powers * self._kept(powers, number, at)
                return (highest, total, result * again + shared_product(powers, value, problem.product)), None

            ones = (*self._lead, block, 1)
            first = (query._full(ones, -math.inf), query._full(ones, 0), query._full((*ones[:-1], width), 0))
            (largest, total, result), _ = scan(column, first, self._of_keys(of_row), stop=self._stop(number))
            return nothing, ended(largest, total, result)

        width = self.value.shape[-1]
        _, found = scan(row, (), self._of_queries())
        return unstacked(found, -2, self.query.shape[-2])

    def pulled_back(self, g_result: Tensor, logarithm: Tensor, within: Tensor) -> list[Tensor]:
        """Return the cotangents of queries, keys and values, and of the mask if it has one."""
        problem = self.problem
        of_mask = len(problem.shapes) > 3
        block, product = problem.block, problem.product

        def row(totals: tuple[Tensor, Tensor], now: Any) -> tuple[tuple[Tensor, Tensor], Any]:
            (query, number, of_row), g_row, logarithms, products = now

            def column(by_query: Tensor, now: Any) -> tuple[Tensor, Any]:
                (key, value, at, of_block), by_key, by_value = now
                weights = rows.exp(self._scores(query, key, number, at, of_row, of_block) - logarithms)
                g_weights, used = shared_product(g_row, transposed(value), product), weights
                if problem.dropout_p:
                    kept = self._kept(weights, number, at)
                    g_weights, used = g_weights * kept, weights * kept
                g_scores = weights * (g_weights - products)
                by_value = by_value + summed_product(used, g_row, value, product)
                by_key = by_key + summed_product(g_scores, query, key, product)
                by_query = by_query + unbroadcast(shared_product(g_scores, key, product), query)
                return by_query, (by_key, by_value, g_scores if of_mask else None)

            # Of keys that are not seen yet the totals are zero, as is what a loop leaves out.
            over = self._of_keys(of_row), *totals
            by_query, (by_key, by_value, by_mask) = scan(
                column, query._full(query.shape, 0), over, stop=self._stop(number)
            )
            return (by_key, by_value), (by_query, None if by_mask is None else unstacked(by_mask, -1, length))

        length = self.key.shape[-2]
        zeros = [x._full((len(problem.keys), *x.shape[:-2], block, x.shape[-1]), 0) for x in (self.key, self.value)]
        over = self._of_queries(), *(stacked(x, -2, block) for x in (g_result, logarithm, within))
        totals, (by_query, by_mask) = scan(row, (zeros[0], zeros[1]), over)
        found = [unstacked(by_query, -2, self.query.shape[-2]) * problem.scale]
        found += [unstacked(each, -2, length) for each in totals]
        if by_mask is not None:
            whole = unstacked(by_mask, -2, self.query.shape[-2])
            found.append(unbroadcast(whole, whole._full(problem.shapes[3], 0)))
        return found


def ended(largest: Tensor, total: Tensor, result: Tensor) -> Tensor:
    """Return the result of a block of queries, and behind it the logarithm of their sums of powers.

    A query that sees nothing has the result zero, and weights that are zero again backwards.
    """
    nothing = total == 0.0
    result = result / where(nothing, 1.0, total)
    return concat([result, where(nothing, math.inf, largest + rows.log(where(nothing, 1.0, total)))], axis=-1)
