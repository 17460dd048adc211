"""XOR: the smallest problem that no linear model solves, by a network of eight hidden units.

Run it with ``python examples/xor.py``.
"""

import lamina as la
from lamina import nn, optim


def main(steps: int = 500) -> list[int]:
    """Train on the four cases and return the four answers."""
    la.random.seed(0)
    inputs = la.asarray([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    targets = la.asarray([[0.0], [1.0], [1.0], [0.0]])

    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = optim.Adam(model.parameters(), lr=0.05)
    for step in range(steps):
        loss = nn.binary_cross_entropy_with_logits(model(inputs), targets)
        optimizer.step(loss.backward())
        if step % 100 == 0 or step == steps - 1:
            print(f"step {step:4d}  loss {loss:.4f}")

    answers = [int(answer) for answer in (model(inputs) > 0).flatten().tolist()]
    for case, answer in zip(inputs.tolist(), answers, strict=True):
        print(f"{case[0]:.0f} xor {case[1]:.0f} = {answer}")
    return answers


if __name__ == "__main__":
    main()
