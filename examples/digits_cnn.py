"""Handwritten digits: 1,797 images of 8 by 8 points, read by a convolutional network that sees them turned about."""

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import lamina as la
from lamina import nn, optim
from lamina.data import ImageStream, transforms

# As far as hands differ; what a digit is does not change by it.
AUGMENT = (transforms.RandomRotation(10.0, "bilinear"), transforms.RandomCrop(8, padding=1))


def convolution(inputs: int, outputs: int) -> list:
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


def main(epochs: int = 15, batch_size: int = 64) -> float:
    """Train on four fifths and return the accuracy on the fifth held out."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16.0).astype("float32").reshape(-1, 1, 8, 8)
    x_train, x_test, y_train, y_test = train_test_split(images, labels, test_size=0.2, random_state=0, stratify=labels)

    la.random.seed(0)
    model = nn.Sequential(
        *convolution(1, 32),
        *convolution(32, 32),
        nn.MaxPool2d(2),
        *convolution(32, 64),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(64 * 2 * 2, 10),
    )
    print(model.summary((1, 1, 8, 8)))
    training = ImageStream.from_arrays(x_train, y_train, AUGMENT)
    optimizer = optim.AdamW(model.parameters())
    steps = epochs * -(-len(training) // batch_size)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=steps, cycle_momentum=False)
    la.fit(
        model,
        training,
        loss=nn.cross_entropy,
        optimizer=optimizer,
        scheduler=schedule,
        schedule_per="step",  # up to the highest learning rate and down to none
        epochs=epochs,
        batch_size=batch_size,
        seed=0,
        compile=True,  # a step of convolutions gains more than its number of weights says
    )
    model.eval()  # the statistics of training from here on, and no dropout
    predicted = model(la.asarray(x_test)).argmax(axis=-1)
    accuracy = float((predicted.numpy() == y_test).mean())
    print(f"accuracy on held-out images {accuracy:.3f}")
    return accuracy


if __name__ == "__main__":
    main()
