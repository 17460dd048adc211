"""Universal approximation: a network learns which points lie above a curve it is never shown.

The curve is a(x) = (x^2 + x^3 + x^4 + x^6) / x^5. The network sees 25 points of the plane, each marked as above
or below, and is asked about 6 others. Inputs go in as they are: no normalisation.

One hidden layer is enough to approximate any continuous function on a bounded set (K. Hornik, M. Stinchcombe,
H. White, "Multilayer feedforward networks are universal approximators", Neural Networks 2, 1989).
"""

import lamina as la
from lamina import nn, optim

TRAIN, TEST = 25, 6


def curve(x: la.Tensor) -> la.Tensor:
    """Return a(x)."""
    return (x**2 + x**3 + x**4 + x**6) / x**5


def points(generator: la.random.Generator) -> tuple[la.Tensor, la.Tensor]:
    """Return points [31, 2] on both sides of the curve, and 1 for those above it [31, 1]."""
    count = TRAIN + TEST
    x = generator.uniform((count, 1), 0.6, 4.0)
    # Alternately above and below, at distances from near to far.
    side = la.asarray([[1.0 if index % 2 else -1.0] for index in range(count)])
    y = curve(x) + side * generator.uniform((count, 1), 0.4, 4.0)
    return la.concat([x, y], axis=1), la.astype(side > 0, la.float32)


def main(steps: int = 3000) -> int:
    """Train, show the six predictions, and return how many are right."""
    generator = la.random.Generator(4)
    inputs, above = points(generator)
    la.random.seed(4)
    model = nn.MLP(2, [32], 1, activation="tanh")
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    for step in range(steps):
        loss = nn.binary_cross_entropy_with_logits(model(inputs[:TRAIN]), above[:TRAIN])
        optimizer.step(loss.backward())
        if step % 1000 == 0 or step == steps - 1:
            print(f"step {step:4d}  loss {loss:.5f}")

    predicted = model(inputs[TRAIN:]).sigmoid()
    right = 0
    for point, guess, actual in zip(
        inputs[TRAIN:].tolist(), predicted.flatten().tolist(), above[TRAIN:].flatten().tolist(), strict=True
    ):
        agrees = (guess > 0.5) == (actual > 0.5)
        right += agrees
        mark = "right" if agrees else "wrong"
        print(f"({point[0]:.2f}, {point[1]:5.2f})  predicted {guess:.4f}  actual {actual:.0f}  {mark}")
    return right


if __name__ == "__main__":
    main()
