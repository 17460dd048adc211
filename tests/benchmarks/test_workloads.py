"""Every contender has the same numbers to start from, and the arithmetic is counted right."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, strategies as st

from benchmarks.workloads import WORKLOADS, Workload

sizes = st.lists(st.integers(1, 5), min_size=2, max_size=5).map(tuple)


@pytest.mark.parametrize("workload", WORKLOADS.values())
def test_data_and_weights_are_the_same_every_time(workload: Workload) -> None:
    for first, second in zip(workload.data(), workload.data(), strict=True):
        np.testing.assert_array_equal(first, second)
    for first, second in zip(workload.weights(), workload.weights(), strict=True):
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1], second[1])


@pytest.mark.parametrize("workload", WORKLOADS.values())
def test_weights_have_pytorch_s_shapes_and_bounds(workload: Workload) -> None:
    convolutions = len(workload.channels)
    for (weight, bias), (fan_in, fan_out) in zip(
        list(workload.weights())[convolutions:], pairwise(workload.sizes), strict=True
    ):
        assert weight.shape == (fan_out, fan_in)
        assert bias.shape == (fan_out,)
        assert weight.dtype == bias.dtype == np.float32
        assert abs(weight).max() <= 1.0 / np.sqrt(fan_in) * (1.0 + 1e-6)
    for (weight, bias), channels in zip(workload.weights(), workload.channels, strict=False):
        assert weight.shape == (channels, weight.shape[1], 3, 3)
        assert bias.shape == (channels,)
        assert abs(weight).max() <= 1.0 / np.sqrt(9 * weight.shape[1]) * (1.0 + 1e-6)


def test_images_become_as_many_numbers_as_the_dense_layers_take() -> None:
    for workload in WORKLOADS.values():
        if workload.image is not None:
            side = workload.image[1] // 2 ** len(workload.channels)
            assert workload.channels[-1] * side**2 == workload.sizes[0]


def test_labels_are_classes() -> None:
    labels = WORKLOADS["mnist"].data()[1]
    assert labels.dtype == np.int64
    assert set(labels.tolist()) == set(range(10))


@pytest.mark.parametrize(
    ("name", "flops"),
    {
        # by hand: two for each multiply-add; forward, the weights' gradients, the inputs' from the second layer on
        "xor": 2 * 4 * (2 * (16 + 8) + 8),
        "tabular": 2 * 64 * (2 * (2048 + 4096 + 64) + 4096 + 64),
        "mnist": 2 * 128 * (2 * (200704 + 32768 + 1280) + 32768 + 1280),
        "wide": 2 * 512 * (2 * (4194304 + 16777216 + 40960) + 16777216 + 40960),
        "inference": 2 * (2048 + 4096 + 64),
        "cnn": 2 * 64 * (2 * 225792 + 3 * (3612672 + 401408 + 1280)),
    }.items(),
)
def test_arithmetic_of_the_products(name: str, flops: int) -> None:
    assert WORKLOADS[name].product_flops == flops


@given(sizes=sizes, batch=st.integers(1, 5), trains=st.booleans())
def test_arithmetic_equals_that_of_the_products_that_run(sizes: tuple[int, ...], batch: int, trains: bool) -> None:
    done = 0

    def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        nonlocal done
        done += 2 * a.shape[0] * a.shape[1] * b.shape[1]
        return a @ b

    weights = [np.zeros((fan_out, fan_in)) for fan_in, fan_out in pairwise(sizes)]
    inputs = [np.zeros((batch, sizes[0]))]
    for weight in weights:
        inputs.append(product(inputs[-1], weight.T))
    cotangent = inputs.pop()
    for layer in reversed(range(len(weights) if trains else 0)):
        assert product(cotangent.T, inputs[layer]).shape == weights[layer].shape
        if layer:
            cotangent = product(cotangent, weights[layer])
    assert Workload("drawn", sizes, batch, "mse" if trains else None).product_flops == done
