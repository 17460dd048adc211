"""Steps on samples in memory as one native program, many in a call."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.backends.registry import CPU
from lamina.functions.creation import arange, zeros
from lamina.primitives.indexing import take
from lamina.tensor import Tensor
from lamina.training.pairs import Pairs
from lamina.training.programs import StepPrograms
from lamina.training.sample_arrays import Tree
from lamina.training.steps import EagerSteps, Taken
from lamina.variable import Variable

if TYPE_CHECKING:
    from lamina.compiler.decorator import CompiledFunction

LAST_PAYS = 250.0
"""The same as `lamina.training.compiling.PAYS`, for the smaller last batch of an epoch.

What compiles is loaded by then, and what runs between two native calls keeps the next from working in place.
"""
CALL_SECONDS = 0.03
"""How long a native call is to take: between two Ctrl-C is noticed and the progress shown."""

_GROWTH = 8
"""How many times more steps a call may take than the one before."""


class BulkSteps:
    """Steps on samples in memory: the program itself counts the batches and gathers their rows.

    Parameters
    ----------
    programs : StepPrograms
    training : Pairs
    batch_size, epochs : int
    """

    def __init__(self, programs: StepPrograms, training: Pairs, batch_size: int, epochs: int) -> None:
        self._programs = programs
        self._training = training.map(_contiguous)
        self._size = min(batch_size, len(training))
        self._whole = len(training) // self._size * self._size
        self._rest = len(training) - self._whole
        self._eager = EagerSteps(programs.step, training, batch_size)
        self._order = Variable(arange(len(training)), "order", trainable=False)
        self._position = Variable(zeros((), dtype="int64"), "position", trainable=False)
        self._counted = 0  # what the position holds, known without looking
        self._many = programs.compiled(self._batch)
        # The last batch of an epoch, if it is smaller, comes once an epoch: often enough, or not.
        often = programs.forced or epochs * programs.weight(self._rest) >= LAST_PAYS
        self._last = programs.compiled(self._remainder) if self._rest and often else None
        self._per_call = 1

    # --- what is compiled ---

    def _batch(self, shuffled: bool, *samples: Tree) -> Pairs:
        """Return the next batch, and count it; after the last whole one of an epoch comes the first."""
        training = Pairs(*samples)
        if self._size == len(self._training) and not shuffled:
            return training
        position = self._position.value
        self._position.assign((position + self._size) % self._whole)
        rows = position + arange(self._size)
        return training.rows(take(self._order.value, rows, axis=0) if shuffled else rows)

    def _remainder(self, shuffled: bool, *samples: Tree) -> Pairs:
        """Return what the whole batches leave."""
        training = Pairs(*samples)
        if shuffled:
            return training.rows(self._order.value[self._whole :])
        return training.part(self._whole, len(training))

    # --- an epoch ---

    def epoch(self, order: Any, *, start: int = 0, at_most: int | None = None) -> Iterator[Taken]:
        """Take a step on each batch; control returns after some hundredths of a second."""
        if order is not None:
            self._order.assign(order)
        first, count = start * self._size, 0
        while first < len(self._training):
            size = self._size if first < self._whole else self._rest
            program = self._many if first < self._whole else self._last
            if not self._programs.usable or program is None:
                taken = self._take(first, size, order)
            else:
                left = (self._whole - first) // size if program is self._many else 1
                allowed = left if at_most is None else at_most - count % at_most
                taken = self._run(program, first, order, min(left, allowed, self._per_call))
            self._programs.started = True
            count += len(taken.losses)
            first += len(taken.losses) * size
            yield taken

    def _take(self, first: int, size: int, order: Tensor | None) -> Taken:
        """Take a step on the batch from this sample on, operation by operation."""
        stop = first + size
        if order is None:
            return self._eager.take(self._training.part(first, stop))
        return self._eager.take(self._training.rows(order[first:stop]))

    def _run(self, program: CompiledFunction[..., Tensor], first: int, order: Tensor | None, steps: int) -> Taken:
        """Take so many steps from this sample on in one native call."""
        size = self._size if program is self._many else self._rest
        if program is self._many and self._counted != first:
            self._position.assign(first)
        training = self._training
        samples = (training.inputs, training.targets, *(() if training.weights is None else (training.weights,)))
        began = time.perf_counter()
        try:
            losses = self._programs.run(program, steps, order is not None, *samples)
        except Exception as error:
            done = (int(self._position.value) - first) % self._whole if program is self._many else 0
            return self._programs.instead(error, lambda: self._take(first + done, size, order), partly=done > 0)
        if program is self._many:
            self._counted = (first + steps * size) % self._whole
            each = max(time.perf_counter() - began, 1e-9) / steps
            self._per_call = max(1, min(int(CALL_SECONDS / each), self._per_call * _GROWTH))
        return Taken(losses.numpy().astype(np.float64).tolist(), size)


def _contiguous(samples: Tensor) -> Tensor:
    """Return samples without gaps in memory, as programs read them."""
    return samples if samples._data.flags.c_contiguous else Tensor(np.ascontiguousarray(samples._data), CPU)
