"""ResNet: blocks of convolutions, each added to what came in, so that a hundred layers can be trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from lamina import nn
from lamina.errors import DataError
from lamina.tensor import Tensor


def conv(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Conv2d:
    """Return a convolution that keeps height and width, but for its stride; what follows it has the bias."""
    init = nn.init.kaiming_normal(mode="fan_out", nonlinearity="relu")
    return nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False, init=init)


def shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    """Return what brings a block's input to the shape of its output, ``None`` where it has it (option B)."""
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))


class BasicBlock(nn.Module):
    """Two convolutions of 3 by 3, added to the input (the paper's figure 5, left)."""

    expansion: ClassVar[int] = 1

    def __init__(self, inputs: int, width: int, stride: int = 1) -> None:
        self.conv1 = conv(inputs, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = shortcut(inputs, width, stride)

    def __call__(self, x: Tensor) -> Tensor:
        y = nn.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return nn.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """A convolution of 3 by 3 between two of 1 by 1 that narrow and widen, added to the input (figure 5, right).

    The stride is that of the convolution of 3 by 3, as in torchvision; the paper's first one has it.
    """

    expansion: ClassVar[int] = 4

    def __init__(self, inputs: int, width: int, stride: int = 1) -> None:
        outputs = self.expansion * width
        self.conv1 = conv(inputs, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = conv(width, outputs, 1)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = shortcut(inputs, outputs, stride)

    def __call__(self, x: Tensor) -> Tensor:
        y = nn.relu(self.bn1(self.conv1(x)))
        y = nn.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return nn.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """A residual network: a stem, four stages of blocks, the mean over all places, and a linear map.

    It takes images of shape [samples, channels, height, width] to logits of shape [samples, num_classes]. Each stage
    but the first halves height and width and doubles the channels. The state's keys are torchvision's, so that weights
    trained there load, but for the stem ``"small"``.

    Parameters
    ----------
    block : BasicBlock or Bottleneck
        The class of the blocks.
    layers : sequence of four int
        How many blocks each stage has.
    num_classes : int, default 1000
    channels : int, default 3
        Of the images.
    width : int, default 64
        Channels in the blocks of the first stage.
    stem : str, default "imagenet"
        ``"imagenet"``, for images of about 224 by 224, begins with a convolution of 7 by 7 and maximum pooling, each
        of stride 2. ``"small"``, for images of about 32 by 32, begins with a convolution of 3 by 3 of stride 1, as in
        the paper's section 4.2.

    Raises
    ------
    DataError
        When there are not four stages of at least one block, or the stem is unknown.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import models
    >>> model = models.ResNet(models.BasicBlock, (1, 1, 1, 1), num_classes=10, width=8, stem="small")
    >>> model(la.zeros((2, 3, 32, 32))).shape
    (2, 10)

    Source: K. He et al., "Deep residual learning for image recognition", CVPR 2016, table 1; the initial weights are
    those of K. He et al., "Delving deep into rectifiers", ICCV 2015, equation 14.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        layers: Sequence[int],
        num_classes: int = 1000,
        *,
        channels: int = 3,
        width: int = 64,
        stem: str = "imagenet",
    ) -> None:
        if len(layers) != 4 or min(layers) < 1:
            raise DataError(f"ResNet: layers are four numbers of blocks from 1, got {list(layers)}")
        if stem not in ("imagenet", "small"):
            raise DataError(f"ResNet: stem is 'imagenet' or 'small', got {stem!r}")
        small = stem == "small"
        self.conv1 = conv(channels, width, 3) if small else conv(channels, width, 7, stride=2)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, stride=2, padding=1)
        wide = block.expansion * width
        self.layer1 = _stage(block, width, width, layers[0], stride=1)
        self.layer2 = _stage(block, wide, 2 * width, layers[1], stride=2)
        self.layer3 = _stage(block, 2 * wide, 4 * width, layers[2], stride=2)
        self.layer4 = _stage(block, 4 * wide, 8 * width, layers[3], stride=2)
        self.fc = nn.Linear(8 * wide, num_classes)

    def __call__(self, x: Tensor) -> Tensor:
        """Return logits of shape [samples, num_classes] for images of shape [samples, channels, height, width]."""
        x = self.maxpool(nn.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean(axis=(2, 3)))


def _stage(
    block: type[BasicBlock] | type[Bottleneck], inputs: int, width: int, count: int, stride: int
) -> nn.Sequential:
    """Return blocks of one width, of which the first one has the stride."""
    outputs = block.expansion * width
    return nn.Sequential(block(inputs, width, stride), *(block(outputs, width) for _ in range(count - 1)))


def resnet18(num_classes: int = 1000, *, channels: int = 3, width: int = 64, stem: str = "imagenet") -> ResNet:
    """Return a `ResNet` of 18 layers, with 11,689,512 parameters for 1000 classes."""
    return ResNet(BasicBlock, (2, 2, 2, 2), num_classes, channels=channels, width=width, stem=stem)


def resnet34(num_classes: int = 1000, *, channels: int = 3, width: int = 64, stem: str = "imagenet") -> ResNet:
    """Return a `ResNet` of 34 layers, with 21,797,672 parameters for 1000 classes."""
    return ResNet(BasicBlock, (3, 4, 6, 3), num_classes, channels=channels, width=width, stem=stem)


def resnet50(num_classes: int = 1000, *, channels: int = 3, width: int = 64, stem: str = "imagenet") -> ResNet:
    """Return a `ResNet` of 50 layers, with 25,557,032 parameters for 1000 classes."""
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes, channels=channels, width=width, stem=stem)
