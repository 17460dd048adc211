"""A convolutional network for images of any size: stages of small convolutions, each at half the size before."""

from __future__ import annotations

from lamina import nn
from lamina.errors import DataError
from lamina.tensor import Tensor

# Height and width, at most, of what the linear map sees.
LARGEST = 4


class ConvNet(nn.Module):
    """Stages of two convolutions of 3 by 3, each normalised, and maximum pooling; then a linear map.

    It takes images of shape [samples, channels, height, width] to logits of shape [samples, num_classes]. Each stage
    halves height and width and doubles the channels. What is left is averaged to 4 by 4 places where it is larger, so
    that a class may depend on where something is.

    Parameters
    ----------
    num_classes : int
    channels : int, default 3
        Of the images.
    width : int, default 32
        Channels of the first stage.
    stages : int, default 2
    size : int or pair of int, default 32
        Height and width of the images, a multiple of ``2**stages`` or a little more.
    dropout : float, default 0.0
        Of what the linear map sees.

    Raises
    ------
    DataError
        When there is no stage, or the stages leave nothing of an image.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import models
    >>> model = models.ConvNet(10, channels=1, width=8, size=28)
    >>> model(la.zeros((2, 1, 28, 28))).shape
    (2, 10)

    Source: K. Simonyan, A. Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015;
    batch normalisation: S. Ioffe, C. Szegedy, ICML 2015.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        channels: int = 3,
        width: int = 32,
        stages: int = 2,
        size: int | tuple[int, int] = 32,
        dropout: float = 0.0,
    ) -> None:
        left = [each >> stages for each in ((size, size) if isinstance(size, int) else size)] if stages > 0 else []
        if not left or min(left) < 1:
            raise DataError(f"ConvNet: {stages} stages, from 1, halve images of {size} to nothing; give fewer")
        widths = [channels, *(width * 2**stage for stage in range(stages))]
        self.stages = nn.Sequential(*map(_stage, widths[:-1], widths[1:]))
        seen = [min(each, LARGEST) for each in left]
        self.pool = nn.AdaptiveAvgPool2d((seen[0], seen[1])) if seen != left else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(widths[-1] * seen[0] * seen[1], num_classes)

    def __call__(self, x: Tensor) -> Tensor:
        """Return logits of shape [samples, num_classes] for images of shape [samples, channels, height, width]."""
        x = self.pool(self.stages(x))
        return self.head(self.dropout(x.reshape(x.shape[0], -1)))


def _stage(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(*_convolution(inputs, outputs), *_convolution(outputs, outputs), nn.MaxPool2d(2))


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    # What follows has the bias.
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
