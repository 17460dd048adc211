"""Convolution, pooling and up-sampling compiled: values and gradients as eager code has them."""

import numpy as np
import pytest

import lamina as la
from lamina import nn

# A layer and the shape of its input.
LAYERS = {
    "conv1d": (lambda: nn.Conv1d(3, 5, 3, stride=2, padding=1, dilation=2), (4, 3, 17)),
    "conv2d": (lambda: nn.Conv2d(3, 5, (3, 2), stride=(1, 2), padding=(2, 1)), (3, 3, 9, 8)),
    "conv2d same, in groups": (lambda: nn.Conv2d(4, 6, 3, padding="same", groups=2), (2, 4, 7, 6)),
    "conv2d depthwise": (lambda: nn.Conv2d(8, 8, 3, padding=1, groups=8), (2, 8, 9, 9)),
    "conv2d pointwise": (lambda: nn.Conv2d(8, 4, 1), (3, 8, 5, 7)),
    "conv2d reflecting": (lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"), (2, 2, 5, 4)),
    "conv2d of an empty batch": (lambda: nn.Conv2d(2, 3, 3), (0, 2, 5, 5)),
    "conv2d without a batch": (lambda: nn.Conv2d(2, 3, 3), (2, 5, 5)),
    "conv3d": (lambda: nn.Conv3d(2, 3, 2, stride=(1, 2, 1), padding=1), (2, 2, 4, 5, 3)),
    "transposed 1d": (lambda: nn.ConvTranspose1d(3, 4, 3, stride=2, output_padding=1), (2, 3, 6)),
    "transposed 2d": (lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, groups=2, dilation=2), (2, 4, 4, 5)),
    "transposed 3d": (lambda: nn.ConvTranspose3d(2, 2, 2, stride=2), (2, 2, 2, 3, 2)),
    "max 1d": (lambda: nn.MaxPool1d(3, 1, 1, dilation=1), (2, 3, 9)),
    "max 2d": (lambda: nn.MaxPool2d(2), (2, 3, 8, 6)),
    "max 2d overlapping": (lambda: nn.MaxPool2d(3, 2, 1, ceil_mode=True), (2, 3, 8, 7)),
    "max 3d": (lambda: nn.MaxPool3d(2, 1, dilation=2), (1, 2, 4, 5, 4)),
    "avg 1d": (lambda: nn.AvgPool1d(3, 2, 1), (2, 3, 9)),
    "avg 2d": (lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False), (2, 3, 8, 7)),
    "avg 3d": (lambda: nn.AvgPool3d(2), (1, 2, 4, 5, 4)),
    "global average": (lambda: nn.AdaptiveAvgPool2d(1), (3, 4, 7, 7)),
    "adaptive average": (lambda: nn.AdaptiveAvgPool2d((3, 2)), (3, 4, 7, 5)),
    "adaptive maximum": (lambda: nn.AdaptiveMaxPool2d((3, 2)), (3, 4, 7, 5)),
    "p-norm": (lambda: nn.LPPool2d(2, 2), (2, 3, 6, 6)),
    "nearest": (lambda: nn.Upsample(scale_factor=2), (2, 3, 4, 5)),
    "bilinear": (lambda: nn.Upsample((7, 6), mode="bilinear"), (2, 3, 4, 5)),
    "bicubic": (lambda: nn.Upsample(scale_factor=1.5, mode="bicubic"), (2, 3, 4, 5)),
    "pixel shuffle": (lambda: nn.PixelShuffle(2), (2, 8, 3, 4)),
    "channel shuffle": (lambda: nn.ChannelShuffle(2), (2, 8, 3, 4)),
    "circular padding": (lambda: nn.CircularPad2d((1, 2, 0, 3)), (2, 3, 4, 5)),
    "replication padding": (lambda: nn.ReplicationPad2d(2), (2, 3, 4, 5)),
    "unfold": (lambda: nn.Unfold(3, padding=1, stride=2), (2, 3, 6, 5)),
    "fold": (lambda: nn.Fold((6, 5), (2, 3), padding=1), (2, 12, 35)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_values_and_gradients_are_those_of_eager_code(name):
    make, shape = LAYERS[name]
    layer, rng = make(), np.random.default_rng(0)
    # Few different numbers, so that there are ties; none is zero, where a norm has no derivative.
    x = la.variable((rng.integers(0, 4, size=shape) * 0.5 + 0.25).astype("float32"))
    weight = la.asarray(rng.normal(size=layer(x).shape).astype("float32"))
    watched = [x, *layer.parameters()]

    def step():
        y = layer(x)
        gradients = (y * weight).sum().backward()
        return y, *(gradients[each] for each in watched)

    for found, expected in zip(la.compile(step)(), step(), strict=True):
        assert found.dtype is expected.dtype
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-4, atol=1e-5)


def test_a_network_of_all_of_them_learns_the_same_compiled():
    def losses(compiled):
        la.random.seed(1)
        model = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3, stride=2), nn.ReLU(),
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 3),
        )  # fmt: skip
        rng = np.random.default_rng(0)
        x = la.asarray(rng.normal(size=(8, 1, 14, 14)).astype("float32"))
        labels = la.asarray(rng.integers(0, 3, 8))
        optimizer = la.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        def step():
            loss = nn.cross_entropy(model(x), labels)
            optimizer.step(loss.backward())
            return loss

        run = la.compile(step) if compiled else step
        return [run().item() for _ in range(15)]

    eager = losses(False)
    assert eager[-1] < 0.7 * eager[0]
    np.testing.assert_allclose(losses(True), eager, rtol=2e-3)
