"""Sixteen networks in one program: an ensemble that knows where it does not know."""

import lamina as la
from lamina import nn, optim


def made() -> nn.Module:
    """Return one network of the ensemble."""
    return nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))


def main(members: int = 16, steps: int = 1000) -> tuple[float, float]:
    """Learn a sine from points beside a gap; return how far the members differ at the points and in the gap."""
    la.random.seed(0)
    x = la.concat([la.random.uniform((20, 1), -3.0, -1.0), la.random.uniform((20, 1), 1.0, 3.0)])
    y = la.sin(2.0 * x)

    model = made()
    stacked = la.stack_module_state([made() for _ in range(members)])
    answers = la.vmap(lambda parameters, x: la.functional_call(model, parameters, x), in_axes=(0, None))
    losses = la.vmap(nn.mse_loss, in_axes=(0, None))
    optimizer = optim.Adam(stacked.values(), lr=0.01)

    @la.compile
    def step(x: la.Tensor, y: la.Tensor) -> la.Tensor:
        loss = losses(answers(stacked, x), y)
        optimizer.step(loss.sum().backward())
        return loss

    for number in range(steps):
        loss = step(x, y)
        if number % 250 == 0 or number == steps - 1:
            print(f"step {number:4d}  loss of the best {loss.min():.5f}, of the worst {loss.max():.5f}")

    near, gap = (
        answers(stacked, places).std(axis=0).mean().item() for places in (x, la.asarray([[-0.2], [0.0], [0.2]]))
    )
    print(f"the {members} answers differ by {near:.4f} where there are points, and by {gap:.4f} in the gap between")
    return near, gap


if __name__ == "__main__":
    main()
