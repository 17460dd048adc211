"""PyTorch, eager, with its fused Adam, under its autocast: products of bfloat16, and their results too."""

from __future__ import annotations

from typing import Any

from benchmarks.contender import Contender, Task
from benchmarks.contenders.torch_eager import Parts
from benchmarks.workloads import Workload


def build(workload: Workload) -> Task:
    """Return the task of a workload."""
    import torch

    parts = Parts.of(workload, fused=True)

    def forward(inputs: Any, targets: Any) -> Any:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return parts.forward(inputs, targets)

    return Task(lambda: parts.step(forward, parts.optimizer.step), reset=lambda: parts.reset(workload))


CONTENDER = Contender("PyTorch bfloat16", ("torch",), build, precision="bfloat16", infers=False)
