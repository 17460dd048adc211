"""Steps and evaluation as native programs, until it is seen that they cannot be."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lamina.autodiff.trees import leaves
from lamina.data.record import Record
from lamina.errors import TracingError
from lamina.optim.optimizer import Optimizer
from lamina.tensor import Tensor
from lamina.training.evaluation import Loss, answer
from lamina.training.pairs import Pairs
from lamina.training.sample_arrays import Tree
from lamina.training.steps import Step, Taken
from lamina.training.user_warnings import warn
from lamina.watched import REVISION, TraceCount

if TYPE_CHECKING:
    from lamina.compiler.decorator import CompiledFunction
    from lamina.nn.module import Module

_TRACES = 7
"""Traces of one step after which what changes in between is taken to go on changing."""

Program = "CompiledFunction[..., Tensor]"


class StepPrograms:
    """The programs that the steps of one training are made of, and whether they are to be trusted.

    The first step of all runs operation by operation: it says what is wrong with a model or a loss better than a
    program can, and leaves every variable with memory of its own.

    Parameters
    ----------
    step : Step
    forced : bool
        Whether an error in compiling is raised; otherwise it is said in a warning, and steps run operation by
        operation.
    load : float
        How long the arithmetic of a sample takes, as a part of the time of a small step operation by operation.

    Attributes
    ----------
    usable : bool
        Whether the next step is to run as a program.
    compiling : float
        Seconds that went into calls that compiled.
    """

    def __init__(self, step: Step, *, forced: bool, load: float) -> None:
        self.step = step
        self.forced = forced
        self.load = load
        self.started = self.given_up = False
        self.compiling = 0.0
        self._names: dict[Any, str] = {}
        self._traces = TraceCount()

    @property
    def usable(self) -> bool:
        return self.started and not self.given_up

    def weight(self, batch: int) -> float:
        """Return how much there is to save in a step: 1 for a small one."""
        return 1.0 + batch * self.load

    def state_dict(self) -> dict[str, Any]:
        """Return what decides whether the next steps run as programs: both ways give the same only to rounding."""
        return {"started": self.started, "given_up": self.given_up, **self._traces.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Decide about the next steps as the training did that left this state."""
        record = Record.of(state, "programs")
        started, given_up = record.truth("started"), record.truth("given_up")
        self._traces.load_state_dict(state)
        self.started, self.given_up = started, given_up

    def compiled(self, batch: Callable[..., Pairs]) -> CompiledFunction[..., Tensor]:
        """Return a step on what ``batch`` makes of its arguments, compiled."""
        from lamina.compiler.decorator import compile

        step = self.step

        # What the user made are arguments, so that changes in it are noticed.
        def fit_step(model: Module, optimizer: Optimizer, loss: Loss, *samples: Any) -> Tensor:
            return replace(step, model=model, optimizer=optimizer, loss=loss).take(batch(*samples))

        return self._named(compile(fit_step))

    def compiled_finish(self) -> CompiledFunction[..., Tensor]:
        """Return the update by gradients that have been added up, compiled."""
        from lamina.compiler.decorator import compile

        step = self.step

        def fit_update(model: Module, optimizer: Optimizer, loss: Loss) -> Tensor:
            replace(step, model=model, optimizer=optimizer, loss=loss).finish()
            return optimizer.lr.value

        return self._named(compile(fit_update))

    def _named(self, program: CompiledFunction[..., Tensor]) -> CompiledFunction[..., Tensor]:
        self._names[program] = f"step {len(self._names)}"
        return program

    def run(self, program: CompiledFunction[..., Tensor], times: int, *samples: Any) -> Tensor:
        """Run a program so many times in one native call, and judge whether that is to go on."""
        arguments = self.step.model, self.step.optimizer, self.step.loss, *samples
        traces, revision = program.traces, REVISION.number
        with self.timed(program):
            results = program.repeat(times, *arguments)
        name, judged = self._names[program], program.traces != traces and not self.forced
        if judged and self._traces.is_new(name, *arguments[:3], _shapes(*samples)):
            if REVISION.number != revision:
                self.give_up("A step changes a setting of the model or the optimiser")
            elif self._traces[name] == _TRACES:
                self.give_up("Settings of the model or the optimiser change again and again")
            # One step has been taken, as it was traced; would the next be the same?
            elif self._traces[name] == 1 and not program.same_again(*arguments):
                self.give_up("The loss or the model counts, draws or remembers something in Python")
        return results

    @contextmanager
    def timed(self, program: CompiledFunction[..., Any]) -> Iterator[None]:
        """Note how long a call takes, if it compiles; what it computes besides takes next to nothing."""
        traces, began = program.traces, time.perf_counter()
        try:
            yield
        finally:
            if program.traces != traces:
                self.compiling += time.perf_counter() - began

    def check(self) -> bool:
        """Tell whether steps do nothing that would be done only once if they were compiled."""
        from lamina.compiler.tracing.environment import Environment

        stores = Environment([self.step.model, self.step.optimizer, self.step.loss]).stores
        for name, function in stores.items():
            self.give_up(f"{function} stores {name!r}, and compiled it would do so once, not in every step")
            return False
        return True

    def failed(self, error: Exception) -> None:
        """Note that a step failed as a program, and succeeded operation by operation."""
        self.give_up(f"A step cannot be compiled: {type(error).__name__}: {error}")

    def instead(self, error: Exception, take: Callable[[], Taken], partly: bool = False) -> Taken:
        """Take the step that failed as a program operation by operation, which says best what is wrong in it.

        ``partly`` says that steps before it, in the same call, have succeeded.
        """
        if self.forced and isinstance(error, TracingError):
            raise error
        taken = take()
        if partly or self.forced:
            raise error
        self.failed(error)
        return taken

    def give_up(self, reason: str) -> None:
        """Run everything operation by operation from now on, and say why."""
        self.given_up = True
        warn(f"fit: steps run operation by operation, as compile=False does without this warning. {reason}")


class CompiledForward:
    """What a model answers and its loss, as one program where the steps are programs too.

    Parameters
    ----------
    steps : StepPrograms
    """

    def __init__(self, steps: StepPrograms) -> None:
        from lamina.compiler.decorator import compile

        self._steps = steps
        self._program = compile(_answer)
        self._refused = False
        self._traces = TraceCount()

    def state_dict(self) -> dict[str, Any]:
        """Return what decides whether the next answers come from the program."""
        return {"refused": self._refused, **self._traces.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Decide as the training did that left this state."""
        refused = Record.of(state, "forward").truth("refused")
        self._traces.load_state_dict(state)
        self._refused = refused

    def __call__(self, model: Module, loss: Loss | None, batch: Pairs) -> tuple[Any, Tensor | None]:
        """Return the outputs of a batch, and its loss if there is one to measure."""
        if self._refused or self._steps.given_up:
            return answer(model, loss, batch)
        traces = self._program.traces
        try:
            with self._steps.timed(self._program):
                outputs, value = self._program(model, loss, batch.inputs, batch.targets)
        except Exception:
            # If the samples are wrong, this says so; if not, the model decides by values when it is evaluated.
            self._refused = True
            return answer(model, loss, batch)
        if self._program.traces != traces and self._traces.is_new("forward", model, loss, _shapes(batch.inputs)):
            self._refused = self._traces["forward"] > _TRACES
        return outputs, value


def _answer(model: Module, loss: Loss | None, inputs: Tree, targets: Tree) -> tuple[Any, Tensor | None]:
    return answer(model, loss, Pairs(inputs, targets))


def _shapes(*values: Any) -> list[Any]:
    return [list(each.shape) if isinstance(each, Tensor) else each for each in leaves(values)]
