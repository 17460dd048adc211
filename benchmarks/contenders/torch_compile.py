"""PyTorch through `torch.compile`, in its default mode.

Forward and backward are one compiled function and its gradient, and Adam's step another: Inductor fuses the
default Adam itself.
"""

from __future__ import annotations

import logging
import os
import shutil
from typing import Any

from benchmarks.contender import Contender, Step, Task
from benchmarks.contenders.torch_eager import Parts
from benchmarks.workloads import Workload


def build(workload: Workload) -> Task:
    """Return the task of a workload."""
    import torch

    framework: Any = torch  # parts of it have no types
    parts = Parts.of(workload, fused=None)

    def start() -> Step:
        # It warns of a profiler's marks in the optimiser that it leaves out.
        framework._logging.set_logs(all=logging.ERROR)
        if workload.trains:
            return parts.step(framework.compile(parts.forward), framework.compile(parts.optimizer.step))
        predict = framework.compile(parts.model)
        return lambda: predict(parts.inputs)

    if workload.trains:
        return Task(start, reset=lambda: parts.reset(workload))
    return Task(start, around=torch.inference_mode)


def lacks() -> str | None:
    """Say that there is no C++ compiler: without one `torch.compile` cannot run on a processor."""
    compilers = [name for name in (os.environ.get("CXX"), "g++", "clang++", "cl") if name]
    if not any(shutil.which(name) for name in compilers):
        return "torch.compile needs a C++ compiler, and there is none here"
    return None


CONTENDER = Contender("PyTorch compile", ("torch",), build, lacks=lacks)
