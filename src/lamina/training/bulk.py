"""Steps of training as one native program, many in a call."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.backends.registry import CPU
from lamina.errors import TracingError
from lamina.functions.creation import arange, zeros
from lamina.optim.optimizer import Optimizer
from lamina.primitives.indexing import take
from lamina.tensor import Tensor, Variable
from lamina.training.evaluation import Loss
from lamina.training.pairs import Pairs
from lamina.training.steps import EagerSteps, Step, Taken
from lamina.watched import REVISION

if TYPE_CHECKING:
    from lamina.compiler.compiled import CompiledFunction
    from lamina.nn.module import Module

PAYS = 1000.0
"""Work from which steps are compiled: their number, each counted as `weight` says.

Compiling takes as long as several hundred small steps operation by operation, and saves most of each.
"""
LAST_PAYS = 250.0
"""The same for the smaller last batch of an epoch: what compiles is loaded by then, and what runs between two native
calls keeps the next from working in place."""
CALL_SECONDS = 0.03
"""How long a native call is to take: between two Ctrl-C is noticed and the progress shown."""

_WEIGHTY = 5e6
"""Samples in a batch times parameters that weigh as much as the operations of a step themselves."""
_GROWTH = 8
"""How many times more steps a call may take than the one before."""
_TRACES = 7
"""Traces of one step after which what changes in between is taken to go on changing."""
_LOOP = 6
"""Frames from a step back to the call of `lamina.fit`, whose line a warning names."""


def weight(model: Module, batch: int) -> float:
    """Return how much there is to save in a step: 1 for a small one."""
    return 1.0 + batch * sum(parameter.size for parameter in model.parameters()) / _WEIGHTY


class BulkSteps:
    """Steps on samples in memory: the program itself counts the batches and gathers their rows.

    The first step of all runs operation by operation: it says what is wrong with a model or a loss better than a
    program can, and leaves every variable with memory of its own.

    Parameters
    ----------
    step : Step
    training : Pairs
    batch_size, epochs : int
    forced : bool
        Whether an error in compiling is raised; otherwise it is said in a warning, and steps run operation by
        operation.
    """

    def __init__(self, step: Step, training: Pairs, batch_size: int, epochs: int, *, forced: bool) -> None:
        self._step = step
        self._training = Pairs(_contiguous(training.inputs), _contiguous(training.targets))
        self._size = min(batch_size, len(training))
        self._whole = len(training) // self._size * self._size
        self._rest = len(training) - self._whole
        self._forced = forced
        self._eager = EagerSteps(step, training, batch_size)
        self._order = Variable(arange(len(training)), "order", trainable=False)
        self._position = Variable(zeros((), dtype="int64"), "position", trainable=False)
        self._counted = 0  # what the position holds, known without looking
        self._many = self._compiled(self._batch)
        # The last batch of an epoch, if it is smaller, comes once an epoch: often enough, or not.
        often = forced or epochs * weight(step.model, self._rest) >= LAST_PAYS
        self._last = self._compiled(self._remainder) if self._rest and often else None
        self._started = self._given_up = False
        self._tried: set[Any] = set()
        self._per_call = 1

    # --- what is compiled ---

    def _compiled(self, batch: Callable[..., tuple[Tensor, Tensor]]) -> CompiledFunction[..., Tensor]:
        """Return a step on what ``batch`` picks of the samples, compiled."""
        from lamina.compiler.compiled import compile

        clip_norm = self._step.clip_norm

        # What the user made are arguments, so that changes in it are noticed.
        def fit_step(model: Module, optimizer: Optimizer, loss: Loss, *samples: Any) -> Tensor:
            return Step(model, optimizer, loss, clip_norm).take(*batch(*samples))

        return compile(fit_step)

    def _batch(self, inputs: Tensor, targets: Tensor, shuffled: bool) -> tuple[Tensor, Tensor]:
        """Return the next batch, and count it; after the last whole one of an epoch comes the first."""
        if self._size == len(self._training) and not shuffled:
            return inputs, targets
        position = self._position.value
        self._position.assign((position + self._size) % self._whole)
        rows = position + arange(self._size)
        return _rows(inputs, targets, take(self._order.value, rows, axis=0) if shuffled else rows)

    def _remainder(self, inputs: Tensor, targets: Tensor, shuffled: bool) -> tuple[Tensor, Tensor]:
        """Return what the whole batches leave."""
        if shuffled:
            return _rows(inputs, targets, self._order.value[self._whole :])
        return inputs[self._whole :], targets[self._whole :]

    # --- an epoch ---

    def epoch(self, order: Tensor | None, *, singly: bool) -> Iterator[Taken]:
        """Take a step on each batch; control returns after some hundredths of a second, or after every step."""
        if order is not None:
            self._order.assign(order)
        start = 0
        while start < len(self._training):
            size = self._size if start < self._whole else self._rest
            program = self._many if start < self._whole else self._last
            if not self._started or self._given_up or program is None:
                taken = self._take(start, size, order)
            else:
                left = (self._whole - start) // size if program is self._many else 1
                taken = self._run(program, start, order, 1 if singly else min(left, self._per_call))
            self._started = True
            start += len(taken.losses) * size
            yield taken

    def _take(self, start: int, size: int, order: Tensor | None) -> Taken:
        """Take a step on the batch from this sample on, operation by operation."""
        training, stop = self._training, start + size
        if order is None:
            return self._eager.take(Pairs(training.inputs[start:stop], training.targets[start:stop]))
        return self._eager.take(training.rows(order[start:stop]))

    def _run(self, program: CompiledFunction[..., Tensor], start: int, order: Tensor | None, steps: int) -> Taken:
        """Take so many steps from this sample on in one native call."""
        size = self._size if program is self._many else self._rest
        if program is self._many and self._counted != start:
            self._position.assign(start)
        model, optimizer, loss, _ = self._step
        samples = self._training.inputs, self._training.targets, order is not None
        began, traces, revision = time.perf_counter(), program.traces, REVISION.number
        try:
            losses = program.repeat(steps, model, optimizer, loss, *samples)
        except Exception as error:
            return self._instead(error, start, size, order)
        if program is self._many:
            self._counted = (start + steps * size) % self._whole
            each = max(time.perf_counter() - began, 1e-9) / steps
            self._per_call = max(1, min(int(CALL_SECONDS / each), self._per_call * _GROWTH))
        if program.traces != traces and not self._forced:
            if REVISION.number != revision:
                self._give_up("A step changes a setting of the model or the optimiser", _LOOP)
            elif program.traces == _TRACES:
                self._give_up("Settings of the model or the optimiser change again and again", _LOOP)
            elif program not in self._tried:
                # One step has been taken, as it was traced; would the next be the same?
                self._tried.add(program)
                if not program.same_again(model, optimizer, loss, *samples):
                    self._give_up("The loss or the model counts, draws or remembers something in Python", _LOOP)
        return Taken(losses.numpy().astype(np.float64).tolist(), size)

    # --- what cannot be compiled ---

    def check(self) -> bool:
        """Tell whether steps do nothing that would be done only once if they were compiled."""
        from lamina.compiler.tracing.environment import Environment

        model, optimizer, loss, _ = self._step
        stores = Environment([model, optimizer, loss]).stores
        for name, function in stores.items():
            self._give_up(f"{function} stores {name!r}, and compiled it would do so once, not in every step", 4)
            return False
        return True

    def _instead(self, error: Exception, start: int, size: int, order: Tensor | None) -> Taken:
        """Take the step that failed operation by operation, which says best what is wrong in it."""
        if self._forced and isinstance(error, TracingError):
            raise error
        done = (int(self._position.value) - start) % self._whole if size == self._size else 0
        taken = self._take(start + done, size, order)
        if done or self._forced:
            raise error
        self._give_up(f"A step cannot be compiled: {type(error).__name__}: {error}", _LOOP + 1)
        return taken

    def _give_up(self, reason: str, frames: int) -> None:
        self._given_up = True
        warnings.warn(
            f"fit: steps run operation by operation, as compile=False does without this warning. {reason}",
            UserWarning,
            stacklevel=frames + 1,
        )


def _rows(inputs: Tensor, targets: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
    return take(inputs, numbers, axis=0), take(targets, numbers, axis=0)


def _contiguous(samples: Tensor) -> Tensor:
    """Return samples without gaps in memory, as programs read them."""
    return samples if samples._data.flags.c_contiguous else Tensor(np.ascontiguousarray(samples._data), CPU)
