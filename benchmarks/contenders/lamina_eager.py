"""Lamina, eager."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.contender import Contender, Step, Task
from benchmarks.workloads import WEIGHT_DECAY, Precision, Workload

IMPORTS = ("lamina", "lamina.nn", "lamina.optim")


@dataclass(frozen=True)
class Parts:
    """A workload in Lamina's form; `lamina_compiled` has the same."""

    model: Any
    optimizer: Any
    loss: Any
    inputs: Any
    targets: Any
    precision: Precision

    @classmethod
    def of(cls, workload: Workload) -> Parts:
        """Return the parts of a workload, with its first weights."""
        import lamina as la
        from benchmarks.networks.lamina import load, loss_function, network
        from lamina import optim

        model = network(workload.architecture)
        load(model, workload.arrays())
        inputs, targets = (la.asarray(array) for array in workload.data())
        loss = loss_function(workload.loss) if workload.loss else None
        if workload.optimizer == "adamw":
            optimizer: optim.Adam = optim.AdamW(model.parameters(), lr=workload.lr, weight_decay=WEIGHT_DECAY)
        else:
            optimizer = optim.Adam(model.parameters(), lr=workload.lr)
        return cls(model, optimizer, loss, inputs, targets, workload.precision)

    def train(self, inputs: Any, targets: Any) -> Any:
        """Take one step and return the loss before it."""
        import lamina as la

        with la.matmul_precision(self.precision):
            loss = self.loss(self.model(inputs), targets)
        self.optimizer.step(loss.backward())
        return loss

    def reset(self, workload: Workload) -> None:
        """Bring back the first weights, and zeros for the optimiser's state."""
        import lamina as la
        from benchmarks.networks.lamina import load

        load(self.model, workload.arrays())
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
