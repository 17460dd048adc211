"""Linear regression by gradient descent, beside the least-squares solution that algebra gives."""

import lamina as la
from lamina import nn, optim

SLOPES, OFFSET, NOISE = [2.0, -3.0, 0.5], 1.5, 0.1


def main(steps: int = 400) -> float:
    """Fit noisy measurements and return the largest difference from the least-squares solution."""
    generator = la.random.Generator(0)
    inputs = generator.normal((200, 3))
    targets = inputs @ la.asarray(SLOPES) + OFFSET + generator.normal((200,), std=NOISE)

    model = nn.Linear(3, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for step in range(steps):
        loss = nn.mse_loss(model(inputs).squeeze(-1), targets)
        optimizer.step(loss.backward())
        if step % 100 == 0:
            print(f"step {step:3d}  loss {loss:.6f}")

    with_ones = la.concat([inputs, la.ones((200, 1))], axis=1)
    exact = la.linalg.solve(with_ones.T @ with_ones, with_ones.T @ targets)
    learned = la.concat([model.weight.flatten(), model.bias])
    print("learned      ", [round(value, 3) for value in learned.tolist()])
    print("least squares", [round(value, 3) for value in exact.tolist()])
    return (learned - exact).abs().max().item()


if __name__ == "__main__":
    main()
