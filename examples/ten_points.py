"""Ten points with two features in two classes, by a network of ten hidden units."""

import lamina as la
from lamina import nn, optim

POINTS = [
    [1.0, 2.0], [2.0, 1.0], [3.0, 3.0], [4.0, 5.0], [5.0, 4.0],
    [6.0, 1.0], [7.0, 2.0], [8.0, 3.0], [9.0, 4.0], [10.0, 5.0],
]  # fmt: skip
CLASSES = [0.0] * 5 + [1.0] * 5


def main(epochs: int = 300) -> float:
    """Train on all ten and return the accuracy."""
    la.random.seed(0)
    inputs, targets = la.asarray(POINTS), la.asarray(CLASSES)
    model = nn.Sequential(nn.Linear(2, 10), nn.ReLU(), nn.Linear(10, 1), nn.Flatten(0))
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    for epoch in range(1, epochs + 1):
        # The model gives logits: the loss applies the sigmoid itself, in a form that cannot overflow.
        loss = nn.binary_cross_entropy_with_logits(model(inputs), targets)
        optimizer.step(loss.backward())
        if epoch % 60 == 0:
            print(f"epoch {epoch:3d}  loss {loss:.4f}")
    accuracy = ((model(inputs) > 0) == (targets > 0.5)).astype("float32").mean().item()
    print(f"accuracy {accuracy:.2f}")
    return accuracy


if __name__ == "__main__":
    main()
