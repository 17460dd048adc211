"""Every contender has the same numbers to start from, and the arithmetic is counted right."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, strategies as st

from benchmarks.architectures import FeedForward
from benchmarks.workloads import WORKLOADS, Workload

sizes = st.lists(st.integers(1, 5), min_size=2, max_size=5).map(tuple)


trained = pytest.mark.parametrize(
    "workload", [each for each in WORKLOADS.values() if each.trains], ids=lambda workload: workload.name
)
feed_forward = pytest.mark.parametrize(
    "workload",
    [each for each in WORKLOADS.values() if isinstance(each.architecture, FeedForward)],
    ids=lambda workload: workload.name,
)


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS)
def test_data_and_weights_are_the_same_every_time(workload: Workload) -> None:
    for first, second in zip(workload.data(), workload.data(), strict=True):
        np.testing.assert_array_equal(first, second)
    for (name, first), (again, second) in zip(workload.arrays(), workload.arrays(), strict=True):
        assert name == again
        np.testing.assert_array_equal(first, second)


@feed_forward
def test_weights_have_pytorch_s_shapes_and_bounds(workload: Workload) -> None:
    layers = workload.architecture.layers
    arrays = [array for _, array in workload.arrays()]
    for layer, weight, bias in zip(layers, arrays[::2], arrays[1::2], strict=True):
        window = (3, 3) if layer.kind == "conv" else ()
        assert weight.shape == (layer.outputs, layer.inputs, *window)
        assert bias.shape == (layer.outputs,)
        assert weight.dtype == bias.dtype == np.float32
        bound = 1.0 / np.sqrt(layer.inputs * np.prod(window))
        assert max(abs(weight).max(), abs(bias).max()) <= bound * (1.0 + 1e-6)


@feed_forward
def test_sizes_are_those_of_the_linear_layers(workload: Workload) -> None:
    linear = [layer for layer in workload.architecture.layers if layer.kind == "linear"]
    assert [(layer.inputs, layer.outputs) for layer in linear] == list(pairwise(workload.architecture.sizes))


def test_images_become_as_many_numbers_as_the_dense_layers_take() -> None:
    cnn = WORKLOADS["cnn"].architecture
    side = cnn.image[1] // 2 ** len(cnn.channels)
    assert cnn.channels[-1] * side**2 == cnn.sizes[0]


def test_a_transformer_s_first_weights_are_those_of_gpt_2() -> None:
    arrays = dict(WORKLOADS["gpt"].arrays())
    assert sum(array.size for array in arrays.values()) == 826_112
    assert arrays["head.weight"].std() == pytest.approx(0.02, rel=0.02)
    assert arrays["blocks.3.mlp.2.weight"].std() == pytest.approx(0.02 / np.sqrt(8), rel=0.02)
    assert (arrays["blocks.0.norm1.weight"] == 1.0).all()
    assert not arrays["blocks.0.mlp.0.bias"].any()
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}


def test_targets_of_a_text_are_the_tokens_that_come_next() -> None:
    inputs, targets = WORKLOADS["gpt"].data()
    assert inputs.shape == targets.shape == (16, 64)
    np.testing.assert_array_equal(inputs[:, 1:], targets[:, :-1])
    assert set(inputs.ravel().tolist()) == set(range(96))


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
        "wide_bfloat16": 2 * 512 * (2 * (4194304 + 16777216 + 40960) + 16777216 + 40960),
        "inference": 2 * (2048 + 4096 + 64),
        "cnn": 2 * 64 * (2 * 225792 + 3 * (3612672 + 401408 + 1280)),
        # 1024 tokens; a block has 4 x 16384 and 2 x 65536 in its layers and twice 64 x 128 in attention
        "gpt": 2 * 1024 * 3 * (4 * (65536 + 131072 + 16384) + 12288),
    }.items(),
)
def test_arithmetic_of_the_products(name: str, flops: int) -> None:
    assert WORKLOADS[name].product_flops == flops


@trained
def test_arithmetic_is_what_pytorch_counts(workload: Workload) -> None:
    torch = pytest.importorskip("torch")
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    from benchmarks.networks.torch import loss_function, network

    with torch.device("meta"):  # shapes, without numbers
        model = network(workload.architecture)
    inputs, targets = (torch.from_numpy(array).to("meta") for array in workload.data())
    # Attention as products and a softmax: a fused one computes the scores again in its backward.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        loss_function(workload.loss)(model(inputs), targets).backward()
    assert counter.get_total_flops() == workload.product_flops


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
    assert Workload("drawn", FeedForward(sizes), batch, "mse" if trains else None).product_flops == done
