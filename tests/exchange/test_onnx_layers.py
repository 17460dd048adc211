"""Layers over images, sequences and tokens: onnxruntime and the model read back agree, for batches of any length."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import lamina as la
from lamina import nn
from lamina.errors import TracingError
from lamina.exchange import export_onnx, import_onnx

onnx = pytest.importorskip("onnx")
NDArray = npt.NDArray[Any]
Run = Callable[..., list[NDArray]]
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
LINE, IMAGE, VOLUME = (4, 9), (4, 9, 8), (4, 6, 5, 4)


class Itself(nn.Module):
    """A layer of several inputs, all of them the same; the first of its results."""

    def __init__(self, layer: Any, inputs: int = 3) -> None:
        self.layer, self.inputs = layer, inputs

    def __call__(self, x: Any) -> Any:
        result = self.layer(*[x] * self.inputs)
        return result[0] if isinstance(result, tuple) else result


# By name: the layer, the shape of one row of its input, and the operators that it is written as (others for nothing).
Layer = tuple[Callable[[], Any], tuple[int, ...], list[str] | None]
LAYERS: dict[str, Layer] = {
    # --- convolutions ---
    "Conv1d": (lambda: nn.Conv1d(4, 6, 3), LINE, ["Conv"]),
    "Conv1d circular": (lambda: nn.Conv1d(4, 6, 3, padding=1, padding_mode="circular"), LINE, None),
    "Conv2d": (lambda: nn.Conv2d(4, 6, 3, padding=1, stride=2), IMAGE, ["Conv"]),
    "Conv2d without bias": (lambda: nn.Conv2d(4, 6, (3, 2), bias=False), IMAGE, ["Conv"]),
    "Conv2d same": (lambda: nn.Conv2d(4, 6, (3, 2), padding="same"), IMAGE, ["Conv"]),
    "Conv2d dilated": (lambda: nn.Conv2d(4, 6, 3, dilation=(2, 1), padding=(4, 7)), IMAGE, ["Conv"]),
    "Conv2d groups": (lambda: nn.Conv2d(4, 6, 3, groups=2, padding=1), IMAGE, ["Conv"]),
    "Conv2d depthwise": (lambda: nn.Conv2d(4, 8, 3, groups=4, padding=1), IMAGE, ["Conv"]),
    "Conv2d reflect": (lambda: nn.Conv2d(4, 6, 3, padding=2, padding_mode="reflect"), IMAGE, None),
    "Conv3d": (lambda: nn.Conv3d(4, 3, 3, padding=1, stride=(2, 1, 1)), VOLUME, ["Conv"]),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(4, 6, 3, stride=2), LINE, ["ConvTranspose"]),
    "ConvTranspose2d": (
        lambda: nn.ConvTranspose2d(4, 6, 3, stride=(3, 2), padding=1, output_padding=1, groups=2),
        IMAGE, ["ConvTranspose"],
    ),
    "ConvTranspose2d stride 1": (lambda: nn.ConvTranspose2d(4, 6, 3, padding=2), IMAGE, ["ConvTranspose"]),
    "ConvTranspose2d cut": (lambda: nn.ConvTranspose2d(4, 6, 2, stride=2, padding=2, bias=False), IMAGE, None),
    "ConvTranspose3d": (
        lambda: nn.ConvTranspose3d(4, 2, 2, stride=2, dilation=2, output_padding=1), VOLUME, ["ConvTranspose"]
    ),
    # --- pooling ---
    "MaxPool1d": (lambda: nn.MaxPool1d(3, 2), LINE, ["MaxPool"]),
    "MaxPool2d": (lambda: nn.MaxPool2d(3, 2, 1), IMAGE, ["MaxPool"]),
    "MaxPool2d dilated": (lambda: nn.MaxPool2d((2, 3), 1, 1, dilation=2), IMAGE, ["MaxPool"]),
    "MaxPool2d ceil": (lambda: nn.MaxPool2d(2, 3, ceil_mode=True), IMAGE, ["MaxPool"]),
    "MaxPool3d": (lambda: nn.MaxPool3d(2), VOLUME, ["MaxPool"]),
    "AvgPool1d": (lambda: nn.AvgPool1d(3, 2), LINE, ["AveragePool"]),
    "AvgPool2d": (lambda: nn.AvgPool2d(3, 2, 1), IMAGE, ["AveragePool"]),
    "AvgPool2d inside": (lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False), IMAGE, ["AveragePool"]),
    "AvgPool2d ceil": (lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True), IMAGE, None),
    "AvgPool2d ceil inside": (
        lambda: nn.AvgPool2d(3, 2, ceil_mode=True, count_include_pad=False), IMAGE, ["AveragePool"]
    ),
    "AvgPool2d divisor": (lambda: nn.AvgPool2d(3, 2, divisor_override=4), IMAGE, None),
    "AvgPool3d": (lambda: nn.AvgPool3d((3, 2, 1)), VOLUME, ["AveragePool"]),
    "LPPool1d": (lambda: nn.Sequential(nn.ReLU(), nn.LPPool1d(2, 3)), LINE, None),
    "LPPool2d": (lambda: nn.Sequential(nn.ReLU(), nn.LPPool2d(2, 3)), IMAGE, None),
    "LPPool3d": (lambda: nn.Sequential(nn.ReLU(), nn.LPPool3d(3, 2)), VOLUME, None),
    "AdaptiveAvgPool1d": (lambda: nn.AdaptiveAvgPool1d(3), LINE, ["AveragePool"]),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d((4, 3)), IMAGE, None),
    "AdaptiveAvgPool2d 1": (lambda: nn.AdaptiveAvgPool2d(1), IMAGE, ["GlobalAveragePool"]),
    "AdaptiveAvgPool3d": (lambda: nn.AdaptiveAvgPool3d((3, 1, 2)), VOLUME, ["AveragePool"]),
    "AdaptiveMaxPool1d": (lambda: nn.AdaptiveMaxPool1d(4), LINE, None),
    "AdaptiveMaxPool2d": (lambda: nn.AdaptiveMaxPool2d(1), IMAGE, ["GlobalMaxPool"]),
    "AdaptiveMaxPool3d": (lambda: nn.AdaptiveMaxPool3d((3, 1, 2)), VOLUME, ["MaxPool"]),
    # --- padding and other sizes ---
    "ZeroPad1d": (lambda: nn.ZeroPad1d((1, 2)), LINE, ["Pad"]),
    "ZeroPad2d": (lambda: nn.ZeroPad2d((1, -2, 0, 3)), IMAGE, None),
    "ZeroPad3d": (lambda: nn.ZeroPad3d(1), VOLUME, ["Pad"]),
    **{f"ConstantPad{axes}d": (lambda axes=axes: getattr(nn, f"ConstantPad{axes}d")(1, 2.5), shape, ["Pad"])
       for axes, shape in ((1, LINE), (2, IMAGE), (3, VOLUME))},
    **{f"{kind}Pad{axes}d": (lambda kind=kind, axes=axes: getattr(nn, f"{kind}Pad{axes}d")(2), shape, None)
       for kind in ("Reflection", "Replication", "Circular") for axes, shape in ((1, LINE), (2, IMAGE), (3, VOLUME))},
    **{f"Upsample {mode}": (lambda mode=mode: nn.Upsample(scale_factor=(1.5, 2.0), mode=mode), IMAGE, None)
       for mode in ("nearest", "nearest-exact", "bilinear", "bicubic", "area")},
    "Upsample linear": (lambda: nn.Upsample(size=13, mode="linear", align_corners=True), LINE, None),
    "Upsample trilinear": (lambda: nn.Upsample(scale_factor=2.0, mode="trilinear"), VOLUME, None),
    "ChannelShuffle": (lambda: nn.ChannelShuffle(2), IMAGE, None),
    "PixelShuffle": (lambda: nn.PixelShuffle(2), (8, 3, 5), None),
    "PixelUnshuffle": (lambda: nn.PixelUnshuffle(2), (3, 4, 6), None),
    "Unfold": (lambda: nn.Unfold((3, 2), dilation=(1, 2), padding=1, stride=2), IMAGE, None),
    "Fold": (lambda: nn.Fold((5, 6), (2, 3), stride=(1, 2), padding=(0, 1)), (12, 12), None),
    # --- activations ---
    **{kind: (lambda kind=kind: getattr(nn, kind)(), IMAGE, None)
       for kind in ("ReLU6", "CELU", "LogSigmoid", "Hardsigmoid", "Hardswish", "Hardtanh", "Hardshrink", "Softshrink",
                    "Tanhshrink", "Softmin", "Softmax2d", "PReLU", "RReLU")},
    "PReLU of channels": (lambda: nn.PReLU(4), IMAGE, None),
    "Threshold": (lambda: nn.Threshold(0.1, 2.0), IMAGE, None),
    "Unflatten": (lambda: nn.Unflatten(-1, (2, -1)), IMAGE, None),
    # --- normalisation ---
    "BatchNorm1d": (lambda: nn.BatchNorm1d(4), LINE, ["BatchNormalization"]),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(4), IMAGE, ["BatchNormalization"]),
    "BatchNorm3d": (lambda: nn.BatchNorm3d(4, affine=False), VOLUME, None),
    "InstanceNorm1d": (lambda: nn.InstanceNorm1d(4), LINE, None),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(4, affine=True), IMAGE, ["InstanceNormalization"]),
    "InstanceNorm3d": (lambda: nn.InstanceNorm3d(4, track_running_stats=True), VOLUME, None),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), IMAGE, None),
    "LayerNorm": (lambda: nn.LayerNorm((9, 8)), IMAGE, ["LayerNormalization"]),
    "RMSNorm": (lambda: nn.RMSNorm(8), IMAGE, None),
    "LocalResponseNorm": (lambda: nn.LocalResponseNorm(3, 0.1), IMAGE, None),
    "weight_norm": (lambda: nn.weight_norm(nn.Conv2d(4, 6, 3)), IMAGE, None),
    "spectral_norm": (lambda: nn.spectral_norm(nn.Conv2d(4, 6, 3)), IMAGE, None),
    **{f"Dropout{axes}d": (lambda axes=axes: getattr(nn, f"Dropout{axes}d")(0.5), shape, None)
       for axes, shape in ((1, LINE), (2, IMAGE), (3, VOLUME))},
    "AlphaDropout": (lambda: nn.AlphaDropout(0.5), LINE, None),
    "FeatureAlphaDropout": (lambda: nn.FeatureAlphaDropout(0.5), LINE, None),
    # --- sequences ---
    "GLU": (lambda: nn.GLU(), IMAGE, None),
    "SwiGLU": (lambda: nn.SwiGLU(8, 6), IMAGE, None),
    "SinusoidalPositions": (lambda: nn.SinusoidalPositions(8), (9, 8), None),
    "LearnedPositions": (lambda: nn.LearnedPositions(12, 8), (9, 8), None),
    "TransformerEncoderLayer": (
        lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (5, 8), None
    ),
    "TransformerEncoder": (
        lambda: nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True, activation="gelu"), 2
        ),
        (5, 8), None,
    ),
    "MultiheadAttention": (lambda: Itself(nn.MultiheadAttention(8, 2, batch_first=True)), (5, 8), None),
    "TransformerDecoderLayer": (
        lambda: Itself(nn.TransformerDecoderLayer(8, 2, 16, batch_first=True), 2), (5, 8), None
    ),
    "RotaryEmbedding": (lambda: nn.RotaryEmbedding(), (2, 5, 8), None),
    "RNN": (lambda: nn.RNN(8, 6, 2, nonlinearity="relu", batch_first=True), (5, 8), None),
    "GRU": (lambda: nn.GRU(8, 6, batch_first=True, bidirectional=True), (5, 8), None),
    "LSTM": (lambda: nn.LSTM(8, 6, 2, batch_first=True, bidirectional=True), (5, 8), None),
    "LSTM projected": (lambda: nn.LSTM(8, 6, batch_first=True, proj_size=3), (5, 8), None),
    "RNNCell": (lambda: nn.RNNCell(8, 6), (8,), None),
    "GRUCell": (lambda: nn.GRUCell(8, 6), (8,), None),
    "LSTMCell": (lambda: nn.LSTMCell(8, 6), (8,), None),
    # --- whole networks ---
    "LeNet": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(24, 10), nn.Softmax(),
        ),
        (1, 12, 12), ["Conv", "Tanh", "AveragePool", "Conv", "Relu", "MaxPool", "Reshape", "Gemm", "Softmax"],
    ),
}  # fmt: skip


def prepared(make: Callable[[], Any]) -> Any:
    """Return a layer whose statistics are not the ones that it began with."""
    la.random.seed(5)
    model = make()
    generator = np.random.default_rng(5)
    for name, value in model.state_dict().items():
        if "running_" in name:
            drawn = generator.uniform(0.5, 2.0, value.shape).astype("float32")
            model.load_state_dict({name: la.asarray(drawn)}, strict=False)
    return model.eval()


def leaves(result: Any) -> list[NDArray]:
    return [each for one in result for each in leaves(one)] if isinstance(result, tuple) else [result.numpy()]


@pytest.mark.parametrize("name", LAYERS)
def test_layers_agree_with_onnxruntime_and_come_back(name: str, run_onnx: Run, normal: Any, tmp_path: Path) -> None:
    make, shape, operators = LAYERS[name]
    model = prepared(make)
    for rows in (5, 2):
        x = normal(rows, *shape)
        got = run_onnx(model, x, example=[normal(3, *shape)])
        wanted = leaves(model(la.asarray(x)))
        back = import_onnx(tmp_path / "model.onnx")
        for one, two, three in zip(got, leaves(back(la.asarray(x))), wanted, strict=True):
            assert one.dtype == two.dtype == three.dtype
            np.testing.assert_allclose(one, three, **CLOSE)
            np.testing.assert_allclose(two, three, **CLOSE)
    assert back.state_dict().keys() <= model.state_dict().keys() | {"constant"}
    if operators is not None:
        graph = onnx.load(tmp_path / "model.onnx").graph
        assert [each.op_type for each in graph.node if each.op_type != "Constant"] == operators


def test_every_layer_over_space_and_of_normalisation_is_looked_at() -> None:
    looked_at = {name.split()[0] for name in LAYERS}
    kinds = (
        "Conv",
        "MaxPool",
        "AvgPool",
        "LPPool",
        "AdaptiveAvg",
        "AdaptiveMax",
        "Pad",
        "Norm",
        "Pixel",
        "old",
        "Drop",
    )
    made = {name for name in nn.__all__ if isinstance(getattr(nn, name), type) and any(kind in name for kind in kinds)}
    # What draws numbers cannot be exported.
    assert made - looked_at - {"Dropout", "FractionalMaxPool2d", "FractionalMaxPool3d"} == set()


def test_tokens_go_through_an_embedding(run_onnx: Run) -> None:
    model = nn.Sequential(nn.Embedding(10, 4, padding_idx=0), nn.Linear(4, 3))
    tokens = np.random.default_rng(0).integers(0, 10, (6, 5))
    (got,) = run_onnx(model, tokens, example=[tokens[:2]])
    np.testing.assert_allclose(got, model(la.asarray(tokens)).numpy(), **CLOSE)


def test_the_last_of_several_rows_with_one_index_stays_and_rows_of_no_place_are_left_out(run_onnx: Run) -> None:
    from lamina.primitives.indexing import put_rows

    x, rows = np.arange(12.0, dtype=np.float32).reshape(6, 2), -np.arange(8.0, dtype=np.float32).reshape(4, 2)
    (got,) = run_onnx(lambda x: put_rows(x, la.asarray(rows), la.asarray([3, 7, -1, 3])), x, example=[x[:4]])
    np.testing.assert_array_equal(got, [*x[:3], rows[3], *x[4:]])


def test_images_without_a_batch_go_through(run_onnx: Run, normal: Any, tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1), nn.MaxPool2d(2), nn.AvgPool2d((2, 1)), nn.AdaptiveAvgPool2d(1))
    x = normal(*IMAGE)
    (got,) = run_onnx(model, x, dynamic_batch=False)
    np.testing.assert_allclose(got, model(la.asarray(x)).numpy(), **CLOSE)
    kinds = {each.op_type for each in onnx.load(tmp_path / "model.onnx").graph.node}
    assert {"Conv", "MaxPool", "AveragePool", "GlobalAveragePool"} <= kinds


def test_numbers_that_are_not_zero_around_an_image_are_not_folded_away(run_onnx: Run, normal: Any) -> None:
    model = nn.Sequential(nn.ConstantPad2d(1, 0.5), nn.Conv2d(4, 6, 3), nn.ConstantPad2d(2, -1.0), nn.MaxPool2d(3))
    x = normal(3, *IMAGE)
    (got,) = run_onnx(model, x)
    np.testing.assert_allclose(got, model(la.asarray(x)).numpy(), **CLOSE)


def test_integers_are_convolved_exactly(run_onnx: Run) -> None:
    generator = np.random.default_rng(0)
    x, w = (generator.integers(-(2**40), 2**40, shape) for shape in ((3, 4, 6), (4, 2, 3)))
    (got,) = run_onnx(lambda x: nn.conv1d(x, la.asarray(w), groups=2, padding=1, stride=2), x, example=[x[:2]])
    wanted = nn.conv1d(la.asarray(x), la.asarray(w), groups=2, padding=1, stride=2)
    np.testing.assert_array_equal(got, wanted.numpy())


@pytest.mark.parametrize("make", [lambda: nn.LSTM(4, 3), lambda: nn.BatchNorm1d(4, track_running_stats=False)])
def test_what_takes_other_steps_for_a_longer_first_axis_goes_out_for_one_length(
    make: Any, run_onnx: Run, normal: Any, tmp_path: Path
) -> None:
    model, x = make().eval(), normal(5, 3, 4) if isinstance(make(), nn.LSTM) else normal(5, 4)
    with pytest.raises(TracingError, match="dynamic_batch=False"):
        export_onnx(model, tmp_path / "model.onnx", la.asarray(x))
    got = run_onnx(model, x, dynamic_batch=False)[0]
    np.testing.assert_allclose(got, leaves(model(la.asarray(x)))[0], **CLOSE)


def test_a_network_of_layers_over_space_has_the_same_gradients_after_it_was_read(tmp_path: Path, normal: Any) -> None:
    model = prepared(
        lambda: nn.Sequential(
            nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2),
            nn.ConvTranspose2d(3, 2, 2, stride=2), nn.AvgPool2d(2), nn.Flatten(), nn.LayerNorm(8), nn.Linear(8, 2),
        )
    )  # fmt: skip
    export_onnx(model, tmp_path / "model.onnx", la.zeros((1, 1, 4, 4)))
    back = import_onnx(tmp_path / "model.onnx")
    assert {"1.running_mean", "1.running_var"} <= back.state_dict().keys()
    x = la.asarray(normal(6, 1, 4, 4))
    found, wanted = (
        {name: grads[each].numpy() for name, each in one.named_parameters()}
        for one in (back, model)
        for grads in [la.sum(one(x) ** 2).backward()]
    )
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        np.testing.assert_allclose(found[name], gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "tokens"),
    [
        (lambda: la.models.GPT(20, 12, 16, 2, 2), True),
        (lambda: la.models.LSTMLanguageModel(20, 8), True),
        (lambda: la.models.LeNet5(), False),
        (lambda: la.models.resnet18(10, channels=1, width=4, stem="small"), False),
    ],
    ids=["GPT", "LSTM language model", "LeNet-5", "ResNet-18"],
)
def test_whole_models_go_out_and_come_back(make: Any, tokens: bool, run_onnx: Run, normal: Any, tmp_path: Path) -> None:
    model = prepared(make)
    x = np.random.default_rng(0).integers(0, 20, (3, 12)) if tokens else normal(3, 1, 28, 28)
    got = run_onnx(model, x, example=[x[:2]])
    wanted = leaves(model(la.asarray(x)))
    again = leaves(import_onnx(tmp_path / "model.onnx")(la.asarray(x)))
    for one, two, three in zip(got, again, wanted, strict=True):
        np.testing.assert_allclose(one, three, **CLOSE)
        np.testing.assert_allclose(two, three, **CLOSE)
