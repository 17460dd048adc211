"""PyTorch, eager, with its default Adam; the sibling files have its fused one and its compiler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.contender import Contender, Step, Task
from benchmarks.workloads import WINDOW, Workload


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
        from torch import nn

        layers: list[nn.Module] = []
        for each, (weight, bias) in zip(workload.layers, workload.weights(), strict=True):
            if each.kind == "conv":
                layer: nn.Module = nn.Conv2d(each.inputs, each.outputs, WINDOW, padding=1)
            else:
                layer = nn.Linear(each.inputs, each.outputs)
            _fill(layer, weight, bias)
            layers += [layer, nn.ReLU(), *([nn.MaxPool2d(2)] if each.kind == "conv" else [])]
        layers.insert(3 * len(workload.channels), nn.Flatten())
        model = nn.Sequential(*layers[:-1])
        inputs, targets = (torch.from_numpy(array) for array in workload.data())
        loss = nn.functional.cross_entropy if workload.loss == "cross_entropy" else nn.functional.mse_loss
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
        linear = [layer for layer in self.model if hasattr(layer, "weight")]
        for layer, (weight, bias) in zip(linear, workload.weights(), strict=True):
            _fill(layer, weight, bias)
        for state in self.optimizer.state.values():
            for value in state.values():
                value.zero_()


def _fill(layer: Any, weight: Any, bias: Any) -> None:
    import torch

    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))


def build(workload: Workload, *, fused: bool | None = None) -> Task:
    """Return the task of a workload."""
    import torch

    parts = Parts.of(workload, fused=fused)
    if workload.trains:
        return Task(lambda: parts.step(parts.forward, parts.optimizer.step), reset=lambda: parts.reset(workload))
    return Task(lambda: lambda: parts.model(parts.inputs), around=torch.inference_mode)


CONTENDER = Contender("PyTorch eager", ("torch",), build)
