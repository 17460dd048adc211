"""Logistic regression on real measurements: is a tumour benign? (Wisconsin breast cancer data, 569 cases)"""

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import lamina as la
from lamina import nn, optim


def main(epochs: int = 30) -> float:
    """Train on four fifths and return the accuracy on the fifth held out."""
    features, benign = load_breast_cancer(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(
        features, benign, test_size=0.2, random_state=0, stratify=benign
    )
    scaler = StandardScaler().fit(x_train)

    la.random.seed(0)
    model = nn.Sequential(nn.Linear(30, 1), nn.Flatten(0))
    history = la.fit(
        model,
        (scaler.transform(x_train).astype("float32"), y_train.astype("float32")),
        loss=nn.binary_cross_entropy_with_logits,
        optimizer=optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.01),
        epochs=epochs,
        batch_size=32,
        metrics=["accuracy"],
        seed=0,
    )
    says_benign = model(la.asarray(scaler.transform(x_test), dtype="float32")) > 0
    accuracy = float((says_benign.numpy() == (y_test > 0.5)).mean())
    print(f"loss {history['loss'][-1]:.4f}  accuracy on held-out cases {accuracy:.3f}")
    return accuracy


if __name__ == "__main__":
    main()
