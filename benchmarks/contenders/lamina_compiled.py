"""Lamina, the whole step compiled: forward, backward and Adam in one native call."""

from __future__ import annotations

import os
from typing import Any

from benchmarks.contender import Contender, Kernel, Step, Task
from benchmarks.contenders.lamina_eager import IMPORTS, Parts
from benchmarks.workloads import Workload


def build(workload: Workload) -> Task:
    """Return the task of a workload."""
    import lamina as la

    parts = Parts.of(workload)
    model = parts.model
    arguments = (parts.inputs, parts.targets) if workload.trains else (parts.inputs,)
    la.set_num_threads(int(os.environ["LAMINA_NUM_THREADS"]))
    compiled: list[Any] = []

    def predict(x: Any) -> Any:
        return model(x)

    def start() -> Step:
        step = la.compile(parts.train if workload.trains else predict)
        compiled.append(step)
        return lambda: step(*arguments)

    def profile(_: Step) -> list[Kernel]:
        return kernels(compiled[-1], arguments)

    if workload.trains:
        return Task(start, reset=lambda: parts.reset(workload), profile=profile)
    return Task(start, around=la.no_grad, profile=profile)


def kernels(step: Any, arguments: tuple[Any, ...]) -> list[Kernel]:
    """Return what ``step.profile(...)`` says of each kernel: its time, and the arithmetic of the product in it."""
    profile = step.profile(*arguments)
    return [Kernel(f"{each.kind} {each.shapes}", float(each.seconds), int(each.flops)) for each in profile.kernels]


CONTENDER = Contender("Lamina compiled", IMPORTS, build, ours=True)
