"""Whether the steps of a training are compiled."""

from __future__ import annotations

from typing import Any, Literal

from lamina.backends.registry import CPU
from lamina.errors import BackendError, DataError
from lamina.training import bulk
from lamina.training.pairs import Pairs
from lamina.training.steps import EagerSteps, Step, Steps

Compile = bool | Literal["auto"]


def check_compile(value: Any) -> Compile:
    """Return what `lamina.fit` was asked for, if it is one of the choices."""
    if value is True or value is False or value == "auto":
        return value  # type: ignore[no-any-return]
    raise DataError(f'fit: compile is {value!r}; use True, False or "auto"')


def steps_for(step: Step, training: Pairs, batch_size: int, epochs: int, compiled: Compile) -> Steps:
    """Return how to take the steps of a training.

    Nothing is timed for it: the same training takes its steps in the same way every time.

    Parameters
    ----------
    step : Step
    training : Pairs
    batch_size, epochs : int
    compiled : bool or "auto"
        As in `lamina.fit`.

    Raises
    ------
    BackendError
        When steps are to be compiled, and the model is not on the cpu.
    """
    eager = EagerSteps(step, training, batch_size)
    if compiled is False:
        return eager
    on_cpu = all(each._backend is CPU for each in (*step.model.parameters(), training.inputs, training.targets))
    if compiled is True:
        if not on_cpu:
            raise BackendError(
                f"fit: compile=True is for models on the cpu, and this one is on {training.inputs.device!r}; "
                "leave compile out"
            )
        return bulk.BulkSteps(step, training, batch_size, epochs, forced=True)
    count = epochs * -(-len(training) // batch_size)
    if not on_cpu or count * bulk.weight(step.model, min(batch_size, len(training))) < bulk.PAYS:
        return eager
    steps = bulk.BulkSteps(step, training, batch_size, epochs, forced=False)
    return steps if steps.check() else eager
