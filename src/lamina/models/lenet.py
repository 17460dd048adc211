"""LeNet-5: two convolutions that find strokes and their combinations, then three linear maps that name the digit."""

from __future__ import annotations

from lamina import nn
from lamina.errors import ShapeError
from lamina.tensor import Tensor


class LeNet5(nn.Module):
    """A small convolutional network for small images, such as handwritten digits of 28 by 28 points.

    It takes images of shape [samples, channels, 28, 28] to logits of shape [samples, num_classes].

    It is the network of the paper as it is trained today: ReLU for the scaled tanh, maximum pooling for the trained
    averages, every map of the second convolution joined to every map of the first (the paper leaves 36 of the 96 pairs
    out), and logits for the distances to drawn digits. With one channel and ten classes it has 61,706 parameters.

    Parameters
    ----------
    num_classes : int, default 10
    channels : int, default 1
        Of the images: 1 for grey, 3 for coloured ones.

    Raises
    ------
    ShapeError
        When an input has another shape.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import models
    >>> model = models.LeNet5()
    >>> model(la.zeros((2, 1, 28, 28))).shape, sum(p.size for p in model.parameters())
    ((2, 10), 61706)

    Source: Y. LeCun et al., "Gradient-based learning applied to document recognition", Proceedings of the IEEE 86,
    1998, section II.B.
    """

    def __init__(self, num_classes: int = 10, channels: int = 1) -> None:
        # The paper's images are 32 by 32: 28 by 28 with an empty border of two.
        self.conv1 = nn.Conv2d(channels, 6, kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)

    def __call__(self, x: Tensor) -> Tensor:
        """Return logits of shape [samples, num_classes] for images of shape [samples, channels, 28, 28]."""
        if x.ndim != 4 or x.shape[2:] != (28, 28):
            raise ShapeError(f"LeNet5: expected images [samples, channels, 28, 28], got {list(x.shape)}")
        x = nn.max_pool2d(nn.relu(self.conv1(x)), 2)  # [samples, 6, 14, 14]
        x = nn.max_pool2d(nn.relu(self.conv2(x)), 2)  # [samples, 16, 5, 5]
        x = nn.relu(self.fc1(x.reshape(x.shape[0], 16 * 5 * 5)))
        return self.fc3(nn.relu(self.fc2(x)))
