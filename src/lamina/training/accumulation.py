"""Gradients of several batches, added up to those of a larger one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lamina.autodiff.gradients import Gradients
from lamina.autodiff.node import no_grad
from lamina.functions.creation import full, zeros_like
from lamina.training.steps import Step, Steps, Taken
from lamina.variable import Variable

if TYPE_CHECKING:
    from lamina.training.programs import StepPrograms


class GradientSum:
    """Gradients, each times the samples it is the mean of, in variables so that adding them up is compiled.

    Parameters
    ----------
    parameters : sequence of Variable
    """

    def __init__(self, parameters: Sequence[Variable]) -> None:
        self._sums = {each: Variable(zeros_like(each._untracked), "sum", trainable=False) for each in parameters}
        device = parameters[0].device
        self._samples = Variable(full((), 0.0, dtype="float64", device=device), "samples", trainable=False)
        # What the loss depends on: the rest gets no gradient, as it would from one large batch.
        self._met: set[Variable] = set()

    def add(self, gradients: Gradients, samples: int) -> None:
        """Add the gradients of the mean loss of so many samples."""
        with no_grad():
            for parameter in gradients:
                if parameter in self._sums:
                    self._met.add(parameter)
                    total = self._sums[parameter]
                    total.assign(total.value + gradients[parameter] * float(samples))
            self._samples.assign(self._samples.value + float(samples))

    def taken(self) -> Gradients:
        """Return the gradients of the mean loss of all samples, and begin anew."""
        with no_grad():
            samples = self._samples.value
            found = {}
            for parameter in self._sums:
                if parameter in self._met:
                    total = self._sums[parameter]
                    found[parameter._leaf] = total.value / samples.astype(total.dtype)
                    total.assign(zeros_like(total.value))
            self._samples.assign(0.0)
        return Gradients.of_leaves({leaf: g for leaf, g in found.items() if leaf is not None})


class AccumulatedSteps:
    """Steps of a larger batch, each made of ``count`` batches in a row.

    Parameters
    ----------
    batches : Steps
        Those of a step with ``sums``, on the small batches.
    step : Step
        That step.
    count : int
    programs : StepPrograms, optional
        What the batches are compiled with; the update is compiled with it too.
    """

    def __init__(self, batches: Steps, step: Step, count: int, programs: StepPrograms | None) -> None:
        self._batches = batches
        self._step = step
        self._count = count
        self._programs = programs
        self._program = None if programs is None else programs.compiled_finish()

    def epoch(self, order: Any, *, start: int = 0, at_most: int | None = None) -> Iterator[Taken]:
        """Take a step on each large batch; control returns after every one."""
        total, samples, batches = 0.0, 0, 0
        usable = self._usable()
        for taken in self._batches.epoch(order, start=start * self._count, at_most=self._count):
            for loss in taken.losses:  # one by one: how many came together must not show in the last bit
                total += loss * taken.size
            samples += taken.size * len(taken.losses)
            batches += len(taken.losses)
            if batches == self._count:
                self._finish(usable)
                yield Taken([total / samples], samples)
                total, samples, batches = 0.0, 0, 0
                usable = self._usable()
        if batches:
            self._finish(usable)
            yield Taken([total / samples], samples)

    def _usable(self) -> bool:
        return self._programs is not None and self._programs.usable

    def _finish(self, usable: bool) -> None:
        """Change the weights; by the program, unless the first step of all has begun operation by operation."""
        if self._programs is None or self._program is None or not usable or self._programs.given_up:
            self._step.finish()
            return
        try:
            self._programs.run(self._program, 1)
        except Exception as error:
            if self._programs.forced:
                raise
            self._step.finish()
            self._programs.failed(error)
