"""Whether the steps of a training are compiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from lamina.backends.registry import CPU
from lamina.errors import BackendError, DataError
from lamina.training.accumulation import AccumulatedSteps, GradientSum
from lamina.training.arithmetic import load
from lamina.training.bulk import BulkSteps
from lamina.training.checkpointing.parts import Part
from lamina.training.evaluation import Forward, answer
from lamina.training.pairs import Pairs, Samples
from lamina.training.programs import CompiledForward, StepPrograms
from lamina.training.steps import EagerSteps, Step, Steps
from lamina.training.stream_steps import StreamSteps
from lamina.training.streaming import on_cpu

Compile = bool | Literal["auto"]

PAYS = 1000.0
"""Work from which steps are compiled: their number, each counted as `StepPrograms.weight` says.

Compiling takes as long as several hundred small steps operation by operation, and saves most of each.
"""


def check_compile(value: Any) -> Compile:
    """Return what `lamina.fit` was asked for, if it is one of the choices."""
    if value is True or value is False or value == "auto":
        return value  # type: ignore[no-any-return]
    raise DataError(f'fit: compile is {value!r}; use True, False or "auto"')


@dataclass(frozen=True)
class Work:
    """How much there is to do.

    Attributes
    ----------
    training : Samples
    measured, measured_batch : int
        Samples that are measured after each epoch, and how many of them at a time.
    batch_size : int
        Of a batch whose gradients are computed at once.
    accumulate : int
        How many of those make a step.
    epochs : int
    """

    training: Samples
    measured: int
    measured_batch: int
    batch_size: int
    epochs: int
    accumulate: int = 1


@dataclass(frozen=True)
class Machinery:
    """How steps are taken, and how the model is evaluated in between.

    Attributes
    ----------
    steps : Steps
    forward : callable
    parts : dict of str to Part
        What of it a checkpoint has to hold.
    """

    steps: Steps
    forward: Forward
    parts: Mapping[str, Part] = field(default_factory=dict)

    @property
    def compiling(self) -> float:
        """Seconds that went into compiling so far."""
        programs = self.parts.get("programs")
        return programs.compiling if isinstance(programs, StepPrograms) else 0.0


def machinery(step: Step, work: Work, compiled: Compile) -> Machinery:
    """Return how to take the steps of a training.

    Nothing is timed for it: the same training takes its steps in the same way every time.

    Parameters
    ----------
    step : Step
    work : Work
    compiled : bool or "auto"
        As in `lamina.fit`.

    Raises
    ------
    BackendError
        When steps are to be compiled, and the model is not on the cpu.
    """
    if work.accumulate > 1:
        step = replace(step, sums=GradientSum(step.model.parameters()))
    programs = _programs(step, work, compiled)
    steps: Steps
    if programs is None:
        steps = EagerSteps(step, work.training, work.batch_size)
    elif isinstance(work.training, Pairs):
        steps = BulkSteps(programs, work.training, work.batch_size, work.epochs)
    else:
        steps = StreamSteps(programs, work.training, work.batch_size)
    if work.accumulate > 1:
        steps = AccumulatedSteps(steps, step, work.accumulate, programs)
    if programs is None:
        return Machinery(steps, answer)
    if not programs.forced and not _evaluation_pays(programs, work):
        return Machinery(steps, answer, {"programs": programs})
    forward = CompiledForward(programs)
    return Machinery(steps, forward, {"programs": programs, "forward": forward})


def _programs(step: Step, work: Work, compiled: Compile) -> StepPrograms | None:
    """Return what compiles the steps; None where they run operation by operation."""
    if compiled is False:
        return None
    there = on_cpu(work.training) and all(each._backend is CPU for each in step.model.parameters())
    if compiled is True:
        if not there:
            raise BackendError(
                f"fit: compile=True is for models on the cpu, and this one is on {step.model.parameters()[0].device!r};"
                " leave compile out"
            )
        return StepPrograms(step, forced=True, load=0.0)
    count = work.epochs * -(-len(work.training) // work.batch_size)
    if not there:
        return None
    programs = StepPrograms(step, forced=False, load=load(step.model, work.training))
    if count * programs.weight(min(work.batch_size, len(work.training))) < PAYS:
        return None
    return programs if programs.check() else None


def _evaluation_pays(programs: StepPrograms, work: Work) -> bool:
    batch = work.measured_batch
    count = work.epochs * -(-work.measured // batch)
    return count * programs.weight(min(batch, work.measured)) >= PAYS
