"""Handwritten digits: 1,797 images of 8 by 8 points, read by a multi-layer perceptron."""

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import lamina as la
from lamina import nn, optim


def main(epochs: int = 40) -> float:
    """Train on four fifths and return the accuracy on the fifth held out."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16.0).astype("float32")
    x_train, x_test, y_train, y_test = train_test_split(images, labels, test_size=0.2, random_state=0, stratify=labels)

    la.random.seed(0)
    model = nn.MLP(64, [256], 10, activation="relu", dropout=0.3)
    print(model.summary((64,)))
    la.fit(
        model,
        (x_train, y_train),
        loss=nn.cross_entropy,
        optimizer=optim.AdamW(model.parameters(), lr=3e-3),
        epochs=epochs,
        batch_size=64,
        validation=0.1,
        metrics=["accuracy"],
        seed=0,
    )
    model.eval()  # no dropout from here on
    predicted = model(la.asarray(x_test)).argmax(axis=-1)
    accuracy = float((predicted.numpy() == y_test).mean())
    print(f"accuracy on held-out images {accuracy:.3f}")
    return accuracy


if __name__ == "__main__":
    main()
