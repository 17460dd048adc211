"""LeNet-5 and ResNets: their sizes, torchvision's keys, PyTorch's values, and training compiled as eager."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina import models, nn, optim
from lamina.errors import DataError, ShapeError


def images(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def lenet() -> models.LeNet5:
    return models.LeNet5()


def basic() -> models.ResNet:
    return models.ResNet(models.BasicBlock, (1, 2, 1, 1), 5, width=4, stem="small")


def bottleneck() -> models.ResNet:
    return models.ResNet(models.Bottleneck, (2, 1, 1, 1), 5, channels=1, width=4)


SMALL: dict[Callable[[], nn.Module], tuple[int, ...]] = {
    lenet: (4, 1, 28, 28),
    basic: (4, 3, 17, 16),
    bottleneck: (4, 1, 64, 70),
}


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (models.LeNet5, 61_706),
        (models.resnet18, 11_689_512),
        (models.resnet34, 21_797_672),
        (models.resnet50, 25_557_032),
    ],
)
def test_number_of_parameters_is_the_published_one(make: Callable[[], nn.Module], count: int) -> None:
    assert sum(parameter.size for parameter in make().parameters()) == count


@pytest.mark.parametrize("make", SMALL)
def test_logits_are_one_for_each_class(make: Callable[[], nn.Module]) -> None:
    model, shape = make(), SMALL[make]
    classes = 10 if make is lenet else 5
    assert model(la.asarray(images(*shape))).shape == (4, classes)
    assert model.eval()(la.asarray(images(0, *shape[1:]))).shape == (0, classes)


def test_an_image_of_imagenet_is_classified() -> None:
    model = models.resnet18(num_classes=3, width=8).eval()
    assert model(la.asarray(images(1, 3, 224, 224))).shape == (1, 3)


# The keys of torchvision's resnet50 that are not those of every block.
TORCHVISION_ENDS = ["conv1.weight", "fc.bias", "fc.weight"]
BATCH_NORM = ["bias", "num_batches_tracked", "running_mean", "running_var", "weight"]


@pytest.mark.parametrize(
    ("make", "layers", "convolutions", "widened"),
    [
        (models.resnet18, (2, 2, 2, 2), 2, (2, 3, 4)),
        (models.resnet50, (3, 4, 6, 3), 3, (1, 2, 3, 4)),
    ],
)
def test_keys_of_the_state_are_those_that_torchvision_publishes(
    make: Callable[..., nn.Module], layers: tuple[int, ...], convolutions: int, widened: tuple[int, ...]
) -> None:
    expected = {*TORCHVISION_ENDS, *(f"bn1.{name}" for name in BATCH_NORM)}
    for stage, count in enumerate(layers, 1):
        for block in range(count):
            for number in range(1, convolutions + 1):
                expected |= {f"layer{stage}.{block}.conv{number}.weight"}
                expected |= {f"layer{stage}.{block}.bn{number}.{name}" for name in BATCH_NORM}
        if stage in widened:
            expected |= {f"layer{stage}.0.downsample.0.weight"}
            expected |= {f"layer{stage}.0.downsample.1.{name}" for name in BATCH_NORM}
    assert set(make(width=4).state_dict()) == expected


def torch_lenet(torch: Any) -> Any:
    layers = torch.nn

    class Theirs(layers.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.conv2 = layers.Conv2d(1, 6, 5, padding=2), layers.Conv2d(6, 16, 5)
            self.fc1, self.fc2, self.fc3 = layers.Linear(400, 120), layers.Linear(120, 84), layers.Linear(84, 10)

        def forward(self, x: Any) -> Any:
            for convolution in (self.conv1, self.conv2):
                x = layers.functional.max_pool2d(convolution(x).relu(), 2)
            return self.fc3(self.fc2(self.fc1(x.flatten(1)).relu()).relu())

    return Theirs()


def torch_resnet(torch: Any, layers: tuple[int, ...], channels: int, sizes: tuple[int, ...], small: bool) -> Any:
    """Build the network from a table of convolutions, with the keys that torchvision gives them."""
    nn = torch.nn

    class Block(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self, inputs: int, width: int, stride: int) -> None:
            super().__init__()
            outputs = width * (4 if len(sizes) == 3 else 1)
            ends = [inputs, *[width] * (len(sizes) - 1), outputs]
            strided = sizes.index(3)
            for at, size in enumerate(sizes):
                step = stride if at == strided else 1
                made = nn.Conv2d(ends[at], ends[at + 1], size, step, size // 2, bias=False)
                setattr(self, f"conv{at + 1}", made)
                setattr(self, f"bn{at + 1}", nn.BatchNorm2d(ends[at + 1]))
            if stride != 1 or inputs != outputs:
                self.downsample = nn.Sequential(
                    nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
                )

        def forward(self, x: Any) -> Any:
            y = x
            for at in range(1, len(sizes) + 1):
                y = getattr(self, f"bn{at}")(getattr(self, f"conv{at}")(y.relu() if at > 1 else y))
            return (y + (self.downsample(x) if hasattr(self, "downsample") else x)).relu()

    class Theirs(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(channels, 4, *((3, 1, 1) if small else (7, 2, 3)), bias=False)
            self.bn1 = nn.BatchNorm2d(4)
            inputs = 4
            for stage, count in enumerate(layers):
                blocks = []
                for at in range(count):
                    blocks.append(Block(inputs, 4 * 2**stage, 2 if at == 0 and stage else 1))
                    inputs = 4 * 2**stage * (4 if len(sizes) == 3 else 1)
                setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
            self.fc = nn.Linear(inputs, 5)

        def forward(self, x: Any) -> Any:
            x = self.bn1(self.conv1(x)).relu()
            x = x if small else nn.functional.max_pool2d(x, 3, 2, 1)
            for stage in range(len(layers)):
                x = getattr(self, f"layer{stage + 1}")(x)
            return self.fc(x.mean((2, 3)))

    return Theirs()


THEIRS: dict[Callable[[], nn.Module], Callable[[Any], Any]] = {
    lenet: torch_lenet,
    basic: lambda torch: torch_resnet(torch, (1, 2, 1, 1), 3, (3, 3), True),
    bottleneck: lambda torch: torch_resnet(torch, (2, 1, 1, 1), 1, (1, 3, 1), False),
}


@pytest.mark.parametrize("make", SMALL)
def test_weights_of_pytorch_give_its_logits_gradients_and_statistics(make: Callable[[], nn.Module]) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs, ours = THEIRS[make](torch), make()
    x, y = images(*SMALL[make]), np.array([0, 1, 2, 3])
    ours.load_state_dict(theirs.state_dict())
    loss = torch.nn.functional.cross_entropy(theirs(torch.tensor(x)), torch.tensor(y))
    loss.backward()
    our_loss = nn.cross_entropy(ours(la.asarray(x)), la.asarray(y))
    gradients = our_loss.backward()
    assert our_loss.item() == pytest.approx(loss.item(), rel=1e-5)
    by_name = dict(theirs.named_parameters())
    for name, weight in ours.named_parameters():
        expected = by_name[name].grad.numpy()
        scale = float(np.abs(expected).max())
        np.testing.assert_allclose(gradients[weight].numpy(), expected, rtol=1e-3, atol=1e-4 * scale, err_msg=name)
    after = theirs.state_dict()
    for name, buffer in ours.named_buffers():
        np.testing.assert_allclose(buffer.numpy(), after[name].numpy(), rtol=1e-4, atol=1e-6, err_msg=name)
    with torch.no_grad():
        expected = theirs.eval()(torch.tensor(x)).numpy()
    np.testing.assert_allclose(ours.eval()(la.asarray(x)).numpy(), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("make", [lenet, basic])
def test_training_compiled_is_training_eager(make: Callable[[], nn.Module]) -> None:
    x, y = la.asarray(images(*SMALL[make])), la.asarray([0, 1, 2, 3])

    def trained(compiled: bool) -> tuple[list[float], dict[str, la.Tensor]]:
        la.random.seed(1)
        model = make()
        optimizer = optim.SGD(model.parameters(), lr=0.05)

        def step(inputs: la.Tensor, targets: la.Tensor) -> la.Tensor:
            loss = nn.cross_entropy(model(inputs), targets)
            optimizer.step(loss.backward())
            return loss

        run = la.compile(step) if compiled else step
        return [run(x, y).item() for _ in range(3)], model.state_dict()

    (losses, state), (expected_losses, expected) = trained(True), trained(False)
    assert losses == pytest.approx(expected_losses, rel=1e-4)
    assert losses[-1] < losses[0]
    for name, value in state.items():
        np.testing.assert_allclose(value.numpy(), expected[name].numpy(), rtol=1e-3, atol=1e-4, err_msg=name)


def test_what_cannot_be_built_or_classified_is_refused() -> None:
    with pytest.raises(DataError, match="four numbers of blocks"):
        models.ResNet(models.BasicBlock, (2, 2, 2))
    with pytest.raises(DataError, match="'imagenet' or 'small'"):
        models.resnet18(stem="tiny")
    with pytest.raises(ShapeError, match=r"28, 28\], got \[1, 1, 32, 32\]"):
        models.LeNet5()(la.zeros((1, 1, 32, 32)))
    with pytest.raises(ShapeError, match="in_channels=3"):
        models.resnet18(width=4)(la.zeros((1, 1, 32, 32)))
