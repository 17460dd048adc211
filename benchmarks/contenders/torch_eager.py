"""PyTorch, eager, with its default Adam; the sibling files have its fused one and its compiler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.contender import Contender, Step, Task
from benchmarks.workloads import WEIGHT_DECAY, Workload


@dataclass(frozen=True)
class Parts:
    """A workload in PyTorch's form."""

    model: Any
    optimizer: Any
    loss: Any
    inputs: Any
    targets: Any

    @classmethod
    def of(cls, workload: Workload, *, fused: bool | None) -> Parts:
        """Return the parts of a workload, with its first weights."""
        import torch

        from benchmarks.networks.torch import load, loss_function, network

        model = network(workload.architecture)
        load(model, workload.arrays())
        inputs, targets = (torch.from_numpy(array) for array in workload.data())
        loss = loss_function(workload.loss) if workload.loss else None
        if workload.optimizer == "adamw":
            optimizer: Any = torch.optim.AdamW(
                model.parameters(), lr=workload.lr, weight_decay=WEIGHT_DECAY, fused=fused
            )
        else:
            optimizer = torch.optim.Adam(model.parameters(), lr=workload.lr, fused=fused)
        return cls(model, optimizer, loss, inputs, targets)

    def step(self, forward: Callable[[Any, Any], Any], update: Callable[[], Any]) -> Step:
        """Return the training step, from the function of the loss and that of the update."""
        inputs, targets, clear = self.inputs, self.targets, self.optimizer.zero_grad

        def step() -> Any:
            loss = forward(inputs, targets)
            clear()
            loss.backward()
            update()
            return loss

        return step

    def forward(self, inputs: Any, targets: Any) -> Any:
        """Return the loss."""
        return self.loss(self.model(inputs), targets)

    def reset(self, workload: Workload) -> None:
        """Bring back the first weights, and zeros for the optimiser's state."""
        from benchmarks.networks.torch import load

        load(self.model, workload.arrays())
        for state in self.optimizer.state.values():
            for value in state.values():
                value.zero_()


def build(workload: Workload, *, fused: bool | None = None) -> Task:
    """Return the task of a workload."""
    import torch

    parts = Parts.of(workload, fused=fused)
    if workload.trains:
        return Task(lambda: parts.step(parts.forward, parts.optimizer.step), reset=lambda: parts.reset(workload))
    return Task(lambda: lambda: parts.model(parts.inputs), around=torch.inference_mode)


CONTENDER = Contender("PyTorch eager", ("torch",), build)
