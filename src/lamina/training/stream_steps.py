"""Steps on batches that are read as they are needed, each one native call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lamina.training.pairs import Pairs, Samples
from lamina.training.programs import StepPrograms
from lamina.training.steps import EagerSteps, Taken


class StreamSteps:
    """Steps on batches that are read one after the other, each one native call.

    Parameters
    ----------
    programs : StepPrograms
    training : Samples
    batch_size : int
    """

    def __init__(self, programs: StepPrograms, training: Samples, batch_size: int) -> None:
        self._programs = programs
        self._training = training
        self._batch_size = batch_size
        self._eager = EagerSteps(programs.step, training, batch_size)
        self._program = programs.compiled(lambda *samples: Pairs(*samples))

    def epoch(self, order: Any, *, start: int = 0, at_most: int | None = None) -> Iterator[Taken]:
        """Take a step on each batch; control returns after every one."""
        for batch in self._training.batches(self._batch_size, order, start):
            taken = self._run(batch) if self._programs.usable else self._eager.take(batch)
            self._programs.started = True
            yield taken

    def _run(self, batch: Pairs) -> Taken:
        weights = () if batch.weights is None else (batch.weights,)
        try:
            losses = self._programs.run(self._program, 1, batch.inputs, batch.targets, *weights)
        except Exception as error:
            return self._programs.instead(error, lambda: self._eager.take(batch))
        return Taken([float(losses[0].item())], len(batch))
