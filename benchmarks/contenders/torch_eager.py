"""PyTorch, eager, with its default Adam (and, in the sibling file, its fused one)."""

from __future__ import annotations

from benchmarks.workloads import Step, Workload

LABEL = "PyTorch eager"


def build(workload: Workload, *, fused: bool | None = None) -> Step:
    """Return the training step of a workload."""
    import torch
    from torch import nn

    layers: list[nn.Module] = []
    for weight, bias in workload.weights():
        layer = nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.copy_(torch.from_numpy(bias))
        layers += [layer, nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(model.parameters(), lr=workload.lr, fused=fused)
    inputs, targets = (torch.from_numpy(array) for array in workload.data())

    def step() -> torch.Tensor:
        loss = nn.functional.mse_loss(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step
