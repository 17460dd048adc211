"""Lamina, eager."""

from __future__ import annotations

from benchmarks.workloads import Step, Workload

LABEL = "Lamina eager"


def build(workload: Workload) -> Step:
    """Return the training step of a workload."""
    import lamina as la
    from lamina import nn, optim

    layers = []
    for weight, bias in workload.weights():
        layer = nn.Linear(weight.shape[1], weight.shape[0])
        layer.load_state_dict({"weight": weight, "bias": bias})
        layers += [layer, nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    optimizer = optim.Adam(model.parameters(), lr=workload.lr)
    inputs, targets = (la.asarray(array) for array in workload.data())

    def step() -> la.Tensor:
        loss = nn.mse_loss(model(inputs), targets)
        optimizer.step(loss.backward())
        return loss

    return step
