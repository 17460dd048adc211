"""Lamina, eager."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.contender import Contender, Step, Task
from benchmarks.workloads import WINDOW, Workload

IMPORTS = ("lamina", "lamina.nn", "lamina.optim")


@dataclass(frozen=True)
class Parts:
    """A workload in Lamina's form; `lamina_compiled` has the same."""

    model: Any
    optimizer: Any
    loss: Any
    inputs: Any
    targets: Any

    @classmethod
    def of(cls, workload: Workload) -> Parts:
        """Return the parts of a workload, with its first weights."""
        import lamina as la
        from lamina import nn, optim

        layers: list[nn.Module] = []
        for each, (weight, bias) in zip(workload.layers, workload.weights(), strict=True):
            if each.kind == "conv":
                layer: nn.Module = nn.Conv2d(each.inputs, each.outputs, WINDOW, padding=1)
            else:
                layer = nn.Linear(each.inputs, each.outputs)
            layer.load_state_dict({"weight": weight, "bias": bias})
            layers += [layer, nn.ReLU(), *([nn.MaxPool2d(2)] if each.kind == "conv" else [])]
        layers.insert(3 * len(workload.channels), nn.Flatten())
        model = nn.Sequential(*layers[:-1])
        inputs, targets = (la.asarray(array) for array in workload.data())
        loss = nn.cross_entropy if workload.loss == "cross_entropy" else nn.mse_loss
        return cls(model, optim.Adam(model.parameters(), lr=workload.lr), loss, inputs, targets)

    def train(self, inputs: Any, targets: Any) -> Any:
        """Take one step and return the loss before it."""
        loss = self.loss(self.model(inputs), targets)
        self.optimizer.step(loss.backward())
        return loss

    def reset(self, workload: Workload) -> None:
        """Bring back the first weights, and zeros for the optimiser's state."""
        import lamina as la

        linear = [layer for layer in self.model if layer.parameters()]
        for layer, (weight, bias) in zip(linear, workload.weights(), strict=True):
            layer.load_state_dict({"weight": weight, "bias": bias})
        state = self.optimizer.state_dict()
        zeros = {name: la.zeros_like(value) for name, value in state.items() if name.startswith("state.")}
        self.optimizer.load_state_dict({**state, **zeros})


def build(workload: Workload) -> Task:
    """Return the task of a workload."""
    import lamina as la

    parts = Parts.of(workload)

    def start() -> Step:
        if workload.trains:
            return lambda: parts.train(parts.inputs, parts.targets)
        return lambda: parts.model(parts.inputs)

    if workload.trains:
        return Task(start, reset=lambda: parts.reset(workload))
    return Task(start, around=la.no_grad)


CONTENDER = Contender("Lamina eager", IMPORTS, build, ours=True)
