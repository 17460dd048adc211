"""What a contender is: one way to run a workload, in one file under `benchmarks.contenders`."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from benchmarks.workloads import Precision, Workload

Step = Callable[[], Any]
"""One step: returns the loss before the update, or the output, which has ``item()`` until the next step."""

NAMES = (
    "lamina_eager", "lamina_compiled", "torch_eager", "torch_fused", "torch_bfloat16", "torch_compile", "jax_jit",
    "keras_jax", "tinygrad_jit", "scikit_learn",
)  # fmt: skip


@dataclass(frozen=True)
class Kernel:
    """What a profile says of one kernel in a step: its time, and the arithmetic of the matrix product in it."""

    name: str
    seconds: float
    flops: int


def _nothing(*_: Any) -> None:
    """Do nothing: what a framework does that has no more to do."""


def _always(_: Workload) -> bool:
    return True


@dataclass(frozen=True)
class Task:
    """A workload built in a framework, its data and weights in the framework's own form, not yet compiled.

    Attributes
    ----------
    start : callable
        Returns the step, wrapped for the framework's compiler if it has one. A first call is this and one step.
    reset : callable
        Brings back the first weights and a new optimiser state.
    wait : callable
        Takes the last result and returns when it is computed.
    around : callable
        Returns the context in which steps run, entered once for many steps.
    profile : callable
        Takes the step and returns the kernels of a run, or None where the framework has no profile.
    """

    start: Callable[[], Step]
    reset: Callable[[], object] = _nothing
    wait: Callable[[Any], object] = _nothing
    around: Callable[[], AbstractContextManager[object]] = nullcontext
    profile: Callable[[Step], list[Kernel] | None] = _nothing


@dataclass(frozen=True)
class Contender:
    """One way to run the workloads.

    Attributes
    ----------
    label : str
        For people.
    imports : tuple of str
        The modules that a script would import at its top.
    build : callable
        Makes the task of a workload.
    ours : bool
        Whether this is Lamina.
    precision : {"float32", "bfloat16"}
        Of a peer's products. One of bfloat16 is shown beside Lamina's, and is not what the ratios are to.
    infers : bool
        Whether it differs from its siblings in inference, not only in training.
    takes : callable
        Tells whether it has the layers of a workload, and time for it.
    lacks : callable
        Says what else is missing to run it here, or None.
    """

    label: str
    imports: tuple[str, ...]
    build: Callable[[Workload], Task]
    ours: bool = False
    precision: Precision = "float32"
    infers: bool = True
    takes: Callable[[Workload], bool] = _always
    lacks: Callable[[], str | None] = field(default=_nothing)

    def runs(self, workload: Workload) -> bool:
        """Tell whether it takes part in a workload."""
        precise = self.precision in ("float32", workload.precision)
        return precise and (workload.trains or self.infers) and self.takes(workload)

    def missing(self) -> str | None:
        """Return why it cannot run here, or None."""
        for module in self.imports:
            if importlib.util.find_spec(module.partition(".")[0]) is None:
                return f"the package {module} is not installed"
        return self.lacks()


def load(name: str) -> Contender:
    """Return the contender of a name."""
    contender: Contender = importlib.import_module(f"benchmarks.contenders.{name}").CONTENDER
    return contender
