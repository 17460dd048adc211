"""PyTorch, eager, with its fused Adam."""

from __future__ import annotations

from benchmarks.contenders import torch_eager
from benchmarks.workloads import Step, Workload

LABEL = "PyTorch fused"


def build(workload: Workload) -> Step:
    """Return the training step of a workload."""
    return torch_eager.build(workload, fused=True)
